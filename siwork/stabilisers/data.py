"""Where training starts, and what is mixed into its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import KnobError, knob
from siwork.slots import Component, State

_KEPT = ["prompt", "response", "finished", "n_tokens", "weight"]


@dataclass(frozen=True)
class Reset(Component):
    """Train from the base policy in every round, on this round's rows."""

    slot = "stabiliser"
    name = "reset"
    sentence = "Train from the base policy in every round."
    source = "STaR: Bootstrapping reasoning with reasoning"

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]:
        """The base policy takes the place of the present one, or of all agents, before the update."""
        return state.populated({name: state.base.copy() for name in state.agents}), train

    def after(self, state: State, rows: pd.DataFrame) -> State:
        """Nothing more."""
        return state


@dataclass(frozen=True)
class Mix(Component):
    """Real or older accepted data in the training rows.

    Source: "A tale of tails" and "Is Model Collapse Inevitable?" (replace against accumulate). kind=real adds right
    responses written by the task for the training problems, so that they are `share` of the weight; kind=replay adds
    accepted rows of earlier rounds in the same way; kind=accumulate keeps all accepted rows of all rounds.
    """

    slot = "stabiliser"
    name = "mix"
    sentence = "Mix real or older accepted data into the training rows."
    source = "A tale of tails: Model collapse as a change of scaling laws"

    kind: str = knob("real", "What is mixed in.", choices=("real", "replay", "accumulate"), shown=True)
    share: float = knob(0.2, "Share of the training weight that is mixed in (real, replay).", low=0.0, high=0.99)

    @property
    def reads_gold(self) -> bool:
        """Whether real data are mixed in, which the answer key writes."""
        return self.kind == "real"

    @property
    def asks(self) -> tuple[str, ...]:
        """Right responses, where real data are mixed in."""
        return ("write",) if self.kind == "real" else ()

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]:
        """The training rows with the further ones below them.

        Raises KnobError when real data are wanted and there is no training prompt to write them for.
        """
        kept = train[train["weight"].to_numpy(float) > 0]
        further = self._further(state, train, kept, rng)
        if further is None or further.empty:
            return state, train
        return state, pd.concat([train, further], ignore_index=True)

    def after(self, state: State, rows: pd.DataFrame) -> State:
        """Older accepted rows are remembered where they are needed."""
        if self.kind == "real":
            return state
        kept = rows.loc[rows["weight"].to_numpy(float) > 0, _KEPT]
        memory = kept if state.memory is None else pd.concat([state.memory, kept], ignore_index=True)
        return state.having(memory=memory.reset_index(drop=True))

    def _further(
        self, state: State, train: pd.DataFrame, kept: pd.DataFrame, rng: np.random.Generator
    ) -> pd.DataFrame | None:
        if self.kind == "accumulate":
            return state.memory
        n = max(1, round(max(len(kept), 1) * self.share / (1 - self.share)))
        if self.kind == "real":
            return self._written(state, train, kept, n, rng)
        if state.memory is None or state.memory.empty:
            return None
        return self._scaled(state.memory.iloc[rng.integers(0, len(state.memory), n)], kept)

    def _written(
        self, state: State, train: pd.DataFrame, kept: pd.DataFrame, n: int, rng: np.random.Generator
    ) -> pd.DataFrame:
        prompts = train["prompt"].dropna().unique()
        if not len(prompts):
            raise KnobError("mix(real) needs training problems to write answers for, got none; give at least one")
        asked = [str(prompts[i]) for i in rng.integers(0, len(prompts), n)]
        written = [state.task.write(prompt, rng) for prompt in asked]
        real = pd.DataFrame({"prompt": asked, "response": written, "finished": True, "weight": 1.0})
        return self._scaled(real.astype({name: train[name].dtype for name in real.columns}), kept)

    def _scaled(self, further: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
        """Weights such that the further rows hold `share` of the whole weight."""
        total = kept["weight"].to_numpy(float).sum() or float(len(further))
        own = further["weight"].to_numpy(float).sum()
        return further.assign(weight=further["weight"] * (total * self.share / (1 - self.share) / own))
