"""Damage to tables in Parquet and Arrow files: other columns, other types, no rows."""

from __future__ import annotations

import decimal
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_KINDS: tuple[tuple[Any, Any], ...] = (  # values, and the type that they are written as
    ([None], pa.null()),
    ([True, None], pa.bool_()),
    ([0, -1, 127], pa.int8()),
    ([2**63 - 1, -(2**63), None], pa.int64()),
    ([2**64 - 1, 0], pa.uint64()),
    ([float("nan"), float("inf"), -float("inf"), 1e308, None], pa.float64()),
    ([0.5, None], pa.float32()),
    ([1.0, 2.0], pa.float16()),
    (["", "a\0b", "x" * 5000, None], pa.string()),
    (["😀", "1"], pa.large_string()),
    (["a", "1"], pa.string_view()),
    ([b"\xff\xfe", b"", None], pa.binary()),
    ([b"\xed\xa0\x80"], pa.large_binary()),
    ([b"abcd"], pa.binary(4)),
    ([decimal.Decimal("1.50"), None], pa.decimal128(38, 2)),
    ([date(2026, 1, 1)], pa.date32()),
    ([datetime(1, 1, 1), datetime(9999, 12, 31)], pa.timestamp("us")),
    ([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("ns", "Europe/Berlin")),
    ([1], pa.timestamp("us", "Nowhere/Else")),
    ([2**62], pa.duration("s")),
    ([1], pa.time64("us")),
    ([[], None, [1, 2]], pa.list_(pa.int64())),
    ([["a", None], []], pa.list_(pa.string())),
    ([[[["a"]]]], pa.list_(pa.list_(pa.list_(pa.string())))),
    ([["a", "b"]], pa.list_(pa.string(), 2)),
    ([{"role": "user", "content": "a"}, None], pa.struct([("role", pa.string()), ("content", pa.string())])),
    ([[{"role": 1, "content": ["a"]}]], pa.list_(pa.struct([("role", pa.int8()), ("content", pa.list_(pa.string()))]))),
    ([{"text": ["a", "b"], "input": "q"}], pa.struct([("text", pa.list_(pa.string())), ("input", pa.string())])),
    ([[("a", 1.0)], []], pa.map_(pa.string(), pa.float64())),
    (["a", "b", None], pa.dictionary(pa.int32(), pa.string())),
    ([1.0, 2.0], pa.dictionary(pa.int8(), pa.float64())),
    ([1, 5, 400_000], pa.int32()),
)


def parquet(data: bytes, rng: Random) -> bytes:
    """A Parquet file with its table changed; what is none stays as it is."""
    return _rewritten(data, rng, lambda: pq.read_table(io.BytesIO(data)), _as_parquet)


def arrow(data: bytes, rng: Random) -> bytes:
    """An Arrow stream with its table changed, as a stream or a file."""
    return _rewritten(data, rng, lambda: pa.ipc.open_stream(data).read_all(), _as_arrow)


def _rewritten(
    data: bytes, rng: Random, read: Callable[[], pa.Table], write: Callable[[pa.Table, Any, Random], None]
) -> bytes:
    out = io.BytesIO()
    try:
        write(rng.choice(_CHANGES)(read(), rng), out, rng)
    except (pa.ArrowException, OSError, ValueError):  # what Arrow itself cannot read or write
        return data
    return out.getvalue()


def _as_parquet(table: pa.Table, out: Any, rng: Random) -> None:
    size = rng.choice((1, 3, None))
    pq.write_table(
        table, out, row_group_size=size, use_dictionary=rng.random() < 0.5, version=rng.choice(("1.0", "2.6"))
    )


def _as_arrow(table: pa.Table, out: Any, rng: Random) -> None:
    opened = pa.ipc.new_file if rng.random() < 0.3 else pa.ipc.new_stream
    with opened(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=rng.choice((1, 3, None)))


def _odd_column(size: int, rng: Random) -> pa.Array:
    values, kind = rng.choice(_KINDS)
    several = [values[i % len(values)] for i in range(size)]
    if pa.types.is_dictionary(kind):
        return pa.array(several, kind.value_type).dictionary_encode()
    return pa.array(several, kind)


def _retyped(table: pa.Table, rng: Random) -> pa.Table:
    at = rng.randrange(table.num_columns)
    return table.set_column(at, table.column_names[at], _odd_column(table.num_rows, rng))


def _dropped(table: pa.Table, rng: Random) -> pa.Table:
    return table.remove_column(rng.randrange(table.num_columns))


def _renamed(table: pa.Table, rng: Random) -> pa.Table:
    names = list(table.column_names)
    names[rng.randrange(len(names))] = rng.choice(
        ("", "step", "prompt", "round", "x" * 1000, "a\nb", "reward_reward", *names)
    )
    return table.rename_columns(names)


def _added(table: pa.Table, rng: Random) -> pa.Table:
    name = rng.choice(("new", "log_new", "reward_new", "step", "advantage", "round", "score", "", "problem", "run"))
    return table.append_column(name, _odd_column(table.num_rows, rng))


def _shortened(table: pa.Table, rng: Random) -> pa.Table:
    return table.slice(rng.randrange(table.num_rows + 1), rng.choice((0, 0, 1, 2)))


def _bare(table: pa.Table, rng: Random) -> pa.Table:
    return rng.choice((pa.table({}), table.slice(0, 0), table.select([])))


def _holed(table: pa.Table, rng: Random) -> pa.Table:
    at = rng.randrange(table.num_columns)
    values = [None if rng.random() < 0.5 else each for each in table.column(at).to_pylist()]
    return table.set_column(at, table.column_names[at], pa.array(values, table.schema.field(at).type))


def _repeated(table: pa.Table, rng: Random) -> pa.Table:
    return pa.concat_tables([table] * rng.choice((2, 5)))


def _coded(table: pa.Table, rng: Random) -> pa.Table:
    at = rng.randrange(table.num_columns)
    return table.set_column(at, table.column_names[at], table.column(at).dictionary_encode())


def _told(table: pa.Table, rng: Random) -> pa.Table:
    return table.replace_schema_metadata(
        {b"pandas": rng.choice((b"{", b"null", b"{}", b'{"index_columns": ["x"]}', b"\xff"))}
    )


_CHANGES: tuple[Callable[[pa.Table, Random], pa.Table], ...] = (
    _retyped, _retyped, _retyped, _retyped, _retyped, _dropped, _renamed, _added, _added, _shortened, _bare, _holed, _repeated,
    _coded, _told,
)  # fmt: skip
