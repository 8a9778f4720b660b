"""Lexical diversity of one long sequence of tokens: how fast new types come.

Each function takes `tokens` (L,), ints or strings, the texts of a problem or a pool one after another. All fall with
length mechanically or vary with it: cut texts to one length first (`tokens.cut`), and show the lengths beside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from siwork.metrics.diversity.answers import distinct_at_k
from siwork.metrics.draws import whole
from siwork.metrics.pools import before
from siwork.metrics.tokens import Tokens, tokens_of
from siwork.schema import KnobError


def ttr(tokens: Any) -> float:
    """Type–token ratio: different tokens / tokens. Higher = more diverse; strongly dependent on length.

    Takes tokens (L,), ints or strings; returns a float in (0, 1], NaN at L = 0. Raises KnobError for a single str.

    >>> ttr(["a", "b", "a", "c"])
    0.75
    """
    ids = _sequence(tokens)
    return _types(ids) / len(ids) if len(ids) else float("nan")


def pattr(tokens: Any, target: int) -> float:
    """Types over length, penalised for a length off the target: U / (L + |L − target|). Higher = more diverse.

    Parameters
    ----------
    tokens : (L,), ints or strings
    target : length asked for, ≥ 0, the same in every round

    Returns
    -------
    float in [0, 1]; NaN at L = 0. Equals `ttr` at L = target.

    Raises
    ------
    KnobError for a target that is not whole or negative, or a single str.

    Source: the idea of Deshpande et al. 2025 (arXiv:2507.15092); their formula may differ in detail.

    >>> pattr(["a", "b", "a", "c"], target=6)
    0.5
    """
    ids, wanted = _sequence(tokens), int(whole("target", target))
    return _types(ids) / (len(ids) + abs(len(ids) - wanted)) if len(ids) else float("nan")


def hdd(tokens: Any, draws: int = 42) -> float:
    """HD-D: expected type–token ratio of `draws` tokens drawn without replacement. Higher = more diverse.

    Parameters
    ----------
    tokens : (L,), ints or strings
    draws : tokens drawn, ≥ 1; 42 is the convention

    Returns
    -------
    float in (0, 1]; NaN where L < draws.

    Raises
    ------
    KnobError for draws < 1, or a single str.

    Source: McCarthy & Jarvis 2007 (Language Testing 24:459): Σ over types of P(drawn at least once)/draws.

    >>> hdd(["a", "b"] * 2, draws=2).__round__(4)
    0.8333
    """
    counts = np.unique_counts(_sequence(tokens)).counts
    return float(distinct_at_k(counts, draws) / int(draws))


def mattr(tokens: Any, window: int = 50) -> float:
    """Moving-average type–token ratio: mean over all windows of that length. Higher = more diverse.

    Parameters
    ----------
    tokens : (L,), ints or strings
    window : tokens of a window, ≥ 1

    Returns
    -------
    float in (0, 1]; of a sequence shorter than the window its `ttr`; NaN at L = 0.

    Raises
    ------
    KnobError for window < 1, or a single str.

    Source: Covington & McFall 2010 (J. Quantitative Linguistics 17:94). One pass: a token is a new type in the windows
    that hold it and not the one before of its type.

    >>> mattr(["a", "b", "a", "a"], window=2).__round__(4)
    0.8333
    """
    ids, width = _sequence(tokens), int(whole("window", window, 1))
    if not len(ids):
        return float("nan")
    width = min(width, len(ids))
    at, last = np.arange(len(ids)), len(ids) - width
    first = np.maximum(np.maximum(before(ids) + 1, at - width + 1), 0)
    new = np.maximum(np.minimum(at, last) - first + 1, 0)
    return float(new.sum()) / (width * (last + 1))


def mtld(tokens: Any, threshold: float = 0.72, minimum: int = 10) -> float:
    """MTLD: mean length of runs that keep a type–token ratio of the threshold. Higher = more diverse.

    Parameters
    ----------
    tokens : (L,), ints or strings
    threshold : between 0 and 1; a run (factor) ends where its ratio falls below
    minimum : shortest run that may end, ≥ 1

    Returns
    -------
    float > 0, tokens: L / factors, the mean of both reading directions; the run that meets the end counts as
    (1 − ratio)/(1 − threshold) of a factor. NaN without a factor: L = 0, or no token twice.

    Raises
    ------
    KnobError for a threshold outside (0, 1), minimum < 1, or a single str.

    Source: McCarthy & Jarvis 2010 (Behavior Research Methods 42:381); minimum run of 10 as is usual.

    >>> mtld(["a", "b"] * 20).__round__(4)
    6.8293
    """
    if not 0 < threshold < 1:
        raise KnobError(f"threshold must be between 0 and 1, got {threshold!r}; the usual one is 0.72")
    ids, shortest = _sequence(tokens), int(whole("minimum", minimum, 1))
    if _types(ids) == len(ids):
        return float("nan")
    ways = [_factors(before(way), threshold, shortest) for way in (ids, ids[::-1])]
    return sum(len(ids) / factors for factors in ways) / 2


def _factors(places: np.ndarray, threshold: float, shortest: int) -> float:
    """Runs with a ratio that fell below the threshold, and the part of one that is left at the end."""
    factors, start, due, types = 0.0, 0, shortest, 0
    *inner, last = places.tolist()
    for i, seen in enumerate(inner, 1):
        if seen < start:
            types += 1
            if i != due:  # a new type lowers no ratio
                continue
        if i >= due and types / (i - start) < threshold:
            factors, start, due, types = factors + 1.0, i, i + shortest, 0
    ratio = (types + (last < start)) / (len(places) - start)
    return factors + (1.0 - ratio) / (1.0 - threshold)


def _sequence(tokens: Any) -> np.ndarray:
    """Ids of one sequence of tokens, (L,). Raises KnobError for a single str."""
    if isinstance(tokens, Tokens):
        return tokens.ids
    if isinstance(tokens, str):
        raise KnobError(f"tokens must be a sequence, got the str {tokens[:20]!r}; split it: text.split()")
    return tokens_of([tokens]).ids


def _types(ids: np.ndarray) -> int:
    return len(np.unique_values(ids))
