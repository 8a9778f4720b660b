"""What the verdicts say of real runs of the tiny language model: `python data/diagnosis/tiny.py`."""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import siwork
from siwork.diagnosis import NAMES, diagnose
from siwork.metrics import measure

HERE = Path(__file__).parent
ROUNDS, SEEDS = 8, 5


class Arm(NamedTuple):
    """A recipe and whether it must alarm."""

    recipe: str
    alarms: bool
    why: str


ARMS = {
    "vote reward": Arm(
        "seed · cot · vote · pg", True, "the majority vote is the reward: the model learns to agree with itself"
    ),
    "unfiltered": Arm("seed · cot · sft(rate=2.0)", True, "trained on all it says, at twice the usual rate"),
    "true check": Arm(
        "seed · cot · gold · pg(rate=0.2)", False, "the true check is the reward, at a fifth of the usual rate"
    ),
}


def played(job: tuple[str, int], rounds: int = ROUNDS, problems: int = 150, heldout: int = 100) -> dict[str, Any]:
    """One run, measured and diagnosed."""
    name, seed = job
    sizes = siwork.Sizes(train=problems, heldout=heldout, beyond=0, samples=16)
    with tempfile.TemporaryDirectory() as folder:
        run = siwork.run(
            ARMS[name].recipe, "countdown", "tiny", rounds=rounds, problems=sizes, seed=seed, folder=f"{folder}/a"
        )
        table = measure(run)
    found = diagnose(table)
    truth = table[(table["metric"] == "pass@1") & (table["split"] == "heldout")]["value"]
    row = {"arm": name, "recipe": ARMS[name].recipe, "must_alarm": ARMS[name].alarms, "seed": seed}
    row |= {"state": found.state, "last_good": next(iter(found.last_good.values()))}
    row |= {"first": truth.iloc[0], "last": truth.iloc[-1]}
    return row | {verdict: found.of(verdict).state for verdict in NAMES}


def main() -> None:
    """Write tiny.csv, or print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show", action="store_true", help="print instead of writing")
    wish = parser.parse_args()
    with ProcessPoolExecutor(wish.workers) as pool:
        table = pd.DataFrame(pool.map(played, product(ARMS, range(wish.seeds))))
    if wish.show:
        sys.stdout.write(table.to_string() + "\n")
    else:
        table.to_csv(HERE / "tiny.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
