"""Drawing k of n samples without replacement: the probabilities behind pass@k and behind rarefied counts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln

from siwork.schema import KnobError


def whole(name: str, values: ArrayLike, low: int = 0) -> np.ndarray:
    """The values as int64. Raises KnobError when one is not a whole number of at least `low`."""
    array = np.asarray(values)
    real = array.astype(float)
    odd = ~np.isfinite(real) | (real < low) | (real != np.floor(real))
    if odd.any():
        raise KnobError(f"{name} must be whole numbers ≥ {low}, got {real[odd].flat[0]:g}; count samples, not shares")
    return array.astype(np.int64)


def counted(n: ArrayLike, c: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Samples n and marked samples c ≤ n as int arrays of one shape. Raises KnobError for other counts."""
    samples, marked = np.broadcast_arrays(whole("n", n), whole("c", c))
    if (marked > samples).any():
        at = np.flatnonzero((marked > samples).ravel())[0]
        raise KnobError(f"c counts samples among n, got c={marked.flat[at]} of n={samples.flat[at]}; swap n and c?")
    return samples, marked


def none_drawn(n: ArrayLike, x: ArrayLike, k: ArrayLike) -> np.ndarray:
    """Probability that k of n samples, drawn without replacement, hold none of x marked ones: C(n−x, k)/C(n, k).

    Parameters
    ----------
    n, x, k : whole numbers that broadcast: all samples, marked samples (x ≤ n), draws (k ≥ 1)

    Returns
    -------
    array of the broadcast shape, in [0, 1]; exactly 1 at x = 0, exactly 0 where n − x < k, NaN where k > n.

    Raises
    ------
    KnobError for values that are not whole, negative, k < 1 or x > n.

    >>> none_drawn(4, [0, 1, 4], 2)
    array([1. , 0.5, 0. ])
    """
    n, x, k = np.broadcast_arrays(*counted(n, x), whole("k", k, 1))
    out = np.full(n.shape, np.nan)
    for where, size, draws in _alike(n.ravel(), k.ravel()):
        if draws <= size:
            marked = x.ravel()[where]
            out.reshape(-1)[where] = _none_table(size, draws, int(marked.max(initial=0)))[marked]
    return out


def _none_table(n: int, k: int, most: int) -> np.ndarray:
    """C(n−x, k)/C(n, k) for x = 0..most as the product Π_{j=n−x+1..n} (1 − k/j) (Chen et al. 2021)."""
    j = np.arange(n, n - most, -1, dtype=float)
    return np.r_[1.0, np.cumprod(np.maximum(j - k, 0.0) / j)]


def _alike(n: np.ndarray, k: np.ndarray) -> Iterator[tuple[np.ndarray | slice, int, int]]:
    """Places that share one (n, k), so that each pair needs one table only."""
    if not n.size:
        return
    if n.min() == n.max() and k.min() == k.max():
        yield slice(None), int(n[0]), int(k[0])
        return
    order = np.lexsort((k, n))
    changes = np.flatnonzero((np.diff(n[order]) != 0) | (np.diff(k[order]) != 0)) + 1
    for where in np.split(order, changes):
        yield where, int(n[where[0]]), int(k[where[0]])


def surprise_drawn(n: np.ndarray, x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Expected −(j/k) log(j/k), j the number of x marked samples among k draws of n without replacement; NaN where k > n.

    Parameters
    ----------
    n, x, k : int arrays of one shape (types,), k ≥ 1, x ≤ n

    Returns
    -------
    array (types,), nats: what one answer type adds to the plug-in entropy of k draws, on average.
    """
    out = np.full(n.shape, np.nan)
    full, part = k == n, k < n
    out[full] = _surprise(x[full] / n[full])
    n, x, k = n[part], x[part], k[part]
    pair = pd.factorize(n * (k.max(initial=0) + 1) + k)[0]
    where, keys = pd.factorize(pair * (x.max(initial=0) + 1) + x)
    first = np.zeros(len(keys), np.int64)
    first[where] = np.arange(len(where))
    out[part] = _expected_surprise(n[first], x[first], k[first])[where]
    return out


def _expected_surprise(n: np.ndarray, x: np.ndarray, k: np.ndarray) -> np.ndarray:
    most = np.minimum(x, k)
    key = np.repeat(np.arange(len(n)), most)  # one entry for each (key, j), at most as many as there are samples
    j = np.arange(len(key)) - np.repeat(np.cumsum(most) - most, most) + 1
    fits = k[key] - j <= (n - x)[key]
    key, j = key[fits], j[fits]
    log_p = _log_choose(x[key], j) + _log_choose((n - x)[key], k[key] - j) - _log_choose(n[key], k[key])
    return np.bincount(key, np.exp(log_p) * _surprise(j / k[key]), len(n))


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def _surprise(p: np.ndarray) -> np.ndarray:
    """−p log p, 0 at p = 0."""
    return -p * np.log(np.where(p > 0, p, 1.0))
