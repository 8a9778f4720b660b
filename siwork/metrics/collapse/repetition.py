"""Repetition inside a text: n-grams, recent tokens and whole lines that stand there again.

Each function gives one value a text; the reported value is the mean over texts of per-problem means. Longer texts repeat
more: cut to one length first (`tokens.cut`). The share of texts with rep-4 above 0.5 is the degenerate rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from siwork.metrics.draws import whole
from siwork.metrics.pools import before, distinct, share
from siwork.metrics.tokens import coded_lines, gram_orders, ngrams, tokens_of


def rep_n(tokens: Any, n: int = 4) -> np.ndarray:
    """rep-n of each text: 1 − different n-grams / all n-grams. Lower = less repetition.

    Parameters
    ----------
    tokens : Tokens, or what `tokens_of` takes
    n : tokens of a gram, ≥ 1

    Returns
    -------
    array (texts,) in [0, 1), NaN for a text shorter than n.

    Raises
    ------
    KnobError for n < 1.

    Source: Welleck et al. 2020 (arXiv:1908.04319), seq-rep-n.

    >>> rep_n(["a b a b a", "a"], 2)
    array([0.5, nan])
    """
    found = tokens_of(tokens)
    return 1.0 - _fresh(*ngrams(found, n), found.texts)


def diversity_simctg(tokens: Any) -> np.ndarray:
    """Π over n = 2, 3, 4 of (1 − rep-n) of each text. Higher = less repetition.

    Parameters
    ----------
    tokens : Tokens, or what `tokens_of` takes

    Returns
    -------
    array (texts,) in (0, 1], NaN for a text of fewer than 4 tokens.

    Source: Su et al. 2022 (arXiv:2202.06417).

    >>> diversity_simctg(["a b c d", "a a a a a"]).round(4)
    array([1.    , 0.0417])
    """
    found = tokens_of(tokens)
    _, *longer = (_fresh(hashes, text, found.texts) for hashes, text in gram_orders(found, 4))
    return np.prod(longer, axis=0)


def _fresh(hashes: np.ndarray, text: np.ndarray, texts: int) -> np.ndarray:
    """Different n-grams / all n-grams of each text, NaN without one."""
    return share(distinct(hashes, text, texts), np.bincount(text, minlength=texts))


def rep_w(tokens: Any, w: int = 16) -> np.ndarray:
    """Share of the tokens of each text, the first left out, that stand among the w tokens before. Lower = less repetition.

    Parameters
    ----------
    tokens : Tokens, or what `tokens_of` takes
    w : tokens looked back, ≥ 1

    Returns
    -------
    array (texts,) in [0, 1], NaN for a text of fewer than 2 tokens.

    Raises
    ------
    KnobError for w < 1.

    Source: rep/ℓ of Welleck et al. 2020 (arXiv:1908.04319), on sampled instead of predicted tokens.

    >>> rep_w(["a b a c b", "a"], 2)
    array([0.25,  nan])
    """
    found, back = tokens_of(tokens), int(whole("w", w, 1))
    oldest = np.maximum(np.repeat(found.starts, found.lengths), np.arange(len(found.ids)) - back)
    seen = np.bincount(found.text_of(), before(found.ids) >= oldest, found.texts)
    return share(seen, np.maximum(found.lengths - 1, 0))


def repeated_lines(texts: Iterable[str]) -> np.ndarray:
    """Share of the lines of each text that stood in it before: steps of reasoning that bring nothing new. Lower = better.

    Parameters
    ----------
    texts : sequence of str, or a pyarrow string array; lines are compared without their outer whitespace, empty ones left
        out

    Returns
    -------
    array (texts,) in [0, 1), NaN for a text without a line.

    Raises
    ------
    KnobError for entries that are not str.

    >>> repeated_lines(["x = 1\\ny = 2\\n\\nx = 1", ""]).round(4)
    array([0.3333,    nan])
    """
    return rep_n(coded_lines(texts), 1)
