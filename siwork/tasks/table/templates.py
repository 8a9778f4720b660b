"""Prompts from columns: `{name}` in a template stands for the value of that column, and nothing else is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from siwork.schema import KnobError
from siwork.tasks.table.letters import listed

_FIELD = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w .-]*)\}|\{[A-Za-z_][^{}]*\}")


def parts_of(template: str) -> list[tuple[str, str]]:
    """A template in its parts, each a text and the column behind it, empty for none.

    `{{` and `}}` are braces, `{}` stays as it is.

    Raises KnobError for anything but a plain name in braces.

    >>> parts_of("Question: {question}!")
    [('Question: ', 'question'), ('!', '')]
    >>> parts_of("{question.__class__!r}")
    Traceback (most recent call last):
    siwork.schema.errors.KnobError: table: a template holds plain {name} only, got {question.__class__!r}; write {{ for ...
    """
    parts, text, end = [], "", 0
    for match in _FIELD.finditer(template):
        text += template[end : match.start()]
        end = match.end()
        if match[0] in ("{{", "}}"):
            text += match[0][0]
        elif match[1] is None:
            raise KnobError(
                f"table: a template holds plain {{name}} only, got {match[0]}; write {{{{ for a brace of your own"
            )
        else:
            parts.append((text, match[1]))
            text = ""
    return [*parts, ((text + template[end:]), "")]


def filled(parts: list[tuple[str, str]], columns: Mapping[str, pa.Array]) -> pa.Array:
    """The prompts (n,), null where a column is; lists of choices are written one a line, with letters.

    columns : (n,) texts or lists of texts, at least one
    """
    pieces: list[object] = []
    for text, name in parts:
        pieces.append(pa.scalar(text, pa.large_string()))
        if name:
            pieces.append(_texts(columns[name]))
    return pc.binary_join_element_wise(*pieces, pa.scalar("", pa.large_string()))


def _texts(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        shown = [None if value is None else listed([each or "" for each in value]) for value in column.to_pylist()]
        return pa.array(shown, pa.large_string())
    return pc.cast(column, pa.large_string())
