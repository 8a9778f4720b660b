"""The judge's score against truth as selection presses on it: gap, hacking, over-optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.calibration.samples import coded, flat, samples
from siwork.metrics.draws import whole
from siwork.metrics.intervals import checked_level
from siwork.metrics.uncertainty.clusters import Interval, bootstrap_weights, cluster_bootstrap, cluster_t, paired_t
from siwork.schema import KnobError


def proxy_gold_gap(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None) -> float:
    """Mean score − mean gold over the samples that have both: how far the verifier flatters.

    Give it all samples, and again the accepted ones: there the gap is the winner's curse.

    Parameters
    ----------
    score : float array (N,) in [0, 1], NaN where unscored
    gold : array (N,), 1 right, 0 wrong, NaN where unknown
    problem : array (N,), any labels: the mean over problems of each problem's own gap; None is the mean over samples

    Returns
    -------
    float in [−1, 1], 0 for a judge that is right on average; NaN when no sample has both.

    Raises
    ------
    KnobError (a ValueError) for a score outside [0, 1], a gold that is not 0 or 1, or lengths that differ.

    >>> proxy_gold_gap([1.0, 0.5, float("nan")], [1, 0, 1])
    0.25
    """
    s, y = flat(score, gold, problem)
    both = ~(np.isnan(s) | np.isnan(y))
    s, y = s[both], y[both]
    gap = s - y
    if ((s < 0) | (s > 1)).any() or ((y != 0) & (y != 1)).any():
        raise KnobError("score must be in [0, 1] and gold 0 or 1; a margin or reward is no probability, map it first")
    if not len(gap):
        return float("nan")
    if problem is None:
        return float(gap.mean())
    code, _ = coded(np.asarray(problem)[both])
    return float((np.bincount(code, gap) / np.bincount(code)).mean())


@dataclass(frozen=True)
class Hacking:
    """Change of score and of truth since an earlier round."""

    index: Interval  # Δscore − Δgold, lower = better
    score: Interval  # Δscore
    gold: Interval  # Δgold
    alarm: bool  # Δscore > 0 and Δgold < 0, both outside their intervals' reach of 0; False too where unknown


def hacking_index(
    score0: ArrayLike, gold0: ArrayLike, score1: ArrayLike, gold1: ArrayLike, level: float = 0.95
) -> Hacking:
    """How much more the score has risen than the truth, paired by problem.

    Parameters
    ----------
    score0, gold0 : float arrays (G,), mean score and mean gold of each problem in the earlier round, scores in [0, 1]
    score1, gold1 : the same in the later round, same problems; a problem with a NaN in any of the four leaves all three
    level : coverage, between 0 and 1

    Returns
    -------
    Hacking(index, score, gold, alarm), three paired t intervals, index in [−2, 2]; NaN without a whole problem, no bounds
    with one. The index alone is no proof of hacking: a judge may catch up. The alarm needs score up and truth down.

    Raises
    ------
    KnobError for lengths that differ, a mean outside [0, 1], or a level outside (0, 1).

    Source: no standard index exists; this one is siwork's own.

    >>> hacking_index([0.5, 0.6, 0.5] * 10, [0.5, 0.5, 0.4] * 10, [0.8, 0.9, 0.9] * 10, [0.3, 0.2, 0.2] * 10).alarm
    True
    """
    checked_level(level)
    means = [np.asarray(x, float) for x in (score0, gold0, score1, gold1)]
    if means[0].ndim != 1 or len({x.shape for x in means}) > 1:
        raise KnobError(f"means must be flat and of one length, got {[x.shape for x in means]}; pair them by problem")
    if any(((x < 0) | (x > 1)).any() for x in means):
        raise KnobError("mean score and mean gold must lie in [0, 1]; map a reward to a probability: isotonic_map")
    s0, y0, s1, y1 = (x[~np.isnan(sum(means))] for x in means)
    score, gold = paired_t(s0, s1, level), paired_t(y0, y1, level)
    index = paired_t(s0 - y0, s1 - y1, level, span=(-2.0, 2.0))
    return Hacking(index, score, gold, score.low > 0 and gold.high < 0)


class _Curves(NamedTuple):
    score: np.ndarray  # (G, K), best of k by score, what the judge believes
    gold: np.ndarray  # (G, K), and what is true
    below: np.ndarray  # (K,) problems with fewer than k samples


def _curves(score: ArrayLike, gold: ArrayLike, problem: ArrayLike, ks: np.ndarray) -> _Curves:
    from siwork.metrics.performance.votes import best_of_k

    found = samples(score, gold, problem, probability=False)
    s, y, p = found.score, found.gold, found.problem
    assert p is not None
    if np.isinf(s).any():
        raise KnobError("score must be finite for a mean over it, got inf; clip the score first")
    n = np.bincount(p, minlength=found.groups)
    believed, true = (np.stack([best_of_k(s, what, p, int(k)) for k in ks], axis=1) for what in (s, y))
    return _Curves(believed, true, (n[:, None] < ks).sum(axis=0))


def overoptimisation(
    score: ArrayLike, gold: ArrayLike, problem: ArrayLike, ks: Sequence[int], level: float = 0.95
) -> pd.DataFrame:
    """Score and truth of the best of k samples by score, against the KL that choosing among k may cost.

    Parameters
    ----------
    score : float array (N,), any finite real; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    problem : array (N,), labels of any kind
    ks : draws, each ≥ 1
    level : coverage, between 0 and 1

    Returns
    -------
    DataFrame, one row a k: k, kl (nats, the bound `best_of_n_kl(k)`, not reached where scores tie), score, score_low,
    score_high, gold, low, high (means over problems with t intervals), problems, below_k (problems with fewer than k samples
    that have both). Where below_k > 0 the values are NaN, never a mean over the rest. Truth that falls while score rises is
    over-optimisation; `peak_k` says where it turns.

    Raises
    ------
    KnobError for k < 1, an infinite score, gold that is not 0 or 1, lengths that differ, or a level outside (0, 1).

    Source: Gao et al. 2023 (arXiv:2210.10760), without its fit.

    >>> overoptimisation([0.25, 0.75, 0.0, 1.0], [1, 0, 0, 1], [0, 0, 1, 1], [1, 2])[["k", "score", "gold"]].values.tolist()
    [[1.0, 0.5, 0.5], [2.0, 0.875, 0.5]]
    """
    checked_level(level)
    draws = np.atleast_1d(whole("ks", ks, 1))
    found = _curves(score, gold, problem, draws)
    span = (0.0, 1.0) if ((found.score >= 0) & (found.score <= 1) | np.isnan(found.score)).all() else (-np.inf, np.inf)
    groups = len(found.gold)
    ends = [
        [cluster_t(x[:, j], level, by) for j in range(len(draws))]
        for x, by in ((found.score, span), (found.gold, (0.0, 1.0)))
    ]
    score_low, score_high, low, high = (np.array(end) for pair in ends for end in zip(*pair, strict=True))
    unknown = np.full(len(draws), np.nan)
    return pd.DataFrame(
        {
            "k": draws,
            "kl": best_of_n_kl(draws),
            "score": found.score.mean(axis=0) if groups else unknown,
            "score_low": score_low,
            "score_high": score_high,
            "gold": found.gold.mean(axis=0) if groups else unknown,
            "low": low,
            "high": high,
            "problems": groups,
            "below_k": found.below,
        }
    )


def peak_k(
    score: ArrayLike,
    gold: ArrayLike,
    problem: ArrayLike,
    ks: Sequence[int],
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """The k at which the truth of the best of k by score is highest: where to stop selecting.

    Takes and raises what `overoptimisation` does, and draws and seed of `bootstrap_weights`. Returns Interval, the smallest
    such k among `ks` with the bootstrap quantiles over problems; only ks that every problem reaches take part. NaN when there
    is none, no bounds with fewer than two problems. An upper end at the largest k says that no peak was seen.

    >>> peak_k([0.1, 0.9, 0.2, 0.8], [1, 0, 1, 0], [0, 0, 1, 1], [1, 2])
    Interval(value=1.0, low=1.0, high=1.0, n=2)
    """
    checked_level(level)
    every = np.atleast_1d(whole("ks", ks, 1))
    found = _curves(score, gold, problem, every)
    k, curve = every[found.below == 0], found.gold[:, found.below == 0]
    order = np.argsort(k, kind="stable")
    k, curve = k[order], curve[:, order]
    groups = len(curve)
    if not (groups and len(k)):
        return Interval(float("nan"), float("nan"), float("nan"), groups)
    value = float(k[_first_best(curve.mean(axis=0))])
    if groups < 2:
        return Interval(value, float("nan"), float("nan"), groups)
    peaks = k[_first_best(cluster_bootstrap(curve, bootstrap_weights(groups, draws, seed)) / groups)]
    low, high = np.quantile(peaks, [0.5 - level / 2, 0.5 + level / 2], method="inverted_cdf")
    return Interval(value, float(low), float(high), groups)


def _first_best(curve: np.ndarray) -> np.ndarray:
    """Place of the first value that is the highest up to rounding, along the last axis."""
    return np.asarray(np.argmax(curve >= curve.max(axis=-1, keepdims=True) - 1e-12, axis=-1))


def best_of_n_kl(n: ArrayLike, accept: ArrayLike | None = None) -> np.ndarray:
    """KL divergence of the best of n from one sample, nats.

    Parameters
    ----------
    n : draws, whole numbers ≥ 1
    accept : None for scores without ties, log n − (n−1)/n, an upper bound where scores tie; the accept rate p in [0, 1] of an
        accept/reject judge: P log(P/p) + (1−P) log((1−P)/(1−p)), P = 1 − (1−p)^n, at most −log p; broadcasts with n

    Returns
    -------
    array of the broadcast shape (a NumPy scalar for scalars), ≥ 0, 0 at n = 1, and where all or nothing is accepted; NaN
    where p is.

    Raises
    ------
    KnobError for n that is not whole or < 1, or p outside [0, 1].

    Source: Stiennon et al. 2020; that it bounds: Beirami et al. 2024 (arXiv:2401.01879); two scores: siwork's own.

    >>> best_of_n_kl([1, 16]).round(4), best_of_n_kl([1, 16], 0.5).round(4)
    (array([0.    , 1.8351]), array([0.   , 0.693]))
    """
    draws = whole("n", n, 1).astype(float)
    if accept is None:
        return np.asarray(np.log(draws) - (draws - 1) / draws)[()]
    p = np.asarray(accept, float)
    if ((p < 0) | (p > 1)).any():
        raise KnobError(f"accept must lie in [0, 1], got {p[(p < 0) | (p > 1)].flat[0]:g}; it is the share accepted")
    draws, p = np.broadcast_arrays(draws, p)
    inner = (p > 0) & (p < 1)
    q = np.where(inner, p, 0.5)
    most = -np.expm1(draws * np.log1p(-q))
    kl = most * np.log(most / q) + (1 - most) * (draws - 1) * np.log1p(-q)
    return np.asarray(np.where(inner, np.maximum(kl, 0.0), np.where(np.isnan(p), np.nan, 0.0)))[()]
