"""Rows in groups: the first few of each, totals, shortest."""

from __future__ import annotations

import numpy as np
import pandas as pd


def scores(rows: pd.DataFrame) -> np.ndarray:
    """Scores (n,), an unscored row below all others."""
    return rows["score"].to_numpy(float, na_value=-np.inf)


def problems(rows: pd.DataFrame) -> np.ndarray:
    """A whole number (n,) for the problem of each row."""
    return pd.factorize(rows["problem"])[0]


def rank_in_group(group: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Place (n,) of each row within its group when rows are taken in `order` (n,)."""
    ordered = order[np.argsort(group[order], kind="stable")]
    codes = group[ordered]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    place = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
    rank = np.empty(len(group), np.int64)
    rank[ordered] = place
    return rank


def first_of(kept: np.ndarray, group: np.ndarray, order: np.ndarray, n: int) -> np.ndarray:
    """Of the kept rows, the first n of each group in `order`: a mask (rows,)."""
    order = order[kept[order]]
    mask = np.zeros(len(kept), bool)
    if len(order):
        codes = np.where(kept, group, -1)
        rank = rank_in_group(codes, np.r_[order, np.flatnonzero(~kept)])
        mask = kept & (rank < n)
    return mask


def totals(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum of the values of each row's group, (n,)."""
    return np.bincount(group, values, minlength=1)[group]
