"""Diversity of the answers to one problem, from counts of its answer types.

One form for one problem and for all: `counts` (types,) alone is one problem and gives a float; with `problem` (types,),
the number 0..G−1 of the problem each count belongs to, the result is (G,). Zero counts change nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.draws import none_drawn, surprise_drawn, whole
from siwork.schema import KnobError, nearest


class _Types(NamedTuple):
    """Counts of answer types, flat over problems."""

    counts: np.ndarray  # (types,)
    problem: np.ndarray  # (types,)
    n: np.ndarray  # (G,) samples of each problem
    one: bool  # a single problem: results are floats

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum over the types of each problem, (G,)."""
        return np.bincount(self.problem, values, len(self.n))

    def result(self, values: np.ndarray) -> Any:
        return float(values[0]) if self.one else values


def _types(counts: ArrayLike, problem: ArrayLike | None, n: ArrayLike | None = None) -> _Types:
    x = whole("counts", counts)
    one = problem is None
    codes = np.zeros(x.shape, np.int64) if problem is None else whole("problem", problem)
    if x.ndim != 1 or codes.shape != x.shape:
        raise KnobError(f"counts and problem must be flat and of one length, got shapes {x.shape} and {codes.shape}")
    groups = 1 if one else int(codes.max(initial=-1)) + 1
    if n is None:
        return _Types(x, codes, np.bincount(codes, x, groups).astype(np.int64), one)
    size = np.atleast_1d(whole("n", n))
    if len(size) < groups or (one and len(size) != 1):
        raise KnobError(f"n must have one entry a problem, got {len(size)} for {groups} problems")
    types = _Types(x, codes, size, one)
    if (types.total(x) > size).any():
        raise KnobError("n counts all samples of a problem, so it cannot be less than the sum of its counts")
    return types


def _draws(k: ArrayLike, groups: int) -> np.ndarray:
    return np.broadcast_to(whole("k", k, 1), (groups,))


def distinct_at_k(counts: ArrayLike, k: ArrayLike, problem: ArrayLike | None = None, n: ArrayLike | None = None) -> Any:
    """Expected number of different types among k of the n samples, drawn without replacement (rarefaction).

    `Σ_a 1 − C(n−x_a, k)/C(n, k)`, exact: the count of types that may be compared between rounds of unequal n.

    Parameters
    ----------
    counts : int array (types,), samples of each type
    k : draws, ≥ 1, one number or one a problem
    problem : int array (types,), which problem a count belongs to; None for a single problem
    n : all samples of a problem, (G,); None is the sum of its counts. For distinct *right* answers give the counts of
        right answers and n = all samples, right or wrong.

    Returns
    -------
    float, or array (G,): in [0, k], non-decreasing in k, NaN where k > n.

    Raises
    ------
    KnobError for counts that are not whole or negative, k < 1, or n below the sum of the counts.

    Source: Hurlbert 1971.

    >>> round(distinct_at_k([1, 1, 2, 3], 4), 4)
    2.9714
    """
    types = _types(counts, problem, n)
    draws = _draws(k, len(types.n))
    seen = 1.0 - none_drawn(types.n[types.problem], types.counts, draws[types.problem])
    return types.result(np.where(draws <= types.n, types.total(seen), np.nan))


def solution_coverage(
    counts: ArrayLike,
    k: ArrayLike,
    n_solutions: ArrayLike,
    problem: ArrayLike | None = None,
    n: ArrayLike | None = None,
) -> Any:
    """Expected share of all solutions of a problem that k draws find: distinct right answers at k / number of solutions.

    Takes what `distinct_at_k` takes, `counts` of right answers only, and n_solutions (G,), NaN or 0 where the solutions
    are not enumerated. Returns float or (G,) in [0, 1], NaN where k > n or the number of solutions is unknown or 0.
    Raises KnobError as `distinct_at_k` does.

    >>> round(solution_coverage([2, 1], 2, 4, n=4), 4)
    0.3333
    """
    found = np.atleast_1d(distinct_at_k(counts, k, problem, n))
    known = np.broadcast_to(np.asarray(n_solutions, float), found.shape)
    share = np.divide(found, known, out=np.full(found.shape, np.nan), where=known > 0)
    return float(share[0]) if problem is None else share


def answer_entropy(
    counts: ArrayLike,
    correction: str = "miller_madow",
    problem: ArrayLike | None = None,
    k: ArrayLike | None = None,
) -> Any:
    """Entropy of the answers of a problem, in nats.

    Parameters
    ----------
    counts : int array (types,), samples of each answer
    correction : "miller_madow" adds (S−1)/(2n), S the types seen; "none" is the plug-in, biased down by about as much
    problem : int array (types,), which problem a count belongs to; None for a single problem
    k : when given, the exact mean of the estimate over all k-subsets of the n samples, so that rounds compare at
        equal n; one number or one a problem

    Returns
    -------
    float, or array (G,): ≥ 0, NaN where n = 0 or k > n. Still biased at small n: 1.50 at n=8 and 1.67 at n=16 where
    the truth is 1.81, hence `k`.

    Raises
    ------
    KnobError for counts that are not whole or negative, k < 1, or an unknown correction.

    Source: Miller 1955.

    >>> round(answer_entropy([1, 1, 2, 3]), 4), round(answer_entropy([1, 1, 2, 3], "none"), 4)
    (1.4913, 1.277)
    """
    if correction not in ("miller_madow", "none"):
        raise KnobError(
            f"correction must be miller_madow or none, got {correction!r}; {nearest(correction, ['miller_madow', 'none'])}"
        )
    types = _types(counts, problem)
    draws = np.maximum(types.n, 1) if k is None else _draws(k, len(types.n))
    entropy = types.total(surprise_drawn(types.n[types.problem], types.counts, draws[types.problem]))
    if correction == "miller_madow":
        seen = 1.0 - none_drawn(types.n[types.problem], types.counts, draws[types.problem])
        entropy = entropy + np.maximum(types.total(seen) - 1.0, 0.0) / (2.0 * draws)
    return types.result(np.where(draws <= types.n, entropy, np.nan))


def gini_simpson(counts: ArrayLike, problem: ArrayLike | None = None) -> Any:
    """Probability that two different samples have different answers, 1 − Σ x(x−1)/(n(n−1)): unbiased at any n.

    Parameters
    ----------
    counts : int array (types,), samples of each answer
    problem : int array (types,), which problem a count belongs to; None for a single problem

    Returns
    -------
    float, or array (G,), in [0, 1]; NaN where n < 2.

    Raises
    ------
    KnobError for counts that are not whole or negative.

    >>> gini_simpson([2, 2])
    0.6666666666666667
    """
    types = _types(counts, problem)
    x, pairs = types.counts.astype(float), types.n * (types.n - 1.0)
    same = np.divide(types.total(x * (x - 1.0)), pairs, out=np.full(len(types.n), np.nan), where=types.n > 1)
    return types.result(1.0 - same)


def hill_number(counts: ArrayLike, q: float = 1.0, problem: ArrayLike | None = None) -> Any:
    """Effective number of answers of order q, (Σ p^q)^(1/(1−q)), from the plug-in shares; depends on n.

    Parameters
    ----------
    counts : int array (types,), samples of each answer
    q : order ≥ 0: 0 richness, 1 exp entropy, 2 inverse Simpson, inf the inverse share of the commonest answer
    problem : int array (types,), which problem a count belongs to; None for a single problem

    Returns
    -------
    float, or array (G,), in [1, types seen]; NaN where n = 0.

    Raises
    ------
    KnobError for counts that are not whole or negative, or q < 0.

    Source: Hill 1973.

    >>> hill_number([2, 2], q=2), hill_number([1, 1, 2, 3], q=0)
    (2.0, 4.0)
    """
    if not q >= 0:
        raise KnobError(f"q must be ≥ 0, got {q!r}; 0 counts types, 1 is the exponential of the entropy")
    types = _types(counts, problem)
    seen = types.counts > 0
    types = types._replace(counts=types.counts[seen], problem=types.problem[seen])
    share = types.counts / types.n[types.problem]
    if q == 1:
        number = np.exp(types.total(-share * np.log(share)))
    elif np.isinf(q):
        most = np.full(len(types.n), np.nan)
        np.fmax.at(most, types.problem, share)
        number = 1.0 / most
    else:
        powers = types.total(share**q)
        number = np.where(types.n > 0, powers, np.nan) ** (1.0 / (1.0 - q))
    return types.result(np.where(types.n > 0, number, np.nan))
