"""How many problems a paired comparison of two rounds needs, and what it can see with those it has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from siwork.metrics.draws import counted
from siwork.metrics.intervals import checked_level
from siwork.schema import KnobError


def power(
    omega2: ArrayLike,
    sigma2_a: ArrayLike,
    k_a: ArrayLike,
    sigma2_b: ArrayLike,
    k_b: ArrayLike,
    delta: ArrayLike,
    level: float = 0.95,
    power: float = 0.8,
) -> np.ndarray:
    """Problems needed so that a paired test sees a true mean difference delta with that power; round it up.

    `G = (z_{1−α/2} + z_power)² · (ω² + σ²_A/K_A + σ²_B/K_B) / δ²`, α = 1 − level, two-sided.

    Parameters
    ----------
    omega2 : variance over problems of the true paired difference, ≥ 0 (`variance_parts` estimates it)
    sigma2_a, sigma2_b : mean within-problem variance of one sample in each round, ≥ 0
    k_a, k_b : samples a problem in each round, ≥ 1
    delta : the difference to be seen, either sign
    level : 1 − chance of a false alarm
    power : chance to see delta

    Returns
    -------
    float, or array of the broadcast shape, ≥ 0; NaN where delta is 0 or an input is NaN.

    Raises
    ------
    KnobError for a negative variance, k < 1, or a level or power outside (0, 1).

    Source: Miller 2024 (arXiv:2411.00640).

    >>> round(float(power(0.01, 0.10, 16, 0.10, 16, delta=0.03)), 1)
    196.2
    """
    spread = _variance(omega2, sigma2_a, k_a, sigma2_b, k_b)
    square = np.asarray(delta, float) ** 2
    spread, square = np.broadcast_arrays(_z(level, power) ** 2 * spread, square)
    return np.divide(spread, square, out=np.full(spread.shape, np.nan), where=square > 0)[()]


def detectable(
    problems: ArrayLike,
    omega2: ArrayLike,
    sigma2_a: ArrayLike,
    k_a: ArrayLike,
    sigma2_b: ArrayLike,
    k_b: ArrayLike,
    level: float = 0.95,
    power: float = 0.8,
) -> np.ndarray:
    """Least true difference that a paired test on so many problems sees with that power; show it beside "no difference".

    `power` solved for delta. Takes what `power` takes, and problems, their number. Returns float, or array, ≥ 0 in the
    unit of the metric; NaN where problems is 0. Raises KnobError as `power` does, and for negative problems.

    >>> round(float(detectable(200, 0.01, 0.10, 16, 0.10, 16)), 4)
    0.0297
    """
    number = np.asarray(problems, float)
    if (number < 0).any():
        raise KnobError(f"problems must be ≥ 0, got {number[number < 0].flat[0]:g}")
    spread, number = np.broadcast_arrays(_variance(omega2, sigma2_a, k_a, sigma2_b, k_b), number)
    share = np.divide(spread, number, out=np.full(spread.shape, np.nan), where=number > 0)
    return np.asarray(_z(level, power) * np.sqrt(share))[()]


def _z(level: float, power: float) -> float:
    if not 0 < power < 1:
        raise KnobError(f"power must lie between 0 and 1, got {power!r}; 0.8 is usual")
    return float(ndtri(0.5 + checked_level(level) / 2) + ndtri(power))


def _variance(
    omega2: ArrayLike, sigma2_a: ArrayLike, k_a: ArrayLike, sigma2_b: ArrayLike, k_b: ArrayLike
) -> np.ndarray:
    """Variance of one problem's estimated difference."""
    parts = {"omega2": omega2, "sigma2_a": sigma2_a, "sigma2_b": sigma2_b, "k_a": k_a, "k_b": k_b}
    values = {name: np.asarray(part, float) for name, part in parts.items()}
    for name, part in values.items():
        least = 1.0 if name[0] == "k" else 0.0
        if (part < least).any():
            raise KnobError(f"{name} must be ≥ {least:g}, got {part[part < least].flat[0]:g}")
    return np.asarray(values["omega2"] + values["sigma2_a"] / values["k_a"] + values["sigma2_b"] / values["k_b"])


class VarianceParts(NamedTuple):
    """Where the variance of a paired difference of solve rates comes from."""

    omega2: float  # variance over problems of the true difference, ≥ 0
    sigma2_a: float  # mean within-problem variance of one sample, earlier round
    sigma2_b: float  # the same, later round
    problems: int  # problems with two samples or more in both rounds
    clipped: bool  # the unbiased estimate of omega2 was negative and is given as 0


def variance_parts(n0: ArrayLike, c0: ArrayLike, n1: ArrayLike, c1: ArrayLike) -> VarianceParts:
    """The variances that `power` needs, from the counts of two rounds on the same problems.

    `σ̂² = mean c(n−c)/(n(n−1))` and `ω̂² = var(c1/n1 − c0/n0) − mean(σ̂²_i0/n_i0 + σ̂²_i1/n_i1)`, both unbiased, until ω̂² is
    clipped at 0 as negative values (few problems, no true difference) are no variance; `clipped` says so.

    Parameters
    ----------
    n0, c0 : int arrays (G,), samples and right samples of each problem in the earlier round
    n1, c1 : the same in the later round

    Returns
    -------
    VarianceParts; problems with fewer than two samples in a round leave, `problems` counts the rest. NaN with fewer than
    two problems.

    Raises
    ------
    KnobError for counts that are not whole, negative or c > n, or when the lengths differ.

    >>> parts = variance_parts([4, 4, 4], [0, 2, 4], [4, 4, 4], [3, 2, 4])
    >>> round(parts.omega2, 4), round(parts.sigma2_a, 4), round(parts.sigma2_b, 4), parts.problems
    (0.1111, 0.1111, 0.1944, 3)
    """
    (before, right0), (after, right1) = (counted(np.atleast_1d(n), np.atleast_1d(c)) for n, c in ((n0, c0), (n1, c1)))
    if before.ndim != 1 or before.shape != after.shape:
        raise KnobError(f"both rounds must be flat and of one length, got {before.shape} and {after.shape}")
    use = (before > 1) & (after > 1)
    problems = int(use.sum())
    if problems < 2:
        return VarianceParts(float("nan"), float("nan"), float("nan"), problems, False)
    a, x, b, y = (each[use].astype(float) for each in (before, right0, after, right1))
    within_a, within_b = x * (a - x) / (a * (a - 1)), y * (b - y) / (b * (b - 1))
    omega2 = float(np.var(y / b - x / a, ddof=1) - np.mean(within_a / a + within_b / b))
    return VarianceParts(max(omega2, 0.0), float(within_a.mean()), float(within_b.mean()), problems, omega2 < 0)
