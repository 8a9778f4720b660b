"""Problems gained and lost beside chance, as `fig_tail` draws them from `siwork.metrics.ledger`."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from siwork.figures.canvas import canvas, head, label_ends, name_series, place, round_axis, unknown
from siwork.figures.marks import line, quiet, steps
from siwork.figures.points import points
from siwork.figures.sheet import Place, Sheet
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


def ledger_sheet(x: pd.DataFrame, split: str) -> Sheet:
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
    sheet = canvas(count, width, height=260, barmode="relative")
    here = table[table["split"] == split]
    for i, one in enumerate(series):
        name = f": {shortened(one.name)}" if len(series) > 1 else ""
        rows = here[here["run"] == one.name]
        for j, draw in enumerate((_all, _moved)):
            draw(sheet, place(2 * i + j, count, width), rows, one, name, split)
    at = place(count - 1, count, width)
    round_axis(sheet, at, (table if here.empty else here)["round"])
    _net(sheet, at, here, series, split)
    name_series(sheet, series)
    return sheet


def _all(sheet: Sheet, at: Place, rows: pd.DataFrame, series: Series, name: str, split: str) -> None:
    """Every problem once: the lost and the kept were solved at first, the kept and the gained are solved now."""
    _axes(sheet, at, rows, "problems")
    since = f"since round {rows['first'].min():g}" if rows["first"].notna().any() else "since the first round"
    head(sheet, at, f"Problems solved{name}", f"{since} · lost + kept: solved then · kept + gained: now")
    if _unknown(sheet, at, rows, split):
        return
    for state in _STACK:
        sheet.draw(at, _bar(series, rows, state, rows[state]))
    last = rows[rows["kept"].notna()].iloc[-1]
    heights = np.cumsum([last[state] for state in _STACK]) - np.array([last[state] for state in _STACK]) / 2
    ends = [(float(h), f"{state} {last[state]:g}") for h, state in zip(heights, _STACK, strict=True)]
    label_ends(sheet, at, float(last["round"]) + 0.5, ends, (0.0, float(last["problems"])))


def _moved(sheet: Sheet, at: Place, rows: pd.DataFrame, series: Series, name: str, split: str) -> None:
    """Gained above, lost below, and dashed what an unchanged model would gain and lose."""
    _axes(sheet, at, rows, "problems, lost below 0")
    head(sheet, at, f"Gained and lost{name}", "dashed: what a model that did not change would show")
    if _unknown(sheet, at, rows, split):
        return
    shown = rows[rows["kept"].notna()]
    for state, sign in (("gained", 1), ("lost", -1)):
        sheet.draw(at, _bar(series, rows, state, sign * rows[state]))
        chance = [f"{state} by chance: {_expected(v)} problems" for v in shown[f"expected_{state}"]]
        height = sign * shown[f"expected_{state}"]
        of = points(shown, metric="ledger", kind=f"expected_{state}", first=shown["first"])
        sheet.draw(at, steps(series, shown["round"].tolist(), height.tolist(), chance, of))
    last = shown.iloc[-1]
    ends = [
        (sign * float(last[state]) / 2, f"{state} {last[state]:g}<br>chance {_expected(last[f'expected_{state}'])}")
        for state, sign in (("gained", 1), ("lost", -1))
    ]
    most = float(shown[["gained", "lost", "expected_gained", "expected_lost"]].to_numpy().max(initial=1.0))
    label_ends(sheet, at, float(last["round"]) + 0.5, ends, (-1.15 * most, 1.15 * most))
    sheet.yaxis(at).update(range=[-1.15 * most, 1.15 * most], zeroline=True, zerolinecolor=INK)


def _axes(sheet: Sheet, at: Place, rows: pd.DataFrame, axis: str) -> None:
    """Whole rounds, with room for names right of the last bar."""
    sheet.yaxis(at)["title"] = {"text": axis}
    if rows.empty:
        return
    round_axis(sheet, at, rows["round"], room=0.4)


def _unknown(sheet: Sheet, at: Place, rows: pd.DataFrame, split: str) -> bool:
    if rows["kept"].notna().any():
        return False
    unknown(sheet, at, f"no ledger on split {split} in this table" if rows.empty else str(rows["method"].iloc[0]))
    return True


def _bar(series: Series, rows: pd.DataFrame, state: str, heights: pd.Series) -> dict[str, Any]:
    """Kept pale, gained full, lost hatched, never an empty frame."""
    fill = {"lost": 0.12, "kept": 0.35, "gained": 0.95, "never": 0.0}[state]
    frame = {"color": faded(series.colour, 0.95) if state in ("gained", "lost") else INK, "width": 1}
    hatch = {"pattern": {"shape": "/", "fgcolor": series.colour, "size": 6, "solidity": 0.3}} if state == "lost" else {}
    return {
        "type": "bar",
        "x": rows["round"].to_numpy(),
        "y": heights.to_numpy(),
        "marker": {"color": faded(series.colour, fill), "line": frame, **hatch},
        "hovertext": [_words(series, row, state) for row in rows.to_dict("records")],
        "textposition": "none",
        "customdata": points(rows, metric="ledger", kind=state, first=rows["first"]),
        **quiet(series),
    }


def _words(series: Series, row: dict[Hashable, Any], state: str) -> str:
    lines = [f"<b>{plain(series.name, 60)}</b> · round {row['round']:g} · {state}", f"{row[state]:,.0f} problems"]
    if f"expected_{state}" in row:
        lines.append(
            f"by chance {_expected(row[f'expected_{state}'])}, p of as many or more {number(row[f'p_{state}'])}"
        )
    return "<br>".join([*lines, f"n = {row['n']:,.0f} problems", plain(row["method"], 60)])


def _expected(problems: float) -> str:
    return "unknown" if math.isnan(problems) else f"{problems:,.1f}"


def _net(sheet: Sheet, at: Place, table: pd.DataFrame, series: list[Series], split: str) -> None:
    sheet.yaxis(at)["title"] = {"text": "(gained − lost) / problems"}
    head(sheet, at, "Net gain", "an interval that holds 0 shows no net change")
    if table["net"].isna().all():
        unknown(sheet, at, f"no ledger on split {split} in this table" if table.empty else str(table["method"].iloc[0]))
        return
    sheet.level(at, 0, line={"color": INK, "width": 1}, layer="below")
    net = table.assign(metric="ledger", kind="net", value=table["net"], ranged=False)
    for one in series:
        line(sheet, at, one, net[net["run"] == one.name], what="net gain")
