"""The arithmetic of intervals, for many groups at once: t over problems, linearised ratios, Wilson."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from siwork.schema import KnobError

Span = tuple[ArrayLike, ArrayLike]  # least and greatest possible value, one number or one a group
UNBOUNDED = (-np.inf, np.inf)
_EQUAL = 1e-12  # values this near to each other, relative to their size, count as equal


class Estimates(NamedTuple):
    """Estimates of many groups, arrays (groups,)."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray  # problems behind each value
    kind: np.ndarray  # interval in words


def checked_level(level: float) -> float:
    """The level itself. Raises KnobError when it is not between 0 and 1."""
    if not 0 < level < 1:
        raise KnobError(f"level must lie between 0 and 1, got {level!r}; 0.95 is usual")
    return float(level)


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
    equal = (n >= 2) & ~(most - least > _EQUAL * np.maximum(1.0, np.abs(most)))
    return Moments(value, value - half, value + half, n, equal)


def student_t(n: np.ndarray, level: float) -> np.ndarray:
    """Student's quantile with n − 1 degrees of freedom, NaN where n < 2."""
    quantile = stdtrit(np.maximum(n - 1.0, 1.0), 0.5 + checked_level(level) / 2)
    return np.where(n >= 2, quantile, np.nan)


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a/b, NaN where b is not positive."""
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=np.asarray(b) > 0)


def equal_bounds(value: np.ndarray, n: np.ndarray, level: float, span: Span) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a mean whose n values are all equal: Wilson's bound on the share that could differ, at either end.

    Equal to Wilson's interval where the value sits on an end of its span; NaN where the span is not finite, does not
    hold the value, or n < 2.
    """
    least, most = (np.broadcast_to(np.asarray(end, float), value.shape) for end in span)
    inside = np.clip(value, least, most)
    fits = np.isfinite(most - least) & (np.abs(inside - value) <= _EQUAL * np.maximum(1.0, np.abs(value))) & (n >= 2)
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
    span : least and greatest possible value, each one number or (groups,); intervals are clipped to it

    Returns
    -------
    Estimates (groups,). t over problems; Wilson where every value sits on an end of a finite span; `equal_bounds` where
    all are equal; no interval for one problem, or for equal values without a finite span.

    Raises
    ------
    KnobError for a level outside (0, 1).
    """
    known = ~np.isnan(values)
    x, g = values[known], group[known]
    found = moments(x, g, groups, level)
    least, most = (np.broadcast_to(np.asarray(end, float), (groups,)) for end in span)
    between = np.bincount(g[(x != least[g]) & (x != most[g])], minlength=groups)
    low = np.minimum(np.maximum(found.low, least), found.value)
    high = np.maximum(np.minimum(found.high, most), found.value)
    ends = (between == 0) & ~found.equal & (found.n >= 2)  # values on both ends of a finite span, and nowhere else
    width = (most - least)[ends]
    right = np.round((found.value - least)[ends] / width * found.n[ends])
    for end, bound in zip((low, high), wilson(right, found.n[ends], level), strict=True):
        end[ends] = least[ends] + width * bound
    same = equal_bounds(found.value, found.n, level, (least, most))
    low, high = (np.where(found.equal, each, end) for each, end in zip(same, (low, high), strict=True))
    return Estimates(found.value, low, high, found.n, _kind(found.n, ends | found.equal, low, "t over problems"))


def _kind(n: np.ndarray, flat: np.ndarray, low: np.ndarray, usual: str) -> np.ndarray:
    none = np.where(n < 2, "one problem, so no interval", "all problems equal, so no interval")
    kind = np.where(np.isnan(low), none, np.where(flat, "Wilson over problems", usual))
    few = (n >= 2) & (n < 10)
    return np.where(few, np.char.add(kind, "; few_problems"), kind)


def grouped_ratio(
    part: np.ndarray, whole: np.ndarray, group: np.ndarray, groups: int, level: float = 0.95
) -> Estimates:
    """Ratio of sums Σ part / Σ whole of each group with its linearised cluster interval (class M2).

    Parameters
    ----------
    part, whole : float arrays (units,), sums of each (group, problem), 0 ≤ part ≤ whole
    group : int array (units,), 0..groups−1
    groups : number of groups
    level : coverage, between 0 and 1

    Returns
    -------
    Estimates (groups,), n the problems with whole > 0. θ ± t_{G−1} · SE with SE² = G/(G−1) Σ (part − θ·whole)²/(Σ whole)²,
    clipped to [0, 1]; `equal_bounds` where all problems agree; NaN where Σ whole = 0.

    Raises
    ------
    KnobError for a level outside (0, 1).
    """
    holds = whole > 0
    part, whole, group = part[holds], whole[holds], group[holds]
    n = np.bincount(group, minlength=groups)
    total = np.bincount(group, whole, groups)
    value = divide(np.bincount(group, part, groups), total)
    rest = part - value[group] * whole
    square = np.bincount(group, rest**2, groups) * divide(n.astype(float), n - 1.0)
    half = student_t(n, level) * divide(np.sqrt(square), total)
    uneven = np.bincount(group[np.abs(rest) > _EQUAL * whole], minlength=groups)
    flat = (n >= 2) & (uneven == 0)
    same = equal_bounds(value, n, level, (0.0, 1.0))
    low = np.where(flat, same[0], np.maximum(value - half, 0.0))
    high = np.where(flat, same[1], np.minimum(value + half, 1.0))
    return Estimates(value, low, high, n, _kind(n, flat, low, "linearised t over problems"))
