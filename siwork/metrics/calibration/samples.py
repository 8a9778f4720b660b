"""What every function of this family does first: check scores, truth and problems, leave out what is unknown."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.draws import whole
from siwork.metrics.intervals import student_t
from siwork.metrics.uncertainty.clusters import Interval
from siwork.schema import KnobError

_FLAT = "score, gold and problem must be flat and of one length"


class Samples(NamedTuple):
    """Samples that have both a score and a known truth, arrays (n,)."""

    score: np.ndarray
    gold: np.ndarray  # 0.0 or 1.0
    problem: np.ndarray | None  # codes 0..groups−1, None when the caller gave none
    groups: int


def flat(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Score and gold as float arrays (N,). Raises KnobError when they are not flat and of one length."""
    s, y = np.asarray(score, float), np.asarray(gold, float)
    if s.ndim != 1 or s.shape != y.shape or (problem is not None and np.shape(problem) != s.shape):
        raise KnobError(f"{_FLAT}, got {s.shape}, {y.shape} and {None if problem is None else np.shape(problem)}")
    return s, y


def truths(gold: np.ndarray) -> np.ndarray:
    """The known truths themselves. Raises KnobError when one is not 0 or 1."""
    wrong = (gold != 0) & (gold != 1)
    if wrong.any():
        raise KnobError(f"gold must be 0, 1 or NaN where unknown, got {gold[wrong][0]:g}; threshold graded truth first")
    return gold


def probabilities(score: np.ndarray) -> np.ndarray:
    """The scores themselves, NaN let through. Raises KnobError when one lies outside [0, 1]."""
    wrong = (score < 0) | (score > 1)
    if wrong.any():
        seen = score[wrong][0]
        raise KnobError(f"score must be in [0, 1], got {seen:g}; a margin or reward is no probability: isotonic_map")
    return score


def samples(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None, probability: bool = True) -> Samples:
    """The samples that have both score and truth; problem labels of any kind become codes 0..groups−1.

    Raises KnobError for lengths that differ, gold that is not 0 or 1, a missing label, or, with `probability`, a score
    outside [0, 1].
    """
    s, y = flat(score, gold, problem)
    labels = None if problem is None else np.asarray(problem)
    known = ~(np.isnan(s) | np.isnan(y))
    if not known.all():
        s, y = s[known], y[known]
        labels = None if labels is None else labels[known]
    truths(y)
    if probability:
        probabilities(s)
    codes, groups = (None, len(s)) if labels is None else coded(labels)
    return Samples(s, y, codes, groups)


def coded(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Labels of any kind as codes 0..groups−1 without gaps, and the number of groups. Raises KnobError for a missing one."""
    if labels.dtype.kind in "iu" and labels.size and labels.min() >= 0 and labels.max() < 4 * len(labels) + 64:
        present = np.bincount(labels) > 0
        if present.all():
            return labels.astype(np.int64, copy=False), len(present)
        return (np.cumsum(present) - 1)[labels], int(present.sum())
    codes, names = pd.factorize(labels)
    if codes.size and codes.min() < 0:
        raise KnobError("problem must name the problem of every sample, got a missing label; leave such samples out")
    return codes.astype(np.int64, copy=False), len(names)


def numbered(problem: ArrayLike | None, size: int) -> tuple[np.ndarray, int]:
    """Problem numbers 0..G−1 of `size` samples and G, the greatest number plus one; None is a single problem.

    Raises KnobError for labels that are no whole numbers, or another length.
    """
    if problem is None:
        return np.zeros(size, np.int64), 1
    codes = np.asarray(problem)
    if codes.dtype.kind not in "iu" or (codes.size and codes.min() < 0):
        codes = whole("problem", problem)
    if codes.shape != (size,):
        raise KnobError(f"{_FLAT}, got problem {codes.shape} for {size} samples")
    return codes.astype(np.int64, copy=False), int(codes.max(initial=-1)) + 1


def per_problem(values: np.ndarray, problem: ArrayLike | None) -> Any:
    """The values (G,), or a float where the caller gave a single problem."""
    return float(values[0]) if problem is None else values


def linear_interval(value: float, parts: np.ndarray, level: float) -> Interval:
    """Interval of a smooth functional from per-problem sums of influence: value ± t_{G−1} · sqrt(G/(G−1) Σ parts²).

    Parameters
    ----------
    value : the estimate
    parts : float array (G,), what each problem adds to the error of the value; mean 0
    level : coverage, between 0 and 1

    Returns
    -------
    Interval; no bounds (NaN) with fewer than two problems, an unknown value, or when no problem differs from another.

    Raises
    ------
    KnobError for a level outside (0, 1).
    """
    groups = len(parts)
    t = float(student_t(np.array([groups]), level)[0])
    square = float(np.sum(np.square(parts)))
    if groups < 2 or not square > 0 or np.isnan(value):
        return Interval(value, float("nan"), float("nan"), groups)
    half = t * float(np.sqrt(groups / (groups - 1) * square))
    return Interval(value, value - half, value + half, groups)
