"""The numbers behind the pictures of a tab: a table with interval, n and method, whose rows open completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ipywidgets as w
import pandas as pd

from siwork.figures.curves import WORDS
from siwork.figures.marks import BAND_WORDS
from siwork.figures.table import tidy
from siwork.schema.numbers import interval
from siwork_widgets.kit.choosing import Choices, chooser, offer
from siwork_widgets.kit.plain import seen
from siwork_widgets.kit.table import Table
from siwork_widgets.watch.pictures import metrics_of
from siwork_widgets.watch.telling import ends

_COLUMNS = ("of", "metric", "split", "round", "value [interval]", "n", "method")
_LAST, _EVERY = "last", "all"


class _Line(NamedTuple):
    """One number as the table shows it."""

    cells: tuple[str, ...]
    keys: tuple[Any, ...]  # one a column, to sort by
    point: dict[str, Any]


class Numbers(w.Accordion):
    """The numbers of a tab, folded up; a metric and a round are chosen above them, Enter on a row opens its completions."""

    def __init__(self, tab: str, open_rows: Callable[[dict[str, Any]], None]) -> None:
        self._tab, self._open = tab, open_rows
        self._table: pd.DataFrame | None = None
        self._lines: list[_Line] = []
        self._order: tuple[int, bool] | None = None
        kind = tab.lower()
        self.metric = chooser("metric", [("all", _EVERY)], f"{kind}-metric")
        self.round = chooser("round", [("last", _LAST), ("all", _EVERY)], f"{kind}-round")
        self.rows = Table(_COLUMNS, label=f"numbers: {tab}", on_pick=self._picked, on_sort=self._sorted)
        self.rows.add_class(f"sw-{kind}-numbers")
        self.choices = Choices([self.metric, self.round], self._fill)
        super().__init__([w.VBox([self.choices, self.rows])], titles=["Numbers"])

    def show(self, table: pd.DataFrame | None) -> None:
        """Show the numbers of a metric table; cheap for the one that is shown."""
        if table is self._table:
            return
        self._table = table
        names = [] if table is None else metrics_of(self._tab, table)
        rounds = [] if table is None else sorted({int(r) for r in table["round"].dropna()})
        with self.choices.quietly():
            offer(self.metric, [("all", _EVERY), *((seen(_title(name), 80), name) for name in names)])
            offer(self.round, [("last", _LAST), ("all", _EVERY), *((str(r), r) for r in rounds)])
        self._fill()

    def _fill(self) -> None:
        self._lines = [] if self._table is None else self._chosen(tidy(self._table))
        if self._order is not None:
            column, down = self._order
            self._lines.sort(key=lambda line: line.keys[column], reverse=down)
        self.rows.show([line.cells for line in self._lines], sorted_by=self._order, note=_NOTE if self._lines else "")

    def _chosen(self, table: pd.DataFrame) -> list[_Line]:
        metric, r = self.metric.value, self.round.value
        names = metrics_of(self._tab, table) if metric == _EVERY else [metric]
        rows = table[table["metric"].isin(names)]
        if r == _LAST:
            rows = rows[rows["round"] == rows.groupby(["run", "split", "metric"])["round"].transform("max")]
        elif r != _EVERY:
            rows = rows[rows["round"] == r]
        return [_line(row) for row in rows.to_dict("records")]

    def _sorted(self, column: int, down: bool) -> None:
        self._order = (column, down)
        self._fill()

    def _picked(self, i: int) -> None:
        self._open(self._lines[i].point)


_NOTE = "Enter or a click on a row opens the completions behind it."


def _title(name: str) -> str:
    words = WORDS.get(name, ("",))[0]
    return f"{name}: {words}" if words and name not in words else words or name


def _line(row: Mapping[Any, Any]) -> _Line:
    band = None if row["band"] != row["band"] else int(row["band"])
    low, high = ends(row)
    value = interval(row["value"], low, high) + (
        f" {row['unit']}" if row["unit"] and row["value"] == row["value"] else ""
    )
    name = f"{row['metric']}, {BAND_WORDS[band]}" if band is not None else str(row["metric"])
    cells = (
        str(row["run"]),
        name,
        str(row["split"]),
        f"{row['round']:g}",
        value,
        f"{row['n']:,.0f}",
        str(row["method"]),
    )
    size = -float("inf") if row["value"] != row["value"] else float(row["value"])
    point = {"run": row["run"], "round": int(row["round"]), "split": row["split"], "metric": row["metric"]}
    more = {"band": band, "k": None if row["k"] != row["k"] else int(row["k"])}
    return _Line(
        cells,
        (*cells[:3], row["round"], size, row["n"], cells[6]),
        point | {key: value for key, value in more.items() if value is not None},
    )
