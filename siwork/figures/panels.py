"""The kinds of panel that `fig_curves` is made of: a line, score against truth, the pass@k fan, stacked bands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from siwork.figures.marks import aged, band_word, hovers, line, quiet, ribbon, steps
from siwork.figures.points import of_metric, points
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import Lines, Series, parts
from siwork.figures.theme import faded, number

FAN = re.compile(r"pass@(\d+)\Z")
_LINES = 12


class Panel(NamedTuple):
    """One small multiple: what it draws, on which split, for which series, in which cell."""

    metric: str
    split: str
    series: Sequence[Series]
    place: Place


def draw_line(sheet: Sheet, lines: Lines, panel: Panel) -> None:
    """One line a series over rounds."""
    for series in panel.series:
        line(sheet, panel.place, series, lines.pick(series, panel.metric, panel.split))


def draw_against(sheet: Sheet, lines: Lines, panel: Panel) -> None:
    """The mean score (solid) and the truth of the same samples (dashed)."""
    for series in panel.series:
        line(sheet, panel.place, series, lines.pick(series, "mean_gold", panel.split), what="truth", dash="dash")
        line(sheet, panel.place, series, lines.pick(series, "mean_score", panel.split), what="score")


def draw_fan(sheet: Sheet, lines: Lines, panel: Panel) -> None:
    """pass@k against k, one line a round (at most a dozen): the first pale and dotted, the last full and solid."""
    ticks: set[int] = set()
    for series in panel.series:
        rows = fan_rows(lines, series, panel.split)
        ticks |= {int(k) for k in rows["k"].tolist()}
        of_round = dict(parts(rows, "round"))
        for one, age in aged(rows["round"], _LINES):
            _fan_line(sheet, panel, series, of_round[one], age)
    axis = sheet.xaxis(panel.place)
    if ticks:
        ends = [np.log10(min(ticks)) - 0.06, np.log10(max(ticks)) + 0.06]
        axis.update(type="log", tickmode="array", tickvals=sorted(ticks), range=ends)
    axis["title"] = {"text": "k, tries"}


def fan_rows(lines: Lines, series: Series, split: str) -> pd.DataFrame:
    """Known pass@k of a series by round and k."""
    draws = {name: int(match[1]) for name in lines.metrics if (match := FAN.match(name))}
    rows = lines.pick(series, tuple(draws), split)
    rows = rows.assign(k=rows["metric"].map(draws).astype(int))
    return rows[rows["value"].notna()].sort_values(["round", "k"])


def _fan_line(sheet: Sheet, panel: Panel, series: Series, rows: pd.DataFrame, age: float) -> None:
    """One round of the fan; `age` runs from 0 (first) to 1 (last), and those two carry their interval."""
    ends, first = age in (0.0, 1.0), age == 0.0
    if ends:
        sheet.draw(panel.place, ribbon(series, rows["k"], rows, opacity=0.08 + 0.1 * age))
    look = {"width": 2 if ends else 1, "dash": "dot" if first else "solid"}
    trace = {
        "type": "scatter",
        "x": rows["k"].to_numpy(),
        "y": rows["value"].to_numpy(),
        "mode": "lines+markers",
        "line": {"color": faded(series.colour, 0.8 if first else 0.3 + 0.7 * age), **look},
        "marker": {"symbol": series.symbol, "size": 5 if ends else 3},
        "hovertext": hovers(series, rows, rows["metric"].tolist()),
        "customdata": of_metric(rows),
        **quiet(series),
    }
    sheet.draw(panel.place, trace)


def draw_bands(sheet: Sheet, lines: Lines, panel: Panel) -> None:
    """Shares of the accepted samples by band, the hardest below, and the problem shares as lines across."""
    for series in panel.series:
        rows = lines.pick(series, "accepted_share", panel.split, banded=True)
        for band, part in parts(rows, "band"):
            trace = {
                "type": "bar",
                "x": part["round"].to_numpy(),
                "y": part["value"].to_numpy(),
                "marker": {"color": faded(series.colour, 0.95 - 0.2 * band), "line": {"width": 0}},
                "hovertext": hovers(series, part, band_word(band)),
                "textposition": "none",
                "customdata": of_metric(part),
                **quiet(series),
            }
            sheet.draw(panel.place, trace)
        _problem_lines(sheet, lines, panel, series)
    sheet.yaxis(panel.place)["range"] = [0, 1.0]


def _problem_lines(sheet: Sheet, lines: Lines, panel: Panel, series: Series) -> None:
    """Lines at the heights the stack would have if it held the problems in their own shares."""
    shares = lines.pick(series, "problem_share", panel.split, banded=True)
    shares = shares[shares["value"].notna()]
    if shares.empty:
        return
    (rounds, across), (bands, down) = (np.unique(shares[name], return_inverse=True) for name in ("round", "band"))
    heights = np.full((len(bands), len(rounds)), np.nan)
    heights[down, across] = shares["value"]
    place = pd.DataFrame({"round": rounds}).assign(run=series.name, split=panel.split)
    stacked = heights.cumsum(axis=0)[:-1].tolist()  # the last line would be at 1
    for band, y in zip(bands.tolist(), stacked, strict=False):
        text = f"{band_word(band)} and harder: {number(y[-1])} of the problems"
        of = points(place, metric="problem_share", kind="and harder", band=band)
        sheet.draw(panel.place, steps(series, rounds.tolist(), y, text, of))
