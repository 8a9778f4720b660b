"""Proper scores: Brier with its exact decomposition, and log loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.calibration.bins import bin_codes, bin_sums
from siwork.metrics.calibration.samples import samples

_LEAST = float(np.finfo(float).eps)  # scores are clipped to [eps, 1 − eps], as scikit-learn does for float64


def brier(score: ArrayLike, gold: ArrayLike) -> float:
    """Mean squared difference of score and truth, strictly proper.

    Parameters
    ----------
    score : float array (N,) in [0, 1]; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves

    Returns
    -------
    float in [0, 1], lower = better; NaN when no sample has both. It moves with the solve rate by itself: between rounds
    compare `brier_decomposition`.

    Raises
    ------
    KnobError for a score outside [0, 1], gold that is not 0 or 1, or lengths that differ.

    Source: Brier 1950.

    >>> brier([0.5, 1.0], [1, 1])
    0.125
    """
    found = samples(score, gold)
    return float(np.mean((found.score - found.gold) ** 2)) if len(found.score) else float("nan")


def log_loss(score: ArrayLike, gold: ArrayLike) -> float:
    """Mean −log of the probability given to the truth, nats, strictly proper.

    Takes and raises what `brier` does. Returns float ≥ 0, lower = better; NaN when no sample has both. Scores are clipped
    to [2.2e-16, 1 − 2.2e-16], so one confident error costs 36 nats: give `confident_errors` beside it.

    >>> round(log_loss([0.5, 0.25], [1, 0]), 4)
    0.4904
    """
    found = samples(score, gold)
    if not len(found.score):
        return float("nan")
    p = np.clip(found.score, _LEAST, 1.0 - _LEAST)
    return float(-np.mean(np.log(np.where(found.gold == 1, p, 1.0 - p))))


def confident_errors(score: ArrayLike, gold: ArrayLike) -> float:
    """Share of samples with score 0 or 1 and wrong about it; each adds 36 nats to the sum behind `log_loss`.

    Takes and raises what `brier` does. Returns float in [0, 1], lower = better; NaN when no sample has both.

    >>> confident_errors([0.0, 1.0, 1.0, 0.5], [1, 1, 0, 1])
    0.5
    """
    found = samples(score, gold)
    return float(np.mean(np.abs(found.score - found.gold) == 1)) if len(found.score) else float("nan")


class Brier(NamedTuple):
    """brier = reliability − resolution + uncertainty + within_variance − within_covariance, exactly."""

    brier: float
    reliability: float  # Σ n_b (s̄_b − ō_b)²/N, lower = better
    resolution: float  # Σ n_b (ō_b − ȳ)²/N, higher = better
    uncertainty: float  # ȳ(1 − ȳ), of the problems, not of the judge
    within_variance: float  # mean (s − s̄_b)², 0 with one bin a value
    within_covariance: float  # 2 mean (s − s̄_b)(y − ō_b), 0 with one bin a value
    skill: float  # 1 − brier/uncertainty, 0 for a constant at the base rate, ≤ 1, higher = better


def brier_decomposition(
    score: ArrayLike,
    gold: ArrayLike,
    bins: int = 10,
    by: str = "auto",
    corrected: bool = False,
    edges: ArrayLike | None = None,
) -> Brier:
    """The Brier score split into what the judge says wrong, what it knows, and how open the question was.

    Parameters
    ----------
    score : float array (N,) in [0, 1]; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    bins, by, edges : the bins, as in `binned`
    corrected : takes the bias of small bins away: Σ n_b ō(1−ō)/(n_b−1)/N off reliability and resolution, ȳ(1−ȳ)/(N−1) onto
        resolution and uncertainty (bins of one sample have no correction); samples count as independent

    Returns
    -------
    Brier, seven floats whose identity holds corrected or not. All NaN when no sample has both; corrected with fewer than
    two samples all but `brier`; skill NaN when all samples are right, or all wrong.

    Raises
    ------
    KnobError for a score outside [0, 1], gold that is not 0 or 1, lengths that differ, or bad bins.

    Source: Murphy 1973; within-bin terms Stephenson et al. 2008; correction Ferro & Fricker 2012.

    >>> found = brier_decomposition([0.2, 0.2, 0.9, 0.9], [0, 1, 1, 1])
    >>> [round(x, 4) for x in found]
    [0.175, 0.05, 0.0625, 0.1875, 0.0, 0.0, 0.0667]
    """
    found = samples(score, gold)
    total = len(found.score)
    if not total:
        return Brier(*[float("nan")] * 7)
    whole = float(np.mean((found.score - found.gold) ** 2))
    if corrected and total < 2:
        return Brier(whole, *[float("nan")] * 6)
    codes = bin_codes(found.score, bins, by, edges)
    sums = bin_sums(found, codes)
    said, right, rate = sums.score / sums.size, sums.gold / sums.size, float(found.gold.mean())
    place = codes if len(sums.bin) == codes.max() + 1 else np.searchsorted(sums.bin, codes)
    off = found.score - said[place]
    reliability = float((sums.size * (said - right) ** 2).sum() / total)
    resolution = float((sums.size * (right - rate) ** 2).sum() / total)
    uncertainty = rate * (1 - rate)
    if corrected:
        bias = float((sums.size * right * (1 - right) / np.maximum(sums.size - 1, 1)).sum() / total)
        more = uncertainty / (total - 1)
        reliability, resolution, uncertainty = reliability - bias, resolution - bias + more, uncertainty + more
    return Brier(
        whole,
        reliability,
        resolution,
        uncertainty,
        float(np.mean(off**2)),
        float(2 * np.mean(off * (found.gold - right[place]))),
        1 - whole / uncertainty if uncertainty > 0 else float("nan"),
    )
