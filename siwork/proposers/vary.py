"""Problems altered: said in other words, or in hindsight those that a wrong response does solve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.proposers.made import items_of, make_known, remembered, table_of
from siwork.rollouts import texts, written
from siwork.schema import knob
from siwork.slots import Component, State
from siwork.tasks.base import is_held_out

_TRIES = 8  # draws until a paraphrase is no held-out prompt


@dataclass(frozen=True)
class Vary(Component):
    """The same problems, altered.

    kind=paraphrase: a `share` of the problems, drawn anew each round, is asked in other words; with both=true beside the own
    words, under the same id, so that a vote runs across surface forms (Co-Reward). A paraphrase that is a held-out prompt is
    drawn again; where none is found the own words stay. Proposers that leave problems out stand before it.

    kind=hindsight: each finished response that failed (score < 1/2) and solves another problem becomes a row of that problem
    (CodeIt): problem id `hindsight/<round>/<number>`, hint `hindsight`, log-probabilities under the new prompt; at most n rows
    of one old problem, drawn at random. The recipe's verifier judges them like all others. Their ids are new, so that
    votes, pairs and group means never mix two prompts.

    Source: "Co-Reward", section 3; "CodeIt", section 2. Departs from them in: paraphrases are the task's own, not a language
    model's; relabelled problems that are held out are left out.
    """

    slot = "proposer"
    name = "vary"
    sentence = "Altered problems: paraphrases, or in hindsight those that a wrong response does solve."
    source = "CodeIt: Self-Improving Language Models with Prioritized Hindsight Replay"
    departs = "paraphrases are made by the task; no priorities"

    kind: str = knob("paraphrase", "How problems are altered.", choices=("paraphrase", "hindsight"), shown=True)
    share: float = knob(1.0, "Share of the problems that is paraphrased each round.", low=0.0, high=1.0)
    both: bool = knob(False, "Whether a paraphrased problem is asked in its own words, too.")
    n: int = knob(1, "Most rows made of one problem's failures (hindsight).", low=1, high=4096, unit="rows")

    @property
    def asks(self) -> tuple[str, ...]:
        """Paraphrases, or prompts in hindsight, which are read as problems."""
        return ("paraphrase",) if self.kind == "paraphrase" else ("relabel", "item")

    def propose(self, state: State, problems: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The problems, some of them paraphrased; as they are with kind=hindsight.

        Raises KnobError for a task without paraphrases.
        """
        if self.kind == "hindsight":
            make_known(state, self.name, problems.iloc[:0])
            return problems
        place = np.flatnonzero(rng.permutation(len(problems)) < round(self.share * len(problems)))
        prompts = problems["prompt"].tolist()
        for i in place:
            prompts[i] = _paraphrase(state, prompts[i], rng)
        other = problems.assign(prompt=texts(prompts))
        make_known(state, self.name, other)
        if not self.both:
            return other
        twice = pd.concat([problems, other.iloc[place]])
        return twice[~twice.duplicated(["problem", "prompt"])].sort_index(kind="stable").reset_index(drop=True)

    def amend(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        """Rows of the problems that failing responses solve; None with kind=paraphrase."""
        if self.kind == "paraphrase" or "score" not in rows:
            return None
        failed = rows[
            ((rows["score"] < 0.5) & rows["finished"] & (rows["split"] == "train")).fillna(False).to_numpy(bool)
        ]
        failed = failed.iloc[rng.permutation(len(failed))].drop_duplicates(["problem", "prompt", "response"])
        prompts = [state.task.relabel(*told) for told in zip(failed["prompt"], failed["response"], strict=True)]
        items = items_of(state.task, [prompt for prompt in prompts if prompt is not None])
        place = {item.prompt: i for i, item in enumerate(items)}
        usable = np.array([prompt in place for prompt in prompts], bool)
        which = np.array([place[prompt] for prompt in prompts if prompt in place], int)
        few = failed[usable].groupby("problem", sort=False).cumcount().to_numpy() < self.n
        made = table_of(state.task, items, [f"hindsight/{state.round}/{i}" for i in range(len(items))])
        of = made.iloc[which[few]]
        make_known(state, self.name, of.drop_duplicates("prompt"))
        told = failed[usable][few]
        return written(state, of, told["response"].tolist(), hint="hindsight", agent=told["agent"].tolist())

    def remember(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> State:
        """The state with the prompts of the round."""
        return remembered(state, self.name, rows)


def _paraphrase(state: State, prompt: str, rng: np.random.Generator) -> str:
    for _ in range(_TRIES):
        other = state.task.paraphrase(prompt, rng)
        if not is_held_out(other):
            return other
    return prompt
