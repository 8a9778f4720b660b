"""Small multiples as plain dictionaries, for pictures that are drawn again while a slider moves.

A plotly Figure checks every property of every trace, which takes longer than the numbers do; these dictionaries have the
same look (`siwork.figures.theme`) and cost next to nothing. Arrays stay numpy arrays: `siwork_widgets.kit.figure.picture`
packs them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from siwork.figures.canvas import spread
from siwork.figures.theme import COLOURS, GRID, INK, SYMBOLS, faded, plain, template

TOP, BOTTOM, LEFT, RIGHT, BETWEEN = 42, 38, 50, 10, 84  # px
_DASHES = ("solid", "dash", "dot", "dashdot")
_MARKED = 12  # points up to which a line has a marker at each; more markers take longer to draw than all lines
_LABEL = 0.3  # of a panel's width, for the names right of the lines


class Curve(NamedTuple):
    """A line of a panel; all arrays are (m,), NaN where unknown."""

    name: str  # written at its end; empty for none
    x: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    said: Sequence[str]  # (m,) on hover, plain text with <br>
    points: Sequence[dict[str, Any]] = ()  # (m,) what a click on the point hands over; none: not clickable
    nth: int = 0  # colour and symbol
    dash: str = "solid"


class Sketch:
    """A grid of panels that is filled and then given as one specification.

    >>> sketch = Sketch(2)
    >>> sketch.head(0, "Right in one try")
    >>> sorted(sketch.spec()["layout"])[:3]
    ['annotations', 'bargap', 'barmode']
    """

    def __init__(self, count: int, columns: int = 2, *, height: int = 150, barmode: str = "stack") -> None:
        self.columns, rows = min(columns, count), math.ceil(count / min(columns, count))
        self._inside = height * rows + BETWEEN * (rows - 1)
        self._height = height
        self.data: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = {
            "template": look(),
            "height": self._inside + TOP + BOTTOM,
            "margin": {"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM},
            "barmode": barmode,
            "bargap": 0.25,
            "hovermode": "closest",
            "showlegend": False,
            "annotations": [],
        }
        for i in range(count):
            self._axes(i)

    def _axes(self, i: int) -> None:
        row, column = divmod(i, self.columns)
        aside = 0.11 if self.columns > 1 else 0.0
        width = (1 - aside * (self.columns - 1)) / self.columns
        left, top = column * (width + aside), 1 - row * (self._height + BETWEEN) / self._inside
        across = {"domain": [left, left + width], "anchor": self._of(i)["yaxis"], "automargin": False}
        up = {"domain": [max(top - self._height / self._inside, 0.0), top], "anchor": self._of(i)["xaxis"]}
        self.layout[self._name(i, "x")] = across
        self.layout[self._name(i, "y")] = up | {"automargin": False, "nticks": 5}

    def _of(self, i: int) -> dict[str, str]:
        """The axes of a panel as a trace names them."""
        number = str(i + 1) if i else ""
        return {"xaxis": f"x{number}", "yaxis": f"y{number}"}

    def _name(self, i: int, axis: str) -> str:
        return f"{axis}axis{i + 1 if i else ''}"

    def across(self, i: int, **look: Any) -> None:
        """Properties of a panel's x axis."""
        self.layout[self._name(i, "x")].update(look)

    def up(self, i: int, **look: Any) -> None:
        """Properties of a panel's y axis."""
        self.layout[self._name(i, "y")].update(look)

    def rounds(self, i: int, last: int, *, named: bool = False, title: str = "round") -> None:
        """An x axis of whole numbers from 0 to `last`, with room at the right for the names of lines."""
        step = max(1, math.ceil(last / 6))
        room = _LABEL / (1 - _LABEL) * max(last, 1) if named else 0.0
        shown = list(range(0, last + 1, step))
        about = {"range": [-0.5, last + 0.5 + room], "tickmode": "array", "tickvals": shown}
        self.across(i, **about, title={"text": title})

    def head(self, i: int, title: str, below: str = "") -> None:
        """A panel's title in bold and how to read it; both are shown as given: escape names."""
        small = f'<br><span style="font-size:11px">{below}</span>' if below else ""
        self.write(i, f"<b>{title}</b>{small}", x=0, y=1, yshift=3, xanchor="left", yanchor="bottom", align="left")

    def write(self, i: int, text: str, **where: Any) -> None:
        """Text in a panel; x and y run over it from 0 to 1 unless `where` names other references."""
        axes = self._of(i)
        about = {"xref": f"{axes['xaxis']} domain", "yref": f"{axes['yaxis']} domain", "showarrow": False}
        self.layout["annotations"].append(about | {"text": text} | where)

    def unknown(self, i: int, why: str) -> None:
        """In place of a picture, the words why there is none."""
        self.trace(i, type="scatter", x=[None], y=[None], hoverinfo="skip")
        self.write(i, plain(f"unknown: {why}", 40), x=0.5, y=0.5, align="center")
        self.up(i, range=[0, 1], showticklabels=False, showgrid=False)

    def trace(self, i: int, **trace: Any) -> None:
        """Any trace in a panel."""
        self.data.append(self._of(i) | {"showlegend": False} | trace)

    def line(self, i: int, curve: Curve) -> None:
        """A line with its interval as a ribbon; a gap where it is unknown."""
        there = np.isfinite(curve.low) & np.isfinite(curve.high)
        if there.any():
            self._ribbon(i, curve, there)
        colour = COLOURS[curve.nth % len(COLOURS)]
        own: dict[str, Any] = {"customdata": list(curve.points)} if len(curve.points) else {}
        self.trace(
            i,
            type="scatter",
            mode="lines+markers" if 0 < len(curve.points) <= _MARKED else "lines",
            x=curve.x,
            y=curve.value,
            line={"color": colour, "width": 2, "dash": curve.dash},
            marker={"symbol": SYMBOLS[curve.nth % len(SYMBOLS)], "size": 5},
            hovertext=list(curve.said),
            hoverinfo="text",
            name=plain(curve.name),
            **own,
        )

    def _ribbon(self, i: int, curve: Curve, there: np.ndarray) -> None:
        across: list[np.ndarray] = []
        along: list[np.ndarray] = []
        gap = np.array([np.nan])
        for stretch in np.split(np.arange(len(there)), np.flatnonzero(~there)):
            own = stretch[there[stretch]]
            across += [curve.x[own], curve.x[own[::-1]], gap]
            along += [curve.low[own], curve.high[own[::-1]], gap]
        shade = faded(COLOURS[curve.nth % len(COLOURS)], 0.18)
        outline = {"color": shade, "width": 0 if there.sum() > 1 else 4}
        polygon = {"x": np.concatenate(across), "y": np.concatenate(along), "fill": "toself", "fillcolor": shade}
        self.trace(i, type="scatter", mode="lines", line=outline, hoverinfo="skip", **polygon)

    def names(self, i: int, curves: Sequence[Curve], at: float) -> None:
        """The names of lines right of `at`, each at its line's end and moved apart where they would overlap."""
        ends = sorted(((_end(curve), curve) for curve in curves if curve.name), key=lambda pair: pair[0])
        known = [(end, curve) for end, curve in ends if math.isfinite(end)]
        least, most = self._span(i, [end for end, _ in known])
        heights = spread([end for end, _ in known], least, most, 0.105 * (most - least))
        axes = self._of(i)
        for height, (_, curve) in zip(heights, known, strict=True):
            font = {"size": 11, "color": COLOURS[curve.nth % len(COLOURS)]}
            own = {"xref": axes["xaxis"], "yref": axes["yaxis"], "xanchor": "left", "yanchor": "middle"}
            self.write(i, plain(curve.name), x=at, y=height, font=font, **own)

    def _span(self, i: int, ends: Sequence[float]) -> tuple[float, float]:
        low, high = self.layout[self._name(i, "y")].get("range", (min(ends, default=0.0), max(ends, default=1.0)))
        return float(low), float(high)

    def spec(self) -> dict[str, Any]:
        """Traces and layout."""
        return {"data": self.data, "layout": self.layout}


def fitted(curves: Sequence[Curve], *, least: float = math.inf, most: float = -math.inf) -> list[float]:
    """A y range that holds the curves with their intervals, and `least` … `most` at any rate."""
    ends = [np.r_[curve.value, curve.low, curve.high] for curve in curves]
    held = np.concatenate([*ends, [least, most]])
    held = held[np.isfinite(held)]
    low, high = (float(held.min()), float(held.max())) if len(held) else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.05 * max(abs(high), 1.0)
    return [low - room, high + room]


def dashed(nth: int) -> str:
    """The dash of the line with that number, so that no line is told by colour alone."""
    return _DASHES[nth % len(_DASHES)]


def _end(curve: Curve) -> float:
    known = curve.value[np.isfinite(curve.value)]
    return float(known[-1]) if len(known) else math.nan


@cache
def look() -> dict[str, Any]:
    """The template of all figures as a dictionary."""
    return template()


__all__ = ["GRID", "INK", "Curve", "Sketch", "dashed", "fitted", "look"]
