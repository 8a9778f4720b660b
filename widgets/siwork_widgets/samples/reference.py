"""The name of one completion, as a line that can be kept in notes and pasted back."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from siwork.schema import SPLITS, KnobError, nearest

_SCHEME = "siwork:"
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_SHAPE = f"{_SCHEME}<run>/<round>/<split>/<problem>/<sample>"


class Reference(NamedTuple):
    """Which completion; `str` gives the line, `read` reads it back.

    >>> str(Reference("star s0", 2, "heldout", "add/7", 3))
    'siwork:star%20s0/2/heldout/add%2F7/3'
    """

    run: str
    round: int
    split: str
    problem: str
    sample: int
    turn: int = 0
    hint: str = "none"

    def __str__(self) -> str:
        parts = (self.run, str(self.round), self.split, self.problem, str(self.sample))
        further = [f"turn={self.turn}"] * (self.turn != 0) + [f"hint={_quoted(self.hint)}"] * (self.hint != "none")
        return _SCHEME + "/".join(map(_quoted, parts)) + ("?" + "&".join(further) if further else "")

    @classmethod
    def read(cls, line: str) -> Reference:
        """The completion that a line names; white space around it does not matter.

        Raises
        ------
        KnobError : it is no such line, or a part of it cannot be

        >>> Reference.read("siwork:star%20s0/2/heldout/add%2F7/3").problem
        'add/7'
        """
        head, _, tail = line.strip().partition("?")
        parts = head.removeprefix(_SCHEME).split("/")
        if not head.startswith(_SCHEME) or len(parts) != 5:
            raise KnobError(f"a reference reads {_SHAPE}, got {_shown(line)}; copy one from below a completion")
        run, r, split, problem, sample = map(_unquoted, parts)
        if split not in SPLITS:
            raise KnobError(f"the split of a reference must be one of {', '.join(SPLITS)}, got {_shown(split)}")
        more = _further(tail)
        turn, hint = _number("turn", more.get("turn", "0")), more.get("hint", "none")
        return cls(run, _number("round", r), split, problem, _number("sample", sample), turn, hint)


def _further(tail: str) -> dict[str, str]:
    """What stands behind the question mark, by name. Raises KnobError."""
    found = dict(part.partition("=")[::2] for part in tail.split("&") if part)
    for name in found:
        if name not in ("turn", "hint"):
            raise KnobError(
                f"a reference ends in turn= and hint=, got {_shown(name)}; {nearest(name, ['turn', 'hint'])}"
            )
    return {name: _unquoted(value) for name, value in found.items()}


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise KnobError(f"the {name} of a reference must be a whole number ≥ 0, got {_shown(text)}")
    return int(text)


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="surrogatepass")
    except UnicodeDecodeError:
        raise KnobError(f"a part of a reference must be UTF-8 behind its percent signs, got {_shown(text)}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")
