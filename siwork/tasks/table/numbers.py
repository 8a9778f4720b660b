"""Numbers in text: the last one of a response, in a form that is the same however it was written."""

from __future__ import annotations

import re
from fractions import Fraction

TOLERANCE = 1e-6  # relative, where one of two numbers is not whole
_DIGITS = 7  # significant ones of a canonical number that is not whole
_LONGEST = 60  # characters of a number; a longer one is none
_LARGEST = 60  # of a power of ten

_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER = re.compile(
    rf"""(?<![\w./])(?P<sign>[-−+]?)(?:\\?[$€£]\ ?)?(?P<inner>[-−]?)(?:
      \\[dt]?frac\{{(?P<over>[0-9]{{1,20}})\}}\{{(?P<under>[0-9]{{1,20}})\}}
    | (?:(?P<mixed>[0-9]{{1,9}})\ )?(?P<top>{_WHOLE})/(?P<bottom>[0-9]{{1,20}})(?![0-9/]|[.,][0-9])
    | (?P<plain>(?:{_WHOLE}(?:\.[0-9]+)?|\.[0-9]+)(?![0-9]|/[0-9]))(?P<power>[eE][-+]?[0-9]{{1,3}}(?!\w))?
    )""",
    re.VERBOSE,
)
_SHUT = (")", "]", "}")  # directly before a sign that is one of subtraction


def number_in(text: str) -> Fraction | None:
    """The number that a text ends on: the last one behind `####`, where that is written, else the last one at all.

    Thousands are parted by commas; `$`, `€`, `£` before and `%` behind a number are passed over (50 % is 50); `3/4`,
    `1 3/4` and `\\frac{3}{4}` are fractions, dates such as 3/4/2024 are none. Never raises, whatever the text.

    >>> number_in("He pays $1,234.50."), number_in("… so 70 + 2 = 72\\n#### 72"), number_in("none")
    (Fraction(2469, 2), Fraction(72, 1), None)
    """
    _, mark, last = text.rpartition("####")
    found = _last(last) if mark else None
    return _last(text) if found is None else found


def _last(text: str) -> Fraction | None:
    found = None
    for match in _NUMBER.finditer(text):
        if len(match[0]) <= _LONGEST:
            found = match
    return None if found is None else _value(found, text)


def _value(match: re.Match[str], text: str) -> Fraction | None:
    subtracted = text[max(match.start() - 1, 0) : match.start()] in _SHUT if match["sign"] else False
    minus = (match["sign"] in ("-", "−") and not subtracted) != bool(match["inner"])
    size = _size(match)
    return None if size is None else -size if minus else size


def _size(match: re.Match[str]) -> Fraction | None:
    under = match["under"] or match["bottom"]
    if under is None:
        power = int((match["power"] or "e0")[1:])
        if abs(power) > _LARGEST:
            return None
        return Fraction(match["plain"].replace(",", "")) * Fraction(10) ** power
    if int(under) == 0:
        return None
    over = match["over"] or match["top"].replace(",", "")
    return Fraction(int(match["mixed"] or 0)) + Fraction(int(over), int(under))


def canonical_number(value: Fraction) -> str:
    """A number as text: whole ones in full, others with seven significant digits.

    >>> canonical_number(Fraction(72)), canonical_number(Fraction(5, 2)), canonical_number(Fraction(1, 3))
    ('72', '2.5', '0.3333333')
    """
    if value.denominator == 1:
        return str(value.numerator)
    short = f"{float(value):.{_DIGITS}g}"
    again = Fraction(short)
    return str(again.numerator) if again.denominator == 1 else short


def same_number(one: Fraction, other: Fraction) -> bool:
    """Whether two numbers are equal; where one is not whole, up to a millionth of the larger.

    >>> same_number(Fraction(1, 3), Fraction("0.3333333")), same_number(Fraction(5_000_000), Fraction(5_000_001))
    (True, False)
    """
    if one.denominator == other.denominator == 1:
        return one == other
    return abs(one - other) <= Fraction(TOLERANCE) * max(abs(one), abs(other))
