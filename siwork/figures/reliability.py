"""Reliability diagrams: share right against score, a row of panels a run and a panel a round, counts in a strip below."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from siwork.figures.canvas import BETWEEN, BOTTOM, TOP, Place, name_series, write
from siwork.figures.marks import error_bars, quiet
from siwork.figures.table import Series, flat
from siwork.figures.theme import INK, colour, faded, interval, number, plain, shortened, symbol, template
from siwork.schema import SchemaError

_DIAGRAM, _GAP, _STRIP = 190, 14, 44  # px
_MOST = 6  # panels beside each other: first and last round, four between
_EDGE, _THIN = 0.07, 0.05  # of the axis: room for marks at 0 and 1, least width of a bar
_POOLED = -1.0  # the round of a table that pools them
_REAL = ("round", "bin", "least", "greatest", "count", "problems", "score", "gold", "low", "high", "k", "left_out")


class Words(NamedTuple):
    """What a diagram says about its axes: the score, the share, what is counted, and the column that counts it."""

    score: str
    gold: str
    counted: str
    number: str


SCORES = Words("score", "share right", "samples", "count")
VOTES = Words("share of the votes", "share right", "problems", "problems")


class _Cell(NamedTuple):
    """One panel and the strip below it."""

    series: Series
    at: Place  # the panel; the strip is one row below
    words: Words
    thin: float  # least width of a bar

    @property
    def strip(self) -> Place:
        return {"row": self.at["row"] + 1, "col": self.at["col"]}


def read_bins(x: pd.DataFrame, split: str) -> pd.DataFrame:
    """A table of bins on one split with plain floats, NaN for null; each run without a row there gets one with the reason.

    Raises SchemaError when the table holds no row, or several groups in one round of a run.
    """
    if not len(x):
        raise SchemaError("the table of bins has no row, so there is no diagram; measure a run with a finished round")
    table = flat(x, ("run", "split", "method"), _REAL)
    table["round"] = table["round"].fillna(_POOLED)
    if table.duplicated(["run", "split", "round", "bin"]).any():
        raise SchemaError(
            "the table of bins has several groups in one round, whose points would mix; make it with by=('round',), "
            "or draw one group at a time"
        )
    runs = list(dict.fromkeys(table["run"]))
    own = table[table["split"] == split]
    silent = [name for name in runs if name not in set(own["run"])]
    lines = {"run": silent, "split": split, "method": f"no row of split {split} in this table", "round": _POOLED}
    if silent:
        own = pd.concat([own, pd.DataFrame(lines).reindex(columns=own.columns).astype(own.dtypes)])
    order = own["run"].map({name: i for i, name in enumerate(runs)})
    return own.assign(order=order).sort_values(["order", "round", "bin"], kind="stable", ignore_index=True)


def diagrams(table: pd.DataFrame, words: Words) -> go.Figure:
    """The figure of a table that `read_bins` made."""
    runs = {str(name): own for name, own in table.groupby("run", sort=False)}
    shown = {name: _shown(own["round"]) for name, own in runs.items()}
    columns = max(map(len, shown.values()))
    figure, ends = _sheet(len(runs), columns), _ends(table)
    series = []
    for i, (name, own) in enumerate(runs.items()):
        one = Series(name, colour(i), symbol(i), False, "interval over problems", 0.0)
        series.append(one)
        for j in range(columns):
            cell = _Cell(one, {"row": 2 * i + 1, "col": j + 1}, words, _THIN * (ends[1] - ends[0]))
            if j < len(shown[name]):
                _panel(figure, cell, own[own["round"] == shown[name][j]], own[own["round"] == shown[name][0]])
            else:
                _clear(figure, cell)
    _axes(figure, table, words, ends)
    name_series(figure, series)
    _key(figure, table, words, columns > 1)
    return figure


def _shown(rounds: pd.Series) -> list[float]:
    """First and last round and at most four between."""
    there = np.unique(rounds.to_numpy(float))
    return [float(r) for r in there[np.unique(np.linspace(0, len(there) - 1, min(len(there), _MOST)).astype(int))]]


def _sheet(runs: int, columns: int) -> go.Figure:
    figure = make_subplots(2 * runs, columns, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.12 / columns)
    block = _DIAGRAM + _GAP + _STRIP
    inside = block * runs + BETWEEN * (runs - 1)
    for i in range(runs):
        top = inside - i * (block + BETWEEN)
        panel, strip = [top - _DIAGRAM, top], [top - block, top - block + _STRIP]
        figure.update_yaxes(domain=[max(0, y / inside) for y in panel], row=2 * i + 1)
        figure.update_yaxes(domain=[max(0, y / inside) for y in strip], row=2 * i + 2)
    margin = {"l": 56, "r": 16, "t": TOP, "b": BOTTOM}
    figure.update_layout(
        template=template(), height=inside + TOP + BOTTOM, margin=margin, barmode="overlay", hovermode="closest"
    )
    return figure


def _clear(figure: go.Figure, cell: _Cell) -> None:
    for at in (cell.at, cell.strip):
        figure.update_xaxes(visible=False, **at).update_yaxes(visible=False, **at)


def _panel(figure: go.Figure, cell: _Cell, rows: pd.DataFrame, first: pd.DataFrame) -> None:
    r = rows["round"].iloc[0]
    start, out = cell.at["col"] == 1, rows["left_out"].max()
    name = f"<b>{shortened(cell.series.name)}</b>" if start else ""
    about = ("all rounds" if r == _POOLED else f"round {r:g}") + (f" · {out:g} left out" if out > 0 else "")
    title = f'{name}<br><span style="font-size:11px">{about}</span>'
    write(figure, cell.at, title, x=0, y=1, yshift=4, xanchor="left", yanchor="bottom", align="left")
    if not rows["gold"].notna().any():
        why = plain(f"unknown: {rows['method'].iloc[0]}", 16)
        write(figure, cell.at, why, x=0.5, y=0.5, xanchor="center", yanchor="middle", align="center")
        for at in (cell.at, cell.strip):  # an axis without a trace is not drawn
            figure.add_scatter(x=[None], y=[None], showlegend=False, **at)
        return
    line = {"color": INK, "width": 1, "dash": "4px,3px"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False, **cell.at)
    if not start:
        _before(figure, cell, first)
    _points(figure, cell, rows)
    _counts(figure, cell, rows)


def _before(figure: go.Figure, cell: _Cell, first: pd.DataFrame) -> None:
    """The first round again, pale and dotted, to compare with."""
    look = {"color": faded(cell.series.colour, 0.6), "width": 1.5, "dash": "dot"}
    trace = go.Scatter(x=first["score"], y=first["gold"], mode="lines", line=look, **quiet(cell.series))
    figure.add_trace(trace.update(hoverinfo="skip"), **cell.at)


def _points(figure: go.Figure, cell: _Cell, rows: pd.DataFrame) -> None:
    one = cell.series
    trace = go.Scatter(
        x=rows["score"],
        y=rows["gold"],
        mode="lines+markers",
        line={"color": one.colour, "width": 1.5},
        marker={"symbol": [one.symbol + ("" if sure else "-open") for sure in _sure(rows)], "size": 8},
        error_y=error_bars(one, rows.assign(value=rows["gold"])),
        hovertext=[_hover(cell, row) for row in rows.to_dict("records")],
        **quiet(one),
    )
    figure.add_trace(trace, **cell.at)


def _counts(figure: go.Figure, cell: _Cell, rows: pd.DataFrame) -> None:
    trace = go.Bar(
        x=(rows["least"] + rows["greatest"]) / 2,
        y=rows[cell.words.number],
        width=(0.94 * (rows["greatest"] - rows["least"])).clip(lower=cell.thin),
        marker={"color": faded(cell.series.colour, 0.55), "line": {"width": 0}},
        hovertext=[_hover(cell, row) for row in rows.to_dict("records")],
        textposition="none",
        **quiet(cell.series),
    )
    figure.add_trace(trace, **cell.strip)


def _sure(rows: pd.DataFrame) -> list[bool]:
    """Whether the interval is known."""
    return (rows["low"].notna() & rows["high"].notna()).tolist()


def _hover(cell: _Cell, row: dict[Hashable, Any]) -> str:
    words, least, greatest = cell.words, row["least"], row["greatest"]
    span = number(least) if least == greatest else f"{number(least)} to {number(greatest)}"
    among = "" if words.number == "problems" else f" of {row['problems']:,.0f} problems"
    when = "all rounds" if row["round"] == _POOLED else f"round {row['round']:g}"
    return "<br>".join(
        [
            f"<b>{plain(cell.series.name, 60)}</b> · {when}",
            f"{words.gold}: {interval(row['gold'], row['low'], row['high'])}",
            f"{words.score}: {span}, mean {number(row['score'])}",
            f"n = {row[words.number]:,.0f} {words.counted}{among}",
            plain(row["method"], 60),
        ]
    )


def _ends(table: pd.DataFrame) -> tuple[float, float]:
    """Least and greatest score on the axis, which always holds 0 to 1."""
    bounds = table[["least", "greatest"]].to_numpy(float)
    held = [0.0, 1.0, *bounds[np.isfinite(bounds)]]
    return min(held), max(held)


def _axes(figure: go.Figure, table: pd.DataFrame, words: Words, ends: tuple[float, float]) -> None:
    room = _EDGE * (ends[1] - ends[0])
    figure.update_xaxes(range=[ends[0] - room, ends[1] + room], nticks=4)
    if ends == (0.0, 1.0):
        figure.update_xaxes(tickvals=[0, 0.5, 1])
    for i, most in enumerate(table.groupby("run", sort=False)[words.number].max().tolist()):
        panel, strip = 2 * i + 1, 2 * i + 2
        figure.update_yaxes(range=[-_EDGE, 1 + _EDGE], tickvals=[0, 0.25, 0.5, 0.75, 1], row=panel)
        figure.update_xaxes(showticklabels=False, ticks="", row=panel)
        figure.update_xaxes(showticklabels=True, title_text=words.score, row=strip)
        figure.update_yaxes(range=[0, 1.05 * most if most > 0 else 1], nticks=3, row=strip)
        figure.update_yaxes(title_text=words.gold, row=panel, col=1)
        figure.update_yaxes(title_text=words.counted, row=strip, col=1)


def _key(figure: go.Figure, table: pd.DataFrame, words: Words, several: bool) -> None:
    """Legend entries of what is the same in every panel."""
    entries: list[tuple[str, dict[str, Any]]] = [
        (f"{words.gold} = {words.score}", {"mode": "lines", "line": {"color": INK, "width": 1, "dash": "4px,3px"}})
    ]
    if several:
        entries.append(("first round again", {"mode": "lines", "line": {"color": INK, "width": 1.5, "dash": "dot"}}))
    known = table[table["gold"].notna()]
    if not all(_sure(known)):
        open_mark = {"symbol": "circle-open", "size": 8, "color": INK}
        entries.append(("open mark: interval unknown", {"mode": "markers", "marker": open_mark}))
    for name, look in entries:
        figure.add_scatter(x=[None], y=[None], name=name, **look)
