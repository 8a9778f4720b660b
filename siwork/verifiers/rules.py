"""Verifiers by the rules of the task: the whole response checked, or its written steps carried out; no reference is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.policies.chance import scramble, uniform
from siwork.rollouts import next_sample, written
from siwork.schema import knob
from siwork.slots import Component, State
from siwork.verifiers.keys import row_keys


@dataclass(frozen=True)
class Exec(Component):
    """A check by rules that reads no reference answer: the response is run, walked or parsed. Sound 1, else 0.

    With corrector γ > 0 each response that fails is repaired with chance γ, and the repaired text joins the round as a row of its
    own (agent `corrector`, hint `repair`, parent the row that failed), which is judged like any other. The response that failed
    stays; drop it by `correct`, or let the repaired text take its place by `splice(kind=swap)`.

    Source: "Self-Correcting Self-Consuming Loops", where a share of the model's distribution is corrected; γ = 1 corrects all.
    """

    slot = "verifier"
    name = "exec"
    sentence = "A check by rules without a reference answer; a corrector may repair what fails."
    source = "Self-Correcting Self-Consuming Loops for Generative Model Training"
    departs = "each failed response is repaired with chance γ, in place of a mixture (p + γ p_corrected)/(1 + γ)"

    corrector: float = knob(0.0, "Chance that a response which fails is repaired.", low=0.0, high=1.0)

    @property
    def asks(self) -> tuple[str, ...]:
        """A check by rules, and repair where there is a corrector."""
        return ("is_sound", "repair") if self.corrector else ("is_sound",)

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """1.0 for sound rows, 0.0 for others. Raises KnobError for a task without such a check."""
        texts = list(zip(rows["prompt"].tolist(), rows["response"].tolist(), strict=True))
        known = {pair: float(state.task.is_sound(*pair)) for pair in dict.fromkeys(texts)}
        return np.array([known[pair] for pair in texts], float)

    def amend(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        """The repaired rows; None where none fails, none is lucky, or repair changes nothing.

        Raises as `score`, and for a task that repairs nothing.
        """
        if not self.corrector or rows.empty:
            return None
        keys = row_keys(rows, rng)
        lucky = np.flatnonzero((self.score(state, rows, rng) == 0.0) & (uniform(keys) < self.corrector))
        prompts, said = rows["prompt"].iloc[lucky].tolist(), rows["response"].iloc[lucky].tolist()
        made = [
            state.task.repair(prompt, text, np.random.default_rng(int(key)))
            for prompt, text, key in zip(prompts, said, keys[lucky], strict=True)
        ]
        found = [i for i, text in enumerate(made) if text is not None and text != said[i]]
        return _repaired(state, rows, lucky[found], [str(made[i]) for i in found]) if found else None


def _repaired(state: State, rows: pd.DataFrame, place: np.ndarray, said: list[str]) -> pd.DataFrame:
    """Rows for the texts that stand in place of the rows at `place`; a context that training keeps stays."""
    old = rows.iloc[place].reset_index(drop=True)
    parent, first = old["sample"].tolist(), next_sample(rows)
    new = written(state, old, said, hint="repair", agent="corrector", parent=parent, first=first)
    return new.assign(asked=old["asked"]) if "asked" in old else new


@dataclass(frozen=True)
class Critic(Component):
    """Names the first wrong step: the written steps are carried out one by one, and no reference answer is read.

    Score: share of the steps before the first one that is called wrong, 1 where none is, 0 where there are no steps. With rate
    `miss` a wrong step is overlooked, with rate `false` a right one is called wrong, each step by its own luck.

    Source: "Enhancing LLM Reasoning via Critique Models", where a model trained on annotated errors writes the critique.
    """

    slot = "verifier"
    name = "critic"
    sentence = "The share of written steps before the first that it calls wrong, with set error rates; reads no truth."
    source = "Enhancing LLM Reasoning via Critique Models with Test-Time and Training-Time Supervision"
    departs = "steps are carried out by the task's rules, with set error rates, in place of a trained critique model"
    asks = ("executed",)

    miss: float = knob(0.0, "Share of wrong steps that are overlooked.", low=0.0, high=1.0)
    false: float = knob(0.0, "Share of right steps that are called wrong.", low=0.0, high=1.0)

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Share of steps before the first one called wrong (n,)."""
        first, size = self._read(state, rows, rng)
        return np.where(size > 0, first / np.maximum(size, 1), 0.0)

    def claims(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Place (n,) of the first step that is called wrong, from 0, by the same luck as `score`; NaN where none is."""
        first, size = self._read(state, rows, rng)
        return np.where(first < size, first, np.nan)

    def _read(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Place of the first step called wrong, or the number of steps, and that number (n,)."""
        keys = row_keys(rows, rng)
        marks = ["" if pd.isna(text) else str(text) for text in state.task.steps(rows).tolist()]
        first = [self._first(text, key) for text, key in zip(marks, keys, strict=True)]
        return np.array(first, float), np.array([len(text) for text in marks], float)

    def _first(self, marks: str, key: np.uint64) -> int:
        if not marks:
            return 0
        luck = uniform(scramble(key ^ scramble(np.arange(len(marks), dtype=np.uint64))))
        right = np.array([mark == "1" for mark in marks], bool)
        wrong = np.where(right, luck < self.false, luck >= self.miss)
        return int(np.argmax(wrong)) if wrong.any() else len(marks)
