"""Small changes to the best rows of the round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.rollouts import next_sample, written
from siwork.samplers.judged import own, scores
from siwork.samplers.plain import Drawing
from siwork.schema import knob
from siwork.slots import State, Tell


@dataclass(frozen=True)
class Mutate(Drawing):
    """One small change to each of the n best rows of a problem, by the task's own rule.

    Best is the score, ties at random; on=pass takes only rows that pass (score ≥ 1/2). What was said to that prompt already is
    left out. The agent did not write it: log-probabilities are the policy's, agent and hint are `mutation`.

    Source: "Promptbreeder", section 3, and evolution of programmes at large. Departs from it in: answers are changed, not
    prompts, by a rule of the task and not by a language model.
    """

    name = "mutate"
    sentence = "Small changes to the best responses of the round."
    source = "Promptbreeder: Self-Referential Self-Improvement Via Prompt Evolution"
    departs = "a rule of the task changes answers, where a language model changes prompts"

    n: int = knob(4, "Best rows of each problem that are changed, once each.", low=1, high=4096, unit="rows")
    on: str = knob("pass", "Which rows may be changed.", choices=("pass", "all"))

    @property
    def asks(self) -> tuple[str, ...]:
        """Small changes."""
        return ("mutate",)

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """At most n new rows of each problem; `parent` is the row that was changed; turn 0, since the policy revised nothing.

        Raises KnobError when there are no scored rows before it, and for a task without such changes.
        """
        rows = own(judged, state)
        best = self._best(pd.DataFrame(columns=["verifier"]) if rows is None else rows, rng)
        said = set(zip(rows["prompt"], rows["response"], strict=True)) if rows is not None else set()
        changed, place = [], []
        for i, (prompt, response) in enumerate(zip(best["prompt"], best["response"], strict=True)):
            text = state.task.mutate(prompt, response, rng)
            if (prompt, text) not in said:
                said.add((prompt, text))
                changed.append(text)
                place.append(i)
        best = best.iloc[place]
        return written(
            state,
            best,
            changed,
            hint="mutation",
            agent="mutation",
            parent=best["sample"].tolist(),
            first=next_sample(judged),
        )

    def _best(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        score = scores(rows, "mutate", "cot + mutate · gold")
        order = np.lexsort((rng.random(len(rows)), -score))
        allowed = score[order] >= 0.5 if self.on == "pass" else ~np.isnan(score[order])
        return rows.iloc[order[allowed]].groupby("problem", sort=False).head(self.n).sort_index()
