"""Tail narrowing: what a right sample costs in each band, and how heavy the tail of a distribution of types is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.draws import counted, whole
from siwork.metrics.intervals import divide
from siwork.metrics.tail.bands import _by_band, _weights


def samples_per_success(n: ArrayLike, c: ArrayLike, band: ArrayLike) -> np.ndarray:
    """Samples drawn for each right one in each band, Σn/Σc.

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n
    band : array (G,), 0..4, NaN where unknown (such problems are left out)

    Returns
    -------
    array (5,) ≥ 1, lower is cheaper. NaN where a band has no right sample: its cost is then above Σn, not known, and
    not infinite.

    Raises
    ------
    KnobError for counts that are not whole, negative, c > n, or a band that is none.

    >>> samples_per_success(8, [0, 1, 3, 8], [0, 1, 1, 4])
    array([nan,  4., nan, nan,  1.])
    """
    samples, right = (np.atleast_1d(x) for x in counted(n, c))
    return divide(_by_band(samples, band)[0], _by_band(right, band)[0])


def rank_tail(counts: ArrayLike, rank: int) -> float:
    """Share of the mass that lies beyond the `rank` commonest types.

    Parameters
    ----------
    counts : float array (types,), ≥ 0: samples (or weight) of each type
    rank : types to leave out, ≥ 0

    Returns
    -------
    float in [0, 1], higher is a heavier tail; 0 where there are no more types, NaN without mass. Depends on n: compare
    at equal n.

    Raises
    ------
    KnobError for negative or unknown counts, or a rank that is not whole.

    >>> rank_tail([6, 2, 1, 1], 2)
    0.2
    """
    mass = np.sort(_weights("counts", counts))
    beyond = mass[: max(len(mass) - int(whole("rank", rank)), 0)]
    return float(beyond.sum() / mass.sum()) if mass.sum() > 0 else float("nan")


def zipf_exponent(counts: ArrayLike) -> float:
    """Exponent a of the law p(r) ∝ r^(−a) over the ranks 1..S of the types seen, by maximum likelihood.

    Parameters
    ----------
    counts : int array (types,), samples of each type; zeros change nothing

    Returns
    -------
    float ≥ 0, higher is a lighter tail, 0 where all types are equally common; NaN with fewer than two types. The ranks
    come from the same sample, which makes a small sample look steeper: compare at equal n.

    Raises
    ------
    KnobError for counts that are not whole or negative.

    Source: the likelihood equation E_a[log r] = Σ x_r log r / Σ x_r.

    >>> zipf_exponent([60, 30, 20, 15]).__round__(6)
    1.0
    """
    from scipy.optimize import brentq  # slow to load, and rarely needed

    x = whole("counts", counts).ravel()
    x = np.sort(x[x > 0])[::-1]
    if len(x) < 2:
        return float("nan")
    log_rank = np.log(np.arange(1, len(x) + 1))
    seen = float(x @ log_rank / x.sum())

    def above(a: float) -> float:
        p = np.exp(-a * log_rank)
        return float(p @ log_rank / p.sum()) - seen

    if above(0.0) <= 0:  # equal counts, up to rounding
        return 0.0
    top = 1.0
    while above(top) > 0:
        top *= 2
    return float(brentq(above, 0.0, top, xtol=1e-12))
