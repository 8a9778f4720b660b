"""Counting within pools: the texts of one problem, or all; different values, earlier equals, shares."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.draws import whole
from siwork.schema import KnobError


class Pools(NamedTuple):
    """Which texts are looked at together: those of one problem, or all.

    problem : int64 array (texts,), 0..G−1 ; groups : G ; one : a single pool, results are floats
    """

    problem: np.ndarray
    groups: int
    one: bool

    @property
    def sizes(self) -> np.ndarray:
        """Texts of each pool, (G,)."""
        return np.bincount(self.problem, minlength=self.groups)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over the texts of each pool that have a value, (G,); NaN without one."""
        known = ~np.isnan(values)
        counts = np.bincount(self.problem[known], minlength=self.groups)
        return share(np.bincount(self.problem[known], values[known], self.groups), counts)

    def result(self, values: np.ndarray) -> Any:
        """A float for a single pool, else the array (G,)."""
        return float(values[0]) if self.one else values


def pools(texts: int, problem: ArrayLike | None) -> Pools:
    """The pools of `problem` (texts,), codes 0..G−1, or one pool for None. Raises KnobError when it does not fit."""
    if problem is None:
        return Pools(np.zeros(texts, np.int64), 1, True)
    codes = whole("problem", problem)
    if codes.shape != (texts,):
        raise KnobError(f"problem must have one entry a text, got shape {codes.shape} for {texts} texts")
    return Pools(codes, int(codes.max(initial=-1)) + 1, False)


def share(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """part / total as floats, NaN where total is 0."""
    return np.divide(part, total, out=np.full(np.shape(part), np.nan), where=np.asarray(total) > 0)


def distinct(hashes: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Different hashes within each group, int64 (groups,); `group` (M,) holds codes 0..groups−1.

    Sorts keys that hold the group in their upper bits and the upper bits of the hash below; rising groups are taken a
    block of whole groups at a time, which is faster and leaves more bits to the hash.
    """
    out = np.zeros(groups, np.int64)
    rising = groups > 1 and bool((group[1:] >= group[:-1]).all())
    edges = _block_edges(group) if rising else np.array([0, len(group)])
    for i, j in pairwise(edges.tolist()):
        first, last = (group[i], group[j - 1]) if rising else (0, groups - 1)
        if i < j:
            out[first : last + 1] += _distinct(hashes[i:j], group[i:j] - first, int(last - first) + 1)
    return out


def _block_edges(group: np.ndarray) -> np.ndarray:
    """Offsets near every 2¹⁶th entry at which a new group begins, from 0 to the end."""
    near = group[np.arange(1 << 16, len(group), 1 << 16)]
    return np.unique(np.r_[0, np.searchsorted(group, near), len(group)])


def _distinct(hashes: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    bits = np.uint64((groups - 1).bit_length())
    if not bits:
        return np.array([len(changes(np.sort(hashes)))])
    keys = np.sort((group.astype(np.uint64) << (np.uint64(64) - bits)) | (hashes >> bits))
    first = keys[changes(keys)] >> (np.uint64(64) - bits)
    return np.bincount(first.astype(np.int64), minlength=groups)


def changes(ordered: np.ndarray) -> np.ndarray:
    """Where a new value begins in a sorted array."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.int64)


def before(ids: np.ndarray) -> np.ndarray:
    """Place of the nearest earlier id that is equal, (L,); −1 for a first one.

    >>> before(np.array([5, 6, 5, 5]))
    array([-1, -1,  0,  2])
    """
    places = max(len(ids) - 1, 0).bit_length()
    low = int(ids.min(initial=0))
    if (int(ids.max(initial=0)) - low).bit_length() + places > 63:
        ids, low = pd.factorize(ids)[0], 0
    keys = np.sort(((ids - low) << places) | np.arange(len(ids)))
    at = keys & ((1 << places) - 1)
    again = (keys[1:] >> places) == (keys[:-1] >> places)
    out = np.full(len(ids), -1)
    out[at[1:][again]] = at[:-1][again]
    return out
