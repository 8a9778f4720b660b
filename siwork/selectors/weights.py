"""Selectors by degree: how much each row counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.slots import Component, Selection


@dataclass(frozen=True)
class Weight(Component):
    """Continuous weights: the score itself, to a power. Unscored rows get 0."""

    slot = "selector"
    name = "weight"
    sentence = "Weight each row by its score to a power."
    source = "Confidence Is All You Need: Few-Shot RL Fine-Tuning of Language Models"
    needs = ("score",)

    power: float = knob(1.0, "Exponent of the score.", low=0.0, high=10.0)

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Weight times score to the power."""
        score = rows["score"].to_numpy(float, na_value=0.0)
        return chosen._replace(weight=chosen.weight * score**self.power)
