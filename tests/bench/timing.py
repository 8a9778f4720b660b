"""Medians of things run in turn, so that a drifting machine slows all of them alike."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Mapping
from statistics import median


def in_turn(jobs: Mapping[str, Callable[[], object]], times: int = 5) -> dict[str, list[float]]:
    """Wall seconds of each job, one warm-up first, then A B A B …"""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(times + 1):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratio(seconds: Mapping[str, list[float]], slow: str, quick: str) -> float:
    """Median over the turns of slow / quick, pair by pair."""
    return median(a / b for a, b in zip(seconds[slow], seconds[quick], strict=True))


def shell(*command: str) -> Callable[[], object]:
    """A job that runs a command and throws its output away."""
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def peak_of_children() -> float:
    """Largest resident memory of any child so far, MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
