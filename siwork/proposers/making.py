"""Problems that the model writes itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.policies import Plan
from siwork.proposers.made import items_of, table_of
from siwork.schema import KnobError, knob
from siwork.slots import Component, State

_WORD = re.compile(r"[A-Z]?[a-z0-9~]+")  # the first word of a page
_BATCH = 32


@dataclass(frozen=True)
class Selfgen(Component):
    """Problems written by a copy of the base model that was taught to write prompts like those of the train split.

    The copy learns for `steps` steps to say a seed problem's prompt after an empty note, then writes `tries` prompts for each
    problem wanted. With ground=doc the first word of a page of the task begins each of them. What is no prompt of the task, stands
    there twice, or belongs to the held-out problems is dropped; so many as are wanted are kept, in the order in which they
    were written. Nobody judges the problems: that is the verifier's part.

    Source: "SPICE" (a page grounds the proposer). Departs from it in: the proposer is taught by likelihood, never rewarded for
    problems of middling difficulty; take curric(by=frontier) behind it.
    """

    slot = "proposer"
    name = "selfgen"
    sentence = "Problems that the model writes itself, from nothing or from a page."
    source = "SPICE: Self-Play In Corpus Environments Improves Reasoning"
    departs = "the proposer is taught by likelihood on seed prompts, it is not rewarded"

    ground: str = knob(
        "nothing",
        "What the model has before it: nothing, or a page of the task.",
        choices=("nothing", "doc"),
        shown=True,
    )
    n: int = knob(0, "Problems wanted in a round; 0 is as many as seed problems.", low=0, unit="problems")
    tries: int = knob(4, "Prompts written for each problem wanted.", low=1, high=1000, unit="prompts")
    steps: int = knob(120, "Steps in which the writer learns from seed prompts.", low=1, high=100_000, unit="steps")

    @property
    def asks(self) -> tuple[str, ...]:
        """Prompts that anybody may write, and pages where they begin a prompt."""
        return ("item", "page") if self.ground == "doc" else ("item",)

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """A policy that writes any text, and continues one where a page begins it."""
        return ("writes", "continued") if self.ground == "doc" else ("writes",)

    def propose(self, state: State, problems: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """Problems of the round, with ids `made/<round>/<i>`. Raises KnobError when the model wrote none."""
        wanted = self.n or len(problems)
        items = items_of(state.task, self._written(state, problems["prompt"].tolist(), wanted * self.tries, rng))[
            :wanted
        ]
        if not items:
            raise KnobError(
                f"{self}: the model wrote no problem of {state.task.name} in {wanted * self.tries} tries; raise steps or tries"
            )
        return table_of(state.task, items, [f"made/{state.round}/{i}" for i in range(len(items))])

    def _written(self, state: State, prompts: list[str], n: int, rng: np.random.Generator) -> Iterable[str]:
        """n prompts as the taught copy writes them."""
        opening = state.task.with_text("", "")
        writer = state.base.copy()
        m = len(prompts)
        batches = [rng.integers(0, m, min(_BATCH, m)) for _ in range(self.steps)]
        share = np.full(min(_BATCH, m), 1 / min(_BATCH, m))
        writer.train(Plan([opening] * m, prompts, np.ones(m, bool), batches, lambda logp, index: share, 3.0, True))
        streams = rng.integers(0, 2**64, (n, 1), dtype=np.uint64)
        if self.ground == "nothing":
            return map(str, writer.sample([opening] * n, 1, streams=streams).response)
        begun = [_WORD.match(state.task.page(rng)) for _ in range(n)]
        heads = [word.group() if word else "" for word in begun]
        return map(str, writer.continued([opening] * n, heads, 1, streams=streams).response)  # type: ignore[attr-defined]
