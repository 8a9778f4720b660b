"""Problems that are given: all of them, or a part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.slots import Component, State


@dataclass(frozen=True)
class Seed(Component):
    """The fixed set of training problems, all of them or a fresh random part each round."""

    slot = "proposer"
    name = "seed"
    sentence = "The fixed set of training problems."
    source = "STaR: Bootstrapping reasoning with reasoning"

    n: int = knob(0, "Problems drawn each round without replacement; 0 takes all.", low=0, unit="problems")

    def propose(self, state: State, problems: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """All problems, or `n` of them in their own order."""
        if self.n == 0 or self.n >= len(problems):
            return problems
        return problems.iloc[np.sort(rng.choice(len(problems), self.n, replace=False))]
