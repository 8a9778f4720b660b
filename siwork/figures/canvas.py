"""The sheet that all figures are drawn on: a grid of small panels, their titles, their axes, their legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import Series
from siwork.figures.theme import plain

HEIGHT, BETWEEN, TOP, BOTTOM = 230, 120, 96, 48  # px
WIDEST = 3
NOTHING = {"type": "scatter", "x": [None], "y": [None], "showlegend": False}


def place(index: int, count: int, columns: int = WIDEST) -> Place:
    """Cell of the panel with that number, from 0, in a grid that holds `count` panels row by row.

    >>> place(4, 7)
    {'row': 2, 'col': 2}
    """
    width = min(columns, count)
    return {"row": index // width + 1, "col": index % width + 1}


def canvas(count: int, columns: int = WIDEST, *, height: int = HEIGHT, top: int = TOP, barmode: str = "stack") -> Sheet:
    """An empty sheet with a grid of `count` panels, at most `columns` beside each other; spare cells stay clear.

    `height` of a panel and `top` (room for the legend and a title) in pixels; `barmode` as plotly has it.

    >>> canvas(4).figure().layout.height
    724
    """
    width = min(columns, count)
    rows = math.ceil(count / width)
    inside = height * rows + BETWEEN * (rows - 1)
    aside = 0.08 if width < 3 else 0.24 / width
    layout = {
        "height": inside + top + BOTTOM,
        "margin": {"l": 56, "r": 16, "t": top, "b": BOTTOM},
        "barmode": barmode,
        "bargap": 0.25,
    }
    sheet = Sheet(rows, width, layout, below=BETWEEN / inside, beside=aside)
    for spare in range(count, rows * width):
        sheet.clear(place(spare, count, columns))
    return sheet


def head(sheet: Sheet, at: Place, title: str, below: str = "") -> dict[str, Any]:
    """The title of a panel in bold and, smaller below it, how to read the panel. Both are shown as given: escape names."""
    small = f'<br><span style="font-size:11px">{below}</span>' if below else ""
    return sheet.write(at, f"<b>{title}</b>{small}", x=0, y=1, yshift=4, xanchor="left", yanchor="bottom", align="left")


def unknown(sheet: Sheet, at: Place, why: str, width: int = 34) -> None:
    """In place of a picture, the words why there is none."""
    sheet.draw(at, NOTHING)  # an axis without a trace is not drawn
    text = plain(f"unknown: {why}", width)
    sheet.write(at, text, x=0.5, y=0.5, xanchor="center", yanchor="middle", align="center")
    sheet.yaxis(at).update(range=[0, 1], showticklabels=False, showgrid=False)


def round_axis(sheet: Sheet, at: Place, rounds: pd.Series, room: float = 0.0) -> None:
    """An x axis that holds all those rounds and marks whole ones only; `room` for names at the right, as a share of it."""
    first, last = float(rounds.min()), float(rounds.max())
    step = max(1, math.ceil((last - first) / 8))
    reach = [first - 0.5, last + 0.5 + room * (last - first + 1)]
    shown = [first + i * step for i in range(int((last - first) // step) + 1)]
    ticks = {"tickmode": "array", "tickvals": shown} if room else {"tickmode": "linear", "tick0": first, "dtick": step}
    sheet.xaxis(at).update(title={"text": "round"}, range=reach, **ticks)


def name_series(sheet: Sheet, series: Sequence[Series], on: str = "") -> None:
    """One legend entry a series; it says what the interval is and switches the series in every panel.

    on : the split that is drawn, where it is not the usual one
    """
    for one in series:
        look = {"line": {"color": one.colour, "width": 2}, "marker": {"symbol": one.symbol, "size": 6}}
        legend(
            sheet,
            f"{plain(one.name)}: {one.note}{on and f', on {on}'}",
            mode="lines+markers",
            legendgroup=one.name,
            **look,
        )
    sheet.layout["showlegend"] = True


def legend(sheet: Sheet, name: str, **look: Any) -> None:
    """A legend entry of its own, a name shown as given."""
    sheet.draw(None, {"type": "scatter", "x": [None], "y": [None], "name": name, **look})


def label_ends(sheet: Sheet, at: Place, x: float, ends: Sequence[tuple[float, str]], span: tuple[float, float]) -> None:
    """Names right of the last points at `x`, each at its height, moved apart where they would overlap.

    `ends` are heights and plain texts, `span` the least and the greatest height of the axis. The x axis must leave room.
    """
    least, most = span
    known = sorted((end for end in ends if math.isfinite(end[0])), key=lambda end: end[0])
    lines = 1 + max((text.count("<br>") for _, text in known), default=0)
    heights = spread([height for height, _ in known], least, most, 0.075 * lines * (most - least))
    look = {"xanchor": "left", "yanchor": "middle", "align": "left", "font": {"size": 11}}
    for height, (_, text) in zip(heights, known, strict=True):
        sheet.write(at, text, xref="x", yref="y", x=x, y=height, **look)


def spread(heights: Sequence[float], least: float, most: float, gap: float) -> list[float]:
    """Ascending heights moved so that neighbours are `gap` apart, within `least` … `most` where there is room.

    >>> spread([0.1, 0.95, 1.0, 1.0], 0.0, 1.0, 0.1)
    [0.1, 0.8, 0.9, 1.0]
    """
    out: list[float] = []
    for height in reversed(heights):
        out.append(min(height, out[-1] - gap if out else most))
    out.reverse()
    for i, height in enumerate(out):
        out[i] = max(height, out[i - 1] + gap if i else least)
    return out
