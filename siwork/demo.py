"""The main job in miniature: the vanilla loop beside a remedy, and a report on both."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from siwork.loop import Sizes, prepare

TASK, POLICY = "countdown", "tiny"
RECIPES = ("vanilla", "vanilla-mix")
SIZES = Sizes(train=150, heldout=60, beyond=20, samples=32)


def prepare_demo(folder: Path, *, seeds: int, rounds: int) -> list[Path]:
    """Run folders of both recipes under `folder`, seeds side by side, in the order in which they are best played."""
    folders = []
    for seed in range(seeds):
        for recipe in RECIPES:
            place = folder / f"{recipe}-s{seed}"
            prepare(recipe, TASK, POLICY, rounds=rounds, problems=SIZES, seed=seed, folder=place)
            folders.append(place)
    return folders


def free_folder(parent: Path) -> Path:
    """The first of demo-1, demo-2 … that is not there yet."""
    return next(parent / f"demo-{i}" for i in range(1, 10_000) if not (parent / f"demo-{i}").exists())


def matmul_rate(size: int = 1024, seconds: float = 0.3) -> float:
    """Matrix-multiply rate of this machine now, in GFLOP/s, single precision, all cores; machines differ and drift."""
    left = np.random.default_rng(0).random((size, size), np.float32)
    left @ left
    began, products = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        left @ left
        products += 1
    return 2 * size**3 * products / (time.perf_counter() - began) / 1e9
