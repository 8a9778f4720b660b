"""Ranking: does the judge put right samples above wrong ones, over all problems and within each.

Scores may be any real number, ±inf too: only their order counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.calibration.samples import coded, flat, numbered, samples, truths
from siwork.metrics.calibration.ties import ties
from siwork.metrics.intervals import divide
from siwork.schema import KnobError, nearest


def auroc(score: ArrayLike, gold: ArrayLike) -> float:
    """Probability that a right sample scores above a wrong one, ties one half; pooled over problems.

    It mixes in which problems are hard: a judge that knows only difficulty reads far above one half. The skill at choosing
    among the samples of one problem is `auroc_within`.

    Parameters
    ----------
    score : float array (N,), any real, ±inf too; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves

    Returns
    -------
    float in [0, 1], higher = better, 0.5 by chance; NaN unless there are both right and wrong samples.

    Raises
    ------
    KnobError for gold that is not 0 or 1, or lengths that differ.

    >>> auroc([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0])
    0.875
    """
    found = samples(score, gold, probability=False)
    right, wrong = np.sort(found.score[found.gold == 1]), np.sort(found.score[found.gold == 0])
    if not (len(right) and len(wrong)):
        return float("nan")
    below = int(np.searchsorted(wrong, right, "left").sum()) + int(np.searchsorted(wrong, right, "right").sum())
    return below / (2 * len(right) * len(wrong))


def auroc_influence(score: ArrayLike, gold: ArrayLike) -> tuple[float, np.ndarray]:
    """`auroc` and the influence of each sample on it, for the clustered standard error `influence_se(influence, problem)`.

    Parameters
    ----------
    score, gold : as in `auroc`

    Returns
    -------
    value : float, as `auroc`
    influence : float array (N,), mean 0, DeLong's placements less the value, scaled by N over the size of the class; 0 for
        samples that leave, NaN when the value is.

    Raises
    ------
    KnobError as `auroc`.

    Source: DeLong et al. 1988; clusters as in Obuchowski 1997.

    >>> value, influence = auroc_influence([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0])
    >>> value, influence.tolist()
    (0.875, [0.25, -0.25, -0.25, 0.25])
    """
    s, y = flat(score, gold)
    known = ~(np.isnan(s) | np.isnan(y))
    if not known.all():
        value, inner = auroc_influence(s[known], y[known])
        influence = np.zeros(len(s))
        influence[known] = inner * (len(s) / max(len(inner), 1))
        return value, influence if known.any() else np.full(len(s), np.nan)
    order = np.argsort(s)
    ranked, right = s[order], truths(y)[order]
    new = np.ones(len(s), bool)
    new[1:] = ranked[1:] != ranked[:-1]
    tie = np.cumsum(new) - 1
    hits = np.bincount(tie, right)
    misses = np.bincount(tie) - hits
    n1, n0 = hits.sum(), misses.sum()
    if not (n1 and n0):
        return float("nan"), np.full(len(s), np.nan)
    up = (np.cumsum(misses) - misses / 2) / n0  # share of wrong samples below a right one of this score
    down = (n1 - np.cumsum(hits) + hits / 2) / n1
    value = float((hits * up).sum() / n1)
    influence = np.empty(len(s))
    influence[order] = np.where(right == 1, (up - value)[tie] * (len(s) / n1), (down - value)[tie] * (len(s) / n0))
    return value, influence


def auroc_pairs(score: ArrayLike, gold: ArrayLike, problem: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a right and a wrong sample of one problem: how many the score ranks right (ties ½), and how many there are.

    Σ concordant / Σ pairs is `auroc_within`; the sums of each problem make its ratio interval.

    Parameters
    ----------
    score, gold : as in `auroc`
    problem : int array (N,), 0..G−1

    Returns
    -------
    concordant, pairs : float arrays (G,); 0 and 0 for a problem whose known samples are all right or all wrong.

    Raises
    ------
    KnobError for gold that is not 0 or 1, lengths that differ, or problems that are not whole numbers.

    >>> auroc_pairs([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0], [0, 1, 1, 1])
    (array([0. , 1.5]), array([0., 2.]))
    """
    s, y = flat(score, gold)
    codes, groups = numbered(problem, len(s))
    known = ~(np.isnan(s) | np.isnan(y))
    if not known.all():
        s, y, codes = s[known], y[known], codes[known]
    return _pairs(s, truths(y), codes, groups)


def _pairs(s: np.ndarray, y: np.ndarray, codes: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    found = ties(s, codes, groups)
    hits = found.sums(y)
    misses = found.size - hits
    right = np.bincount(codes, y, groups)
    wrong = np.bincount(codes, minlength=groups) - right
    passed = np.cumsum(misses) - misses  # wrong samples ahead, of this and all earlier problems
    below = passed - (np.cumsum(wrong) - wrong)[found.problem]
    return np.bincount(found.problem, hits * (below + misses / 2), groups), right * wrong


def auroc_within(score: ArrayLike, gold: ArrayLike, problem: ArrayLike, weights: str = "pairs") -> float:
    """Probability that a right sample scores above a wrong sample of the same problem: the judge's skill at selection.

    Parameters
    ----------
    score, gold : as in `auroc`
    problem : array (N,), labels of any kind
    weights : "pairs" is Σ concordant / Σ pairs; "problems" the plain mean over problems

    Returns
    -------
    float in [0, 1], higher = better, 0.5 by chance. Problems with one class leave (those with 0 of `auroc_pairs`); NaN
    when no problem has both.

    Raises
    ------
    KnobError for gold that is not 0 or 1, lengths that differ, a missing label, or unknown weights.

    >>> auroc_within([0.9, 0.2, 0.8, 0.1], [1, 0, 1, 1], ["a", "a", "b", "b"])
    1.0
    """
    if weights not in ("pairs", "problems"):
        raise KnobError(
            f"weights must be pairs or problems, got {weights!r}; {nearest(weights, ['pairs', 'problems'])}"
        )
    found = samples(score, gold, problem, probability=False)
    assert found.problem is not None
    right = np.bincount(found.problem, found.gold, found.groups)
    mixed = (right > 0) & (right < np.bincount(found.problem, minlength=found.groups))
    if not mixed.any():
        return float("nan")
    keep = mixed[found.problem]
    codes, groups = coded(found.problem[keep])
    concordant, pairs = _pairs(found.score[keep], found.gold[keep], codes, groups)
    return float(concordant.sum() / pairs.sum()) if weights == "pairs" else float(divide(concordant, pairs).mean())


def average_precision(score: ArrayLike, gold: ArrayLike) -> float:
    """Area under the precision–recall curve in its step form, Σ (R_k − R_{k−1}) P_k over the distinct scores.

    Takes and raises what `auroc` does. Returns float in (0, 1], higher = better, the share of right samples by chance, so
    rounds of different solve rate do not compare (`precision_gain`); 1 without wrong samples, NaN without right ones.

    >>> round(average_precision([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0]), 4)
    0.8333
    """
    found = samples(score, gold, probability=False)
    right, wrong = np.sort(found.score[found.gold == 1]), np.sort(found.score[found.gold == 0])
    if not len(right):
        return float("nan")
    hits = len(right) - np.searchsorted(right, right, "left")
    misses = len(wrong) - np.searchsorted(wrong, right, "left")
    return float(np.mean(hits / (hits + misses)))


def precision_gain(score: ArrayLike, gold: ArrayLike) -> float:
    """`average_precision` over the share of right samples: how many times better than chance, comparable between rounds.

    Takes and raises what `auroc` does. Returns float > 0, higher = better, 1 by chance and at most 1 over the share; NaN
    without right samples.

    >>> round(precision_gain([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0]), 4)
    1.6667
    """
    found = samples(score, gold, probability=False)
    value = average_precision(found.score, found.gold)
    return value / float(found.gold.mean()) if not np.isnan(value) else value
