"""Marks of a series in a panel: a line over rounds with its interval, a ribbon, error bars, the words on hover.

`rows` are those of `siwork.figures.table.Lines.pick`: run, round, split, metric, value, low, high, ranged, n, method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from siwork.figures.points import of_metric
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import Series
from siwork.figures.theme import INK, faded, interval, number, plain

BAND_WORDS = ("hardest fifth", "hard", "middle", "easy", "easiest fifth")


def line(sheet: Sheet, at: Place, series: Series, rows: pd.DataFrame, *, what: str = "", dash: str = "solid") -> None:
    """Values of a series over rounds with their intervals; a null leaves a gap, and nothing known draws nothing."""
    if rows["value"].isna().all():
        return
    if series.pooled:
        sheet.draw(at, ribbon(series, rows["round"], rows))
    trace = {
        "type": "scatter",
        "x": rows["round"].to_numpy() + series.shift,
        "y": rows["value"].to_numpy(),
        "mode": "lines+markers",
        "line": {"color": series.colour, "width": 2, "dash": dash},
        "marker": {"symbol": series.symbol, "size": 6},
        "hovertext": hovers(series, rows, what),
        "customdata": of_metric(rows),
        **quiet(series),
    }
    sheet.draw(at, trace if series.pooled else trace | {"error_y": error_bars(series, rows)})


def quiet(series: Series) -> dict[str, Any]:
    """What every trace shares: its text on hover, its group in the legend, no legend entry of its own."""
    return {"hoverinfo": "text", "legendgroup": series.name, "name": plain(series.name), "showlegend": False}


def ribbon(series: Series, x: pd.Series, rows: pd.DataFrame, opacity: float = 0.18) -> dict[str, Any]:
    """The interval as a translucent polygon for each stretch without a gap."""
    across: list[float | None] = []
    along: list[float | None] = []
    at, low, high = (each.to_numpy() for each in (x, rows["low"], rows["high"]))
    there = ~np.isnan(low) & ~np.isnan(high)
    for stretch in np.split(np.arange(len(at)), np.flatnonzero(~there)):
        stretch = stretch[there[stretch]]
        if len(stretch):
            across += [*at[stretch].tolist(), *at[stretch[::-1]].tolist(), None]
            along += [*low[stretch].tolist(), *high[stretch[::-1]].tolist(), None]
    return {
        "type": "scatter",
        "x": across,
        "y": along,
        "mode": "lines",
        "fill": "toself",
        "fillcolor": faded(series.colour, opacity),
        "line": {"color": faded(series.colour, opacity), "width": 1},
        "legendgroup": series.name,
        "showlegend": False,
        "hoverinfo": "skip",
    }


def error_bars(series: Series, rows: pd.DataFrame) -> dict[str, Any]:
    """The interval of each point as plotly's `error_y`."""
    value, low, high = (rows[name].to_numpy() for name in ("value", "low", "high"))
    up, down = np.maximum(high - value, 0.0), np.maximum(value - low, 0.0)  # NaN stays
    look = {"color": faded(series.colour, 0.6), "width": 3, "thickness": 1.2}
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, **look}


def steps(
    series: Series,
    rounds: Sequence[float],
    heights: Sequence[float],
    text: str | Sequence[str],
    of: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """A dashed grey line across the bars of those rounds, at a height of its own over each; `of` are their points."""
    x, y = [rounds[0] - 0.45, *rounds, rounds[-1] + 0.45], [heights[0], *heights, heights[-1]]
    said = text if isinstance(text, str) else [text[0], *text, text[-1]]
    look = {"color": INK, "width": 1.5, "dash": "dash", "shape": "hvh"}
    trace = {"type": "scatter", "x": x, "y": y, "mode": "lines", "line": look, "hovertext": said}
    return trace | {"customdata": [of[0], *of, of[-1]]} | quiet(series)


def hovers(series: Series, rows: pd.DataFrame, what: str | Sequence[str] = "") -> list[str]:
    """Value with interval, what the interval is, n and method of each row, all as plain text; `what` it is, of all or each."""
    words = [what] * len(rows) if isinstance(what, str) else what
    columns = [rows[name].tolist() for name in ("round", "value", "low", "high", "n", "ranged", "method")]
    return [_hover(series, *row) for row in zip(words, *columns, strict=True)]


def _hover(
    series: Series, what: str, r: float, value: float, low: float, high: float, n: float, ranged: bool, method: object
) -> str:
    span = f"{number(value)}, range {number(low, value)} … {number(high, value)}" if ranged else ""
    return "<br>".join(
        [
            f"<b>{plain(series.name, 60)}</b> · round {r:g}{f' · {what}' if what else ''}",
            span or interval(value, low, high),
            f"n = {n:,.0f} {'seeds' if series.pooled else 'problems'}",
            plain(method, 60),
        ]
    )


def band_word(band: float) -> str:
    """A band of difficulty in words, band 0 the hardest fifth of the problems."""
    return BAND_WORDS[int(band)] if 0 <= band < len(BAND_WORDS) else f"band {band:g}"


def aged(rounds: pd.Series, most: int) -> list[tuple[float, float]]:
    """At most that many of the rounds, evenly chosen, each with its age from 0 (the first) to 1 (the last).

    >>> aged(pd.Series([0, 0, 1, 2, 3, 4]), 3)
    [(0.0, 0.0), (2.0, 0.5), (4.0, 1.0)]
    """
    all_of = np.unique(rounds.to_numpy(float))
    shown = all_of[np.unique(np.linspace(0, len(all_of) - 1, min(len(all_of), most)).astype(int))].tolist()
    return [(one, i / (len(shown) - 1) if len(shown) > 1 else 1.0) for i, one in enumerate(shown)]
