"""Diversity of words: distinct n-grams, the expectation-adjusted form, and n-grams shared between texts.

One form for one pool of texts and for many: without `problem` all texts are one pool and the result is a float; with
`problem` (texts,), the number 0..G−1 of the problem each text answers, the result is (G,).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.draws import whole
from siwork.metrics.pools import Pools, changes, distinct, pools, share
from siwork.metrics.tokens import FOLD, mixed, ngrams, tokens_of


def distinct_n(tokens: Any, n: int = 2, problem: ArrayLike | None = None) -> Any:
    """Distinct-n of a pool of texts: different n-grams / all n-grams. Higher = more diverse.

    Parameters
    ----------
    tokens : Tokens, or what `tokens_of` takes
    n : tokens of a gram, ≥ 1; no gram crosses the border of two texts
    problem : int array (texts,), which problem a text answers; None for one pool

    Returns
    -------
    float, or array (G,), in (0, 1]; NaN without an n-gram. Falls strongly as texts are added: compare at equal numbers
    of texts and tokens only.

    Raises
    ------
    KnobError for n < 1, or problem that does not fit the texts.

    Source: Li et al. 2016 (arXiv:1510.03055). Departure: theirs divides by tokens, this, as is usual now, by n-grams.

    >>> distinct_n(["a b a b", "a b"], 2), distinct_n(["a b a b", "a b"], 2, problem=[0, 1])
    (0.5, array([0.66666667, 1.        ]))
    """
    pool, unique, total = _counts(tokens, n, problem)
    return pool.result(share(unique, total))


def distinct_n_texts(tokens: Any, n: int = 2, problem: ArrayLike | None = None) -> Any:
    """Mean over texts of distinct-n within the text: repetition inside texts, blind to what texts share.

    Takes and raises what `distinct_n` does. Returns a float or (G,), in (0, 1], higher = less repetition; texts shorter
    than n leave (`collapse.rep_n` is NaN there, so they can be counted), NaN where none is left.

    >>> distinct_n_texts(["a b a b", "a b", "a"], 2).__round__(4)
    0.8333
    """
    found = tokens_of(tokens)
    hashes, text = ngrams(found, n)
    total = np.bincount(text, minlength=found.texts)
    pool = pools(found.texts, problem)
    return pool.result(pool.mean(share(distinct(hashes, text, found.texts), total)))


def ead(tokens: Any, n: int, vocabulary: int, problem: ArrayLike | None = None) -> Any:
    """Expectation-adjusted distinct-n, U / (V·(1 − ((V−1)/V)^C)): U different of C n-grams. Higher = more diverse.

    Parameters
    ----------
    tokens : Tokens, or what `tokens_of` takes
    n : tokens of a gram, ≥ 1
    vocabulary : V ≥ 1, size of the vocabulary, the same constant in every round and for every n
    problem : int array (texts,), which problem a text answers; None for one pool

    Returns
    -------
    float, or array (G,), in (0, about 1], above 1 possible; NaN without an n-gram. It adjusts for uniform tokens; on
    natural text it still moves with the number of tokens: compare at equal budgets.

    Raises
    ------
    KnobError for n or vocabulary < 1, or problem that does not fit the texts.

    Source: Liu et al. 2022 (arXiv:2202.13587); one V for n > 1 as Kirk et al. 2024 (arXiv:2310.06452).

    >>> round(ead(["a b a b", "a b"], 1, vocabulary=10), 4)
    0.4268
    """
    size = int(whole("vocabulary", vocabulary, 1))
    pool, unique, total = _counts(tokens, n, problem)
    return pool.result(share(unique, size * (1.0 - ((size - 1) / size) ** total)))


def self_repetition(tokens: Any, n: int = 4, problem: ArrayLike | None = None) -> Any:
    """Mean over texts of ln(1 + Σ over the text's different n-grams of the other texts that hold it). Lower = more diverse.

    Parameters
    ----------
    tokens : Tokens, or what `tokens_of` takes
    n : tokens of a gram, ≥ 1
    problem : int array (texts,), which problem a text answers; None for one pool

    Returns
    -------
    float, or array (G,), ≥ 0; NaN without a text. A text shorter than n counts with 0. Rises as texts are added.

    Raises
    ------
    KnobError for n < 1, or problem that does not fit the texts.

    Source: Salkar et al. 2022, in the form of Shaib et al. 2024 (arXiv:2403.00553).

    >>> round(self_repetition(["a b", "a b", "c d"], 2), 4)
    0.4621
    """
    found = tokens_of(tokens)
    pool = pools(found.texts, problem)
    table = gram_table(*ngrams(found, n), pool)
    others = np.bincount(table.text, (table.holders - 1)[table.gram], found.texts)
    return pool.result(pool.mean(np.log1p(others)))


class GramTable(NamedTuple):
    """How often each text holds each n-gram of its pool: one entry a pair of n-gram and text, sorted by both.

    gram : (P,) number of the n-gram, 0..D−1, not shared between pools ; text : (P,) ; times : (P,) ≥ 1
    starts : (D,) first entry of each n-gram ; holders : (D,) texts that hold it
    """

    gram: np.ndarray
    text: np.ndarray
    times: np.ndarray
    starts: np.ndarray
    holders: np.ndarray


def gram_table(hashes: np.ndarray, text: np.ndarray, pool: Pools) -> GramTable:
    """The table of n-grams given as `ngrams` gives them. Most of those that stand only once in their pool are left out."""
    keys = hashes if pool.groups <= 1 else hashes * FOLD + mixed(pool.problem)[text]
    keys, text = _recurring(keys, text)
    bits = max(len(pool.problem) - 1, 0).bit_length()
    pairs = np.sort((pd.factorize(keys)[0] << bits) | text)
    first = changes(pairs)
    pairs, times = pairs[first], np.diff(first, append=len(pairs))
    gram = pairs >> bits
    starts = changes(gram)
    return GramTable(gram, pairs & ((1 << bits) - 1), times, starts, np.diff(starts, append=len(gram)))


def _recurring(keys: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those whose upper bits stand more than once: all that recur, and the few that share a slot by chance."""
    bits = min(max(len(keys).bit_length() + 1, 8), 24)  # at most 128 MB of slots
    slot = (keys >> np.uint64(64 - bits)).astype(np.int64)
    often = (np.bincount(slot, minlength=1 << bits) > 1)[slot]
    return keys[often], text[often]


def _counts(tokens: Any, n: int, problem: ArrayLike | None) -> tuple[Pools, np.ndarray, np.ndarray]:
    """Different and all n-grams of each pool."""
    found = tokens_of(tokens)
    pool = pools(found.texts, problem)
    hashes, text = ngrams(found, n)
    group = pool.problem[text]
    return pool, distinct(hashes, group, pool.groups), np.bincount(group, minlength=pool.groups)
