"""Tail narrowing: which difficulty bands the training data come from, and how unequally problems are served.

A band is 0 (hardest) … 4 (easiest); tail = {0, 1}, middle = {2}, head = {3, 4}. Bands come from the task's own difficulty
or from a *separate* probe: bands made of the samples whose fate is measured show narrowing where nothing has changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.draws import counted
from siwork.schema import BANDS, KnobError


def band_of(n: ArrayLike, c: ArrayLike) -> np.ndarray:
    """Band of each problem from a probe: 0 none right · 1 (0, ¼] · 2 (¼, ¾] · 3 (¾, 1) · 4 all right.

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples of a separate round-0 probe, c ≤ n

    Returns
    -------
    float array (G,) of whole numbers 0..4, NaN where n = 0.

    Raises
    ------
    KnobError for counts that are not whole, negative, or c > n.

    >>> band_of(8, [0, 2, 6, 7, 8])
    array([0., 1., 2., 3., 4.])
    """
    n, c = counted(n, c)
    # whole numbers are compared, so a share of exactly ¼ or ¾ falls where it should
    steps = [n == 0, c == 0, 4 * c <= n, 4 * c <= 3 * n, c < n]
    return np.select(steps, [np.nan, 0.0, 1.0, 2.0, 3.0], 4.0)[()]


def _weights(name: str, weight: ArrayLike) -> np.ndarray:
    values = np.asarray(weight, float)
    if values.ndim != 1 or not (values >= 0).all() or not np.isfinite(values).all():
        raise KnobError(f"{name} must be a flat array of finite numbers ≥ 0; unknown weights cannot be shared out")
    return values


def _by_band(weight: ArrayLike, band: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Sum of weights and number of entries of each band, (5,) each; entries without a band are in neither."""
    values, bands = _weights("weight", weight), np.asarray(band, float)
    if bands.shape != values.shape or not np.isin(bands[~np.isnan(bands)], BANDS).all():
        raise KnobError(f"band must have one of {BANDS} (or NaN) for each weight; band_of(n, c) makes it")
    known = ~np.isnan(bands)
    codes = bands[known].astype(np.int64)
    return np.bincount(codes, values[known], len(BANDS)), np.bincount(codes, minlength=len(BANDS))


def _shares(parts: np.ndarray) -> np.ndarray:
    total = parts.sum()
    return parts / total if total > 0 else np.full(parts.shape, np.nan)


def band_share(weight: ArrayLike, band: ArrayLike) -> np.ndarray:
    """Share of the training data that comes from each band: Σ weights in the band / Σ weights.

    Parameters
    ----------
    weight : float array (G,) or (N,), ≥ 0: weight of each problem, or of each row
    band : array of the same length, 0..4, NaN where unknown (such entries are left out)

    Returns
    -------
    array (5,) that sums to 1; all NaN when nothing has weight. Read it beside the share of problems.

    Raises
    ------
    KnobError for negative or unknown weights, or a band that is none.

    >>> band_share([0, 1, 3], [0, 2, 4])
    array([0.  , 0.  , 0.25, 0.  , 0.75])
    """
    return _shares(_by_band(weight, band)[0])


def representation(weight: ArrayLike, band: ArrayLike) -> np.ndarray:
    """Share of the data / share of the problems of each band; 1 is proportional.

    Parameters
    ----------
    weight : float array (G,), ≥ 0: weight of each *problem*, those with none included
    band : array (G,), 0..4, NaN where unknown (such problems are left out)

    Returns
    -------
    array (5,) ≥ 0; NaN for a band without problems, all NaN when nothing has weight.

    Raises
    ------
    KnobError for negative or unknown weights, or a band that is none.

    >>> representation([0, 1, 3], [0, 2, 4])
    array([0.  ,  nan, 0.75,  nan, 2.25])
    """
    data, problems = _by_band(weight, band)
    share = _shares(problems.astype(float))
    return np.divide(_shares(data), share, out=np.full(len(BANDS), np.nan), where=share > 0)


def gini(accepted: ArrayLike) -> float:
    """Inequality of the accepted samples over *all* problems, those with none included.

    Parameters
    ----------
    accepted : float array (G,), ≥ 0: accepted samples (or weight) of each problem

    Returns
    -------
    float in [0, 1 − 1/G]: 0 is equal. NaN when nothing is accepted. Chance alone gives 0.20 at 8 tries with p = ½.

    Raises
    ------
    KnobError for negative or unknown values.

    Source: Gini 1912; `2 Σ i·x₍ᵢ₎ / (G Σ x) − (G+1)/G`, x ascending.

    >>> gini([0, 0, 0, 10])
    0.75
    """
    x = np.sort(_weights("accepted", accepted))
    if not x.sum() > 0:
        return float("nan")
    size = len(x)
    value = 2.0 * (np.arange(1, size + 1) @ x) / (size * x.sum()) - (size + 1) / size
    return float(max(value, 0.0))


def lorenz(accepted: ArrayLike) -> np.ndarray:
    """Lorenz curve: share of the accepted samples held by the 0, 1, …, G least served problems, zeros kept.

    Takes and raises what `gini` does. Returns array (G+1,), from 0 to 1; all NaN when nothing is accepted.

    >>> lorenz([3, 0, 1])
    array([0.  , 0.  , 0.25, 1.  ])
    """
    x = np.sort(_weights("accepted", accepted))
    if not x.sum() > 0:
        return np.full(len(x) + 1, np.nan)
    return np.r_[0.0, np.cumsum(x)[:-1] / x.sum(), 1.0]
