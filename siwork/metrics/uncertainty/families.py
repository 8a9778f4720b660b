"""Many tests at once: Holm and max-T for verdicts, Benjamini–Hochberg for tables to explore.

State m, the number of tests, beside whatever is reported: here it is the number of p that are not NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.intervals import checked_level
from siwork.schema import KnobError, nearest


def holm(p: ArrayLike) -> np.ndarray:
    """Adjusted p values that hold the chance of any false alarm in the family, under any dependence.

    `p̃_(i) = max_{j≤i} min(1, (m−j+1) p_(j))`: reject where it is ≤ α.

    Parameters
    ----------
    p : float array (m,), p values in [0, 1]; NaN = unknown

    Returns
    -------
    array (m,) in [0, 1], ≥ p. NaN stays NaN and does not count in m.

    Raises
    ------
    KnobError when p is not flat or leaves [0, 1].

    Source: Holm 1979.

    >>> holm([0.01, 0.04, 0.03]).round(4)
    array([0.03, 0.06, 0.06])
    """
    known, order, sorted_p = _sorted(p)
    m = len(sorted_p)
    steps = np.maximum.accumulate(np.minimum(1.0, sorted_p * np.arange(m, 0, -1)))
    return _placed(steps, known, order)


def benjamini_hochberg(p: ArrayLike, method: str = "bh") -> np.ndarray:
    """Adjusted p values that hold the expected share of false alarms among all alarms.

    `p̃_(i) = min_{j≥i} min(1, m p_(j)/j)`: reject where it is ≤ the share allowed.

    Parameters
    ----------
    p : float array (m,), p values in [0, 1]; NaN = unknown
    method : "bh" for independent or positively dependent tests; "by" times Σ 1/i for any dependence

    Returns
    -------
    array (m,) in [0, 1], ≥ p. NaN stays NaN and does not count in m.

    Raises
    ------
    KnobError when p is not flat or leaves [0, 1], or for an unknown method.

    Source: Benjamini & Hochberg 1995; Benjamini & Yekutieli 2001.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(4)
    array([0.03, 0.04, 0.04])
    """
    if method not in ("bh", "by"):
        raise KnobError(f"method must be bh or by, got {method!r}; {nearest(method, ['bh', 'by'])}")
    known, order, sorted_p = _sorted(p)
    rank = np.arange(1, len(sorted_p) + 1)
    factor = len(sorted_p) * (float(np.sum(1.0 / rank)) if method == "by" else 1.0)
    steps = np.minimum.accumulate((sorted_p * (factor / rank))[::-1])[::-1]
    return _placed(np.minimum(1.0, steps), known, order)


def _sorted(p: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = np.asarray(p, float)
    if values.ndim != 1:
        raise KnobError(f"p must be flat, one p a test, got shape {values.shape}")
    known = ~np.isnan(values)
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise KnobError(
            f"p must lie in [0, 1], got {values[known][np.abs(values[known] - 0.5) > 0.5][0]:g}; NaN = unknown"
        )
    order = np.argsort(values[known], kind="stable")
    return known, order, values[known][order]


def _placed(steps: np.ndarray, known: np.ndarray, order: np.ndarray) -> np.ndarray:
    out, adjusted = np.full(known.shape, np.nan), np.empty(len(order))
    adjusted[order] = steps
    out[known] = adjusted
    return out


class Bands(NamedTuple):
    """Simultaneous bands of a family of estimates, arrays (m,)."""

    constant: float  # half width in standard errors, NaN when no member is known
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray  # adjusted p that the true value is 0


def max_t(draws: ArrayLike, value: ArrayLike, se: ArrayLike, level: float = 0.95) -> Bands:
    """Bands that hold all true values of a family at once, from joint bootstrap draws.

    The constant is the ⌈level·(B+1)⌉-th smallest of max_j |θ*_bj − θ̂_j|/SE_j, and p_j = (1 + #{b : max ≥ |θ̂_j|/SE_j})/(B+1),
    so that p ≤ 1 − level exactly where the band leaves out 0. Dependence between members makes it narrower than Bonferroni.

    Parameters
    ----------
    draws : float array (B, m), resampled estimates, one resample of the problems a row for all members
    value, se : float arrays (m,), the estimates and their standard errors; for a test of change give differences
    level : chance that all bands hold, between 0 and 1

    Returns
    -------
    Bands(constant, low, high, p). A member leaves the family, with NaN in low, high and p, where its value or se is NaN,
    its se is 0, or one of its draws is not finite; how many left is `np.isnan(bands.p).sum()`.

    Raises
    ------
    KnobError for shapes that do not fit, a negative se, a level outside (0, 1), or too few draws for the level.

    Source: Westfall & Young 1993, single step.

    >>> value = np.r_[4.0, np.zeros(9)]
    >>> bands = max_t(value + np.random.default_rng(0).normal(0.0, 1.0, (1999, 10)), value, np.ones(10))
    >>> round(bands.constant, 1), float(bands.p[0]) < 0.01, float(bands.p[1])
    (2.8, True, 1.0)
    """
    theta, estimate, error = np.asarray(draws, float), np.asarray(value, float), np.asarray(se, float)
    if theta.ndim != 2 or estimate.shape != theta.shape[1:] or error.shape != estimate.shape:
        shapes = f"{theta.shape}, {estimate.shape} and {error.shape}"
        raise KnobError(f"draws must be (B, m) with value and se (m,), got {shapes}")
    if (error < 0).any():
        raise KnobError(f"se must be ≥ 0, got {error[error < 0][0]:g}; NaN = unknown")
    rank = int(np.ceil(round(checked_level(level) * (len(theta) + 1), 9)))
    if rank > len(theta):
        least = int(np.ceil(round(level / (1 - level), 9)))
        raise KnobError(f"draws must be at least {least} for level {level:g}, got {len(theta)}; 1000 is usual")
    known = np.isfinite(estimate) & (error > 0) & np.isfinite(error) & np.isfinite(theta).all(axis=0)
    if not known.any():
        nothing = np.full(estimate.shape, np.nan)
        return Bands(float("nan"), nothing, nothing.copy(), nothing.copy())
    most = np.sort(np.max(np.abs(theta[:, known] - estimate[known]) / error[known], axis=1))
    constant = float(most[rank - 1])
    half = constant * np.where(known, error, np.nan)
    beyond = len(most) - np.searchsorted(most, np.abs(estimate[known]) / error[known], side="left")
    p = np.full(estimate.shape, np.nan)
    p[known] = (1.0 + beyond) / (len(most) + 1.0)
    centre = np.where(known, estimate, np.nan)
    return Bands(constant, centre - half, centre + half, p)
