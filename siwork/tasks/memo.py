"""A function of (prompt, response) applied to a whole row table, each different pair once in a lifetime."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.schema import check

_MOST = 1_000_000  # pairs remembered; beyond that all are forgotten
_MARK = "\x1f"  # between prompt and response in a key


class Memo:
    """`memo(rows)` is function(prompt, response) of every row as an Arrow column; results are kept for later rounds."""

    def __init__(self, function: Callable[[str, str], object], kind: pa.DataType) -> None:
        self.function = function
        self.keys, self.results = pa.array([], pa.string()), pa.array([], kind)

    def __call__(self, rows: pd.DataFrame) -> pd.Series:
        """The results, aligned with `rows`. Raises SchemaError when rows lack prompt or response."""
        pairs = _pairs_of(rows)
        self._learn(pairs)
        found = pc.index_in(pairs.key, value_set=self.keys)
        return pd.Series(pd.arrays.ArrowExtensionArray(self.results.take(found.take(pairs.place))), index=rows.index)

    def _learn(self, pairs: _Pairs) -> None:
        if len(self.keys) > _MOST:
            self.keys, self.results = self.keys[:0], self.results[:0]
        new = pc.invert(pc.is_in(pairs.key, value_set=self.keys))
        texts = zip(pairs.prompt.filter(new).to_pylist(), pairs.response.filter(new).to_pylist(), strict=True)
        results = pa.array([self.function(*text) for text in texts], self.results.type)
        if len(results):
            self.keys = pa.concat_arrays([self.keys, pairs.key.filter(new)])
            self.results = pa.concat_arrays([self.results, results])


class _Pairs(NamedTuple):
    """The different (prompt, response) pairs of a table, and which of them each row is."""

    columns: tuple[pa.ChunkedArray, pa.ChunkedArray]  # held, so that their addresses stay theirs
    prompt: pa.Array  # (m,)
    response: pa.Array  # (m,)
    key: pa.Array  # (m,)
    place: pa.Array  # (rows,)


_latest: list[_Pairs] = []  # of the last two tables: answers and truth are asked of the same rows


def _pairs_of(rows: pd.DataFrame) -> _Pairs:
    table = check(rows[[c for c in ("prompt", "response") if c in rows]], needs=["prompt", "response"])
    columns = table["prompt"].array.__arrow_array__(), table["response"].array.__arrow_array__()
    for known in _latest:
        if all(_same(a, b) for a, b in zip(known.columns, columns, strict=True)):
            return known
    _latest[:] = [_paired(columns), *_latest[:1]]
    return _latest[0]


def _paired(columns: tuple[pa.ChunkedArray, pa.ChunkedArray]) -> _Pairs:
    prompt, response = (column.combine_chunks().dictionary_encode() for column in columns)
    width = max(len(response.dictionary), 1)
    place, pairs = pd.factorize(prompt.indices.to_numpy().astype(np.int64) * width + response.indices.to_numpy())
    prompts = prompt.dictionary.take(pa.array(pairs // width))
    responses = response.dictionary.take(pa.array(pairs % width))
    return _Pairs(columns, prompts, responses, pc.binary_join_element_wise(prompts, responses, _MARK), pa.array(place))


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    return [_address(c) for c in one.chunks] == [_address(c) for c in other.chunks]


def _address(chunk: pa.Array) -> tuple[int, ...]:
    return (chunk.offset, len(chunk), *(0 if buffer is None else buffer.address for buffer in chunk.buffers()))
