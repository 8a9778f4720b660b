"""A language model as the judge: P(yes) of a question about each answer, or about two answers at a time."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from siwork.policies.asking import chances
from siwork.policies.chance import scramble
from siwork.schema import KnobError, knob
from siwork.slots import State
from siwork.verifiers.asked import BY, asked_policy, check_by
from siwork.verifiers.keys import row_keys
from siwork.verifiers.labels import Scored, labels_knob, recal_knob

TEMPLATES = {
    "pointwise": (
        "Problem: {prompt}\nProposed answer: {response}\n\nIs the proposed answer right? Reply yes or no.\nReply:"
    ),
    "pairwise": (
        "Problem: {prompt}\nFirst answer: {response}\nSecond answer: {other}\n\n"
        "Is the first answer better than the second? Reply yes or no.\nReply:"
    ),
}
_PLACE = re.compile(r"\{(prompt|response|other)\}")


TASK = "task"  # who is asked: the biased judge that a task brings along


@dataclass(frozen=True)
class Judge(Scored):
    """A language model says whether an answer is right: score = p_yes/(p_yes + p_no) of the next words; reads no truth.

    Pointwise it is asked about each answer (P(True) of Kadavath et al. 2022). Pairwise about an answer and `rivals` others to
    the same problem, drawn at random, each in both orders, so that a taste for the first place cancels: P(wins) of a pair is
    (P(yes | a, b) + 1 − P(yes | b, a))/2, the score the mean over rivals. Equal texts are not asked about and draw at 1/2; a
    row without a rival is unscored. Equal questions are asked once. Models favour what they wrote themselves ("LLM Evaluators
    Recognize and Favor Their Own Generations"): the metric `self_preference` and a `by` of another family show how much.
    """

    slot = "verifier"
    name = "judge"
    or_else = ', or ask another one: judge(by="hf(…)")'
    sentence = (
        "A language model's P(yes) that the answer is right, or better than others; reads no truth but bought labels."
    )
    source = "Language Models (Mostly) Know What They Know"
    departs = "the question shows no other samples; two given words are compared in place of (A) and (B)"

    by: str = knob("self", f"{BY} Or task, where that has a biased judge of its own.")
    mode: str = knob("pointwise", "Whether answers are judged alone or in pairs.", choices=("pointwise", "pairwise"))
    rivals: int = knob(2, "Other answers to the problem that a row is compared with (pairwise).", low=1, high=256)
    template: str = knob(
        "", "The question, with {prompt} {response} and in pairs {other}; empty for the one that comes with it."
    )
    yes: str = knob(" yes", "What the judge says for it; the blank is dropped where a chat template opens the reply.")
    no: str = knob(" no", "What the judge says against it.")
    recal: str = recal_knob()
    labels: int = labels_knob()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by == TASK and self.mode == "pairwise":
            raise KnobError(
                "judge: a task's own judge holds opinions of single answers, got mode='pairwise'; take pointwise"
            )
        if self.by != TASK:
            check_by(self.name, self.by)
        needed = ("response", "other") if self.mode == "pairwise" else ("response",)
        lacking = [f"{{{name}}}" for name in needed if f"{{{name}}}" not in self.question]
        if lacking:
            raise KnobError(f"judge: the template must hold {' and '.join(lacking)}, got {self.template!r}")
        if self.yes.startswith(self.no) or self.no.startswith(self.yes):
            raise KnobError(f"judge: yes and no must begin in different ways, got {self.yes!r} and {self.no!r}")

    @property
    def question(self) -> str:
        """The template that is filled."""
        return self.template or TEMPLATES[self.mode]

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """A policy that reads any text, where it is the run's own that is asked."""
        return ("reads",) if self.by in ("self", "base") else ()

    @property
    def asks(self) -> tuple[str, ...]:
        """A biased judge of the task, where that is asked."""
        return ("opinion",) if self.by == TASK else ()

    def raw(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """P(yes) of each row, or mean P(wins) against rivals, or what the task's judge holds of it.

        Raises KnobError when the judge cannot read the question.
        """
        if self.by == TASK:
            told = zip(rows["prompt"].tolist(), rows["response"].tolist(), strict=True)
            return np.array([state.task.opinion(prompt, response) for prompt, response in told], float)
        if self.mode == "pairwise":
            return self._against(state, rows, row_keys(rows, rng))
        table = pd.DataFrame({"prompt": rows["prompt"].tolist(), "response": rows["response"].tolist()})
        return self._yes(state, table)

    def _yes(self, state: State, table: pd.DataFrame) -> np.ndarray:
        """P(yes) of the question about each line (n,); equal lines are asked about once."""
        if table.empty:
            return np.zeros(0)
        code = table.groupby(list(table.columns), sort=False).ngroup().to_numpy()
        _, first, back = np.unique(code, return_index=True, return_inverse=True)
        asked = [filled(self.question, line) for line in table.iloc[first].to_dict("records")]
        return chances(asked_policy(self.by, state), asked, [self.yes, self.no])[:, 0][back]

    def _against(self, state: State, rows: pd.DataFrame, keys: np.ndarray) -> np.ndarray:
        one, other = pairings(pd.factorize(rows["problem"])[0], keys, self.rivals)
        prompt, said = (rows[name].to_numpy(object) for name in ("prompt", "response"))
        unlike = said[one] != said[other]
        wins = np.full(len(one), 0.5)
        a, b = one[unlike], other[unlike]
        asked = {"prompt": prompt[np.r_[a, b]], "response": said[np.r_[a, b]], "other": said[np.r_[b, a]]}
        there, back = np.split(self._yes(state, pd.DataFrame(asked)), 2)
        wins[unlike] = (there + 1 - back) / 2
        known = ~np.isnan(wins)
        count, won = (np.bincount(one[known], each, len(rows)) for each in (None, wins[known]))
        return np.where(count > 0, won / np.maximum(count, 1), np.nan)


def filled(template: str, values: Mapping[Hashable, Any]) -> str:
    """The template with {prompt}, {response} and {other} put in at once; what stands in the texts themselves stays.

    >>> filled("{prompt}? {response} {x}", {"prompt": "{response}", "response": "7"})
    '{response}? 7 {x}'
    """
    return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), template)


def pairings(problem: np.ndarray, keys: np.ndarray, rivals: int) -> tuple[np.ndarray, np.ndarray]:
    """Each row beside `rivals` other rows of its problem, or all there are: places (m,) of the row and of its rival.

    problem : codes (n,); keys : uint64 (n,), the luck of the rows
    """
    ones, others = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    order = np.argsort(problem, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(problem[order])) + 1):
        n = min(rivals, len(rows) - 1)
        if n < 1:
            continue
        luck = scramble(scramble(keys[rows])[:, None] ^ keys[rows][None, :])
        np.fill_diagonal(luck, np.iinfo(np.uint64).max)
        ones.append(np.repeat(rows, n))
        others.append(rows[np.argsort(luck, axis=1, kind="stable")[:, :n]].ravel())
    return np.concatenate(ones), np.concatenate(others)
