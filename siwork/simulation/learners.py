"""Policies over dense tables of answers: the tabular policy's formula on counts, and the refit of the theory.

Arrays are (M, P), answers by problems, so that sums over answers are sums of rows. The formula and the steps are those of
`siwork.policies.weights` and `siwork.policies.tabular`, where a step holds all rows at once.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from siwork.policies.candidates import STYLES
from siwork.policies.tabular import PRIVATE_RATE, SHARED_RATE, STEEPEST
from siwork.schema import BANDS
from siwork.simulation.world import Ground


class Said(NamedTuple):
    """What a policy says to each problem, arrays (M, P)."""

    p: np.ndarray
    logp: np.ndarray  # nats, -inf for what is never said


def said(z: np.ndarray) -> Said:
    """The softmax of each column of logits (M, P), which are used up."""
    z -= z.max(axis=0)
    p = np.exp(z)
    total = p.sum(axis=0)
    p /= total
    z -= np.log(total)
    return Said(p, z)


class Learner(Protocol):
    """What a world trains."""

    def says(self) -> Said:
        """The distributions of all problems."""

    def fit(self, weight: np.ndarray) -> None:
        """Learn from weights (M, train) ≥ 0 of the answers of the problems trained on."""


class Slope(NamedTuple):
    """A gradient by parameter."""

    sharpness: float
    skill: np.ndarray  # (5,)
    style: np.ndarray  # (8,)
    private: np.ndarray  # (M, train)


class Softmax:
    """The tabular policy on a table: shared sharpness, skill and style, private logits of the problems trained on.

    Parameters
    ----------
    ground : the table and the base logits
    sharing : share of learning that all problems share, 0 … 1
    rate, steps : learning rate of a step and steps of a `fit`
    start : "last" goes on from where it is, "base" begins every `fit` anew
    """

    def __init__(
        self, ground: Ground, sharing: float = 0.5, rate: float = 1.0, steps: int = 1, start: str = "last"
    ) -> None:
        self.ground, self.sharing, self.rate, self.steps, self.start = ground, sharing, rate, steps, start
        n = ground.train
        logits, style = (np.ascontiguousarray(x[:, :n]) for x in (ground.logits, ground.style))
        self._seen = Ground(logits, ground.right[:, :n] * 1.0, style, ground.difficulty[:n], ground.band[:n], n)
        self.forget()

    def forget(self) -> None:
        """Be the base policy again."""
        self.sharpness, self.skill, self.style = 0.0, np.zeros(len(BANDS)), np.zeros(STYLES)
        self.private = np.zeros((len(self.ground.logits), self.ground.train))

    def logits(self, ground: Ground) -> np.ndarray:
        """The shared part of the logits of those problems (M, n)."""
        z = np.exp(self.sharpness) * ground.logits
        z += ground.right * self.skill[ground.band]
        z += self.style[ground.style]
        return z

    def says(self) -> Said:
        """The distributions of all problems."""
        z = self.logits(self.ground)
        z[:, : self.ground.train] += self.private
        return said(z)

    def slope(self, share: np.ndarray) -> Slope:
        """Σ c ∇ log π, the gradient of the mean log-probability with shares c (M, train) of the weight, sum 1."""
        seen, of = self._seen, share.sum(axis=0)
        z = self.logits(seen)
        z += self.private
        z -= z.max(axis=0)
        p = np.exp(z, out=z)
        p *= of / p.sum(axis=0)
        private = np.subtract(share, p, out=p)
        skill = np.bincount(seen.band, np.einsum("mp,mp->p", private, seen.right), len(BANDS))
        style = np.bincount(seen.style.ravel(), private.ravel(), STYLES)
        return Slope(float(np.exp(self.sharpness) * np.einsum("mp,mp->", private, seen.logits)), skill, style, private)

    def fit(self, weight: np.ndarray) -> None:
        """The steps of a round on weights (M, train); nothing where all weights are 0."""
        if self.start == "base":
            self.forget()
        if not weight.any():
            return
        shared = self.rate * SHARED_RATE * self.sharing
        private = self.rate * PRIVATE_RATE * (1 - self.sharing) * np.count_nonzero(weight.any(axis=0))
        share = weight / weight.sum()
        for _ in range(self.steps):
            slope = self.slope(share)
            self.sharpness = float(np.clip(self.sharpness + shared * slope.sharpness, -STEEPEST, STEEPEST))
            self.skill = self.skill + shared * slope.skill
            self.style = self.style + shared * slope.style
            self.private += private * slope.private


class Refit:
    """Each problem's distribution becomes the shares of its weights: the recursion of the theory, without a model between.

    A problem without weights stays as it is; problems that are held out always do.
    """

    def __init__(self, ground: Ground) -> None:
        self._said, self._train = said(ground.logits.copy()), ground.train

    def says(self) -> Said:
        """The distributions of all problems."""
        return self._said

    def fit(self, weight: np.ndarray) -> None:
        """Take the shares of weights (M, train) as the new distributions."""
        total = weight.sum(axis=0)
        p = self._said.p.copy()
        np.divide(weight, total, out=p[:, : self._train], where=total > 0)
        with np.errstate(divide="ignore"):
            self._said = Said(p, np.log(p))
