"""Small rounds measured together: a call of `measure` costs as much for a thousand rows as for ten thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

TOGETHER = 32 << 20  # bytes of rows that are joined at most; a larger round goes alone


def packed(tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The tables, neighbours of equal columns joined up to `TOGETHER` bytes; none is held once the next is asked for.

    >>> [len(each) for each in packed(pd.DataFrame({"round": [r] * 3}) for r in range(4))]
    [12]
    """
    held: list[pd.DataFrame] = []
    room = TOGETHER
    for table in tables:
        size = int(table.memory_usage(deep=False).sum())
        if held and (size > room or not table.dtypes.equals(held[0].dtypes)):
            yield _joined(held)
            held, room = [], TOGETHER
        if size > room:
            yield table
        else:
            held.append(table)
            room -= size
        del table
    if held:
        yield _joined(held)


def together(tables: Iterable[pd.DataFrame]) -> pd.DataFrame | None:
    """All the tables as one, None where they have more than `TOGETHER` bytes, differ in their columns, or there is none.

    >>> len(together(pd.DataFrame({"round": [r] * 3}) for r in range(4)))
    12
    """
    held: list[pd.DataFrame] = []
    room = TOGETHER
    for table in tables:
        room -= int(table.memory_usage(deep=False).sum())
        if room < 0 or (held and not table.dtypes.equals(held[0].dtypes)):
            return None
        held.append(table)
    return _joined(held) if held else None


def _joined(held: list[pd.DataFrame]) -> pd.DataFrame:
    """One table of those in the list, which is emptied."""
    table = held[0] if len(held) == 1 else pd.concat(held, ignore_index=True)
    held.clear()
    return table
