"""Texts as flat token ids with offsets, and their n-grams as 64-bit hashes: what every text metric counts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.draws import whole
from siwork.schema import KnobError

WORD = r"\w+|[^\w\s]"
"""Words and single punctuation marks: the pattern for the texts of runs, the same in every round."""

FOLD = np.uint64(0xD1342543DE82EF95)  # odd: keeps the hashes apart and the order of what is folded in
_BLOCK = 4096  # texts split at a time, so that their strings never stand in memory all at once


class Tokens(NamedTuple):
    """Token ids of many texts, one after another.

    ids : int64 array (L,), equal ids are equal tokens
    ends : int64 array (texts,), where each text ends in `ids`; the next one starts there

    >>> tokens = Tokens(np.array([7, 8, 7]), np.array([2, 2, 3]))
    >>> tokens.texts, tokens.lengths, tokens.text_of()
    (3, array([2, 0, 1]), array([0, 0, 2]))
    """

    ids: np.ndarray
    ends: np.ndarray

    @property
    def texts(self) -> int:
        """Number of texts, empty ones included."""
        return len(self.ends)

    @property
    def starts(self) -> np.ndarray:
        """Where each text begins in `ids`, (texts,)."""
        return np.r_[0, self.ends[:-1]] if len(self.ends) else self.ends

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, (texts,)."""
        return np.diff(self.ends, prepend=0)

    def text_of(self) -> np.ndarray:
        """Index of the text that each token stands in, (L,)."""
        return np.repeat(np.arange(self.texts), self.lengths)

    def take(self, index: ArrayLike | slice) -> Tokens:
        """The texts at an index array, in its order, in a slice, or where a bool mask (texts,) holds.

        >>> words(["a b", "", "c"]).take([2, 0]).ids
        array([2, 0, 1])
        """
        chosen: Any = index if isinstance(index, slice) else np.asarray(index)
        if not isinstance(chosen, slice) and not chosen.size and chosen.dtype != bool:
            chosen = chosen.astype(np.int64)
        return _gather(self, self.starts[chosen], self.lengths[chosen])


def _gather(tokens: Tokens, starts: np.ndarray, lengths: np.ndarray) -> Tokens:
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return Tokens(tokens.ids[np.arange(total) + np.repeat(starts - (ends - lengths), lengths)], ends)


def words(texts: Iterable[str], pattern: str | None = None) -> Tokens:
    """The words of texts, numbered in the order of their first appearance.

    Parameters
    ----------
    texts : sequence of str, or a pyarrow string array
    pattern : None splits at whitespace as `str.split()` does; else every match of this regular expression is a token
        (`WORD`: words and punctuation marks)

    Returns
    -------
    Tokens; a text without a word has length 0. Ids of two calls do not agree: compare rounds on one call.

    Raises
    ------
    KnobError for a single str, for an entry that is not a str (null included) and for a pattern that is no regular
    expression.

    >>> words(["a b a", "b"])
    Tokens(ids=array([0, 1, 0, 1]), ends=array([3, 4]))
    """
    if pattern is None:
        return _coded(checked_texts(texts), str.split)
    try:
        return _coded(checked_texts(texts), re.compile(pattern).findall)
    except re.error as error:
        raise KnobError(
            f"pattern must be a regular expression, got {pattern!r} ({error}); tokens.WORD is one"
        ) from None


def checked_texts(texts: Any) -> list[str]:
    """The texts as a list of str. Raises KnobError for a single str and for an entry that is not a str."""
    if isinstance(texts, str):
        raise KnobError(f"texts must be a sequence of str, got the single str {texts[:20]!r}; wrap it: [text]")
    found = texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)
    odd = set(map(type, found)) - {str, np.str_}
    if odd:
        raise KnobError(f"texts must be str, got {_names(odd)} among them; drop what is no text, or write '' for it")
    return found


def coded_lines(texts: Any) -> Tokens:
    """The lines of texts as tokens: split at line breaks, stripped of outer whitespace, empty lines left out.

    Raises KnobError as `words` does.

    >>> coded_lines(["x = 1\\n\\n x = 1"])
    Tokens(ids=array([0, 0]), ends=array([2]))
    """
    return _coded(checked_texts(texts), lambda text: list(filter(None, map(str.strip, text.splitlines()))))


def _coded(items: Iterable[Any], split: Callable[[Any], Any]) -> Tokens:
    """Number the parts of each item in the order of their first appearance."""
    code: defaultdict[Any, int] = defaultdict()
    code.default_factory = code.__len__
    left = iter(items)
    ids, lengths = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    while block := [split(item) for item in islice(left, _BLOCK)]:
        lengths.append(np.fromiter(map(len, block), np.int64, len(block)))
        ids.append(np.fromiter(map(code.__getitem__, chain.from_iterable(block)), np.int64, int(lengths[-1].sum())))
    return Tokens(np.concatenate(ids), np.cumsum(np.concatenate(lengths)))


def tokens_of(x: Any) -> Tokens:
    """Tokens from what is at hand.

    Parameters
    ----------
    x : Tokens (returned as they are), texts (a sequence of str or a pyarrow string array, split at whitespace), or
        token lists (a sequence of int arrays, of lists of int or of lists of str, or a pyarrow list array)

    Returns
    -------
    Tokens; int tokens keep their ids, words are numbered in the order of their first appearance.

    Raises
    ------
    KnobError for a single str, a single token list, and tokens that are neither all int nor all str.

    >>> tokens_of([[5, 6], []])
    Tokens(ids=array([5, 6]), ends=array([2, 2]))
    """
    if isinstance(x, Tokens):
        return x
    if isinstance(x, str):
        return words(x)
    found = x.to_pylist() if hasattr(x, "to_pylist") else list(x)
    if found and all(isinstance(item, str) for item in found):
        return words(found)
    odd = [item for item in found if isinstance(item, str) or not hasattr(item, "__len__")]
    if odd:
        raise KnobError(f"each text must be a list of tokens, got {odd[0]!r} as a text; wrap a single text: [tokens]")
    return _from_lists(found)


def _from_lists(found: list[Any]) -> Tokens:
    ends = np.cumsum(np.fromiter(map(len, found), np.int64, len(found)))
    filled = [item for item in found if len(item)]
    if all(isinstance(item, np.ndarray) and item.ndim == 1 and item.dtype.kind in "iu" for item in filled):
        return Tokens(np.concatenate([np.zeros(0, np.int64), *filled]).astype(np.int64), ends)
    kinds = set(map(type, chain.from_iterable(found)))
    if all(issubclass(kind, str) for kind in kinds):
        return _coded(found, lambda item: item)
    if all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds):
        return Tokens(np.fromiter(chain.from_iterable(found), np.int64, int(ends[-1])), ends)
    raise KnobError(f"tokens must be all int or all str, got {_names(kinds)}; give token ids, or words(texts)")


def _names(kinds: Iterable[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds))


def cut(tokens: Tokens, length: int) -> Tokens:
    """The first `length` tokens of each text; shorter texts stay as they are.

    For values at one length leave the short ones out and count them: `short = tokens.lengths < length`, then
    `cut(tokens.take(~short), length)` and `short.sum()`. Raises KnobError for a length that is not whole or negative.

    >>> cut(words(["a b c", "d"]), 2)
    Tokens(ids=array([0, 1, 3]), ends=array([2, 3]))
    """
    return _gather(tokens, tokens.starts, np.minimum(tokens.lengths, whole("length", length)))


def ngrams(tokens: Tokens, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Every n-gram of every text, as a hash; none crosses the border of two texts.

    Parameters
    ----------
    tokens : Tokens
    n : tokens of a gram, ≥ 1

    Returns
    -------
    hash : uint64 array (M,), equal for equal n-grams, in the order of the texts
    text : int64 array (M,), index of the text of each n-gram

    Raises
    ------
    KnobError for n that is not whole or < 1.

    One token is hashed by a bijection: no collision at n = 1. Longer grams are folded in token by token through the
    finaliser of splitmix64 (Steele et al. 2014); two of D different ones share a hash with probability about D²/2⁶⁵
    (10⁻⁴ at 60 million), and one collision moves a share by 1/D.

    >>> hashes, text = ngrams(words(["a b a b", "a b"]), 2)
    >>> bool(hashes[0] == hashes[2] == hashes[3] != hashes[1]), text
    (True, array([0, 0, 0, 1]))
    """
    return next(islice(gram_orders(tokens, n), int(whole("n", n, 1)) - 1, None))


def gram_orders(tokens: Tokens, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`ngrams(tokens, n)` for n = 1..most, each hash grown from the one before. Raises KnobError for most < 1."""
    single = mixed(tokens.ids)
    hashes, text = single, tokens.text_of()
    for n in range(1, int(whole("n", most, 1)) + 1):
        size = max(len(single) - n + 1, 0)
        if n > 1:
            hashes = hashes[:size] * FOLD
            hashes += single[n - 1 :]
            _mix(hashes)
        inside = text[:size] == text[n - 1 :]
        yield hashes[inside], text[:size][inside]


def mixed(codes: np.ndarray) -> np.ndarray:
    """Codes as well-spread uint64 words, different for different codes."""
    return _mix(codes.astype(np.uint64))


def _mix(x: np.ndarray) -> np.ndarray:
    """splitmix64 in place, step and finaliser: a bijection of 64-bit words. A block at a time, so that it stays in cache."""
    for i in range(0, len(x), 1 << 14):
        block = x[i : i + (1 << 14)]
        block += np.uint64(0x9E3779B97F4A7C15)
        block ^= block >> np.uint64(30)
        block *= np.uint64(0xBF58476D1CE4E5B9)
        block ^= block >> np.uint64(27)
        block *= np.uint64(0x94D049BB133111EB)
        block ^= block >> np.uint64(31)
    return x
