"""The start of a run (its problems and its base policy) and the plan that a case makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from siwork.clinic.moves import shares
from siwork.clinic.pool import LISTED, TRAIN, pool
from siwork.policies.tabular import Tabular

_RISE, _SLOWING = 0.08, 10.0  # nats a round at first, rounds after which the rise is e times slower


class Size(NamedTuple):
    """How large a run is."""

    train: int  # problems
    heldout: int  # problems
    samples: int  # of each problem and round
    rounds: int  # updates; rounds + 1 policies are measured


@dataclass(frozen=True, eq=False)
class Start:
    """P problems, the train problems first, with the base policy over their M candidates."""

    size: Size
    seed: int
    rows: np.ndarray  # (P,) rows of the pool
    p: np.ndarray  # (P, M) base policy
    right: np.ndarray  # (P, M) bool
    wrong: np.ndarray  # (P, M) bool
    band: np.ndarray  # (P,) 0 the hardest

    @cached_property
    def solving(self) -> np.ndarray:
        """Chance of solving each problem, (P,)."""
        return (self.p * self.right).sum(axis=1)

    @cached_property
    def odds(self) -> np.ndarray:
        """Log-odds of solving each problem, (P,)."""
        return logit(self.solving)

    @cached_property
    def z(self) -> np.ndarray:
        """Logits of the candidates, (P, M); far below the others at empty places."""
        return np.log(np.maximum(self.p, 1e-300))

    @cached_property
    def by_right(self) -> np.ndarray:
        """Shares among the right candidates, (P, M)."""
        return shares(self.z, self.right)

    @cached_property
    def by_wrong(self) -> np.ndarray:
        """Shares among the wrong candidates, (P, M)."""
        return shares(self.z, self.wrong)

    @cached_property
    def rising(self) -> np.ndarray:
        """Log-odds of solving in a healthy run, (T, P): up by 0.08 a round at first, ever more slowly."""
        t = np.arange(self.size.rounds + 1)
        return self.odds + _RISE * _SLOWING * -np.expm1(-t / _SLOWING)[:, None]

    @cached_property
    def healthy(self) -> np.ndarray:
        """Chance of solving in a healthy run, (T, P)."""
        return expit(self.rising)


class Drawn(NamedTuple):
    """What a verifier may look at: the responses of a run, each (T, P, k)."""

    gold: np.ndarray  # bool
    answer: np.ndarray  # int, which answer of its problem; -1 where none can be read
    marked: np.ndarray  # bool, bears the style mark


Verifier = Callable[[Drawn, np.random.Generator], np.ndarray]  # scores (T, P, k) in [0, 1]


def gold(drawn: Drawn, rng: np.random.Generator) -> np.ndarray:
    """The truth as score."""
    return drawn.gold.astype(float)


class Plan(NamedTuple):
    """Everything that is decided before a response is drawn."""

    p: np.ndarray  # (T, P, M) probabilities of the candidates in each round
    onset: int | None = None  # first round in which the model is harmed
    verifier: str = "gold"
    score: Verifier = gold
    kept: np.ndarray | float = 1.0  # (T, P) chance that an accepted train row is trained on
    dress: str = "own"  # kind of wardrobe
    share: np.ndarray | float = 0.0  # (T,) share of responses in another than their own text, all others alike


def start(size: Size, seed: int) -> Start:
    """The problems and the base policy of a run; the same for every case, so that runs of one seed are twins."""
    known, rng = pool(), np.random.default_rng([seed, 0])
    total = len(known.problems)
    train = np.sort(rng.permutation(TRAIN)[: size.train])
    rows = np.r_[train, TRAIN + np.sort(rng.permutation(total - TRAIN)[: size.heldout])]
    table, difficulty = known.table, known.problems["difficulty"].to_numpy(float)
    base = Tabular(candidates=LISTED, seed=seed).base(table, difficulty)[rows]
    live, right = table.live[rows], table.right[rows]
    band = known.problems["band"].to_numpy(int)[rows]
    return Start(size, seed, rows, np.where(live, np.exp(base), 0.0), right, live & ~right, band)
