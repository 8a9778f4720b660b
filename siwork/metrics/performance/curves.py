"""Performance over all problems at once: how many are solved how often, and where two rounds' pass@k curves cross."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import betainc, betaln, digamma, gammaln

from siwork.metrics.draws import counted, none_drawn, whole
from siwork.metrics.intervals import checked_level
from siwork.metrics.performance.rates import pass_at_k, pass_hat_k
from siwork.metrics.uncertainty.clusters import bootstrap_weights, cluster_bootstrap
from siwork.schema import KnobError, nearest

_EQUAL = 1e-12  # pass@k curves nearer than this are equal; rounding alone differs by 1e-16


def _sampled(n: ArrayLike, c: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The counts of the problems with a sample, flat; the others leave."""
    samples, right = (np.atleast_1d(x).ravel() for x in counted(n, c))
    return samples[samples > 0], right[samples > 0]


def cover_at(n: ArrayLike, c: ArrayLike, tau: float, method: str = "plug_in") -> float:
    """Share of problems whose true solve rate is at least tau (Cover@τ).

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n
    tau : solve rate in [0, 1]
    method : "plug_in" is the share with c/n ≥ tau, biased by some points either way, so only for equal n; "beta" is the
        mean of P(Beta(α + c, β + n − c) ≥ tau) with (α, β) of `beta_fit`

    Returns
    -------
    float in [0, 1], higher is better; NaN without samples, and for "beta" where `beta_fit` is NaN. Problems with n = 0
    leave.

    Raises
    ------
    KnobError for counts that are not whole, negative, c > n, tau outside [0, 1] or an unknown method.

    Source: Cover@τ (arXiv:2510.08325). pass@k = ∫ k(1−τ)^(k−1) Cover@τ dτ, so pass@k at large k is Cover near 0.

    >>> cover_at(4, [0, 1, 2, 4], 0.5)
    0.5
    """
    if not 0 <= tau <= 1:
        raise KnobError(f"tau is a solve rate and must lie in [0, 1], got {tau!r}")
    if method not in ("plug_in", "beta"):
        raise KnobError(f"method must be plug_in or beta, got {method!r}; {nearest(method, ['plug_in', 'beta'])}")
    samples, right = _sampled(n, c)
    if not len(samples):
        return float("nan")
    if method == "plug_in":
        return float(np.mean(right / samples >= tau))
    alpha, beta = beta_fit(samples, right)
    if np.isnan(alpha):
        return float("nan")
    samples, right, weight = _patterns(samples, right)
    above = 1.0 - betainc(alpha + right, beta + samples - right, tau)
    return float(np.average(above, weights=weight))


def _patterns(samples: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (n, c) and how many problems have each."""
    base = int(samples.max(initial=0)) + 1
    keys, weight = np.unique(samples * base + right, return_counts=True)
    return keys // base, keys % base, weight


def beta_fit(n: ArrayLike, c: ArrayLike) -> tuple[float, float]:
    """Beta distribution (α, β) of the true solve rates, by beta-binomial maximum likelihood.

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n; problems with n = 0 leave

    Returns
    -------
    alpha, beta : floats > 0. Both NaN where the likelihood has no maximum inside: the counts spread no more than
    binomial ones with a common rate (Tarone's statistic ≤ 0; all n = 1 too), all samples are right or all wrong, or
    every problem is either all right or all wrong.

    Raises
    ------
    KnobError for counts that are not whole, negative, or c > n.

    Source: Skellam 1948; Tarone 1979 for the spread at the edge.

    >>> alpha, beta = beta_fit(8, [0, 1, 3, 4, 7, 8])
    >>> round(alpha, 2), round(beta, 2)
    (0.57, 0.6)
    """
    from scipy.optimize import minimize  # slow to load, and rarely needed

    samples, right, weight = _patterns(*_sampled(n, c))
    wrong = samples - right
    if not ((right > 0) & (wrong > 0)).any():
        return float("nan"), float("nan")
    mean = float(weight @ right / (weight @ samples))
    # slope of the log likelihood in 1/(α + β) at 0, and its largest value, for the start
    pairs = float(weight @ (samples * (samples - 1)))
    spread = float(weight @ (right * (right - 1) / mean + wrong * (wrong - 1) / (1 - mean))) - pairs
    if spread <= 1e-12 * pairs:
        return float("nan"), float("nan")
    size = max(pairs / spread - 1.0, 0.1)

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        a, b = np.exp(logs)
        value = betaln(a + right, b + wrong) - betaln(a, b)
        both = digamma(a + b + samples) - digamma(a + b)
        slope_a, slope_b = digamma(a + right) - digamma(a) - both, digamma(b + wrong) - digamma(b) - both
        mass = weight / weight.sum()
        return -float(mass @ value), -np.array([a * (mass @ slope_a), b * (mass @ slope_b)])

    start = np.log([size * mean, size * (1 - mean)])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-20, 20)] * 2, options={"ftol": 1e-15, "gtol": 1e-10}
    )
    alpha, beta = np.exp(found.x)
    return float(alpha), float(beta)


def solve_rate_variance(n: ArrayLike, c: ArrayLike) -> float:
    """Variance over problems of the true solve rates: Var(c/n) − mean of c(n−c)/(n²(n−1)), free of sampling noise.

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n; problems with n < 2 leave

    Returns
    -------
    float ≤ ¼·G/(G−1), unbiased, so it can fall below 0 where rates hardly differ; NaN with fewer than two problems.
    Near p(1−p), p the mean rate, problems are polarised: all right or all wrong.

    Raises
    ------
    KnobError for counts that are not whole, negative, or c > n.

    >>> round(solve_rate_variance(4, [0, 2, 4]), 4)
    0.2222
    """
    samples, right = _sampled(n, c)
    samples, right = samples[samples > 1].astype(float), right[samples > 1]
    if len(samples) < 2:
        return float("nan")
    noise = right * (samples - right) / (samples**2 * (samples - 1))
    return float(np.var(right / samples, ddof=1) - noise.mean())


def pass_at_least(n: ArrayLike, c: ArrayLike, k: ArrayLike, s: ArrayLike) -> np.ndarray:
    """Probability that at least s of k samples, drawn without replacement, are right.

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n
    k : draws, one number or (G,), ≥ 1
    s : right ones asked for, 1 ≤ s ≤ k; s = 1 is pass@k, s = k is pass^k

    Returns
    -------
    array (G,) in [0, 1], higher is better, non-increasing in s; NaN where k > n. Unbiased for the same probability of k
    fresh samples.

    Raises
    ------
    KnobError for values that are not whole, negative, c > n, k < 1 or s outside 1..k.

    >>> pass_at_least(4, [0, 2, 4], 3, 2)
    array([0. , 0.5, 1. ])
    """
    samples, right, k, s = np.broadcast_arrays(*counted(n, c), whole("k", k, 1), whole("s", s, 1))
    if (s > k).any():
        raise KnobError(f"s counts right samples among k, got s={s[s > k].flat[0]} of k={k[s > k].flat[0]}")
    out = np.asarray(np.where(s == 1, pass_at_k(samples, right, k), pass_hat_k(samples, right, k)))
    between = (s > 1) & (s < k) & (k <= samples)
    out[between] = _at_least(*(x[between] for x in (samples, right, k, s)))
    return out[()]


def _at_least(n: np.ndarray, c: np.ndarray, k: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Upper tail of the hypergeometric law, summed once for each distinct (n, c, k, s)."""
    place = np.zeros(len(n), np.int64)
    for x in (n, c, k, s):
        place = pd.factorize(place * (x.max(initial=0) + 1) + x)[0]
    first = np.zeros(place.max(initial=-1) + 1, np.int64)
    first[place] = np.arange(len(place))
    n, c, k, s = n[first], c[first], k[first], s[first]
    low = np.maximum(s, k - (n - c))
    terms = np.maximum(np.minimum(c, k) - low + 1, 0)
    key = np.repeat(np.arange(len(n)), terms)
    j = np.arange(len(key)) - np.repeat(np.cumsum(terms) - terms, terms) + low[key]
    log_p = _log_choose(c[key], j) + _log_choose((n - c)[key], k[key] - j) - _log_choose(n[key], k[key])
    tail = np.minimum(np.bincount(key, np.exp(log_p), len(n)), 1.0)
    return np.where(k - (n - c) >= s, 1.0, tail)[place]  # 1 where too few samples are wrong to fill the rest


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def _curve_change(n: ArrayLike, c_a: ArrayLike, c_b: ArrayLike) -> np.ndarray:
    """pass@k of the later round minus that of the earlier one, (problems with samples, least n), k = 1.. along it."""
    n, c_a, c_b = (np.atleast_1d(x).ravel() for x in np.broadcast_arrays(*counted(n, c_a), counted(n, c_b)[1]))
    live = n > 0
    n, c_a, c_b = n[live], c_a[live], c_b[live]
    base = int(n.max(initial=0)) + 1
    keys, place = np.unique(np.r_[n * base + c_a, n * base + c_b], return_inverse=True)
    k = np.arange(1, int(n.min(initial=base)) + 1 if len(n) else 1)
    curves = 1.0 - none_drawn((keys // base)[:, None], (keys % base)[:, None], k[None])
    return np.asarray(curves[place[len(n) :]] - curves[place[: len(n)]])


def _first_below(change: np.ndarray) -> np.ndarray:
    """First k = 1.. along the last axis at which the change is negative, inf where none is."""
    below = change < -_EQUAL
    return np.where(below.any(axis=-1), below.argmax(axis=-1) + 1.0, np.inf)


def crossover_k(n: ArrayLike, c_a: ArrayLike, c_b: ArrayLike) -> float:
    """Smallest k at which the later round's mean pass@k lies below the earlier round's.

    Parameters
    ----------
    n : int array (G,) or one number, samples of each problem in both rounds; problems with n = 0 leave
    c_a, c_b : int arrays (G,), right samples of the earlier and of the later round

    Returns
    -------
    float, a whole number in 1..least n, higher is better; NaN where the curves do not cross up to the least n ("not
    reached"), or without samples.

    Raises
    ------
    KnobError for counts that are not whole, negative, or c > n.

    Source: Yue et al. 2025 (arXiv:2504.13837).

    >>> crossover_k(4, [1, 1, 1], [4, 1, 0])
    3.0
    """
    change = _curve_change(n, c_a, c_b)
    if not change.size:
        return float("nan")
    first = float(_first_below(change.mean(axis=0)))
    return first if np.isfinite(first) else float("nan")


class Crossing(NamedTuple):
    """Where two pass@k curves cross, with its interval; an end of inf lies beyond the least n."""

    k: float  # NaN where not reached
    low: float
    high: float
    reached: float  # share of resamples with a crossing


def crossover_interval(
    n: ArrayLike, c_a: ArrayLike, c_b: ArrayLike, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Crossing:
    """`crossover_k` with a percentile interval from resampled problems, both rounds by the same weights.

    Parameters
    ----------
    n, c_a, c_b : as in `crossover_k`
    level : coverage, between 0 and 1
    draws, seed : resamples and their seed (`bootstrap_weights`)

    Returns
    -------
    Crossing(k, low, high, reached). A resample without a crossing counts as k = inf (censored at the least n), so an end
    of the interval may be inf; read it with `reached` in [0, 1]. With fewer than two problems all but k are NaN.

    Raises
    ------
    KnobError as `crossover_k`, for a level outside (0, 1) or draws < 1.

    >>> crossover_interval(4, [1, 1, 1, 1], [4, 1, 0, 0], draws=200)
    Crossing(k=2.0, low=1.0, high=inf, reached=0.935)
    """
    checked_level(level)
    change = _curve_change(n, c_a, c_b)
    weights = bootstrap_weights(len(change), draws, seed)
    if len(change) < 2:
        return Crossing(crossover_k(n, c_a, c_b), *[float("nan")] * 3)
    first = _first_below(cluster_bootstrap(change, weights) / len(change))
    low, high = np.quantile(first, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Crossing(crossover_k(n, c_a, c_b), float(low), float(high), float(np.isfinite(first).mean()))
