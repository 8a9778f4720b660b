"""Luck without state: every number is a pure function of (seed, round, problem, sample), so a slider never re-rolls it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from siwork.policies.chance import scramble, uniform

SAMPLE, JUDGE, PICK = 1, 2, 3  # which answer is given, how the verifier errs, which different answers a cap keeps


@lru_cache(maxsize=24)
def chances(stream: int, seed: int, rounds: int, draws: int, problems: int) -> np.ndarray:
    """Uniform numbers in [0, 1), array (rounds, draws, problems); kept, so that only the first call costs.

    A larger array holds the smaller one: more rounds, samples or problems leave the others' luck alone.

    >>> bool((chances(SAMPLE, 0, 2, 3, 4) == chances(SAMPLE, 0, 5, 6, 7)[:2, :3, :4]).all())
    True
    """
    at = np.uint64(1) << np.array([42, 21], np.uint64)  # rounds and draws stay below 2²¹, problems too
    r, i, p = (np.arange(n, dtype=np.uint64) for n in (rounds, draws, problems))
    place = (r * at[0])[:, None, None] + (i * at[1])[:, None] + p
    out = uniform(place ^ scramble(np.array([(stream << 32) + seed], np.uint64)))
    out.flags.writeable = False
    return out


@lru_cache(maxsize=8)
def errors(seed: int, rounds: int, draws: int, problems: int) -> np.ndarray:
    """Standard normal numbers (rounds, draws, problems): the JUDGE stream through the inverse normal distribution."""
    out: np.ndarray = ndtri(chances(JUDGE, seed, rounds, draws, problems))
    out.flags.writeable = False
    return out


def place_of(p: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Place of each number u in its column's distribution: p (M, P) and u (k, P) give (k, P) int8.

    The inverse distribution function: places never fall as u rises, and more mass in front never moves a place back.

    >>> place_of(np.array([[0.5], [0.0], [0.5]]), np.array([[0.4], [0.6]])).ravel()
    array([0, 2], dtype=int8)
    """
    upto = np.cumsum(p, axis=0)
    upto /= upto[-1]
    place, beyond = np.zeros(u.shape, np.int8), np.empty(u.shape, bool)
    for edge in upto[:-1]:
        np.less_equal(edge, u, out=beyond)
        place += beyond.view(np.int8)
    return place
