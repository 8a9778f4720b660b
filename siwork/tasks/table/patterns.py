"""Regular expressions of users, matched by RE2, as Arrow brings it: its time grows with the text alone, whatever the pattern.

RE2 has no look-around and no back-references, which is why no pattern can take it exponential time.
Source: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from siwork.files.values import text as storable
from siwork.schema import KnobError

_LONGEST = 1000  # characters of a pattern
_OPEN, _SHUT = "\x02", "\x03"  # around a match; taken out of the text first


def check_pattern(pattern: str) -> None:
    """Nothing. Raises KnobError for a pattern that does not compile.

    >>> check_pattern(r"(a+)+(?=b)")
    Traceback (most recent call last):
    siwork.schema.errors.KnobError: pattern '(a+)+(?=b)' does not compile (... (?=); write it in RE2's syntax, ...
    """
    if len(pattern) > _LONGEST:
        raise KnobError(f"a pattern has at most {_LONGEST} characters, got {len(pattern)}; write a shorter one")
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except (pa.ArrowInvalid, UnicodeError) as error:
        why = str(error).splitlines()[0].removeprefix("Invalid regular expression: ")
        raise KnobError(
            f"pattern {pattern!r} does not compile ({why}); write it in RE2's syntax, which has no look-around and no "
            "back-references"
        ) from None


def found_in(pattern: str, response: str) -> bool:
    """Whether a pattern that compiles matches somewhere in a response.

    >>> found_in(r"(?i)\\bparis\\b", "It is Paris.")
    True
    """
    return bool(pc.match_substring_regex(pa.array([storable(response)], pa.string()), pattern)[0].as_py())


def last_match(pattern: str, response: str) -> str | None:
    """The last match of a pattern that compiles: its first group where it has one, else the whole; None for none.

    >>> last_match(r"answer: (\\w+)", "answer: red, no, answer: blue"), last_match("[0-9]+", "3 or 42"), last_match("x", "y")
    ('blue', '42', None)
    """
    clean = (storable(response) or "").replace(_OPEN, "").replace(_SHUT, "")
    marked = pc.replace_substring_regex(pa.array([clean]), f"({pattern})", f"{_OPEN}\\{_group(pattern)}{_SHUT}")
    _, mark, last = marked[0].as_py().rpartition(_OPEN)
    return last.partition(_SHUT)[0].strip() or None if mark else None


@lru_cache(maxsize=256)
def _group(pattern: str) -> int:
    """Number of the group that is the answer, once the whole is group 1."""
    try:
        pc.replace_substring_regex(pa.array([""]), f"({pattern})", "\\2")
    except pa.ArrowInvalid:
        return 1
    return 2
