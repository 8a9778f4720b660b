"""Files that `siwork.callbacks` writes: one Parquet file a generation batch, columns named as readers name them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from siwork.files.lines import Skips, existing, files
from siwork.files.parquets import BROKEN, numbers_of, short, table_of
from siwork.importers.found import OTHER, PLAIN, REWARD, Found, column_type, together
from siwork.importers.shared import complete
from siwork.schema import ImportFormatError, SchemaError, check

FILE = r"generations_\d+_\d+\.parquet"
_NEEDED = ("round", "split", "prompt", "response")


def read(path: Path) -> Found:
    """The batches of a folder, or one file.

    Raises ImportFormatError when there is none, or a file lacks what a row needs.
    """
    places = [path] if existing(path).is_file() else files(path, FILE)
    if not places:
        raise ImportFormatError(f"{path} holds no generations_<batch>_<process>.parquet; name the callback's folder")
    skips = Skips()
    parts = [part for place in places if (part := _part(place, skips)) is not None]
    run = (path.parent if path.is_file() else path).resolve().name
    table, partly = complete(together(parts))
    return Found("rows of a siwork callback", run, table, skips, tuple(partly))


def _part(place: Path, skips: Skips) -> pa.Table | None:
    table = table_of(place, skips)
    if table is None:
        return None
    names = [name for name in table.column_names if name in PLAIN or name.startswith((REWARD, OTHER))]
    try:
        found = table.select(names).cast(pa.schema([(name, column_type(name)) for name in names]))
        check(found.to_pandas(types_mapper=pd.ArrowDtype), needs=())
    except SchemaError as error:
        raise ImportFormatError(f"{place} is no file of a callback: {error}") from None
    except BROKEN as error:
        skips.add(place, 0, f"no file of rows ({short(error)})")
        return None
    lacking = [name for name in _NEEDED if name not in names or found[name].null_count]
    if lacking:
        raise ImportFormatError(
            f"{place} lacks the column {lacking[0]!r}, or holds null in it; it is no file of a callback"
        )
    rewards = {name: numbers_of(found[name]) for name in names if name.startswith(REWARD)}
    return pa.table({name: rewards.get(name, found[name]) for name in names})
