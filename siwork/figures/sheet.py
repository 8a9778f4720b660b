"""`Sheet`: all that a figure is made of, collected as plain dicts; plotly checks a whole figure faster than its parts.

A place is a cell of the grid as plotly's keywords, `{"row": 1, "col": 1}`.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from siwork.figures.theme import template

Place = dict[str, int]


class Sheet:
    """A grid of panels to draw on; `figure` gives the plotly figure at the end.

    Parameters
    ----------
    rows, columns : panels below and beside each other
    layout : plotly's layout beside axes, annotations and shapes
    below, beside : share of the figure's height between rows and of its width between columns; None as plotly has it

    >>> sheet = Sheet(1, 2, {"height": 300})
    >>> sheet.draw({"row": 1, "col": 2}, {"type": "scatter", "y": [1, 2]})
    >>> sheet.figure().data[0].yaxis
    'y2'
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        layout: dict[str, Any],
        *,
        below: float | None = None,
        beside: float | None = None,
    ) -> None:
        self.rows, self.columns = rows, columns
        self.layout: dict[str, Any] = {"template": template(), "hovermode": "closest", **layout}
        self._apart = (0.3 / rows if below is None else below, 0.2 / columns if beside is None else beside)
        self._traces: list[dict[str, Any]] = []
        self._notes: list[dict[str, Any]] = []
        self._shapes: list[dict[str, Any]] = []
        self._axes: dict[str, dict[str, Any]] = {}

    def draw(self, at: Place | None, trace: dict[str, Any]) -> None:
        """Add a trace to a panel, or to the legend alone where there is no place."""
        number = "" if at is None else self._number(at)
        self._traces.append(trace if at is None else trace | {"xaxis": f"x{number}", "yaxis": f"y{number}"})

    def xaxis(self, at: Place) -> dict[str, Any]:
        """The x axis of a panel, to be updated."""
        return self._axes.setdefault(f"xaxis{self._number(at)}", {})

    def yaxis(self, at: Place) -> dict[str, Any]:
        """The y axis of a panel, to be updated."""
        return self._axes.setdefault(f"yaxis{self._number(at)}", {})

    def clear(self, at: Place) -> None:
        """Leave a panel empty, without axes."""
        self.xaxis(at)["visible"] = self.yaxis(at)["visible"] = False

    def share(self, at: Place) -> None:
        """Let a panel move with those of its row and of its column: one y axis, one x axis."""
        lowest, leftmost = (self._number(at | end) for end in ({"row": self.rows}, {"col": 1}))
        if at["row"] < self.rows:
            self.xaxis(at).update(matches=f"x{lowest}", showticklabels=False)
        if at["col"] > 1:
            self.yaxis(at).update(matches=f"y{leftmost}", showticklabels=False)

    def write(self, at: Place, text: str, **where: Any) -> dict[str, Any]:
        """Text in a panel; x and y run over the panel from 0 to 1 unless `where` names other references."""
        about: dict[str, Any] = {"xref": "x domain", "yref": "y domain", "showarrow": False, **where}
        note = {"text": text, **about, **self._refs(at, about["xref"], about["yref"])}
        self._notes.append(note)
        return note

    def level(self, at: Place, y: float, **look: Any) -> None:
        """A line across a panel at that height."""
        self._shape(at, "x domain", "y", {"type": "line", "x0": 0, "x1": 1, "y0": y, "y1": y, **look})

    def stroke(self, at: Place, x: float, **look: Any) -> None:
        """A line up a panel at that x."""
        self._shape(at, "x", "y domain", {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, **look})

    def shade(self, at: Place, x0: float, x1: float, **look: Any) -> None:
        """A rectangle up a panel from one x to another."""
        self._shape(at, "x", "y domain", {"type": "rect", "x0": x0, "x1": x1, "y0": 0, "y1": 1, **look})

    def spec(self) -> dict[str, Any]:
        """All that was drawn as plotly's JSON has it, `{"data": [...], "layout": {...}}`, unchecked; arrays stay arrays."""
        axes = {name: axis | self._axes.get(name, {}) for name, axis in self._grid().items()}
        layout = {**self.layout, **axes, "annotations": self._notes, "shapes": self._shapes}
        return {"data": self._traces, "layout": layout}

    def figure(self) -> go.Figure:
        """The same as a plotly Figure, which can be asked for the axes of a row or a column."""
        return go.Figure(self.spec() | {"_grid_ref": _grid_ref(self.rows, self.columns)})

    def _grid(self) -> dict[str, dict[str, Any]]:
        """The axes of all panels, each with its part of the figure."""
        down, along = _domains(self.rows, self._apart[0]), _domains(self.columns, self._apart[1])
        found = {}
        for row, column in product(range(1, self.rows + 1), range(1, self.columns + 1)):
            number = self._number({"row": row, "col": column})
            found[f"xaxis{number}"] = {"anchor": f"y{number}", "domain": along[column - 1]}
            found[f"yaxis{number}"] = {"anchor": f"x{number}", "domain": down[self.rows - row]}
        return found

    def _number(self, at: Place) -> str:
        """What plotly adds to the names of the axes of a panel; nothing for the first."""
        number = (at["row"] - 1) * self.columns + at["col"]
        return str(number) if number > 1 else ""

    def _refs(self, at: Place, x: str, y: str) -> dict[str, str]:
        number = self._number(at)
        return {"xref": f"x{number}{x[1:]}", "yref": f"y{number}{y[1:]}"}

    def _shape(self, at: Place, x: str, y: str, shape: dict[str, Any]) -> None:
        self._shapes.append(shape | self._refs(at, x, y))


def _domains(count: int, apart: float) -> list[list[float]]:
    """The parts of the figure that so many panels take, upwards or from the left."""
    each = (1 - apart * (count - 1)) / count
    return [[i * (each + apart), i * (each + apart) + each] for i in range(count)]


@lru_cache(maxsize=64)
def _grid_ref(rows: int, columns: int) -> Any:
    """What plotly keeps of a grid beside its axes."""
    return make_subplots(rows, columns)._grid_ref
