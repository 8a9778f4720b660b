"""Limits of one estimate a group, and where none can be given.

An interval is given where 95 % of those given hold the truth (93 to 97 %, `data/intervals/coverage.csv`), and none
elsewhere: the estimate must be as well known as from 30 coin flips, and no more lopsided than 16 successes among many
trials, which is a skewness of the mean of 1/4.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from siwork.schema import KnobError

REASONS = ("", "no interval: too few problems", "no interval: too few problems differ")
KINDS = (  # intervals in words, the reasons first
    *REASONS,
    "score t over problems",
    "Wilson over problems",
    "t over problems",
    "score t, linearised over problems",
    "one problem, so no interval",
    "all problems equal, so no interval",
    "Wilson bound: all at the top",
    "Wilson bound: all at the bottom",
    "Wilson bound: all equal",
)
EQUAL = 1e-12  # values this near to each other, relative to their size, count as equal
Kind = IntEnum("Kind", "SCORE WILSON PLAIN LINEAR ONE SAME TOP BOTTOM ALIKE", start=len(REASONS))  # places in KINDS
Limits = tuple[np.ndarray, np.ndarray, np.ndarray]  # low, high, and why there are none: an index of REASONS
_FLIPS = 30.0  # coin flips that an estimate must be worth
_COUNT = 16.0  # successes that it must be worth
_SKEW = 0.25  # skewness of the mean of 16 successes among many trials, the most that is let pass
_OPEN_SKEW = 0.15  # without a finite span the tail may be longer than the sample shows
_FEWEST = 5  # problems; no fewer were ever checked


def checked_level(level: float) -> float:
    """The level itself. Raises KnobError when it is not between 0 and 1."""
    if not 0 < level < 1:
        raise KnobError(f"level must lie between 0 and 1, got {level!r}; 0.95 is usual")
    return float(level)


def student_t(n: np.ndarray, level: float) -> np.ndarray:
    """Student's quantile with n − 1 degrees of freedom, NaN where n < 2."""
    quantile = stdtrit(np.maximum(n - 1.0, 1.0), 0.5 + checked_level(level) / 2)
    return np.where(n >= 2, quantile, np.nan)


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a/b, NaN where b is not positive."""
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=np.asarray(b) > 0)


class Spread(NamedTuple):
    """What an interval rests on, arrays (groups,)."""

    value: np.ndarray
    se: np.ndarray
    n: np.ndarray
    skew: np.ndarray  # size of the skewness of the value's sampling distribution, γ/√n · n/(n−2) of a sample's γ
    coins: np.ndarray  # 1/(κ − γ²): 1 for two values, as of coins, 1/3 for normal ones
    slope: np.ndarray  # by how much the squared standard error grows with the value


def spread_of(value: np.ndarray, rest: np.ndarray, total: np.ndarray, group: np.ndarray) -> Spread:
    """Spread of Σ part / total, from residuals `rest` (units,) whose sum in each group is 0."""
    n = np.bincount(group, minlength=len(value)).astype(float)
    square = rest * rest
    two, three, four = (np.bincount(group, each, len(value)) for each in (square, square * rest, square * square))
    se = divide(np.sqrt(two * divide(n, n - 1.0)), total)
    skew = divide(np.abs(three) * n, two**1.5 * (n - 2.0))
    coins = divide(two**3, n * (four * two - three**2))
    return Spread(
        value, se, n, skew, np.where(np.isfinite(coins), np.minimum(coins, 1.0), 1.0), divide(three, two * total)
    )


def plain_limits(spread: Spread, level: float, skew: float = _SKEW) -> Limits:
    """Student's limits of a mean, where its skewness is not above `skew`."""
    half = student_t(spread.n, level) * spread.se
    why = np.select([spread.n < _FEWEST, ~(spread.skew <= skew)], [1, 2], 0)
    return spread.value - half, spread.value + half, why


def open_limits(spread: Spread, level: float) -> Limits:
    """Limits of a mean or ratio without a finite span: Student's, widened by the skewness."""
    return plain_limits(spread._replace(se=spread.se * (1 + 3 * spread.skew**2)), level, _OPEN_SKEW)


def share_limits(spread: Spread, ends: np.ndarray, level: float) -> Limits:
    """Limits of shares between 0 and 1, and why there are none, an index of `REASONS`.

    Wilson's interval with p(1−p)/SE² units and Student's quantile; with n units and the normal quantile where all are 0
    or 1 (`ends`), and the nearer to it the more they are (n / units). Two corrections, fitted to the regimes of
    `data/intervals`: the limit on the side where samples get no interval is drawn in (`_screened`), as far as units are
    like coins; both limits are drawn out by the skewness, as far as they are not: a sample that lacks the long tail looks
    symmetric, narrow and safe.
    """
    p, n = spread.value, spread.n
    with np.errstate(divide="ignore", invalid="ignore"):  # groups without a spread become NaN and get no interval
        units = np.where(ends, n, p * (1 - p) / spread.se**2)
        alike = np.minimum(1.0, n / units)
        edge = 0.5 - 0.5 * np.sqrt(units / (units + 4 * _COUNT))  # the least share that gets an interval
        edge = np.where(ends, (np.ceil(edge * n) - 0.5) / n, edge)
        above = 2 * np.sqrt(units) * (np.arcsin(np.sqrt(np.minimum(p, 1 - p))) - np.arcsin(np.sqrt(edge)))
        coins = np.maximum(alike, spread.coins**1.6)
        normal, t = ndtri(0.5 + level / 2), student_t(n, level)
        wide = (t + (normal - t) * alike**2) * (1 + 3.5 * ((1 - coins) * spread.skew) ** 2)
        far = np.where(ends, normal, wide)
        near = far * (1 - 0.85 * coins * (1 - _screened(above, level)))
        low = _score(p, units, np.where(p > 0.5, far, near), -1)
        high = _score(p, units, np.where(p > 0.5, near, far), 1)
    lopsided = ~(units * p * (1 - p) >= _COUNT * (1 - 2 * p) ** 2) | (~ends & ~(spread.skew <= _SKEW))
    return low, high, np.select([(n < _FEWEST) | ~(units >= _FLIPS), lopsided], [1, 2], 0)


def _score(p: np.ndarray, n: np.ndarray, z: np.ndarray, side: int) -> np.ndarray:
    """One limit of Wilson's interval."""
    z2 = z**2
    return (p + z2 / (2 * n) + side * np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n**2)))) / (1 + z2 / n)


def _screened(above: np.ndarray, level: float) -> np.ndarray:
    """Factor of the quantile of the limit near an end, `above` standard errors from where intervals begin.

    A truth near that edge is missed from one side only, since samples beyond the edge get no interval; to be missed as
    often as the level says, it must be missed more often from the other.
    """
    place, factor = _screen(level)
    return np.interp(above, place, factor)


@lru_cache(maxsize=16)
def _screen(level: float) -> tuple[np.ndarray, np.ndarray]:
    truth, tail = np.linspace(-1.0, 8.0, 1801), (1 - level) / 2
    missed = np.maximum(0.0, tail - ndtr(-truth))  # beyond the far limit, of those with an interval
    z = -ndtri(np.where(truth < 0, tail, 2 * tail * ndtr(truth) - missed))
    return truth + z, z / -ndtri(tail)


def sparse_limits(spread: Spread, effective: np.ndarray, level: float) -> Limits:
    """Limits x of a mean where few units differ from 0: (x − mean)² = t² (SE² + slope · (x − mean)).

    Wilson's idea for any distribution: its variance moves with its mean. Plain t below a skewness of 0.1.
    """
    why, t = plain_limits(spread, level, 0.2)[2], student_t(spread.n, level)
    shift = np.where(spread.skew > 0.1, t**2 * spread.slope / 2, 0.0)
    half = np.sqrt(shift**2 + (t * spread.se) ** 2)
    why = np.where((why == 0) & ~(effective >= _COUNT), 2, why)
    return spread.value + shift - half, spread.value + shift + half, why
