"""Change: a metric of two rounds, paired by problem."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.blocks import lack
from siwork.metrics.catalogue import metric_of
from siwork.metrics.catalogue.kinds import PerProblem, Ratio
from siwork.metrics.intervals import student_t
from siwork.metrics.measure import Wish, frames, study_of, tidy, wished
from siwork.metrics.study import Study
from siwork.metrics.uncertainty import Interval, paired_t
from siwork.schema import BANDS, KnobError


def round_difference(
    rows: Any,
    metric: str,
    first: int,
    last: int,
    level: float = 0.95,
    k: int | None = None,
    problems: pd.DataFrame | None = None,
    embed: Any = None,
) -> pd.DataFrame:
    """How much a metric changed from one round to another, paired by problem.

    Never compare two rounds by whether their intervals overlap. For several runs `over_seeds(round_difference(...))` has
    the interval over seeds, the one for claims about a method.

    Parameters
    ----------
    rows : row table or run, of one run or several
    metric : pass@<number> or another mean over problems or ratio of sums over problems, such as distinct_correct,
        answer_entropy, solution_coverage, precision, accepted_share (a row a band)
    first, last : rounds; the value is last − first
    level : coverage of the interval
    k : draws for the metrics that have them; None is the smallest number of plain samples a problem in the two rounds
    problems : problem table with n_solutions, for solution_coverage (a run brings its own)
    embed : as in `measure`

    Returns
    -------
    Metric table, one row a (run, split), and a band where the metric is by band: metric `<metric>_change`, round = last,
    n = pairs; null where a round has none. Means: paired t over problems. Ratios: the linearised difference, paired by
    problem.

    Raises
    ------
    KnobError for a metric that is unknown or neither a mean nor a ratio over problems, or equal rounds; SchemaError as
    `measure`.

    >>> rows = pd.DataFrame({"run": "a", "round": [0, 0, 1, 1], "split": "train", "problem": list("xyxy"), "gold": [0, 0, 1, 0]})
    >>> round_difference(rows.astype({"gold": bool}), "pass@1", 0, 1)["value"].tolist()
    [0.5]
    """
    if metric == "pass@k":
        raise KnobError("pass@k is a family of metrics; name one of it, such as pass@8")
    wish = wished(rows, [metric], ("round",), level, k, problems, embed)
    if first == last:
        raise KnobError(f"first and last must be two rounds, got {first} twice")
    study = _study(rows, wish, (first, last))
    if study is None:
        return tidy([], ("round",), [])
    reason = lack(study.cells, metric)
    made = None if reason else metric_of(metric).make(study)
    several = made if isinstance(made, list) else [made]
    bands = [float(band) for band in BANDS] if isinstance(made, list) else [np.nan]
    places = [
        place for place in dict.fromkeys(study.cells.places()) if place[1] == "train" or not metric_of(metric).train
    ]
    changes = [
        (*place, *_change(Pair.of(study, place, (first, last)), each, metric, reason), band)
        for place in places
        for each, band in zip(several, bands, strict=True)
    ]
    table = pd.DataFrame(changes, columns=["run", "split", "value", "low", "high", "n", "method", "k", "band"])
    table = table.assign(round=last, metric=f"{metric}_change", unit=metric_of(metric).unit)
    return tidy([table], ("round",), [f"{metric}_change"])


def _study(rows: Any, wish: Wish, rounds: tuple[int, int]) -> Study | None:
    """The two rounds, reduced together; None without rows."""
    columns = ["run", "round", "split", "problem", "hint", "turn", *wish.columns]
    parts = [rows[[c for c in columns if c in rows]]] if isinstance(rows, pd.DataFrame) else frames(rows, columns)
    tables = [table[table["round"].isin(rounds)] if "round" in table else table for table in parts]
    return study_of(pd.concat(tables), wish, {}) if tables else None


class Pair(NamedTuple):
    """The two rounds of one (run, split)."""

    study: Study
    rounds: tuple[int, int]
    units: tuple[np.ndarray, np.ndarray]  # (units,) bool each
    groups: tuple[int, int]  # −1 where the round has no rows

    @classmethod
    def of(cls, study: Study, place: tuple[str, str], rounds: tuple[int, int]) -> Pair:
        """The pair of a place."""
        cells = study.cells
        here = (cells.keys["run"] == place[0]) & (cells.keys["split"] == place[1])
        found = [np.flatnonzero((here & (cells.keys["round"] == r)).to_numpy(bool)) for r in rounds]
        groups = [int(group[0]) if len(group) else -1 for group in found]
        units = [cells.group == group for group in groups]
        return cls(study, rounds, (units[0], units[1]), (groups[0], groups[1]))

    def by_problem(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (units,) of both rounds by problem, (problems,) each, NaN for the problems a round does not hold."""
        cells, out = self.study.cells, []
        for unit in self.units:
            spread = np.full(len(cells.names), np.nan)
            spread[cells.problem[unit]] = values[unit]
            out.append(spread)
        return out[0], out[1]

    @property
    def problems(self) -> int:
        """Problems in either round."""
        return len(np.unique(self.study.cells.problem[self.units[0] | self.units[1]]))


def _change(pair: Pair, made: Any, metric: str, reason: str) -> tuple[Any, ...]:
    """value, low, high, n, method and k of one pair of rounds."""
    for r, group in zip(pair.rounds, pair.groups, strict=True):
        reason = reason or ("" if group >= 0 else f"round {r} has no rows of this split")
    if reason:
        return np.nan, np.nan, np.nan, 0, reason, np.nan
    if isinstance(made, PerProblem):
        return _mean_change(pair, made)
    if isinstance(made, Ratio) and made.shape is None:
        return _ratio_change(pair, made)
    raise KnobError(
        f"{metric!r} is neither a mean nor a ratio over problems, so it cannot be paired by problem; "
        "measure both rounds, and over several runs take over_seeds"
    )


def _mean_change(pair: Pair, per: PerProblem) -> tuple[Any, ...]:
    k = np.nan if per.k is None else per.k[pair.groups[0]]
    short = 0 if per.short is None else max(int((per.short & unit).sum()) for unit in pair.units)
    if short:
        reason = f"{short} problems of a round have fewer than k={k} samples with known gold; ask for a smaller k"
        return np.nan, np.nan, np.nan, 0, reason, k
    before, after = pair.by_problem(per.value)
    width = max(float(np.max(per.span[1]) - np.min(per.span[0])), 0.0)
    found = paired_t(before, after, pair.study.level, (-width, width))
    among = pair.problems if per.among is None else len(np.unique(pair.study.cells.problem[per.among]))
    return found.value, found.low, found.high, found.n, _mean_words(per, found, among, pair.rounds, k), k


def _mean_words(per: PerProblem, found: Interval, problems: int, rounds: tuple[int, int], k: float) -> str:
    lacking = per.lacking.format(k=k)
    if not found.n:
        return f"no problem has a value in both rounds: {lacking} is needed"
    kind = "paired t over problems" if np.isfinite(found.low) else "no interval: too few pairs differ"
    words = f"round {rounds[1]} − round {rounds[0]}, {per.how.format(k=k)}; {kind}"
    if found.n < problems:
        words += f"; {problems - found.n} of {problems} problems left out for lack of {lacking} in both rounds"
    return words + ("; few_problems" if found.n < 10 else "")


def _ratio_change(pair: Pair, made: Ratio) -> tuple[Any, ...]:
    """θ₁ − θ₀ with the influence of each problem on both: what is paired stays paired."""
    parts, wholes = pair.by_problem(made.part), pair.by_problem(made.whole)
    totals = [float(np.nansum(whole)) for whole in wholes]
    if min(totals) <= 0:
        return np.nan, np.nan, np.nan, 0, f"a round has no row that has {made.lacking}", np.nan
    value = [float(np.nansum(part)) / total for part, total in zip(parts, totals, strict=True)]
    pull = [np.nan_to_num(part - v * w) / t for part, w, v, t in zip(parts, wholes, value, totals, strict=True)]
    influence = (pull[1] - pull[0])[np.nansum(wholes, axis=0) > 0]
    n, change = len(influence), value[1] - value[0]
    words = f"round {pair.rounds[1]} − round {pair.rounds[0]}, {made.how}; "
    if (influence != 0).sum() < 5:
        return change, np.nan, np.nan, n, words + "no interval: too few problems differ", np.nan
    half = float(student_t(np.array([n]), pair.study.level)[0] * np.sqrt(n / (n - 1) * np.sum(influence**2)))
    words += "linearised t over problems, paired" + ("; few_problems" if n < 10 else "")
    return change, change - half, change + half, n, words, np.nan
