"""Reliability: how often samples of one score are right. Bins of scores and the table over them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.calibration.samples import Samples, probabilities, samples
from siwork.metrics.intervals import checked_level, grouped_ratio, wilson
from siwork.schema import KnobError, nearest

_WAYS = ("auto", "mass", "value", "width")
_FEW = 32  # edges up to which counting comparisons beats bisection on long arrays


class Sums(NamedTuple):
    """Sums of each bin that holds a sample, arrays (B,)."""

    bin: np.ndarray
    size: np.ndarray  # samples
    score: np.ndarray
    gold: np.ndarray


class Cells(NamedTuple):
    """Sums of each (problem, bin) that holds a sample, arrays (cells,)."""

    problem: np.ndarray
    bin: np.ndarray
    size: np.ndarray  # samples
    score: np.ndarray
    gold: np.ndarray


def binned(score: ArrayLike, bins: int = 10, by: str = "auto", edges: ArrayLike | None = None) -> np.ndarray:
    """Number of the bin of each score.

    Parameters
    ----------
    score : float array (N,); "width" needs [0, 1], the other ways take any real score, ±inf included
    bins : number of bins B, ≥ 1; "value" ignores it
    by : "value" one bin a distinct score; "mass" equal counts, rank r to bin ⌊rB/N⌋, tied scores together in the
        lowest bin of their group; "width" bins [a, b) of one width over [0, 1], the last closed; "auto" is "value" where
        there are at most `bins` distinct scores, else "mass"
    edges : float array (E+1,), rising and holding all scores: bins [a, b), the last closed, instead of `by`, so that
        later rounds share the bins of round 0 (`mass_edges`)

    Returns
    -------
    int array (N,), rising with the score; −1 where the score is NaN. Bins may be empty.

    Raises
    ------
    KnobError for an unknown `by`, bins < 1, edges that do not rise or do not hold the scores.

    Source: Roelofs et al. 2022 (equal mass). Packages differ on scores that lie on an edge; here bins are left-closed.

    >>> binned([0.7, 0.8, 0.7, 0.2]).tolist()
    [1, 2, 1, 0]
    >>> binned([0.0, 0.3, 0.5, 1.0], bins=2, by="width").tolist()
    [0, 0, 1, 1]
    """
    s = np.asarray(score, float)
    if s.ndim != 1:
        raise KnobError(f"score must be flat, got shape {s.shape}; ravel it")
    known = ~np.isnan(s)
    if known.all():
        return bin_codes(s, bins, by, edges)
    codes = np.full(len(s), -1, np.int64)
    codes[known] = bin_codes(s[known], bins, by, edges)
    return codes


def bin_codes(s: np.ndarray, bins: int, by: str, edges: ArrayLike | None) -> np.ndarray:
    """Bin numbers (n,) of scores without NaN. Raises KnobError as `binned`."""
    if by not in _WAYS:
        raise KnobError(f"by must be one of {', '.join(_WAYS)}, got {by!r}; {nearest(by, _WAYS)}")
    count = _whole_bins(bins)
    if edges is not None:
        return _place(s, _checked_edges(edges, s)[1:-1], "right")
    if by == "width":
        return _place(probabilities(s), np.linspace(0.0, 1.0, count + 1)[1:-1], "right")
    values = _few_values(s, count) if by == "auto" else None
    if by == "value" or values is not None:
        values = np.unique(s) if values is None else values
        return _place(s, values[:-1], "left")
    return _place(s, _mass_tops(s, count), "left")


def _whole_bins(bins: int) -> int:
    if not (isinstance(bins, int | np.integer) and bins >= 1):
        raise KnobError(f"bins must be a whole number ≥ 1, got {bins!r}; 10 is usual")
    return int(bins)


def _place(s: np.ndarray, cuts: np.ndarray, side: str) -> np.ndarray:
    """How many cuts lie below each score ("left": cut < s, "right": cut ≤ s)."""
    if len(s) < 4096 or len(cuts) > _FEW:
        return np.searchsorted(cuts, s, side=side)  # type: ignore[call-overload]
    above = np.greater if side == "left" else np.greater_equal
    codes = np.zeros(len(s), np.int8)
    for cut in cuts:
        codes += above(s, cut).view(np.int8)
    return codes.astype(np.int64)


def _few_values(s: np.ndarray, most: int) -> np.ndarray | None:
    """The distinct scores in rising order, None when there are more than `most`; a prefix settles it mostly."""
    if len(np.unique(s[: 8 * most + 64])) > most:
        return None
    values = np.unique(s) if len(s) < 4096 else np.sort(pd.unique(s))
    return values if len(values) <= most else None


def _mass_tops(s: np.ndarray, bins: int) -> np.ndarray:
    """Greatest score of bins 0..B−2: a score is in bin b when exactly b of these lie below it."""
    if not len(s):
        return np.empty(0)
    last = -(-np.arange(1, bins) * len(s) // bins) - 1  # ⌈bN/B⌉ − 1, the last rank below bin b
    return np.partition(s, np.unique(last))[last] if len(last) else np.empty(0)


def _checked_edges(edges: ArrayLike, s: np.ndarray) -> np.ndarray:
    e = np.asarray(edges, float)
    if e.ndim != 1 or len(e) < 2 or not (e[1:] > e[:-1]).all():
        raise KnobError(f"edges must be at least two rising numbers, got {e.tolist()[:5]}; mass_edges makes such")
    if len(s) and not (e[0] <= s.min() and s.max() <= e[-1]):
        raise KnobError(f"edges must hold all scores, got {e[0]:g}..{e[-1]:g} for {s.min():g}..{s.max():g}; widen them")
    return e


def mass_edges(score: ArrayLike, bins: int = 10, by: str = "mass") -> np.ndarray:
    """Edges that cut these scores into the bins of `binned`, to be used again in later rounds.

    Parameters
    ----------
    score : float array (N,), any real number; NaN leaves
    bins : number of bins, ≥ 1
    by : "mass"; "value" one edge a distinct score; "auto" as in `binned`; "width"

    Returns
    -------
    float array (E+1,), rising, E the bins that hold a score; each inner edge is the least score of its bin. The outer edges
    are 0 and 1 (the next number after 1 when the score 1 has a bin of its own), −inf and inf when a score lies outside
    [0, 1] (a score of inf then shares the last finite bin). Without scores [0, 1].

    Raises
    ------
    KnobError for bins < 1, an unknown `by`, or "width" with a score outside [0, 1].

    >>> mass_edges([0.1, 0.2, 0.6, 0.9], bins=2)
    array([0. , 0.6, 1. ])
    """
    s = np.asarray(score, float).ravel()
    s = s[~np.isnan(s)]
    codes = bin_codes(s, bins, by, None)
    if by == "width":
        return np.linspace(0.0, 1.0, bins + 1)
    least = np.full(int(codes.max(initial=-1)) + 1, np.inf)
    np.minimum.at(least, codes, s)
    inner = least[np.bincount(codes) > 0][1:]
    if ((s < 0) | (s > 1)).any():
        return np.r_[-np.inf, inner[inner < np.inf], np.inf]
    return np.r_[0.0, inner, np.nextafter(1.0, 2.0) if (inner == 1.0).any() else 1.0]


def bin_sums(found: Samples, codes: np.ndarray) -> Sums:
    """Sums over the samples of each bin that holds one."""
    count = np.bincount(codes)
    sums = np.bincount(codes, found.score), np.bincount(codes, found.gold)
    if count.all():
        return Sums(np.arange(len(count)), count, *sums)
    held = np.flatnonzero(count)
    return Sums(held, count[held], sums[0][held], sums[1][held])


def cell_sums(found: Samples, codes: np.ndarray) -> Cells:
    """Sums over the samples of each (problem, bin); without problems each sample is its own."""
    if found.problem is None:
        return Cells(np.arange(len(codes)), codes, np.ones(len(codes), np.int64), found.score, found.gold)
    bins = int(codes.max(initial=-1)) + 1
    key = found.problem * bins + codes
    if found.groups * bins > 2 * len(codes) + 1024:
        key, names = pd.factorize(key)
        count = np.bincount(key)
    else:
        count = np.bincount(key, minlength=found.groups * bins)
        names = np.arange(len(count))
    held = np.flatnonzero(count)
    score, gold = (np.bincount(key, weight, len(count))[held] for weight in (found.score, found.gold))
    problem, code = np.divmod(names[held], max(bins, 1))
    return Cells(problem, code, count[held], score, gold)


def reliability(
    score: ArrayLike,
    gold: ArrayLike,
    problem: ArrayLike | None = None,
    bins: int = 10,
    by: str = "auto",
    level: float = 0.95,
    edges: ArrayLike | None = None,
) -> pd.DataFrame:
    """Mean score against mean truth in bins of scores: the points of a reliability diagram.

    Parameters
    ----------
    score : float array (N,) in [0, 1]; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    problem : array (N,), labels of any kind; None takes each sample as a problem of its own
    bins, by, edges : the bins, as in `binned`
    level : coverage of the intervals, between 0 and 1

    Returns
    -------
    DataFrame, one row a bin that holds a sample, rising: bin, least and greatest (score), count, problems, score and gold
    (means), low and high (interval of mean gold: the ratio of sums over problems, linearised; Wilson where no problem has
    two samples in the bin; NaN with fewer than two problems). A calibrated judge has gold = score in every row.

    Raises
    ------
    KnobError for a score outside [0, 1], gold that is not 0 or 1, lengths that differ, bad bins or level.

    >>> reliability([0.2, 0.2, 0.9, 0.9], [0, 1, 1, 1])[["score", "gold", "count"]].values.tolist()
    [[0.2, 0.5, 2.0], [0.9, 1.0, 2.0]]
    """
    checked_level(level)
    found = samples(score, gold, problem)
    codes = bin_codes(found.score, bins, by, edges)
    sums, cells = bin_sums(found, codes), cell_sums(found, codes)
    size = int(codes.max(initial=-1)) + 1
    least, greatest = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(least, codes, found.score)
    np.maximum.at(greatest, codes, found.score)
    rows = np.searchsorted(sums.bin, cells.bin)
    ratio = grouped_ratio(cells.gold, cells.size.astype(float), rows, len(sums.bin), level)
    alone = np.bincount(rows, cells.size > 1, len(sums.bin)) == 0
    single = wilson(sums.gold, sums.size, level)
    low, high = (np.where(alone & (ratio.n > 1), w, t) for w, t in zip(single, (ratio.low, ratio.high), strict=True))
    return pd.DataFrame(
        {
            "bin": sums.bin,
            "least": least[sums.bin],
            "greatest": greatest[sums.bin],
            "count": sums.size,
            "problems": ratio.n,
            "score": sums.score / sums.size,
            "gold": sums.gold / sums.size,
            "low": low,
            "high": high,
        }
    )
