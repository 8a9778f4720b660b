"""`fig_claims`: what came of claims, every part of their rules on one scale: the smallest effect worth the name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import canvas, head, legend, place
from siwork.figures.rounds import see_table
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import flat
from siwork.figures.theme import COLOURS, INK, faded, interval, plain

_TEXT = ("claim", "verdict", "number", "rule", "claimed", "part_verdict", "why")
_REAL = ("part", "line", "worth", "value", "low", "high", "seeds")
_LOOKS = {"holds": (COLOURS[2], "circle"), "does not hold here": (COLOURS[1], "x"), "undecided": (INK, "circle-open")}
_TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30)
_LINE, _LEAST, _FAR = 22, 120, 60  # px of a part and of the panel; effects worth the name at which a bar is cut off
_EDGE = math.asinh(_FAR) + 0.1  # of the axis, room for half a mark


def fig_claims(x: pd.DataFrame) -> go.Figure:
    """The parts of claims, a line each: how far the claimed effect goes, in units of the smallest one worth the name.

    Parameters
    ----------
    x : table of verdicts, as `siwork.claims.shipped_verdicts()` gives it

    Returns
    -------
    plotly Figure. Right of 0 lies what is claimed, at 1 the smallest effect worth the name; of a claim that two arms are alike
    the difference is drawn, which must stay between −1 and 1. The scale is that of asinh: even near 0, logarithmic further out.
    Bars are the intervals over seeds, right for all parts of a claim at once; a part without one is a point at 0 that says why.

    Raises
    ------
    SchemaError when x is another table or holds no row.

    >>> row = {"claim": "tail", "verdict": "holds", "part": 1, "number": "tail_share of loop", "rule": "below 0", "why": ""}
    >>> row |= {"claimed": "below", "line": 0, "worth": 0.01, "value": -0.02, "low": -0.03, "high": -0.01, "seeds": 5}
    >>> row |= {"part_verdict": "holds"}
    >>> math.isclose(fig_claims(pd.DataFrame([row])).data[1].x[0], math.asinh(2))
    True
    """
    see_table(x, (*_TEXT, *_REAL), "fig_claims", "siwork.claims.shipped_verdicts()")
    return claims_sheet(x).figure()


def claims_sheet(x: pd.DataFrame) -> Sheet:
    """What `fig_claims` shows, not yet a plotly Figure."""
    table = flat(x, _TEXT, _REAL)
    heights = np.arange(len(table) - 1, -1, -1, dtype=float)
    sheet, at = canvas(1, height=max(_LEAST, _LINE * (len(table) + 1))), place(0, 1)
    head(sheet, at, "What came of the claims", "claimed effect, in units of the smallest one worth the name →")
    names = [
        _name(row, first) for row, first in zip(table.to_dict("records"), ~table["claim"].duplicated(), strict=True)
    ]
    ticks = {"tickmode": "array", "tickvals": heights.tolist(), "ticktext": names, "showgrid": False, "zeroline": False}
    sheet.yaxis(at).update(range=[-0.7, len(table) - 0.3], **ticks)
    marks = {"tickvals": list(map(math.asinh, _TICKS)), "ticktext": [f"{tick:g}".replace("-", "−") for tick in _TICKS]}
    sheet.xaxis(at).update(tickmode="array", range=[-_EDGE, _EDGE], zeroline=False, **marks)
    for level, dash in ((0, "solid"), (1, "dot"), (-1, "dot")):
        sheet.stroke(at, math.asinh(level), line={"color": INK, "width": 1, "dash": dash}, layer="below")
    for verdict, (colour, symbol) in _LOOKS.items():
        own = (table["part_verdict"] == verdict).to_numpy(bool)
        if own.any():
            _draw(sheet, at, table[own], heights[own], colour, symbol)
            legend(sheet, verdict, mode="markers", marker={"color": colour, "symbol": symbol, "size": 9})
    sheet.layout["showlegend"] = True
    return sheet


def _name(row: Mapping[Any, Any], first: bool) -> str:
    claim = f"<b>{plain(row['claim'])}</b> " if first else ""
    return f"{claim}{row['part']:.0f}"


def _scaled(table: pd.DataFrame, column: str) -> np.ndarray:
    """Claimed effects in units of the smallest one worth the name, on the scale of the axis."""
    side = np.where(table["claimed"] == "below", -1.0, 1.0)
    units = side * (table[column].to_numpy(float) - table["line"]) / table["worth"]
    return np.arcsinh(np.clip(units, -_FAR, _FAR))


def _draw(sheet: Sheet, at: Place, table: pd.DataFrame, heights: np.ndarray, colour: str, symbol: str) -> None:
    low, high, value = (_scaled(table, name) for name in ("low", "high", "value"))
    for left, right, y in zip(low, high, heights, strict=True):
        if not math.isnan(left):
            bar = {
                "type": "scatter",
                "mode": "lines",
                "x": [left, right],
                "y": [y, y],
                "hoverinfo": "skip",
                "showlegend": False,
            }
            sheet.draw(at, bar | {"line": {"color": faded(colour, 0.6), "width": 3}})
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": np.nan_to_num(value),
        "y": heights,
        "showlegend": False,
    }
    dots |= {"marker": {"color": colour, "symbol": symbol, "size": 9}}
    sheet.draw(at, dots | {"hoverinfo": "text", "hovertext": [_hover(row) for row in table.to_dict("records")]})


def _hover(row: Mapping[Any, Any]) -> str:
    numbers = (float(row[name]) for name in ("value", "low", "high"))
    why = f" ({row['why']})" if row["why"] else ""
    said = f"{interval(*numbers, sign=True)}, {row['seeds']:g} seeds"
    lines = [row["number"], row["rule"], said, f"{row['part_verdict']}{why}"]
    return "<br>".join([f"<b>{plain(row['claim'])}</b>: {plain(row['verdict'])}", *(plain(line, 70) for line in lines)])
