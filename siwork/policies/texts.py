"""What every policy is asked with: texts of any kind, streams of chance, and rows of prompt, response and end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.policies.base import Texts
from siwork.schema import ARROW_REFUSES, KnobError


def arrow(texts: Texts) -> pa.StringArray:
    """Texts of any kind as one Arrow array. Raises KnobError for what is not text."""
    try:
        array = texts if isinstance(texts, pa.Array | pa.ChunkedArray) else pa.array(texts, pa.string())
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        array = array.cast(pa.string())
    except ARROW_REFUSES as error:
        raise KnobError(f"prompts and responses are texts, got others ({str(error).splitlines()[0]})") from None
    if array.null_count:
        raise KnobError(f"prompts and responses are texts, got {array.null_count} nulls; drop those rows")
    return array


def asked_for(prompts: Texts, k: int, streams: np.ndarray) -> tuple[pa.StringArray, np.ndarray]:
    """Prompts (n,) and streams (n, k) of what is to be sampled. Raises KnobError for no texts, or streams of another shape."""
    asked, streams = arrow(prompts), np.asarray(streams)
    if streams.shape != (len(asked), k):
        raise KnobError(f"streams must be (prompts, k) = {(len(asked), k)}, got {streams.shape}")
    return asked, streams


def rows_of(
    prompts: Texts, responses: Texts, finished: np.ndarray
) -> tuple[pa.StringArray, pa.StringArray, np.ndarray]:
    """Prompts, responses and whether they finished, each (n,). Raises KnobError for no texts, or unlike lengths."""
    asked, said, done = arrow(prompts), arrow(responses), np.asarray(finished, bool)
    if not len(asked) == len(said) == len(done):
        raise KnobError(
            f"prompts, responses and finished must be equally many, got {len(asked)}, {len(said)}, {len(done)}"
        )
    return asked, said, done


class Once(NamedTuple):
    """Rows of which no two are equal, and where each of the rows that were given is among them."""

    prompts: list[str]  # (m,)
    responses: list[str]  # (m,)
    finished: np.ndarray  # (m,) bool
    back: np.ndarray  # (n,) int


def each_once(prompts: Texts, responses: Texts, finished: np.ndarray) -> Once:
    """The rows (n,) without repetitions, in their order. Raises KnobError as `rows_of`.

    >>> each_once(["a", "b", "a"], ["1", "1", "1"], np.array([True, True, True])).back.tolist()
    [0, 1, 0]
    """
    asked, said, done = rows_of(prompts, responses, finished)
    table = pd.DataFrame({"asked": asked.to_pylist(), "said": said.to_pylist(), "done": done})
    back = table.groupby(["asked", "said", "done"], sort=False).ngroup().to_numpy()
    once = table.iloc[np.unique(back, return_index=True)[1]]
    return Once(once["asked"].tolist(), once["said"].tolist(), once["done"].to_numpy(bool), back)
