"""Counts of independent 0/1 units: McNemar's exact test of paired answers, the Clopper–Pearson interval of a share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, betaincinv

from siwork.metrics.draws import whole
from siwork.metrics.intervals import checked_level
from siwork.schema import KnobError


def mcnemar(gained: ArrayLike, lost: ArrayLike) -> Any:
    """Exact two-sided p that as many problems are gained as lost, one 0/1 answer a problem and round.

    Twice the binomial(gained + lost, ½) probability of the lesser count or fewer, at most 1. For several samples a
    problem use `paired_t`, or `tail.transitions` with its null.

    Parameters
    ----------
    gained, lost : problems wrong before and right after, and the other way round; whole numbers that broadcast

    Returns
    -------
    float, or array, in (0, 1]; lower = more evidence of change. Exactly 1 where no problem changed: that is no
    evidence of change, and it is known.

    Raises
    ------
    KnobError for counts that are not whole or negative.

    Source: McNemar 1947, in its exact form.

    >>> mcnemar(8, 1), mcnemar(0, 0)
    (0.0390625, 1.0)
    """
    up, down = np.broadcast_arrays(whole("gained", gained), whole("lost", lost))
    p = np.minimum(1.0, 2.0 * bdtr(np.minimum(up, down).astype(float), up + down, 0.5))
    return float(p) if p.ndim == 0 else p


def clopper_pearson(x: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Clopper–Pearson interval of a share x/n of independent 0/1 units: covers at least `level`, whatever the share.

    Wider than `wilson`; for where a guarantee is asked for.

    Parameters
    ----------
    x : successes, whole, 0 ≤ x ≤ n
    n : units, whole
    level : coverage, between 0 and 1

    Returns
    -------
    low, high : arrays of the broadcast shape, in [0, 1]; NaN where n = 0.

    Raises
    ------
    KnobError for a level outside (0, 1), counts that are not whole, or x outside 0..n.

    Source: Clopper & Pearson 1934, by quantiles of the beta distribution.

    >>> low, high = clopper_pearson(3, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0667, 0.6525)
    """
    tail = (1.0 - checked_level(level)) / 2
    hits, units = np.broadcast_arrays(whole("x", x), whole("n", n))
    if (hits > units).any():
        raise KnobError("x counts successes among n units, so it must lie in 0..n; swap x and n?")
    a, b = hits.astype(float), (units - hits).astype(float)
    low = np.where(a > 0, betaincinv(np.maximum(a, 1.0), b + 1.0, tail), 0.0)
    high = np.where(b > 0, betaincinv(a + 1.0, np.maximum(b, 1.0), 1.0 - tail), 1.0)
    known = units > 0
    return np.where(known, low, np.nan)[()], np.where(known, high, np.nan)[()]
