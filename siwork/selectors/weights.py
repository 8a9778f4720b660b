"""A selector by degree: how much each row counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.selectors.groups import problems
from siwork.slots import Component, Selection

_NEEDS = {
    "score": ("score",),
    "entropy": ("answer",),
    "margin": ("score",),
    "shift": ("logp", "base_logp", "n_tokens"),
}


@dataclass(frozen=True)
class Weight(Component):
    """Continuous weights: what a row weighs so far, times

    score    its score^power; unscored rows get 0
    entropy  H^power of its problem, H = −Σ p log p over the answers of all its rows that can be read; divided by the mean over the
             problems that have a row with weight ("Entropy-Based Adaptive Weighting for Self-Training")
    margin   (score of the chosen − score of the rejected)^power of its pair, 1 for rows of no pair; pairs come before it
             ("Self-Consistency Preference Optimization", by vote shares)
    shift    1 for the share `keep` of the rows with weight that changed least since round 0, else 0, by |log π − log π_base| a
             token; equal ones stay together, unknown ones go ("Importance Weighting Can Help Large Language Models Self-Improve")

    Departs from the sources in: shift compares with the policy of round 0, not with the loss on a few real data.
    """

    slot = "selector"
    name = "weight"
    sentence = (
        "Weight each row by its score, its problem's answer entropy, the margin of its pair, or how far it shifted."
    )
    source = "Confidence Is All You Need: Few-Shot RL Fine-Tuning of Language Models"
    departs = "shift compares with the policy of round 0, not with the loss on a few real data"

    power: float = knob(1.0, "Exponent of the score, entropy or margin.", low=0.0, high=10.0)
    by: str = knob("score", "What weighs.", choices=("score", "entropy", "margin", "shift"))
    keep: float = knob(0.8, "Share of the rows that stays (shift).", low=0.0, high=1.0)

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Columns that this kind reads."""
        return _NEEDS[self.by]

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """The selection with weights times what the knob `by` says."""
        factor = {"score": _score, "entropy": _entropy, "margin": _margin}.get(self.by)
        if factor is None:
            return chosen._replace(weight=chosen.weight * self._unshifted(rows, chosen.weight > 0))
        values = factor(rows, chosen) ** self.power
        if self.by == "entropy":
            values = values / (_mean_of_problems(rows, chosen, values) or 1.0)
        return chosen._replace(weight=chosen.weight * values)

    def _unshifted(self, rows: pd.DataFrame, kept: np.ndarray) -> np.ndarray:
        """Which rows (n,) are among the least shifted of those kept."""
        logp, base, n = (rows[name].to_numpy(float, na_value=np.nan) for name in ("logp", "base_logp", "n_tokens"))
        shift = np.abs(logp - base) / np.where(n > 0, n, np.nan)
        shift = np.where(kept & np.isfinite(shift), shift, np.inf)
        last = int(np.ceil(round(self.keep * int(kept.sum()), 9)))
        bound = np.sort(shift)[last - 1] if last else -np.inf
        return np.isfinite(shift) & (shift <= bound)


def _score(rows: pd.DataFrame, chosen: Selection) -> np.ndarray:
    return rows["score"].to_numpy(float, na_value=0.0)


def _entropy(rows: pd.DataFrame, chosen: Selection) -> np.ndarray:
    """Entropy (n,) of the answers to each row's problem, nats; 0 where none can be read."""
    problem, answer = problems(rows), pd.factorize(rows["answer"])[0]
    read = answer >= 0
    code, count = np.unique(np.stack([problem[read], answer[read]], axis=1), axis=0, return_counts=True)
    groups = problem.max(initial=-1) + 1
    p = count / np.bincount(code[:, 0], count, groups)[code[:, 0]]
    return np.abs(np.bincount(code[:, 0], -p * np.log(p), groups))[problem]


def _margin(rows: pd.DataFrame, chosen: Selection) -> np.ndarray:
    """Score of the chosen minus that of the rejected (n,) of each row's pair, at least 0; 1 for rows of no pair."""
    score, sides = rows["score"].to_numpy(float, na_value=np.nan), {}
    for sign in (1, -1):
        place = np.flatnonzero(chosen.side == sign)
        sides[sign] = dict(zip(chosen.pair[place].tolist(), score[place].tolist(), strict=True))
    gap = {pair: max(value - sides[-1].get(pair, np.nan), 0.0) for pair, value in sides[1].items()}
    return np.array([1.0 if pair < 0 else np.nan_to_num(gap.get(pair, 0.0)) for pair in chosen.pair.tolist()], float)


def _mean_of_problems(rows: pd.DataFrame, chosen: Selection, values: np.ndarray) -> float:
    """Mean over problems with a weighted row of a value that all rows (n,) of a problem share; 0 without any."""
    kept = np.flatnonzero(chosen.weight > 0)
    _, first = np.unique(problems(rows)[kept], return_index=True)
    return float(values[kept[first]].mean()) if len(kept) else 0.0
