"""`fig_surface`: what a loop makes of a verifier's errors, over the rates of false accepts and of false rejects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import canvas, head, place, unknown
from siwork.figures.curves import WORDS
from siwork.figures.rounds import see_table
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import flat
from siwork.figures.theme import interval, number, plain
from siwork.schema import SchemaError

_TEXT = ("link", "metric", "split", "unit", "method")
_REAL = ("fp", "fn", "round", "value", "low", "high", "n", "seeds", "least", "most")
_LINKS = {"flat": "the same rates for all", "difficulty": "rates that grow with difficulty"}
_CELL, _LEAST = 62, 200  # px of a cell, and of a panel
_SCALE = ("#00224e", "#2a3f6d", "#575d6d", "#8a8678", "#bcad63", "#fee838")  # Cividis, told apart by every eye
_DARK = 0.55  # of the scale, below which writing is white


def fig_surface(x: pd.DataFrame) -> go.Figure:
    """A heat map a metric over the two rates of error; in each cell the value, and its interval below it.

    Parameters
    ----------
    x : table of `siwork.reporting.surface.surface_table`, of one link or of several one after the other

    Returns
    -------
    plotly Figure, a row of panels a link. Across: share of wrong answers that are accepted; upwards: share of right answers
    that are rejected. An unknown cell is empty and says why on hover.

    Raises
    ------
    SchemaError when x is another table, holds no row, or one cell twice.

    >>> row = {"link": "flat", "metric": "pass@1", "split": "heldout", "unit": "", "method": "t", "round": 3, "n": 3, "seeds": 3}
    >>> ends = {"value": 0.5, "low": 0.4, "high": 0.6, "least": 0.45, "most": 0.55}
    >>> figure = fig_surface(pd.DataFrame([row | ends | {"fp": fp, "fn": 0.0} for fp in (0.0, 0.2)]))
    >>> figure.data[0].x.tolist(), figure.data[0].z.tolist()
    (['0', '0.2'], [[0.5, 0.5]])
    """
    see_table(x, (*_TEXT, *_REAL), "fig_surface", "siwork.reporting.surface.surface_table(cells)")
    return surface_sheet(x).figure()


def surface_sheet(x: pd.DataFrame) -> Sheet:
    """What `fig_surface` shows, not yet a plotly Figure. Raises SchemaError for a cell that occurs twice."""
    table = flat(x, _TEXT, _REAL)
    twice = table[table.duplicated(["link", "metric", "fp", "fn"])]
    if len(twice):
        one = twice.iloc[0]
        raise SchemaError(
            f"the table has {one['metric']} twice at fp={one['fp']:g}, fn={one['fn']:g}; a cell counts once: drop the repeated rows"
        )
    panels = list(dict.fromkeys(zip(table["link"], table["metric"], strict=True)))
    width = table["metric"].nunique()
    sheet = canvas(len(panels), width, height=max(_LEAST, _CELL * table["fn"].nunique()))
    for i, (link, metric) in enumerate(panels):
        own = table[(table["link"] == link) & (table["metric"] == metric)]
        _panel(sheet, place(i, len(panels), width), own)
    return sheet


def _panel(sheet: Sheet, at: Place, rows: pd.DataFrame) -> None:
    first = rows.iloc[0]
    title, axis = WORDS.get(first["metric"], (first["metric"], first["unit"]))
    link = _LINKS.get(first["link"], first["link"])
    runs = f"{first['seeds']:g} seed{'s' if first['seeds'] > 1 else ''} a cell"
    below = f"{plain(axis)} · {first['split']}, round {first['round']:g} · {runs} · {plain(link)}"
    head(sheet, at, plain(title), below)
    if rows["value"].isna().all():
        unknown(sheet, at, first["method"])
        return
    across, upwards = (sorted(set(rows[name])) for name in ("fp", "fn"))
    cells = {(row["fn"], row["fp"]): row for row in rows.to_dict("records")}
    grid = [[cells.get((fn, fp)) for fp in across] for fn in upwards]
    names = [[f"{rate:g}" for rate in rates] for rates in (across, upwards)]
    values = [[math.nan if cell is None else cell["value"] for cell in line] for line in grid]
    sheet.xaxis(at).update(title={"text": "wrong answers accepted (fp)"}, type="category", ticks="")
    sheet.yaxis(at).update(title={"text": "right answers rejected (fn)"}, type="category", ticks="", showgrid=False)
    trace = {
        "type": "heatmap",
        "x": np.array(names[0], object),
        "y": np.array(names[1], object),
        "z": np.array(values),
        "hovertext": [[_hover(cell) for cell in line] for line in grid],
        "hoverinfo": "text",
        "hoverongaps": True,
        "colorscale": [[i / (len(_SCALE) - 1), shade] for i, shade in enumerate(_SCALE)],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    sheet.draw(at, trace)
    _write(sheet, at, grid, np.array(values))


def _write(sheet: Sheet, at: Place, grid: list[list[dict[Any, Any] | None]], values: np.ndarray) -> None:
    """The value of each cell and its interval, white on dark and black on light."""
    least, most = np.nanmin(values), np.nanmax(values)
    for (j, i), value in np.ndenumerate(values):
        cell = grid[j][i]
        ink = None if math.isnan(value) else "#ffffff" if value < least + _DARK * (most - least) else "#1b1b1b"
        font = {"size": 12} | ({"color": ink} if ink else {})
        sheet.write(at, _shown(cell), xref="x", yref="y", x=i, y=j, font=font, captureevents=False)


def _shown(cell: dict[Any, Any] | None) -> str:
    if cell is None:
        return ""
    if math.isnan(cell["value"]):
        return "unknown"
    ends = [cell[name] for name in ("low", "high")]
    known = not any(map(math.isnan, ends))
    below = f"[{number(ends[0], 0.5)}, {number(ends[1], 0.5)}]" if known else "no interval"
    return f"<b>{number(cell['value'], 0.5)}</b><br><span style='font-size:10px'>{below}</span>"


def _hover(cell: dict[Any, Any] | None) -> str:
    if cell is None:
        return "not played"
    several = cell["seeds"] > 1
    lines = [
        f"<b>{cell['fp']:g} of the wrong accepted, {cell['fn']:g} of the right rejected</b>",
        interval(cell["value"], cell["low"], cell["high"]),
        f"n = {cell['n']:,.0f} {'seeds' if several else 'problems'}",
        plain(cell["method"], 60),
    ]
    if several and not math.isnan(cell["least"]):
        lines.insert(2, f"seeds from {number(cell['least'])} to {number(cell['most'])}")
    return "<br>".join(lines)
