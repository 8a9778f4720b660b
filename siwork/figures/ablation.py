"""`fig_ablation`: what each alternative changes against the recipe as given, a panel a metric."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import canvas, head, place, unknown
from siwork.figures.curves import WORDS
from siwork.figures.points import points
from siwork.figures.rounds import see_table
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import flat
from siwork.figures.theme import INK, colour, faded, interval, number, plain, shortened, symbol

_TEXT = ("arm", "metric", "unit", "split", "conclusion", "method")
_REAL = (
    "round",
    "given",
    "other",
    "value",
    "low",
    "high",
    "low_alone",
    "high_alone",
    "least",
    "most",
    "seeds",
    "problems",
)
_WORDS = WORDS | {"kl_to_base": ("Distance from round 0", "nats"), "pass@1": ("Right in one try", "probability")}
_LINE, _LEAST = 34, 110  # px of an alternative, and of a panel


def fig_ablation(x: pd.DataFrame) -> go.Figure:
    """The difference that each alternative makes in the last round, a panel a metric and a line an alternative.

    Parameters
    ----------
    x : table of `siwork.reporting.ablation.ablation_table`

    Returns
    -------
    plotly Figure. A point is the difference from the recipe as given; the thick bar is its interval alone, the thin one that
    which is adjusted for the number of comparisons. Right of the dashed line the alternative is higher. What is unknown is
    said in words.

    Raises
    ------
    SchemaError when x is another table or holds no row.

    >>> row = {"arm": "best", "metric": "pass@1", "unit": "", "split": "heldout", "conclusion": "", "method": "", "round": 3}
    >>> row |= {"given": 0.4, "other": 0.5, "value": 0.1, "low": -0.1, "high": 0.3, "low_alone": 0.0, "high_alone": 0.2}
    >>> table = pd.DataFrame([row | {"least": 0.1, "most": 0.1, "seeds": 3, "problems": 60}])
    >>> fig_ablation(table).data[-1].x.tolist()
    [0.1]
    """
    see_table(x, (*_TEXT, *_REAL), "fig_ablation", "siwork.reporting.ablation.ablation_table(arms)")
    return ablation_sheet(x).figure()


def ablation_sheet(x: pd.DataFrame) -> Sheet:
    """What `fig_ablation` shows, not yet a plotly Figure."""
    table = flat(x, _TEXT, _REAL)
    arms, metrics = (list(dict.fromkeys(table[name])) for name in ("arm", "metric"))
    sheet = canvas(len(metrics), height=max(_LEAST, _LINE * (len(arms) + 1)))
    for i, metric in enumerate(metrics):
        own = table[table["metric"] == metric].set_index("arm")
        _panel(sheet, place(i, len(metrics)), own, metric, arms)
    return sheet


def _panel(sheet: Sheet, at: Place, rows: pd.DataFrame, metric: str, arms: list[str]) -> None:
    unit = f" ({rows['unit'].iloc[0]})" if rows["unit"].iloc[0] else ""
    head(sheet, at, plain(_title(metric)), f"{plain(metric)}, alternative − as given{unit}")
    if rows["value"].isna().all():
        unknown(sheet, at, rows["method"].iloc[0])
        return
    heights = [float(len(arms) - 1 - i) for i in range(len(arms))]
    sheet.yaxis(at).update(
        tickmode="array",
        tickvals=heights,
        ticktext=[shortened(arm) for arm in arms],
        range=[-0.6, len(arms) - 0.4],
        showgrid=False,
        zeroline=False,
    )
    sheet.xaxis(at).update(showgrid=True, zeroline=False, range=_reach(rows))
    sheet.stroke(at, 0, line={"color": INK, "width": 1, "dash": "dash"}, layer="below")
    for i, (arm, y) in enumerate(zip(arms, heights, strict=True)):
        if arm in rows.index:
            _arm(sheet, at, rows.loc[[arm]].reset_index(), i, y)


def _title(metric: str) -> str:
    tries = metric.removeprefix("pass@")
    if metric not in _WORDS and tries.isdigit():
        return f"Right within {tries} tries"
    return _WORDS.get(metric, (metric.replace("_", " "), ""))[0]


def _reach(rows: pd.DataFrame) -> list[float]:
    """The axis holds all points, their intervals alone and 0; an adjusted interval that is far wider runs out of it."""
    inner = [*rows["low_alone"], *rows["high_alone"], *rows["value"], 0.0]
    known = [x for x in inner if math.isfinite(x)]
    least, most = min(known), max(known)
    room = 0.5 * (most - least) or 0.1
    outer = [x for x in [*rows["low"], *rows["high"]] if math.isfinite(x)]
    return [max(least - room, min([*outer, least]) - 0.1 * room), min(most + room, max([*outer, most]) + 0.1 * room)]


def _arm(sheet: Sheet, at: Place, rows: pd.DataFrame, i: int, y: float) -> None:
    row = rows.iloc[0]
    if math.isnan(row["value"]):
        sheet.write(at, "unknown", xref="x", yref="y", x=0, y=y, font={"size": 11}, hovertext=plain(row["method"], 60))
        return
    for low, high, width in (("low", "high", 1.5), ("low_alone", "high_alone", 5)):
        if not math.isnan(row[low]):
            bar = {"type": "scatter", "mode": "lines", "x": [row[low], row[high]], "y": [y, y], "hoverinfo": "skip"}
            sheet.draw(at, bar | {"line": {"color": faded(colour(i), 0.75), "width": width}, "showlegend": False})
    dot: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "x": rows["value"].to_numpy(),
        "y": [y],
        "marker": {"symbol": symbol(i), "size": 9, "color": colour(i)},
        "hoverinfo": "text",
        "hovertext": [_hover(row)],
        "customdata": points(rows.assign(run=rows["arm"]), metric=rows["metric"]),
        "showlegend": False,
    }
    sheet.draw(at, dot)


def _hover(row: pd.Series) -> str:
    ends = (row["given"], row["other"])
    alone = interval(row["value"], row["low_alone"], row["high_alone"], sign=True)
    adjusted = interval(row["value"], row["low"], row["high"], sign=True)
    return "<br>".join(
        [
            f"<b>{plain(row['arm'], 60)}</b> · {plain(row['metric'])}, round {row['round']:g}",
            f"{number(ends[0], *ends)} → {number(ends[1], *ends)}",
            f"{alone}, alone",
            f"{adjusted}, adjusted",
            f"n = {row['seeds']:g} seeds × {row['problems']:g} problems",
            plain(row["conclusion"], 60),
            plain(row["method"], 60),
        ]
    )
