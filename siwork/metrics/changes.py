"""Differences: a metric of two rounds, or of two runs, paired by problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.blocks import lack
from siwork.metrics.catalogue import metric_of
from siwork.metrics.catalogue.functionals import linear_limits
from siwork.metrics.catalogue.kinds import FEW, PerProblem, Ratio
from siwork.metrics.intervals import UNBOUNDED
from siwork.metrics.measure import Wish, frames, study_of, tidy, wished
from siwork.metrics.study import Common, Study
from siwork.metrics.uncertainty import Interval, paired_t
from siwork.schema import BANDS, KnobError, nearest

_COUNT = 20.0  # effective number of problems that an interval of a ratio's change must rest on


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
    study = _study(rows, wish, "round", (first, last))
    if study is None:
        return tidy([], ("round",), [])
    pairs = [Pair.of(study, "round", (first, last), place) for place in dict.fromkeys(study.cells.places())]
    return _table(study, pairs, metric, "change")


def run_difference(
    rows: Any,
    metric: str,
    first: str,
    last: str,
    level: float = 0.95,
    k: int | None = None,
    problems: pd.DataFrame | None = None,
    embed: Any = None,
) -> pd.DataFrame:
    """How much a metric differs from one run to another, round by round, paired by problem.

    Two runs of one seed differ by more than their recipes; for a claim about recipes pair sibling runs seed by seed and
    give the differences to `over_seeds`.

    Parameters
    ----------
    rows : row table or runs (Runs), both runs among them
    first, last : names of the runs; the value is last − first
    metric, level, k, problems, embed : as in `round_difference`; k is one for all rounds of both runs

    Returns
    -------
    Metric table, one row a (round, split), and a band where the metric is by band: run = `<last> − <first>`, metric
    `<metric>_difference`, n = pairs; problems of one run only are counted in `method`.

    Raises
    ------
    KnobError for a run that is not there, equal runs, or a metric that is neither a mean nor a ratio over problems;
    SchemaError as `measure`.

    >>> rows = pd.DataFrame({"run": list("aabb"), "round": 0, "split": "train", "problem": list("xyxy"), "gold": [0, 0, 1, 0]})
    >>> run_difference(rows.astype({"gold": bool}), "pass@1", "a", "b")["value"].tolist()
    [0.5]
    """
    if metric == "pass@k":
        raise KnobError("pass@k is a family of metrics; name one of it, such as pass@8")
    wish = wished(rows, [metric], ("round",), level, k, problems, embed)
    if first == last:
        raise KnobError(f"first and last must be two runs, got {first!r} twice")
    study = _study(rows, wish, "run", (first, last))
    names = [] if study is None else study.cells.keys["run"].unique().tolist()
    for run in (first, last):
        if run not in names:
            raise KnobError(f"first and last must be runs of the rows, got {run!r}; {nearest(run, names)}")
    assert study is not None
    places = study.cells.keys[["round", "split"]].drop_duplicates().itertuples(index=False, name=None)
    pairs = [Pair.of(study, "run", (first, last), place) for place in places]
    return _table(study, pairs, metric, "difference")


def _table(study: Study, pairs: list[Pair], metric: str, suffix: str) -> pd.DataFrame:
    """The metric table of the differences of some pairs."""
    known, reason = metric_of(metric), lack(study.cells, metric)
    made = None if reason else known.make(study)
    several = made if isinstance(made, list) else [made]
    bands = [float(band) for band in BANDS] if isinstance(made, list) else [np.nan]
    found = [
        (*pair.place, *_change(pair, each, metric, reason), band)
        for pair in pairs
        if pair.place[2] == "train" or not known.train
        for each, band in zip(several, bands, strict=True)
    ]
    columns = ["run", "round", "split", "value", "low", "high", "n", "method", "k", "band"]
    table = pd.DataFrame(found, columns=columns).assign(metric=f"{metric}_{suffix}", unit=known.unit)
    return tidy([table], ("round",), [f"{metric}_{suffix}"])


def _study(rows: Any, wish: Wish, column: str, wanted: tuple[Any, Any]) -> Study | None:
    """The two rounds, or the two runs, reduced together on one common ground; None without rows."""
    columns = ["run", "round", "split", "problem", "hint", "turn", *wish.columns]
    parts = [rows[[c for c in columns if c in rows]]] if isinstance(rows, pd.DataFrame) else frames(rows, columns)
    tables = [table[table[column].isin(wanted)] if column in table else table for table in parts]
    if not tables:
        return None
    study = study_of(pd.concat(tables), wish, {})
    if column == "round":
        return study
    shared: dict[str, Common] = {}  # by split: the runs compare at one k, too
    for (_, split), own in zip(study.cells.places(), study.common, strict=True):
        shared[split] = shared[split].with_later(own) if split in shared else own
    return replace(study, common=tuple(shared[split] for _, split in study.cells.places()))


class Pair(NamedTuple):
    """Two groups that hold the same problems."""

    study: Study
    place: tuple[str, int, str]  # run, round and split that the difference stands for
    names: tuple[str, str]  # the earlier and the later group, in words
    units: tuple[np.ndarray, np.ndarray]  # (units,) bool each
    groups: tuple[int, int]  # −1 where there are no rows

    @classmethod
    def of(cls, study: Study, column: str, values: tuple[Any, Any], place: tuple[Any, Any]) -> Pair:
        """The groups with two values of a column (round or run) at one place (the other one, and the split)."""
        other = "run" if column == "round" else "round"
        keys = study.cells.keys
        here = (keys[other] == place[0]) & (keys["split"] == place[1])
        found = [np.flatnonzero((here & (keys[column] == value)).to_numpy(bool)) for value in values]
        groups = [int(group[0]) if len(group) else -1 for group in found]
        units = [study.cells.group == group for group in groups]
        words = [f"{column} {value}" for value in values]
        run, r = (place[0], values[1]) if column == "round" else (f"{values[1]} − {values[0]}", place[0])
        return cls(study, (run, r, place[1]), (words[0], words[1]), (units[0], units[1]), (groups[0], groups[1]))

    def by_problem(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (units,) of both groups by problem, (problems,) each, NaN for the problems a group does not hold."""
        cells, out = self.study.cells, []
        for unit in self.units:
            spread = np.full(len(cells.names), np.nan)
            spread[cells.problem[unit]] = values[unit]
            out.append(spread)
        return out[0], out[1]

    @property
    def among(self) -> np.ndarray:
        """Units of either group, (units,) bool."""
        return self.units[0] | self.units[1]

    @property
    def unshared(self) -> str:
        """How many problems only one of the groups has, in words."""
        one, two = (set(self.study.cells.problem[unit].tolist()) for unit in self.units)
        return f"; {len(one ^ two)} of {len(one | two)} problems in one of the two only" if one ^ two else ""


def _change(pair: Pair, made: Any, metric: str, reason: str) -> tuple[Any, ...]:
    """value, low, high, n, method and k of one pair of rounds."""
    for name, group in zip(pair.names, pair.groups, strict=True):
        reason = reason or ("" if group >= 0 else f"{name} has no rows of this split")
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
        reason = f"{short} problems have fewer than k={k} {per.drawn}; ask for a smaller k"
        return np.nan, np.nan, np.nan, 0, reason, k
    before, after = pair.by_problem(per.value)
    width = max(float(np.max(per.span[1]) - np.min(per.span[0])), 0.0)
    found = paired_t(before, after, pair.study.level, (-width, width))
    among = pair.among if per.among is None else pair.among & per.among
    problems = len(np.unique(pair.study.cells.problem[among]))
    return found.value, found.low, found.high, found.n, _mean_words(per, found, problems, pair.names, k), k


def _mean_words(per: PerProblem, found: Interval, problems: int, names: tuple[str, str], k: float) -> str:
    lacking = per.lacking.format(k=k)
    if not found.n:
        return f"no problem has a value in both: {lacking} is needed"
    kind = "paired t over problems" if np.isfinite(found.low) else "no interval: too few pairs differ"
    words = f"{names[1]} − {names[0]}, {per.how.format(k=k)}; {kind}"
    if found.n < problems:
        words += f"; {problems - found.n} of {problems} problems left out for lack of {lacking} in both"
    return words + ("; few_problems" if found.n < 10 else "")


def _ratio_change(pair: Pair, made: Ratio) -> tuple[Any, ...]:
    """θ₁ − θ₀ with the influence of each problem on both: what is paired stays paired."""
    parts, wholes = pair.by_problem(made.part), pair.by_problem(made.whole)
    totals = [float(np.nansum(whole)) for whole in wholes]
    if min(totals) <= 0:
        return np.nan, np.nan, np.nan, 0, f"one of the two has no row that has {made.lacking}", np.nan
    value = [float(np.nansum(part)) / total for part, total in zip(parts, totals, strict=True)]
    pull = [np.nan_to_num(part - v * w) / t for part, w, v, t in zip(parts, wholes, value, totals, strict=True)]
    influence = (pull[1] - pull[0])[np.nansum(wholes, axis=0) > 0]
    n, change = len(influence), value[1] - value[0]
    words, width = f"{pair.names[1]} − {pair.names[0]}, {made.how}; ", made.span[1] - made.span[0]
    effective = np.sum(np.abs(influence)) ** 2 / max(float(np.sum(influence**2)), 1e-300)
    low, high, kind = linear_limits(change, influence, pair.study.level, UNBOUNDED, FEW)
    if np.isfinite(low) and effective < _COUNT:
        low, high, kind = np.nan, np.nan, "no interval: too few problems differ"
    words += kind + (", paired" if np.isfinite(low) else "") + pair.unshared + ("; few_problems" if n < 10 else "")
    return change, max(low, -width), min(high, width), n, words, np.nan
