"""Logs of other frameworks at 10⁵ and 10⁶ rows, each job in a process of its own: parsing, rows, memory, and TRL's callback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from siwork import from_table, from_verl
from siwork.files.lines import Skips, objects
from tests.bench.references import ONE_THREAD
from tests.bench.scale import _peak, _verdict
from tests.bench.timing import in_turn, ratio

FILE_ROWS, PROMPTS = 10_000, 1000  # of one step
STEPS = 10, 100
WIDE_ROWS = 100_000
NAMED = {"prompt": "prompt", "response": "completion", "round": "step"}
PARSE, GROWTH, TIMES_BYTES, OVERHEAD = 100, 1.05, 4, 3  # MB/s, exponent, peak / bytes of the files, percent of a step


class Cost(NamedTuple):
    """What an import took."""

    rows: int
    wall: float  # seconds
    peak: float  # GB, of the whole process
    bare: float  # GB, of the process before
    read: float  # GB, asked of the system


def bench() -> Iterator[str]:
    """Lines of the table, each as it is found."""
    with tempfile.TemporaryDirectory() as home:
        folders = [Path(home) / f"verl-{steps}" for steps in STEPS]
        for folder, steps in zip(folders, STEPS, strict=True):
            _child("write", folder, steps)
        yield from _parsing(folders[0])
        yield from _rows(folders)
        _child("wide", Path(home) / "wide.parquet")
        yield from _columns(Path(home) / "wide.parquet")
    yield from _callback()


def _size(folder: Path) -> float:
    """Megabytes of the files."""
    return sum(place.stat().st_size for place in folder.iterdir()) / 1e6


# ── lines of the table ─────────────────────────────────────────────────────────────────────────────────
def _parsing(folder: Path) -> Iterator[str]:
    seconds = json.loads(_child("parse", folder))
    size = _size(folder)
    rows = STEPS[0] * FILE_ROWS
    yield f"verl's JSON lines, {rows:,} rows of {size * 1e6 / rows:.0f} bytes, parsed on one thread"
    for name, several in seconds.items():
        beside = "" if name == "siwork" else f"   siwork takes {1 / ratio(seconds, name, 'siwork'):.2f} × that time"
        yield f"  {name:<22} {size / median(several):>5.0f} MB/s{beside}"
    speed = size / median(seconds["siwork"])
    yield f"parse alone   {speed:.0f} MB/s   (target ≥ {PARSE} MB/s)   {_verdict(speed >= PARSE)}"


def _rows(folders: list[Path]) -> Iterator[str]:
    yield "from_verl: rows with their report"
    yield f"{'rows':>10}  {'files':>6}  {'wall':>8}  {'rows/s':>8}  {'MB/s':>5}  {'peak':>8}  {'peak / bytes':>12}"
    costs = [Cost(*json.loads(_child("verl", folders[0], folder))) for folder in folders]
    sizes = [_size(folder) for folder in folders]
    times = [cost.peak * 1e3 / size for cost, size in zip(costs, sizes, strict=True)]
    for cost, size, steps, share in zip(costs, sizes, STEPS, times, strict=True):
        speed = f"{cost.wall:>6.1f} s  {cost.rows / cost.wall:>8,.0f}  {size / cost.wall:>5.0f}"
        yield f"{cost.rows:>10}  {steps:>6}  {speed}  {cost.peak:>5.2f} GB  {share:>12.1f}"
    one, ten = costs
    factor = np.log(ten.rows / one.rows)
    exponent, memory = (
        np.log(ten.wall / one.wall) / factor,
        np.log((ten.peak - ten.bare) / (one.peak - one.bare)) / factor,
    )
    yield f"time grows with rows to the power {exponent:.2f}   (target ≤ {GROWTH})   {_verdict(exponent <= GROWTH)}"
    yield f"memory above the bare process to the power {memory:.2f}   (target ≤ {GROWTH})   {_verdict(memory <= GROWTH)}"
    bounded = _verdict(times[1] < TIMES_BYTES)
    yield f"peak of 10⁶ rows / bytes of their files   {times[1]:.1f}   (target < {TIMES_BYTES})   {bounded}"


def _columns(place: Path) -> Iterator[str]:
    size = place.stat().st_size / 1e6
    yield f"from_table: {WIDE_ROWS:,} rows of a Parquet file with {len(pq.read_schema(place))} columns, {size:.0f} MB"
    for words, rest in (("three named columns", False), ("all columns", True)):
        cost = Cost(*json.loads(_child("table", place, int(rest))))
        yield f"  {words:<20} {cost.wall:>6.1f} s   read {cost.read * 1e3:>5.0f} MB   peak {cost.peak:.2f} GB"


def _callback() -> Iterator[str]:
    if find_spec("trl") is None:
        yield "TRLCallback: not measured, trl is not installed"
        return
    told = json.loads(_child(module="tests.bench.importing_trl"))
    more, held = told["percent"], _verdict(told["percent"] < OVERHEAD)
    yield f"TRLCallback, GRPO steps of {told['step'] * 1e3:.0f} ms, {told['pairs']} pairs of a step without and one with it"
    yield f"  adds {more:.1f} % (median over pairs), its own code {told['own']:.2f} %   (target < {OVERHEAD} %)   {held}"


def _child(*arguments: object, module: str = "tests.bench.importing") -> str:
    """What a module says when run as a program, so that the memory is that of one thing."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD).stdout


# ── jobs of a process ──────────────────────────────────────────────────────────────────────────────────
def write(folder: Path, steps: int) -> None:
    """Make a log as verl's trainer v0 does, a file a step: prompts of about 70 characters, responses of 80 to 150."""
    rng = Random(0)
    words = [
        "so",
        "then",
        "first",
        "we",
        "add",
        "the",
        "number",
        "again",
        "therefore",
        "which",
        "gives",
        "twelve",
        "carry",
        "one",
    ]
    folder.mkdir()
    for step in range(1, steps + 1):
        with (folder / f"{step}.jsonl").open("w") as file:
            for i in range(FILE_ROWS):
                file.write(json.dumps(_row(i % PROMPTS, step, words, rng)) + "\n")


def _row(problem: int, step: int, words: list[str], rng: Random) -> dict[str, Any]:
    right = rng.random() < 0.5
    said = " ".join(rng.choices(words, k=rng.randrange(14, 25)))
    answer = str(problem * 7 if right else rng.randrange(7000))
    return {
        "input": f"user\nWhat is {problem * 3} + {problem * 4}? Think first, then say the number.\nassistant\n",
        "output": f"{said} <answer>{answer}</answer>",
        "gts": str(problem * 7),
        "score": float(right),
        "step": step,
        "acc": right,
        "pred": answer,
        "format": 1.0,
    }


def parse(folder: Path) -> dict[str, list[float]]:
    """Seconds of ways to parse all files, in turn."""
    places = sorted(folder.iterdir())
    jobs: dict[str, Callable[[], object]] = {
        "siwork": lambda: [_emptied(objects(place, Skips())) for place in places],
        "json.loads": lambda: [_emptied(map(json.loads, place.open("rb"))) for place in places],
        "pandas.read_json": lambda: [pd.read_json(place, lines=True) for place in places],
        "pyarrow.json": lambda: [_arrow(place) for place in places],
    }
    if find_spec("orjson") is not None:
        import orjson

        jobs["orjson.loads"] = lambda: [_emptied(map(orjson.loads, place.open("rb"))) for place in places]
    return in_turn(jobs)


def _emptied(several: Any) -> None:
    for _ in several:
        pass


def _arrow(place: Path) -> pa.Table:
    return pa.json.read_json(place, read_options=pa.json.ReadOptions(use_threads=False))


def wide(place: Path) -> None:
    """A table with what is needed and thirty columns beside it, among them long texts."""
    rng = np.random.default_rng(0)
    texts = pa.array([f"{i} " + "step by step " * 30 for i in range(1000)])
    problem = rng.integers(PROMPTS, size=WIDE_ROWS)
    columns: dict[str, Any] = {
        "prompt": pa.array([f"What is {3 * i} + {4 * i}?" for i in problem]),
        "completion": pa.array([f"<answer>{i}</answer>" for i in rng.integers(7000, size=WIDE_ROWS)]),
        "step": np.repeat(np.arange(10), WIDE_ROWS // 10),
    }
    columns |= {f"text_{i}": texts.take(pa.array(rng.permutation(WIDE_ROWS) % 1000)) for i in range(10)}
    columns |= {f"number_{i}": rng.random(WIDE_ROWS) for i in range(20)}
    pq.write_table(pa.table(columns), place, use_dictionary=["prompt"], row_group_size=WIDE_ROWS // 10)


def cost_of(job: Callable[[], Any]) -> Cost:
    """What an import takes."""
    bare, read, wall = _peak(), _read(), time.perf_counter()
    rows = len(job().rows)
    return Cost(rows, time.perf_counter() - wall, _peak(), bare, _read() - read)


def _read() -> float:
    """Gigabytes that this process asked the system for; 0 where it does not tell."""
    status = Path("/proc/self/io")
    return int(status.read_text().split()[1]) / 1e9 if status.exists() else 0.0


def main(task: str, *given: str) -> None:
    """Do one job, named on the command line."""
    place = Path(given[0])
    if task == "write":
        write(place, int(given[1]))
    elif task == "wide":
        wide(place)
    elif task == "parse":
        print(json.dumps(parse(place)))
    elif task == "table":
        print(json.dumps(cost_of(lambda: from_table(place, NAMED, rest=bool(int(given[1]))))))
    else:
        from_verl(place / "1.jsonl")  # so that imports do not count
        print(json.dumps(cost_of(lambda: from_verl(given[1]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
