"""Every metric of `measure` against the truth: `python data/intervals/catalogue.py` writes catalogue.csv."""

from __future__ import annotations

import argparse
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from plan import UNBIASED, Job, jobs

HERE = Path(__file__).parent
ALLOWED = (0.93, 0.97)
RUNS, AGAIN = 2000, 4  # runs a row; so many times more where chance could decide


class Found(NamedTuple):
    """One metric of all runs, arrays (runs,)."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    method: list[str]


Key = tuple[str, float]  # metric, band or −1


def rows_of(job: Job, runs: int = RUNS, again: int = AGAIN) -> list[dict[str, Any]]:
    """The rows of one design; those that chance could decide are drawn anew with more runs."""
    truth, runs = job.truths(), min(runs, job.most)
    rows = _rows(job, job.metrics, truth, runs, 0)
    near = [name for name in job.metrics if any(row["metric"] == name and _undecided(row) for row in rows)]
    if near and again > 1 and runs < job.most:
        more = _rows(job, near, truth, runs * again, 1)
        rows = [row for row in rows if row["metric"] not in near] + more
    return sorted(rows, key=lambda row: (job.metrics.index(row["metric"]), np.nan_to_num(row["band"])))


def _undecided(row: dict[str, Any]) -> bool:
    spread = 1.5 * np.sqrt(0.05 * 0.95 / max(row["offered"] * row["runs"], 1))
    near = row["offered"] >= 0.45 and min(abs(row["coverage"] - end) for end in ALLOWED) < spread
    return bool(near or (row["unbiased"] and abs(row["bias"]) > 2 * row["bias_se"]))


def _rows(job: Job, metrics: Iterable[str], truth: dict[str, Any], runs: int, turn: int) -> list[dict[str, Any]]:
    seed = zlib.crc32(repr((job.title, job.design.problems, job.design.samples)).encode())
    found = collect(job, metrics, np.random.default_rng([turn, seed]), runs)
    return [_row(job, key, found[key], *truth[key[0]]) for key in found]


def collect(job: Job, metrics: Iterable[str], rng: np.random.Generator, runs: int) -> dict[Key, Found]:
    """Value and interval of each metric of all runs, some runs at a time."""
    step = max(1, min(runs, job.chunk // (job.design.problems * job.design.samples)))
    parts: dict[Key, list[Found]] = {}
    for start in range(0, runs, step):
        for key, part in job.measured(list(metrics), rng, min(step, runs - start)).items():
            parts.setdefault(key, []).append(part)
    return {key: _joined(each) for key, each in parts.items()}


def _joined(parts: list[Found]) -> Found:
    arrays = (np.concatenate([np.asarray(part[i], float) for part in parts]) for i in range(3))
    return Found(*arrays, [word for part in parts for word in part[3]])


def _row(job: Job, key: Key, found: Found, truths: np.ndarray | None, kind: str) -> dict[str, Any]:
    metric, band = key
    value, low, high, method = found
    known = ~np.isnan(value)
    mean = value[known].mean() if known.any() else np.nan
    truth = float(truths[max(int(band), 0)]) if truths is not None else mean
    bound = np.array([is_bound(word) for word in method])
    given = ~np.isnan(low) & ~bound
    held = (low <= truth + 1e-12) & (truth <= high + 1e-12)
    among = given if given.any() else bound if bound.any() else known
    words = Counter(_why(word, given.mean() >= 0.5) for word, here in zip(method, among, strict=True) if here)
    return {
        "metric": metric,
        "band": np.nan if band < 0 else band,
        "population": job.title,
        "problems": job.design.problems,
        "samples": job.design.samples,
        "runs": len(value),
        "truth": truth,
        "truth_is": kind,
        "known": known.mean(),
        "bias": mean - truth,
        "bias_se": value[known].std() / np.sqrt(max(known.sum(), 1)) if known.any() else np.nan,
        "unbiased": metric.rstrip("0123456789") in UNBIASED and kind != "expected",
        "offered": given.mean(),
        "coverage": held[given].mean() if given.any() else np.nan,
        "missed_below": (truth < low)[given].mean() if given.any() else np.nan,
        "bounds": bound.mean(),
        "bounds_missed": (bound & ~held).mean(),
        "kind": words.most_common(1)[0][0] if words else "",
    }


def is_bound(method: str) -> bool:
    """Whether a row has a bound, all of its problems being equal, instead of an interval."""
    return "bound:" in method or "Wilson bound" in method


def _why(word: str, interval: bool) -> str:
    parts = [part.strip() for part in word.split(";") if part.strip() != "few_problems"]
    said = [part for part in parts if any(mark in part for mark in ("interval", "bound:", "over problems", "seeds:"))]
    return (said[-1] if said else parts[-1] if parts else "").removesuffix(", so no interval")


def table(picked: list[int], runs: int, workers: int) -> pd.DataFrame:
    """The rows of some jobs by their number."""
    with ProcessPoolExecutor(workers) as pool:
        return pd.DataFrame([row for rows in pool.map(_job, picked, [runs] * len(picked)) for row in rows])


def _job(index: int, runs: int) -> list[dict[str, Any]]:
    return rows_of(jobs()[index], runs)


def main() -> None:
    """Write the table, or print the part of it that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="runs a row")
    parser.add_argument("--only", default="", help="words in a population or the name of a metric; printed only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    wish = parser.parse_args()
    picked = [i for i, job in enumerate(jobs()) if wish.only in job.title or wish.only in job.metrics]
    found = table(picked, wish.runs, wish.jobs)
    if wish.only:
        own = found["metric"] == wish.only
        shown = found[own] if own.any() else found
        sys.stdout.write(shown.to_string(max_colwidth=60) + "\n")
    else:
        found.to_csv(HERE / "catalogue.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
