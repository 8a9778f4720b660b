"""The kinds of panel that `fig_curves` is made of: a line, score against truth, the pass@k fan, stacked bands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork.figures.marks import aged, band_word, hover, line, quiet, ribbon, steps
from siwork.figures.table import Series, pick
from siwork.figures.theme import faded, number

FAN = re.compile(r"pass@(\d+)\Z")
_LINES = 12


class Panel(NamedTuple):
    """One small multiple: what it draws, on which split, for which series, in which cell."""

    metric: str
    split: str
    series: Sequence[Series]
    row: int
    column: int

    @property
    def place(self) -> dict[str, int]:
        """The cell as plotly's keywords."""
        return {"row": self.row, "col": self.column}


def draw_line(figure: go.Figure, table: pd.DataFrame, panel: Panel) -> None:
    """One line a series over rounds."""
    for series in panel.series:
        line(figure, panel.place, series, pick(table, series, panel.metric, panel.split))


def draw_against(figure: go.Figure, table: pd.DataFrame, panel: Panel) -> None:
    """The mean score (solid) and the truth of the same samples (dashed)."""
    for series in panel.series:
        line(figure, panel.place, series, pick(table, series, "mean_gold", panel.split), what="truth", dash="dash")
        line(figure, panel.place, series, pick(table, series, "mean_score", panel.split), what="score")


def draw_fan(figure: go.Figure, table: pd.DataFrame, panel: Panel) -> None:
    """pass@k against k, one line a round (at most a dozen): the first pale and dotted, the last full and solid."""
    ticks: set[int] = set()
    for series in panel.series:
        rows = fan_rows(table, series, panel.split)
        ticks |= {int(k) for k in rows["k"]}
        for one, age in aged(rows["round"], _LINES):
            _fan_line(figure, panel, series, rows[rows["round"] == one], age)
    if ticks:
        ends = [np.log10(min(ticks)) - 0.06, np.log10(max(ticks)) + 0.06]
        figure.update_xaxes(type="log", tickmode="array", tickvals=sorted(ticks), range=ends, **panel.place)
    figure.update_xaxes(title_text="k, tries", **panel.place)


def fan_rows(table: pd.DataFrame, series: Series, split: str) -> pd.DataFrame:
    """Known pass@k of a series by round and k."""
    parts = [
        pick(table, series, name, split).assign(k=int(match[1]))
        for name in dict.fromkeys(table["metric"])
        if (match := FAN.match(name))
    ]
    rows = pd.concat(parts) if parts else pick(table, series, "pass@1", split).assign(k=1)
    return rows[rows["value"].notna()].sort_values(["round", "k"])


def _fan_line(figure: go.Figure, panel: Panel, series: Series, rows: pd.DataFrame, age: float) -> None:
    """One round of the fan; `age` runs from 0 (first) to 1 (last), and those two carry their interval."""
    ends, first = age in (0.0, 1.0), age == 0.0
    if ends:
        figure.add_trace(ribbon(series, rows["k"], rows, opacity=0.08 + 0.1 * age), **panel.place)
    look = {"width": 2 if ends else 1, "dash": "dot" if first else "solid"}
    trace = go.Scatter(
        x=rows["k"],
        y=rows["value"],
        mode="lines+markers",
        line={"color": faded(series.colour, 0.8 if first else 0.3 + 0.7 * age), **look},
        marker={"symbol": series.symbol, "size": 5 if ends else 3},
        hovertext=[hover(series, row, str(row["metric"])) for row in rows.to_dict("records")],
        **quiet(series),
    )
    figure.add_trace(trace, **panel.place)


def draw_bands(figure: go.Figure, table: pd.DataFrame, panel: Panel) -> None:
    """Shares of the accepted samples by band, the hardest below, and the problem shares as lines across."""
    for series in panel.series:
        rows = pick(table, series, "accepted_share", panel.split, banded=True)
        for band in np.unique(rows["band"].to_numpy(float)):
            part = rows[rows["band"] == band]
            figure.add_trace(
                go.Bar(
                    x=part["round"],
                    y=part["value"],
                    marker={"color": faded(series.colour, 0.95 - 0.2 * band), "line": {"width": 0}},
                    hovertext=[hover(series, row, band_word(band)) for row in part.to_dict("records")],
                    textposition="none",
                    **quiet(series),
                ),
                **panel.place,
            )
        _problem_lines(figure, table, panel, series)
    figure.update_yaxes(range=[0, 1.0], **panel.place)


def _problem_lines(figure: go.Figure, table: pd.DataFrame, panel: Panel, series: Series) -> None:
    """Lines at the heights the stack would have if it held the problems in their own shares."""
    shares = pick(table, series, "problem_share", panel.split, banded=True)
    wide = shares.pivot_table(index="round", columns="band", values="value")
    if wide.empty:
        return
    heights = wide.to_numpy().cumsum(axis=1).T.tolist()
    for band, y in zip(wide.columns.to_numpy(float)[:-1], heights, strict=False):  # the last line would be at 1
        text = f"{band_word(band)} and harder: {number(y[-1])} of the problems"
        figure.add_trace(steps(series, wide.index.tolist(), y, text), **panel.place)
