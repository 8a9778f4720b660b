"""1 000 problems × 64 samples × 20 rounds on the tabular policy, as whole rounds with rows."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from siwork.policies import policy
from siwork.recipes import Recipe
from siwork.slots import State
from siwork.tasks import task


def bench() -> list[str]:
    """Lines of the table."""
    kind = task("countdown", numbers=3)
    problems = kind.problems("train", 1000)
    base = policy("tabular", kind)
    began = time.perf_counter()
    base.register(problems)
    made = time.perf_counter() - began
    recipe = Recipe.read("seed · cot(k=64) · gold · correct · sft(steps=1, batch=65536)")

    def play() -> float:
        state, start = State(kind, base, base), time.perf_counter()
        for r in range(20):
            rows, state = recipe.play(state, problems, np.random.default_rng([0, r]))
            rows.assign(round=r, gold=kind.check(rows))
        return time.perf_counter() - start

    first, warm = play(), median(play() for _ in range(5))
    return [
        f"tabular, 1 000 problems × 64 samples × 20 rounds   {warm:.2f} s   (target < 1 s)",
        f"  the first time, every text judged once           {first:.2f} s; candidates made in {made:.2f} s",
    ]
