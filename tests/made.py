"""Hand-made metric tables for the tests of figures and report."""

from __future__ import annotations

import numpy as np
import pandas as pd

CURVES = {  # metric: first value, change a round, half-width, split, unit
    "pass@1": (0.43, 0.016, 0.04, "heldout", ""),
    "pass@2": (0.55, 0.010, 0.04, "heldout", ""),
    "pass@4": (0.66, 0.003, 0.04, "heldout", ""),
    "pass@8": (0.75, -0.004, 0.04, "heldout", ""),
    "pass@16": (0.82, -0.012, 0.04, "heldout", ""),
    "distinct_correct": (5.9, -0.5, 0.4, "heldout", "answers"),
    "solution_coverage": (0.61, -0.05, 0.03, "heldout", ""),
    "answer_entropy": (1.9, -0.16, 0.1, "heldout", "nats"),
    "token_entropy": (0.8, -0.06, 0.05, "heldout", "nats"),
    "mean_score": (0.41, 0.05, 0.02, "train", ""),
    "mean_gold": (0.40, 0.02, 0.02, "train", ""),
    "accept_rate": (0.41, 0.05, 0.02, "train", ""),
}


def metric_table(
    run: str = "star", rounds: int = 6, *, tilt: float = 1.0, seeds: int = 0, n: int = 200
) -> pd.DataFrame:
    """A metric table of one run, or of `seeds` pooled runs; `tilt` scales how fast the values move."""
    lines = [
        _line(run, r, metric, split, start + tilt * step * r, half, unit)
        for metric, (start, step, half, split, unit) in CURVES.items()
        for r in range(rounds)
    ]
    lines += [line for r in range(rounds) for line in _band_lines(run, r, tilt)]
    table = pd.DataFrame(lines).assign(n=seeds or n)
    if seeds:
        spread = (table["high"] - table["value"]) / 2
        table = table.assign(
            least=table["value"] - spread, most=table["value"] + spread, method=f"t over {seeds} seeds"
        )
        if seeds < 3:
            table[["low", "high"]] = np.nan
    return table


def _line(run: str, r: int, metric: str, split: str, value: float, half: float, unit: str) -> dict[str, object]:
    ends = {"low": value - half, "high": value + half}
    about = {"unit": unit, "method": "macro mean; cluster t over problems, 95 %", "band": np.nan}
    return {"run": run, "round": r, "split": split, "metric": metric, "value": value, **ends, **about}


def _band_lines(run: str, r: int, tilt: float) -> list[dict[str, object]]:
    accepted = np.exp(0.35 * np.arange(5) * (1 + 0.25 * tilt * r))
    accepted /= accepted.sum()
    lines = []
    for band in range(5):
        for metric, value in (("accepted_share", accepted[band]), ("problem_share", 0.2)):
            lines.append(_line(run, r, metric, "train", value, 0.02, "") | {"band": band})
    return lines
