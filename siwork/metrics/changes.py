"""Differences: a metric of two rounds, or of two runs, paired by problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.blocks import lack
from siwork.metrics.catalogue import CHANGE, metric_of
from siwork.metrics.cells import Cells
from siwork.metrics.measure import Wish, frames, study_of, tidy, wished
from siwork.metrics.pairs import NONE, Match, Pairing, banded, changed, table_of, with_reasons
from siwork.metrics.study import Common, Study
from siwork.schema import KnobError, nearest


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
    problem, n the problems of either round. `method` holds "no problem differs" where every difference is 0; `attrs` the
    level. `measure` gives the same for every round since the first one: `["pass@1_change"]`.

    Raises
    ------
    KnobError for a metric that is unknown or neither a mean nor a ratio over problems, or equal rounds; SchemaError as
    `measure`.

    >>> rows = pd.DataFrame({"run": "a", "round": [0, 0, 1, 1], "split": "train", "problem": list("xyxy"), "gold": [0, 0, 1, 0]})
    >>> round_difference(rows.astype({"gold": bool}), "pass@1", 0, 1)["value"].tolist()
    [0.5]
    """
    _refuse_others(metric)
    wish = wished(rows, [metric], ("round",), level, k, problems, embed)
    if first == last:
        raise KnobError(f"first and last must be two rounds, got {first} twice")
    study = _study(rows, wish, "round", (first, last))
    if study is None:
        return tidy([], ("round",), [], wish.level)
    pairs = [_Pair.of(study, "round", (first, last), place) for place in dict.fromkeys(study.cells.places())]
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
    _refuse_others(metric)
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
    pairs = [_Pair.of(study, "run", (first, last), place) for place in places]
    return _table(study, pairs, metric, "difference")


def _refuse_others(metric: str) -> None:
    """Raises KnobError for a family of metrics, and for what is a change already."""
    if metric == "pass@k":
        raise KnobError("pass@k is a family of metrics; name one of it, such as pass@8")
    if isinstance(metric, str) and metric.endswith(CHANGE):
        raise KnobError(f"metric is a level, got {metric!r}, a change; name {metric.removesuffix(CHANGE)!r}")


def _table(study: Study, pairs: list[_Pair], metric: str, suffix: str) -> pd.DataFrame:
    """The metric table of the differences of some pairs."""
    known, lacking = metric_of(metric), lack(study.cells, metric)
    pairs = [pair for pair in pairs if pair.place[2] == "train" or not known.train]
    reasons = [lacking or pair.reason for pair in pairs]
    matches = [pair.match(study.cells) for pair, why in zip(pairs, reasons, strict=True) if not why]
    pairing = Pairing.of(matches) if matches else None
    places = pd.DataFrame([pair.place for pair in pairs], columns=["run", "round", "split"])
    made = None if lacking else known.make(study)
    found = [
        (NONE if pairing is None else changed(pairing, each, each, metric, study.level), band)
        for band, each in banded(known, made)
    ]
    parts = [table_of(with_reasons(reasons, one), places, band) for one, band in found]
    name = f"{metric}_{suffix}"
    return tidy([pd.concat(parts).assign(metric=name, unit=known.unit)], ("round",), [name], study.level)


def _study(rows: Any, wish: Wish, column: str, wanted: tuple[Any, Any]) -> Study | None:
    """The two rounds, or the two runs, reduced together on one common ground; None without rows."""
    columns = list(dict.fromkeys(["run", "round", "split", "problem", "hint", "turn", *wish.columns]))
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


class _Pair(NamedTuple):
    """Two groups that hold the same problems."""

    place: tuple[str, int, str]  # run, round and split that the difference stands for
    words: tuple[str, str]  # the earlier and the later group
    groups: tuple[int, int]  # −1 where there are no rows

    @classmethod
    def of(cls, study: Study, column: str, values: tuple[Any, Any], place: tuple[Any, Any]) -> _Pair:
        """The groups with two values of a column (round or run) at one place (the other one, and the split)."""
        other = "run" if column == "round" else "round"
        keys = study.cells.keys
        here = (keys[other] == place[0]) & (keys["split"] == place[1])
        found = [np.flatnonzero((here & (keys[column] == value)).to_numpy(bool)) for value in values]
        groups = [int(group[0]) if len(group) else -1 for group in found]
        run, r = (place[0], values[1]) if column == "round" else (f"{values[1]} − {values[0]}", place[0])
        words = [f"{column} {value}" for value in values]
        return cls((run, r, place[1]), (words[0], words[1]), (groups[0], groups[1]))

    def match(self, cells: Cells) -> Match:
        """The problems of the two groups."""
        first, then = (cells.units_of(g) for g in self.groups)
        place = np.full(len(cells.names), -1)
        place[cells.problem[first]] = np.arange(first.stop - first.start)
        return Match.of(place[cells.problem[then]], np.arange(then.start, then.stop), first, self.groups, self.words)

    @property
    def reason(self) -> str:
        """Why there is no difference, empty when both groups have rows."""
        return next(
            (f"{w} has no rows of this split" for w, g in zip(self.words, self.groups, strict=True) if g < 0), ""
        )
