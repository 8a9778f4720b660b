"""What a threshold or a ranking by the judge lets through: rates, and what selection adds to generation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.calibration.samples import flat, linear_interval, numbered, per_problem, truths
from siwork.metrics.calibration.ties import ties
from siwork.metrics.intervals import checked_level, divide
from siwork.metrics.uncertainty.clusters import Interval
from siwork.schema import KnobError


class Verdicts(NamedTuple):
    """Counts of samples by verdict and truth, floats or arrays (G,)."""

    accepted_right: Any
    accepted_wrong: Any
    rejected_right: Any
    rejected_wrong: Any
    accepted_unknown: Any  # truth unknown
    rejected_unknown: Any
    unscored: Any  # among the rejected


def verdicts(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None, threshold: float = 0.5) -> Verdicts:
    """How many samples a judge that accepts score ≥ threshold lets through, by truth; parts of ratio intervals.

    Parameters
    ----------
    score : float array (N,), any real; NaN (unscored) is rejected
    gold : array (N,), 1 right, 0 wrong, NaN unknown
    problem : int array (N,), 0..G−1, or any other grouping (bands); None for all samples at once
    threshold : least score that is accepted

    Returns
    -------
    Verdicts of floats, or of arrays (G,).

    Raises
    ------
    KnobError for gold that is not 0 or 1, lengths that differ, problems that are not whole numbers, or a NaN threshold.

    >>> verdicts([0.9, 0.8, 0.1], [1, 0, 1])[:4]
    (1.0, 1.0, 1.0, 0.0)
    """
    s, y = flat(score, gold)
    known = ~np.isnan(y)
    truths(y[known])
    codes, groups = numbered(problem, len(s))
    cell = 3 * (s < _checked(threshold)) + np.where(known, y == 0, 2)
    cell[np.isnan(s)] += 3
    counts = np.bincount(codes * 6 + cell, minlength=6 * groups).reshape(groups, 6).T.astype(float)
    unscored = np.bincount(codes[np.isnan(s)], minlength=groups).astype(float)
    right, wrong, unknown, missed, spared, passed = (per_problem(each, problem) for each in counts)
    return Verdicts(right, wrong, missed, spared, unknown, passed, per_problem(unscored, problem))


def _checked(threshold: float) -> float:
    if np.isnan(threshold):
        raise KnobError("threshold must be a number, got nan; inf accepts nothing but inf")
    return float(threshold)


class Acceptance(NamedTuple):
    """Rates of a judge with a threshold, floats or arrays (G,)."""

    accept_rate: Any  # of all samples
    precision: Any  # right among accepted: purity of the training data, higher = better
    recall: Any  # accepted among right, higher = better
    fpr: Any  # accepted among wrong: poisons the data, lower = better
    fnr: Any  # rejected among right: narrows the tail, lower = better
    n: Any  # samples
    unscored: Any  # samples without a score, all rejected
    unknown: Any  # samples of unknown truth, in n and accept_rate only


def acceptance(
    score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None, threshold: float = 0.5
) -> Acceptance:
    """Accept rate, precision, recall, and the two error rates of a judge that accepts score ≥ threshold.

    Parameters
    ----------
    score, gold, problem, threshold : as in `verdicts`

    Returns
    -------
    Acceptance of floats, or of arrays (G,), rates in [0, 1]; each NaN where its denominator is 0: nothing accepted for
    precision, no right sample for recall and fnr, no wrong one for fpr. Over problems these are ratios of sums: take their
    intervals from the sums of `verdicts`.

    Raises
    ------
    KnobError as `verdicts`.

    >>> acceptance([0.9, 0.8, 0.1], [1, 0, 1])[:5]
    (0.6666666666666666, 0.5, 0.5, 1.0, 0.5)
    """
    found = verdicts(score, gold, problem, threshold)
    right, wrong, missed, spared, more, passed, unscored = (np.atleast_1d(each) for each in found)
    total = right + wrong + missed + spared + more + passed
    rates = (
        divide(right + wrong + more, total),
        divide(right, right + wrong),
        divide(right, right + missed),
        divide(wrong, wrong + spared),
        divide(missed, right + missed),
    )
    return Acceptance(*(per_problem(each, problem) for each in (*rates, total, unscored, more + passed)))


def gv_gap(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None, threshold: float = 0.5) -> Any:
    """Generation–verification gap of each problem: mean truth of the accepted samples less mean truth of all.

    Parameters
    ----------
    score : float array (N,), any real; NaN (unscored) is rejected
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    problem : int array (N,), 0..G−1; None for a single problem
    threshold : least score that is accepted

    Returns
    -------
    float, or array (G,), in [−1, 1], higher = better: what selection adds. 0 where nothing is accepted (`no_accept` counts
    them); NaN where no truth is known. Falls to 0 before accuracy stops rising.

    Raises
    ------
    KnobError as `verdicts`.

    Source: Song et al. 2024 (arXiv:2412.02674), definition 2.1 with accept/reject weights.

    >>> gv_gap([0.9, 0.2, 0.1, 0.3], [1, 0, 1, 1], [0, 0, 1, 1])
    array([0.5, 0. ])
    """
    gap, _ = _gap(score, gold, problem, threshold)
    return per_problem(gap, problem)


def _gap(
    score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gap and mean truth of each problem, (G,)."""
    right, wrong, missed, spared = (np.atleast_1d(each) for each in verdicts(score, gold, problem, threshold)[:4])
    base = divide(right + missed, right + wrong + missed + spared)
    kept = divide(right, right + wrong)
    return np.where(np.isnan(kept), base, kept) - base, base


def gv_gap_relative(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None, threshold: float = 0.5) -> Any:
    """Generation–verification gap of each problem over its headroom, gap/(1 − J), J the mean truth of all samples.

    Takes and raises what `gv_gap` does. Returns float, or array (G,), ≤ 1, higher = better; NaN where J = 1 (nothing to
    gain) or no truth is known. Its mean over problems is the published number; mean gap over mean headroom is another.

    Source: Song et al. 2024 (arXiv:2412.02674), definition 2.2.

    >>> gv_gap_relative([0.9, 0.2, 0.1, 0.3], [1, 0, 1, 1], [0, 0, 1, 1])
    array([ 1., nan])
    """
    gap, base = _gap(score, gold, problem, threshold)
    return per_problem(divide(gap, 1 - base), problem)


def no_accept(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None, threshold: float = 0.5) -> int:
    """Number of problems with a known truth and nothing accepted among those samples, where `gv_gap` is 0 by rule.

    Takes and raises what `gv_gap` does.

    >>> no_accept([0.9, 0.2, 0.1, 0.3], [1, 0, 1, 1], [0, 0, 1, 1])
    1
    """
    right, wrong, missed, spared = (np.atleast_1d(each) for each in verdicts(score, gold, problem, threshold)[:4])
    return int(((right + wrong == 0) & (missed + spared > 0)).sum())


def top_precision(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None, share: float = 0.25) -> Any:
    """Mean truth of the best scored share of each problem's samples, ⌈share · n⌉ of them.

    Parameters
    ----------
    score : float array (N,), any real, ±inf too; NaN (unscored) ranks below all
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    problem : int array (N,), 0..G−1; None for a single problem
    share : part of the samples that is taken, in (0, 1]

    Returns
    -------
    float, or array (G,), in [0, 1], higher = better; ties at the cut are split evenly, in expectation. NaN where no truth is
    known. share = 1 is the solve rate.

    Raises
    ------
    KnobError for gold that is not 0 or 1, lengths that differ, problems that are not whole numbers, or share outside (0, 1].

    >>> top_precision([0.9, 0.9, 0.1, 0.3], [1, 0, 1, 1])
    0.5
    """
    if not 0 < share <= 1:
        raise KnobError(f"share must lie in (0, 1], got {share!r}; 0.25 is the best quarter")
    s, y = flat(score, gold)
    codes, groups = numbered(problem, len(s))
    known = ~np.isnan(y)
    s, y, codes = s[known], truths(y[known]), codes[known]
    found = ties(-s, codes, groups)
    size = np.ceil(share * np.bincount(codes, minlength=groups) - 1e-9)  # 0.07 · 100 is above 7 in floats
    taken = np.clip(size[found.problem] - found.before, 0, found.size)
    hits = np.bincount(found.problem, found.sums(y) * taken / found.size, groups)
    return per_problem(divide(hits, size), problem)


def performance_gap_recovered(weak: ArrayLike, student: ArrayLike, ceiling: ArrayLike, level: float = 0.95) -> Interval:
    """Share of the gap between a weak supervisor and a strong ceiling that a weakly supervised student closes.

    (mean student − mean weak)/(mean ceiling − mean weak), the interval linearised over problems.

    Parameters
    ----------
    weak, student, ceiling : float arrays (G,), per-problem values on the same problems; a NaN in one leaves
    level : coverage, between 0 and 1

    Returns
    -------
    Interval(value, low, high, n), higher = better, 1 the ceiling, below 0 worse than the supervisor; n the problems. Value
    and bounds NaN when the ceiling does not exceed the weak mean; no bounds with fewer than two problems.

    Raises
    ------
    KnobError for lengths that differ or a level outside (0, 1).

    Source: Burns et al. 2023, weak-to-strong generalization (arXiv:2312.09390).

    >>> round(performance_gap_recovered([0.2, 0.4], [0.5, 0.6], [0.8, 0.8]).value, 4)
    0.5
    """
    checked_level(level)
    w, s, c = (np.asarray(x, float) for x in (weak, student, ceiling))
    if w.ndim != 1 or not w.shape == s.shape == c.shape:
        raise KnobError(
            f"weak, student and ceiling must be flat and of one length, got {w.shape}, {s.shape}, {c.shape}"
        )
    known = ~np.isnan(w + s + c)
    gain, gap = (s - w)[known], (c - w)[known]
    room = gap.sum()
    if not room > 1e-12 * len(gap):
        return Interval(float("nan"), float("nan"), float("nan"), len(gap))
    value = float(gain.sum() / room)
    return linear_interval(value, (gain - value * gap) / room, level)
