"""Verdicts: how long a diagnosis takes, and how often each verdict errs, as shipped and measured anew."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from siwork.clinic import Size, labelled
from siwork.diagnosis import diagnose, operating_curves
from siwork.metrics import measure

_DATA = Path(__file__).parents[2] / "data" / "diagnosis"
_SIZE = Size(240, 60, 16, 20)  # 96 960 rows


def bench() -> list[str]:
    """Lines of the table."""
    return [*_speed(), *_shipped(), *_anew(), *_tiny()]


def _speed() -> list[str]:
    rows = labelled("healthy-noisy", _SIZE)
    made, judged = [], []
    for _ in range(4):
        began = time.perf_counter()
        table = measure(rows)
        middle = time.perf_counter()
        diagnose(table)
        made.append(middle - began)
        judged.append(time.perf_counter() - middle)
    whole = median(a + b for a, b in zip(made[1:], judged[1:], strict=True))
    return [
        f"diagnose(measure(rows)), 20 rounds, {len(rows):,} rows   {whole:.2f} s   (target < 2 s)",
        f"  of which diagnose {median(judged[1:]):.2f} s",
    ]


def _shipped() -> list[str]:
    table = operating_curves()
    return ["", "rates that ship (alarm [Wilson 95 %], watched, median delay in rounds)", *_lines(table)]


def _anew() -> list[str]:
    sys.path.insert(0, str(_DATA))
    import make

    runs = make.measured(make.jobs(20, 8, ("small",)), os.cpu_count() or 1)
    return ["", "the same measured now, fewer runs", *_lines(make.curves(runs))]


def _lines(table: pd.DataFrame) -> list[str]:
    shown = table[(table["healthy"] & (table["verdict"] == "any")) | table["planted"]]
    return [_line(row) for row in shown.to_dict("records")]


def _line(row: dict[Any, Any]) -> str:
    delay = "" if pd.isna(row["delay"]) else f"   after {row['delay']:g}"
    rate = f"{row['alarm']:6.1%} [{row['low']:.1%}, {row['high']:.1%}]"
    return (
        f"  {row['size']:<6} {row['case']:<21} {row['verdict']:<21} {rate} of {row['runs']}   {row['watch']:.0%}{delay}"
    )


def _tiny() -> list[str]:
    table = pd.read_csv(_DATA / "tiny.csv")
    lines = ["", "real runs of the tiny policy (shipped; python data/diagnosis/tiny.py repeats them)"]
    for (arm, recipe), own in table.groupby(["arm", "recipe"], sort=False):
        alarms = int((own["state"] == "alarm").sum())
        lines.append(f"  {arm:<12} {recipe:<42} alarms in {alarms} of {len(own)} seeds")
    return lines
