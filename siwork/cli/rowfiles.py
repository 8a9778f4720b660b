"""Files of rows that siwork did not write: Parquet, CSV, JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from siwork.schema import ROWS
from siwork.store.parquet import DAMAGE as DAMAGE
from siwork.store.parquet import read_table, to_pandas

_TEXT = [column for column in ROWS if pa.types.is_string(column.type)]
_NULLS = ["", "NA", "NaN", "nan", "null", "None", "<NA>"]


def _parquet(path: Path) -> pd.DataFrame:
    return to_pandas(read_table(path).replace_schema_metadata(None))


def _csv(path: Path) -> pd.DataFrame:
    """Text as it stands: an answer "007" or "None" stays, an empty one that may be null is null."""
    names = pd.read_csv(path, nrows=0).columns
    text = {column.name: str for column in _TEXT if column.name in names}
    nulls = {name: _NULLS for name in names if name not in text}
    rows = pd.read_csv(path, dtype=text, na_values=nulls, keep_default_na=False, encoding="utf-8")
    return _with_nulls(rows)


def _lines(path: Path) -> pd.DataFrame:
    """One JSON object a line; nothing is converted, so that a text of digits stays a text."""
    with path.open(encoding="utf-8") as file:
        return pd.DataFrame([_object(line, i) for i, line in enumerate(file, 1) if line.strip()])


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"line {number} is no JSON object")
    return found


def _with_nulls(rows: pd.DataFrame) -> pd.DataFrame:
    nullable = [column.name for column in _TEXT if column.nullable and column.name in rows]
    return rows.assign(**{name: rows[name].where(rows[name] != "", None) for name in nullable})


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": _parquet, ".csv": _csv, ".jsonl": _lines}
