"""Rows of runs as per-problem statistics, the rounds of each (run, split) side by side, and pairs of rounds of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.metrics.cells import Cells, reduce_rows
from siwork.metrics.measure import frames
from siwork.metrics.packs import packed
from siwork.schema import SPLITS, KnobError, check
from siwork.schema.tables import REAL, TEXT, WHOLE

KEYS = {"run": TEXT, "split": TEXT, "first": WHOLE, "round": WHOLE}
FEW = 10  # problems below which an interval is marked


class Place(NamedTuple):
    """One split of one run."""

    run: str
    split: str
    rounds: np.ndarray  # (T,) rising
    problems: np.ndarray  # (G,) names
    stats: dict[str, np.ndarray]  # (G, T) each, NaN where the round does not hold the problem

    def column(self, name: str, r: int) -> np.ndarray:
        """A statistic in one round, (G,); all NaN for a round the place does not have."""
        at = np.flatnonzero(self.rounds == r)
        return self.stats[name][:, at[0]] if len(at) else np.full(len(self.problems), np.nan)


class Pair(NamedTuple):
    """Two rounds of a place."""

    place: Place
    first: int
    round: int
    common: np.ndarray  # (G,) bool, problems with a sample that counts in both rounds
    left_out: int  # problems that only one of the rounds has, or that have no such sample in one
    reason: str  # why nothing can be said of the pair, empty where something can

    def side(self, name: str, then: bool = False) -> np.ndarray:
        """A statistic of the common problems in the first, or in the later round."""
        return self.place.column(name, self.round if then else self.first)[self.common]

    def counts(self, *names: str, then: bool = False) -> list[np.ndarray]:
        """Statistics of the common problems as whole numbers."""
        return [self.side(name, then).astype(np.int64) for name in names]

    def line(self, **values: Any) -> dict[str, Any]:
        """A line of a table about this pair, the reason in `method` where there is nothing to say."""
        keys = {"run": self.place.run, "split": self.place.split, "first": self.first, "round": self.round}
        sizes = {"problems": int(self.common.sum()), "left_out": self.left_out, "method": self.reason}
        return keys | sizes | values

    def words(self, words: str) -> str:
        """A method with the marks that belong to this pair."""
        out = f"; {self.left_out} problems left out that the two rounds do not share" if self.left_out else ""
        return words + out + ("; few_problems" if self.common.sum() < FEW else "")


def tables_of(rows: Any, needs: Sequence[str], reads: Sequence[str] = ()) -> Iterator[pd.DataFrame]:
    """Row tables that hold whole rounds: the rows as they are, or a run read one round at a time, small ones together.

    Raises SchemaError for a needed column that is missing (run, round, split and problem always are needed), or for what is
    neither a row table nor a run.
    """
    keys = ["run", "round", "split", "problem", *needs]
    for table in [rows] if isinstance(rows, pd.DataFrame) else packed(frames(rows, ["round", *needs, *reads])):
        check(table[[name for name in dict.fromkeys(keys) if name in table]].iloc[:0], needs=keys)
        yield table


def gathered(rows: Any, needs: Sequence[str], reads: Sequence[str] = ()) -> pd.DataFrame | None:
    """All rows with these columns and the keys; None for a run without a round. Raises as `tables_of`."""
    wanted = list(dict.fromkeys(["run", "round", "split", "problem", "hint", "turn", *needs, *reads]))
    parts = [table[[name for name in wanted if name in table]] for table in tables_of(rows, needs, reads)]
    return pd.concat(parts, ignore_index=True) if parts else None


def reduced(rows: Any, needs: Sequence[str], reads: Sequence[str] = ()) -> Iterator[Cells]:
    """The rows reduced by round, one table at a time. Raises as `tables_of`."""
    for table in tables_of(rows, needs, reads):
        yield reduce_rows(table, ("round",), [*needs, *reads])


def tries(rows: Any) -> list[Place]:
    """Plain samples of known gold: n and c of each problem and round, and na, ca, nb, cb of their halves.

    The first half (a) is the first ⌈n/2⌉ by sample index, in the order of the rows where they have none. Raises as `tables_of`.
    """
    return places((cells, _tried(cells)) for cells in reduced(rows, ["gold"], ["sample"]))


def _tried(cells: Cells) -> dict[str, np.ndarray]:
    n, c = cells.tried
    late = late_half(cells, cells.judged)
    nb, cb = cells.count(late), cells.count(late & cells.right)
    return {"n": n, "c": c, "na": n - nb, "ca": c - cb, "nb": nb, "cb": cb}


def late_half(cells: Cells, among: np.ndarray) -> np.ndarray:
    """Rows of the mask that come after the first ⌈n/2⌉ of their problem by sample index, (rows,) bool."""
    rows = np.flatnonzero(among)
    sample = cells.columns["sample"][rows] if "sample" in cells.columns else np.zeros(len(rows))
    rows = rows[np.lexsort((sample, cells.unit[rows]))]
    unit = cells.unit[rows]
    n = np.bincount(unit, minlength=cells.units)
    nth = np.arange(len(rows)) - (np.cumsum(n) - n)[unit]
    late = np.zeros(len(among), bool)
    late[rows] = 2 * nth >= n[unit]
    return late


def places(parts: Iterable[tuple[Cells, dict[str, np.ndarray]]]) -> list[Place]:
    """Statistics (units,) of cells, set side by side by run and split."""
    found: dict[tuple[str, str], list[_Round]] = {}
    for cells, stats in parts:
        for g, (place, r) in enumerate(zip(cells.places(), cells.keys["round"].tolist(), strict=True)):
            units = cells.units_of(g)
            names = np.asarray(cells.names.take(cells.problem[units]), dtype=object)
            found.setdefault(place, []).append(_Round(int(r), names, {name: x[units] for name, x in stats.items()}))
    order = sorted(found, key=lambda place: (place[0], SPLITS.index(place[1])))
    return [_place(run, split, found[run, split]) for run, split in order]


class _Round(NamedTuple):
    """One round of a place."""

    round: int
    problems: np.ndarray  # (units,) names
    stats: dict[str, np.ndarray]  # (units,) each


def _place(run: str, split: str, own: Sequence[_Round]) -> Place:
    problem, names = pd.factorize(np.concatenate([each.problems for each in own]))
    rounds, at = np.unique([each.round for each in own], return_inverse=True)
    at = np.repeat(at, [len(each.problems) for each in own])
    stats = {}
    for name in own[0].stats:
        stats[name] = np.full((len(names), len(rounds)), np.nan)
        stats[name][problem, at] = np.concatenate([each.stats[name] for each in own])
    return Place(run, split, rounds, np.asarray(names, dtype=object), stats)


def check_first(rounds: Iterable[int], first: int, name: str = "first") -> None:
    """Raises KnobError when there are rounds, but not this one."""
    there = sorted({int(r) for r in rounds})
    if there and first not in there:
        shown = ", ".join(map(str, there[:20])) + (" …" if len(there) > 20 else "")
        raise KnobError(f"{name} must be a round of the rows, got {first!r}; they have {shown}")


def judged_rounds(rows: Any, first: int) -> dict[tuple[str, str], dict[int, list[np.ndarray]]]:
    """Score, gold and problem (N,) of the plain samples of each round, by (run, split); ordered by run and split.

    Raises as `tables_of` does, and KnobError when no place has the round `first`.
    """
    held: dict[tuple[str, str], dict[int, list[np.ndarray]]] = {}
    for cells in reduced(rows, ["score", "gold"]):
        for g, place in enumerate(cells.places()):
            part = cells.part(g).plain
            names = np.asarray(cells.names.take(cells.problem[cells.unit[part.rows]]), dtype=object)
            own = [part.column("score"), part.column("gold"), names]
            held.setdefault(place, {})[int(cells.keys["round"].iloc[g])] = own
    check_first((r for rounds in held.values() for r in rounds), first)
    return {place: held[place] for place in sorted(held, key=lambda place: (place[0], SPLITS.index(place[1])))}


def pairs(found: Sequence[Place], first: int, last: int | None = None) -> list[Pair]:
    """Each place's first round with every later one, or with `last`; statistic n > 0 makes a problem count.

    Raises KnobError for a round that no place has, equal rounds, or when not one pair shares a problem.
    """
    every = [int(r) for place in found for r in place.rounds]
    check_first(every, first)
    if last is not None:
        check_first(every, last, "last")
    if last == first:
        raise KnobError(f"first and last must be two rounds, got {first} twice")
    made = [
        _pair(place, first, r)
        for place in found
        for r in ([int(r) for r in place.rounds if r > first] if last is None else [last])
    ]
    if made and not any(pair.common.any() for pair in made):
        pair = made[0]
        raise KnobError(
            f"rounds must share problems to be paired, got {pair.reason} (run {pair.place.run}, split {pair.place.split}); "
            "ask the same held-out problems in every round"
        )
    return made


def _pair(place: Place, first: int, r: int) -> Pair:
    before, after = place.column("n", first), place.column("n", r)
    common = (np.nan_to_num(before) > 0) & (np.nan_to_num(after) > 0)
    either = ~(np.isnan(before) & np.isnan(after))
    reason = ""
    if not common.any():
        gone = [x for x in (first, r) if x not in place.rounds]
        reason = (
            f"round {gone[0]} has no rows of this split" if gone else f"no common problem of rounds {first} and {r}"
        )
    return Pair(place, first, r, common, int((either & ~common).sum()), reason)


def table_of(lines: Iterable[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> pd.DataFrame:
    """Lines as a table with these columns and Arrow types; NaN, None and what a line lacks are null."""
    return typed(pd.DataFrame.from_records(list(lines), columns=list(columns)), columns)


def typed(table: pd.DataFrame, columns: Mapping[str, pa.DataType]) -> pd.DataFrame:
    """The columns named, in their order, as Arrow types with null for NaN; a missing one is null."""
    out = {name: _arrow(table.get(name), len(table), kind) for name, kind in columns.items()}
    return pd.DataFrame(out, index=range(len(table)))


def _arrow(values: pd.Series | None, size: int, kind: pa.DataType) -> pd.arrays.ArrowExtensionArray:
    given = np.full(size, None, object) if values is None else values.astype(object).to_numpy()
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(given, kind, from_pandas=True)]))


def interval_columns(*names: str) -> dict[str, pa.DataType]:
    """Columns <name>, <name>_low, <name>_high of real numbers, a triple a name."""
    return {column: REAL for name in names for column in (name, f"{name}_low", f"{name}_high")}
