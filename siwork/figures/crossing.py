"""Where the pass@k curve of the last round falls below that of the first, marked in the fan of `fig_curves`."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from siwork.figures.panels import Panel, fan_rows
from siwork.figures.rounds import shape
from siwork.figures.sheet import Sheet
from siwork.figures.table import Lines, flat
from siwork.figures.theme import INK, faded
from siwork.schema import SchemaError

_TEXT = ("run", "split", "method")
_REAL = ("first", "round", "k", "low", "high", "reached", "largest_k")


def read_crossing(x: pd.DataFrame | None) -> pd.DataFrame | None:
    """The table of `siwork.metrics.crossing` with plain floats, NaN for null. Raises SchemaError when it is another table."""
    if x is None:
        return None
    if not set(getattr(x, "columns", ())) >= {*_TEXT, *_REAL}:
        raise SchemaError(f"crossing must be the table of siwork.metrics.crossing(rows), got {shape(x)}; leave it out")
    return flat(x, _TEXT, _REAL)


def mark_crossing(sheet: Sheet, lines: Lines, panel: Panel, crossing: pd.DataFrame) -> str:
    """Draw the crossing of the first and the last round of the fan with its interval, and say it in words."""
    (series,) = panel.series
    rounds = fan_rows(lines, series, panel.split)["round"]
    if rounds.nunique() < 2:
        return ""
    first, last = rounds.min(), rounds.max()
    own = crossing[(crossing["run"] == series.name) & (crossing["split"] == panel.split)]
    own = own[(own["first"] == first) & (own["round"] == last)]
    if own.empty:
        return f"crossing of rounds {first:g} and {last:g}: not in the table given"
    found = own.iloc[0]
    _draw(sheet, panel, found)
    return _words(found)


def _draw(sheet: Sheet, panel: Panel, found: pd.Series) -> None:
    """A line at k and a shade over its interval, as far as the axis reaches."""
    if math.isnan(found["k"]):
        return
    least, most = 10 ** np.array(sheet.xaxis(panel.place)["range"])
    if not math.isnan(found["low"]) and found["low"] < most:
        span = max(found["low"], least), min(found["high"], most)
        sheet.shade(panel.place, *span, fillcolor=faded(INK, 0.18), line={"width": 0}, layer="below")
    if found["k"] <= most:
        sheet.stroke(panel.place, found["k"], line={"color": INK, "width": 1.5})


def _words(found: pd.Series) -> str:
    k, low, high, reached = (found[name] for name in ("k", "low", "high", "reached"))
    share = "" if math.isnan(reached) else f"{100 * reached:.3g} % of resamples"
    if math.isnan(found["largest_k"]):
        return "where they cross: unknown"
    if math.isnan(k):
        return f"do not cross up to k = {found['largest_k']:g}" + (f", but in {share}" if reached > 0 else "")
    if math.isnan(low):
        return f"crosses at k = {k:g}, interval unknown"
    end = f"{high:g}" if math.isfinite(high) else f"above {found['largest_k']:g}"
    return f"crosses at k = {k:g} [{low:g}, {end}] ({share})"
