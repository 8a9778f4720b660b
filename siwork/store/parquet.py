"""Tables on disk: Parquet with the schema's types, units and meanings, page checksums, and no pandas in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from siwork.schema import TABLES, SchemaError, arrow_schema, check

DAMAGE = (OSError, pa.ArrowException, ValueError)  # what reading a broken Parquet file raises


def to_arrow(rows: pd.DataFrame, table: str) -> pa.Table:
    """A checked DataFrame as an Arrow table; known columns carry unit and meaning, other columns are kept.

    Raises SchemaError as `check` does, and for an extra column that Arrow cannot hold.
    """
    rows = check(rows, table=table)
    try:
        arrow = pa.Table.from_pandas(rows, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise SchemaError(f"{table}: a column cannot be stored ({error}); give it one type") from None
    known = arrow_schema(TABLES[table])
    fields = [known.field(f.name) if f.name in known.names else f for f in arrow.schema]
    return pa.Table.from_arrays(arrow.columns, schema=pa.schema(fields))


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file. Raises OSError."""
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def read_schema(path: Path, table: str) -> tuple[pa.Schema, int]:
    """Columns and number of rows. Raises one of DAMAGE, also when the columns are not those of the table."""
    with pq.ParquetFile(path) as file:
        schema, n = file.schema_arrow, file.metadata.num_rows
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two columns have one name")
    for column in TABLES[table]:
        if column.name not in schema.names and column.needed:
            raise ValueError(f"column {column.name!r} is missing")
        if column.name in schema.names and schema.field(column.name).type != column.type:
            raise ValueError(f"column {column.name!r} is {schema.field(column.name).type}, not {column.type}")
    return schema.remove_metadata(), n


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The columns that the file has of those asked for (None: all), checksums verified. Raises one of DAMAGE."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        names = file.schema_arrow.names
        table = file.read(columns=names if columns is None else [c for c in columns if c in names])
    table.validate(full=True)
    return table


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly these columns: those it lacks are null, those with a narrower type are widened."""
    kept = table.select([name for name in schema.names if name in table.column_names])
    return joined(schema, [kept])


def joined(schema: pa.Schema, tables: Iterable[pa.Table]) -> pa.Table:
    """Tables of that schema as one; an empty one of it when there are none."""
    return pa.concat_tables([schema.empty_table(), *tables], promote_options="permissive")


def only(table: pa.Table, column: str, value: str) -> pa.Table:
    """The rows whose column has this value."""
    return table.filter(pc.equal(table[column], value))


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A DataFrame with Arrow types; nothing is copied."""
    return table.to_pandas(types_mapper=pd.ArrowDtype)
