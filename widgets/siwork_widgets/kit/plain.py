"""Untrusted text on its way to the browser: cut, sendable, and with its hidden characters marked."""

from __future__ import annotations

import re
from collections.abc import Iterable

from siwork.markup import HIDDEN, visible

Span = list[str]  # [kind, text]; kind "mark": one character that would hide or turn text
Cell = str | list[Span]
_LONE = re.compile("[\ud800-\udfff]")  # halves of characters


def seen(text: object, longest: int = 2000) -> str:
    """Text in which hidden characters are written out, cut; for words that nobody copies.

    >>> seen("a" + chr(0x202E) + "b")
    'a⟨U+202E⟩b'
    """
    return visible(cut(str(text).replace("\r\n", "\n"), longest))


def cut(text: str, longest: int) -> str:
    """The text, or its first `longest` characters and how many were left out.

    >>> cut("abcdef", 4)
    'abcd … (2 more characters)'
    """
    left = len(text) - longest
    return text if left <= 0 else f"{text[:longest]} … ({left:,} more characters)"


def sendable(text: str) -> str:
    """The text with plain line ends, and with halves of characters written out: a message is UTF-8, which has none."""
    return _LONE.sub(lambda half: f"⟨U+{ord(half[0]):04X}⟩", text.replace("\r\n", "\n"))


def marked(text: str, kind: str = "") -> list[Span]:
    """The text as spans of that kind; each character that would hide or turn it is a span of its own, of kind "mark".

    >>> marked("a" + chr(0x202E) + "b", "soft")
    [['soft', 'a'], ['mark', '\\u202e'], ['soft', 'b']]
    """
    parts = re.split(f"({HIDDEN.pattern})", sendable(text))
    return [["mark" if i % 2 else kind, part] for i, part in enumerate(parts) if part]


def cell(text: object, longest: int) -> Cell:
    """One cell of a table: plain text, or spans where it holds hidden characters."""
    short = cut(str(text), longest)
    return marked(short) if HIDDEN.search(short) else short


def joined(spans: Iterable[Span]) -> str:
    """The text of all spans."""
    return "".join(text for _, text in spans)
