"""How well texts predict each other: self-BLEU of a pool in linear time, and pairwise BLEU within problems.

BLEU is that of Papineni et al. 2002 on one sentence: the geometric mean over orders 1..N of the clipped n-gram precision
p_n, times exp(1 − r/c) when the text (c tokens) is not longer than the reference closest in length (r tokens; of two
equally close ones the shorter). An order without a match counts as 0.1 matches (method 1 of Chen & Cherry 2014); an order
longer than the text as 0.1 of 1, so that identical texts of fewer than N tokens stay below 1. A text without a word in
common is 0, so is an empty one. The values equal nltk's `sentence_bleu` with method1 smoothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from siwork.metrics.diversity.ngrams import gram_table
from siwork.metrics.pools import Pools, pools, share
from siwork.metrics.tokens import gram_orders, tokens_of

_NO_MATCH = 0.1  # matches assumed where an order has none
_PAIRS = 1 << 22  # pairs scored at a time, 32 MB an order


def self_bleu(tokens: Any, order: int = 4, problem: ArrayLike | None = None) -> Any:
    """Self-BLEU: mean over texts of the BLEU of the text against all others as references. Lower = more diverse.

    Parameters
    ----------
    tokens : Tokens, or what `tokens_of` takes
    order : longest n-gram, ≥ 1; the usual self-BLEU is 4
    problem : int array (texts,), codes 0..G−1: each text against the others of its problem; None for one pool

    Returns
    -------
    float, or array (G,), in [0, 1]; NaN with fewer than two texts. Rises as texts are added: compare at equal numbers;
    within problems `pairwise_bleu` does not depend on them.

    Raises
    ------
    KnobError for order < 1, or problem that does not fit the texts.

    Source: Zhu et al. 2018 (arXiv:1802.01886). Computed in linear time: of each n-gram only the largest count in one
    text matters, and the second largest for the text that has the largest.

    >>> round(self_bleu(["the answer is 7 .", "the answer is 8 ."]), 4)
    0.2857
    """
    values = self_bleu_texts(tokens, order, problem)
    pool = pools(len(values), problem)
    return pool.result(pool.mean(values))


def self_bleu_texts(tokens: Any, order: int = 4, problem: ArrayLike | None = None) -> np.ndarray:
    """BLEU of each text against all others (of its problem), (texts,): how much of it the others say too.

    Takes and raises what `self_bleu` does, whose mean this is. In [0, 1], NaN for a text that is alone.

    >>> self_bleu_texts(["a b c d", "a b c d", "e f"])
    array([1., 1., 0.])
    """
    found = tokens_of(tokens)
    pool = pools(found.texts, problem)
    matches = [_clipped(hashes, text, pool) for hashes, text in gram_orders(found, order)]
    value = _bleu(matches, found.lengths, _closest(found.lengths, pool))
    return np.where(pool.sizes[pool.problem] > 1, value, np.nan)


def _clipped(hashes: np.ndarray, text: np.ndarray, pool: Pools) -> np.ndarray:
    """n-grams of each text that another text of its pool holds, each at most as often as the other, (texts,)."""
    table = gram_table(hashes, text, pool)
    if not len(table.gram):
        return np.zeros(len(pool.problem))
    most = np.maximum.reduceat(table.times, table.starts)
    leads = table.times == most[table.gram]
    alone = leads & (np.add.reduceat(leads, table.starts, dtype=np.int64) == 1)[table.gram]
    second = np.maximum.reduceat(np.where(leads, 0, table.times), table.starts)
    return np.bincount(table.text, np.where(alone, second[table.gram], table.times), len(pool.problem))


def _closest(lengths: np.ndarray, pool: Pools) -> np.ndarray:
    """Length of the other text of the pool that is closest in length, the shorter of two, (texts,); 0 without one."""
    order = np.lexsort((lengths, pool.problem))
    ordered, same = lengths[order], np.diff(pool.problem[order]) == 0
    far = np.int64(1) << 62
    below = np.r_[far, np.where(same, np.diff(ordered), far)][: len(order)]
    above = np.r_[np.where(same, np.diff(ordered), far), far][: len(order)]
    closest = np.where(below <= above, ordered - below, ordered + above)
    out = np.empty_like(lengths)
    out[order] = np.where(np.minimum(below, above) < far, closest, 0)
    return out


def _bleu(matches: list[np.ndarray], length: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """BLEU from the clipped matches of each order, the lengths of the texts and of their closest references."""
    log_p = np.zeros(length.shape)
    for n, found in enumerate(matches, 1):
        log_p += np.log(np.where(found > 0, found, _NO_MATCH) / np.maximum(length - n + 1, 1))
    brevity = np.minimum(1.0 - reference / np.maximum(length, 1), 0.0)
    return np.where(matches[0] > 0, np.exp(log_p / len(matches) + brevity), 0.0)


def pairwise_bleu(tokens: Any, order: int = 4, problem: ArrayLike | None = None) -> Any:
    """Mean over ordered pairs of different texts of the BLEU of one against the other. Lower = more diverse.

    Parameters
    ----------
    tokens : Tokens, or what `tokens_of` takes
    order : longest n-gram, ≥ 1
    problem : int array (texts,), codes 0..G−1: pairs within a problem; None for all pairs

    Returns
    -------
    float, or array (G,), in [0, 1]; NaN with fewer than two texts. Its expectation does not depend on the number of
    texts. The cost grows with the number of pairs: meant for the samples of a problem, or ≤ 1000 texts of a pool.

    Raises
    ------
    KnobError for order < 1, or problem that does not fit the texts.

    Source: Shen et al. 2019 (arXiv:1902.07816).

    >>> round(pairwise_bleu(["the answer is 7 .", "the answer is 8 .", "no"]), 4)
    0.0952
    """
    found = tokens_of(tokens)
    pool = pools(found.texts, problem)
    by_problem = np.argsort(pool.problem, kind="stable")
    found, pool = found.take(by_problem), pool._replace(problem=pool.problem[by_problem])
    holds = [_holdings(hashes, text, pool) for hashes, text in gram_orders(found, order)]
    others = [matrix.T.tocsr() for matrix in holds]
    size = pool.sizes[pool.problem]
    begins = np.searchsorted(pool.problem, pool.problem)  # first text of the problem of each text
    total = np.zeros(pool.groups)
    for rows in _blocks(size):
        one = np.repeat(np.arange(rows.start, rows.stop), size[rows])
        place = np.cumsum(size[rows]) - size[rows] - begins[rows]  # of pair (one, two): place of one + two
        two = np.arange(len(one)) - np.repeat(place, size[rows])
        matches = [
            _matches(x[rows], y, place, pool.problem, rows.start, len(one)) for x, y in zip(holds, others, strict=True)
        ]
        value = _bleu(matches, found.lengths[one], found.lengths[two])
        total += np.bincount(pool.problem[one], np.where(one != two, value, 0.0), pool.groups)
    return pool.result(share(total, pool.sizes * (pool.sizes - 1)))


def _blocks(pairs: np.ndarray) -> Iterator[slice]:
    """Runs of texts whose pairs are few enough to be scored at once."""
    ends = np.cumsum(pairs)
    start = 0
    while start < len(pairs):
        stop = int(np.searchsorted(ends, (ends[start - 1] if start else 0) + _PAIRS, side="right"))
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop


def _matches(x: csr_array, y: csr_array, place: np.ndarray, problem: np.ndarray, start: int, pairs: int) -> np.ndarray:
    """Clipped matches of each pair of a block of texts, (pairs,)."""
    both = (x @ y).tocoo()
    same = problem[both.row + start] == problem[both.col]  # false for colliding hashes of two problems only
    out = np.zeros(pairs)
    out[(place[both.row] + both.col)[same]] = both.data[same]
    return out


def _holdings(hashes: np.ndarray, text: np.ndarray, pool: Pools) -> csr_array:
    """0/1 matrix (texts, columns): an n-gram that stands c times in a text fills the first c of its columns.

    The product of two rows is then the sum over n-grams of the smaller of both counts: the clipped matches.
    """
    table = gram_table(hashes, text, pool)
    most = np.maximum.reduceat(table.times, table.starts) if len(table.starts) else table.starts
    entry = np.repeat(np.arange(len(table.gram)), table.times)
    nth = np.arange(len(entry)) - np.repeat(np.cumsum(table.times) - table.times, table.times)
    column = (np.cumsum(most) - most)[table.gram[entry]] + nth
    shape = (len(pool.problem), int(most.sum()))
    return csr_array((np.ones(len(entry), np.int32), (table.text[entry], column)), shape=shape)
