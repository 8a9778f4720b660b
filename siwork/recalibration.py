"""Maps from a score to a probability of being right, fitted on labelled samples: isotonic, Platt, temperature.

Pure functions on arrays, below both wings: verifiers map their scores by them, metrics show how the maps drift.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logit

from siwork.schema import KnobError, nearest

METHODS = ("isotonic", "platt", "temperature")
EDGE = 1e-6  # scores nearer to 0 or 1 count as this far from them, so that log-odds are finite
HOTTEST = 20.0  # greatest temperature, its inverse the least
_NONE = float("nan")


def _empty() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class Recalibration:
    """A fitted map from score to P(right).

    method : one of METHODS; n, right : labelled samples behind it, and how many of them are right
    slope, offset : p = σ(slope · logit(score) + offset); a temperature is 1 / slope with offset 0; NaN of an isotonic map
    score, probability : knots of an isotonic map, both rising; empty of the others
    """

    method: str
    n: int
    right: int
    slope: float = _NONE
    offset: float = _NONE
    score: np.ndarray = field(default_factory=_empty)
    probability: np.ndarray = field(default_factory=_empty)

    @property
    def temperature(self) -> float:
        """What log-odds are divided by; NaN of other methods."""
        return 1 / self.slope if self.method == "temperature" else _NONE

    def targets(self, gold: np.ndarray) -> np.ndarray:
        """What the likelihood of the fit was of: the truth (N,) itself, or Platt's targets in its place."""
        return _targets(gold, self.right, self.n - self.right) if self.method == "platt" else gold

    def apply(self, score: ArrayLike) -> np.ndarray:
        """P(right) of scores in [0, 1], any shape; NaN (unscored) stays NaN.

        An isotonic map is linear between its knots and constant beyond. Raises KnobError for a score outside [0, 1].
        """
        s = _checked(np.asarray(score, float))
        if self.method == "isotonic":
            return np.where(np.isnan(s), np.nan, np.interp(s, self.score, self.probability))
        return np.asarray(expit(self.slope * log_odds(s) + self.offset))


def recalibration(score: ArrayLike, gold: ArrayLike, method: str = "isotonic") -> Recalibration:
    """Fit a map from score to P(right) on labelled samples.

    Parameters
    ----------
    score : float array (N,) in [0, 1]; NaN (unscored) leaves. For Platt and temperature it is kept 1e-6 from 0 and 1
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    method : "isotonic", the rising map that fits best in squares; "platt", σ(a · logit(score) + b) by likelihood with
        Platt's targets (right + 1)/(right + 2) and 1/(wrong + 2) in place of 1 and 0, which may turn the order round;
        "temperature", σ(logit(score)/T) by likelihood, T in 1/20 … 20, which keeps the order

    Returns
    -------
    Recalibration. Labels of one class: isotonic is constantly 0 or 1, Platt constantly its target, temperature is 1, as no
    finite one fits best. Scores all equal: isotonic is the share of right ones, Platt keeps slope 1 and meets the mean of
    its targets, a temperature fits where it can (it is 1 for scores of 1/2).

    Raises
    ------
    KnobError for an unknown method, a score outside [0, 1], gold that is not 0 or 1, lengths that differ, or fewer than two
    labelled samples.

    Source: Zadrozny & Elkan 2002 (isotonic); Platt 1999, by the Newton steps of Lin, Lin & Weng 2007; Guo et al. 2017
    (temperature, for two classes). Departs from Platt in: log-odds of the score stand where he has margins.

    >>> fitted = recalibration([0.9, 0.9, 0.8, 0.8], [1, 0, 1, 0], "temperature")
    >>> round(fitted.temperature, 6), fitted.apply([0.5, 0.9]).round(2).tolist()
    (20.0, [0.5, 0.53])
    """
    if method not in METHODS:
        raise KnobError(f"method must be one of {', '.join(METHODS)}, got {method!r}; {nearest(str(method), METHODS)}")
    s, y = _labelled(score, gold)
    if len(s) < 2:
        raise KnobError(f"a map needs at least 2 samples with score and gold, got {len(s)}; label more")
    right = int(y.sum())
    if method == "isotonic":
        knots, share = _isotonic(s, y)
        return Recalibration(method, len(s), right, score=knots, probability=share)
    x = log_odds(s)
    slope, offset = _platt(x, y) if method == "platt" else (1 / _temperature(x, y), 0.0)
    return Recalibration(method, len(s), right, slope, offset)


def _labelled(score: ArrayLike, gold: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    s, y = np.asarray(score, float), np.asarray(gold, float)
    if s.ndim != 1 or s.shape != y.shape:
        raise KnobError(f"score and gold must be flat and of one length, got {s.shape} and {y.shape}")
    known = ~(np.isnan(s) | np.isnan(y))
    s, y = _checked(s[known]), y[known]
    wrong = (y != 0) & (y != 1)
    if wrong.any():
        raise KnobError(f"gold must be 0, 1 or NaN where unknown, got {y[wrong][0]:g}; threshold graded truth first")
    return s, y


def _checked(score: np.ndarray) -> np.ndarray:
    outside = (score < 0) | (score > 1)
    if outside.any():
        raise KnobError(f"score must be in [0, 1], got {score[outside].ravel()[0]:g}; scale it first")
    return score


def log_odds(score: np.ndarray) -> np.ndarray:
    """ln(p/(1 − p)) of scores kept EDGE from 0 and 1."""
    return np.asarray(logit(np.clip(score, EDGE, 1 - EDGE)))


def _isotonic(s: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct scores and the rising shares of right samples there."""
    from sklearn.isotonic import isotonic_regression

    knots, place, count = np.unique(s, return_inverse=True, return_counts=True)
    rate = np.bincount(place, y) / count
    return knots, np.clip(isotonic_regression(rate, sample_weight=count.astype(float)), 0.0, 1.0)


def _loss(x: np.ndarray, target: np.ndarray) -> float:
    """Mean cross-entropy, nats, of targets in [0, 1] under log-odds x."""
    return -float(np.mean(target * x + log_expit(-x)))  # log σ(x) = x + log σ(−x)


def _targets(y: np.ndarray, right: float, wrong: float) -> np.ndarray:
    """Platt's: (right + 1)/(right + 2) for 1, 1/(wrong + 2) for 0."""
    return np.where(y == 1, (right + 1) / (right + 2), 1 / (wrong + 2))


def _platt(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the greatest likelihood of the smoothed targets."""
    target = _targets(y, y.sum(), len(y) - y.sum())
    start = float(logit(target.mean()))
    centre, width = float(x.mean()), float(x.std())
    if not width > 1e-9:
        return 1.0, start - centre
    slope, offset = _newton((x - centre) / width, target, np.array([0.0, start]))
    return slope / width, offset - slope * centre / width


def _newton(z: np.ndarray, target: np.ndarray, at: np.ndarray) -> tuple[float, float]:
    """Least cross-entropy of slope · z + offset, convex; steps are halved until the loss falls (Lin et al., algorithm 1)."""
    design = np.stack([z, np.ones_like(z)])
    for _ in range(100):
        p = expit(at @ design)
        gradient = design @ (p - target) / len(z)
        if np.abs(gradient).max() < 1e-12:
            break
        curve = (design * (p * (1 - p))) @ design.T / len(z) + 1e-12 * np.eye(2)
        step, share, before = np.linalg.solve(curve, gradient), 1.0, _loss(at @ design, target)
        while share > 1e-10 and _loss((at - share * step) @ design, target) > before - 1e-4 * share * gradient @ step:
            share /= 2
        if share <= 1e-10:
            break
        at = at - share * step
    return float(at[0]), float(at[1])


def _temperature(x: np.ndarray, y: np.ndarray) -> float:
    """T of the greatest likelihood; the loss is convex in 1/T, so it has one valley in log T."""
    if y.min() == y.max() or not np.abs(x).max() > 1e-12:
        return 1.0
    end = float(np.log(HOTTEST))
    found = minimize_scalar(
        lambda u: _loss(x * np.exp(-u), y), bounds=(-end, end), method="bounded", options={"xatol": 1e-9}
    )
    ends = [(float(_loss(x * np.exp(-u), y)), u) for u in (-end, end, float(found.x))]
    return float(np.exp(min(ends)[1]))


__all__ = ["EDGE", "HOTTEST", "METHODS", "Recalibration", "log_odds", "recalibration"]
