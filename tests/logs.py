"""The small real logs of other frameworks, and the figures that independent code found in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

LOGS = Path(__file__).parent / "golden" / "logs"


class Figures(NamedTuple):
    """One round of a log."""

    rows: int
    prompts: int
    right: float  # share of right samples, mean over prompts
    distinct: float  # different completions / rows


def figures(name: str) -> dict[int, Figures]:
    """The figures of a log by round, from the table in the README beside the logs."""
    text = (LOGS / "README.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    found = re.findall(r"(\d+): (\d+) / (\d+) / ([\d.]+) / ([\d.]+) /", line)
    return {int(r): Figures(int(rows), int(prompts), float(p), float(d)) for r, rows, prompts, p, d in found}


def counted(rows: pd.DataFrame, right: str = "gold", split: str | None = None) -> dict[int, Figures]:
    """The same of imported rows."""
    own = rows if split is None else rows[rows["split"] == split]
    return {
        int(r): Figures(
            len(part),
            part["problem"].nunique(),
            round(float(part.groupby("problem")[right].apply(lambda values: values.astype(float).mean()).mean()), 4),
            round(part["response"].nunique() / len(part), 4),
        )
        for r, part in own.groupby("round")
    }
