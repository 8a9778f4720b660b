"""How many answers a problem has beyond those seen, and how much of the mass the seen ones hold, from counts.

The calling form is that of `answers`: `counts` (types,) alone is one problem, with `problem` (types,) it is many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.diversity.answers import _Types, _types
from siwork.schema import KnobError, nearest

_METHODS = ("chao_jost", "good_turing")


def _seen(types: _Types, times: int) -> np.ndarray:
    """Number of types that were seen exactly so often, (G,)."""
    return np.bincount(types.problem[types.counts == times], minlength=len(types.n)).astype(float)


def chao1(counts: ArrayLike, problem: ArrayLike | None = None) -> Any:
    """Lower bound on the number of types, unseen ones included: S + f1(f1−1)/(2(f2+1)), f1, f2 the types seen once, twice.

    Parameters
    ----------
    counts : int array (types,), samples of each type
    problem : int array (types,), which problem a count belongs to; None for a single problem

    Returns
    -------
    float, or array (G,), ≥ types seen, higher is more diverse; NaN where n = 0. Unstable for n < 20.

    Raises
    ------
    KnobError for counts that are not whole or negative.

    Source: Chao 1984, the bias-corrected form.

    >>> chao1([1, 1, 2, 3])
    4.5
    """
    types = _types(counts, problem)
    once, twice = _seen(types, 1), _seen(types, 2)
    seen = np.bincount(types.problem[types.counts > 0], minlength=len(types.n))
    found = seen + once * (once - 1.0) / (2.0 * (twice + 1.0))
    return types.result(np.where(types.n > 0, found, np.nan))


def coverage(counts: ArrayLike, problem: ArrayLike | None = None, method: str = "chao_jost") -> Any:
    """Share of the probability mass that the types seen hold; compare rounds at equal coverage where n cannot be equal.

    Parameters
    ----------
    counts : int array (types,), samples of each type
    problem : int array (types,), which problem a count belongs to; None for a single problem
    method : "chao_jost" is 1 − (f1/n)·(n−1)f1/((n−1)f1 + 2f2), without types seen twice
        1 − (f1/n)·(n−1)(f1−1)/((n−1)(f1−1) + 2); "good_turing" is 1 − f1/n

    Returns
    -------
    float, or array (G,), in [0, 1]; NaN where n = 0. Where every type was seen once "good_turing" is 0, "chao_jost" a
    little more, and 1 for a single sample, about which it knows nothing.

    Raises
    ------
    KnobError for counts that are not whole or negative, or an unknown method.

    Source: Good 1953; Chao & Jost 2012, equation 4a.

    >>> round(coverage([1, 1, 2, 3]), 4), round(coverage([1, 1, 2, 3], method="good_turing"), 4)
    (0.7551, 0.7143)
    """
    if method not in _METHODS:
        raise KnobError(f"method must be chao_jost or good_turing, got {method!r}; {nearest(method, _METHODS)}")
    types = _types(counts, problem)
    size = np.where(types.n > 0, types.n, np.nan)
    once, twice = _seen(types, 1), _seen(types, 2)
    if method == "good_turing":
        return types.result(1.0 - once / size)
    singles, doubles = np.where(twice > 0, once, once - 1.0), np.where(twice > 0, twice, 1.0)
    unseen = (types.n - 1.0) * np.maximum(singles, 0.0)
    return types.result(1.0 - once / size * unseen / (unseen + 2.0 * doubles))
