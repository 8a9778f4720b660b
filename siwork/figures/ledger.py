"""Problems gained and lost beside chance, as `fig_tail` draws them from `siwork.metrics.ledger`."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import Place, canvas, head, label_ends, name_series, place, round_axis, unknown
from siwork.figures.marks import line, quiet, steps
from siwork.figures.table import Series, flat, series_of
from siwork.figures.theme import INK, faded, number, plain, shortened
from siwork.schema import SchemaError

LEDGER = frozenset({"run", "split", "round", "gained", "lost", "kept", "never", "expected_gained", "expected_lost"})
_STACK = ("lost", "kept", "gained", "never")  # from below: the solved of the first round, then the solved of this one
_REAL = (
    "first",
    "round",
    "problems",
    *_STACK,
    "expected_gained",
    "expected_lost",
    "p_gained",
    "p_lost",
    "net",
    "low",
    "high",
)


def ledger_figure(x: pd.DataFrame, split: str) -> go.Figure:
    """Two panels a run, all problems and those that moved beside chance, and the net gain of all runs.

    Raises SchemaError when the table holds no round.
    """
    table = flat(x, ("run", "split", "method"), _REAL).dropna(subset=["round"])
    if table.empty:
        raise SchemaError("the ledger has no row with a round; take ledger(rows) of rows with two rounds or more")
    table = table.assign(n=table["problems"], least=np.nan).sort_values("round", kind="stable", ignore_index=True)
    series = [one._replace(note="interval of the net gain over problems") for one in series_of(table)]
    count = 2 * len(series) + 1
    width = 3 if len(series) == 1 else 2
    figure = canvas(count, width, height=260).update_layout(barmode="relative")
    here = table[table["split"] == split]
    for i, one in enumerate(series):
        name = f": {shortened(one.name)}" if len(series) > 1 else ""
        rows = here[here["run"] == one.name]
        for j, draw in enumerate((_all, _moved)):
            draw(figure, place(2 * i + j, count, width), rows, one, name, split)
    at = place(count - 1, count, width)
    round_axis(figure, at, (table if here.empty else here)["round"])
    _net(figure, at, here, series, split)
    name_series(figure, series)
    return figure


def _all(figure: go.Figure, at: Place, rows: pd.DataFrame, series: Series, name: str, split: str) -> None:
    """Every problem once: the lost and the kept were solved at first, the kept and the gained are solved now."""
    _axes(figure, at, rows, "problems")
    since = f"since round {rows['first'].min():g}" if rows["first"].notna().any() else "since the first round"
    head(figure, at, f"Problems solved{name}", f"{since} · lost + kept: solved then · kept + gained: now")
    if _unknown(figure, at, rows, split):
        return
    for state in _STACK:
        figure.add_trace(_bar(series, rows, state, rows[state]), **at)
    last = rows[rows["kept"].notna()].iloc[-1]
    heights = np.cumsum([last[state] for state in _STACK]) - np.array([last[state] for state in _STACK]) / 2
    ends = [(float(h), f"{state} {last[state]:g}") for h, state in zip(heights, _STACK, strict=True)]
    label_ends(figure, at, float(last["round"]) + 0.5, ends, (0.0, float(last["problems"])))


def _moved(figure: go.Figure, at: Place, rows: pd.DataFrame, series: Series, name: str, split: str) -> None:
    """Gained above, lost below, and dashed what an unchanged model would gain and lose."""
    _axes(figure, at, rows, "problems, lost below 0")
    head(figure, at, f"Gained and lost{name}", "dashed: what a model that did not change would show")
    if _unknown(figure, at, rows, split):
        return
    shown = rows[rows["kept"].notna()]
    for state, sign in (("gained", 1), ("lost", -1)):
        figure.add_trace(_bar(series, rows, state, sign * rows[state]), **at)
        chance = [f"{state} by chance: {_expected(v)} problems" for v in shown[f"expected_{state}"]]
        height = sign * shown[f"expected_{state}"]
        figure.add_trace(steps(series, shown["round"].tolist(), height.tolist(), chance), **at)
    last = shown.iloc[-1]
    ends = [
        (sign * float(last[state]) / 2, f"{state} {last[state]:g}<br>chance {_expected(last[f'expected_{state}'])}")
        for state, sign in (("gained", 1), ("lost", -1))
    ]
    most = float(shown[["gained", "lost", "expected_gained", "expected_lost"]].to_numpy().max(initial=1.0))
    label_ends(figure, at, float(last["round"]) + 0.5, ends, (-1.15 * most, 1.15 * most))
    figure.update_yaxes(range=[-1.15 * most, 1.15 * most], zeroline=True, zerolinecolor=INK, **at)


def _axes(figure: go.Figure, at: Place, rows: pd.DataFrame, axis: str) -> None:
    """Whole rounds, with room for names right of the last bar."""
    figure.update_yaxes(title_text=axis, **at)
    if rows.empty:
        return
    round_axis(figure, at, rows["round"], room=0.4)


def _unknown(figure: go.Figure, at: Place, rows: pd.DataFrame, split: str) -> bool:
    if rows["kept"].notna().any():
        return False
    unknown(figure, at, f"no ledger on split {split} in this table" if rows.empty else str(rows["method"].iloc[0]))
    return True


def _bar(series: Series, rows: pd.DataFrame, state: str, heights: pd.Series) -> go.Bar:
    """Kept pale, gained full, lost hatched, never an empty frame."""
    fill = {"lost": 0.12, "kept": 0.35, "gained": 0.95, "never": 0.0}[state]
    frame = {"color": faded(series.colour, 0.95) if state in ("gained", "lost") else INK, "width": 1}
    hatch = {"pattern": {"shape": "/", "fgcolor": series.colour, "size": 6, "solidity": 0.3}} if state == "lost" else {}
    return go.Bar(
        x=rows["round"],
        y=heights,
        marker={"color": faded(series.colour, fill), "line": frame, **hatch},
        hovertext=[_words(series, row, state) for row in rows.to_dict("records")],
        textposition="none",
        **quiet(series),
    )


def _words(series: Series, row: dict[Hashable, Any], state: str) -> str:
    lines = [f"<b>{plain(series.name, 60)}</b> · round {row['round']:g} · {state}", f"{row[state]:,.0f} problems"]
    if f"expected_{state}" in row:
        lines.append(
            f"by chance {_expected(row[f'expected_{state}'])}, p of as many or more {number(row[f'p_{state}'])}"
        )
    return "<br>".join([*lines, f"n = {row['n']:,.0f} problems", plain(row["method"], 60)])


def _expected(problems: float) -> str:
    return "unknown" if math.isnan(problems) else f"{problems:,.1f}"


def _net(figure: go.Figure, at: Place, table: pd.DataFrame, series: list[Series], split: str) -> None:
    figure.update_yaxes(title_text="(gained − lost) / problems", **at)
    head(figure, at, "Net gain", "an interval that holds 0 shows no net change")
    figure.add_hline(y=0, line={"color": INK, "width": 1}, layer="below", **at)
    if table["net"].isna().all():
        unknown(
            figure, at, f"no ledger on split {split} in this table" if table.empty else str(table["method"].iloc[0])
        )
    for one in series:
        line(figure, at, one, table[table["run"] == one.name].assign(value=table["net"], ranged=False), what="net gain")
