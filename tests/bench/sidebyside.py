"""Seeds and arms side by side on all cores, a thread each, against one after the other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from siwork.arms import ablations, by_seed
from siwork.loop import Sizes
from siwork.sweep import Sweep
from tests.bench.timing import in_turn, ratio

ROUNDS, SEEDS = 2, (0, 1)
SIZES = Sizes(train=100, heldout=40, beyond=0, samples=32)


def bench() -> list[str]:
    """Lines of the table."""
    cores = min(2, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        beside, alone = (_player(Path(folder) / name, at_once) for name, at_once in (("beside", cores), ("alone", 1)))
        seconds = in_turn({"alone": alone, "beside": beside}, times=3)
    own, other = median(seconds["beside"]), median(seconds["alone"])
    runs = 2 * len(SEEDS)
    return [
        f"{runs} runs of tiny, {ROUNDS} rounds each   {cores} at a time {own:.1f} s, one after the other {other:.1f} s   "
        f"{ratio(seconds, 'alone', 'beside'):.2f} times as fast   (target ≥ 1.6)"
    ]


def _player(home: Path, at_once: int) -> Callable[[], None]:
    """Play two arms with some seeds in new folders, each run with one thread."""
    turns = iter(range(1_000))

    def play() -> None:
        found = ablations(
            "vanilla", "selector", ["best(n=4)"], "countdown", "tiny", rounds=ROUNDS, problems=SIZES, seeds=SEEDS,
            folder=home / str(next(turns)),
        )  # fmt: skip
        *_, progress = Sweep(by_seed(found), at_once=at_once, threads=1)
        assert all(p.state == "finished" for p in progress)

    return play
