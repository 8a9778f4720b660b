"""What is right: the column, the function or the task that a user names, and nothing that was guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.files.values import series, truth
from siwork.importers.found import OTHER, REWARD
from siwork.schema import ImportFormatError, KnobError, nearest

Gold = str | Callable[[dict[str, Any]], Any] | Any  # a column, a function of a row, or a task


def gold_of(rows: pd.DataFrame, gold: Gold) -> pd.Series:
    """The truth of each row, null where it is not known.

    Parameters
    ----------
    rows : rows with the columns of the log, raw rewards as `reward_<name>`, others as `log_<name>`
    gold : name of a column of the log that holds 0 and 1, true and false, or words for them; a function of a row as a dict that
        gives True, False or None; or a task, whose `check` is asked

    Raises
    ------
    KnobError when there is no such column; ImportFormatError when it holds anything else than truth values.
    """
    if isinstance(gold, str):
        return _from_column(rows, gold)
    if hasattr(gold, "check"):
        return series(list(gold.check(rows)), pa.bool_(), rows.index)
    if not callable(gold):
        raise KnobError(f"gold must be a column, a function of a row or a task, got {type(gold).__name__}")
    found = [truth(_plain(gold({str(k): v for k, v in row.items()}))) for row in rows.to_dict("records")]
    return series(found, pa.bool_(), rows.index)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _from_column(rows: pd.DataFrame, name: str) -> pd.Series:
    column = column_of(rows, name, "gold")
    found = [truth(_plain(value)) for value in column.astype(object).where(column.notna(), None)]
    odd = [value for value, one in zip(column, found, strict=True) if one is None and not pd.isna(value)]
    if odd:
        few = ", ".join(map(repr, dict.fromkeys(map(_short, odd[:50]))))[:120]
        raise ImportFormatError(
            f"gold={name!r}: truth is 0 or 1, true or false, but {len(odd):,} rows hold {few}; "
            f"pass a function that decides, as gold=lambda row: row[{column.name!r}] > 0.5"
        )
    return series(found, pa.bool_(), rows.index)


def _short(value: Any) -> Any:
    return value if not isinstance(value, str) else value[:40]


def column_of(rows: pd.DataFrame, name: str, asked: str) -> pd.Series:
    """The column of a log by the name that it has there. Raises KnobError with the nearest one."""
    for column in (f"{REWARD}{name}", f"{OTHER}{name}", name):
        if column in rows:
            found: pd.Series = rows[column]
            return found
    raise KnobError(f"{asked}={name!r}: the log has no such column; {nearest(name, names_of(rows))}")


def names_of(rows: pd.DataFrame) -> Sequence[str]:
    """Names that `gold=`, `score=` and `answer=` understand."""
    named = [str(column) for column in rows]
    own = [each.removeprefix(REWARD).removeprefix(OTHER) for each in named if each.startswith((REWARD, OTHER))]
    return [*own, *(each for each in ("score", "target", "answer", "response") if each in named)]
