"""Tail narrowing: head against tail, and how the accepted samples concentrate on few problems.

Every value depends on how many samples were accepted: compare rounds at equal numbers, or by `rarefied_coverage`, and
inequality beside its floor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from siwork.metrics.draws import counted, none_drawn, whole
from siwork.metrics.intervals import divide
from siwork.metrics.tail.bands import _by_band, _weights, gini
from siwork.schema import HEAD, TAIL, KnobError

_PAIRS = 3000  # sum of the distinct tries up to which the floor is exact
_ROUNDS = 200  # simulated rounds beyond


def _ends(weight: ArrayLike, band: ArrayLike) -> tuple[float, float, int, int]:
    """Weight in the head and in the tail, entries in the head and in the tail."""
    sums, entries = _by_band(weight, band)
    head, tail = list(HEAD), list(TAIL)
    return float(sums[head].sum()), float(sums[tail].sum()), int(entries[head].sum()), int(entries[tail].sum())


def head_tail_ratio(weight: ArrayLike, band: ArrayLike) -> float:
    """Weight in the head (bands 3, 4) per weight in the tail (bands 0, 1), the Matthew ratio.

    Parameters
    ----------
    weight : float array (G,) or (N,), ≥ 0: weight of each problem, or of each row
    band : array of the same length, 0..4, NaN where unknown (such entries are left out)

    Returns
    -------
    float ≥ 0, lower serves the tail better; inf where only the tail is 0, NaN where both are.

    Raises
    ------
    KnobError for negative or unknown weights, or a band that is none.

    >>> head_tail_ratio([1, 1, 4, 4], [0, 1, 3, 4])
    4.0
    """
    head, tail, _, _ = _ends(weight, band)
    if tail > 0:
        return head / tail
    return float("inf") if head > 0 else float("nan")


def log_head_tail(weight: ArrayLike, band: ArrayLike) -> float:
    """log((H + ½)/(T + ½)), the ratio that can be plotted: finite always, 0 where head and tail weigh the same.

    Takes and raises what `head_tail_ratio` does. Nats; weights should be counts of samples, for which ½ is small.

    >>> log_head_tail([0, 0], [0, 4])
    0.0
    """
    head, tail, _, _ = _ends(weight, band)
    return float(np.log((head + 0.5) / (tail + 0.5)))


def weighted_head_tail(weight: ArrayLike, band: ArrayLike) -> float:
    """Head against tail per problem: (H / problems in the head) / (T / problems in the tail); 1 is even.

    Parameters
    ----------
    weight : float array (G,), ≥ 0: weight of each *problem*, those with none included
    band : array (G,), 0..4, NaN where unknown (such problems are left out)

    Returns
    -------
    float ≥ 0, lower serves the tail better; NaN where the tail has no weight, or head or tail has no problem.

    Raises
    ------
    KnobError for negative or unknown weights, or a band that is none.

    >>> weighted_head_tail([1, 1, 4], [0, 1, 4])
    4.0
    """
    head, tail, in_head, in_tail = _ends(weight, band)
    return (head / in_head) / (tail / in_tail) if in_head and tail > 0 else float("nan")


def top_share(accepted: ArrayLike, share: float = 0.2) -> float:
    """Share of the accepted samples held by the ⌈share · G⌉ best served problems, zeros kept.

    Parameters
    ----------
    accepted : float array (G,), ≥ 0: accepted samples (or weight) of each problem
    share : of the problems, in (0, 1]

    Returns
    -------
    float in [share, 1], higher is more concentrated; NaN when nothing is accepted.

    Raises
    ------
    KnobError for negative or unknown values, or a share outside (0, 1].

    >>> top_share([1, 2, 3, 4, 5])
    0.3333333333333333
    """
    if not 0 < share <= 1:
        raise KnobError(f"share is a share of the problems and must lie in (0, 1], got {share!r}; 0.2 is usual")
    x = np.sort(_weights("accepted", accepted))[::-1]
    top = int(np.ceil(share * len(x) - 1e-9))  # 0.1 · 30 is a little over 3
    return float(x[:top].sum() / x.sum()) if x.sum() > 0 else float("nan")


def effective_problems(accepted: ArrayLike, order: int = 1) -> float:
    """Number of equally served problems that would be as concentrated, w the share of the accepted of each problem.

    Parameters
    ----------
    accepted : float array (G,), ≥ 0: accepted samples (or weight) of each problem
    order : 1 is exp(−Σ w log w), 2 is 1/Σ w², which listens more to the best served

    Returns
    -------
    float in [1, G], higher is broader; NaN when nothing is accepted.

    Raises
    ------
    KnobError for negative or unknown values, or another order.

    >>> effective_problems([5, 5, 0]), effective_problems([1, 2, 3], order=2).__round__(4)
    (2.0, 2.5714)
    """
    if order not in (1, 2):
        raise KnobError(f"order must be 1 (entropy) or 2 (inverse Simpson), got {order!r}")
    x = _weights("accepted", accepted)
    if not x.sum() > 0:
        return float("nan")
    w = x[x > 0] / x.sum()
    return float(np.exp(-(w @ np.log(w))) if order == 1 else 1.0 / (w @ w))


def kl_from_uniform(accepted: ArrayLike) -> float:
    """KL(w ‖ uniform) = log G − H(w), w the share of the accepted samples of each problem, zeros kept.

    Parameters
    ----------
    accepted : float array (G,), ≥ 0: accepted samples (or weight) of each problem

    Returns
    -------
    float in [0, log G], nats, lower is broader; NaN when nothing is accepted.

    Raises
    ------
    KnobError for negative or unknown values.

    >>> kl_from_uniform([0, 0, 0, 10]).__round__(4)
    1.3863
    """
    effective = effective_problems(accepted)
    return max(float(np.log(np.size(accepted) / effective)), 0.0) if np.isfinite(effective) else effective


def coverage_by_band(accepted: ArrayLike, band: ArrayLike) -> np.ndarray:
    """Share of the problems of each band with at least one accepted sample.

    Parameters
    ----------
    accepted : float array (G,), ≥ 0: accepted samples (or weight) of each problem
    band : array (G,), 0..4, NaN where unknown (such problems are left out)

    Returns
    -------
    array (5,) in [0, 1], higher is better; NaN for a band without problems.

    Raises
    ------
    KnobError for negative or unknown values, or a band that is none.

    >>> coverage_by_band([0, 2, 5], [0, 0, 4])
    array([0.5, nan, nan, nan, 1. ])
    """
    covered, problems = _by_band((_weights("accepted", accepted) > 0).astype(float), band)
    return divide(covered, problems)


def balance_score(u: ArrayLike, m: ArrayLike, target: float = 8) -> np.ndarray:
    """Balance of exploration and exploitation of a problem: min(u/target, 1) · u/m.

    Parameters
    ----------
    u : int array (G,), different right samples kept
    m : int array (G,), samples kept, u ≤ m
    target : right samples that are enough, > 0

    Returns
    -------
    array (G,) in [0, 1], higher is better; NaN where m = 0. Its reported value is the mean over the other problems.

    Raises
    ------
    KnobError for counts that are not whole, negative, u > m, or target ≤ 0.

    Source: Zeng et al. 2024, B-STaR (arXiv:2412.17256).

    >>> balance_score([8, 4, 0], [8, 8, 0])
    array([1.  , 0.25,  nan])
    """
    if not target > 0:
        raise KnobError(f"target must be > 0, got {target!r}; 8 is usual")
    kept, right = counted(m, u)
    return np.asarray(np.minimum(right / target, 1.0) * divide(right.astype(float), kept))[()]


def gini_floor(tries: ArrayLike, accepted: ArrayLike) -> float:
    """Gini that chance alone gives, on average, had every try the same probability of being accepted.

    Given how many were accepted in all, these fall on the tries at random, so two problems' counts are jointly
    hypergeometric and E[Gini] = Σ_{i,j} E|x_i − x_j| / (2 G Σ x) without any error of the mean.

    Parameters
    ----------
    tries : int array (G,), samples of each problem
    accepted : int array (G,), accepted samples of each problem, ≤ tries

    Returns
    -------
    float in [0, 1 − 1/G]; NaN when nothing is accepted. `gini(accepted)` minus this is the excess. Exact while the
    different numbers of tries sum to at most 3000, else the mean of 200 seeded rounds.

    Raises
    ------
    KnobError for counts that are not whole, negative, or more accepted than tried.

    >>> round(gini_floor([8] * 500, [4] * 500), 2), round(gini_floor([64] * 500, [32] * 500), 2)
    (0.2, 0.07)
    """
    tried, taken = (np.atleast_1d(x).ravel() for x in counted(tries, accepted))
    total = int(taken.sum())
    if total == 0:
        return float("nan")
    sizes, many = np.unique(tried, return_counts=True)
    if (sizes + 1).sum() > _PAIRS:
        rng = np.random.default_rng(0)
        rounds = (rng.multivariate_hypergeometric(tried, total, method="marginals") for _ in range(_ROUNDS))
        return float(np.mean([gini(x) for x in rounds]))
    apart = 0.0
    for i, a in enumerate(sizes):
        for j, b in enumerate(sizes[: i + 1]):
            pairs = many[i] * (many[i] - 1) / 2 if i == j else many[i] * many[j]
            apart += float(pairs) * _distance(int(a), int(b), int(tried.sum()), total) if pairs else 0.0
    return apart / (len(tried) * total)


def _distance(a: int, b: int, tries: int, taken: int) -> float:
    """E|x − y| of two problems with a and b of the tries, `taken` of all of them accepted at random."""
    x, y = np.arange(a + 1), np.arange(b + 1)
    both = np.arange(a + b + 1)
    rest = tries - a - b
    possible = (both <= taken) & (taken - both <= rest)
    log_p = np.full(len(both), -np.inf)
    log_p[possible] = _log_choose(rest, taken - both[possible])
    p = np.exp(_log_choose(a, x)[:, None] + _log_choose(b, y) + log_p[x[:, None] + y] - _log_choose(tries, taken))
    return float((np.abs(x[:, None] - y) * p).sum() / p.sum())


def _log_choose(n: int, k: np.ndarray | int) -> np.ndarray:
    return np.asarray(gammaln(n + 1.0) - gammaln(np.add(k, 1.0)) - gammaln(n - np.asarray(k) + 1.0))


def rarefied_coverage(accepted: ArrayLike, draws: int) -> float:
    """Expected share of problems with at least one of `draws` accepted samples, drawn from all without replacement.

    Parameters
    ----------
    accepted : int array (G,), accepted samples of each problem
    draws : accepted samples to draw, ≥ 1: the smallest number of any round compared

    Returns
    -------
    float in [0, 1], higher is better; NaN without problems or where draws exceed the accepted samples.

    Raises
    ------
    KnobError for counts that are not whole or negative, or draws < 1.

    >>> rarefied_coverage([2, 2, 0], 2).__round__(4)
    0.5556
    """
    x = whole("accepted", accepted).ravel()
    if not len(x):
        return float("nan")
    return float(np.mean(1.0 - none_drawn(np.full(len(x), x.sum()), x, draws)))
