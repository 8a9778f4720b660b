"""Does the judge favour texts of its own writer at equal truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.calibration.samples import coded, flat, linear_interval, truths
from siwork.metrics.intervals import checked_level
from siwork.metrics.uncertainty.clusters import Interval
from siwork.schema import KnobError


def self_preference(
    score: ArrayLike, gold: ArrayLike, own: ArrayLike, problem: ArrayLike, level: float = 0.95
) -> Interval:
    """Mean over truth 0 and 1 of E[score | own text, truth] − E[score | others' text, truth], on the same problems.

    Holding truth fixed separates favour from quality.

    Parameters
    ----------
    score : float array (N,), finite; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    own : bool array (N,), whether the text is by the judge's own writer (in a loop: this round's policy against stored
        samples of round 0)
    problem : array (N,), labels of any kind; problems without both own and others' texts leave
    level : coverage, between 0 and 1

    Returns
    -------
    Interval in the unit of the score, in [−1, 1] for probabilities, nearer 0 = better, above 0 favours its own; linearised
    over problems; n the problems used. NaN when one of the four cells (own or not, right or wrong) is empty.

    Raises
    ------
    KnobError for lengths that differ, gold or own that are not 0 or 1, an infinite score, or a level outside (0, 1).

    Source: Panickssery et al. 2024 (arXiv:2404.13076), with truth held fixed.

    >>> round(self_preference([0.9, 0.5, 0.7, 0.3], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]).value, 4)
    0.2
    """
    checked_level(level)
    s, y = flat(score, gold, problem)
    mine = np.asarray(own, float)
    known = ~(np.isnan(s) | np.isnan(y))
    if mine.shape != s.shape or not ((mine == 0) | (mine == 1)).all():
        raise KnobError(f"own must say 0 or 1 of each sample, got shape {mine.shape} for {s.shape}")
    if np.isinf(s).any():
        raise KnobError("score must be finite for a mean over it, got inf; clip the score first")
    s, y, mine, labels = s[known], truths(y[known]), mine[known], np.asarray(problem)[known]
    codes, groups = coded(labels)
    written = np.bincount(codes, mine, groups)
    both = ((written > 0) & (written < np.bincount(codes, minlength=groups)))[codes]
    s, y, mine, codes = s[both], y[both], mine[both], codes[both]
    codes, groups = coded(codes)
    cell = (2 * mine + y).astype(np.int64)
    count = np.bincount(cell, minlength=4)
    if not count.all():
        return Interval(float("nan"), float("nan"), float("nan"), groups)
    mean = np.bincount(cell, s, 4) / count
    sign = np.array([-0.5, -0.5, 0.5, 0.5])
    parts = np.bincount(codes, (s - mean[cell]) * (sign / count)[cell], groups)
    return linear_interval(float(sign @ mean), parts, level)
