"""Tables that others wrote, row by row: CSV, JSON lines, Parquet, Arrow, folders of them, and frames in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from siwork.files.lines import LONGEST, Skips, below, document, existing, objects
from siwork.files.parquets import BROKEN, short
from siwork.schema import ImportFormatError

Row = dict[str, Any]
_KINDS = {"csv": "csv", "tsv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "json", "parquet": "parquet"} | {
    "arrow": "arrow",
    "feather": "arrow",
}
_FILE = r"(?!cache-|tmp).+\.(csv|tsv|jsonl|ndjson|parquet|arrow|feather)"
_ASIDE = ("distiset_configs",)  # folders of a data set that hold no rows
_HELD = frozenset(("test", "validation", "valid", "val", "eval", "dev", "heldout", "held_out"))


class Source(NamedTuple):
    """One file of rows, or a frame."""

    name: str  # its folder below the one that was named, which may hold a step
    split: str  # as the folder or file is called: train or heldout
    path: Path
    frame: Any = None


def sources_of(path: Path) -> list[Source]:
    """The files of a table: one, or all of a folder; of a data set saved by `datasets` those that its state names.

    Raises ImportFormatError when there are none, or of several kinds.
    """
    if existing(path).is_file():
        return [Source(path.stem, _split(path.parent.name, path.stem), path)]
    found = [place for place in below(path, _FILE, 6) if place.parent.name not in _ASIDE and _named(place)]
    kinds = sorted({_KINDS[place.suffix[1:]] for place in found})
    if not found:
        raise ImportFormatError(
            f"{path} holds no .csv, .jsonl, .parquet or .arrow file; name the file, or the folder of save_to_disk"
        )
    if len(kinds) > 1:
        raise ImportFormatError(
            f"{path} holds files of several kinds ({', '.join(kinds)}); name one file, or a folder of one kind"
        )
    return [Source(_step_folder(place, path), _split(place.parent.name, place.stem), place) for place in found]


def split_of(name: str) -> str | None:
    """The split that others call so: train, heldout or beyond; None for a name that says neither.

    >>> split_of("Test"), split_of("train"), split_of("red")
    ('heldout', 'train', None)
    """
    found = name.strip().lower()
    if found in _HELD:
        return "heldout"
    return {"train": "train", "training": "train", "beyond": "beyond", "hard": "beyond", "ood": "beyond"}.get(found)


def _step_folder(place: Path, path: Path) -> str:
    """The folders from the one that was named down to a file's, but for one that is a split's."""
    home = place.parent.relative_to(path)
    parts = home.parts[:-1] if home.name.lower() in _HELD | {"train"} else home.parts
    return "/".join((path.resolve().name, *parts))


def _named(place: Path) -> bool:
    """Whether the state beside a shard names it; without a state every shard counts."""
    state = place.parent / "state.json"
    if place.suffix != ".arrow" or not state.is_file():
        return True
    found = document(state)
    shards = found.get("_data_files") if isinstance(found, dict) else None
    if not isinstance(shards, list):
        return True
    return place.name in [each.get("filename") for each in shards if isinstance(each, dict)]


def _split(folder: str, stem: str) -> str:
    return "heldout" if {folder.lower(), stem.lower().split("-")[0]} & _HELD else "train"


def rows_of(source: Source, skips: Skips, only: Collection[str] | None = None) -> Iterator[tuple[int, Row]]:
    """The rows of a source with their numbers, from 1; what cannot be read is counted.

    only : columns that are read, where the file allows it; None reads all

    Raises ImportFormatError for a file of no known kind.
    """
    if source.frame is not None:
        yield from _frame(source.frame)
        return
    kind = _KINDS.get(source.path.suffix[1:].lower())
    if kind is None:
        raise ImportFormatError(f"{source.path} is none of .{', .'.join(_KINDS)}; convert it, or pass a DataFrame")
    if kind in ("parquet", "arrow"):
        yield from _records(_columnar(source.path, kind, skips, only), source.path, skips)
    else:
        yield from {"csv": _csv, "jsonl": objects, "json": _json}[kind](source.path, skips)


def _frame(frame: Any) -> Iterator[tuple[int, Row]]:
    """Rows of a DataFrame, with plain values."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise ImportFormatError(f"two columns have one name: {', '.join(names[:20])}; rename them")
    columns = [frame.iloc[:, i].astype(object).tolist() for i in range(len(names))]
    for number, values in enumerate(zip(*columns, strict=True), 1):
        yield number, dict(zip(names, map(_plain, values), strict=True))


def _plain(value: Any) -> Any:
    """A value without numpy and pandas: arrays as lists, what is missing as None, at any depth."""
    if isinstance(value, (np.ndarray, list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return None if value is pd.NA or value is pd.NaT else value


def _csv(path: Path, skips: Skips) -> Iterator[tuple[int, Row]]:
    """All rows at once, as the limit on a field's length is one of the process and has to be put back."""
    try:
        text = path.read_bytes().decode("utf-8-sig", "replace")
    except OSError as error:
        raise ImportFormatError(f"{path} cannot be read: {error.strerror}; make it readable and try again") from None
    before = csv.field_size_limit(LONGEST)
    try:
        found = list(_cells(path, text, skips))
    finally:
        csv.field_size_limit(before)
    if not found:
        raise ImportFormatError(f"{path} is empty; a line of column names is expected")
    head = found[0][1]
    if len(set(head)) < len(head):
        raise ImportFormatError(f"{path} line 1: two columns have one name; rename them")
    for line, cells in found[1:]:
        if len(cells) == len(head):
            yield line, dict(zip(head, cells, strict=True))
        elif cells:
            skips.add(path, line, f"{len(head)} fields are expected, got {len(cells)}")


def _cells(path: Path, text: str, skips: Skips) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
    while True:
        try:
            for cells in reader:
                yield reader.line_num, cells
        except csv.Error as error:
            skips.add(path, reader.line_num, f"no CSV ({error})")
            continue
        return


def _json(path: Path, skips: Skips) -> Iterator[tuple[int, Row]]:
    """A list of objects, or lines of them."""
    if _begin(path).lstrip()[:1] != b"[":
        yield from objects(path, skips)
        return
    for number, one in enumerate(document(path), 1):
        if isinstance(one, dict):
            yield number, one
        else:
            skips.add(path, number, f"a JSON object is expected, got {type(one).__name__}")


def _begin(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise ImportFormatError(f"{path} cannot be read: {error.strerror}; make it readable and try again") from None


def batches_of(source: Source, skips: Skips, only: Collection[str] | None = None) -> Iterator[pa.RecordBatch] | None:
    """The rows of a source as batches of columns, checked before a value is touched; None where the file is none of columns.

    only : columns that are read; None reads all
    """
    kind = _KINDS.get(source.path.suffix[1:].lower())
    if source.frame is not None or kind not in ("parquet", "arrow"):
        return None
    return _columnar(source.path, kind, skips, only)


def _columnar(path: Path, kind: str, skips: Skips, only: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    """Batches of a file of columns; offsets and texts are checked before a value is touched."""
    number = 0
    try:
        for batch in _parquet(path, only) if kind == "parquet" else _arrow(path, only):
            batch.validate(full=True)
            yield batch
            number += len(batch)
    except BROKEN as error:
        skips.add(path, number, f"no {kind.capitalize()} file to its end ({short(error)})")


def _records(batches: Iterator[pa.RecordBatch], path: Path, skips: Skips) -> Iterator[tuple[int, Row]]:
    number = 0
    try:
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except BROKEN as error:
        skips.add(path, number, f"a value that Python does not have ({short(error)})")


def _parquet(path: Path, only: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    file = pq.ParquetFile(path)
    names = None if only is None else [name for name in file.schema_arrow.names if name in only]
    return file.iter_batches(batch_size=4096, columns=names)


def _arrow(path: Path, only: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    """A stream, as `datasets` writes it, or a file."""
    for batch in _batches(path):
        yield batch if only is None else batch.select([name for name in batch.schema.names if name in only])


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        whole = file.read(6) == b"ARROW1"
    if not whole:
        yield from pa.ipc.open_stream(path)
        return
    reader = pa.ipc.open_file(path)
    for i in range(reader.num_record_batches):
        yield reader.get_batch(i)
