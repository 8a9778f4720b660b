"""Reading a metric table for drawing: which series it has, what interval each point carries, why one is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from siwork.figures.theme import colour, symbol
from siwork.schema import SchemaError

_NEEDED = ("run", "round", "split", "metric", "value", "low", "high", "n", "method")
_REAL = ("round", "value", "low", "high", "n", "band", "k", "least", "most")


class Series(NamedTuple):
    """One line of every panel: a run, or a group of sibling runs pooled over seeds."""

    name: str
    colour: str
    symbol: str
    pooled: bool  # the interval is over seeds, not over problems
    note: str  # what the interval is
    shift: float  # rounds aside, so that error bars of several runs stay apart


def tidy(x: pd.DataFrame) -> pd.DataFrame:
    """The metric table with plain floats, NaN for null, and `band`, `k`, `least`, `most` whether or not it had them.

    Raises SchemaError when it is no metric table or holds no rounds.
    """
    lacking = [name for name in _NEEDED if name not in getattr(x, "columns", ())]
    if lacking:
        raise SchemaError(f"a metric table is needed, this lacks {', '.join(lacking)}; siwork.measure(run) makes one")
    table = flat(x, ("run", "split", "metric", "method", "unit"), _REAL).dropna(subset=["round"])
    if table.empty:
        raise SchemaError(
            "the metric table has no row with a round, so there is no curve; measure a run with a finished round"
        )
    return table.sort_values("round", kind="stable", ignore_index=True)


def flat(x: pd.DataFrame, text: Sequence[str], real: Sequence[str]) -> pd.DataFrame:
    """Those columns of any table as plain objects and floats; "" and NaN where the table lacks one."""
    words = {name: x[name].astype(object).to_numpy() if name in x else np.full(len(x), "", object) for name in text}
    numbers = {
        name: x[name].to_numpy(float, na_value=np.nan) if name in x else np.full(len(x), np.nan) for name in real
    }
    return pd.DataFrame({**words, **numbers})


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


def pick(table: pd.DataFrame, series: Series, metric: str, split: str, *, banded: bool = False) -> pd.DataFrame:
    """Rows of one series and metric by round; `low`, `high` are the range where only two seeds are pooled."""
    rows = table[
        (table["run"] == series.name)
        & (table["metric"] == metric)
        & (table["split"] == split)
        & (table["band"].notna() == banded)
    ]
    two = rows["least"].notna() & (rows["n"] == 2)
    return rows.assign(
        low=rows["low"].where(~two, rows["least"]), high=rows["high"].where(~two, rows["most"]), ranged=two
    )


def known(table: pd.DataFrame, metric: str, split: str) -> bool:
    """Whether any value of the metric is known on the split."""
    return bool(table.loc[(table["metric"] == metric) & (table["split"] == split), "value"].notna().any())


def reason(table: pd.DataFrame, metric: str, split: str) -> str:
    """Why there is nothing to draw: the reason the table gives, or that it was not measured."""
    rows = table[(table["metric"] == metric) & (table["split"] == split) & table["value"].isna()]
    if rows.empty:
        return f"no {metric} on split {split} in this table"
    return str(rows["method"].iloc[0])
