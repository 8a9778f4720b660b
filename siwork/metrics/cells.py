"""Rows reduced once to what the metrics need: one entry for each (group, problem), and flat columns to sum over it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.metrics.intervals import divide
from siwork.schema import ROWS, SPLITS, check

TEXTS = frozenset(c.name for c in ROWS if pa.types.is_string(c.type)) - {"run", "split", "problem", "hint", "answer"}


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

    def part(self, g: int) -> Part:
        """The rows of group g."""
        order, ends = self._by_group
        rows = order[ends[g - 1] if g else 0 : ends[g]]
        first = int(np.searchsorted(self.group, g))
        return Part(self, rows, self.unit[rows] - first, int(np.searchsorted(self.group, g, "right")) - first)

    @cached_property
    def judged(self) -> np.ndarray:
        """Plain rows with known truth, (rows,) bool."""
        return self.plain & ~np.isnan(self.columns["gold"])

    @cached_property
    def right(self) -> np.ndarray:
        """Plain rows known to be right, (rows,) bool."""
        return self.plain & (self.columns["gold"] == 1)

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
    apart = list(dict.fromkeys(["run", *by, "split"]))
    if "kept" in apart and "kept" not in rows and "weight" in rows:
        rows = rows.assign(kept=(rows["weight"] > 0).to_numpy(bool, na_value=False))
    need = [*apart, "problem"]
    there = [c for c in dict.fromkeys([*need, "hint", "turn", *wanted]) if c in rows.columns]
    table = check(rows[there], needs=need)
    code, keys = _grouped(table, apart)
    problem, names = pd.factorize(table["problem"])
    unit, units = pd.factorize(code * max(len(names), 1) + problem, sort=True)
    group, problem = np.divmod(np.asarray(units), max(len(names), 1))
    held = [name for name in dict.fromkeys(wanted) if name in there]
    texts = {name: table[name].array.__arrow_array__() for name in held if name in TEXTS}
    columns = {name: _column(name, table[name]) for name in held if name not in TEXTS}
    none = np.full(len(group), np.nan)
    cells = Cells(keys, group, problem, pd.Index(names), unit, _plain(table, apart), columns, texts, none)
    return _with_solutions(cells, problems)


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


def _column(name: str, values: pd.Series) -> np.ndarray:
    if name == "answer":
        return pd.factorize(values)[0].astype(np.int64)
    if isinstance(values.dtype, pd.ArrowDtype):
        array: pa.ChunkedArray = values.array.__arrow_array__()
        return np.array(pc.cast(array, pa.float64()).to_numpy())
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
        on = [name for name in ("problem", "split", "run") if name in problems]
        known = problems[[*on, "n_solutions"]].drop_duplicates(on)
        place = cells.keys[["run", "split"]].iloc[cells.group].reset_index(drop=True)
        wanted = place.assign(problem=cells.names.take(cells.problem)).astype(object)
        found = wanted.merge(known.astype(dict.fromkeys(on, object)), how="left", on=on)["n_solutions"]
        cells.solutions[:] = found.to_numpy(dtype=float, na_value=np.nan)
    elif "n_solutions" in cells.columns:
        np.fmax.at(cells.solutions, cells.unit, cells.columns["n_solutions"])
    return cells
