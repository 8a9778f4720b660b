"""A difference of two groups in words and as a picture: what may be said of it, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.figures.theme import INK, plain
from siwork.metrics import over_seeds
from siwork.metrics.catalogue import metric_of
from siwork.reporting.contrasts import UNKNOWN, conclusion, real
from siwork.reporting.differences import Differences, Pairs, Side
from siwork.schema import KnobError
from siwork.schema.numbers import interval, number
from siwork.store import Run
from siwork_widgets.kit.figure import Picture, picture
from siwork_widgets.kit.sketch import Curve, Sketch, fitted

_NOTE = "Above the dashed line B is higher. A click on a point opens B's completions of that round."


class Line(NamedTuple):
    """One metric in one round, as text, and what it says."""

    metric: str
    round: int | None
    cells: tuple[str, str, str, str, str, str]  # metric, A, B, B − A, in words, n
    method: str
    says: int  # WORSE … UNKNOWN
    size: float  # of the difference, in half-widths of its interval


def line(metric: str, table: pd.DataFrame, own: pd.DataFrame, pairs: Pairs, r: int | None) -> Line:
    """A metric in words.

    Parameters
    ----------
    table : its difference by round, `Differences.over_rounds`
    own : metric table of the single runs
    r : the round; None is the last one in which the difference is known
    """
    row = _row(table, r)
    if row is None:
        return unknown(metric, r, "no round is finished in both")
    a, b = (_level(own, [pair[side] for pair in pairs.runs], metric, row) for side in (0, 1))
    value, low, high = (real(row, name) for name in ("value", "low", "high"))
    says, words = conclusion(metric, row)
    n = f"{int(row['problems']):,} × {row['seeds']}"
    half = (high - low) / 2
    size = abs(value) / half if half > 0 else 0.0
    shown = interval(value, low, high, sign=True)
    return Line(metric, int(row["round"]), (_name(metric), a, b, shown, words, n), str(row["method"]), says, size)


def unknown(metric: str, r: int | None, why: str) -> Line:
    """The line of a metric whose difference is not known."""
    return Line(metric, r, (_name(metric), "", "", "unknown", why, ""), why, UNKNOWN, 0.0)


def worst_first(lines: Sequence[Line]) -> list[Line]:
    """Worse beyond doubt first, the clearest of them on top; then what only differs, what is better, what is open."""
    return sorted(lines, key=lambda one: (one.says, -one.size))


def _name(metric: str) -> str:
    unit = metric_of(metric).unit
    return f"{metric} ({unit})" if unit else metric


def _row(table: pd.DataFrame, r: int | None) -> dict[str, Any] | None:
    rows = table if r is None else table[(table["round"] == r).to_numpy(bool)]
    known = rows[rows["value"].notna().to_numpy(bool)]
    found = (known if len(known) else rows).sort_values("round").tail(1).to_dict("records")
    return {str(key): value for key, value in found[0].items()} if found else None


def _level(own: pd.DataFrame, runs: Sequence[Run], metric: str, row: Mapping[str, Any]) -> str:
    """The value of one side in that round, with its interval: of one run over problems, of several over seeds."""
    here = own["run"].isin([run.name for run in runs]) & (own["metric"] == metric) & (own["split"] == row["split"])
    rows = own[(here & (own["round"] == row["round"])).to_numpy(bool, na_value=False)]
    rows = rows[rows["band"].isna().to_numpy(bool)] if "band" in rows else rows
    if not runs or len(rows) != len(runs):
        return "unknown"
    found = over_seeds(rows) if len(rows) > 1 else rows
    return interval(*(float(found[name].to_numpy(float, na_value=np.nan)[0]) for name in ("value", "low", "high")))


def measured(
    differences: Differences, metrics: Sequence[str], pairs: Pairs, own: pd.DataFrame, split: str, r: int | None
) -> tuple[list[Line], dict[str, pd.DataFrame]]:
    """The lines of several metrics, the worst first, and the difference by round of each that has one.

    Raises RunError when a round cannot be read.
    """
    lines, tables = [], {}
    for metric in metrics:
        try:
            tables[metric] = differences.over_rounds(metric, pairs, split)
        except KnobError as error:
            lines.append(unknown(metric, r, str(error)))
        else:
            lines.append(line(metric, tables[metric], own, pairs, r))
    return worst_first(lines), tables


def drawn(metric: str, table: pd.DataFrame, a: Side, b: Side, split: str) -> Picture:
    """The difference B − A over rounds with its interval, and the line of no difference.

    table : `Differences.over_rounds`
    """
    rows = table.sort_values("round", kind="stable")
    records = [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
    value, low, high = (np.array([real(row, name) for row in records]) for name in ("value", "low", "high"))
    at = rows["round"].to_numpy(float)
    points = [{"run": b.name, "round": int(r), "split": split, "metric": metric} for r in at]
    curve = Curve("", at, value, low, high, [_hover(row) for row in records], points)
    sketch = Sketch(1, height=220)
    over = "interval over seeds" if len(records) and records[0]["seeds"] > 1 else "one seed, interval over problems"
    sketch.head(0, f"{plain(metric)}: {plain(b.name)} − {plain(a.name)}", over)
    sketch.rounds(0, int(at.max(initial=0)))
    sketch.up(0, title={"text": plain(_name(metric))}, range=fitted([curve], least=0.0, most=0.0))
    zero = {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "yref": "y", "y0": 0, "y1": 0}
    sketch.layout["shapes"] = [zero | {"line": {"color": INK, "width": 1, "dash": "dash"}}]
    sketch.line(0, curve)
    return picture(sketch.spec(), _told(metric, records, a, b), _NOTE)


def _hover(row: Mapping[str, Any]) -> str:
    shown = interval(*(real(row, name) for name in ("value", "low", "high")), sign=True)
    return f"round {row['round']}<br>{shown}<br>{plain(row['method'], 60)}"


def _told(metric: str, records: Sequence[Mapping[str, Any]], a: Side, b: Side) -> str:
    """The difference over rounds as a sentence, for who cannot see the picture."""
    known = [row for row in records if not np.isnan(real(row, "value"))]
    ends = [f"{number(real(row, 'value'), sign=True)} in round {row['round']}" for row in known]
    return f"{metric}, {b.name} − {a.name}: {'; '.join(dict.fromkeys([*ends[:1], *ends[-1:]])) or 'unknown'}"
