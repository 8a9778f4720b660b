"""Since when: trend, looks after every round, CUSUM and one change point.

Trend first (`trend`), then onset. T rounds on the same problems; a round is named by its place 0..T−1. Values fall when
things get worse: negate a metric whose rise is the harm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from siwork.metrics.draws import whole
from siwork.metrics.intervals import checked_level
from siwork.metrics.uncertainty.clusters import Interval, cluster_t
from siwork.schema import KnobError


class Slope(NamedTuple):
    """A slope a round with its standard error."""

    slope: float
    se: float


class Cusum(NamedTuple):
    """Sums of a one-sided CUSUM and its first alarm."""

    sums: np.ndarray  # (T,), in standard errors, 0 at round 0
    alarm: float  # place of the first round whose sum passes the bound, NaN for none


def trend(
    x: ArrayLike, level: float = 0.95, rounds: ArrayLike | None = None, span: tuple[float, float] = (0.0, 1.0)
) -> Interval:
    """Mean over problems of the least-squares slope on the round: what a round changes, on average.

    Pairing and correlation between rounds are inside the slopes, so the interval is a plain t over problems. Looked at
    after each of ten rounds at 5 % it alarms in 24 % of healthy runs: see `spend`.

    Parameters
    ----------
    x : float array (G, T), per-problem values of each round; a problem with a NaN leaves
    level : coverage, between 0 and 1
    rounds : array (T,), numbers of the rounds; None is 0..T−1
    span : least and greatest possible x, used when all slopes are equal (`cluster_t`)

    Returns
    -------
    Interval(value, low, high, n), unit of x a round, n the problems used; all NaN where T < 3 or no problem is left, no
    interval for few or lopsided slopes (`cluster_t`).

    Raises
    ------
    KnobError when x is not (G, T), rounds do not fit or are all one, or for a level outside (0, 1).

    >>> found = trend([[0.2, 0.3, 0.4], [0.5, 0.5, 0.5], [0.1, 0.3, 0.3]] * 20)
    >>> round(found.value, 3), found.low > 0, found.n
    (0.067, True, 60)
    """
    checked_level(level)
    values = np.asarray(x, float)
    if values.ndim != 2:
        raise KnobError(f"x must be (problems, rounds), got shape {values.shape}; stack one column a round")
    values = values[~np.isnan(values).any(axis=1)]
    if values.shape[1] < 3 or not len(values):
        return Interval(float("nan"), float("nan"), float("nan"), len(values))
    off = _rounds(rounds, values.shape[1])
    off = off - off.mean()
    weight = off / np.sum(off**2)
    slopes = values @ weight
    steepest = (span[1] - span[0]) * float(np.abs(weight).sum()) / 2
    return Interval(float(slopes.mean()), *cluster_t(slopes, level, (-steepest, steepest)), len(values))


def trend_weighted(value: ArrayLike, se: ArrayLike, rounds: ArrayLike | None = None) -> Slope:
    """Slope of a curve of pooled values with known standard errors, weights 1/se².

    `se = 1/√(Σ w (t − t̄_w)²)` takes the rounds as independent; rounds on the same problems are not, so where per-problem
    values are at hand use `trend`, else the joint bootstrap.

    Parameters
    ----------
    value, se : float arrays (T,); a round with a NaN in either has no weight
    rounds : array (T,), numbers of the rounds; None is 0..T−1

    Returns
    -------
    Slope(slope, se), unit of value a round; NaN with fewer than three known rounds.

    Raises
    ------
    KnobError for lengths that differ, se ≤ 0 or infinite, an infinite value, or rounds that are all one.

    >>> found = trend_weighted([0.5, 0.4, 0.3], [0.1, 0.1, 0.1])
    >>> round(found.slope, 4), round(found.se, 4)
    (-0.1, 0.0707)
    """
    y, w = _weighed(value, se)
    t = _rounds(rounds, len(y))
    if np.count_nonzero(w) < 3:
        return Slope(float("nan"), float("nan"))
    off = t - np.average(t, weights=w)
    square = float(np.sum(w * off**2))
    if square == 0:
        return Slope(float("nan"), float("nan"))
    return Slope(float(np.sum(w * off * y)) / square, square**-0.5)


def spend(looks: int, level: float = 0.95) -> np.ndarray:
    """How much of α = 1 − level may be spent by each of T looks, cumulative: `α_t = 2 − 2Φ(z_{1−α/2}/√(t/T))`.

    Little at first, all of it at the last look.

    Parameters
    ----------
    looks : number of looks T, ≥ 1
    level : coverage of the whole, between 0 and 1

    Returns
    -------
    array (T,), rising to 1 − level; its differences are what one look alone may spend.

    Raises
    ------
    KnobError for looks < 1 or a level outside (0, 1).

    Source: O'Brien & Fleming 1979, as a spending function (Lan & DeMets 1983).

    >>> spend(4).round(4)
    array([0.0001, 0.0056, 0.0236, 0.05  ])
    """
    number = int(whole("looks", looks, 1))
    z = -float(ndtri(0.5 + checked_level(level) / 2))
    return np.asarray(2.0 * ndtr(z / np.sqrt(np.arange(1, number + 1) / number)))


def cusum(value: ArrayLike, se: ArrayLike, slack: float = 0.5, h: float = 4.0) -> Cusum:
    """One-sided CUSUM of a fall since round 0.

    `z_t = (x_t − x_0)/√(se_t² + se_0²)`, `S_t = max(0, S_{t−1} − z_t − slack)`, alarm at the first S_t > h. All z share
    the noise of round 0, which raises false alarms at h = 4 in ten rounds from under 2 % to about 13 %: choose h by
    `cusum_alarm_rate` or on a frozen run, and state the rate.

    Parameters
    ----------
    value, se : float arrays (T,); a round with a NaN in either keeps the sum as it was and reads NaN
    slack : what a round may fall free of charge, in standard errors, ≥ 0
    h : bound of the alarm, in standard errors, > 0

    Returns
    -------
    Cusum(sums, alarm), sums (T,) ≥ 0, higher = more evidence of a fall. All NaN where T < 3 or round 0 is unknown.

    Raises
    ------
    KnobError for lengths that differ, se ≤ 0 or infinite, an infinite value, slack < 0 or h ≤ 0.

    Source: Page 1954.

    >>> cusum([0.5, 0.4, 0.4, 0.3], [0.03, 0.03, 0.03, 0.03]).alarm
    3.0
    """
    y, w = _weighed(value, se)
    _check_bound(slack, h)
    if len(y) < 3 or w[0] == 0:
        return Cusum(np.full(len(y), np.nan), float("nan"))
    known = w > 0
    error = np.zeros(len(y))
    error[known] = np.sqrt(1.0 / w[known] + 1.0 / w[0])
    z = np.divide(y - y[0], error, out=np.zeros(len(y)), where=known)
    sums = _sums(np.where(known, z, -slack)[None, 1:], slack)[0]
    sums[~known] = np.nan
    over = np.flatnonzero(sums > h)
    return Cusum(sums, float(over[0]) if len(over) else float("nan"))


def cusum_alarm_rate(se: ArrayLike, slack: float = 0.5, h: float = 4.0, runs: int = 10_000, seed: int = 0) -> float:
    """Share of healthy runs in which `cusum` would alarm: no change, independent Gaussian errors of these sizes.

    Parameters
    ----------
    se : float array (T,), a NaN is a round not measured
    slack, h : as in `cusum`
    runs, seed : simulated runs, ≥ 1, and their seed

    Returns
    -------
    float in [0, 1], a multiple of 1/runs; NaN where T < 3 or round 0 is unknown.

    Raises
    ------
    KnobError as `cusum` does, and for runs < 1.

    >>> 0.1 < cusum_alarm_rate(np.ones(11)) < 0.2
    True
    """
    w = _weighed(np.zeros(np.shape(se)), se)[1]
    _check_bound(slack, h)
    number = int(whole("runs", runs, 1))
    if len(w) < 3 or w[0] == 0:
        return float("nan")
    error = w[w > 0] ** -0.5
    x = np.random.default_rng(seed).normal(0.0, error, (number, len(error)))
    z = (x[:, 1:] - x[:, :1]) / np.hypot(error[1:], error[0])
    return float(np.mean((_sums(z, slack) > h).any(axis=1)))


def _sums(z: np.ndarray, slack: float) -> np.ndarray:
    """S_0..S_{T−1} of each row of z_1..z_{T−1}: the running sum above its lowest point so far."""
    walk = np.cumsum(np.pad(-z - slack, ((0, 0), (1, 0))), axis=1)
    return np.asarray(walk - np.minimum.accumulate(walk, axis=1))


def change_point(value: ArrayLike, se: ArrayLike, spread: float = 1.0) -> np.ndarray:
    """Posterior of one jump: none, or a new mean from round c on, c = 1..T−1, all T equally likely beforehand.

    Segment means are N(0, spread²) about the plain mean of all values, errors N(0, se_t²) known and independent; the
    marginal likelihoods are closed forms, so the posterior is exact. For a slide rather than a jump use `trend`.

    Parameters
    ----------
    value, se : float arrays (T,); a round with a NaN in either tells nothing, its onset is as likely as the next one's
    spread : prior sd of a segment mean, in the unit of value, > 0; 1 is wide for rates

    Returns
    -------
    array (T,), sums to 1: [0] no change, [c] a new mean since round c. P(change) = 1 − posterior[0]; the likeliest onset
    is `1 + posterior[1:].argmax()`. NaN with fewer than three known rounds.

    Raises
    ------
    KnobError for lengths that differ, se ≤ 0 or infinite, an infinite value, or spread ≤ 0.

    Source: Barry & Hartigan 1992, for a single change.

    >>> change_point([0.50, 0.49, 0.44, 0.45], [0.02] * 4).round(2)
    array([0.62, 0.06, 0.28, 0.03])
    """
    y, w = _weighed(value, se)
    if not (np.isfinite(spread) and spread > 0):
        raise KnobError(f"spread must be > 0, got {spread!r}; it is the prior sd of a mean, 1 is usual for rates")
    if np.count_nonzero(w) < 3:
        return np.full(len(y), np.nan)
    pull = np.cumsum(w * np.where(w > 0, y - y[w > 0].mean(), 0.0))
    weight = np.cumsum(w)
    before = np.r_[0.0, _evidence(weight[:-1], pull[:-1], spread)]  # nothing stands before "no change"
    rest = np.r_[_evidence(weight[-1], pull[-1], spread), _evidence(_left(w), pull[-1] - pull[:-1], spread)]
    log_p = before + rest
    p = np.exp(log_p - log_p.max())
    return np.asarray(p / p.sum())


def _left(w: np.ndarray) -> np.ndarray:
    """Σ_{t≥c} w_t for c = 1..T−1, summed from the end so that it is 0 exactly where nothing is left."""
    return np.asarray(np.cumsum(w[::-1])[::-1][1:])


def _evidence(weight: np.ndarray, pull: np.ndarray, spread: float) -> np.ndarray:
    """Log marginal likelihood of a segment, less what all splits share."""
    scale = 1.0 + spread**2 * weight
    return np.asarray(0.5 * (spread**2 * pull**2 / scale - np.log(scale)))


def onset_set(posterior: ArrayLike, mass: float = 0.9) -> np.ndarray:
    """Smallest set of onsets that holds that mass, given that there is a change; read P(change) = 1 − posterior[0] first.

    Parameters
    ----------
    posterior : float array (T,) of `change_point`
    mass : probability the set must hold, between 0 and 1

    Returns
    -------
    int array of rounds in 1..T−1, ascending; of equally likely ones the earlier come first. Empty where the posterior is
    NaN or leaves no chance for a change.

    Raises
    ------
    KnobError when posterior is not flat, or for a mass outside (0, 1).

    >>> onset_set([0.1, 0.02, 0.5, 0.36, 0.02])
    array([2, 3])
    """
    p = np.asarray(posterior, float)
    if p.ndim != 1 or not 0 < mass < 1:
        raise KnobError(f"posterior must be flat and mass between 0 and 1, got shape {p.shape} and mass {mass!r}")
    total = p[1:].sum()
    if not total > 0:
        return np.zeros(0, np.int64)
    order = np.argsort(-p[1:], kind="stable")
    held = np.cumsum(p[1:][order]) / total
    return np.sort(order[: int(np.searchsorted(held, mass * (1 - 1e-12))) + 1]) + 1


def _weighed(value: ArrayLike, se: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Values, and weights 1/se² that are 0 where a round is unknown."""
    y, error = np.asarray(value, float), np.asarray(se, float)
    if y.ndim != 1 or y.shape != error.shape:
        raise KnobError(f"value and se must be flat and of one length, got {y.shape} and {error.shape}")
    if ((error <= 0) | np.isinf(error)).any() or np.isinf(y).any():
        raise KnobError("se must be > 0 and finite, value finite; a round whose error is unknown has se NaN, not 0")
    known = ~np.isnan(y) & ~np.isnan(error)
    weight = np.zeros(len(y))
    weight[known] = error[known] ** -2.0
    return np.where(known, y, 0.0), weight


def _rounds(rounds: ArrayLike | None, count: int) -> np.ndarray:
    t = np.arange(count, dtype=float) if rounds is None else np.asarray(rounds, float)
    if t.shape != (count,) or not np.isfinite(t).all() or (count > 1 and np.ptp(t) == 0):
        raise KnobError(f"rounds must be {count} finite numbers, not all one, got {t!r}")
    return t


def _check_bound(slack: float, h: float) -> None:
    if not (slack >= 0 and h > 0):
        raise KnobError(f"slack must be ≥ 0 and h > 0, got {slack!r} and {h!r}; 0.5 and 4 are usual")
