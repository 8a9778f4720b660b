"""Tail narrowing: which problems two rounds gain and lose, beside what a model that did not change would show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, ndtr

from siwork.metrics.draws import counted, none_drawn
from siwork.schema import KnobError

_EXACT = 5000  # uncertain problems up to which the tail probability is exact


class Transitions(NamedTuple):
    """The ledger of two rounds with its null: nothing changed, so all samples of a problem are exchangeable."""

    kept: int  # solved in both rounds
    gained: int  # newly solved
    lost: int  # forgotten
    never: int
    expected_gained: float
    expected_lost: float
    excess_gained: float  # observed − expected
    excess_lost: float
    p_gained: float  # probability of as many or more under the null
    p_lost: float
    problems: int
    left_out: int  # problems without a sample in one of the rounds


def transitions(n0: ArrayLike, c0: ArrayLike, n1: ArrayLike, c1: ArrayLike) -> Transitions:
    """Problems kept, gained, lost and never solved between two rounds, with what chance alone would give.

    Solved is at least one right sample. Given C = c0 + c1 right of N = n0 + n1, a problem is gained by chance with
    probability C(N−C, n0)/C(N, n0), lost with C(N−C, n1)/C(N, n1); p is the upper tail of their Poisson-binomial sum.

    Parameters
    ----------
    n0, c0 : int arrays (G,) or numbers, samples and right samples of the earlier round, c0 ≤ n0
    n1, c1 : the same of the later round; n1 = n0 wherever it can be had

    Returns
    -------
    Transitions. Problems with n0 = 0 or n1 = 0 are in no count but `left_out`; with none left expectations and p are
    NaN. p is exact for up to 5000 problems whose chance is neither 0 nor 1, beyond a normal approximation refined for
    skewness, with an error of order 1/variance.

    Raises
    ------
    KnobError for counts that are not whole, negative, c > n, or shapes that do not fit.

    Source: exchangeability under no change; Volkova 1996 for the refined normal approximation.

    >>> ledger = transitions(8, [0, 5, 1, 0], 8, [1, 4, 0, 0])
    >>> ledger[:4], ledger.expected_gained.__round__(3), ledger.p_gained.__round__(3)
    ((1, 1, 1, 1), 1.0, 0.75)
    """
    before, after = counted(n0, c0), counted(n1, c1)
    try:
        n0, c0, n1, c1 = (np.atleast_1d(x).ravel() for x in np.broadcast_arrays(*before, *after))
    except ValueError:
        raise KnobError(
            f"both rounds must have the same problems, got {before[0].shape} and {after[0].shape}"
        ) from None
    live = (n0 > 0) & (n1 > 0)
    left_out = int((~live).sum())
    n0, c0, n1, c1 = n0[live], c0[live], n1[live], c1[live]
    both, right = n0 + n1, c0 + c1
    kept, gained, lost, never = _ledger(c0 > 0, c1 > 0)
    chances = [np.where(right > 0, none_drawn(both, right, n), 0.0) for n in (n0, n1)]
    gain, loss = (float(chance.sum()) if len(n0) else float("nan") for chance in chances)
    p_gain, p_loss = (_upper_tail(chance, seen) for chance, seen in zip(chances, (gained, lost), strict=True))
    return Transitions(
        kept=kept,
        gained=gained,
        lost=lost,
        never=never,
        expected_gained=gain,
        expected_lost=loss,
        excess_gained=gained - gain,
        excess_lost=lost - loss,
        p_gained=p_gain,
        p_lost=p_loss,
        problems=len(n0),
        left_out=left_out,
    )


def _ledger(first: np.ndarray, then: np.ndarray) -> tuple[int, int, int, int]:
    pairs = np.bincount(2 * first + then.astype(np.int64), minlength=4)
    return int(pairs[3]), int(pairs[1]), int(pairs[2]), int(pairs[0])


def _upper_tail(chance: np.ndarray, observed: int) -> float:
    """P(X ≥ observed), X the number of successes of independent trials with these chances; NaN without any trial."""
    if not len(chance):
        return float("nan")
    sure = int((chance >= 1).sum())
    open_ones = chance[(chance > 0) & (chance < 1)]
    observed -= sure
    if observed <= 0:
        return 1.0
    if observed > len(open_ones):
        return 0.0
    if len(open_ones) > _EXACT:
        return _refined_normal(open_ones, observed)
    mass = np.ones(1)
    for q, many in zip(*np.unique(open_ones, return_counts=True), strict=True):
        mass = np.convolve(mass, _binomial(int(many), float(q)))
    return float(min(mass[observed:].sum(), 1.0))


def _binomial(n: int, q: float) -> np.ndarray:
    j = np.arange(n + 1.0)
    log_ways = gammaln(n + 1.0) - gammaln(j + 1.0) - gammaln(n - j + 1.0)
    return np.asarray(np.exp(log_ways + j * np.log(q) + (n - j) * np.log1p(-q)))


def _refined_normal(q: np.ndarray, observed: int) -> float:
    variance = float((q * (1 - q)).sum())
    skew = float((q * (1 - q) * (1 - 2 * q)).sum()) / variance**1.5
    x = (observed - 0.5 - float(q.sum())) / np.sqrt(variance)
    density = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    return float(np.clip(ndtr(-x) - skew * (1 - x * x) * density / 6, 0.0, 1.0))


class Flips(NamedTuple):
    """Problems by one answer in each of two rounds."""

    kept: int  # right in both
    gained: int
    lost: int
    never: int
    left_out: int  # truth unknown in one of the rounds


def flips(right0: ArrayLike, right1: ArrayLike) -> Flips:
    """The 2×2 table of one answer a problem in each of two rounds; McNemar's test asks whether gained = lost.

    Parameters
    ----------
    right0, right1 : arrays (G,), 1 right, 0 wrong, NaN where unknown, of the earlier and the later round

    Returns
    -------
    Flips, counts. A problem unknown in either round is in `left_out` only. Sampled answers flip by chance alone: the
    null is Σ p(1−p) gained and as many lost.

    Raises
    ------
    KnobError for values that are not 0 or 1, or lengths that differ.

    >>> flips([1, 0, 1, 0], [1, 1, 0, float("nan")])
    Flips(kept=1, gained=1, lost=1, never=0, left_out=1)
    """
    first, then = np.asarray(right0, float), np.asarray(right1, float)
    if first.ndim != 1 or first.shape != then.shape:
        raise KnobError(f"right0 and right1 must be flat and of one length, got {first.shape} and {then.shape}")
    known = ~(np.isnan(first) | np.isnan(then))
    first, then = first[known], then[known]
    if not np.isin(np.r_[first, then], (0.0, 1.0)).all():
        raise KnobError("right0 and right1 must hold 1 (right), 0 (wrong) or NaN; threshold a score first")
    return Flips(*_ledger(first > 0, then > 0), int((~known).sum()))
