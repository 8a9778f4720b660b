"""Intervals: the cluster is the problem, because samples of one problem are not independent.

`cluster_t` serves means of per-problem values, `influence_se` smooth functionals, `cluster_bootstrap` ratios of sums and
whatever else is made of sums over problems, `wilson` independent 0/1 units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.intervals import UNBOUNDED, checked_level, grouped_change, grouped_mean, wilson
from siwork.schema import KnobError

__all__ = [
    "Interval",
    "bootstrap_weights",
    "cluster_bootstrap",
    "cluster_se",
    "cluster_t",
    "influence_se",
    "paired_t",
    "wilson",
]

_POISSON = 5000  # problems above which bootstrap weights are Poisson
_CELLS = 1 << 16  # weights made or summed at a time: 512 KB, which stays in cache


class Interval(NamedTuple):
    """An estimate with its interval; low and high are NaN where there is none."""

    value: float
    low: float
    high: float
    n: int  # independent units behind the value


def influence_se(influence: ArrayLike, problem: ArrayLike) -> float:
    """Cluster standard error of a smooth functional from its influence values, one a sample.

    `SE² = G/(G−1) · Σ_g (Σ_{i∈g} u_i)² / N²`.

    Parameters
    ----------
    influence : float array (N,), influence u_i of each sample, mean 0
    problem : array (N,), any labels

    Returns
    -------
    float ≥ 0; NaN with fewer than two problems.

    Raises
    ------
    KnobError when the lengths differ.

    >>> influence_se([0.5, 0.5, -0.5, -0.5], ["a", "a", "b", "b"])
    0.5
    """
    u, labels = np.asarray(influence, float), np.asarray(problem)
    if u.ndim != 1 or u.shape != labels.shape:
        raise KnobError(f"values and problem must be flat and of one length, got {u.shape} and {labels.shape}")
    names, code = np.unique(labels, return_inverse=True)
    groups = len(names)
    if groups < 2:
        return float("nan")
    return float(np.sqrt(groups / (groups - 1) * np.sum(np.bincount(code, u) ** 2)) / len(u))


def cluster_se(value: ArrayLike, problem: ArrayLike, correction: bool = True) -> float:
    """Standard error of the mean over samples, samples of one problem being dependent.

    `sqrt(Σ_g (Σ_{i∈g} x_i − x̄)²) / N`, with the small-sample factor sqrt(G/(G−1)) (CR1) unless correction is False.

    Parameters
    ----------
    value : float array (N,)
    problem : array (N,), any labels
    correction : whether to apply the factor

    Returns
    -------
    float ≥ 0; NaN with fewer than two problems. With equal samples a problem it is sd(problem means)/√G.

    Raises
    ------
    KnobError when the lengths differ.

    Source: Miller 2024 (arXiv:2411.00640).

    >>> cluster_se([0, 0, 1, 1], ["a", "a", "b", "b"])
    0.5
    """
    x = np.asarray(value, float)
    se = influence_se(x - x.mean() if x.size else x, problem)
    groups = len(np.unique(np.asarray(problem)))
    return se if correction else se * float(np.sqrt((groups - 1) / max(groups, 1)))


def cluster_t(values: ArrayLike, level: float = 0.95, span: tuple[float, float] = (0.0, 1.0)) -> tuple[float, float]:
    """Interval of the mean of per-problem values, in the form that covers what it promises.

    Within the span: Wilson's interval with the effective number of units x̄(1−x̄)/SE², SE = sd/√G, and Student's quantile
    (Wilson's own where every value is 0 or 1). Outside it: x̄ ± t_{G−1} · SE for values of both signs, as in `paired_t`,
    widened by the skewness for others.

    Parameters
    ----------
    values : float array (G,), one a problem; a NaN makes the interval unknown
    level : coverage, between 0 and 1
    span : least and greatest possible value; where all values are equal the interval is Wilson's bound on the share of
        problems that could lie at either end

    Returns
    -------
    low, high : floats; NaN with fewer than 5 problems, when the mean is worth less than 30 coin flips, when too few
    problems differ from the rest (skewness of the mean above 1/4; 0.15 for values of one sign outside the span), or for
    equal values outside the span.

    Raises
    ------
    KnobError for a level outside (0, 1).

    Source: Wilson 1927; effective size, Korn and Graubard 1998; which intervals are given: `data/intervals/coverage.csv`.

    >>> low, high = cluster_t(np.linspace(0, 1, 21))
    >>> round(low, 3), round(high, 3)
    (0.365, 0.635)
    >>> round(cluster_t([1.0] * 5)[0], 4)
    0.5655
    """
    x = np.asarray(values, float).ravel()
    if np.isnan(x).any():
        checked_level(level)
        return float("nan"), float("nan")
    least, most = (float(x.min()), float(x.max())) if x.size else (np.nan, np.nan)
    one = np.zeros(len(x), np.int64)
    if least == most or (span[0] <= least and most <= span[1]):
        found = grouped_mean(x, one, 1, level, span)
    else:
        found = (grouped_change if least < 0 < most else grouped_mean)(x, one, 1, level, UNBOUNDED)
    return float(found.low[0]), float(found.high[0])


def paired_t(x: ArrayLike, y: ArrayLike, level: float = 0.95, span: tuple[float, float] = (-1.0, 1.0)) -> Interval:
    """Mean of y − x over problems with its interval: the same problems in two rounds.

    Never compare two separate intervals by their overlap; pairing is worth many times the problems.

    Parameters
    ----------
    x, y : float arrays (G,), per-problem values of the earlier and the later round; a NaN in either leaves
    level : coverage, between 0 and 1
    span : least and greatest possible difference

    Returns
    -------
    Interval(value, low, high, n), n the pairs; all NaN without pairs. x̄ ± t_{G−1} · sd/√G where most problems changed, other
    forms where few did or all one way (`grouped_change`, which also says why there is none). No interval for fewer than
    5 pairs or when too few problems differ. A rare large change that no pair of the sample shows is in no interval.

    Raises
    ------
    KnobError when the lengths differ, or for a level outside (0, 1).

    >>> paired_t([0.0, 0.5, 0.5], [0.5, 0.5, 1.0]).value.__round__(4)
    0.3333
    """
    a, b = np.asarray(x, float), np.asarray(y, float)
    if a.ndim != 1 or a.shape != b.shape:
        raise KnobError(f"x and y must be flat and of one length, got {a.shape} and {b.shape}; pair them by problem")
    change = (b - a)[~np.isnan(b - a)]
    found = grouped_change(change, np.zeros(len(change), np.int64), 1, level, span)
    return Interval(float(found.value[0]), float(found.low[0]), float(found.high[0]), len(change))


def bootstrap_weights(problems: int, draws: int = 1000, seed: int = 0, tag: int = 0) -> np.ndarray:
    """How often each problem is drawn in each bootstrap resample; the same weights serve every round and metric.

    Parameters
    ----------
    problems : number of problems G
    draws : number of resamples B
    seed, tag : the generator is `default_rng([seed, tag])`

    Returns
    -------
    array (B, G) of whole numbers: multinomial, Poisson(1) above 5000 problems; NaN with fewer than two problems.

    Raises
    ------
    KnobError for negative problems or draws < 1.

    >>> bootstrap_weights(4, draws=2).sum(axis=1)
    array([4, 4], dtype=uint64)
    """
    if problems < 0 or draws < 1:
        raise KnobError(f"problems must be ≥ 0 and draws ≥ 1, got {problems} and {draws}")
    if problems < 2:
        return np.full((draws, problems), np.nan)
    rng = np.random.default_rng([seed, tag])
    out = np.empty((draws, problems), np.uint16)
    step = max(1, _CELLS // problems)
    for i in range(0, draws, step):
        part = out[i : i + step]
        part[:] = rng.poisson(1.0, part.shape) if problems > _POISSON else _multinomial(rng, *part.shape)
    return out


def _multinomial(rng: np.random.Generator, draws: int, problems: int) -> np.ndarray:
    drawn = rng.integers(problems, size=(draws, problems))
    drawn += problems * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * problems).reshape(draws, problems)


def cluster_bootstrap(sums: ArrayLike, weights: np.ndarray) -> np.ndarray:
    """Resampled totals of per-problem sums; ratios and differences are formed afterwards.

    Parameters
    ----------
    sums : float array (G, m), m sufficient statistics of each problem
    weights : array (B, G) of `bootstrap_weights`, shared by all rounds and metrics

    Returns
    -------
    array (B, m), each resample scaled to G problems; NaN with fewer than two problems.

    Raises
    ------
    KnobError when weights do not fit the problems.

    >>> totals = cluster_bootstrap([[1.0, 4.0], [3.0, 4.0]], bootstrap_weights(2))
    >>> np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
    array([0.25, 0.75])
    """
    x = np.asarray(sums, float)
    if x.ndim != 2 or weights.ndim != 2 or weights.shape[1] != len(x):
        raise KnobError(f"weights must be (draws, problems) for sums (problems, m), got {weights.shape} and {x.shape}")
    x = np.column_stack([x, np.ones(len(x))])  # the last total is the number of problems drawn
    cells = min(max(64 * len(x), _CELLS), 1 << 24)  # 64 resamples make good use of x; the float copy stays below 128 MB
    block = max(1, cells // max(len(x), 1))
    totals = np.concatenate([weights[i : i + block].astype(float) @ x for i in range(0, len(weights), block)])
    return totals[:, :-1] * (len(x) / np.maximum(totals[:, -1:], 1.0))
