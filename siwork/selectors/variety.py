"""Selectors of variety: few rows of each problem, different ones, or every problem alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.selectors.groups import first_of, problems
from siwork.slots import Component, Selection


@dataclass(frozen=True)
class Balance(Component):
    """A cap on each problem, so that easy problems cannot crowd out hard ones.

    Source: "Counteracting Matthew Effect in Self-Improvement of LVLMs through Head-Tail Re-balancing" (its clip).
    """

    slot = "selector"
    name = "balance"
    sentence = "Keep at most so many rows of each problem, chosen at random."
    source = "Counteracting Matthew Effect in Self-Improvement of LVLMs through Head-Tail Re-balancing"
    departs = "the clip alone, without padding or guided re-sampling"
    draws = True

    cap: int = knob(4, "Most rows kept of each problem.", low=1, unit="samples")

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Weight 0 for kept rows beyond the cap."""
        few = first_of(chosen.weight > 0, problems(rows), rng.permutation(len(rows)), self.cap)
        return chosen._replace(weight=chosen.weight * few)


@dataclass(frozen=True)
class Divsel(Component):
    """One row for each different answer of a problem: duplicates carry no weight.

    Source: "DIVE: Diversified Iterative Self-Improvement". Departs from it in: exact canonical answers are
    compared instead of embeddings, so a subset is diverse exactly when its answers differ.
    """

    slot = "selector"
    name = "divsel"
    sentence = "Keep one row for each different answer of a problem."
    source = "DIVE: Diversified Iterative Self-Improvement"
    departs = "canonical answers are compared instead of embeddings"
    needs = ("answer", "response")
    draws = True

    n: int = knob(4096, "Most different answers kept of each problem.", low=1, unit="answers")

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Weight 0 for repeated answers; an unreadable answer counts by its text."""
        problem = problems(rows)
        answer = pd.factorize(rows["answer"].fillna(rows["response"]))[0]
        order = rng.permutation(len(rows))
        once = first_of(chosen.weight > 0, problem * (answer.max(initial=0) + 1) + answer, order, 1)
        return chosen._replace(weight=chosen.weight * first_of(once, problem, order, self.n))
