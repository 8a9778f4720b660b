"""How alike texts are in wording and order: longest common subsequences of all pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.pools import pools, share
from siwork.metrics.tokens import checked_texts, words


def homogenization(texts: Iterable[str], problem: ArrayLike | None = None) -> Any:
    """Mean over pairs of texts of ROUGE-L F1, 2·LCS/(words of both). Higher = more alike, less diverse.

    Parameters
    ----------
    texts : sequence of str, or a pyarrow string array; words are runs of [a-z0-9] in lower case, nothing is stemmed
    problem : int array (texts,), codes 0..G−1: pairs within a problem; None for all pairs

    Returns
    -------
    float, or array (G,), in [0, 1]; NaN with fewer than two texts; a pair with an empty text is 0. Its expectation does
    not depend on the number of texts. The cost grows with the square of the words of a pool: meant for ≤ 100 texts, or
    the samples of a problem.

    Raises
    ------
    KnobError for entries that are not str, or problem that does not fit the texts.

    Source: Padmakumar & He 2024 (arXiv:2309.05196), with ROUGE-L of Lin 2004; the LCS by bit-parallel rows (Hyyrö 2004),
    one text against all earlier ones at once.

    >>> homogenization(["The answer is 7.", "the answer is 8", "no"])
    0.25
    """
    found = words([text.lower() for text in checked_texts(texts)], "[a-z0-9]+")
    pool = pools(found.texts, problem)
    order = np.argsort(pool.problem, kind="stable")
    ids, ends = found.take(order)
    ids, ends, total = ids.tolist(), ends.tolist(), np.zeros(pool.groups)
    edges = np.cumsum(np.r_[0, pool.sizes])
    for g in np.flatnonzero(pool.sizes > 1).tolist():
        spans = zip([0, *ends][edges[g] : edges[g + 1]], ends[edges[g] : edges[g + 1]], strict=True)
        total[g] = _f1_sum([ids[i:j] for i, j in spans])
    return pool.result(share(total, pool.sizes * (pool.sizes - 1) / 2))


def _f1_sum(texts: list[list[int]]) -> float:
    """Sum of ROUGE-L F1 over the pairs of texts.

    The texts seen so far lie one after another in the bits of one integer, a free bit above each to catch its carry:
    a bit that has turned 0 is one more word of the common subsequence.
    """
    seen: dict[int, int] = {}  # bits of each word
    starts: list[int] = []
    lengths: list[int] = []
    full, width, total = 0, 0, 0.0
    for text in texts:
        if not text:
            continue
        row = full
        for word in text:
            if word in seen:
                met = row & seen[word]
                row = ((row + met) | (row - met)) & full
        if starts:
            common = np.add.reduceat(_bits(row ^ full, width), starts, dtype=np.int64)
            total += float((2.0 * common / (np.array(lengths) + len(text))).sum())
        for i, word in enumerate(text, width):
            seen[word] = seen.get(word, 0) | 1 << i
        full |= ((1 << len(text)) - 1) << width
        starts.append(width)
        lengths.append(len(text))
        width += len(text) + 1
    return total


def _bits(number: int, width: int) -> np.ndarray:
    raw = number.to_bytes((width + 7) // 8, "little")
    return np.unpackbits(np.frombuffer(raw, np.uint8), count=width, bitorder="little")
