"""Texts as vectors: hashed character n-grams by default, any sentence encoder on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from siwork.schema import KnobError, MissingExtra

_ROWS, _SYMBOLS = 1024, 1 << 18  # texts and symbols worked on at once: the work arrays stay near the caches
_MIX = (np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D))


def hashed_ngrams(texts: Sequence[str], n: int = 3, dimensions: int = 256) -> np.ndarray:
    """Character n-grams of each text, counted in hashed buckets with signs, as unit rows: an embedding without a model.

    A text has one mark (U+0000) before and one after it; n-grams never cross into the next text. Each n-gram adds +1 or
    −1 to one bucket. The signs keep cosines unbiased: for texts of 200 characters they are those of exact counts
    ± 1/√dimensions (256: bias 0.00, sd 0.06), where unsigned buckets read 0.39 too high.

    Parameters
    ----------
    texts : sequence of N strings
    n : characters of an n-gram, ≥ 1 (for n = 1 the marks are not counted); a text too short for one is padded
    dimensions : buckets, ≥ 2; the error of a cosine falls as 1/√dimensions

    Returns
    -------
    float32 array (N, dimensions), L2-normalised; an empty text is a zero row (and, once in some hundred, a text of two
    or three characters whose signs cancel). Equal in every process.

    Raises
    ------
    KnobError for a single string, an entry that is no string, n < 1 or dimensions < 2.

    Source: Weinberger et al. 2009 (arXiv:0902.2206), signed feature hashing.

    >>> a, b, c = hashed_ngrams(["3 + 4 = 7", "3 + 4 = 7.", "seven"])
    >>> bool(a @ b > 0.8 > 0.3 > abs(a @ c))
    True
    """
    texts = _strings(texts)
    if int(n) != n or n < 1 or int(dimensions) != dimensions or not 2 <= dimensions < 2**31:
        raise KnobError(
            f"n must be ≥ 1 and dimensions ≥ 2, whole numbers, got {n!r} and {dimensions!r}; 3 and 256 are usual"
        )
    out = np.zeros((len(texts), dimensions), np.float32)
    for start in range(0, len(texts), _ROWS):
        part = texts[start : start + _ROWS]
        filled = [i for i, text in enumerate(part) if text]
        if filled:
            counts = _bucket_counts([part[i].ljust(n - 2, "\0") for i in filled], n, dimensions)
            norm = np.sqrt(np.einsum("ij,ij->i", counts, counts))
            # opposite signs may cancel a short text altogether; it then has no direction
            out[start + np.array(filled)] = counts / np.where(norm > 0, norm, 1.0)[:, None]
    return out


def _strings(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise KnobError("texts must be a sequence of strings, got one string; put it in a list")
    listed = list(texts)
    odd = next((i for i, text in enumerate(listed) if not isinstance(text, str)), None)
    if odd is not None:
        raise KnobError(f"texts must be strings, got {listed[odd]!r} at {odd}; leave unknown texts out")
    return listed


def _bucket_counts(texts: list[str], n: int, dimensions: int) -> np.ndarray:
    """Signed counts (texts, dimensions) of the n-grams of texts that are none of them empty, nor shorter than n − 2."""
    symbols = np.frombuffer(("\0" + "\0".join(texts) + "\0").encode("utf-32-le", "surrogatepass"), np.uint32)
    places = np.fromiter(map(len, texts), np.int64, len(texts)) + 1  # of a text and the mark before it
    ends = np.cumsum(places)  # the mark after each text
    counts = np.zeros((len(texts), dimensions))
    stop = min(len(symbols) - n + 1, int(ends[-1]))
    for first in range(0, stop, _SYMBOLS):
        last = min(first + _SYMBOLS, stop)
        keys = _mixed(symbols[first : last + n - 1], n)
        lowest, highest = np.searchsorted(ends, [first, last - 1], side="right")
        row = np.repeat(np.arange(highest - lowest + 1), _overlap(ends, places, first, last)[lowest : highest + 1])
        # one draw of 2·dimensions buckets is a bucket and a sign
        cell = row * (2 * dimensions) + ((keys * np.uint64(2 * dimensions)) >> np.uint64(32)).astype(np.int64)
        drop = (ends - places if n == 1 else (ends[:, None] - np.arange(1, n - 1)).ravel()) - first
        keep = np.ones(len(cell), bool)
        keep[drop[(drop >= 0) & (drop < len(cell))]] = False
        both = np.bincount(cell[keep], minlength=(highest - lowest + 1) * 2 * dimensions).reshape(-1, 2, dimensions)
        counts[lowest : highest + 1] += both[:, 0] - both[:, 1]
    return counts


def _overlap(ends: np.ndarray, places: np.ndarray, first: int, last: int) -> np.ndarray:
    """How many of the positions first..last−1 belong to each text, its leading mark included."""
    return np.maximum(np.minimum(ends, last) - np.maximum(ends - places, first), 0)


def _mixed(symbols: np.ndarray, n: int) -> np.ndarray:
    """A well-mixed 32-bit hash, as uint64, of every run of n symbols."""
    size = len(symbols) - n + 1
    key = symbols[:size].copy()
    for j in range(1, n):
        key *= _MIX[0]
        key += symbols[j : j + size]
    for factor, shift in zip(_MIX, (15, 13, 16), strict=True):
        key *= factor
        key ^= key >> np.uint32(shift)
    return key.astype(np.uint64)


def features(texts: Sequence[str], embed: Any = None, batch: int = 1024) -> np.ndarray:
    """Texts as vectors, one row a text, by the embedding you name.

    Parameters
    ----------
    texts : sequence of N strings
    embed : None, `hashed_ngrams`; a callable list of strings → matrix; an object with `.encode(list of strings)`, such
        as a sentence-transformers model; a string, the name or folder of such a model, loaded on first use and without
        running code of its own; an array (N, d), taken as it is
    batch : texts given to an encoder at once, ≥ 1; each different text is embedded once

    Returns
    -------
    float array (N, d). Note `embedding_name(embed)` beside every number made of it: encoders do not compare.

    Raises
    ------
    KnobError for texts that are no strings, a batch < 1, an `embed` of another kind, or vectors that are not one finite
    row a text. MissingExtra when a model is named and sentence-transformers is not installed.

    >>> features(["a", "b", "a"], lambda texts: [[float(t == "a"), 1.0] for t in texts])
    array([[1., 1.],
           [0., 1.],
           [1., 1.]])
    """
    texts = _strings(texts)
    if embed is None:
        return hashed_ngrams(texts)
    if isinstance(embed, np.ndarray):
        return _rows(embed, len(texts))
    if int(batch) != batch or batch < 1:
        raise KnobError(f"batch must be a whole number ≥ 1, got {batch!r}; 1024 is usual")
    encode = _encoder(embed)
    distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    parts = [_rows(encode(part), len(part)) for part in _batches(list(distinct), int(batch))]
    if len({part.shape[1] for part in parts}) > 1:
        raise KnobError(f"embed must give vectors of one length, got {sorted({part.shape[1] for part in parts})}")
    whole = np.concatenate(parts) if parts else np.empty((0, 0))
    return whole[[distinct[text] for text in texts]] if len(distinct) < len(texts) else whole


def _batches(texts: list[str], batch: int) -> Iterator[list[str]]:
    return (texts[start : start + batch] for start in range(0, len(texts), batch))


def _encoder(embed: Any) -> Callable[[list[str]], Any]:
    if isinstance(embed, str):
        return _sentence_model(embed).encode
    if hasattr(embed, "encode"):  # before callable: torch modules are both
        return embed.encode
    if callable(embed):
        return embed
    raise KnobError(
        f"embed must be None, a callable, an object with .encode, a model name or an array, got {type(embed).__name__}"
    )


@lru_cache(maxsize=1)
def _sentence_model(name: str) -> Any:
    try:
        package = import_module("sentence_transformers")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"features(embed={name!r}) needs the package sentence-transformers ({error.name} is missing); install it with: "
            "pip install sentence-transformers"
        ) from None
    return package.SentenceTransformer(name)


def _rows(vectors: Any, texts: int) -> np.ndarray:
    """The vectors as a float array (texts, d). Raises KnobError for another shape or a value that is not finite."""
    try:
        array = np.asarray(vectors)
        array = (
            array
            if array.dtype in (np.float32, np.float64)
            else array.astype(np.float32 if array.itemsize < 4 else float)
        )
    except (TypeError, ValueError) as error:
        raise KnobError(f"embed must give one vector of numbers a text, all of one length: {error}") from None
    if array.ndim != 2 or len(array) != texts:
        raise KnobError(f"embed must give one row a text, ({texts}, d), got shape {array.shape}")
    if not np.isfinite(array).all():
        raise KnobError("embed gave a vector that is not finite; a text may be too long for the encoder, or empty")
    return array


def embedding_name(embed: Any = None) -> str:
    """The embedding in words for the metric record: encoder, and length cut where the encoder tells it.

    Parameters
    ----------
    embed : what `features` takes

    Returns
    -------
    str. A loaded model is called by its class: name the model in the record, or give `features` its name.

    >>> embedding_name()
    'character 3-grams, signed hash to 256'
    >>> embedding_name("all-MiniLM-L6-v2")
    'sentence-transformers all-MiniLM-L6-v2'
    """
    if embed is None:
        return "character 3-grams, signed hash to 256"
    if isinstance(embed, str):
        return f"sentence-transformers {embed}"
    if isinstance(embed, np.ndarray):
        return f"given vectors, {embed.shape[-1] if embed.ndim else 1} dimensions"
    name = str(getattr(embed, "__name__", type(embed).__name__))
    cut = getattr(embed, "max_seq_length", None)
    return f"{name}, cut at {cut} tokens" if cut else name
