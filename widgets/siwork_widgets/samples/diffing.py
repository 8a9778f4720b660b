"""What differs between two texts, in bounded time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

Span = str | tuple[str, str]  # text, or (kind, text)

UNITS = ("words", "characters", "lines")
LONGEST = 20_000  # characters that are compared; what comes after is shown unmarked
_MOST = 300_000  # pairs of equal pieces that one comparison may look at
_COARSER = {"characters": "words", "words": "lines", "lines": ""}
_CUT: dict[str, Callable[[str], list[str]]] = {
    "characters": list,
    "words": re.compile(r"\s*\w+|\s*[^\w\s]|\s+").findall,
    "lines": lambda text: text.splitlines(keepends=True),
}


class Difference(NamedTuple):
    """Two texts in spans; joined, the spans of each are the text."""

    before: tuple[Span, ...]  # ("removed", …) where the later text lacks it
    after: tuple[Span, ...]  # ("added", …) where the earlier text lacks it
    note: str  # what was compared, and how much differs


def difference(before: str, after: str, unit: str = "words") -> Difference:
    """The difference of two texts by words, characters or lines.

    Where that would take too long (long texts, or texts that repeat one piece) a coarser unit is taken, and the note says so.

    >>> difference("3 + 4", "3 - 4").after
    ('3', ('added', ' -'), ' 4')
    """
    if before == after:
        return Difference((before,), (after,), "The two texts are equal.")
    one, two = before[:LONGEST], after[:LONGEST]
    long = max(len(before), len(after)) > LONGEST
    if one == two:
        words = f"The first {LONGEST:,} characters are equal; what comes after them is not compared."
        return Difference((before,), (after,), words)
    own, pieces = _cut(one, two, "lines" if long else unit)
    spans = _marked(*pieces) if own else (((("removed", one),), (("added", two),)))
    rest = [(text[LONGEST:],) if text[LONGEST:] else () for text in (before, after)]
    return Difference((*spans[0], *rest[0]), (*spans[1], *rest[1]), _words(spans, own, unit, long))


def _cut(one: str, two: str, unit: str) -> tuple[str, tuple[list[str], list[str]]]:
    """The finest unit, from the given one on, by which the texts can be compared in time, and their pieces by it."""
    while unit:
        pieces = _CUT[unit](one), _CUT[unit](two)
        if _pairs(*pieces) <= _MOST:
            return unit, pieces
        unit = _COARSER[unit]
    return "", ([], [])


def _pairs(one: Sequence[str], two: Sequence[str]) -> int:
    """Pairs of equal pieces: what difflib looks at to find the longest block."""
    counts = Counter(two)
    return sum(n * counts[piece] for piece, n in Counter(one).items())


def _marked(one: list[str], two: list[str]) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    before: list[Span] = []
    after: list[Span] = []
    for kind, i, j, k, m in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        old, new = "".join(one[i:j]), "".join(two[k:m])
        before += [] if not old else [old] if kind == "equal" else [("removed", old)]
        after += [] if not new else [new] if kind == "equal" else [("added", new)]
    return tuple(before), tuple(after)


def _words(spans: tuple[tuple[Span, ...], tuple[Span, ...]], own: str, wanted: str, long: bool) -> str:
    lost, new = (sum(len(span[1]) for span in side if isinstance(span, tuple)) for side in spans)
    told = f"Compared by {own}" if own else "Too much to compare: everything is marked"
    if own and own != wanted:
        told += f" ({wanted} would take too long)"
    cut = f"; only the first {LONGEST:,} characters are compared" if long else ""
    return f"{told}: {lost:,} characters are in A only, {new:,} in B only{cut}."
