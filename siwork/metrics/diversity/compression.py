"""Redundancy of texts as a compressor sees it."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterable

import numpy as np

from siwork.metrics.draws import whole
from siwork.metrics.tokens import checked_texts
from siwork.schema import KnobError, nearest

_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 9, mtime=0),
    "xz": lambda data: lzma.compress(data, preset=6),
}


def compression_ratio(
    texts: Iterable[str], separator: str = "\n", codec: str = "gzip", budget: int | None = None
) -> float:
    """Bytes / compressed bytes of the joined texts. Higher = more redundant, less diverse; 1/CR points the other way.

    Parameters
    ----------
    texts : sequence of str, or a pyarrow string array, in a fixed or seeded order: sorted texts compress far better
    separator : put between texts
    codec : "gzip" (level 9, looks back 32 KiB) or "xz" (preset 6, sees copies at any distance)
    budget : the joined UTF-8 text is cut to this many bytes; None takes all. The ratio grows with the bytes, so compare
        rounds at one budget that each of them fills.

    Returns
    -------
    float > 0; below 1 for a few bytes, where the frame of the file weighs more than the text. NaN without a byte of
    text (no texts, only empty ones, or a budget of 0).

    Raises
    ------
    KnobError for an unknown codec, a budget that is not whole or negative, or entries that are not str.

    Source: Shaib et al. 2024 (arXiv:2403.00553). Departures: their package compresses twice, joins with blanks, rounds.

    >>> compression_ratio(["the answer is 7"] * 200) > 10 > compression_ratio(["the answer is 7"]) * 10
    True
    """
    if codec not in _CODECS:
        raise KnobError(f"codec must be gzip or xz, got {codec!r}; {nearest(codec, _CODECS)}")
    data = _joined(checked_texts(texts), separator, None if budget is None else int(whole("budget", budget)))
    return len(data) / len(_CODECS[codec](data)) if data else float("nan")


def _joined(texts: list[str], separator: str, budget: int | None) -> bytes:
    """The joined texts in UTF-8, cut at the budget; nothing when all are empty."""
    if not any(texts):
        return b""
    if budget is None:
        return separator.join(texts).encode("utf-8", "surrogatepass")
    reach = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + len(separator))
    enough = int(np.searchsorted(reach, budget + len(separator))) + 1  # a character is at least one byte
    return separator.join(texts[:enough])[:budget].encode("utf-8", "surrogatepass")[:budget]
