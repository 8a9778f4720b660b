"""Does the calibration of an earlier round still hold: a map from score to probability, carried to a later round."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.calibration.bins import mass_edges
from siwork.metrics.calibration.quadratic import quadratic_tail
from siwork.metrics.calibration.samples import coded, flat, linear_interval, samples, truths
from siwork.metrics.intervals import checked_level, divide
from siwork.metrics.uncertainty.clusters import cluster_bootstrap
from siwork.schema import KnobError

_FOLDS = 5
_BINS = 10


class IsotonicMap(NamedTuple):
    """A rising map from score to probability; call it on scores (any shape). Unscored (NaN) stays NaN, ±inf takes an end."""

    score: np.ndarray  # knots, rising
    probability: np.ndarray

    def __call__(self, score: ArrayLike) -> np.ndarray:
        s = np.asarray(score, float)
        if not len(self.score):
            return np.full(s.shape, np.nan)
        return np.asarray(np.interp(s, self.score, self.probability))


def isotonic_map(score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None = None) -> IsotonicMap:
    """The rising map from score to P(right) that fits best in squares, each problem with equal weight.

    Parameters
    ----------
    score : float array (N,), any finite real: margin, vote share, reward; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    problem : array (N,), labels of any kind; None gives each sample equal weight

    Returns
    -------
    IsotonicMap: linear between knots, constant beyond. Without samples it returns NaN. On the samples it was fitted to it
    looks calibrated by construction: test it on others (`transport`).

    Raises
    ------
    KnobError for gold that is not 0 or 1, an infinite score, or lengths that differ.

    Source: Barlow et al. 1972 (pool adjacent violators); Zadrozny & Elkan 2002.

    >>> isotonic_map([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1])([0.0, 2.5, 9.0])
    array([0. , 0.5, 1. ])
    """
    found = samples(score, gold, problem, probability=False)
    _finite(found.score)
    values, place = np.unique(found.score, return_inverse=True)
    weight = _weights(found.problem, found.groups)
    return _fit(values, np.bincount(place, weight, len(values)), np.bincount(place, weight * found.gold, len(values)))


def _finite(score: np.ndarray) -> None:
    if np.isinf(score).any():
        raise KnobError("score must be finite to be mapped, got inf; clip the score first")


def _weights(problem: np.ndarray | None, groups: int) -> np.ndarray:
    if problem is None:
        return np.ones(groups)
    return (1.0 / np.maximum(np.bincount(problem, minlength=groups), 1))[problem]


def _fit(values: np.ndarray, weight: np.ndarray, hits: np.ndarray) -> IsotonicMap:
    """The map from weights and weighted right samples of each distinct score."""
    from sklearn.isotonic import isotonic_regression

    held = weight > 1e-12
    if not held.any():
        return IsotonicMap(np.empty(0), np.empty(0))
    rate = np.clip(hits[held] / weight[held], 0.0, 1.0)
    return IsotonicMap(values[held], isotonic_regression(rate, sample_weight=weight[held]))


class Transport(NamedTuple):
    """Whether the map of an earlier round is valid in a later one."""

    ece2: float  # squared calibration error of mapped scores that is new in the later round, debiased, lower = better
    p: float  # of "no bin has moved"; small = the calibration no longer holds
    gap: float  # mean mapped score − gold that is new, above 0 = the judge has come to flatter
    gap_low: float
    gap_high: float
    n: int  # problems of both rounds together
    share: float  # mapped samples of the later round in bins where both rounds have two problems: those used


def transport(
    score0: ArrayLike,
    gold0: ArrayLike,
    score1: ArrayLike,
    gold1: ArrayLike,
    problem0: ArrayLike,
    problem1: ArrayLike,
    level: float = 0.95,
    seed: int = 0,
) -> Transport:
    """Does the earlier round's map from score to probability still hold in the later round?

    Problems are dealt into five folds; the samples of a fold, of either round, are mapped by an isotonic map fitted on the
    earlier round's other folds. In each of ten bins of equal mass (edges of the earlier round's scores) the mean of mapped
    score − gold is compared between the rounds, `D_b = gap1_b − gap0_b`. The error of the fitted map itself is in both and
    cancels, so that an unchanged judge passes, on old problems and on new ones, also where the policy moved the scores.
    `ece2 = Σ (n1_b/N1)(D_b² − v_b)` and `gap = Σ (n1_b/N1) D_b`, variances over problems with both rounds of a problem in
    one cluster.

    Parameters
    ----------
    score0, gold0, problem0 : arrays (N0,) of the earlier round: any finite scores, NaN (unscored) leaves; 1 right, 0 wrong,
        NaN (unknown) leaves; labels of any kind
    score1, gold1, problem1 : arrays (N1,) of the later round; the same label is the same problem
    level : coverage, between 0 and 1
    seed : of the folds

    Returns
    -------
    Transport: ece2 (below 0 as often as above for an unchanged judge) without an interval, since the bootstrap's covers up
    to 1.00 where little has moved; p from the plug-in Σ (n1_b/N1) D_b² against its normal null; gap with its linearised
    interval. Size in simulations 2–6 % at 5 %. All NaN when no bin has two problems of each round.

    Raises
    ------
    KnobError for gold that is not 0 or 1, an infinite score, lengths that differ, or a level outside (0, 1).

    Source: siwork's own.

    >>> score, gold, problem = [0.2, 0.8] * 40, [0, 1] * 40, list(range(80))
    >>> transport(score, gold, score, [0, 0] * 40, problem, problem).gap
    0.5
    """
    checked_level(level)
    table = _table((score0, gold0, problem0), (score1, gold1, problem1), seed)
    groups = len(table)
    first = _errors(_sums(table, np.ones((1, groups))))
    gap, used, share = first.gap[0], first.used[0], first.share[0]
    if not used.any():
        none = float("nan")
        return Transport(none, none, none, none, none, groups, 0.0 if table[:, 2].any() else none)
    ece2, plug = float(first.ece2[0]), float(first.plug[0])
    p = quadratic_tail(plug, share[used], _covariance(table)[np.ix_(used, used)])
    mean = linear_interval(float((share * gap)[used].sum()), _gap_parts(table, used), level)
    covered = float(table[:, 2, used].sum() / table[:, 2].sum())
    return Transport(ece2, p, *mean[:3], groups, covered)


Round = tuple[ArrayLike, ArrayLike, ArrayLike]  # score, gold, problem


def _table(earlier: Round, later: Round, seed: int) -> np.ndarray:
    """Sums (G, 4, B) of each problem and bin: count and mapped score − gold of the earlier, then of the later round."""
    parts = [flat(*each) for each in (earlier, later)]
    s, y = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    late = np.repeat([False, True], [len(part[0]) for part in parts])
    known = ~(np.isnan(s) | np.isnan(y))
    s, y, late = s[known], truths(y[known]), late[known]
    _finite(s)
    codes, groups = coded(np.concatenate([np.asarray(earlier[2]), np.asarray(later[2])])[known])
    rest = _cross_mapped(s, y, codes, groups, ~late, seed) - y
    cuts = mass_edges(s[~late], _BINS, "auto")[1:-1]
    bins = len(cuts) + 1
    key = codes * bins + np.searchsorted(cuts, s, side="right")
    held = ~np.isnan(rest)
    size = groups * bins
    columns = []
    for here in (held & ~late, held & late):
        columns += [np.bincount(key[here], minlength=size), np.bincount(key[here], rest[here], size)]
    return np.stack([column.reshape(groups, bins) for column in columns], axis=1).astype(float)


def _cross_mapped(
    s: np.ndarray, y: np.ndarray, codes: np.ndarray, groups: int, early: np.ndarray, seed: int
) -> np.ndarray:
    """Scores mapped by the fit to the early samples of the other folds of problems."""
    fold = np.random.default_rng(seed).permutation(groups)[codes] % _FOLDS
    values, place = np.unique(s, return_inverse=True)
    size = len(values)
    weight = np.where(early, 1.0 / np.maximum(np.bincount(codes[early], minlength=groups), 1)[codes], 0.0)
    weights = np.bincount(fold * size + place, weight, _FOLDS * size).reshape(_FOLDS, size)
    hits = np.bincount(fold * size + place, weight * y, _FOLDS * size).reshape(_FOLDS, size)
    mapped = np.stack([_fit(values, *(x.sum(axis=0) - x[f] for x in (weights, hits)))(values) for f in range(_FOLDS)])
    return np.asarray(mapped[fold, place])


class _Errors(NamedTuple):
    """Of each resample, (draws,) and (draws, B)."""

    ece2: np.ndarray
    plug: np.ndarray
    gap: np.ndarray
    share: np.ndarray
    used: np.ndarray


def _sums(table: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sums over problems (draws, 22, B): the four columns, their products, and problems of either round."""
    groups, _, bins = table.shape
    products = (table[:, :, None] * table[:, None]).reshape(groups, 16, bins)
    held = (table[:, [0, 2]] > 0).astype(float)
    columns = np.concatenate([table, products, held], axis=1).reshape(groups, 22 * bins)
    return cluster_bootstrap(columns, weights).reshape(len(weights), 22, bins)


def _errors(sums: np.ndarray) -> _Errors:
    n0, r0, n1, r1 = (sums[:, i] for i in range(4))
    held = sums[:, 20:].min(axis=1)
    used = held > 1
    gap0, gap1 = divide(r0, n0), divide(r1, n1)
    one = np.ones(n0.shape)
    along = np.stack([gap0 * divide(one, n0), -divide(one, n0), -gap1 * divide(one, n1), divide(one, n1)], axis=1)
    square = np.einsum("dib,dijb,djb->db", along, sums[:, 4:20].reshape(len(sums), 4, 4, -1), along)
    variance = np.maximum(square, 0.0) * divide(held, np.where(used, held - 1, np.nan))
    share = divide(n1, np.where(used, n1, 0.0).sum(axis=1, keepdims=True) + 0 * n1)
    gap = gap1 - gap0
    some = used.any(axis=1)
    plug = np.where(some, np.where(used, share * gap**2, 0.0).sum(axis=1), np.nan)
    bias = np.where(used, share * variance, 0.0).sum(axis=1)
    return _Errors(plug - bias, plug, gap, share, used)


def _influence(table: np.ndarray) -> np.ndarray:
    """What each problem adds to the error of each bin's change of gap, (G, B)."""
    n0, r0, n1, r1 = (table[:, i] for i in range(4))
    total0, total1 = n0.sum(axis=0), n1.sum(axis=0)
    late = divide(r1 - divide(r1.sum(axis=0), total1) * n1, total1 + 0 * n1)
    early = divide(r0 - divide(r0.sum(axis=0), total0) * n0, total0 + 0 * n0)
    return np.asarray(late - early)


def _covariance(table: np.ndarray) -> np.ndarray:
    held = np.minimum(*((table[:, i] > 0).sum(axis=0) for i in (0, 2)))
    u = _influence(table) * np.sqrt(divide(held.astype(float), held - 1.0))
    return np.asarray(u.T @ u)


def _gap_parts(table: np.ndarray, used: np.ndarray) -> np.ndarray:
    """What each problem adds to the error of Σ share_b (gap1_b − gap0_b), (G,)."""
    n0, r0, n1, r1 = (table[:, i][:, used] for i in range(4))
    total1 = n1.sum()
    gap0 = r0.sum(axis=0) / n0.sum(axis=0)
    value = (r1.sum() - (n1 * gap0).sum()) / total1
    late = (r1 - gap0 * n1).sum(axis=1) - value * n1.sum(axis=1)
    early = ((r0 - gap0 * n0) * (n1.sum(axis=0) / n0.sum(axis=0))).sum(axis=1)
    return np.asarray((late - early) / total1)
