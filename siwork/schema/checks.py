"""`check`: a table is what its schema says, or an error that names the column and how to get it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.schema.errors import SchemaError
from siwork.schema.tables import KEY, REMEDY, TABLES, Column

_LARGEST = 1.7e308  # anything above is infinite

# what Arrow raises for values that are not of the type asked for
ARROW_REFUSES = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeError)


def check(rows: pd.DataFrame, needs: Iterable[str] | None = None, *, table: str = "rows") -> pd.DataFrame:
    """The table itself, with Arrow types, after every known column was checked.

    Parameters
    ----------
    rows : DataFrame, one row a completion (or a row of the table named)
    needs : columns that must be there; None means every column that the table has to have
    table : rows, problems, rounds or metrics

    Returns
    -------
    DataFrame with the same columns and rows, known columns as Arrow types; other columns are left as they are.

    Raises
    ------
    SchemaError
        a needed column is missing, has another type, holds nulls where it may not, a value outside its range,
        or two rows share one key (run, round, split, problem, sample); the message says how to get the column.

    >>> check(pd.DataFrame({"problem": ["a"]}), needs=["problem", "gold"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    siwork.schema.errors.SchemaError: rows lack column 'gold' (bool): ... Next: task.check(rows), or gold= of a reader
    """
    columns = {c.name: c for c in TABLES[table]}
    for name in needs if needs is not None else (c.name for c in columns.values() if c.needed):
        if name not in rows.columns:
            raise SchemaError(_missing(table, name, columns.get(name)))
    typed = {name: _typed(table, columns[name], rows[name]) for name in rows.columns if name in columns}
    for name, values in typed.items():
        _check_values(table, columns[name], values)
    if table == "rows" and all(k in typed for k in KEY):
        _check_key(typed)
    series = {name: pd.Series(pd.arrays.ArrowExtensionArray(v), index=rows.index) for name, v in typed.items()}
    return rows.assign(**series)


def _missing(table: str, name: str, column: Column | None) -> str:
    about = f" ({column.type}): {column.meaning}" if column else ""
    remedy = f". Next: {REMEDY[name]}" if name in REMEDY else ""
    return f"{table} lack column {name!r}{about}{remedy}"


def _typed(table: str, column: Column, values: pd.Series) -> pa.ChunkedArray:
    try:
        array = (
            pa.chunked_array([pa.array(values, from_pandas=True)])
            if not _is_arrow(values)
            else values.array.__arrow_array__()
        )
        if not isinstance(array, pa.ChunkedArray):
            array = pa.chunked_array([array])
        return _without_nan(array if array.type == column.type else _cast(array, column))
    except ARROW_REFUSES as error:
        first = str(error).splitlines()[0]
        raise SchemaError(
            f"{table}: column {column.name!r} must be {column.type}, got {values.dtype} ({first})"
        ) from None


def _is_arrow(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.ArrowDtype)


def _cast(array: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    if pa.types.is_boolean(column.type) and not pa.types.is_null(array.type):
        raise pa.ArrowTypeError("only true, false and null are truth values")
    if pa.types.is_string(column.type) and (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise pa.ArrowTypeError("numbers are not text")
    return array.cast(column.type)


def _without_nan(array: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(array.type):
        return array
    nan = pc.is_nan(array)
    return pc.if_else(nan, None, array) if pc.any(nan).as_py() else array


def _check_values(table: str, column: Column, values: pa.ChunkedArray) -> None:
    if values.null_count and not column.nullable:
        raise SchemaError(f"{table}: column {column.name!r} may not be null, {values.null_count} of {len(values)} are")
    if column.choices:
        odd = pc.filter(values, pc.invert(pc.is_in(values, pa.array([*column.choices, None], column.type))))
        if len(odd):
            raise SchemaError(
                f"{table}: column {column.name!r} must be one of {', '.join(column.choices)}, got {odd[0].as_py()!r}"
            )
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        _check_bounds(table, column, values)


def _check_bounds(table: str, column: Column, values: pa.ChunkedArray) -> None:
    ends = pc.min_max(values)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    seen: Any = None
    if column.low is not None and low is not None and low < column.low:
        seen = low
    if high is not None and high > (_LARGEST if column.high is None else column.high):
        seen = high
    if seen is not None:
        raise SchemaError(f"{table}: column {column.name!r} must be {_bounds(column)}, got {seen!r}")


def _bounds(column: Column) -> str:
    ends = [f"{sign} {end:g}" for sign, end in (("≥", column.low), ("≤", column.high)) if end is not None]
    return " and ".join([*ends, *(["finite"] if column.high is None else [])])


def _check_key(typed: dict[str, pa.ChunkedArray]) -> None:
    key = pd.DataFrame({name: pd.Series(pd.arrays.ArrowExtensionArray(typed[name])) for name in KEY})
    twice = key.duplicated()
    if twice.any():
        first = key[twice].iloc[0].to_dict()
        raise SchemaError(f"rows: two rows share the key {first}; number the samples of each problem from 0")
