"""The grammar of formulas: names, `+`, `·` (or `|`), and literals or bare words as arguments. Nothing is evaluated.

formula := slot (("·" | "|") slot)*
slot    := call ("+" call)*
call    := name [ "(" [ argument ("," argument)* ] ")" ]
argument := [name "="] (number | word | text | "true" | "false")
text    := '"' … '"', in which \\" is a quotation mark, \\n a new line and \\\\ a backslash
"""

from __future__ import annotations

import re
from dataclasses import MISSING
from typing import Any, NamedTuple

from siwork.schema.errors import RecipeError
from siwork.schema.knobs import Knobbed, knobs_of

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
    |(?P<word>[A-Za-z_][\w\-]*)|"(?P<text>(?:[^"\\\n]|\\.)*+)"|(?P<mark>[()+,=·|]))""",
    re.VERBOSE,
)
_WRITTEN = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
_READ = {"\\": "\\", '"': '"', "n": "\n"}  # a backslash before anything else stands for itself
_LONGEST = 2000  # characters; a formula is a line, not a file


class Call(NamedTuple):
    """One component as written: its name, positional and named values."""

    name: str
    args: tuple[Any, ...]
    named: dict[str, Any]


def parse_formula(text: str) -> list[list[Call]]:
    """Read a formula into its slots, each a list of calls.

    Raises RecipeError with the place of the first fault.

    >>> parse_formula("seed · cot(k=8) + hint(answer, on=fail)")[1][1]
    Call(name='hint', args=('answer',), named={'on': 'fail'})
    """
    reader = _Reader(text)
    slots = [[reader.call()]]
    while reader.kind is not None:
        if reader.take("+"):
            slots[-1].append(reader.call())
        elif reader.take("·") or reader.take("|"):
            slots.append([reader.call()])
        else:
            reader.fail("'+', '·' or the end")
    return slots


def parse_call(text: str) -> Call:
    """Read a single call such as `countdown(numbers=3)`. Raises RecipeError."""
    slots = parse_formula(text)
    if len(slots) != 1 or len(slots[0]) != 1:
        raise RecipeError(
            f"one name with its arguments was expected, got {text!r}; write for example countdown(numbers=3)"
        )
    return slots[0][0]


def same_knobs(then: str, now: str) -> bool:
    """Whether a formula has the components of an earlier one, and their knobs the values that it names.

    Knobs that only `now` names do not matter: they came later, and their default is what was played.

    >>> same_knobs("cot(k=16) · sft(rate=1.0)", "cot(k=16) · sft(rate=1.0, steps=60)")
    True
    >>> same_knobs("pref(rate=1.0)", "pref(rate=0.05)")
    False

    Raises RecipeError for what is no formula.
    """
    pairs = [parse_formula(then), parse_formula(now)]
    if [[call.name for call in slot] for slot in pairs[0]] != [[call.name for call in slot] for slot in pairs[1]]:
        return False
    calls = [[call for slot in slots for call in slot] for slots in pairs]
    return all(a.args == b.args and a.named.items() <= b.named.items() for a, b in zip(*calls, strict=True))


def format_call(thing: Knobbed, whole: bool = False) -> str:
    """Write an object with knobs as a call; only values that differ from their defaults are written, or the whole of them, by name.

    `parse_call` and `build` read it back to an equal object.
    """
    parts = []
    for spot in knobs_of(type(thing)):
        value, by_place = getattr(thing, spot.name), spot.metadata["knob"].shown
        if whole:
            parts.append(f"{spot.name}={_literal(value)}")
        elif by_place:
            parts.append(_literal(value))
        elif spot.default is MISSING or value != spot.default:
            parts.append(f"{spot.name}={_literal(value)}")
    return f"{thing.name}({', '.join(parts)})" if parts else thing.name


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if re.fullmatch(r"[A-Za-z_][\w\-]*", value) and value not in ("true", "false"):
        return str(value)
    return '"' + re.sub(r'[\\"\n]', lambda mark: _WRITTEN[mark[0]], value) + '"'


class _Reader:
    """A one-token look-ahead reader over a formula."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not text.strip():
            raise RecipeError("a formula is a line such as 'seed · cot(k=16) · gold · correct · sft', got nothing")
        if len(text) > _LONGEST:
            raise RecipeError(f"a formula has at most {_LONGEST} characters, got {len(text)}")
        self.text, self.place = text, 0
        self.kind: str | None = None
        self.value = ""
        self._next()

    def _next(self) -> None:
        if not self.text[self.place :].strip():
            self.kind, self.value, self.place = None, "", len(self.text)
            return
        match = _TOKEN.match(self.text, self.place)
        if match is None:
            rest = self.text[self.place :].strip()
            raise RecipeError(
                f"a formula has names, numbers and ( ) + , = · |, got {rest[:20]!r} at character {self.place + 1}"
            )
        self.kind, self.value, self.place = match.lastgroup, match[match.lastgroup or 0], match.end()

    def take(self, mark: str) -> bool:
        """Step over `mark` if it is next."""
        if self.kind == "mark" and self.value == mark:
            self._next()
            return True
        return False

    def fail(self, wanted: str) -> None:
        seen = repr(self.value) if self.kind else "the end"
        raise RecipeError(f"expected {wanted}, got {seen} near character {self.place} of {self.text!r}")

    def word(self, what: str) -> str:
        if self.kind != "word":
            self.fail(what)
        word = self.value
        self._next()
        return word

    def call(self) -> Call:
        name = self.word("a component's name")
        args: list[Any] = []
        named: dict[str, Any] = {}
        if self.take("(") and not self.take(")"):
            while True:
                key, value = self._argument()
                if key is None:
                    if named:
                        self.fail("a named argument after a named one")
                    args.append(value)
                elif key in named:
                    raise RecipeError(f"argument {key!r} of {name} is written twice; drop one of the two")
                else:
                    named[key] = value
                if self.take(")"):
                    break
                if not self.take(","):
                    self.fail("',' or ')'")
        return Call(name, tuple(args), named)

    def _argument(self) -> tuple[str | None, Any]:
        if self.kind == "word":
            word = self.word("a value")
            return (word, self._value()) if self.take("=") else (None, _word_value(word))
        return None, self._value()

    def _value(self) -> Any:
        if self.kind == "number":
            text = self.value
            self._next()
            return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
        if self.kind == "text":
            text = re.sub(r'\\([\\"n])', lambda mark: _READ[mark[1]], self.value)
            self._next()
            return text
        return _word_value(self.word("a number or a word"))


def _word_value(word: str) -> Any:
    return {"true": True, "false": False}.get(word, word)
