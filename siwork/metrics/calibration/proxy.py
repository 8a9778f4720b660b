"""Verifier against truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from siwork.schema import KnobError


def proxy_gold_gap(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None) -> float:
    """Mean score − mean gold over the samples that have both: how far the verifier flatters.

    Parameters
    ----------
    score : float array (N,) in [0, 1], NaN where unscored
    gold : array (N,), 1 right, 0 wrong, NaN where unknown
    problem : array (N,), any labels: the mean over problems of each problem's own gap; None is the mean over samples

    Returns
    -------
    float in [−1, 1], 0 for a judge that is right on average; NaN when no sample has both.

    Raises
    ------
    KnobError (a ValueError) for a score outside [0, 1], a gold that is not 0 or 1, or lengths that differ.

    >>> proxy_gold_gap([1.0, 0.5, float("nan")], [1, 0, 1])
    0.25
    """
    s, y = np.asarray(score, float), np.asarray(gold, float)
    if s.ndim != 1 or s.shape != y.shape or (problem is not None and len(np.asarray(problem)) != len(s)):
        raise KnobError(f"score, gold and problem must be flat and of one length, got {s.shape} and {y.shape}")
    both = ~(np.isnan(s) | np.isnan(y))
    gap = s[both] - y[both]
    if ((s[both] < 0) | (s[both] > 1)).any() or not np.isin(y[both], (0.0, 1.0)).all():
        raise KnobError("score must be in [0, 1] and gold 0 or 1; a margin or reward is no probability, map it first")
    if not both.any():
        return float("nan")
    if problem is None:
        return float(gap.mean())
    code = np.unique(np.asarray(problem)[both], return_inverse=True)[1]
    return float((np.bincount(code, gap) / np.bincount(code)).mean())
