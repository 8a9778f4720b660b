"""Estimates with intervals, for many groups at once: means, ratios of sums and changes over problems; Wilson."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from siwork.metrics.limits import EQUAL, KINDS, Kind, open_limits, plain_limits, share_limits, sparse_limits, spread_of
from siwork.metrics.limits import checked_level as checked_level
from siwork.metrics.limits import divide as divide
from siwork.metrics.limits import student_t as student_t
from siwork.schema import KnobError

Span = tuple[ArrayLike, ArrayLike]  # least and greatest possible value, one number or one a group
UNBOUNDED = (-np.inf, np.inf)


class Estimates(NamedTuple):
    """Estimates of many groups, arrays (groups,)."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray  # problems behind each value
    kind: np.ndarray  # interval in words


def wilson(x: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson interval of a share x/n of independent 0/1 units.

    Parameters
    ----------
    x : successes, 0 ≤ x ≤ n (may be a real number)
    n : units
    level : coverage, between 0 and 1

    Returns
    -------
    low, high : arrays of the broadcast shape, in [0, 1]; NaN where n = 0.

    Raises
    ------
    KnobError for a level outside (0, 1), or x outside 0..n.

    >>> low, high = wilson(0, 10)
    >>> float(low), round(float(high), 4)
    (0.0, 0.2775)
    """
    z2 = float(ndtri(0.5 + checked_level(level) / 2)) ** 2
    x, n = np.broadcast_arrays(np.asarray(x, float), np.asarray(n, float))
    if ((x < 0) | (x > n)).any():
        raise KnobError("x counts successes among n units, so it must lie in 0..n; swap x and n?")
    units = np.where(n > 0, n, np.nan)
    p = x / units
    centre, scale = p + z2 / (2 * units), 1 + z2 / units
    half = np.sqrt(z2 * (p * (1 - p) / units + z2 / (4 * units**2)))
    low = np.where(x == 0, np.where(n > 0, 0.0, np.nan), (centre - half) / scale)
    high = np.where(x == n, np.where(n > 0, 1.0, np.nan), (centre + half) / scale)
    return low[()], high[()]


class Moments(NamedTuple):
    """Mean and t interval of each group, arrays (groups,)."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    equal: np.ndarray  # bool, all values of the group are equal


def moments(x: np.ndarray, group: np.ndarray, groups: int, level: float) -> Moments:
    """Mean and t interval of each group."""
    n = np.bincount(group, minlength=groups)
    value = divide(np.bincount(group, x, groups), n)
    square = np.bincount(group, (x - value[group]) ** 2, groups)
    half = student_t(n, level) * np.sqrt(divide(square, (n - 1.0) * n))
    least, most = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(least, group, x)
    np.maximum.at(most, group, x)
    equal = (n >= 2) & ~(most - least > EQUAL * np.maximum(1.0, np.abs(most)))
    return Moments(value, value - half, value + half, n, equal)


def equal_bounds(value: np.ndarray, n: np.ndarray, level: float, span: Span) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a mean whose n values are all equal: Wilson's bound on the share that could differ, at either end.

    Equal to Wilson's interval where the value sits on an end of its span; NaN where the span is not finite, does not
    hold the value, or n < 2.
    """
    least, most = (np.broadcast_to(np.asarray(end, float), value.shape) for end in span)
    inside = np.clip(value, least, most)
    fits = np.isfinite(most - least) & (np.abs(inside - value) <= EQUAL * np.maximum(1.0, np.abs(value))) & (n >= 2)
    differ = wilson(np.zeros(int(fits.sum())), n[fits], level)[1]
    low, high = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    low[fits] = inside[fits] - differ * (inside - least)[fits]
    high[fits] = inside[fits] + differ * (most - inside)[fits]
    return low, high


def grouped_mean(
    values: np.ndarray,
    group: np.ndarray,
    groups: int,
    level: float = 0.95,
    span: Span = UNBOUNDED,
) -> Estimates:
    """Mean over problems of each group with its interval (class M1, or M7 where values are two-point).

    Parameters
    ----------
    values : float array (units,), one a (group, problem); NaN leaves the mean
    group : int array (units,), 0..groups−1
    groups : number of groups
    level : coverage, between 0 and 1
    span : least and greatest possible value, each one number or (groups,); around 0, values are read as changes

    Returns
    -------
    Estimates (groups,). `share_limits` in a finite span, Wilson's where every value sits on an end of it; t over
    problems elsewhere. Where all values are equal, `equal_bounds`, which is a bound and covers at least the level. No
    interval, with the reason in `kind`: fewer than 5 problems, less than 30 coin flips are worth, too few that differ
    (skewness of the mean above 1/4, without a finite span 0.15), or equal values without a finite span.

    Raises
    ------
    KnobError for a level outside (0, 1).
    """
    known = ~np.isnan(values)
    x, g = values[known], group[known]
    ends = [np.asarray(end, float) for end in span]
    if ends[0].ndim == ends[1].ndim == 0 and -np.inf < ends[0] < 0 < ends[1] < np.inf:
        return grouped_change(x, g, groups, level, (float(ends[0]), float(ends[1])))
    found = moments(x, g, groups, level)
    least, most = (np.broadcast_to(end, (groups,)) for end in ends)
    within = np.isfinite(most - least) & (most > least) & (found.value >= least) & (found.value <= most)
    start, width = np.where(within, least, 0.0), np.where(within, most - least, 1.0)
    spread = spread_of((found.value - start) / width, (x - found.value[g]) / width[g], found.n.astype(float), g)
    between = np.bincount(g[(x != least[g]) & (x != most[g])], minlength=groups) > 0
    limits = _chosen(within, share_limits(spread, within & ~between, level), open_limits(spread, level))
    kind = np.where(within, np.where(between, KINDS[Kind.SCORE], KINDS[Kind.WILSON]), KINDS[Kind.PLAIN])
    low, high = (start + width * end for end in limits[:2])
    return _estimates(found.value, (low, high, limits[2]), kind, found.n, found.equal, level, (least, most))


def _chosen(first: np.ndarray, these: tuple[np.ndarray, ...], those: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    return tuple(np.where(first, a, b) for a, b in zip(these, those, strict=True))


def _estimates(
    value: np.ndarray,
    limits: tuple[np.ndarray, ...],
    kind: np.ndarray,
    n: np.ndarray,
    equal: np.ndarray,
    level: float,
    span: Span,
    units: np.ndarray | None = None,
) -> Estimates:
    """Estimates from low, high and why there are none; where all are equal, bounds from n problems, or so many units."""
    low, high, why = limits
    low, high = np.minimum(np.maximum(low, span[0]), value), np.maximum(np.minimum(high, span[1]), value)
    low, high = (np.where(why == 0, end, np.nan) for end in (low, high))
    low, high = _chosen(equal, equal_bounds(value, n if units is None else units, level, span), (low, high))
    words = np.array(KINDS)
    kind = np.where(why == 0, kind, words[why])
    none = words[
        np.select([np.isnan(low), value == high, value == low], [Kind.SAME, Kind.TOP, Kind.BOTTOM], Kind.ALIKE)
    ]
    kind = np.where(n < 2, KINDS[Kind.ONE], np.where(equal, none, kind))
    return Estimates(value, low, high, n, np.where((n >= 2) & (n < 10), np.char.add(kind, "; few_problems"), kind))


def grouped_ratio(
    part: np.ndarray,
    whole: np.ndarray,
    group: np.ndarray,
    groups: int,
    level: float = 0.95,
    span: Span = (0.0, 1.0),
) -> Estimates:
    """Ratio of sums Σ part / Σ whole of each group with its linearised cluster interval (class M2).

    Parameters
    ----------
    part, whole : float arrays (units,), sums of each (group, problem), whole ≥ 0
    group : int array (units,), 0..groups−1
    groups : number of groups
    level : coverage, between 0 and 1
    span : least and greatest possible value of part / whole; `UNBOUNDED` for any other ratio, such as log-perplexity

    Returns
    -------
    Estimates (groups,), n the problems with whole > 0. SE² = G/(G−1) Σ (part − θ·whole)²/(Σ whole)²; intervals, bounds
    and reasons as in `grouped_mean`, bounds from Σ whole / max whole problems; NaN where Σ whole = 0.

    Raises
    ------
    KnobError for a level outside (0, 1).
    """
    checked_level(level)
    holds = whole > 0
    part, whole, group = part[holds], whole[holds], group[holds]
    total = np.bincount(group, whole, groups)
    value = divide(np.bincount(group, part, groups), total)
    rest = part - value[group] * whole
    least, most = (np.broadcast_to(np.asarray(end, float), (groups,)) for end in span)
    bounded = (least >= 0) & (most > least) & np.isfinite(most)
    start, width = np.where(bounded, least, 0.0), np.where(bounded, most - least, 1.0)
    spread = spread_of((value - start) / width, rest / width[group], total, group)
    low, high, why = _chosen(bounded, share_limits(spread, np.zeros(groups, bool), level), open_limits(spread, level))
    n = np.bincount(group, minlength=groups)
    equal = (n >= 2) & (np.bincount(group[np.abs(rest) > EQUAL * whole], minlength=groups) == 0)
    kind = np.where(bounded, KINDS[Kind.LINEAR], "linearised t over problems")
    low, high = start + width * low, start + width * high
    largest = np.zeros(groups)
    np.maximum.at(largest, group, whole)  # a problem not seen may weigh as much
    units = np.where(n >= 2, np.maximum(divide(total, largest), 2.0), n)
    return _estimates(value, (low, high, why), kind, n, equal, level, (least, most), units)


def grouped_change(
    change: np.ndarray,
    group: np.ndarray,
    groups: int,
    level: float = 0.95,
    span: tuple[float, float] = (-1.0, 1.0),
) -> Estimates:
    """Mean change over problems of each group, the same problems measured twice, with its interval.

    Parameters
    ----------
    change : float array (units,), later minus earlier value of each (group, problem), no NaN
    group : int array (units,), 0..groups−1
    groups : number of groups
    level : coverage, between 0 and 1
    span : least and greatest possible change, one below and one above 0

    Returns
    -------
    Estimates (groups,). Most problems changed, by unlike amounts: t over problems. Few did: all one way, `grouped_mean`
    in that half of the span; both ways, t drawn towards the longer tail, for at least 16 (effectively).

    Raises
    ------
    KnobError for a level outside (0, 1).
    """
    found = moments(change, group, groups, level)
    spread = spread_of(found.value, change - found.value[group], found.n.astype(float), group)
    size = np.abs(change)
    moved, first, second = (np.bincount(group, each, groups) for each in (size > 0, size, size * size))
    effective = divide(first**2, second)
    least, most = np.full(groups, np.inf), np.zeros(groups)
    np.minimum.at(least, group[size > 0], size[size > 0])
    np.maximum.at(most, group, size)
    dense = (most > least * (1 + EQUAL)) & (moved >= 0.6 * found.n) & (effective >= 0.4 * found.n)
    limits = _chosen(dense, plain_limits(spread, level), sparse_limits(spread, effective, level))
    kind = np.where(dense | (spread.skew <= 0.1), KINDS[Kind.PLAIN], "skewed t over problems")
    both = _estimates(found.value, limits, kind, found.n, found.equal, level, span)
    for way, half in ((1, (0.0, span[1])), (-1, (span[0], 0.0))):
        against = np.bincount(group[way * change < 0], minlength=groups) > 0
        one = ~against & ~dense & ~found.equal & (found.n >= 2) & np.isfinite(half[1] - half[0])
        if one.any():
            mine = one[group]
            both = Estimates(*_chosen(one, grouped_mean(change[mine], group[mine], groups, level, half), both))
    return both
