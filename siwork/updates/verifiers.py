"""The update of verifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.policies import Plan
from siwork.schema import knob
from siwork.slots import State
from siwork.updates.coefficients import Fitting


@dataclass(frozen=True)
class Vfit(Fitting):
    """Verifiers that learn are fitted on the judged rows of the round; they score by it from the next round on.

    Source: "V-STaR", where the verifier is trained on right and wrong samples of all rounds.
    """

    name = "vfit"
    sentence = "Fit the verifiers that learn on the judged rows of the round."
    source = "V-STaR: Training Verifiers for Self-Taught Reasoners"

    rounds: int = knob(0, "Rounds in which they are fitted, from the first; 0 is all.", low=0, unit="rounds")

    def fits_verifiers(self, state: State) -> bool:
        """Whether this is one of the rounds."""
        return self.rounds == 0 or state.round < self.rounds

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Nothing of the policy's own."""
        return None
