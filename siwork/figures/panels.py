"""The kinds of panel that `fig_curves` is made of: a line, score against truth, the pass@k fan, stacked bands."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork.figures.table import Series, pick
from siwork.figures.theme import INK, faded, interval, number, plain

FAN = re.compile(r"pass@(\d+)\Z")
_LINES = 12
BAND_WORDS = ("hardest fifth", "hard", "middle", "easy", "easiest fifth")


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
        _line(figure, panel, series, pick(table, series, panel.metric, panel.split))


def draw_against(figure: go.Figure, table: pd.DataFrame, panel: Panel) -> None:
    """The mean score (solid) and the truth of the same samples (dashed)."""
    for series in panel.series:
        _line(figure, panel, series, pick(table, series, "mean_gold", panel.split), what="truth", dash="dash")
        _line(figure, panel, series, pick(table, series, "mean_score", panel.split), what="score")


def _line(
    figure: go.Figure, panel: Panel, series: Series, rows: pd.DataFrame, *, what: str = "", dash: str = "solid"
) -> None:
    if rows["value"].isna().all():
        return
    if series.pooled:
        figure.add_trace(_ribbon(series, rows["round"], rows), **panel.place)
    trace = go.Scatter(
        x=rows["round"] + series.shift,
        y=rows["value"],
        mode="lines+markers",
        line={"color": series.colour, "width": 2, "dash": dash},
        marker={"symbol": series.symbol, "size": 6},
        hovertext=[_hover(series, row, what) for row in rows.to_dict("records")],
        **_quiet(series),
    )
    if not series.pooled:
        trace.error_y = _bars(series, rows)
    figure.add_trace(trace, **panel.place)


def draw_fan(figure: go.Figure, table: pd.DataFrame, panel: Panel) -> None:
    """pass@k against k, one line a round (at most a dozen): the first pale and dotted, the last full and solid."""
    ticks: set[int] = set()
    for series in panel.series:
        rows = _fan_rows(table, series, panel.split)
        ticks |= {int(k) for k in rows["k"]}
        rounds = np.unique(rows["round"].to_numpy(float))
        shown = rounds[np.unique(np.linspace(0, len(rounds) - 1, min(len(rounds), _LINES)).astype(int))]
        for i, one in enumerate(shown):
            age = i / (len(shown) - 1) if len(shown) > 1 else 1.0
            _fan_line(figure, panel, series, rows[rows["round"] == one], age)
    if ticks:
        ends = [np.log10(min(ticks)) - 0.06, np.log10(max(ticks)) + 0.06]
        figure.update_xaxes(type="log", tickmode="array", tickvals=sorted(ticks), range=ends, **panel.place)
    figure.update_xaxes(title_text="k, tries", **panel.place)


def _fan_rows(table: pd.DataFrame, series: Series, split: str) -> pd.DataFrame:
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
        figure.add_trace(_ribbon(series, rows["k"], rows, opacity=0.08 + 0.1 * age), **panel.place)
    line = {"width": 2 if ends else 1, "dash": "dot" if first else "solid"}
    trace = go.Scatter(
        x=rows["k"],
        y=rows["value"],
        mode="lines+markers",
        line={"color": faded(series.colour, 0.8 if first else 0.3 + 0.7 * age), **line},
        marker={"symbol": series.symbol, "size": 5 if ends else 3},
        hovertext=[_hover(series, row, str(row["metric"])) for row in rows.to_dict("records")],
        **_quiet(series),
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
                    hovertext=[_hover(series, row, _band_word(band)) for row in part.to_dict("records")],
                    textposition="none",
                    **_quiet(series),
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
    x = [wide.index[0] - 0.45, *wide.index, wide.index[-1] + 0.45]
    heights = wide.to_numpy().cumsum(axis=1)
    for band, y in zip(
        wide.columns.to_numpy(float)[:-1], heights.T.tolist(), strict=False
    ):  # the last line would be at 1
        text = f"{_band_word(band)} and harder: {number(y[-1])} of the problems"
        line = {"color": INK, "width": 1.5, "dash": "dash", "shape": "hvh"}
        figure.add_trace(
            go.Scatter(x=x, y=[y[0], *y, y[-1]], mode="lines", line=line, hovertext=text, **_quiet(series)),
            **panel.place,
        )


def _band_word(band: float) -> str:
    return BAND_WORDS[int(band)] if 0 <= band < len(BAND_WORDS) else f"band {band:g}"


def _quiet(series: Series) -> dict[str, Any]:
    """What every trace shares: its text on hover, its group in the legend, no legend entry of its own."""
    return {"hoverinfo": "text", "legendgroup": series.name, "name": plain(series.name), "showlegend": False}


def _ribbon(series: Series, x: pd.Series, rows: pd.DataFrame, opacity: float = 0.18) -> go.Scatter:
    """The interval as a translucent polygon for each stretch without a gap."""
    across: list[float | None] = []
    along: list[float | None] = []
    there = (rows["low"].notna() & rows["high"].notna()).to_numpy()
    for stretch in np.split(np.arange(len(rows)), np.flatnonzero(~there)):
        stretch = stretch[there[stretch]]
        if len(stretch):
            across += [*x.iloc[stretch], *x.iloc[stretch[::-1]], None]
            along += [*rows["low"].iloc[stretch], *rows["high"].iloc[stretch[::-1]], None]
    return go.Scatter(
        x=across,
        y=along,
        mode="lines",
        fill="toself",
        fillcolor=faded(series.colour, opacity),
        line={"color": faded(series.colour, opacity), "width": 1},
        legendgroup=series.name,
        showlegend=False,
        hoverinfo="skip",
    )


def _bars(series: Series, rows: pd.DataFrame) -> dict[str, Any]:
    up, down = (rows["high"] - rows["value"]).clip(lower=0), (rows["value"] - rows["low"]).clip(lower=0)
    look = {"color": faded(series.colour, 0.6), "width": 3, "thickness": 1.2}
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, **look}


def _hover(series: Series, row: dict[Hashable, Any], what: str) -> str:
    """Value with interval, what the interval is, n and method, all as plain text."""
    value, low, high = row["value"], row["low"], row["high"]
    shown = (
        f"{number(value)}, range {number(low, value)} … {number(high, value)}"
        if row["ranged"]
        else interval(value, low, high)
    )
    many = "seeds" if series.pooled else "problems"
    return "<br>".join(
        [
            f"<b>{plain(series.name, 60)}</b> · round {row['round']:g}{f' · {what}' if what else ''}",
            shown,
            f"n = {row['n']:,.0f} {many}",
            plain(row["method"], 60),
        ]
    )
