"""Reliability diagrams: share right against score, a row of panels a run and a panel a round, counts in a strip below."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.figures.canvas import BETWEEN, BOTTOM, NOTHING, TOP, legend, name_series
from siwork.figures.marks import error_bars, quiet
from siwork.figures.points import points
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import Series, flat
from siwork.figures.theme import INK, colour, faded, interval, number, plain, shortened, symbol
from siwork.schema import SchemaError

_DIAGRAM, _GAP, _STRIP = 190, 14, 44  # px
_MOST = 6  # panels beside each other: first and last round, four between
_EDGE, _THIN = 0.07, 0.05  # of the axis: room for marks at 0 and 1, least width of a bar
_DIAGONAL = {"color": INK, "width": 1, "dash": "4px,3px"}
_POOLED = -1.0  # the round of a table that pools them
_REAL = ("round", "bin", "least", "greatest", "count", "problems", "score", "gold", "low", "high", "k", "left_out")


class Words(NamedTuple):
    """What a diagram says: its axes, what is counted and the column that counts it, and the metric of its points."""

    score: str
    gold: str
    counted: str
    number: str
    metric: str


SCORES = Words("score", "share right", "samples", "count", "reliability")
VOTES = Words("share of the votes", "share right", "problems", "problems", "vote")


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


def diagrams(table: pd.DataFrame, words: Words) -> Sheet:
    """The sheet of a table that `read_bins` made."""
    runs = {str(name): own for name, own in table.groupby("run", sort=False)}
    shown = {name: _shown(own["round"]) for name, own in runs.items()}
    columns = max(map(len, shown.values()))
    sheet, ends = _sheet(len(runs), columns), _ends(table)
    series = []
    for i, (name, own) in enumerate(runs.items()):
        one = Series(name, colour(i), symbol(i), False, "interval over problems", 0.0)
        series.append(one)
        for j in range(columns):
            cell = _Cell(one, {"row": 2 * i + 1, "col": j + 1}, words, _THIN * (ends[1] - ends[0]))
            if j < len(shown[name]):
                _panel(sheet, cell, own[own["round"] == shown[name][j]], own[own["round"] == shown[name][0]])
            else:
                sheet.clear(cell.at)
                sheet.clear(cell.strip)
        _axes(sheet, 2 * i + 1, own[words.number].max(), words, ends)
    name_series(sheet, series)
    _key(sheet, table, words, columns > 1)
    return sheet


def _shown(rounds: pd.Series) -> list[float]:
    """First and last round and at most four between."""
    there = np.unique(rounds.to_numpy(float))
    return [float(r) for r in there[np.unique(np.linspace(0, len(there) - 1, min(len(there), _MOST)).astype(int))]]


def _sheet(runs: int, columns: int) -> Sheet:
    """Panels and strips of the heights that they need, with common axes along rows and columns."""
    block = _DIAGRAM + _GAP + _STRIP
    inside = block * runs + BETWEEN * (runs - 1)
    margin = {"l": 56, "r": 16, "t": TOP, "b": BOTTOM}
    layout = {"height": inside + TOP + BOTTOM, "margin": margin, "barmode": "overlay"}
    sheet = Sheet(2 * runs, columns, layout, beside=0.12 / columns)
    for i in range(runs):
        top = inside - i * (block + BETWEEN)
        for row, ends in ((2 * i + 1, (top - _DIAGRAM, top)), (2 * i + 2, (top - block, top - block + _STRIP))):
            for j in range(columns):
                sheet.yaxis({"row": row, "col": j + 1})["domain"] = [max(0, y / inside) for y in ends]
                sheet.share({"row": row, "col": j + 1})
    return sheet


def _panel(sheet: Sheet, cell: _Cell, rows: pd.DataFrame, first: pd.DataFrame) -> None:
    r = rows["round"].iloc[0]
    start, out = cell.at["col"] == 1, rows["left_out"].max()
    name = f"<b>{shortened(cell.series.name)}</b>" if start else ""
    about = ("all rounds" if r == _POOLED else f"round {r:g}") + (f" · {out:g} left out" if out > 0 else "")
    title = f'{name}<br><span style="font-size:11px">{about}</span>'
    sheet.write(cell.at, title, x=0, y=1, yshift=4, xanchor="left", yanchor="bottom", align="left")
    if not rows["gold"].notna().any():
        why = plain(f"unknown: {rows['method'].iloc[0]}", 16)
        sheet.write(cell.at, why, x=0.5, y=0.5, xanchor="center", yanchor="middle", align="center")
        for at in (cell.at, cell.strip):  # an axis without a trace is not drawn
            sheet.draw(at, NOTHING)
        return
    look = {"mode": "lines", "line": _DIAGONAL, "hoverinfo": "skip", "showlegend": False}
    sheet.draw(cell.at, {"type": "scatter", "x": [0, 1], "y": [0, 1], **look})
    if not start:
        _before(sheet, cell, first)
    _points(sheet, cell, rows)
    _counts(sheet, cell, rows)


def _before(sheet: Sheet, cell: _Cell, first: pd.DataFrame) -> None:
    """The first round again, pale and dotted, to compare with."""
    line = {"color": faded(cell.series.colour, 0.6), "width": 1.5, "dash": "dot"}
    trace = {"type": "scatter", "x": first["score"].to_numpy(), "y": first["gold"].to_numpy(), "mode": "lines"}
    sheet.draw(cell.at, trace | {"line": line} | quiet(cell.series) | {"hoverinfo": "skip"})


def _points(sheet: Sheet, cell: _Cell, rows: pd.DataFrame) -> None:
    one = cell.series
    trace = {
        "type": "scatter",
        "x": rows["score"].to_numpy(),
        "y": rows["gold"].to_numpy(),
        "mode": "lines+markers",
        "line": {"color": one.colour, "width": 1.5},
        "marker": {"symbol": [one.symbol + ("" if sure else "-open") for sure in _sure(rows)], "size": 8},
        "error_y": error_bars(one, rows.assign(value=rows["gold"])),
        **_about(cell, rows),
    }
    sheet.draw(cell.at, trace)


def _counts(sheet: Sheet, cell: _Cell, rows: pd.DataFrame) -> None:
    trace = {
        "type": "bar",
        "x": ((rows["least"] + rows["greatest"]) / 2).to_numpy(),
        "y": rows[cell.words.number].to_numpy(),
        "width": (0.94 * (rows["greatest"] - rows["least"])).clip(lower=cell.thin).to_numpy(),
        "marker": {"color": faded(cell.series.colour, 0.55), "line": {"width": 0}},
        "textposition": "none",
        **_about(cell, rows),
    }
    sheet.draw(cell.strip, trace)


def _about(cell: _Cell, rows: pd.DataFrame) -> dict[str, Any]:
    """What a point and the bar below it say and stand for."""
    ends = {"low": rows["least"], "high": rows["greatest"], "k": rows["k"]}
    of = points(rows.assign(round=rows["round"].where(rows["round"] != _POOLED)), metric=cell.words.metric, **ends)
    return {
        "hovertext": [_hover(cell, row) for row in rows.to_dict("records")],
        "customdata": of,
        **quiet(cell.series),
    }


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


def _axes(sheet: Sheet, row: int, most: float, words: Words, ends: tuple[float, float]) -> None:
    """The axes of a run, whose panels stand in that row and their strips below; `most` is its greatest count."""
    room = _EDGE * (ends[1] - ends[0])
    across: dict[str, Any] = {"range": [ends[0] - room, ends[1] + room], "nticks": 4}
    across |= {"tickvals": [0, 0.5, 1]} if ends == (0.0, 1.0) else {}
    for j in range(sheet.columns):
        panel, strip = {"row": row, "col": j + 1}, {"row": row + 1, "col": j + 1}
        sheet.xaxis(panel).update(across, showticklabels=False, ticks="")
        sheet.xaxis(strip).update(across, showticklabels=True, title={"text": words.score})
        sheet.yaxis(panel).update(range=[-_EDGE, 1 + _EDGE], tickvals=[0, 0.25, 0.5, 0.75, 1])
        sheet.yaxis(strip).update(range=[0, 1.05 * most if most > 0 else 1], nticks=3)
    for at, text in (({"row": row, "col": 1}, words.gold), ({"row": row + 1, "col": 1}, words.counted)):
        sheet.yaxis(at)["title"] = {"text": text}


def _key(sheet: Sheet, table: pd.DataFrame, words: Words, several: bool) -> None:
    """Legend entries of what is the same in every panel."""
    legend(sheet, f"{words.gold} = {words.score}", mode="lines", line=_DIAGONAL)
    if several:
        legend(sheet, "first round again", mode="lines", line={"color": INK, "width": 1.5, "dash": "dot"})
    known = table[table["gold"].notna()]
    if not all(_sure(known)):
        mark = {"symbol": "circle-open", "size": 8, "color": INK}
        legend(sheet, "open mark: interval unknown", mode="markers", marker=mark)
