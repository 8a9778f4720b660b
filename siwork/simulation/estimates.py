"""Means and ratios over problems with their intervals, for dense arrays (series, rounds, problems).

The values are those of `siwork.metrics.intervals.grouped_mean` and `grouped_ratio` on shares and other values of one sign,
which take flat arrays of any grouping; whole arrays are twenty times as quick.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from siwork.metrics.intervals import equal_bounds
from siwork.metrics.limits import EQUAL, KINDS, Kind, Spread, divide, open_limits, share_limits

LEVEL = 0.95
_SMALL = 1e-12  # squares below which a closer look is worth its time
_LOOK = 32  # problems that are looked at first
METHODS = (*KINDS, "no interval: too few problems to trust one")
_FEW = len(KINDS)
_STAYS = np.array([word.startswith("Wilson") for word in METHODS])


class Found(NamedTuple):
    """Estimates of series by rounds, arrays (series, rounds); low and high are NaN where there is no interval."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray  # problems behind each value
    kind: np.ndarray  # place in METHODS


def means(x: np.ndarray, least: np.ndarray, most: np.ndarray, fewest: np.ndarray) -> Found:
    """Mean over problems of each series and round.

    Parameters
    ----------
    x : float array (series, rounds, problems), NaN leaves the mean
    least, most : (series,) least and greatest possible value, no signs mixed; infinite for none
    fewest : (series,) problems that an interval needs
    """
    a, b = (np.repeat(end[:, None], x.shape[1], axis=1) for end in (least, most))
    known = ~np.isnan(x)
    n = np.count_nonzero(known, axis=2)
    held = x if known.all() else np.where(known, x, 0.0)
    value = divide(held.sum(axis=2), n)
    with np.errstate(invalid="ignore"):
        within = np.isfinite(b - a) & (b > a) & (value >= a) & (value <= b)
    start, width = np.where(within, a, 0.0), np.where(within, b - a, 1.0)
    rest = (held - value[..., None]) / width[..., None]
    if held is not x:
        rest[~known] = 0.0
    spread, flat = _spread((value - start) / width, rest, n.astype(float), n)
    ends = _all_at_ends(x, a, b)
    shares, others = share_limits(spread, within & ends, LEVEL), open_limits(spread, LEVEL)
    low, high, why = (np.where(within, s, o) for s, o in zip(shares, others, strict=True))
    kind = np.where(within, np.where(ends, Kind.WILSON, Kind.SCORE), Kind.PLAIN)
    low, high = (start + width * end for end in (low, high))
    flat &= n >= 2
    flat[flat] = ~(np.ptp(rest[flat], axis=1) * width[flat] > EQUAL * np.maximum(1.0, np.abs(value[flat])))
    found = _finished(Found(value, low, high, n, kind), why, flat, (a, b), n)
    return _enough(found, fewest[:, None])


def _all_at_ends(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether every known value is a or b, (series, rounds); a look at the first few settles most."""
    few = x[..., :_LOOK]
    ends = np.logical_not(((few > a[..., None]) & (few < b[..., None])).any(axis=2))
    rest = x[ends]
    ends[ends] = ~((rest > a[ends][:, None]) & (rest < b[ends][:, None])).any(axis=1)
    return ends


def ratios(part: np.ndarray, whole: np.ndarray, fewest: int = 5) -> Found:
    """Ratio of sums Σ part / Σ whole over problems of each series and round, shares in [0, 1]; arrays as in `means`."""
    n, total = np.count_nonzero(whole > 0, axis=2), whole.sum(axis=2, dtype=float)
    value = divide(part.sum(axis=2, dtype=float), total)
    rest = part - np.nan_to_num(value)[..., None] * whole  # 0 where whole is, as part is too
    spread, flat = _spread(value, rest, total, n)
    low, high, why = share_limits(spread, np.zeros(n.shape, bool), LEVEL)
    flat &= n >= 2
    flat[flat] = ~(np.abs(rest[flat]) > EQUAL * whole[flat]).any(axis=1)
    units = np.where(n >= 2, np.maximum(divide(total, whole.max(axis=2).astype(float)), 2.0), n)
    ends = np.zeros(n.shape), np.ones(n.shape)
    found = _finished(Found(value, low, high, n, np.full(n.shape, Kind.LINEAR)), why, flat, ends, units)
    return _enough(found, np.array(fewest))


def _spread(value: np.ndarray, rest: np.ndarray, total: np.ndarray, n: np.ndarray) -> tuple[Spread, np.ndarray]:
    """`siwork.metrics.limits.spread_of` over the last axis, and where the rest is so small that all may be equal."""
    square, n = rest * rest, n.astype(float)
    two, three, four = square.sum(axis=2), _dot(square, rest), _dot(square, square)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = divide(np.sqrt(two * divide(n, n - 1.0)), total)
        skew = divide(np.abs(three) * n, two**1.5 * (n - 2.0))
        coins = divide(two**3, n * (four * two - three**2))
    coins = np.where(np.isfinite(coins), np.minimum(coins, 1.0), 1.0)
    flat = ~(two > _SMALL * np.maximum(1.0, n * np.nan_to_num(value) ** 2))
    return Spread(value, se, n, skew, coins, divide(three, two * total)), flat


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("srp,srp->sr", a, b))


def _finished(
    found: Found, why: np.ndarray, equal: np.ndarray, span: tuple[np.ndarray, np.ndarray], units: np.ndarray
) -> Found:
    """With the reasons where there is no interval, and bounds where all problems are equal."""
    value = found.value
    low, high = (np.where(why == 0, end, np.nan) for end in (found.low, found.high))
    low, high = np.minimum(np.maximum(low, span[0]), value), np.maximum(np.minimum(high, span[1]), value)
    bounds = equal_bounds(value, units, LEVEL, span)
    low, high = (np.where(equal, bound, end) for bound, end in zip(bounds, (low, high), strict=True))
    kind = np.where(why == 0, found.kind, why)
    which = np.select([np.isnan(low), value == high, value == low], [Kind.SAME, Kind.TOP, Kind.BOTTOM], Kind.ALIKE)
    kind = np.where(found.n < 2, Kind.ONE, np.where(equal, which, kind))
    return found._replace(low=low, high=high, kind=kind)


def _enough(found: Found, fewest: np.ndarray) -> Found:
    """Without the intervals that rest on fewer problems; Wilson's and bounds stay."""
    where = (found.n < fewest) & np.isfinite(found.low) & ~_STAYS[found.kind]
    if not where.any():
        return found
    low, high = (np.where(where, np.nan, end) for end in (found.low, found.high))
    return found._replace(low=low, high=high, kind=np.where(where, _FEW, found.kind))
