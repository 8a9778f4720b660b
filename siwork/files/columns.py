"""Some columns of a table that others wrote, as texts: of a file, a folder, a frame, or a data set of the hub."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from siwork.files.lines import Skips
from siwork.files.parquets import short
from siwork.files.sources import Row, Source, batches_of, rows_of, sources_of, split_of
from siwork.files.values import said, shown
from siwork.schema import ImportFormatError, missing_extra

HUB = "datasets:"  # before the id of a data set of the hub
_AT_ONCE = 8192  # rows
_LISTS = pa.list_(pa.string())
Part: TypeAlias = "dict[str, pa.Array]"


@dataclass
class Gathered:
    """Columns of n rows; one that was asked for and is in no row is missing."""

    columns: dict[str, pa.ChunkedArray] = field(default_factory=dict)  # (n,) texts, or lists of texts
    split: list[str] = field(default_factory=list)  # (n,) by folder, file or data set: train or heldout
    there: dict[str, None] = field(default_factory=dict)  # names of all columns
    skips: Skips = field(default_factory=Skips)


def gathered(table: Any, texts: Collection[str], lists: Collection[str] = ()) -> Gathered:
    """Some columns of a table, n rows.

    Parameters
    ----------
    table : path of a file or folder, `datasets:id` or `datasets:id:configuration`, or a DataFrame
    texts : columns read as texts; numbers become texts, messages their contents, what is neither null.
        A name with dots is looked up within objects, as "choices.text"
    lists : columns read as lists of texts, null where a value is no list

    Raises ImportFormatError for a path where nothing is or a file of no known kind, MissingExtra without `datasets`.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"question": ["2 + 2?"], "answer": [4.0]})
    >>> gathered(frame, ["answer"]).columns["answer"].to_pylist()
    ['4']
    """
    found = Gathered()
    names = {**dict.fromkeys(texts, _texts), **dict.fromkeys(lists, _lists)}
    parts: list[Part] = []
    for split, part in _parts(table, names, found):
        parts.append(part)
        found.split += [split] * len(next(iter(part.values())))
    for name, kind in names.items():
        if _head(name, found.there) is not None:
            typed = _LISTS if kind is _lists else pa.string()
            column = pa.chunked_array([part[name] for part in parts], typed)
            if name in found.there or column.null_count < len(column):  # else no object holds such a value
                found.columns[name] = column
    return found


_Kinds: TypeAlias = "Mapping[str, Callable[[Any], pa.Array]]"


def _parts(table: Any, names: _Kinds, found: Gathered) -> Iterator[tuple[str, Part]]:
    if isinstance(table, str) and table.startswith(HUB):
        for split, batch in _hub(table.removeprefix(HUB)):
            yield split, _of_batch(batch, names, found)
        return
    only = {part for name in names for part in (name, name.partition(".")[0])}
    sources = sources_of(Path(table)) if isinstance(table, (str, Path)) else [Source("", "train", Path("frame"), table)]
    for source in sources:
        batches = batches_of(source, found.skips, only)
        for whole in islice(batches_of(source, Skips()) or (), 1):
            found.there |= dict.fromkeys(whole.schema.names)
        if batches is None:
            yield from ((source.split, part) for part in _of_rows(source, names, only, found))
        else:
            yield from ((source.split, _of_batch(batch, names, found)) for batch in batches)


def _hub(name: str) -> Iterator[tuple[str, pa.RecordBatch]]:
    try:
        import datasets
    except ImportError:
        raise missing_extra(f"the data set {name!r}", "datasets", "data") from None
    path, _, configuration = name.partition(":")
    try:
        loaded = datasets.load_dataset(path, configuration or None)
    except Exception as error:  # the hub, its cache and every kind of file have errors of their own
        raise ImportFormatError(
            f"the data set {path!r} could not be had ({short(error)}); fetch it where there is a network, with "
            "load_dataset(…).save_to_disk(folder), and name the folder"
        ) from None
    for split, part in loaded.items():
        for batch in part.data.table.to_batches(_AT_ONCE):
            yield split_of(str(split)) or "train", batch


def _head(name: str, there: Collection[str]) -> str | None:
    """The column that a name with or without dots begins in."""
    if name in there:
        return name
    head = name.partition(".")[0]
    return head if "." in name and head in there else None


def _of_batch(batch: pa.RecordBatch, names: _Kinds, found: Gathered) -> Part:
    found.there |= dict.fromkeys(batch.schema.names)
    part = {}
    for name, kind in names.items():
        head = _head(name, batch.schema.names)
        if head is None:
            part[name] = kind([None] * len(batch))
            continue
        column = batch.column(head)
        inner = name.split(".")[1:] if head != name else []
        part[name] = kind([_within(value, inner) for value in column.to_pylist()] if inner else column)
    return part


def _of_rows(source: Source, names: _Kinds, only: Collection[str], found: Gathered) -> Iterator[Part]:
    rows = (row for _, row in rows_of(source, found.skips, only))
    while some := list(islice(rows, _AT_ONCE)):
        for row in some:
            if row.keys() - found.there.keys():
                found.there |= dict.fromkeys(row)
        yield {name: kind([_value(row, name) for row in some]) for name, kind in names.items()}


def _value(row: Row, name: str) -> Any:
    if name in row or "." not in name:
        return row.get(name)
    return _within(row, name.split("."))


def _within(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _texts(values: Any) -> pa.Array:
    """Values as texts (n,), null where one is none."""
    if isinstance(values, pa.Array):
        plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        if pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type) or pa.types.is_integer(plain.type):
            return pc.cast(plain, pa.string())
        values = plain.to_pylist()
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value) if value == value else None
    return said(value) if isinstance(value, (list, tuple)) else shown(value)


def _lists(values: Any) -> pa.Array:
    """Values as lists of texts (n,); a text is read as a list whose parts stand between bars, `red | green`."""
    plain = values.to_pylist() if isinstance(values, pa.Array) else values
    return pa.array([_list(value) for value in plain], _LISTS)


def _list(value: Any) -> list[str | None] | None:
    if isinstance(value, str):
        return [part.strip() for part in value.split("|")]
    return [_text(each) for each in value] if isinstance(value, (list, tuple)) else None
