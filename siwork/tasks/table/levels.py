"""How hard the rows say they are: numbers, or levels such as `Level 3` and `hard`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from siwork.schema import KnobError
from siwork.tasks.table.numbers import number_in

_WORDS = {"easy": 1.0, "medium": 2.0, "moderate": 2.0, "hard": 3.0, "difficult": 3.0}


def level_of(text: str) -> float | None:
    """A level as a number, the harder the larger; None for a text that says none.

    >>> level_of("Level 3"), level_of("0.25"), level_of("Hard"), level_of("blue")
    (3.0, 0.25, 3.0, None)
    """
    found = number_in(text)
    return float(found) if found is not None else _WORDS.get(text.strip().lower())


def hardness_of(column: pa.Array, name: str) -> np.ndarray:
    """Hardness (n,) of a column of texts. Raises KnobError for some that say none, with how many they are."""
    coded = column.dictionary_encode()
    known = [level_of(each) for each in coded.dictionary.to_pylist()]
    odd = [each for each, level in zip(coded.dictionary.to_pylist(), known, strict=True) if level is None]
    if odd or column.null_count:
        many = int(np.isin(np.array(column.fill_null("").to_pylist(), object), ["", *odd]).sum())
        raise KnobError(
            f"table: difficulty is a number, a level such as 'Level 3', or easy, medium, hard; {many} of {len(column)} values "
            f"of column {name!r} are not, such as {odd[0] if odd else None!r}; mend them, or measure it: siwork.tasks.probe"
        )
    return np.array(known, float)[coded.indices.to_numpy()]
