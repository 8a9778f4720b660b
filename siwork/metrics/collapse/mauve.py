"""MAUVE between two sets of vectors, by the optional package mauve-text."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.draws import whole
from siwork.schema import KnobError, MissingExtra

_LEAST = 500  # vectors below which k-means into n/10 buckets says nothing


class Mauve(NamedTuple):
    """Mean over seeds, standard deviation over seeds, and the size of the smaller set."""

    mean: float
    spread: float
    n: int


def _vectors(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    array = array if array.dtype in (np.float32, np.float64) else array.astype(float)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise KnobError(f"{name} must be a finite matrix (texts, d), got shape {array.shape}; embed the texts first")
    return array


def mauve(p: ArrayLike, q: ArrayLike, seeds: int = 5) -> Mauve:
    """MAUVE: area under the divergence frontier of two sets of text vectors, quantised together by k-means.

    Parameters
    ----------
    p, q : float arrays (n, d) and (m, d), vectors of generated and of reference texts, from one encoder
    seeds : runs of k-means, seeds 0, 1, …, ≥ 2; five at least for a spread to be believed

    Returns
    -------
    Mauve(mean, spread, n): mean in (0, 1], higher = closer to the reference; spread the sd over seeds, which holds
    neither other texts nor other problems. NaN when either set has fewer than 500 vectors. It depends strongly on n, the
    encoder and the buckets (n/10, scale 5): same n in every round, and never the only evidence.

    Raises
    ------
    KnobError for sets that are no finite matrices of one d, or seeds < 2. MissingExtra when mauve-text is not installed
    (GPL-3, with faiss; it is called, not part of siwork).

    Source: Pillutla et al. 2021 (arXiv:2102.01454).

    >>> mauve([[0.0]] * 20, [[1.0]] * 20)
    Mauve(mean=nan, spread=nan, n=20)
    """
    x, y = _vectors("p", p), _vectors("q", q)
    if x.shape[1] != y.shape[1]:
        raise KnobError(f"p and q must have one d, got {x.shape[1]} and {y.shape[1]}; embed both alike")
    runs, n = int(whole("seeds", seeds, 2)), min(len(x), len(y))
    if n < _LEAST:
        return Mauve(float("nan"), float("nan"), n)
    compute = _package().compute_mauve
    values = [
        float(compute(p_features=x, q_features=y, num_buckets=round(n / 10), seed=seed, verbose=False).mauve)
        for seed in range(runs)
    ]
    return Mauve(float(np.mean(values)), float(np.std(values, ddof=1)), n)


def _package() -> Any:
    try:
        return import_module("mauve")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"mauve needs the package mauve-text with faiss ({error.name} is missing); install it with: "
            "pip install mauve-text faiss-cpu"
        ) from None
