"""The plain samplers: independent completions, with or without a hint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.rollouts import next_sample, rollout
from siwork.schema import KnobError, knob, nearest
from siwork.slots import Component, State, Tell
from siwork.tasks import Task


class Drawing(Component):
    """Base of samplers."""

    slot = "sampler"

    @property
    def passes(self) -> int:
        """How often a round calls it, each time with all rows so far judged."""
        return 1


@dataclass(frozen=True)
class Cot(Drawing):
    """k independent completions of each problem."""

    name = "cot"
    sentence = "Independent completions of each problem."
    source = "Self-consistency improves chain of thought reasoning in language models"

    k: int = knob(16, "Completions of each problem.", low=1, high=4096, unit="samples")
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)
    top_p: float = knob(1.0, "Nucleus mass.", low=0.01, high=1.0)

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """k fresh rows of each problem, numbered on from those already there."""
        return rollout(
            state,
            problems,
            self.k,
            rng,
            tell,
            temperature=self.temperature,
            top_p=self.top_p,
            first=next_sample(judged),
        )


@dataclass(frozen=True)
class Hint(Drawing):
    """Completions with a hint in the prompt; training later sees the prompt without it (rationalisation).

    Source: STaR, section 3.2. Departs from it in: k completions instead of one, at the temperature given.
    """

    name = "hint"
    sentence = "Completions with a hint in the prompt, for all problems or only for those that failed."
    source = "STaR: Bootstrapping reasoning with reasoning"
    departs = "several hinted completions at the given temperature instead of one greedy one"
    reads_gold = True

    kind: str = knob("answer", "What the hint gives away; a task says which kinds it has.", shown=True)
    on: str = knob("all", "Which problems get it.", choices=("all", "fail"))
    k: int = knob(4, "Completions of each problem that gets the hint.", low=1, high=4096, unit="samples")
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)

    @property
    def asks(self) -> tuple[str, ...]:
        """Hints."""
        return ("hint",)

    def see(self, task: Task) -> None:
        """Nothing. Raises KnobError for a kind of hint that the task does not have."""
        if self.kind not in task.hints:
            raise KnobError(f"task {task.name!r} has no hint {self.kind!r}; {nearest(self.kind, task.hints)}")

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """k hinted rows of each problem; with on=fail only where no earlier row of the round passes (score ≥ 1/2).

        Raises KnobError when on=fail has no scored rows before it, or the task lacks this kind of hint.
        """
        if self.on == "fail":
            if judged is None or "score" not in judged:
                raise KnobError(
                    "hint(on=fail) needs a sampler before it and a verifier; write cot + hint(answer, on=fail) · gold"
                )
            passed = judged.loc[(judged["score"] >= 0.5).fillna(False).to_numpy(bool), "problem"]
            problems = problems[~problems["problem"].isin(passed)]
        return rollout(
            state, problems, self.k, rng, tell, temperature=self.temperature, hint=self.kind, first=next_sample(judged)
        )
