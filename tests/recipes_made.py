"""Methods of the catalogue: which play on what, and small enough to be played in a test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import siwork
from siwork.recipes import RECIPES, Recipe
from siwork.schema import SiworkError

_SMALL = {"k": 6, "steps": 3, "n": 3, "problems": 4, "batch": 8}  # knobs of a component, at most


def fits(name: str, task: str, policy: str) -> bool:
    """Whether a method plays there."""
    chosen = siwork.task(task, numbers=3) if task == "countdown" else siwork.task(task)
    try:
        Recipe.read(name).see_fit(chosen, siwork.policy(policy, chosen))
    except SiworkError:
        return False
    return True


ASKING = [name for name in RECIPES if any(p.name == "judge" and p.by == "self" for p in Recipe.read(name).verifier)]
PLAYED = [name for name in RECIPES if fits(name, "countdown", "tabular")]


def small(name: str) -> Recipe:
    """The recipe with few samples and steps, its components as they are."""
    recipe = Recipe.read(name)
    made = {slot: tuple(map(_smaller, parts)) for slot, parts in recipe.slots.items()}
    return Recipe(**made | {"proposer": tuple(map(_quicker, recipe.proposer))})


def _quicker(part: Any) -> Any:
    """A writer of problems that learns few of them by heart."""
    return replace(part, steps=40) if hasattr(part, "steps") else part


def _smaller(part: Any) -> Any:
    told = {knob: most for knob, most in _SMALL.items() if getattr(part, knob, 0) > most}
    return replace(part, **told) if told else part


class Permuted:
    """A task whose truth is dealt out anew: `check` is right for other rows than it should be."""

    def __init__(self, task: Any) -> None:
        self.task = task

    def check(self, rows: pd.DataFrame) -> pd.Series:
        truth = self.task.check(rows).to_numpy(bool)
        dealt = np.random.default_rng(7).permutation(truth) ^ True
        return pd.Series(dealt, index=rows.index).astype(pd.ArrowDtype(pa.bool_()))

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        return self.task.candidates(prompt, rng)[-1]

    def hinted(self, prompt: str, kind: str) -> str:
        other = self.task.draw(np.random.default_rng(len(prompt))).prompt
        return str(self.task.with_text(prompt, self.task.hint_text(other, kind)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)
