"""Several policies in one run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.slots import Component, State, Trial

EVERYBODY = "population"  # no agent's name, so that its rows train every agent


@dataclass(frozen=True)
class Pop(Component):
    """A population of n policies: every sampler draws for each of them (agents `agent-0`, `agent-1` …), and each is trained.

    In the first round n − 1 copies of the policy join it. They differ by their luck alone: each draws completions of its own,
    with knobs k each, so a round has n times the rows. With shared=false an agent is trained on its own rows and on those that no
    agent wrote; with shared=true all are trained on all rows, and differ by the order of batches only. Votes and pairs are of all
    agents' rows to a problem. `agent-0` is the policy that held-out problems measure.

    Source: "Multiagent Finetuning", with generators and critics trained on their own rows. Departs from it in: one role, and
    copies of one model. A `roles` sampler gives agents parts to play.
    """

    slot = "stabiliser"
    name = "pop"
    sentence = "Several policies that sample side by side, each trained on its own rows or all on all."
    source = "Multiagent Finetuning: Self Improvement with Diverse Reasoning Chains"
    departs = "one role, and copies of one model that differ by their luck alone"

    n: int = knob(3, "Policies.", low=1, high=64, unit="policies")
    shared: bool = knob(False, "Whether each is trained on the rows of all.")

    def begin(self, state: State, problems: pd.DataFrame, trial: Trial, rng: np.random.Generator) -> State:
        """The state with copies of the policy as members, where it has none yet."""
        if state.members:
            return state
        return state.having(members=tuple(state.policy.copy() for _ in range(self.n - 1)))

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]:
        """The training rows, with shared=true under the name of nobody in particular."""
        if not self.shared or not state.members:
            return state, train
        own = train["agent"].isin(list(state.agents)).fillna(False).to_numpy(bool)
        return state, train.assign(agent=train["agent"].mask(own, EVERYBODY))

    def after(self, state: State, rows: pd.DataFrame) -> State:
        """Nothing more."""
        return state
