"""Agreement of judges with each other, and of a problem's samples among themselves."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.calibration.samples import numbered
from siwork.metrics.intervals import divide
from siwork.schema import KnobError, nearest

_WEIGHTS = ("linear", "quadratic")


def _labels(values: Any) -> np.ndarray:
    if hasattr(values, "dtype"):
        return np.asarray(values)
    # a list goes through object, because NumPy would turn None and NaN among strings into words
    array = np.fromiter(values, object, len(values))
    return array if any(isinstance(each, str) for each in array) else _numbers(array)


def _numbers(labels: np.ndarray) -> np.ndarray:
    try:
        return labels.astype(float)  # None becomes NaN
    except (TypeError, ValueError):
        return labels


def _codes(labels: np.ndarray, sort: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Codes of labels of any kind (−1 missing) and the labels, rising when `sort`."""
    codes, names = pd.factorize(labels.ravel(), sort=sort)
    return codes.reshape(labels.shape), np.asarray(names)


def _table(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Counts (labels, labels) of pairs rated by both, and the labels, rising."""
    left, right = _labels(a), _labels(b)
    if left.ndim != 1 or left.shape != right.shape:
        raise KnobError(f"a and b must be flat and of one length, got {left.shape} and {right.shape}")
    if left.dtype.kind != right.dtype.kind:
        left, right = left.astype(object), right.astype(object)
    codes, names = _codes(np.stack([left, right]), sort=True)
    both = (codes >= 0).all(axis=0)
    size = len(names)
    pairs = codes[0, both] * size + codes[1, both]
    return np.bincount(pairs, minlength=size * size).reshape(size, size).astype(float), names


def raw_agreement(a: Any, b: Any) -> float:
    """Share of samples to which two raters give the same label.

    Parameters
    ----------
    a, b : labels (N,), numbers or strings; None or NaN = not rated, such pairs leave

    Returns
    -------
    float in [0, 1], higher = better; NaN when no sample is rated by both. Chance alone gives much of it: see `kappa`.

    Raises
    ------
    KnobError for lengths that differ.

    >>> raw_agreement([1, 1, 0, 1], [1, 0, 0, None])
    0.6666666666666666
    """
    table, _ = _table(a, b)
    return float(np.trace(table) / table.sum()) if table.sum() else float("nan")


def marginals(a: Any, b: Any) -> pd.DataFrame:
    """How often each rater gives each label, among the samples rated by both; show it beside `kappa`.

    Takes and raises what `raw_agreement` does. Returns DataFrame (label, a, b), shares that add up to 1, labels rising; NaN
    when no sample is rated by both.

    >>> marginals([1, 1, 0, 1], [1, 0, 0, 1]).values.tolist()
    [[0.0, 0.25, 0.5], [1.0, 0.75, 0.5]]
    """
    table, names = _table(a, b)
    total = np.full(len(names), table.sum())
    return pd.DataFrame({"label": names, "a": divide(table.sum(axis=1), total), "b": divide(table.sum(axis=0), total)})


def kappa(a: Any, b: Any, weights: str | None = None) -> float:
    """Cohen's kappa: agreement of two raters beyond what their marginals give by chance.

    Parameters
    ----------
    a, b : labels (N,), numbers or strings; None or NaN = not rated, such pairs leave
    weights : None counts any difference as 1; "linear" and "quadratic" by the distance of the labels in rising order (places,
        not values)

    Returns
    -------
    float in [−1, 1], higher = better, 0 by chance; NaN when both raters give one and the same label throughout, or no sample
    is rated by both. Rare labels push it down: give `raw_agreement` and `marginals` beside it.

    Raises
    ------
    KnobError for lengths that differ or unknown weights.

    Source: Cohen 1960, 1968.

    >>> kappa([1, 1, 0, 0], [1, 0, 0, 0])
    0.5
    """
    if weights is not None and weights not in _WEIGHTS:
        raise KnobError(f"weights must be None, linear or quadratic, got {weights!r}; {nearest(weights, _WEIGHTS)}")
    table, names = _table(a, b)
    total = table.sum()
    place = np.arange(len(names))
    far = np.abs(place[:, None] - place).astype(float)
    cost = (far > 0).astype(float) if weights is None else far if weights == "linear" else far**2
    chance = float((cost * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    return 1.0 - float((cost * table).sum() * total / chance) if chance else float("nan")


def _votes(ratings: Any) -> np.ndarray:
    """Counts (N, labels) of the ratings (raters, N) of each sample."""
    rows = [_labels(row) for row in ratings]
    if not rows or any(row.ndim != 1 or len(row) != len(rows[0]) for row in rows):
        raise KnobError("ratings must be (raters, samples), every rater as long as the others; None = not rated")
    same = len({row.dtype.kind for row in rows}) == 1
    codes, names = _codes(np.stack(rows if same else [row.astype(object) for row in rows]))
    size, width = codes.shape[1], len(names) + 1
    key = np.arange(size) * width + codes + 1  # column 0 collects what is not rated
    return np.bincount(key.ravel(), minlength=size * width).reshape(size, width)[:, 1:].astype(float)


def krippendorff_alpha(ratings: Any) -> float:
    """Krippendorff's alpha for nominal labels: 1 − observed over expected disagreement; takes missing ratings.

    Parameters
    ----------
    ratings : labels (raters, N), numbers or strings; None or NaN = not rated

    Returns
    -------
    float ≤ 1, higher = better, 0 by chance; samples with fewer than two ratings leave; NaN when none is left, or only one
    label is ever given.

    Raises
    ------
    KnobError for ratings that are not (raters, N).

    Source: Krippendorff 2004, by pairable values.

    >>> round(krippendorff_alpha([[1, 0, 1, 0], [1, 0, 0, None]]), 4)
    0.4444
    """
    votes = _votes(ratings)
    votes = votes[votes.sum(axis=1) >= 2]
    each, every = votes.sum(axis=1), votes.sum(axis=0)
    total = every.sum()
    apart = (each**2 - (votes**2).sum(axis=1)) / np.maximum(each - 1, 1)
    expected = (total**2 - (every**2).sum()) / max(total - 1, 1)
    return 1.0 - float(apart.sum() / expected) if expected else float("nan")


def fleiss_kappa(ratings: Any) -> float:
    """Fleiss' kappa: agreement of several raters beyond chance, one common marginal.

    Parameters
    ----------
    ratings : labels (raters, N), numbers or strings; a sample that a rater left out leaves (`krippendorff_alpha` keeps it)

    Returns
    -------
    float ≤ 1, higher = better, 0 by chance; NaN with one rater, without a sample rated by all, or with one label only.

    Raises
    ------
    KnobError for ratings that are not (raters, N).

    Source: Fleiss 1971.

    >>> round(fleiss_kappa([[1, 0, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0]]), 4)
    0.3333
    """
    votes = _votes(ratings)
    raters = len(ratings)
    votes = votes[votes.sum(axis=1) == raters]
    if raters < 2 or not len(votes):
        return float("nan")
    agreed = ((votes**2).sum(axis=1) - raters).mean() / (raters * (raters - 1))
    chance = ((votes.sum(axis=0) / votes.sum()) ** 2).sum()
    return float((agreed - chance) / (1 - chance)) if chance < 1 else float("nan")


def _one_kind(answers: np.ndarray, right: np.ndarray) -> None:
    words, right_words = ({isinstance(label, str) for label in some} for some in (answers, right))
    if len(answers) and len(right) and words.isdisjoint(right_words):
        raise KnobError(
            f"answers and right answers must be of one kind, got {answers[0]!r} and {right[0]!r}; convert one of them"
        )


class VoteShare(NamedTuple):
    """The vote of each problem's samples, arrays (G,)."""

    share: np.ndarray  # votes for the commonest answer over votes cast, in (0, 1]; NaN without a vote
    right: np.ndarray  # probability that the winner is right, ties split; NaN without a vote or a known right answer
    answer: np.ndarray  # object, the commonest answer, of a tie the one first given; None without a vote


def vote_reliability(answer: Any, problem: ArrayLike, gold_answer: Any) -> VoteShare:
    """Vote share of the commonest answer as a score, and whether that answer is right: one row a problem.

    For rounds without labels: `reliability(share, right)` and the calibration errors apply, without clusters, where `right`
    is 0 or 1 (a tie gives a fraction: leave it, or draw). Share towards 1 with `right` falling is the signature of collapse.

    Parameters
    ----------
    answer : labels (N,), numbers or strings; None or NaN (unparseable) casts no vote
    problem : int array (N,), 0..G−1
    gold_answer : labels (G,), the right answer; None or NaN where unknown

    Returns
    -------
    VoteShare(share, right, answer). The share depends on the number of samples: compare at equal n.

    Raises
    ------
    KnobError for lengths that differ, a problem outside 0..G−1, or strings on one side and numbers on the other.

    >>> vote_reliability(["4", "4", "5", None], [0, 0, 0, 1], ["4", "7"])[:2]
    (array([0.66666667,        nan]), array([ 1., nan]))
    """
    votes, truth = _labels(answer), _labels(gold_answer)
    if votes.ndim != 1 or truth.ndim != 1:
        raise KnobError(f"answer and gold_answer must be flat, got {votes.shape} and {truth.shape}")
    owner, found = numbered(problem, len(votes))
    groups = len(truth)
    if found > groups:
        raise KnobError(f"problem must lie below the {groups} right answers, got {found - 1}")
    if votes.dtype.kind != truth.dtype.kind:
        votes, truth = votes.astype(object), truth.astype(object)
    codes, names = _codes(np.concatenate([votes, truth]))
    cast, gold = codes[: len(votes)], codes[len(votes) :]
    if names.dtype == object:
        _one_kind(*(names[np.bincount(some[some >= 0], minlength=len(names)) > 0] for some in (cast, gold)))
    owner, cast = owner[cast >= 0], cast[cast >= 0]
    n = np.bincount(owner, minlength=groups)
    key, first = pd.factorize(owner * (len(names) + 1) + cast)  # keys in the order they are first given
    size = np.bincount(key, minlength=len(first))
    whose, label = np.divmod(np.asarray(first, np.int64), len(names) + 1)
    most = np.zeros(groups, np.int64)
    np.maximum.at(most, whose, size)
    top = size == most[whose]
    tied = np.bincount(whose[top], minlength=groups)
    hit = np.bincount(whose[top], (label == gold[whose])[top], groups)
    winner = np.full(groups, None, object)
    winner[whose[top][::-1]] = np.asarray(names, object)[label[top][::-1]]  # the first given is written last
    right = np.where(gold >= 0, divide(hit, tied), np.nan)
    return VoteShare(divide(most.astype(float), n), right, winner)
