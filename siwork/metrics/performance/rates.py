"""Performance: solve rate, pass@k and what is built of it, per problem from sufficient statistics.

n : int array (G,), samples of each problem; c : int array (G,), how many of them are right. The reported value is the
mean over problems, its interval `uncertainty.cluster_t`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.draws import counted, none_drawn


def solve_rate(n: ArrayLike, c: ArrayLike) -> np.ndarray:
    """Share of right samples of each problem, c/n; its mean over problems is pass@1.

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n

    Returns
    -------
    array (G,) in [0, 1], NaN where n = 0.

    Raises
    ------
    KnobError for counts that are not whole, negative, or c > n.

    >>> solve_rate([4, 2], [1, 2])
    array([0.25, 1.  ])
    """
    return pass_at_k(n, c, 1)


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> np.ndarray:
    """Probability that k of the n samples, drawn without replacement, hold a right one: 1 − C(n−c, k)/C(n, k).

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n
    k : draws, one number or (G,), ≥ 1

    Returns
    -------
    array (G,) in [0, 1], non-decreasing in k; unbiased for 1 − (1−p)^k. Exactly 0 at c = 0, exactly 1 where
    n − c < k, NaN where k > n.

    Raises
    ------
    KnobError for values that are not whole, negative, c > n or k < 1.

    Source: Chen et al. 2021 (arXiv:2107.03374), equation 1; the product form of its appendix, tabulated once a (n, k).

    >>> pass_at_k([10, 10, 5], [3, 0, 2], 6)
    array([0.96666667, 0.        ,        nan])
    """
    return np.asarray(1.0 - none_drawn(n, c, k))[()]


def pass_hat_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> np.ndarray:
    """Probability that k of the n samples, drawn without replacement, are all right: pass^k = C(c, k)/C(n, k).

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n
    k : draws, one number or (G,), ≥ 1

    Returns
    -------
    array (G,) in [0, 1], non-increasing in k; unbiased for p^k. Exactly 0 where c < k, NaN where k > n.

    Raises
    ------
    KnobError for values that are not whole, negative, c > n or k < 1.

    Source: Yao et al. 2024, tau-bench (arXiv:2406.12045).

    >>> pass_hat_k(10, [8, 4], 5).round(4)
    array([0.2222, 0.    ])
    """
    samples, right = counted(n, c)
    return np.asarray(none_drawn(samples, samples - right, k))[()]


def pass_spread(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> np.ndarray:
    """Room for selection: pass@k − pass@1 of each problem, (G,) in [0, 1]; NaN where k > n.

    Its fall at constant pass@1 is a loss of diversity, its fall through a rising pass@1 is sharpening: show all three.
    Takes and raises what `pass_at_k` does.

    >>> pass_spread(4, [0, 1, 4], 2)
    array([0.  , 0.25, 0.  ])
    """
    return np.asarray(pass_at_k(n, c, k) - pass_at_k(n, c, 1))[()]


def informative_fraction(n: ArrayLike, c: ArrayLike, group: ArrayLike) -> np.ndarray:
    """Share of groups of that size that hold both a right and a wrong sample.

    There a group-relative update has a gradient. `1 − C(c, g)/C(n, g) − C(n−c, g)/C(n, g)`, g the group size, unbiased
    for 1 − p^g − (1−p)^g.

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples, c ≤ n
    group : size of a group, ≥ 1

    Returns
    -------
    array (G,) in [0, 1]; 0 at group 1, NaN where group > n.

    Raises
    ------
    KnobError for values that are not whole, negative, c > n or group < 1.

    >>> informative_fraction(4, [0, 1, 2], 2).round(4)
    array([0.    , 0.5   , 0.6667])
    """
    mixed = pass_at_k(n, c, group) - pass_hat_k(n, c, group)
    return np.asarray(np.maximum(mixed, 0.0))[()]
