"""Own notes: accepted responses of earlier rounds in the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from siwork.rollouts import next_sample, rollout
from siwork.samplers.judged import keeping, kept_under
from siwork.samplers.plain import Drawing
from siwork.schema import knob
from siwork.slots import State, Tell

HINT = "memory"
_KEPT = ["agent", "problem", "prompt", "difficulty", "response"]
_ONE = ["agent", "problem", "response"]


@dataclass(frozen=True)
class Memory(Drawing):
    """Completions with notes in the prompt: `prompt#note>`, of two notes `prompt#note>#note>`.

    A note is a response that the agent wrote itself in an earlier round and that was accepted (weight > 0): to the same
    problem where there is one, else, with its own prompt before it, to the problem nearest in difficulty. The latest `n` of
    each problem are kept. Until something was kept there are no rows, so a sampler such as cot stands before it.

    Source: "Metacognitive Reuse". Departs from it in: notes are whole responses, not behaviours that a model distils, and are
    found by problem and difficulty, not by topic or embedding.
    """

    name = "memory"
    sentence = "Completions with own accepted responses of earlier rounds in the prompt."
    source = "Metacognitive Reuse: Turning Recurring LLM Reasoning Into Concise Behaviors"
    departs = "notes are whole responses, found by problem and difficulty"

    k: int = knob(4, "Completions of each problem.", low=1, high=4096, unit="samples")
    n: int = knob(1, "Notes in a prompt, and latest responses kept of each problem.", low=1, high=64, unit="notes")
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """k rows of each problem with the agent's notes, hint `memory`; none while it has none."""
        known = kept_under(state, self.name)
        notes = pd.DataFrame(columns=_KEPT) if known is None else known[(known["agent"] == state.agent).to_numpy(bool)]
        problems = problems if len(notes) else problems.iloc[:0]
        asked = [self._asked(state, notes, line) for line in problems.to_dict("records")]
        return rollout(
            state,
            problems,
            self.k,
            rng,
            tell,
            temperature=self.temperature,
            hint=HINT,
            asked=asked,
            first=next_sample(judged),
        )

    def _asked(self, state: State, notes: pd.DataFrame, problem: Mapping[Any, Any]) -> str:
        asked = str(problem["prompt"])
        for text in chosen(notes, problem, self.n):
            asked = state.task.with_text(asked, text)
        return asked

    def remember(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> State:
        """The state with the accepted responses that its agents wrote."""
        own = (rows["weight"] > 0) & rows["finished"] & rows["agent"].isin(list(state.agents))
        fresh, known = rows.loc[own.fillna(False).to_numpy(bool), _KEPT], kept_under(state, self.name)
        kept = fresh if known is None else pd.concat([known, fresh], ignore_index=True)
        kept = kept.drop_duplicates(_ONE, keep="last")
        return keeping(state, self.name, kept.groupby(["agent", "problem"], sort=False).tail(self.n))


def chosen(notes: pd.DataFrame, problem: Mapping[Any, Any], n: int) -> list[str]:
    """At most n notes (columns problem, prompt, difficulty, response) for a problem, the latest or nearest first."""
    same = notes[(notes["problem"] == problem["problem"]).to_numpy(bool)]
    if len(same):
        return same["response"].tolist()[::-1][:n]
    own = problem["difficulty"]
    far = np.abs(notes["difficulty"].to_numpy(float, na_value=0.5) - (0.5 if pd.isna(own) else float(own)))
    nearest = notes.iloc[np.argsort(far, kind="stable")].drop_duplicates("problem").head(n)
    return [f"{prompt}{said}" for prompt, said in zip(nearest["prompt"], nearest["response"], strict=True)]
