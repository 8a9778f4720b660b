"""`rows_behind`: a point of a figure in, the rows that its number was computed from out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.blocks import lack, made_of
from siwork.metrics.catalogue import CHANGE, metric_of
from siwork.metrics.catalogue.kinds import Ratio
from siwork.metrics.cells import Cells, reduce_rows
from siwork.metrics.counting import counting
from siwork.metrics.measure import study_of, wished
from siwork.metrics.tables.ledger import ledger_problems
from siwork.metrics.tables.places import check_first
from siwork.metrics.tables.recal import MAPS
from siwork.metrics.tables.reliability import asked_of, votes_of
from siwork.metrics.tables.support import sampled_rows, seen_in
from siwork.schema import SPLITS, KnobError, SchemaError, nearest

Point = Mapping[str, Any]
_HALVED = ("answer_entropy", "support_kept")  # their k is half of that of the round
_KEYS = ("run", "split", "metric")
_RECAL = ("brier", "excess", "ece2", "temperature", "slope", "offset")


class _Own(NamedTuple):
    """One run, wherever its rows are."""

    read: Callable[[Sequence[int] | None, str], pd.DataFrame]  # (rounds, None is all; split) → rows
    first: Callable[[str], int]  # split → its first round
    problems: Callable[[], pd.DataFrame | None]


def rows_behind(source: Any, point: Point, runs: Mapping[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """The rows that the number of a point was computed from, exactly.

    What a metric leaves out is not among them: revisions where first attempts count, rows of unknown truth, problems without
    a value. A number that compares two rounds (a change, parting, `support_kept`, what chance would gain or lose) has the rows of
    both, of the problems that both have. A share of a whole has the rows of its own part, the whole those without the part's
    key: band 0 of `accepted_share` the accepted rows of band 0, and without a band all that are accepted.

    Parameters
    ----------
    source : Run or Runs, of which only the rounds that matter are read, or a row table
    point : what a mark carries, as `siwork.figures.points` has it: run, split, metric, round (none for a table that pools
        them); band; kind of `metric` "ledger": gained, lost, kept and never give the rows of this round of the problems
        so called, net, expected_gained and expected_lost those of both rounds of every problem; low and high of "reliability"
        (scores) and "vote" (shares of the votes, k of them); share of "lorenz", the rows of that share of the problems,
        least served first; first of "score", "gold", "index" (`parting`) and "tail_mass", "expected_lost", "lost"
        (`support_table`), where "lost" are the rows of the first round with a type that is lost, and of "recal_brier_fixed" and
        its like (`recalibration_drift`), whose map was fitted there
    runs : group → names of its runs, for points that are pooled over seeds

    Returns
    -------
    DataFrame, rows in all columns, run by run; none behind an unknown number. A fixed sample of texts is drawn as for these
    rounds alone: the same where every round has as many samples of a problem.

    Raises
    ------
    KnobError for a point that lacks a key, an unknown metric or split, and a run or round that a table does not have;
    Foreign and Unfinished for such of run folders; SchemaError for another source or a missing column.

    >>> rows = pd.DataFrame({"run": "a", "round": 0, "split": "train", "problem": list("xyz"), "gold": [True, False, None]})
    >>> rows_behind(rows, {"run": "a", "round": 0, "split": "train", "metric": "pass@1"})["problem"].tolist()
    ['x', 'y']
    """
    lacking = [name for name in _KEYS if name not in point]
    if lacking:
        raise KnobError(
            f"a point has {', '.join(_KEYS)}, this lacks {', '.join(lacking)}; take it from a mark of a figure"
        )
    if point["split"] not in SPLITS:
        raise KnobError(
            f"split must be one of {', '.join(SPLITS)}, got {point['split']!r}; {nearest(point['split'], SPLITS)}"
        )
    names = (runs or {}).get(point["run"], [point["run"]])
    behind = _TABLES.get(point["metric"], _of_metric)
    return pd.concat([behind(_own(source, name), point) for name in names], ignore_index=True)


def _own(source: Any, name: str) -> _Own:
    """One run of a source. Raises SchemaError, KnobError, Foreign."""
    if isinstance(source, pd.DataFrame):
        return _of_table(source, name)
    if not callable(getattr(source, "rows", None)):
        raise SchemaError(f"a run or a row table is needed, got {type(source).__name__}; Run(folder) opens a folder")
    if hasattr(source, "name") and source.name != name:
        raise KnobError(f"run must be that of the source, got {name!r}; {nearest(name, [source.name])}")
    run = source if hasattr(source, "name") else source[name]

    def first(split: str) -> int:
        rounds = range(run.rounds_done)
        return next((r for r in rounds if len(run.rows(r, columns=["problem"], split=split))), 0)

    return _Own(lambda rounds, split: run.rows(rounds, split=split), first, run.problems)


def _of_table(table: pd.DataFrame, name: str) -> _Own:
    for column in ("run", "round", "split"):
        if column not in table:
            raise SchemaError(f"rows lack column {column!r}; take whole rows of a run")
    own = table[table["run"] == name]
    if own.empty:
        raise KnobError(f"run must be one of the rows, got {name!r}; {nearest(name, set(table['run']))}")

    def read(rounds: Sequence[int] | None, split: str) -> pd.DataFrame:
        for r in rounds or ():
            check_first(own["round"], r, "round")
        here = own[own["split"] == split]
        return here if rounds is None else here[here["round"].isin(list(rounds))]

    return _Own(read, lambda split: int(own.loc[own["split"] == split, "round"].min()), lambda: None)


def _of_metric(own: _Own, point: Point) -> pd.DataFrame:
    """Of a metric that `measure` knows."""
    name, split = point["metric"].removesuffix(CHANGE), point["split"]
    compared = name != point["metric"] or name == "support_kept"
    rows = own.read(_rounds(point, own.first(split) if compared else None), split)
    k = point["k"] * (2 if name in _HALVED else 1) if "k" in point else None
    study = study_of(rows, wished(rows, [name], ("round",), 0.95, k, own.problems()), {})
    cells = study.cells
    if lack(cells, name) or not cells.groups or (metric_of(name).train and split != "train"):
        return rows.iloc[:0]
    mask, units = counting(study, name, point.get("band"))
    if "band" in point:
        band = cells.columns["band"]
        mask = mask & (band <= point["band"] if point.get("kind") == "and harder" else band == point["band"])
    if compared and not isinstance(made_of(study, name), Ratio):  # a ratio takes the problems of either round
        last = cells.keys["round"] == point["round"] if name == "support_kept" else np.ones(cells.groups, bool)
        return rows[mask & _in_all(cells, units, np.asarray(last, bool))[cells.unit]]
    return rows[mask & units[cells.unit]]


def _rounds(point: Point, first: int | None = None) -> list[int] | None:
    """The rounds to read, rising; None for all. Raises KnobError."""
    if "round" not in point:
        return None
    return sorted({int(point["round"])} | (set() if first is None else {int(first)}))


def _in_all(cells: Cells, units: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Units whose problem is among the units given in each of these groups, (units,) bool."""
    of = [set(cells.problem[units & (cells.group == g)].tolist()) for g in np.flatnonzero(groups).tolist()]
    shared = set.intersection(*of) if of else set()
    return np.isin(cells.problem, list(shared))


def _compared(own: _Own, point: Point) -> tuple[pd.DataFrame, bool]:
    """The rows of a round and of the first, and whether both have any."""
    rounds = _rounds(point, point["first"])
    rows = own.read(rounds, point["split"])
    return rows, rows["round"].nunique() == len(rounds or [])


def _of_ledger(own: _Own, point: Point) -> pd.DataFrame:
    rows, both = _compared(own, point)
    if not both:
        return rows.iloc[:0]
    found = ledger_problems(rows, point["first"], point["round"])
    state, kind = found["state"], point["kind"]
    called = kind in ("gained", "lost", "kept", "never")
    problems = found.loc[state == kind if called else state.notna(), "problem"]
    mask = reduce_rows(rows, ("round",), ["gold"]).judged & rows["problem"].isin(problems).to_numpy(bool)
    return rows[mask & (rows["round"] == point["round"]).to_numpy(bool)] if called else rows[mask]


def _of_lorenz(own: _Own, point: Point) -> pd.DataFrame:
    """Where the curve runs between two problems, it takes the next one in."""
    rows = own.read(_rounds(point), point["split"])
    cells = reduce_rows(rows, ("round",), ["weight"])
    order = np.argsort(cells.count(cells.columns["weight"] > 0), kind="stable")
    return rows[np.isin(cells.unit, order[: int(np.ceil(point["share"] * cells.units - 1e-9))])]


def _of_bin(own: _Own, point: Point) -> pd.DataFrame:
    rows = own.read(_rounds(point), point["split"])
    cells = reduce_rows(rows, (), ["score", "gold"])
    return rows[cells.judged & _within(cells.columns["score"], point)]


def _of_votes(own: _Own, point: Point) -> pd.DataFrame:
    rows = own.read(_rounds(point), point["split"])
    cells = reduce_rows(rows, (), ["answer", "gold", "sample"])
    asked = asked_of(cells, np.full(cells.groups, point["k"]))
    return rows[asked & _within(votes_of(cells, asked)[0], point)[cells.unit]]


def _within(values: np.ndarray, point: Point) -> np.ndarray:
    return (values >= point["low"]) & (values <= point["high"])


def _of_parting(own: _Own, point: Point) -> pd.DataFrame:
    rows, both = _compared(own, point)
    cells = reduce_rows(rows, ("round",), ["score", "gold"])
    known = np.isfinite(cells.columns["score"] + cells.columns["gold"])
    shared = _in_all(cells, cells.count(known) > 0, np.ones(cells.groups, bool))
    return rows[known & shared[cells.unit] & both]


def _of_support(own: _Own, point: Point) -> pd.DataFrame:
    rows, both = _compared(own, point)
    words = point.get("kind") == "word"
    table = sampled_rows(rows) if words else rows
    if table is None or not both:
        return rows.iloc[:0]
    seen = seen_in(table, "token" if words else "answer")
    cells = seen.cells
    shared = _in_all(cells, seen.size > 0, np.ones(cells.groups, bool))
    if point["metric"] != "lost":
        return table[cells.plain & shared[cells.unit]]
    row, kind = (each[shared[cells.unit[seen.row]]] for each in (seen.row, seen.type))
    then = cells.keys["round"].to_numpy(np.int64)[cells.group[cells.unit[row]]] == point["round"]
    return table.iloc[np.unique(row[~then & ~np.isin(kind, kind[then])])]


def _of_recal(own: _Own, point: Point) -> pd.DataFrame:
    """What is measured, and for the first round's map what it was fitted on; what was fitted has the round's own rows."""
    fixed = "_fixed" in point["metric"]
    rows = own.read(_rounds(point, point["first"] if fixed else None), point["split"])
    cells = reduce_rows(rows, ("round",), ["score", "gold"])
    return rows[cells.judged & np.isfinite(cells.columns["score"])]


_TABLES: dict[str, Callable[[_Own, Point], pd.DataFrame]] = {
    "ledger": _of_ledger,
    "lorenz": _of_lorenz,
    "reliability": _of_bin,
    "vote": _of_votes,
    **dict.fromkeys(("score", "gold", "index"), _of_parting),
    **dict.fromkeys((f"recal_{name}_{kind}" for name in _RECAL for kind in MAPS), _of_recal),
    **dict.fromkeys(("tail_mass", "lost", "expected_lost"), _of_support),
}
