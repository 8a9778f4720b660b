"""How often each verdict alarms, on healthy runs and on planted failures: `python data/diagnosis/make.py`."""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from siwork.clinic import CASES, SIZES, labelled
from siwork.diagnosis import NAMES, QUESTIONS, Bounds, alarmed_at, asked_of, diagnose, sharing
from siwork.metrics import measure
from siwork.metrics.catalogue import DEFAULT
from siwork.metrics.intervals import wilson

HERE = Path(__file__).parent
HEALTHY, PLANTED = 300, 60  # runs a case; half as many of the large size
HALVED = "large"
FAR = 1_000_000  # planted runs take other seeds than healthy ones, which would be their twins
SIGNS = [sign.metric for question in QUESTIONS for sign in question.signs]
METRICS = [
    name for name in DEFAULT if name.removesuffix("_change") in SIGNS or name in ("samples_drawn", "unparsed_rate")
]


def outcome(job: tuple[str, str, int, float]) -> dict[str, Any]:
    """One labelled run: the state of each verdict, and when it alarmed."""
    case, size, seed, effect = job
    rows = labelled(case, size, seed, effect)
    table = measure(rows, METRICS)
    found = diagnose(table)
    row = {
        "size": size,
        "case": case,
        "seed": seed,
        "onset": rows.attrs["onset"],
        "good": next(iter(found.last_good.values())),
    }
    row |= {verdict.name: verdict.state for verdict in found}
    wanted = CASES[case].verdict
    if wanted:
        row |= {"since": found.of(wanted).since, "alarmed": first_alarm(table, wanted)}
    return row


def first_alarm(table: pd.DataFrame, name: str, bounds: Bounds | None = None) -> int | None:
    """The first round at which a verdict on one run alarmed, had it been asked after every round."""
    held = bounds or Bounds()
    asked = asked_of(table[table["band"].isna()], table.attrs["level"])
    signs = sharing(asked)
    rounds = [alarmed_at(one, getattr(held, one.sign.bound), held.error, signs) for one in asked[name]]
    return min((r for r in rounds if r is not None), default=None)


def jobs(healthy: int, planted: int, sizes: tuple[str, ...], effect: float = 1.0) -> list[tuple[str, str, int, float]]:
    """What is to be run."""
    found = []
    for size, (name, case) in product(sizes, CASES.items()):
        runs, first = (planted, FAR) if case.verdict else (healthy, 0)
        found += [(name, size, first + seed, effect) for seed in range(runs // 2 if size == HALVED else runs)]
    return found


def curves(runs: pd.DataFrame) -> pd.DataFrame:
    """The table of rates: a row a (size, case, verdict), `any` for an alarm of any verdict but data_quality."""
    return pd.DataFrame(
        [row for (size, case), own in runs.groupby(["size", "case"], sort=False) for row in _rows(size, case, own)]
    )


def _rows(size: str, case: str, own: pd.DataFrame) -> list[dict[str, Any]]:
    about = SIZES[size]
    base = {
        "size": size,
        "problems": about.train,
        "heldout": about.heldout,
        "samples": about.samples,
        "rounds": about.rounds,
        "case": case,
        "healthy": not CASES[case].verdict,
    }
    states = own[[*NAMES]]
    hit = {name: states[name] == "alarm" for name in NAMES} | {"any": (states == "alarm").any(axis=1)}
    seen = {name: states[name] == "watch" for name in NAMES} | {
        "any": (states.drop(columns="data_quality") == "watch").any(axis=1)
    }
    return [base | _rate(case, name, own, hit[name], seen[name]) for name in hit]


def _rate(case: str, name: str, own: pd.DataFrame, hit: pd.Series, seen: pd.Series) -> dict[str, Any]:
    planted = CASES[case].verdict == name
    low, high = wilson(int(hit.sum()), len(hit))
    delay = (own["alarmed"] - own["onset"])[hit].median() if planted else np.nan
    before = float((own["good"] < own["onset"])[hit].mean()) if planted and hit.any() else np.nan
    return {
        "planted": planted,
        "verdict": name,
        "runs": len(hit),
        "alarm": hit.mean(),
        "low": float(low),
        "high": float(high),
        "watch": seen.mean(),
        "delay": delay,
        "good_before": before,
        "effect": CASES[case].sentence if planted else "",
    }


def measured(wanted: list[tuple[str, str, int, float]], workers: int) -> pd.DataFrame:
    """All runs, `workers` at a time."""
    if workers == 1:
        return pd.DataFrame([outcome(job) for job in wanted])
    with ProcessPoolExecutor(workers) as pool:
        return pd.DataFrame(pool.map(outcome, wanted, chunksize=4))


def main() -> None:
    """Write operating.csv, or print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--healthy", type=int, default=HEALTHY, help="runs of each healthy case and size")
    parser.add_argument("--planted", type=int, default=PLANTED, help="runs of each planted case and size")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--effect", type=float, default=1.0, help="size of what is planted")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show", action="store_true", help="print instead of writing")
    wish = parser.parse_args()
    runs = measured(jobs(wish.healthy, wish.planted, tuple(wish.sizes), wish.effect), wish.workers)
    table = curves(runs)
    if wish.show:
        shown = table[(table["verdict"] == "any") & table["healthy"] | table["planted"]]
        sys.stdout.write(
            shown.drop(columns=["effect", "problems", "heldout", "samples", "rounds"]).round(3).to_string() + "\n"
        )
        alarms = table[table["healthy"] & (table["alarm"] > 0)]
        sys.stdout.write(alarms[["size", "case", "verdict", "alarm"]].round(4).to_string() + "\n")
    else:
        table.to_csv(HERE / "operating.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
