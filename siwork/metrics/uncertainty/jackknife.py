"""Delete-group jackknife over problems, for metrics of a whole set of texts.

Such metrics (distinct-n, self-BLEU, compression ratio, Vendi score of a pool) are never resampled with replacement: the
copies that a bootstrap makes move them far more than other problems would.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.intervals import student_t
from siwork.metrics.uncertainty.clusters import Interval
from siwork.schema import KnobError

Kept = Callable[[np.ndarray], float]  # bool (N,), the samples kept → the metric on them


def jackknife_groups(function: Kept, problem: ArrayLike, groups: int = 20, seed: int = 0) -> float:
    """Standard error of a set statistic by leaving out one group of problems at a time.

    Problems are dealt into `groups` at random, sizes differing by one at most; `SE² = (g−1)/g · Σ_j (θ_(−j) − θ̄)²`.

    Parameters
    ----------
    function : takes a bool array (N,), True for the samples kept, and returns the metric on them
    problem : array (N,), any labels; their order in the array does not matter
    groups : number of groups g, ≥ 2; the function is called once for each
    seed : of the deal

    Returns
    -------
    float ≥ 0; NaN with fewer than `groups` problems, or where the function is not finite on a part.

    Raises
    ------
    KnobError for fewer than two groups or labels that are not flat.

    Source: Shao & Tu 1995, the delete-group jackknife with random groups.

    >>> values, problem = np.arange(80.0), np.repeat(np.arange(20), 4)
    >>> round(jackknife_groups(lambda kept: values[kept].mean(), problem), 4)  # sd of problem means / √20
    5.2915
    """
    deal = _deal(problem, groups, seed)[0]
    return float("nan") if deal is None else _se(function, deal, groups)


def jackknife_interval(
    function: Kept, problem: ArrayLike, groups: int = 20, level: float = 0.95, seed: int = 0
) -> Interval:
    """A set statistic with its interval, value ± t_{g−1} · `jackknife_groups`.

    Takes what `jackknife_groups` takes, and level, the coverage between 0 and 1. Returns Interval(value, low, high, n):
    value of all samples, n the problems; low and high are NaN where the standard error is. The interval may pass the ends
    of what the metric can be. Raises KnobError as `jackknife_groups` does, and for a level outside (0, 1).

    >>> values, problem = np.arange(80.0), np.repeat(np.arange(20), 4)
    >>> found = jackknife_interval(lambda kept: values[kept].mean(), problem)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3), found.n
    (39.5, 28.425, 50.575, 20)
    """
    half = float(student_t(np.array([groups]), level)[0])
    deal, problems = _deal(problem, groups, seed)
    if not problems:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    value = float(function(np.ones(np.shape(problem), bool)))
    half *= float("nan") if deal is None else _se(function, deal, groups)
    return Interval(value, value - half, value + half, problems)


def _deal(problem: ArrayLike, groups: int, seed: int) -> tuple[np.ndarray | None, int]:
    """Group of each sample, None with fewer problems than groups; and the number of problems."""
    if groups != int(groups) or groups < 2:
        raise KnobError(f"groups must be a whole number ≥ 2, got {groups!r}; 20 is usual")
    labels = np.asarray(problem)
    if labels.ndim != 1:
        raise KnobError(f"problem must be flat, one label a sample, got shape {labels.shape}")
    code, names = pd.factorize(labels, sort=True, use_na_sentinel=False)
    if len(names) < groups:
        return None, len(names)
    return (np.random.default_rng(seed).permutation(len(names)) % groups)[code], len(names)


def _se(function: Kept, deal: np.ndarray, groups: int) -> float:
    without = np.array([float(function(deal != group)) for group in range(groups)])
    if not np.isfinite(without).all():
        return float("nan")
    return float(np.sqrt((groups - 1) / groups * np.sum((without - without.mean()) ** 2)))
