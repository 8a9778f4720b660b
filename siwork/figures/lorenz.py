"""Lorenz curves of the training data over problems, as `fig_tail` draws them from `siwork.metrics.lorenz_table`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from siwork.figures.canvas import canvas, head, name_series, place, round_axis, unknown
from siwork.figures.marks import aged, line, quiet
from siwork.figures.points import points
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import Series, flat, series_of
from siwork.figures.theme import INK, faded, interval, number, plain, shortened
from siwork.schema import SchemaError

LORENZ = frozenset({"run", "split", "round", "problem_share", "accepted_share", "gini", "floor"})
_REAL = ("round", "problem_share", "accepted_share", "gini", "gini_low", "gini_high", "floor", "n")
_LINES, _HEIGHT = 6, 280


def lorenz_sheet(x: pd.DataFrame, split: str) -> Sheet:
    """A panel of curves a run, and the Gini of all runs over rounds beside its floor by chance.

    Raises SchemaError when the table holds no round.
    """
    table = flat(x, ("run", "split", "method"), _REAL).dropna(subset=["round"])
    if table.empty:
        raise SchemaError(
            "the Lorenz table has no row with a round; take lorenz_table(rows) of rows with a train split"
        )
    series = _series(table)
    count = len(series) + 1
    width = 2 if count == 2 else 3
    sheet = canvas(count, width, height=_HEIGHT)
    here = table[table["split"] == split]
    for i, one in enumerate(series):
        name = f": {shortened(one.name)}" if len(series) > 1 else ""
        _curves(sheet, place(i, count, width), here[here["run"] == one.name], one, split, name)
    _ginis(sheet, place(count - 1, count, width), here, series, (table if here.empty else here)["round"], split)
    name_series(sheet, series)
    return sheet


def _series(table: pd.DataFrame) -> list[Series]:
    """The runs with colour and symbol; a run of a Lorenz table is never pooled."""
    return [one._replace(note="interval of the Gini over problems") for one in series_of(table.assign(least=np.nan))]


def _curves(sheet: Sheet, at: Place, rows: pd.DataFrame, series: Series, split: str, name: str) -> None:
    sheet.xaxis(at).update(title={"text": "share of the problems, least served first"}, range=[0, 1], showgrid=True)
    sheet.yaxis(at).update(title={"text": "share of the training data"}, range=[0, 1])
    points = rows[rows["accepted_share"].notna()]
    if points.empty:
        head(sheet, at, f"Who fills the training data{name}")
        unknown(sheet, at, _why(rows, split))
        return
    equal = {"line": {"color": INK, "width": 1, "dash": "dash"}, "hovertext": "every problem gives as much"}
    sheet.draw(at, {"type": "scatter", "x": [0, 1], "y": [0, 1], "mode": "lines", **equal, **quiet(series)})
    shown = aged(points["round"], _LINES)
    for one, age in shown:
        _curve(sheet, at, points[points["round"] == one], series, age)
    first, last = shown[0][0], shown[-1][0]
    ends = f"dotted: round {first:g} · solid: round {last:g}" if len(shown) > 1 else f"solid: round {last:g}"
    head(sheet, at, f"Who fills the training data{name}", f"{ends} · dashed: all give as much")
    said = [_gini(points[points["round"] == one].iloc[0]) for one in dict.fromkeys((first, last))]
    text = "<br>".join(f"round {one:g}: {words}" for one, words in zip(dict.fromkeys((first, last)), said, strict=True))
    sheet.write(at, text, x=0.02, y=0.98, xanchor="left", yanchor="top", align="left", font={"size": 11})


def _curve(sheet: Sheet, at: Place, rows: pd.DataFrame, series: Series, age: float) -> None:
    ends = age in (0.0, 1.0)
    head_words = f"<b>{plain(series.name, 60)}</b> · round {rows['round'].iloc[0]:g}"
    tail_words = (
        f"{_gini(rows.iloc[0])}<br>n = {rows['n'].iloc[0]:,.0f} problems<br>{plain(rows['method'].iloc[0], 60)}"
    )
    shares = zip(rows["problem_share"], rows["accepted_share"], strict=True)
    trace = {
        "type": "scatter",
        "x": rows["problem_share"].to_numpy(),
        "y": rows["accepted_share"].to_numpy(),
        "mode": "lines",
        "line": {
            "color": faded(series.colour, 0.8 if age == 0.0 else 0.3 + 0.7 * age),
            "width": 2 if ends else 1,
            "dash": "dot" if age == 0.0 else "solid",
        },
        "hovertext": [
            f"{head_words}<br>{number(a)} of the problems hold {number(b)} of the data<br>{tail_words}"
            for a, b in shares
        ],
        "customdata": points(rows, metric="lorenz", share=rows["problem_share"]),
        **quiet(series),
    }
    sheet.draw(at, trace)


def _gini(row: pd.Series) -> str:
    return f"Gini {interval(row['gini'], row['gini_low'], row['gini_high'])}<br>by chance {number(row['floor'])}"


def _ginis(sheet: Sheet, at: Place, table: pd.DataFrame, series: list[Series], rounds: pd.Series, split: str) -> None:
    """The Gini of each run with its interval, and dashed what chance alone gives."""
    round_axis(sheet, at, rounds)
    sheet.yaxis(at).update(title={"text": "Gini, 0 equal … 1 one problem"}, rangemode="tozero")
    head(sheet, at, "How unequal (Gini)", "solid: found · dashed: by chance alone")
    once = table.drop_duplicates(["run", "round"]).assign(ranged=False).sort_values("round")
    if once["gini"].isna().all():
        unknown(sheet, at, _why(table, split))
    for one in series:
        rows = once[once["run"] == one.name]
        chance = rows.assign(metric="accepted_gini_floor", value=rows["floor"], low=np.nan, high=np.nan)
        line(sheet, at, one, chance, what="by chance alone", dash="dash")
        found = rows.assign(metric="accepted_gini", value=rows["gini"], low=rows["gini_low"], high=rows["gini_high"])
        line(sheet, at, one, found, what="Gini")


def _why(rows: pd.DataFrame, split: str) -> str:
    return f"no Lorenz curve on split {split} in this table" if rows.empty else str(rows["method"].iloc[0])
