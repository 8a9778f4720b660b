"""Answers in LaTeX, `\\boxed{…}`, and whether two of them are equal, by the package math-verify."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

from siwork.schema import missing_extra

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_FORMULA = re.compile(r"\$([^$\n]{1,300})\$")
_LONGEST = 300  # characters of an answer; the parser of a longer one takes its time
# towers of powers, and powers and factorials of large numbers: nothing ends the arithmetic of such integers
_HEAVY = re.compile(r"\^\s*\{?[^{}]{0,20}\^|\^\s*\{?\s*[-(]?\d{4,}|\d{4,}\s*!|\^\s*\{?[^{}]{0,20}!|!\s*\)?!")
_SECONDS = 5  # most time for one comparison, where a signal can end it


def boxed(text: str) -> str | None:
    """What stands in the last `\\boxed{…}` of a text, blanks made single; None where none is closed.

    >>> boxed(r"so \\boxed{\\frac{1}{2}}."), boxed(r"\\boxed{3"), boxed("3")
    ('\\\\frac{1}{2}', None, None)
    """
    starts = [match.end() for match in _BOXED.finditer(text)]
    for start in reversed(starts[-20:]):
        if (end := _closing(text, start)) is not None:
            return " ".join(text[start:end].split()) or None
    return None


def _closing(text: str, start: int) -> int | None:
    """Place of the brace that closes the one before `start`."""
    depth = 1
    for match in _BRACE.finditer(text, start, start + 20 * _LONGEST):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None


def expression(text: str) -> str | None:
    """The answer of a response: what is boxed, else its last formula between `$`; None for neither.

    >>> expression("It is $x+1$."), expression("It is 3.")
    ('x+1', None)
    """
    found = boxed(text)
    if found is None:
        formulas = _FORMULA.findall(text)
        found = (" ".join(formulas[-1].split()) or None) if formulas else None
    return found if found is not None and len(found) <= _LONGEST else None


def check_package() -> None:
    """Nothing. Raises MissingExtra when math-verify is not installed."""
    _package()


def _package() -> Any:
    try:
        import math_verify
    except ImportError:
        raise missing_extra("check=math", "math-verify", "data") from None
    return math_verify


@lru_cache(maxsize=65_536)
def equal(gold: str, said: str) -> bool:
    """Whether two LaTeX expressions say the same, the right one first; false where one cannot be read
    in 5 s, or holds powers of powers. Raises MissingExtra."""
    if gold == said:
        return True
    math = _package()
    if _HEAVY.search(gold) or _HEAVY.search(said):
        return False
    main = threading.current_thread() is threading.main_thread()  # the time-out is a signal, which only it gets
    limit = _SECONDS if main else None
    parsed = [math.parse(f"\\boxed{{{each}}}", parsing_timeout=limit) for each in (gold, said)]
    return bool(math.verify(*parsed, timeout_seconds=limit))
