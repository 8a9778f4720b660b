"""Parquet files that others wrote: checked before a value is touched, their columns as text and numbers that can be stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from siwork.files.lines import Skips

BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError)  # what Arrow raises for foreign files


def table_of(path: Path, skips: Skips) -> pa.Table | None:
    """The table of one file; None, and counted, when it cannot be read: a trainer that was stopped leaves half of one."""
    try:
        table = pq.ParquetFile(path).read().replace_schema_metadata(None)
        table.validate(full=True)
        plain = [_decoded(column) for column in table.columns]
    except BROKEN as error:
        skips.add(path, 0, f"no Parquet file ({short(error)})")
        return None
    if len(set(table.column_names)) < table.num_columns:
        skips.add(path, 0, "two columns have one name")
        return None
    return pa.table(plain, names=table.column_names)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def numbers_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers or truth values as finite numbers, null where one is not finite.

    >>> numbers_of(pa.chunked_array([[1.5, float("nan"), None]])).to_pylist()
    [1.5, None, None]
    """
    found = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(found), found, None)


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """The values as Python has them; None for all where Python has nothing for one of them, as for a time of 10¹² years."""
    try:
        found: list[Any] = column.to_pylist()
    except BROKEN:
        return [None] * len(column)
    return found


def short(error: Exception) -> str:
    """The first words of an error."""
    return (str(error).splitlines() or [type(error).__name__])[0][:80]
