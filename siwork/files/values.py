"""Foreign values as ours: text that can be stored, numbers that are finite, truth that is said to be truth, messages as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

_TRUE = frozenset(("true", "1", "1.0", "c", "correct", "yes"))
_FALSE = frozenset(("false", "0", "0.0", "i", "incorrect", "no", "n"))


def text(value: Any) -> str | None:
    """Text that can be stored; half a surrogate pair becomes �. None for anything that is no text.

    >>> text("a\\ud800b"), text(3)
    ('a�b', None)
    """
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def shown(value: Any) -> str | None:
    """Text, or a number or truth value as text; None for anything else.

    >>> shown("007"), shown(7), shown([7])
    ('007', '7', None)
    """
    return str(value) if isinstance(value, (bool, int, float)) else text(value)


def real(value: Any) -> float | None:
    """A finite number; true is 1, false 0. None for anything else, also for a number that no float holds.

    >>> real(True), real(float("nan")), real("1.0")
    (1.0, None, None)
    """
    if not isinstance(value, (bool, int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """A whole number of at most 63 bits, None for anything else.

    >>> whole(3.0), whole(2.5), whole(True), whole("4")
    (3, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or (isinstance(value, float) and value % 1):
        return None
    return int(value) if abs(value) < 2**63 else None


def truth(value: Any) -> bool | None:
    """True or false, also as 1 and 0, "True", "C" and the like; None for anything else.

    >>> truth(1.0), truth("False"), truth(0.5), truth("I")
    (True, False, None, False)
    """
    if isinstance(value, (bool, int, float)):
        return bool(value) if value in (0, 1) else None
    word = value.strip().lower() if isinstance(value, str) else None
    return True if word in _TRUE else False if word in _FALSE else None


def said(value: Any) -> str | None:
    """A prompt or completion as text: a text as it is, messages as their contents, a role before each where there are several.

    >>> said([{"role": "user", "content": "2 + 2?"}])
    '2 + 2?'
    >>> said([{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "text", "text": "b"}]}])
    'user: a\\nassistant: b'
    """
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        return text(value)
    messages = [
        (message.get("role"), _content(message.get("content"))) for message in value if isinstance(message, dict)
    ]
    if len(messages) == 1:
        return messages[0][1]
    return "\n".join(f"{text(role) or 'unknown'}: {content}" for role, content in messages) if messages else None


def _content(value: Any) -> str:
    """The text of a message's content, which may be a list of parts."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        parts = [part.get("text") if isinstance(part, dict) else part for part in value]
        return "".join(text(part) or "" for part in parts)
    return text(value) or ""


def series(values: Sequence[Any], kind: pa.DataType, index: Any = None) -> pd.Series:
    """Values as a column of Arrow type; None is null."""
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, kind)), index=index)
