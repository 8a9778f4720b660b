"""Reading finished rounds: whole or not at all, while a writer may be adding, dropping and replacing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from siwork.schema import ROWS, SPLITS, KnobError, RunError, SchemaError, Unfinished, arrow_schema, nearest
from siwork.store.atomic import quoted, reason
from siwork.store.layout import count_done, done_mark, inside, is_done, round_name
from siwork.store.parquet import DAMAGE, conform, only, read_schema, read_table
from siwork.store.texts import read_json

T = TypeVar("T")


class _Fault(Exception):
    """A file of a round is not what the writer left there."""


def round_info(folder: Path, r: int) -> dict[str, Any]:
    """round.json of a finished round. Raises Unfinished, RunError when it is damaged."""
    return _read(folder, r, partial(_info, folder, r)) or {}


def row_tables(
    runs: Sequence[tuple[Path, str]],
    rounds: int | Iterable[int] | None,
    columns: Sequence[str] | None,
    split: str | None,
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """The common columns of some runs (folder, name), and their rows, one round at a time. Raises as `Run.rows`."""
    if split is not None and split not in SPLITS:
        raise KnobError(f"split must be one of {', '.join(SPLITS)}, got {split!r}; {nearest(split, SPLITS)}")
    wanted = rounds if rounds is None else [int(r) for r in dict.fromkeys(_several(rounds))]
    parts, schemas = [], []
    for folder, name in runs:
        for r in range(count_done(folder)) if wanted is None else wanted:
            schema = _read(folder, r, partial(_rows_schema, folder, r), may_vanish=wanted is None)
            if schema is not None:
                parts.append((folder, name, r))
                schemas.append(schema)
    where = str(runs[0][0]) if len(runs) == 1 else f"these {len(runs)} runs"
    schema = _common(schemas, columns, where)
    return schema, _tables(parts, schema, split, may_vanish=wanted is None)


def _tables(
    parts: Sequence[tuple[Path, str, int]], schema: pa.Schema, split: str | None, may_vanish: bool
) -> Iterator[pa.Table]:
    reads = [*dict.fromkeys([*schema.names, *(["split"] if split else [])])]
    for folder, name, r in parts:
        table = _read(folder, r, partial(_rows, folder, r, reads), may_vanish)
        if table is not None:
            table = only(table, "split", split) if split else table
            yield _named(conform(table, schema), name)
        del table  # not held while the next one is read


def damaged(folder: Path, r: int, fault: str) -> RunError:
    """The error for a damaged round: what is wrong, which rounds are good, how to go on."""
    good = [k for k in range(count_done(folder)) if k != r and _is_sound(folder, k)]
    first = next(k for k in range(r + 1) if k not in good)
    kept = f"good rounds: {_ranges(good)}" if good else "no other round is good"
    return RunError(
        f"round {r} of {folder} is damaged: {fault}; {kept}. "
        f"Go on from the last good one before it: siwork fork {quoted(folder)} --at {first}"
    )


def unfinished(folder: Path, r: int) -> Unfinished:
    """The error for a round that is not there yet."""
    done = count_done(folder)
    last = f"the last one that is: {done - 1}" if done else "no round is"
    return Unfinished(f"round {r} of {folder} is not finished; {last}. Wait, or: siwork resume {quoted(folder)}")


def own_tree(folder: Path, *parts: str) -> Path:
    """A folder in the run. Raises RunError when it is missing, or a link in it leads out of the run."""
    place = inside(folder, *parts)
    if not place.is_dir():
        raise RunError(f"{place} is missing; bring it back from a copy of the run, or begin a new one: siwork run")
    for path in place.rglob("*"):
        inside(folder, *path.relative_to(folder).parts)
    return place


def state_folder(folder: Path, r: int) -> Path:
    """Folder of the state saved with round r. Raises Unfinished, RunError as `own_tree`."""
    if r < 0 or not is_done(folder, r):
        raise unfinished(folder, r)
    return own_tree(folder, "rounds", round_name(r), "state")


def _read(folder: Path, r: int, load: Callable[[], T], may_vanish: bool = False) -> T | None:
    """Load something of round r; a round that was replaced meanwhile is loaded again, None is for one that vanished."""
    while True:
        mark = done_mark(folder, r) if r >= 0 else None
        if mark is None and may_vanish:
            return None
        if mark is None:
            raise unfinished(folder, r)
        try:
            return load()
        except _Fault as fault:
            if done_mark(folder, r) == mark:
                raise damaged(folder, r, str(fault)) from None


def _info(folder: Path, r: int) -> dict[str, Any]:
    path = inside(folder, "rounds", round_name(r), "round.json")
    try:
        info = read_json(path)
    except OSError as error:
        raise _Fault(f"round.json cannot be read ({reason(error)})") from None
    except RunError as error:
        raise _Fault(str(error).partition(";")[0]) from None
    if type(info.get("n_rows")) is not int:
        raise _Fault(f"round.json has no whole number 'n_rows', got {info.get('n_rows')!r}")
    return info


def _rows_schema(folder: Path, r: int) -> pa.Schema:
    path = inside(folder, "rounds", round_name(r), "rows.parquet")
    try:
        schema, n = read_schema(path, "rows")
    except DAMAGE as error:
        raise _Fault(f"rows.parquet cannot be read ({reason(error)})") from None
    expected = _info(folder, r)["n_rows"]
    if n != expected:
        raise _Fault(f"rows.parquet has {n} rows, round.json says {expected}")
    return schema


def _rows(folder: Path, r: int, columns: Sequence[str] | None) -> pa.Table:
    path = inside(folder, "rounds", round_name(r), "rows.parquet")
    try:
        return read_table(path, columns)
    except DAMAGE as error:
        raise _Fault(f"rows.parquet cannot be read ({reason(error)})") from None


def _common(schemas: Sequence[pa.Schema], columns: Sequence[str] | None, where: str) -> pa.Schema:
    """The columns that any of the rounds has; those asked for, in that order."""
    try:
        whole = pa.unify_schemas(schemas, promote_options="permissive") if schemas else arrow_schema(ROWS)
    except pa.ArrowException as error:
        raise RunError(f"rounds of {where} differ in a column ({error}); read them apart, rounds=[…]") from None
    if columns is None:
        return whole
    for column in columns:
        if column not in whole.names:
            raise SchemaError(f"the rows of {where} lack column {column!r}; {nearest(column, whole.names)}")
    return pa.schema([whole.field(column) for column in dict.fromkeys(columns)])


def _several(rounds: int | Iterable[int]) -> Iterable[int]:
    return rounds if isinstance(rounds, Iterable) else [rounds]


def _named(table: pa.Table, name: str) -> pa.Table:
    """The rows of a fork were made under another name; what counts is the name in run.json."""
    if "run" not in table.column_names:
        return table
    place = table.column_names.index("run")
    return table.set_column(place, table.schema.field(place), pa.repeat(pa.scalar(name, pa.string()), len(table)))


def _is_sound(folder: Path, r: int) -> bool:
    try:
        _rows_schema(folder, r)
        _rows(folder, r, None)
    except (_Fault, RunError):
        return False
    return True


def _ranges(numbers: Sequence[int]) -> str:
    """Sorted whole numbers as ranges.

    >>> _ranges([0, 1, 2, 4])
    '0…2, 4'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}…{run[-1]}" for run in runs)
