"""Diversity of vectors: effective number, mean distance, novelty, and how far problems stand apart.

`features` (n, d) are rows of any length, compared by cosine. Zero rows have no direction: they leave, and `zero_rows`
counts them. With `problem` (n,), the number 0..G−1 of the problem of each row, a result is (G,).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.draws import whole
from siwork.schema import KnobError

_CELLS = 1 << 19  # numbers in one block of work: 4 MB
_NONE = 1e-10  # eigenvalues up to here are rounding noise
_SAME = 1e-12  # distances below are rounding noise


def _matrix(features: ArrayLike, name: str = "features") -> np.ndarray:
    x = np.asarray(features)
    x = x if x.dtype in (np.float32, np.float64) else x.astype(float)
    if x.ndim != 2:
        raise KnobError(f"{name} must be (rows, d), got shape {x.shape}; one vector a text")
    return x


def _lengths(block: np.ndarray, name: str = "features") -> np.ndarray:
    """L2 norm of each row, float64. Raises KnobError when a value is not finite."""
    square = np.einsum("ij,ij->i", block, block)
    if not np.isfinite(square).all():
        raise KnobError(f"{name} must be finite numbers below 1e150; an unknown vector must be left out")
    return np.sqrt(square)


def _blocks(x: np.ndarray, width: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """Start and float64 copy of each run of rows, about `_CELLS` numbers a run."""
    step = max(1, _CELLS // max(1, x.shape[1], width))
    for start in range(0, len(x), step):
        yield start, x[start : start + step].astype(np.float64)


def _inverse(length: np.ndarray) -> np.ndarray:
    return np.divide(1.0, length, out=np.zeros(length.shape), where=length > 0)


def _norms(x: np.ndarray, name: str = "features") -> np.ndarray:
    parts = [_lengths(block, name) for _, block in _blocks(x)]
    return np.concatenate(parts) if parts else np.empty(0)


def zero_rows(features: ArrayLike) -> int:
    """How many rows are zero, such as the vectors of empty texts: they have no direction and leave every function here.

    Raises KnobError unless features are a finite (n, d) matrix.

    >>> zero_rows([[0, 0], [1, 0]])
    1
    """
    return int((_norms(_matrix(features)) == 0).sum())


def _effective(share: np.ndarray, q: float) -> np.ndarray:
    """exp of the Rényi entropy of order q of eigenvalues (…, m); those ≤ 1e-10 are dropped and the rest renormalised."""
    kept = np.where(share > _NONE, share, 0.0)
    kept /= kept.sum(-1, keepdims=True)
    if q == 1:
        return np.asarray(np.exp(-(kept * np.log(np.where(kept > 0, kept, 1.0))).sum(-1)))
    most = kept.max(-1)
    if np.isinf(q):
        return np.asarray(1.0 / most)
    powers = np.where(kept > 0, (kept / most[..., None]) ** q, 0.0)  # relative to the greatest, which never underflows
    return np.asarray(np.exp((q * np.log(most) + np.log(powers.sum(-1))) / (1.0 - q)))


def _of_gram(gram: np.ndarray, q: float) -> np.ndarray:
    """Vendi scores of positive matrices (…, m, m) of trace 1."""
    if q == 2:
        return np.asarray(1.0 / np.einsum("...ij,...ij->...", gram, gram))
    return _effective(np.linalg.eigvalsh(gram), q)


def vendi_score(features: ArrayLike, q: float = 1.0, problem: ArrayLike | None = None, kernel: bool = False) -> Any:
    """Effective number of different rows: exp of the Rényi-q entropy of the eigenvalues of K/n, K the cosine kernel.

    Parameters
    ----------
    features : float array (n, d), zero rows are left out; with `kernel`, (n, n) a symmetric positive kernel used as given
    q : order ≥ 0. 1 is the Vendi score, 2 needs no eigenvalues, inf is 1/largest (robust), 0 the rank (fragile)
    problem : int array (n,), which problem a row belongs to; None for a single pool
    kernel : whether `features` is the kernel itself; not with `problem`

    Returns
    -------
    float, or array (G,), in [1, n], higher = more diverse; NaN without a row. Grows with n towards its limit (23.0,
    29.5, 31.5, 31.9 at 50, 200, 1000, 5000 of one source): compare at equal n only.

    Raises
    ------
    KnobError for q < 0, features that are no finite matrix, a kernel that is not square, symmetric and positive
    (for q = 2 the last is not seen), or `kernel` with `problem`.

    Source: Friedman & Dieng 2023 (arXiv:2210.02410); orders q: Pasarkar & Dieng 2024 (arXiv:2310.12952). Eigenvalues of
    the smaller of the (n, n) and the (d, d) Gram matrix, in float64; those ≤ 1e-10 dropped, the rest renormalised.

    >>> round(vendi_score([[1, 0], [0, 2], [0, 1], [3, 0]]), 6)
    2.0
    >>> vendi_score([[1, 0], [0, 1], [5, 5]], q=2, problem=[0, 0, 1]).round(6)
    array([2., 1.])
    """
    if not q >= 0:
        raise KnobError(f"q must be ≥ 0, got {q!r}; 1 is the Vendi score, 2 the cheapest")
    x = _matrix(features)
    if kernel:
        if problem is not None:
            raise KnobError("a kernel is one pool; call vendi_score once a problem, or give features")
        return _of_kernel(x, q)
    if problem is not None:
        return _by_problem(x, problem, q)
    gram, rows = _gram(x)
    return float(_of_gram(gram / rows, q)) if rows else float("nan")


def _gram(x: np.ndarray) -> tuple[np.ndarray, int]:
    """Gram matrix of the unit rows on the smaller side, and how many rows are not zero."""
    if len(x) <= x.shape[1]:
        unit = x * (inverse := _inverse(_norms(x)))[:, None]
        return np.asarray(unit @ unit.T), int(np.count_nonzero(inverse))
    gram, rows = np.zeros((x.shape[1], x.shape[1])), 0
    for _, block in _blocks(x):
        length = _lengths(block)
        block *= _inverse(length)[:, None]
        gram += block.T @ block
        rows += int(np.count_nonzero(length))
    return gram, rows


def _of_kernel(given: np.ndarray, q: float) -> float:
    k = given.astype(np.float64)
    if k.shape[0] != k.shape[1]:
        raise KnobError(f"a kernel must be square, got shape {k.shape}; kernel=False takes features")
    if not len(k):
        return float("nan")
    trace = k.trace()
    if not np.isfinite(k).all() or not np.allclose(k, k.T, rtol=1e-5, atol=1e-8) or not trace > 0:
        raise KnobError("a kernel must be finite and symmetric, with similarities to itself > 0; take (K + K.T)/2?")
    gram = (k + k.T) / (2.0 * trace)
    if q == 2:
        return float(_of_gram(gram, q))
    share = np.linalg.eigvalsh(gram)
    if share[0] < -1e-6:
        raise KnobError(f"a kernel must be positive semidefinite, its least eigenvalue is {share[0]:.3g}; use features")
    return float(_effective(share, q))


class _Sorted(NamedTuple):
    """Rows that have a direction, sorted by problem."""

    order: np.ndarray  # (kept,) places in features
    inverse: np.ndarray  # (n,) 1/length, 0 for a zero row
    size: np.ndarray  # (G,) kept rows of each problem
    start: np.ndarray  # (G,) first place in `order` of each problem


def _sorted(x: np.ndarray, problem: ArrayLike) -> _Sorted:
    code = whole("problem", problem)
    if code.shape != (len(x),):
        raise KnobError(f"problem must have one number a row, got shape {code.shape} for {len(x)} rows")
    length = _norms(x)
    order = np.argsort(code, kind="stable")
    size = np.bincount(code[length > 0], minlength=int(code.max(initial=-1)) + 1)
    return _Sorted(order[length[order] > 0], _inverse(length), size, np.cumsum(size) - size)


def _by_problem(x: np.ndarray, problem: ArrayLike, q: float) -> np.ndarray:
    rows = _sorted(x, problem)
    out = np.full(len(rows.size), np.nan)
    for size in np.unique(rows.size[rows.size > 0]):
        alike = np.flatnonzero(rows.size == size)
        step = max(1, 4 * _CELLS // (int(size) * max(x.shape[1], int(size))))
        for first in range(0, len(alike), step):
            some = alike[first : first + step]
            take = rows.order[rows.start[some][:, None] + np.arange(size)]
            unit = x[take] * rows.inverse[take][..., None]  # (problems, size, d), float64
            flipped = unit.transpose(0, 2, 1)
            out[some] = _of_gram((unit @ flipped if size <= x.shape[1] else flipped @ unit) / size, q)
    return out


def _distance(square: Any, same: Any, pairs: Any) -> np.ndarray:
    """1 − (‖Σx‖² − Σ‖…‖²)/pairs within [0, 2], NaN where there is no pair."""
    mean = np.divide(square - same, pairs, out=np.full(np.shape(pairs), np.nan), where=np.asarray(pairs) > 0)
    distance = np.clip(1.0 - mean, 0.0, 2.0)
    return np.where(distance < _SAME, 0.0, distance)


def mean_cosine_distance(features: ArrayLike, problem: ArrayLike | None = None) -> Any:
    """Mean cosine distance over all pairs of rows, 1 − (‖Σx‖² − n)/(n(n−1)) on unit rows, without the n × n matrix.

    Parameters
    ----------
    features : float array (n, d); zero rows are left out
    problem : int array (n,), which problem a row belongs to, for the mean over pairs within each; None for a single pool

    Returns
    -------
    float, or array (G,), in [0, 2], higher = more diverse; NaN with fewer than two rows. An unbiased mean over pairs, so
    rounds of unequal n compare; it does not see how many modes there are: read it beside `vendi_score`.

    Raises
    ------
    KnobError for features that are no finite matrix, or a problem of another length.

    >>> mean_cosine_distance([[1, 0], [0, 2], [0, 1]])
    0.6666666666666667
    """
    x = _matrix(features)
    if problem is not None:
        rows = _sorted(x, problem)
        return _distance(_sums(x, rows)[0], rows.size, rows.size * (rows.size - 1.0))
    total, n = np.zeros(x.shape[1]), 0
    for _, block in _blocks(x):
        length = _lengths(block)
        total += _inverse(length) @ block
        n += int(np.count_nonzero(length))
    return float(_distance(total @ total, n, n * (n - 1.0)))


def _sums(x: np.ndarray, rows: _Sorted) -> tuple[np.ndarray, np.ndarray]:
    """‖Σ unit rows‖² of each problem (G,), and the sum over all of them (d,)."""
    square, total = np.zeros(len(rows.size)), np.zeros(x.shape[1])
    held = np.flatnonzero(rows.size)
    ends = np.cumsum(rows.size[held])
    first, step = 0, max(1, _CELLS // max(1, x.shape[1]))
    while first < len(held):
        begin = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begin + step, side="right")))  # problems first..last−1
        take = rows.order[begin : ends[last - 1]]
        unit = x[take] * rows.inverse[take][:, None]
        part = np.add.reduceat(unit, rows.start[held[first:last]] - begin, axis=0)
        square[held[first:last]] = np.einsum("ij,ij->i", part, part)
        total += part.sum(0)
        first = last
    return square, total


def nearest_distance(features: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Cosine distance of each row to the nearest of the others: the novelty of a task, or text, beside a set.

    Parameters
    ----------
    features : float array (n, d)
    others : float array (m, d), the set; its zero rows are left out, and it must not hold the rows themselves

    Returns
    -------
    float array (n,) in [0, 2], higher = more novel, 0 = the same direction is there; NaN for a zero row, all NaN
    without others. The nearest is searched in float32, its distance taken in float64: at most 1e-6 above the least.

    Raises
    ------
    KnobError for features or others that are no finite matrices, or of unlike d.

    >>> nearest_distance([[1, 0], [1, 1]], [[0, 1], [2, 0]]).round(4)
    array([0.    , 0.2929])
    """
    x, y = _matrix(features), _matrix(others, "others")
    if x.shape[1] != y.shape[1]:
        raise KnobError(f"features and others must have one d, got {x.shape[1]} and {y.shape[1]}; embed both alike")
    inverse = _inverse(_norms(y, "others"))
    other = (y * inverse[:, None])[inverse > 0]
    scale, out = _inverse(_norms(x)), np.full(len(x), np.nan)
    if not len(other):
        return out
    search = np.ascontiguousarray(other.T, np.float32)
    for start, block in _blocks(x, width=len(other) // 4):
        block *= scale[start : start + len(block), None]
        gap = block - other[(block.astype(np.float32) @ search).argmax(1)]
        # ½‖x − y‖² of unit rows: small distances keep their digits
        out[start : start + len(block)] = 0.5 * np.einsum("ij,ij->i", gap, gap)
    return np.where(scale > 0, np.where(out < _SAME, 0.0, out), np.nan)


class Separation(NamedTuple):
    """Mean cosine distances within and across problems, and cross / within."""

    within: float
    cross: float
    ratio: float


def separation(features: ArrayLike, problem: ArrayLike) -> Separation:
    """Do texts of different problems differ more than texts of one problem? Closed form, O(nd).

    When answers become one template for every problem, `cross` falls while `within` stays.

    Parameters
    ----------
    features : float array (n, d); zero rows are left out
    problem : int array (n,), the number 0..G−1 of the problem of each row

    Returns
    -------
    Separation(within, cross, ratio): within, mean over problems with at least two rows of the mean distance of their
    pairs; cross, mean distance of all pairs from different problems; both in [0, 2], NaN without such a pair. ratio =
    cross/within: 1 = a text does not tell its problem; inf where only within is 0, NaN where both are or one is unknown.

    Raises
    ------
    KnobError for features that are no finite matrix, or a problem of another length.

    >>> separation([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    Separation(within=0.0, cross=1.0, ratio=inf)
    """
    x = _matrix(features)
    rows = _sorted(x, problem)
    square, total = _sums(x, rows)
    each = _distance(square, rows.size, rows.size * (rows.size - 1.0))[rows.size > 1]
    within = float(each.mean()) if len(each) else float("nan")
    n = float(rows.size.sum())
    cross = float(_distance(total @ total, square.sum(), n**2 - (rows.size.astype(float) ** 2).sum()))
    ratio = cross / within if within > 0 else (float("inf") if within == 0 and cross > 0 else float("nan"))
    return Separation(within, cross, ratio)


def problem_sums(features: ArrayLike, problem: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """What `cross_of` needs of each problem: the sum of its unit rows (G, d), zero rows left out, and how many there are (G,).

    Raises KnobError as `separation` does.

    >>> cross_of(*problem_sums([[1, 0], [2, 0], [0, 1]], [0, 0, 1]))
    1.0
    """
    x = _matrix(features)
    rows = _sorted(x, problem)
    unit = x[rows.order] * rows.inverse[rows.order][:, None]
    sums, held = np.zeros((len(rows.size), x.shape[1])), np.flatnonzero(rows.size)
    if len(held):
        sums[held] = np.add.reduceat(unit, rows.start[held], axis=0)
    return sums, rows.size


def cross_of(sums: np.ndarray, size: np.ndarray) -> float:
    """The cross distance of `separation` from `problem_sums`, of all problems or of some; NaN without a pair."""
    total, n = sums.sum(axis=0), size.astype(float)
    return float(_distance(total @ total, np.einsum("ij,ij->", sums, sums), n.sum() ** 2 - (n**2).sum()))
