"""Reading a metric table for drawing: which series it has, what interval each point carries, why one is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from siwork.figures.theme import colour, symbol
from siwork.schema import SchemaError

_NEEDED = ("run", "round", "split", "metric", "value", "low", "high", "n", "method")
_TEXT = ("run", "split", "metric", "method", "unit", "kind")
_REAL = ("round", "value", "low", "high", "n", "band", "k", "least", "most", "first")


class Series(NamedTuple):
    """One line of every panel: a run, or a group of sibling runs pooled over seeds."""

    name: str
    colour: str
    symbol: str
    pooled: bool  # the interval is over seeds, not over problems
    note: str  # what the interval is
    shift: float  # rounds aside, so that error bars of several runs stay apart


class Tidy(pd.DataFrame):
    """What `tidy` gives, by which it knows its own work; whatever is made of one is a plain DataFrame."""


def tidy(x: pd.DataFrame) -> pd.DataFrame:
    """The metric table by round with plain floats, NaN for null, and every column of a drawing whether or not it had it.

    `low` and `high` are the range, and `ranged` says so, where only two seeds are pooled. Raises SchemaError when it is no
    metric table or holds no rounds.
    """
    if isinstance(x, Tidy):
        return x
    lacking = [name for name in _NEEDED if name not in getattr(x, "columns", ())]
    if lacking:
        raise SchemaError(f"a metric table is needed, this lacks {', '.join(lacking)}; siwork.measure(run) makes one")
    table = flat(x, _TEXT, _REAL).dropna(subset=["round"])
    if table.empty:
        raise SchemaError(
            "the metric table has no row with a round, so there is no curve; measure a run with a finished round"
        )
    two = table["least"].notna() & (table["n"] == 2)
    ends = {"low": table["low"].where(~two, table["least"]), "high": table["high"].where(~two, table["most"])}
    return Tidy(table.assign(**ends, ranged=two).sort_values("round", kind="stable", ignore_index=True))


def flat(x: pd.DataFrame, text: Sequence[str], real: Sequence[str]) -> pd.DataFrame:
    """Those columns of any table as plain objects and floats; "" and NaN where the table lacks one."""
    words = {name: _words(x[name]) if name in x else np.full(len(x), "", object) for name in text}
    numbers = {
        name: x[name].to_numpy(float, na_value=np.nan) if name in x else np.full(len(x), np.nan) for name in real
    }
    plain = {name: pd.Series(each, dtype=object) for name, each in words.items()}  # not pandas' own type of text
    return pd.DataFrame({**plain, **numbers})


def _words(values: pd.Series) -> np.ndarray:
    found = values.to_numpy(object)
    none = pd.isna(found)
    return np.where(none, np.nan, found) if none.any() else found


def series_of(table: pd.DataFrame) -> list[Series]:
    """The series of a tidy table, in its order, each with colour, symbol and the kind of its interval."""
    names = list(dict.fromkeys(table["run"]))
    counts = {name: _seeds(table[table["run"] == name]) for name in names}
    single = [name for name in names if not counts[name]]
    return [
        Series(
            name=str(name),
            colour=colour(i),
            symbol=symbol(i),
            pooled=bool(counts[name]),
            note=_note(counts[name]),
            shift=0.05 * (single.index(name) - (len(single) - 1) / 2) if name in single else 0.0,
        )
        for i, name in enumerate(names)
    ]


def _seeds(rows: pd.DataFrame) -> list[int]:
    """Smallest and largest number of seeds of a pooled series; empty when it is a single run."""
    pooled = rows[rows["least"].notna() & (rows["n"] >= 2)]
    return [] if pooled.empty else [int(pooled["n"].min()), int(pooled["n"].max())]


def _note(seeds: list[int]) -> str:
    if not seeds:
        return "one run, interval over problems"
    if seeds[1] == 2:
        return "range of 2 seeds"
    return f"interval over {seeds[1]} seeds" if seeds[0] == seeds[1] else f"{seeds[0]} to {seeds[1]} seeds"


def parts(rows: pd.DataFrame, column: str) -> list[tuple[float, pd.DataFrame]]:
    """Each known number of a column, rising, with its rows."""
    values = rows[column].to_numpy(float)
    return [(x, rows[values == x]) for x in np.unique(values[~np.isnan(values)]).tolist()]


class Lines:
    """A tidy table whose lines are found once for all panels: the rows of each series, metric and split."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self.metrics = list(dict.fromkeys(table["metric"].tolist()))
        self._lines: dict[tuple[str, str, str, bool], list[int]] = {}
        self._metrics: dict[tuple[str, str], list[int]] = {}
        self._picked: dict[tuple[str, tuple[str, ...], str, bool], pd.DataFrame] = {}
        keys = (table["run"], table["metric"], table["split"], table["band"].notna())
        for i, (run, metric, split, banded) in enumerate(zip(*(key.tolist() for key in keys), strict=True)):
            self._lines.setdefault((run, metric, split, banded), []).append(i)
            self._metrics.setdefault((metric, split), []).append(i)

    def pick(self, series: Series, metric: str | tuple[str, ...], split: str, *, banded: bool = False) -> pd.DataFrame:
        """Rows of one series and metric by round, or of several metrics one after the other."""
        names = (metric,) if isinstance(metric, str) else metric
        key = (series.name, names, split, banded)
        if key not in self._picked:
            found = [i for name in names for i in self._lines.get((series.name, name, split, banded), [])]
            self._picked[key] = self.table.take(found)
        return self._picked[key]

    def of(self, metric: str, split: str) -> pd.DataFrame:
        """Rows of a metric, of all series and bands."""
        return self.table.take(self._metrics.get((metric, split), []))

    def known(self, metric: str, split: str) -> bool:
        """Whether any value of the metric is known on the split."""
        return bool(self.of(metric, split)["value"].notna().any())

    def drawn(self, series: Series, metric: str, split: str) -> bool:
        """Whether the series has any known value of the metric, by band or not."""
        parts = [self.pick(series, metric, split, banded=banded) for banded in (False, True)]
        return any(bool(part["value"].notna().any()) for part in parts)

    def reason(self, metric: str, split: str) -> str:
        """Why there is nothing to draw: the reason the table gives, or that it was not measured."""
        rows = self.of(metric, split)
        rows = rows[rows["value"].isna()]
        if rows.empty:
            return f"no {metric} on split {split} in this table"
        return str(rows["method"].iloc[0])


def pick(table: pd.DataFrame, series: Series, metric: str, split: str, *, banded: bool = False) -> pd.DataFrame:
    """`Lines.pick` of a tidy table, for one line alone."""
    return Lines(table).pick(series, metric, split, banded=banded)


def known(table: pd.DataFrame, metric: str, split: str) -> bool:
    """`Lines.known` of a tidy table, for one metric alone."""
    return Lines(table).known(metric, split)
