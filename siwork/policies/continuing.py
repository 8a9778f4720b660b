"""Responses that begin as given: what is drawn behind a beginning, told as one whole response."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from siwork.policies.base import Completions
from siwork.policies.sampling import Draws


def whole(
    score: Callable[..., np.ndarray],
    asked: pa.StringArray,
    heads: Sequence[np.ndarray],
    drawn: Draws,
    text: Sequence[str],
) -> Completions:
    """Completions of beginning and continuation together, scored as they are read; their entropy is unknown, NaN.

    score : the policy's `logp`; asked : (n,) prompts; heads : the n beginnings as tokens
    drawn : n · k continuations; text : n · k whole responses
    """
    place = np.repeat(np.arange(len(heads)), len(text) // max(len(heads), 1))
    response = pa.array(text, pa.string())
    logp = score(asked.take(pa.array(place)), response, drawn.finished)
    n_tokens = np.array([len(head) for head in heads], np.int64)[place] + drawn.n_tokens
    return Completions(response, n_tokens, drawn.finished, logp, np.full(len(text), np.nan))
