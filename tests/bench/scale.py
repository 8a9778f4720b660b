"""`measure` on 10⁴ to 10⁷ rows, each size in a process of its own: time, memory, and how they grow."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.metrics import measure
from siwork.store import Run, Writer
from tests.bench.references import ONE_THREAD

SAMPLES = 100  # of a problem
SIZES = (10_000, 1), (100_000, 1), (1_000_000, 1), (1_000_000, 10)  # rows of a round, rounds
SECONDS, GIGABYTES = 30, 3  # at 10⁶ rows
EXPONENT, GROWTH = 1.05, 1.3


class Cost(NamedTuple):
    """What `measure` took of a run."""

    wall: float  # seconds
    cpu: float
    peak: float  # GB, of the whole process


def bench() -> Iterator[str]:
    """Lines of the table, each as it is found."""
    yield f"measure, all default metrics, {SAMPLES} samples a problem, one thread, rows read from a run folder"
    yield f"{'rows':>10}  {'rounds':>6}  {'wall':>7}  {'CPU':>7}  {'peak':>7}"
    costs = []
    with tempfile.TemporaryDirectory() as home:
        warm = _written(Path(home) / "warm", *SIZES[0])
        for size, rounds in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                told = _child("measure", warm, _written(Path(folder) / "run", size, rounds))
            cost = Cost(*json.loads(told))
            costs.append(cost)
            yield f"{size * rounds:>10}  {rounds:>6}  {cost.wall:>5.1f} s  {cost.cpu:>5.1f} s  {cost.peak:>4.2f} GB"
    rows = np.log([size * rounds for size, rounds in SIZES])
    cpu = np.log([cost.cpu for cost in costs])
    exponent, late = (float(np.polyfit(rows[some], cpu[some], 1)[0]) for some in (slice(None), slice(-2, None)))
    *_, one, ten = costs
    yield f"10⁶ rows   {one.wall:.1f} s   (target < {SECONDS} s)   {_verdict(one.wall < SECONDS)}"
    yield f"10⁶ rows   {one.peak:.2f} GB   (target < {GIGABYTES} GB)   {_verdict(one.peak < GIGABYTES)}"
    yield (
        f"CPU time grows with rows to the power {exponent:.2f}, {late:.2f} from 10⁶ on   (target ≤ {EXPONENT})   "
        f"{_verdict(exponent <= EXPONENT)}"
    )
    growth = ten.peak / one.peak
    yield f"peak of ten rounds / of one   {growth:.2f}   (target ≤ {GROWTH})   {_verdict(growth <= GROWTH)}"


def _verdict(held: bool) -> str:
    return "ok" if held else "MISSED"


def _child(*arguments: object) -> str:
    """What this file says when run as a program, so that the memory is that of one thing."""
    command = [sys.executable, "-m", "tests.bench.scale", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD).stdout


def _written(folder: Path, size: int, rounds: int) -> Path:
    _child("write", folder, size, rounds)
    return folder


def write(folder: Path, size: int, rounds: int) -> None:
    """Make a run, one round in memory at a time."""
    facts = {"recipe": "made up", "task": "made up", "policy": "made up", "seed": 0, "rounds": rounds, "problems": ""}
    with Writer.create(folder, facts, problem_table(size // SAMPLES)) as writer:
        for r in range(rounds):
            rows = round_rows(writer.manifest["name"], r, size)
            writer.save_round(r, rows, {"policy": "none", "seconds": 0.0}, lambda folder: None)


def problem_table(problems: int) -> pd.DataFrame:
    """The problems of a made-up task, each with six right answers."""
    band = np.arange(problems) % 5
    return pd.DataFrame(
        {
            "problem": _names(problems).to_pylist(), "split": "train", "task": "made up", "prompt": "a question",
            "difficulty": 1 - band / 4, "band": band, "answer": "0", "n_solutions": 6,
        }
    )  # fmt: skip


def round_rows(run: str, r: int, size: int) -> pd.DataFrame:
    """Rows of one round: solve rates Beta(0.6, 0.8), answers of which 4 are right, responses of about 200 characters."""
    rng = np.random.default_rng([r, size])
    problems = size // SAMPLES
    problem = np.repeat(np.arange(problems), SAMPLES)
    gold = rng.random(size) < rng.beta(0.6, 0.8, problems)[problem]
    answer = np.where(gold, rng.integers(0, 4, size), rng.integers(4, 500, size))
    band = problem % 5
    columns: dict[str, Any] = {
        "run": pa.repeat(run, size), "round": np.full(size, r), "split": pa.repeat("train", size),
        "problem": _names(problems).take(pa.array(problem)), "sample": np.tile(np.arange(SAMPLES), problems),
        "task": pa.repeat("made up", size), "difficulty": 1 - band / 4, "band": band,
        "prompt": pa.repeat("a question", size), "hint": pa.repeat("none", size), "turn": np.zeros(size, np.int64),
        "agent": pa.repeat("solo", size), "temperature": np.ones(size), "top_p": np.ones(size),
        "response": _responses(size, rng), "answer": pc.cast(pa.array(answer), pa.string()),
        "n_tokens": rng.integers(3, 60, size), "finished": rng.random(size) < 0.95, "logp": -20 * rng.random(size),
        "base_logp": -20 * rng.random(size), "entropy": rng.random(size), "verifier": pa.repeat("judge", size),
        "score": np.round(0.4 * gold + 0.6 * rng.random(size), 2), "weight": gold.astype(float), "gold": gold,
    }  # fmt: skip
    return pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)


def _names(problems: int) -> pa.Array:
    return pa.array([f"train/{i}" for i in range(problems)])


def _responses(size: int, rng: np.random.Generator) -> pa.Array:
    """Seven phrases each, of 5 000 phrases of eight Zipf words."""
    words = rng.zipf(1.3, (5000, 8)).clip(max=3000)
    phrases = pa.array([" ".join(f"w{word}" for word in row) for row in words])
    parts = [phrases.take(pa.array(rng.integers(len(phrases), size=size))) for _ in range(7)]
    return pc.binary_join_element_wise(*parts, " ")


def cost_of(warm: Path, folder: Path) -> Cost:
    """Measure the run; a small one before, so that imports do not count."""
    measure(Run(warm))
    wall, cpu = time.perf_counter(), time.process_time()
    measure(Run(folder))
    return Cost(time.perf_counter() - wall, time.process_time() - cpu, _peak())


def _peak() -> float:
    """Greatest resident memory of this process, GB. The usage counter of Linux also holds what the parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024**2
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024**3 if sys.platform == "darwin" else most / 1024**2


if __name__ == "__main__":
    task, *given = sys.argv[1:]
    if task == "write":
        write(Path(given[0]), int(given[1]), int(given[2]))
    else:
        print(json.dumps(cost_of(*map(Path, given))))
