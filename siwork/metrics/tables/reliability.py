"""Curves to draw: score against truth, vote share against truth, and how unequally problems are served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from siwork.metrics.calibration import binned, mass_edges, reliability
from siwork.metrics.cells import Cells, Part, reduce_rows
from siwork.metrics.draws import whole
from siwork.metrics.intervals import checked_level, divide, grouped_mean
from siwork.metrics.tables.places import FEW, gathered, reduced, table_of, tables_of, typed
from siwork.metrics.tail import gini, gini_floor, lorenz
from siwork.metrics.uncertainty import jackknife_interval
from siwork.schema import SPLITS, KnobError
from siwork.schema.tables import REAL, TEXT, WHOLE

_BIN = {"bin": WHOLE, "least": REAL, "greatest": REAL}
_MEANS = {"score": REAL, "gold": REAL, "low": REAL, "high": REAL, "method": TEXT}
_POINTS, _JACKKNIFE = 101, 20
_LORENZ = {
    "run": TEXT,
    "split": TEXT,
    "round": WHOLE,
    "problem_share": REAL,
    "accepted_share": REAL,
    "gini": REAL,
    "gini_low": REAL,
    "gini_high": REAL,
    "floor": REAL,
    "n": WHOLE,
    "method": TEXT,
}
Place = tuple[str, str]


def reliability_table(rows: Any, by: Sequence[str] = ("round",), level: float = 0.95, bins: int = 10) -> pd.DataFrame:
    """Mean truth against mean score in bins of scores, one reliability diagram a group, all with the first round's bins.

    Parameters
    ----------
    rows : row table or run; plain samples with score and known gold
    by : columns drawn apart, beside run and split; () pools the rounds
    level : coverage of the intervals, between 0 and 1
    bins : bins of equal mass in the first round of each (run, split); one a score where it has no more than these

    Returns
    -------
    DataFrame, a row a (run, split, columns of `by`, bin): bin, least and greatest score, count, problems, score, gold, low,
    high as in `calibration.reliability`, method. A group with nothing to show has one row of nulls with the reason.

    Raises
    ------
    KnobError for a bad level, bins or `by`; SchemaError for a missing column.

    >>> rows = pd.DataFrame({"run": "a", "round": 0, "split": "train", "problem": list("wxyz"), "score": [0.2, 0.2, 0.9, 0.9]})
    >>> reliability_table(rows.assign(gold=[False, True, True, True]))[["score", "gold", "count"]].values.tolist()
    [[0.2, 0.5, 2], [0.9, 1.0, 2]]
    """
    checked_level(level)
    apart, lines = _apart(by), []
    edges: dict[Place, np.ndarray] = {}
    for cells in _whole_groups(rows, ["score", "gold"], (), apart):
        edges |= {place: found for place, found in _edges(cells, bins).items() if place not in edges}
        for g, place in enumerate(cells.places()):
            lines.append(_with_keys(cells, g, _reliable(cells.part(g).plain, edges.get(place), level)))
    columns = {**_BIN, "count": WHOLE, "problems": WHOLE, **_MEANS}
    return _ordered(lines, apart, columns)


def _apart(by: Sequence[str]) -> tuple[str, ...]:
    if isinstance(by, str):
        raise KnobError(f"by is a tuple of columns such as ('round',), got {by!r}; write ({by!r},)")
    return tuple(name for name in dict.fromkeys(by) if name not in ("run", "split"))


def _whole_groups(rows: Any, needs: Sequence[str], reads: Sequence[str], apart: Sequence[str]) -> Iterator[Cells]:
    """Cells by the columns apart and round where there is one, so that no group is cut in two."""
    read = [*reads, *_columns(apart)]
    pooled = None if "round" in apart else gathered(rows, needs, read)
    for table in tables_of(rows, needs, read) if "round" in apart else [pooled]:
        if table is None:
            return
        yield reduce_rows(table, apart, [*needs, *reads, "round"])


def _columns(apart: Sequence[str]) -> list[str]:
    """The row columns behind the columns apart."""
    return ["weight" if name == "kept" else name for name in apart if name != "round"]


def _edges(cells: Cells, bins: int) -> dict[Place, np.ndarray]:
    """Edges of the bins of each (run, split) by the first round that has a scored sample."""
    scored = cells.judged & ~np.isnan(cells.columns["score"])
    of = {place: i for i, place in enumerate(dict.fromkeys(cells.places()))}
    place = np.array([of[each] for each in cells.places()], np.int64)[cells.group][cells.unit]
    out = {}
    for name, i in of.items():
        here = (place == i) & scored
        if not here.any():
            continue
        rounds = cells.columns["round"][here]
        first = here.copy()
        first[here] = rounds == rounds.min()
        out[name] = mass_edges(cells.columns["score"][first], bins, "auto")
    return out


def _reliable(part: Part, edges: np.ndarray | None, level: float) -> pd.DataFrame:
    score, gold = part.column("score"), part.column("gold")
    table = reliability(score, gold, part.problem, level=level, edges=edges)
    if not len(table):
        return pd.DataFrame({"count": [0], "problems": [0], "method": ["no sample has both score and known gold"]})
    few = np.where(table["problems"] < FEW, "; few_problems", "")
    words = np.where(
        np.isnan(table["low"]), "too few problems, or too few that differ, for an interval", "over problems"
    )
    return table.assign(method=np.char.add(words.astype(str), few.astype(str)))


def _with_keys(cells: Cells, g: int, table: pd.DataFrame) -> pd.DataFrame:
    keys = cells.keys.iloc[np.full(len(table), g)].reset_index(drop=True)
    return pd.concat([keys, table.reset_index(drop=True)], axis=1)


def _ordered(parts: list[pd.DataFrame], apart: Sequence[str], columns: dict[str, Any]) -> pd.DataFrame:
    """Parts as one table: run, columns apart, split, then the columns with their types; ordered so."""
    shown = ["run", "split", *apart, *columns]
    table = pd.concat([pd.DataFrame(columns=shown, dtype=object), *parts], ignore_index=True)
    rank = table["split"].map({split: i for i, split in enumerate(SPLITS)})
    order = ["run", "_rank", *apart]
    table = table.assign(_rank=rank).sort_values(order, kind="stable", ignore_index=True)
    keys: dict[str, Any] = {"run": TEXT, "split": TEXT} | ({"round": WHOLE} if "round" in apart else {})
    done = typed(table, {**keys, **columns})
    others = {name: table[name] for name in apart if name != "round"}
    return done.assign(**others)[shown]


def vote_table(rows: Any, by: Sequence[str] = ("round",), bins: int = 5, level: float = 0.95) -> pd.DataFrame:
    """How often the commonest answer is right, by the share of the votes it has: can a vote stand in for the truth?

    One unit a problem. The share depends on the number of votes, so every group of a (run, split) is asked with the same
    number, the least that a problem has in any of them: each problem's first samples by index, all of them where rounds are
    equally large. Unreadable answers are among them and cast no vote.

    Parameters
    ----------
    rows : row table or run; plain samples of known gold
    by : columns taken apart, beside run and split; () pools the rounds (a problem is then one unit over all of them)
    bins : bins of equal width of the vote share
    level : coverage of the intervals, between 0 and 1

    Returns
    -------
    DataFrame, a row a (run, split, columns of `by`, bin that holds a problem): bin, least and greatest share, problems, score
    (mean share), gold (share of problems whose commonest answer is right, ties split), low, high, k
    votes a problem, left_out (problems without a readable answer), method.

    Raises
    ------
    KnobError for a bad level, bins or `by`; SchemaError for a missing column.

    >>> rows = pd.DataFrame({"run": "a", "round": 0, "split": "train", "problem": list("xxxyyy"), "answer": list("AABCCC")})
    >>> vote_table(rows.assign(gold=[True, True, False, False, False, False]))[["score", "gold"]].round(2).values.tolist()
    [[0.67, 1.0], [1.0, 0.0]]
    """
    checked_level(level)
    apart, count = _apart(by), int(whole("bins", bins, 1))
    table = gathered(rows, ["answer", "gold"], ["sample", *_columns(apart)])
    lines = []
    if table is not None:
        cells = reduce_rows(table, apart, ["answer", "gold", "sample"])
        n, _ = cells.tried
        least = _least(cells, n)
        share, right = votes_of(cells, asked_of(cells, least))
        lines = [
            _with_keys(cells, g, _by_share(cells, g, share, right, least[g], count, level)) for g in range(cells.groups)
        ]
    columns = {**_BIN, "problems": WHOLE, **_MEANS, "k": WHOLE, "left_out": WHOLE}
    columns["method"] = columns.pop("method")
    return _ordered(lines, apart, columns)


def _least(cells: Cells, n: np.ndarray) -> np.ndarray:
    """Least number of samples of known gold of a problem in any group of the same (run, split), (groups,)."""
    found: dict[Place, int] = {}
    places = cells.places()
    own = np.full(cells.groups, np.iinfo(np.int64).max)
    np.minimum.at(own, cells.group[n > 0], n[n > 0])
    for place, size in zip(places, own.tolist(), strict=True):
        found[place] = min(size, found.get(place, size))
    return np.array([found[place] if found[place] < np.iinfo(np.int64).max else 0 for place in places], np.int64)


def asked_of(cells: Cells, votes: np.ndarray) -> np.ndarray:
    """The first samples of known gold of each problem by index, as many as its group has votes (groups,); (rows,) bool."""
    rows = np.flatnonzero(cells.judged)
    sample = cells.columns["sample"][rows] if "sample" in cells.columns else np.zeros(len(rows))
    rows = rows[np.lexsort((sample, cells.unit[rows]))]
    unit = cells.unit[rows]
    nth = np.arange(len(rows)) - np.searchsorted(unit, unit)
    asked = np.zeros(len(cells.unit), bool)
    asked[rows[nth < votes[cells.group[unit]]]] = True
    return asked


def votes_of(cells: Cells, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the votes of each unit's commonest answer and how often that is right, (units,), NaN without a vote."""
    found, units = cells.ballots(asked), cells.units
    top = found.commonest(units)
    winners = np.bincount(found.unit[top], minlength=units)
    most = np.bincount(found.unit[top], found.votes[top], units)
    right = divide(np.bincount(found.unit[top], found.right[top], units), winners)
    return divide(divide(most, winners), np.bincount(found.unit, found.votes, units)), right


def _by_share(
    cells: Cells, g: int, share: np.ndarray, right: np.ndarray, k: int, bins: int, level: float
) -> pd.DataFrame:
    units = cells.group == g
    voted = units & ~np.isnan(share)
    x, y = share[voted], right[voted]
    left = int(units.sum() - voted.sum())
    if not len(x):
        why = "no problem has a readable answer of known gold"
        return pd.DataFrame({"problems": [0], "k": [k], "left_out": [left], "method": [why]})
    at = binned(x, bins, "width")
    held, code = np.unique(at, return_inverse=True)
    found = grouped_mean(y, code, len(held), level, (0.0, 1.0))
    least, greatest = np.full(len(held), np.inf), np.zeros(len(held))
    np.minimum.at(least, code, x)
    np.maximum.at(greatest, code, x)
    means = {"score": np.bincount(code, x) / found.n, "gold": found.value, "low": found.low, "high": found.high}
    sizes = {"problems": found.n, "k": k, "left_out": left, "method": found.kind}
    return pd.DataFrame({"bin": held, "least": least, "greatest": greatest, **means, **sizes})


def lorenz_table(rows: Any, level: float = 0.95) -> pd.DataFrame:
    """Lorenz curve of the accepted samples over problems, with the Gini and what chance alone gives. Train rows only.

    Parameters
    ----------
    rows : row table or run
    level : coverage of the Gini's interval, between 0 and 1

    Returns
    -------
    DataFrame, a row a (run, round, point), at most 101 points: problem_share, accepted_share (held by that share of the
    problems, the least served first; between problems the curve is straight); and, the same in each row of a curve, gini
    with gini_low and gini_high (delete-group jackknife over problems, from 20 problems on), floor (`tail.gini_floor`), n
    problems, method. One row of nulls with the reason where nothing was accepted.

    Raises
    ------
    KnobError for a bad level; SchemaError for a missing column.

    >>> rows = pd.DataFrame({"run": "a", "round": 0, "split": "train", "problem": list("xxyy"), "weight": [1.0, 1.0, 0.0, 0.0]})
    >>> lorenz_table(rows)[["problem_share", "accepted_share", "gini"]].values.tolist()
    [[0.0, 0.0, 0.5], [0.5, 0.0, 0.5], [1.0, 1.0, 0.5]]
    """
    checked_level(level)
    return table_of((line for cells in reduced(rows, ["weight"]) for line in _lorenz(cells, level)), _LORENZ)


def _lorenz(cells: Cells, level: float) -> Iterable[dict[str, Any]]:
    for g, (run, split) in enumerate(cells.places()):
        if split != "train":
            continue
        part = cells.part(g)
        accepted = np.bincount(part.problem, part.column("weight") > 0, part.problems).astype(np.int64)
        keys = {"run": run, "split": split, "round": int(cells.keys["round"].iloc[g]), "n": len(accepted)}
        if not accepted.any():
            yield keys | {"method": "no row has weight > 0"}
            continue
        low, high, words = np.nan, np.nan, f"fewer than {_JACKKNIFE} problems, so no interval"
        if len(accepted) >= _JACKKNIFE:
            found = jackknife_interval(lambda keep, x=accepted: gini(x[keep]), np.arange(len(accepted)), level=level)  # type: ignore[misc]
            low, high, words = max(found.low, 0.0), min(found.high, 1.0), "delete-group jackknife over problems"
        floor = gini_floor(np.bincount(part.problem, minlength=part.problems), accepted)
        known = {"gini": gini(accepted), "gini_low": low, "gini_high": high, "floor": floor, "method": words}
        curve, size = lorenz(accepted), len(accepted)
        at = np.linspace(0.0, 1.0, min(size + 1, _POINTS))
        held = np.interp(at, np.arange(size + 1) / size, curve)
        for x, y in zip(at.tolist(), held.tolist(), strict=True):
            yield keys | known | {"problem_share": x, "accepted_share": y}
