"""Limits of the squared calibration error: an interval where it is clearly above 0, a bound from above elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.calibration.errors import _Gaps, _gaps, gap_covariance
from siwork.metrics.intervals import checked_level, student_t
from siwork.metrics.limits import plain_limits, spread_of

_CLEAR = 4.0  # standard errors that the root of the error must lie above 0


class SquaredError(NamedTuple):
    """`ece2_debiased` with its interval or bound."""

    value: float
    low: float  # NaN where there is none
    high: float
    n: int  # problems
    bound: bool  # high alone says something: the error is at most that


def ece2_interval(
    score: ArrayLike,
    gold: ArrayLike,
    problem: ArrayLike,
    level: float = 0.95,
    bins: int = 10,
    by: str = "auto",
    edges: ArrayLike | None = None,
) -> SquaredError:
    """`ece2_debiased` with an interval where the error is clearly above 0, else with a bound.

    Clearly: its root lies 4 standard errors above 0, and what problems add to the error of the value is not lopsided
    (skewness of the value 1/4). Its ends are the θ from which the value is t_{G−1} standard errors away, drawn out by a
    fifth of the skewness; the squared standard error, linearised over problems, grows with θ from 2 tr (WC)² at 0, C the
    covariance of the gaps and W the shares of the bins. Elsewhere no interval covers what it says: `calibrated_p` tests for
    0, and the bound `high` is such a θ for the steepest growth, 4 times the greatest eigenvalue of W^½ C W^½.

    Parameters
    ----------
    score, gold, problem, bins, by, edges : as in `ece2_debiased`
    level : coverage, between 0 and 1

    Returns
    -------
    SquaredError; of a bound `low` is 0, or the value where it is below 0. No ends (NaN) when no bin has two problems, or
    with fewer than 5 problems.

    Raises
    ------
    KnobError as `ece2_debiased`, and for a level outside (0, 1).

    >>> found = ece2_interval([0.9] * 40, [0, 1] * 20, list(range(40)))
    >>> found.bound, round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (False, 0.154, 0.067, 0.345)
    """
    checked_level(level)
    found = _gaps(score, gold, problem, bins, by, edges)
    used = ~np.isnan(found.variance)
    n = len(np.unique(found.cells.problem))
    if not used.any():
        return SquaredError(float("nan"), float("nan"), float("nan"), n, False)
    share = found.size[used] / found.size.sum()
    value = float((share * (found.gap**2 - found.variance)[used]).sum())
    if n < 5:
        return SquaredError(value, float("nan"), float("nan"), n, False)
    covariance = gap_covariance(found.cells, found.gap, found.size)[np.ix_(used, used)]
    root = np.sqrt(share)
    scale = np.clip(np.linalg.eigvalsh(root[:, None] * covariance * root), 0.0, None)
    noise = 2 * float(np.sum(scale**2))
    spread = spread_of(np.array([value]), _parts(found, used, n), np.ones(1), np.zeros(n, np.int64))
    plain, t = float(spread.se[0]) ** 2, float(student_t(np.array([n]), level)[0])
    se = float(np.sqrt(max(plain - noise, plain / 2)))  # gaps that are noise are in `plain` twice
    lopsided = bool(plain_limits(spread, level)[2][0])
    if value > 0 and 2 * value >= _CLEAR * se and not lopsided:
        t *= 1 + 0.2 * float(spread.skew[0])
        low, high = _score(value, noise, (se**2 - noise) / value, t)
        return SquaredError(value, low, high, n, False)
    high = _score(max(value, 0.0), noise, 4 * float(scale.max()), t)[1]
    return SquaredError(value, min(value, 0.0), high, n, True)


def _score(value: float, noise: float, slope: float, t: float) -> tuple[float, float]:
    """The two θ with (value − θ)² = t² (noise + slope · θ)."""
    grow = t**2 * slope / 2
    arm = float(np.sqrt(grow**2 + t**2 * (noise + slope * value)))
    return value + grow - arm, value + grow + arm


def _parts(found: _Gaps, used: np.ndarray, n: int) -> np.ndarray:
    """What each problem adds to the error of Σ (n_b/N) gap_b², (n,), sum 0."""
    cells, gap = found.cells, np.where(used, found.gap, 0.0)
    total = found.size.sum()
    plug = float((found.size * gap**2).sum() / total)
    rest = cells.score - cells.gold - gap[cells.bin] * cells.size
    own = 2 * gap[cells.bin] * rest + (gap[cells.bin] ** 2 - plug) * cells.size
    code = np.unique(cells.problem, return_inverse=True)[1]
    return np.asarray(np.bincount(code, own, n) / total)
