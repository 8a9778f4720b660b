"""How a response is compared with the answer of its row: as text, number, letter, formula, pattern, or by a function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from siwork.schema import KnobError
from siwork.tasks.table.boxed import check_package, equal, expression
from siwork.tasks.table.letters import chosen_letter, right_letter
from siwork.tasks.table.numbers import canonical_number, number_in, same_number
from siwork.tasks.table.patterns import check_pattern, found_in, last_match

Judge = Callable[[str, str, str], object]  # (prompt, response, answer) → whether it is right


class Row(NamedTuple):
    """What a check knows of a problem."""

    answer: str  # as the table has it
    choices: list[str] | None


class Check(ABC):
    """One way to compare. `gold` reads the table's answer, `read` a response; both in one canonical form."""

    wanted: str  # what an answer of the table holds, for sentences
    one = True  # a problem has one right answer in canonical form

    def see(self, answers: pa.Array, choices: pa.Array | None) -> None:
        """Look at all answers of the table at once, and their choices. Raises KnobError for some that cannot be meant."""
        return

    @abstractmethod
    def gold(self, row: Row) -> str | None:
        """Canonical form of the table's answer, None when it cannot be read. Raises KnobError for a faulty pattern."""

    @abstractmethod
    def read(self, response: str, row: Row | None) -> str | None:
        """Canonical answer in a response, None when it cannot be read. Never raises."""

    def right(self, prompt: str, response: str, row: Row) -> bool:
        """Whether a response is right."""
        read, gold = self.read(response, row), self.gold(row)
        return read is not None and gold is not None and self.same(read, gold)

    def same(self, read: str, gold: str) -> bool:
        """Whether two canonical answers are the same."""
        return read == gold


class Exact(Check):
    """The same text, blanks made single."""

    wanted = "text"

    def gold(self, row: Row) -> str | None:
        """The text."""
        return _plain(row.answer)

    def read(self, response: str, row: Row | None) -> str | None:
        """The whole response."""
        return _plain(response)


class Numeric(Check):
    """The same number: the last one, or the one behind `####`."""

    wanted = "a number"

    def gold(self, row: Row) -> str | None:
        """The number that the answer ends on."""
        return self.read(row.answer, row)

    def read(self, response: str, row: Row | None) -> str | None:
        """The number that the response ends on."""
        found = number_in(response)
        return None if found is None else canonical_number(found)

    def same(self, read: str, gold: str) -> bool:
        """Whether they are equal, up to a millionth where one is not whole."""
        return same_number(Fraction(read), Fraction(gold))


class Choice(Check):
    """The same letter."""

    wanted = "a letter, or the text of one of the row's choices"
    counted = False

    def see(self, answers: pa.Array, choices: pa.Array | None) -> None:
        """Whether answers count the choices: all are numbers below their number, and one is 0.

        Raises KnobError for such without a 0, which may as well count from 1.
        """
        there = [each.strip() for each in pc.unique(answers).to_pylist()]
        if choices is None or not all(each.isascii() and each.isdecimal() and len(each) < 4 for each in there):
            return
        places, most = {int(each) for each in there}, pc.max(pc.list_value_length(choices)).as_py() or 0
        self.counted = 0 in places and max(places) < most
        if 0 not in places and max(places) <= most:
            raise KnobError(
                f"table: answers of check=choice that are numbers count from 0, got {', '.join(sorted(there)[:5])} "
                "and no 0; write letters, or the choices' texts"
            )

    def gold(self, row: Row) -> str | None:
        """The letter of the right choice."""
        return right_letter(row.answer, row.choices, self.counted)

    def read(self, response: str, row: Row | None) -> str | None:
        """The letter that is chosen."""
        return chosen_letter(response, row.choices if row else None)


class Math(Check):
    """The same mathematical expression, by math-verify."""

    wanted = "an expression"
    one = False

    def __init__(self) -> None:
        check_package()

    def gold(self, row: Row) -> str | None:
        """What is boxed, else the whole answer."""
        return expression(row.answer) or _plain(row.answer)

    def read(self, response: str, row: Row | None) -> str | None:
        """What is boxed, else the last formula."""
        return expression(response)

    def same(self, read: str, gold: str) -> bool:
        """Whether they are equal."""
        return equal(gold, read)


class Fitting(Check):
    """A response fits the pattern that is the row's answer."""

    wanted = "a pattern"
    one = False

    def gold(self, row: Row) -> str | None:
        """The pattern. Raises KnobError for one that does not compile."""
        check_pattern(row.answer)
        return row.answer

    def read(self, response: str, row: Row | None) -> str | None:
        """The whole response, blanks made single."""
        return _plain(response)

    def right(self, prompt: str, response: str, row: Row) -> bool:
        """Whether the pattern matches somewhere; a response without text is wrong."""
        return _plain(response) is not None and found_in(row.answer, response)


class Found(Check):
    """What a pattern finds last in a response is the answer."""

    wanted = "text"

    def __init__(self, pattern: str) -> None:
        check_pattern(pattern)
        self.pattern = pattern

    def gold(self, row: Row) -> str | None:
        """The text, blanks made single."""
        return _plain(row.answer)

    def read(self, response: str, row: Row | None) -> str | None:
        """The first group of the last match, else all of it."""
        return _plain(last_match(self.pattern, response) or "")


class Judged(Check):
    """A function of the user's says what is right."""

    wanted = "text"
    one = False

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    def gold(self, row: Row) -> str | None:
        """The text."""
        return _plain(row.answer)

    def read(self, response: str, row: Row | None) -> str | None:
        """The whole response, blanks made single."""
        return _plain(response)

    def right(self, prompt: str, response: str, row: Row) -> bool:
        """What the function says. Raises KnobError when it fails, since a fault of a check is no wrong answer."""
        try:
            return bool(self.judge(prompt, response, row.answer))
        except Exception as error:
            raise KnobError(
                f"table: check={name_of(self.judge)} failed with {type(error).__name__}: {error}; it has to take every text, "
                f"as {response[:60]!r}, and say true or false"
            ) from error


def name_of(judge: Judge) -> str:
    """What a function is called."""
    return str(getattr(judge, "__name__", type(judge).__name__))


def check_of(name: str, pattern: str) -> Check:
    """The check of a name. Raises KnobError for a pattern that does not compile, MissingExtra for a missing package."""
    if name == "regex":
        return Found(pattern) if pattern else Fitting()
    kinds: dict[str, Callable[[], Check]] = {"exact": Exact, "numeric": Numeric, "choice": Choice, "math": Math}
    return kinds[name]()


def _plain(text: str) -> str | None:
    return " ".join(text.split()) or None
