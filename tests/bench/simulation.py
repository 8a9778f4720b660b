"""A simulated world recomputed as a slider moves it, its metric table included."""

from __future__ import annotations

import time
from statistics import median

from siwork.simulation import PRESETS, World, gaussian, over, simulate, theory
from siwork.simulation.gaussian import Gaussian

_TIMES = 25


def bench() -> list[str]:
    """Lines of the table: a false-accept rate that moves, so that no world is played twice."""
    lines = []
    for problems, rounds, goal in ((1000, 20, "   (target ≤ 60 ms)"), (300, 10, "")):
        first = _seconds(lambda fp: simulate(World(problems=problems, rounds=rounds, fp=fp), 0), 1)  # noqa: B023
        warm = _seconds(lambda fp: simulate(World(problems=problems, rounds=rounds, fp=fp), 0), _TIMES)  # noqa: B023
        lines.append(f"simulate, {problems:,} problems × {rounds} rounds × 16 samples   {1e3 * warm:5.1f} ms{goal}")
        lines.append(f"  the first of its size, with its luck   {1e3 * first:21.1f} ms")
    five = _seconds(lambda fp: over(World(fp=fp), range(5)), 9)
    lines.append(f"five seeds of 300 × 10 × 16, pooled   {1e3 * five:23.1f} ms")
    drift = _seconds(lambda fp: theory(PRESETS["pure drift"].world), 9)
    lines.append(f"theory of pure drift   {1e3 * drift:38.1f} ms")
    shrink = _seconds(lambda fp: gaussian(Gaussian(sigma=1 + fp), range(20)), 9)
    lines.append(f"twenty Gaussians, 20 fits   {1e3 * shrink:33.1f} ms")
    return lines


def _seconds(job, times: int) -> float:  # type: ignore[no-untyped-def]
    taken = []
    for i in range(times):
        began = time.perf_counter()
        job(0.1 + i / 1000)
        taken.append(time.perf_counter() - began)
    return median(taken)
