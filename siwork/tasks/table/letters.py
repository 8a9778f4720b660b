"""Multiple choice: the letter that a response chooses, written as a letter or as the text of a choice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

# what announces an answer, then a letter that stands alone
_SAID = re.compile(
    r"(?:answer|choice|option)\b(?:\s+(?:is|would be|must be))?\s*[:=]?\s*(?:option\s+)?[*_\"'(\[{$]*([A-Za-z])(?![A-Za-z'’])",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\text\s*\{\s*)?\(?([A-Za-z])\)?\s*\}")
_FIRST = re.compile(r"\s*[*_(\[]*([A-Z])(?:[)\].:*_]+(?:\s|\Z)|\s*\Z)")
_BRACKETS = re.compile(r"[(\[]([A-Z])[)\]]")
_LAST = re.compile(r"(?<![A-Za-z'’])([A-Z])[^A-Za-z]*\Z")
_BARE = re.compile(r"[(\[]?([A-Za-z])[)\].:]*")


def listed(choices: Sequence[str]) -> str:
    """The choices as a prompt shows them, one a line.

    >>> listed(["red", "blue"])
    'A. red\\nB. blue'
    """
    return "\n".join(f"{letter}. {text}" for letter, text in zip(ascii_uppercase, choices, strict=False))


def right_letter(answer: str, choices: Sequence[str] | None, counted: bool = False) -> str | None:
    """The letter of the right choice: from its text, or a letter; None for something else.

    counted : whether answers are numbers instead, which count the choices from 0

    >>> right_letter("blue", ["red", "blue"]), right_letter("(b)", None), right_letter("0", ["1", "0"], counted=True)
    ('B', 'B', 'A')
    """
    if counted:
        return _within(int(answer), choices)
    if choices:
        places = [i for i, text in enumerate(choices) if _plain(text) == _plain(answer)]
        if len(places) == 1:
            return ascii_uppercase[places[0]] if places[0] < 26 else None
    bare = _BARE.fullmatch(answer.strip())
    return _valid(bare[1], choices) if bare else None


def chosen_letter(response: str, choices: Sequence[str] | None) -> str | None:
    """The letter that a response chooses, None when it says none, or more than one text. Never raises.

    Tried in this order: `\\boxed{B}`; the last `answer is B`; a response that begins `B.` or `(B)` or is `B`; a response
    that is the text of a choice; the last `(B)`; the only choice whose text it holds; a letter at its end.

    >>> chosen_letter("So the answer is (b).", None), chosen_letter("It is blue.", ["red", "blue"])
    ('B', 'B')
    >>> chosen_letter("red or blue", ["red", "blue"]), chosen_letter("I do not know", ["red", "blue"])
    (None, None)
    """
    for pattern in (_BOXED, _SAID):
        if found := _last_valid(pattern.findall(response), choices):
            return found
    if (first := _FIRST.match(response)) and (found := _valid(first[1], choices)):
        return found
    if whole := _held(_plain(response), choices, exact=True):
        return whole
    if found := _last_valid(_BRACKETS.findall(response), choices):
        return found
    if held := _held(_plain(response), choices, exact=False):
        return held
    end = _LAST.search(response[-200:])
    return _valid(end[1], choices) if end else None


def _last_valid(letters: Sequence[str], choices: Sequence[str] | None) -> str | None:
    return next((found for each in reversed(letters) if (found := _valid(each, choices))), None)


def _valid(letter: str, choices: Sequence[str] | None) -> str | None:
    place = ord(letter.upper()) - ord("A")
    return _within(place, choices)


def _within(place: int, choices: Sequence[str] | None) -> str | None:
    return ascii_uppercase[place] if 0 <= place < min(len(choices) if choices else 26, 26) else None


def _held(response: str, choices: Sequence[str] | None, *, exact: bool) -> str | None:
    """The only choice that the response is, or holds as whole words."""
    texts = [_plain(text) for text in choices or ()]
    if exact:
        places = [i for i, text in enumerate(texts) if text and text == response]
    else:
        padded = f" {response} "
        places = [i for i, text in enumerate(texts) if text and f" {text} " in padded]
    return _within(places[0], choices) if len(places) == 1 else None


def _plain(text: str) -> str:
    """Words in small letters with single blanks; marks at the ends of words are dropped."""
    return " ".join(word.strip(".,;:!?\"'()[]*_") for word in text.lower().split())
