"""Samples of each problem in rank order, those of one score together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Ties(NamedTuple):
    """Groups of samples with one problem and one key; problems ascending, keys ascending within, arrays (ties,)."""

    order: np.ndarray  # (n,) places of the samples in that order
    first: np.ndarray  # place in `order` of the first of each tie
    problem: np.ndarray
    size: np.ndarray
    before: np.ndarray  # samples of the problem ahead of the tie

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over the samples of each tie of values (n,) in the order of the input."""
        return np.add.reduceat(values[self.order], self.first) if len(self.first) else np.empty(0)


def ties(key: np.ndarray, problem: np.ndarray, groups: int) -> Ties:
    """The ties of `key` within each problem 0..groups−1; NaN keys tie with each other and come last."""
    n = np.bincount(problem, minlength=groups)
    order = _order(key, problem, n)
    rank, owner = key[order], problem[order]
    new = np.ones(len(order), bool)
    unknown = np.isnan(rank)
    new[1:] = (rank[1:] != rank[:-1]) & ~(unknown[1:] & unknown[:-1]) | (owner[1:] != owner[:-1])
    first = np.flatnonzero(new)
    whose = owner[first]
    return Ties(order, first, whose, np.diff(np.r_[first, len(order)]), first - (np.cumsum(n) - n)[whose])


def _order(key: np.ndarray, problem: np.ndarray, n: np.ndarray) -> np.ndarray:
    if len(n) and n.min() == n.max() and (problem[1:] >= problem[:-1]).all():
        rows = np.argsort(key.reshape(len(n), -1), axis=1)
        return np.asarray((rows + np.arange(0, len(key), n[0])[:, None]).ravel())
    return np.lexsort((key, problem))
