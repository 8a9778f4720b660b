"""Selectors by score: what passes, the best of each problem, pairs of both kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.selectors.groups import first_of, problems, rank_in_group, scores
from siwork.slots import Component, Selection


@dataclass(frozen=True)
class Correct(Component):
    """Keep what passes: rejection sampling.

    With length λ > 0 a kept row goes, too, where it is shorter than λ times the longest kept response of the same band, in tokens:
    the length filter of "Self-Improving Transformers", against answers that lost a part. Rows of unknown length stay.
    """

    slot = "selector"
    name = "correct"
    sentence = "Keep what passes the verifier."
    source = "STaR: Bootstrapping reasoning with reasoning"

    threshold: float = knob(0.5, "Least score that passes.", low=0.0, high=1.0)
    length: float = knob(
        0.0, "Least length, as a share of the longest that passes in the same band.", low=0.0, high=1.0
    )

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Scores; with a least length also lengths and bands."""
        return ("score", "n_tokens", "band") if self.length else ("score",)

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Weight 0 for rows whose score is below the threshold or missing, or that are too short."""
        chosen = chosen._replace(weight=chosen.weight * (scores(rows) >= self.threshold))
        return chosen._replace(weight=chosen.weight * self._long(rows, chosen.weight > 0)) if self.length else chosen

    def _long(self, rows: pd.DataFrame, kept: np.ndarray) -> np.ndarray:
        """Which rows (n,) are long enough beside the kept ones of their band."""
        n = rows["n_tokens"].to_numpy(float, na_value=np.nan)
        band = pd.factorize(rows["band"], use_na_sentinel=False)[0]
        longest = np.zeros(band.max(initial=0) + 1)
        known = kept & np.isfinite(n)
        np.maximum.at(longest, band[known], n[known])
        return ~(n < self.length * longest[band])


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
        score = scores(rows)
        kept = (chosen.weight > 0) & np.isfinite(score)
        order = np.lexsort((rng.random(len(rows)), -score))
        best = first_of(kept, problems(rows), order, self.n)
        return chosen._replace(weight=chosen.weight * best)


@dataclass(frozen=True)
class Pairs(Component):
    """Chosen-rejected pairs of one problem: a row that passes against one that does not, matched at random.

    Source: Iterative reasoning preference optimization (its pair construction). Weight stays on the chosen side. Rows that an
    earlier selector threw out do not come in as chosen; as rejected they do, unless they went as repetitions (`divsel`).
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
        score, problem = scores(rows), problems(rows)
        passed = (chosen.weight > 0) & (score >= self.threshold)
        failed = (score < self.threshold) & np.isfinite(score)
        if chosen.repeats is not None:
            failed &= ~chosen.repeats
        order = rng.permutation(len(rows))
        groups = problem.max(initial=-1) + 1
        most = np.minimum(
            np.bincount(problem[passed], minlength=groups), np.bincount(problem[failed], minlength=groups)
        )
        most = np.minimum(most, self.n)
        first = np.r_[0, np.cumsum(most)]
        pair, side = np.full(len(rows), -1), np.zeros(len(rows), np.int64)
        for mask, sign in ((passed, 1), (failed, -1)):
            rank = rank_in_group(np.where(mask, problem, groups), order)
            used = mask & (rank < most[problem])
            pair[used], side[used] = first[problem[used]] + rank[used], sign
        weight = chosen.weight * (side == 1) if chosen.first else chosen.weight
        return chosen._replace(weight=weight, pair=pair, side=side)
