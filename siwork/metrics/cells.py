"""Rows reduced once to what the metrics need: one entry for each (group, problem), and flat columns to sum over it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.metrics.intervals import divide
from siwork.schema import KEY, ROWS, SPLITS, SchemaError, check, nearest

TEXTS = frozenset(c.name for c in ROWS if pa.types.is_string(c.type)) - {"run", "split", "problem", "hint", "answer"}


def _no_answers() -> pd.Index:
    return pd.Index([], dtype=object)


@dataclass(frozen=True)
class Cells:
    """A row table as arrays; a unit is one problem within one group of rows that are measured together."""

    keys: pd.DataFrame  # (groups,) run, split and the columns of `by`, sorted
    group: np.ndarray  # (units,) int
    problem: np.ndarray  # (units,) int, place in names
    names: pd.Index  # problem ids
    unit: np.ndarray  # (rows,) int
    plain: np.ndarray  # (rows,) bool: first attempts without a hint
    columns: dict[str, np.ndarray]  # (rows,) float with NaN for null; answer as int codes, -1 for null
    texts: dict[str, pa.ChunkedArray]  # (rows,) columns of text
    solutions: np.ndarray  # (units,) number of different right answers, NaN when unknown
    answers: pd.Index = field(default_factory=_no_answers)  # (codes,) text of each answer
    made: dict[Any, Any] = field(init=False, default_factory=dict, compare=False, repr=False)  # of them, made once

    @property
    def units(self) -> int:
        """Number of (group, problem) pairs."""
        return len(self.group)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return len(self.keys)

    def count(self, mask: np.ndarray) -> np.ndarray:
        """Rows of each unit where the mask holds, (units,)."""
        return np.bincount(self.unit[mask], minlength=self.units)

    def sum(self, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Sum of the values of each unit where the mask holds, (units,)."""
        return np.bincount(self.unit[mask], values[mask], self.units)

    def mean(self, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Mean over the known values of each unit, (units,), NaN where there is none."""
        known = mask & np.isfinite(values)
        return divide(self.sum(values, known), self.count(known))

    def by_group(self, units: np.ndarray) -> np.ndarray:
        """Units of each group where the mask (units,) holds, (groups,)."""
        return np.bincount(self.group[units], minlength=self.groups)

    def rows_by_group(self, mask: np.ndarray) -> np.ndarray:
        """Rows of each group where the mask (rows,) holds, (groups,)."""
        return np.bincount(self.group[self.unit[mask]], minlength=self.groups)

    def has(self, name: str) -> bool:
        """Whether the rows have the column."""
        return name in self.columns or name in self.texts

    @cached_property
    def _by_group(self) -> tuple[np.ndarray, np.ndarray]:
        group = self.group[self.unit]
        ends = np.cumsum(np.bincount(group, minlength=self.groups))
        rising = bool((np.diff(group) >= 0).all())
        return np.arange(len(group)) if rising else np.argsort(group, kind="stable"), ends

    def units_of(self, g: int) -> slice:
        """The units of group g, by problem."""
        return slice(*np.searchsorted(self.group, [g, g + 1]).tolist())

    def part(self, g: int) -> Part:
        """The rows of group g."""
        order, ends = self._by_group
        rows = order[ends[g - 1] if g else 0 : ends[g]]
        units = self.units_of(g)
        return Part(self, rows, self.unit[rows] - units.start, units.stop - units.start)

    @cached_property
    def judged(self) -> np.ndarray:
        """Plain rows with known truth, (rows,) bool."""
        return self.plain & ~np.isnan(self.columns["gold"])

    @cached_property
    def right(self) -> np.ndarray:
        """Plain rows known to be right, (rows,) bool."""
        return self.plain & (self.columns["gold"] == 1)

    @cached_property
    def unjudged(self) -> np.ndarray:
        """Plain rows of each group whose truth is unknown, (groups,)."""
        return self.rows_by_group(self.plain & ~self.judged)

    @cached_property
    def tried(self) -> tuple[np.ndarray, np.ndarray]:
        """Plain samples with known truth, and how many of them are right: n, c (units,)."""
        return self.count(self.judged), self.count(self.right)

    def types(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Answer types among the rows of the mask: counts (types,) and the unit (types,) of each."""
        answer = self.columns["answer"]
        mask = mask & (answer >= 0)
        size = int(answer.max(initial=0)) + 1
        code, found = pd.factorize(self.unit[mask] * size + answer[mask])
        return np.bincount(code, minlength=len(found)), found // size

    def ballots(self, mask: np.ndarray) -> Ballots:
        """The answer types of each unit among the rows of the mask, sorted by unit."""
        answer = self.columns["answer"]
        mask = mask & (answer >= 0)
        size = int(answer.max(initial=0)) + 1
        key, owner, votes = np.unique(self.unit[mask] * size + answer[mask], return_inverse=True, return_counts=True)
        right = self.right[mask] if "gold" in self.columns else np.zeros(len(owner), bool)
        return Ballots(*np.divmod(key, size), votes, np.bincount(owner, right, len(key)) > 0)

    def least_samples(self) -> dict[tuple[str, str], int]:
        """Smallest number of plain samples of a problem over the groups of each (run, split); problems without any leave."""
        n = self.count(self.plain)
        least = np.full(self.groups, np.iinfo(np.int64).max)
        np.minimum.at(least, self.group[n > 0], n[n > 0])
        found: dict[tuple[str, str], int] = {}
        for place, size in zip(self.places(), least.tolist(), strict=True):
            if size < np.iinfo(np.int64).max:
                found[place] = min(size, found.get(place, size))
        return found

    def places(self) -> list[tuple[str, str]]:
        """(run, split) of each group."""
        return list(zip(self.keys["run"].tolist(), self.keys["split"].tolist(), strict=True))


class Ballots(NamedTuple):
    """Votes for each answer of each unit, arrays (types,)."""

    unit: np.ndarray
    answer: np.ndarray  # codes
    votes: np.ndarray
    right: np.ndarray  # bool: a row with this answer is known to be right

    def commonest(self, units: int) -> np.ndarray:
        """Which of them no other answer of the unit outvotes, (types,) bool."""
        most = np.zeros(units, np.int64)
        np.maximum.at(most, self.unit, self.votes)
        return self.votes == most[self.unit]


class Part(NamedTuple):
    """The rows of one group."""

    cells: Cells
    rows: np.ndarray  # (n,) places of its rows
    problem: np.ndarray  # (n,) int, 0..problems−1
    problems: int

    def column(self, name: str) -> np.ndarray:
        """A column of the group's rows, (n,)."""
        return self.cells.columns[name][self.rows]

    def where(self, mask: np.ndarray) -> Part:
        """Only the rows where the mask (n,) holds; problems keep their numbers."""
        return self._replace(rows=self.rows[mask], problem=self.problem[mask])

    @property
    def plain(self) -> Part:
        """Only first attempts without a hint."""
        return self.where(self.cells.plain[self.rows])


def reduce_rows(
    rows: pd.DataFrame, by: Iterable[str], wanted: Iterable[str] = (), problems: pd.DataFrame | None = None
) -> Cells:
    """Reduce a row table.

    Parameters
    ----------
    rows : row table; run, split, problem and the columns of `by` are needed
    by : columns whose values are measured apart, beside run and split; `kept` is weight > 0; by hint or turn, every row
        counts, not only first attempts without a hint
    wanted : columns to carry along where the table has them
    problems : problem table with n_solutions, matched by problem, and by split and run where it has them; it goes before
        a column of the rows

    Raises
    ------
    SchemaError when a needed column is missing or a column holds what it may not.
    """
    apart = list(dict.fromkeys(["run", *(name for name in by if name == "round"), *by, "split"]))
    rows = _ready(rows, apart)
    need = [*apart, "problem"]
    there = [c for c in dict.fromkeys([*need, "hint", "turn", *wanted]) if c in rows.columns]
    table = check(rows[there], needs=need)
    code, keys = _grouped(table, apart)
    problem, names = pd.factorize(table["problem"], sort=True)  # sorted, so that row order means nothing
    unit, units = pd.factorize(code * max(len(names), 1) + problem, sort=True)
    group, problem = np.divmod(np.asarray(units), max(len(names), 1))
    _refuse_twins(rows, table, unit if {*apart} == {"run", "round", "split"} else None)
    held = [name for name in dict.fromkeys(wanted) if name in there]
    texts = {name: table[name].array.__arrow_array__() for name in held if name in TEXTS}
    columns = {name: _column(name, table[name]) for name in held if name not in {*TEXTS, "answer"}}
    answers = _no_answers()
    if "answer" in held:
        columns["answer"], answers = _coded(table["answer"])
    none = np.full(len(group), np.nan)
    cells = Cells(keys, group, problem, pd.Index(names), unit, _plain(table, apart), columns, texts, none, answers)
    return _with_solutions(cells, problems)


def _ready(rows: pd.DataFrame, apart: Sequence[str]) -> pd.DataFrame:
    """The rows with a column `kept` where it is measured apart. Raises SchemaError for columns that cannot be told."""
    if not rows.columns.is_unique:
        twice = rows.columns[rows.columns.duplicated()][0]
        raise SchemaError(f"rows: two columns are called {twice!r}; drop or rename one of them")
    if "kept" in apart and "kept" not in rows and "weight" in rows:
        rows = rows.assign(kept=(check(rows[["weight"]], needs=[])["weight"] > 0).to_numpy(bool, na_value=False))
    known = {column.name for column in ROWS}
    for name in apart:
        if name not in rows and name not in known:
            columns = [str(column) for column in rows.columns]
            raise SchemaError(f"rows lack column {name!r}, which `by` names; {nearest(str(name), columns)}")
    return rows


def _refuse_twins(rows: pd.DataFrame, table: pd.DataFrame, unit: np.ndarray | None) -> None:
    """Raises SchemaError where two rows share a key; nothing is told of a table that lacks a column of it.

    unit : a number for each (run, round, split, problem), which spares the slow look at the columns
    """
    if not {*KEY} <= {*rows.columns} or {*KEY} <= {*table.columns}:  # check has looked at a table with all of them
        return
    if unit is not None and len(unit):
        sample = _column("sample", check(rows[["sample"]], needs=["sample"])["sample"]).astype(np.int64)
        size = int(sample.max()) + 1
        few = size <= 8 * len(unit) and size * (int(unit.max()) + 1) <= 8 * len(unit) + 1024
        if few and np.bincount(unit * size + sample).max() < 2:
            return
    check(rows[[*KEY]], needs=KEY)


def _grouped(table: pd.DataFrame, names: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Code (rows,) of each different combination of values, and the combinations, sorted."""
    code = np.zeros(len(table), np.int64)
    for name in names:
        own, values = pd.factorize(table[name])
        code = pd.factorize(code * (len(values) + 1) + own + 1)[0]  # null is a value of its own
    groups = int(code.max(initial=-1)) + 1
    first = np.full(groups, len(table))
    np.minimum.at(first, code, np.arange(len(table)))
    keys = table[names].iloc[first].reset_index(drop=True)
    rank = keys["split"].map({split: i for i, split in enumerate(SPLITS)})
    order = keys.assign(split=rank).sort_values(names, kind="stable").index.to_numpy()
    place = np.empty(groups, np.int64)
    place[order] = np.arange(groups)
    return place[code], keys.iloc[order].reset_index(drop=True)


def _coded(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Codes (rows,), −1 for null, and the text of each."""
    codes, texts = values.factorize()
    return codes.astype(np.int64), pd.Index(texts)


def _column(name: str, values: pd.Series) -> np.ndarray:
    if name == "n_solutions":  # a column of problems, which the schema of rows does not know
        values = check(pd.DataFrame({name: values}), needs=[], table="problems")[name]
    if isinstance(values.dtype, pd.ArrowDtype):
        array: pa.ChunkedArray = values.array.__arrow_array__()
        return np.array(pc.cast(array, pa.float64(), safe=False).to_numpy())
    return values.to_numpy(dtype=float, na_value=np.nan)


def _plain(table: pd.DataFrame, apart: Iterable[str]) -> np.ndarray:
    """First attempts without a hint, or whatever is measured apart; a table without the columns has nothing else."""
    plain = np.ones(len(table), bool)
    if "hint" in table and "hint" not in apart:
        plain &= (table["hint"] == "none").to_numpy(bool)
    if "turn" in table and "turn" not in apart:
        plain &= (table["turn"] == 0).to_numpy(bool)
    return plain


def _with_solutions(cells: Cells, problems: pd.DataFrame | None) -> Cells:
    if problems is not None and "n_solutions" in problems:
        on, known = _known_solutions(problems)
        place = cells.keys[["run", "split"]].iloc[cells.group].reset_index(drop=True)
        wanted = place.assign(problem=cells.names.take(cells.problem)).astype(object)
        found = wanted.merge(known.astype(dict.fromkeys(on, object)), how="left", on=on)["n_solutions"]
        cells.solutions[:] = found.to_numpy(dtype=float, na_value=np.nan)
    elif "n_solutions" in cells.columns:
        number = cells.columns["n_solutions"]
        np.fmax.at(cells.solutions, cells.unit, number)
        if (number != cells.solutions[cells.unit])[~np.isnan(number)].any():
            raise SchemaError("rows: a problem has two values of 'n_solutions'; give the problem table as `problems`")
    return cells


def _known_solutions(problems: pd.DataFrame) -> tuple[list[str], pd.DataFrame]:
    """What a problem is known by, and one row of it with n_solutions. Raises SchemaError for a table that contradicts itself."""
    on = [name for name in ("problem", "split", "run") if name in problems]
    table = check(problems[[*on, "n_solutions"]], needs=["problem"], table="problems").drop_duplicates()
    twice = table[on].duplicated()
    if twice.any():
        first = table.loc[twice, on].iloc[0].to_dict()
        raise SchemaError(f"problems: two values of 'n_solutions' for {first}; give a row a problem")
    return on, table
