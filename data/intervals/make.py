"""How often intervals hold the truth, for every regime: `python data/intervals/make.py` writes coverage.csv."""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from regimes import Regime, regimes

HERE = Path(__file__).parent
ALLOWED = (0.93, 0.97)
RUNS, AGAIN = 4000, 5  # runs a regime (half with 1000 problems); so many times more where chance could decide
REGIMES = regimes()


def row_of(index: int, runs: int = RUNS) -> dict[str, Any]:
    """One regime: `coverage` is of the intervals that are given; bounds, where all problems are equal, stand apart."""
    regime = REGIMES[index]
    runs = runs // 2 if regime.problems >= 1000 else runs
    row = _row(regime, _collect(regime, np.random.default_rng([7, index]), runs))
    spread = 3 * np.sqrt(0.05 * 0.95 / max(row["offered"] * row["runs"], 1))
    if row["offered"] >= 0.45 and min(abs(row["coverage"] - end) for end in ALLOWED) < spread:
        row = _row(regime, _collect(regime, np.random.default_rng([8, index]), runs * AGAIN))
    return row


def _collect(regime: Regime, rng: np.random.Generator, runs: int) -> list[np.ndarray]:
    """value, low, high and kind of all runs, some at a time so that no array holds more than two million values."""
    step = max(1, 2_000_000 // regime.problems)
    parts = [regime.make(rng, min(step, runs - start)) for start in range(0, runs, step)]
    return [np.concatenate([getattr(part, name) for part in parts]) for name in ("value", "low", "high", "kind")]


def _row(regime: Regime, found: list[np.ndarray]) -> dict[str, Any]:
    value, low, high, kind = found
    known = ~np.isnan(value)
    bound = np.char.startswith(kind, "Wilson bound")
    given = ~np.isnan(low) & ~bound
    held = (low <= regime.truth + 1e-12) & (regime.truth <= high + 1e-12)
    names, counts = np.unique(kind[given] if given.any() else kind[~bound], return_counts=True)
    return {
        "estimator": regime.estimator,
        "regime": regime.name,
        "problems": regime.problems,
        "runs": len(value),
        "truth": regime.truth,
        "bias": value[known].mean() - regime.truth,
        "bias_se": value[known].std() / np.sqrt(known.sum()),
        "offered": given.mean(),
        "coverage": held[given].mean() if given.any() else np.nan,
        "width": (high - low)[given].mean() if given.any() else np.nan,
        "bounds": bound.mean(),
        "bounds_missed": (bound & ~held).mean(),
        "kind": names[counts.argmax()].split(";")[0] if len(names) else "Wilson bound",
    }


def main() -> None:
    """Write the table, or print the part of it that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="runs a regime")
    parser.add_argument("--only", default="", help="regimes with these words in their estimator and name; printed only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    wish = parser.parse_args()
    picked = [i for i, each in enumerate(REGIMES) if wish.only in f"{each.estimator} {each.name} G={each.problems}"]
    with ProcessPoolExecutor(wish.jobs) as pool:
        rows = list(pool.map(row_of, picked, [wish.runs] * len(picked), chunksize=8))
    table = pd.DataFrame(rows)
    if wish.only:
        sys.stdout.write(table.to_string() + "\n")
    else:
        table.to_csv(HERE / "coverage.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
