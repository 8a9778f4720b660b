"""Selectors: which rows are trained on, and how much. Rejected rows stay, with weight 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.slots import Component, Selection


def _score(rows: pd.DataFrame) -> np.ndarray:
    """Scores (n,), an unscored row below all others."""
    return rows["score"].to_numpy(float, na_value=-np.inf)


def _rank_in_group(group: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Place (n,) of each row within its group when rows are taken in `order` (n,)."""
    ordered = order[np.argsort(group[order], kind="stable")]
    codes = group[ordered]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    place = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
    rank = np.empty(len(group), np.int64)
    rank[ordered] = place
    return rank


def _first(kept: np.ndarray, group: np.ndarray, order: np.ndarray, n: int) -> np.ndarray:
    """Of the kept rows, the first n of each group in `order`: a mask (rows,)."""
    order = order[kept[order]]
    mask = np.zeros(len(kept), bool)
    if len(order):
        codes = np.where(kept, group, -1)
        rank = _rank_in_group(codes, np.r_[order, np.flatnonzero(~kept)])
        mask = kept & (rank < n)
    return mask


@dataclass(frozen=True)
class Correct(Component):
    """Keep what passes: rejection sampling."""

    slot = "selector"
    name = "correct"
    sentence = "Keep what passes the verifier."
    source = "STaR: Bootstrapping reasoning with reasoning"
    needs = ("score",)

    threshold: float = knob(0.5, "Least score that passes.", low=0.0, high=1.0)

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Weight 0 for rows whose score is below the threshold or missing."""
        return chosen._replace(weight=chosen.weight * (_score(rows) >= self.threshold))


@dataclass(frozen=True)
class Best(Component):
    """Best-of-n: the n highest scores of each problem, ties at random."""

    slot = "selector"
    name = "best"
    sentence = "Keep the highest scores of each problem."
    source = "Self-Improvement in Language Models: The Sharpening Mechanism"
    needs = ("score",)
    draws = True

    n: int = knob(1, "Rows kept of each problem.", low=1, unit="samples")

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Weight 0 for all but the n best rows of each problem among those still kept; unscored rows go."""
        score = _score(rows)
        kept = (chosen.weight > 0) & np.isfinite(score)
        order = np.lexsort((rng.random(len(rows)), -score))
        best = _first(kept, pd.factorize(rows["problem"])[0], order, self.n)
        return chosen._replace(weight=chosen.weight * best)


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
        few = _first(chosen.weight > 0, pd.factorize(rows["problem"])[0], rng.permutation(len(rows)), self.cap)
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
        problem = pd.factorize(rows["problem"])[0]
        answer = pd.factorize(rows["answer"].fillna(rows["response"]))[0]
        order = rng.permutation(len(rows))
        once = _first(chosen.weight > 0, problem * (answer.max(initial=0) + 1) + answer, order, 1)
        return chosen._replace(weight=chosen.weight * _first(once, problem, order, self.n))


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


@dataclass(frozen=True)
class Pairs(Component):
    """Chosen-rejected pairs of one problem: a row that passes against one that does not, matched at random.

    Source: Iterative reasoning preference optimization (its pair construction). Weight stays on the chosen side.
    """

    slot = "selector"
    name = "pairs"
    sentence = "Pair rows that pass with rows that do not, within each problem."
    source = "Iterative reasoning preference optimization"
    needs = ("score",)
    draws = True

    n: int = knob(4, "Most pairs of each problem.", low=1, unit="pairs")
    threshold: float = knob(0.5, "Least score that passes.", low=0.0, high=1.0)

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Pair numbers and sides; without an earlier selector only chosen rows keep their weight."""
        score, problem = _score(rows), pd.factorize(rows["problem"])[0]
        passed = (chosen.weight > 0) & (score >= self.threshold)
        failed = (score < self.threshold) & np.isfinite(score)
        order = rng.permutation(len(rows))
        groups = problem.max(initial=-1) + 1
        most = np.minimum(
            np.bincount(problem[passed], minlength=groups), np.bincount(problem[failed], minlength=groups)
        )
        most = np.minimum(most, self.n)
        first = np.r_[0, np.cumsum(most)]
        pair, side = np.full(len(rows), -1), np.zeros(len(rows), np.int64)
        for mask, sign in ((passed, 1), (failed, -1)):
            rank = _rank_in_group(np.where(mask, problem, groups), order)
            used = mask & (rank < most[problem])
            pair[used], side[used] = first[problem[used]] + rank[used], sign
        unselected = bool((chosen.weight == 1.0).all())
        return chosen._replace(
            weight=chosen.weight * (side == 1) if unselected else chosen.weight, pair=pair, side=side
        )
