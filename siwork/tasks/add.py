"""`add`: the sum of two numbers, digit by digit; difficulty is their length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.base import Item, Synthetic

_FURTHER = 4  # digits that `beyond` goes past the longest trained length
_NUMBER = re.compile(r"[0-9]{1,25}")  # 20 + 4 digits give a sum of at most 25


@dataclass(frozen=True)
class Add(Synthetic):
    """The sum of two numbers of the same length, by default with the lowest digit first.

    Both operands have L digits, L uniform on 1 … `digits` (0 … 9 for L = 1); hardness is L. Beyond draws L from
    `digits` + 1 … `digits` + 4. Operands and result are written in the same `order`, without redundant zeros: a
    padded result cannot be read. The canonical answer is the number as people write it, highest digit first.
    Source: Lee et al. 2023, Teaching Arithmetic to Small Transformers (reversed order).

    >>> task = Add(digits=3)
    >>> task.write("321+54=", np.random.default_rng(0)), task.answer("321+54=", "861")  # 123 + 45 = 168
    ('861', '168')
    >>> task.is_right("321+54=", "861"), task.is_right("321+54=", "8610")
    (True, False)
    """

    name: ClassVar[str] = "add"
    sentence: ClassVar[str] = "The sum of two numbers; longer numbers are harder."
    hints: ClassVar[tuple[str, ...]] = ("answer", "step")

    digits: int = knob(8, "Longest operand that is trained on.", low=1, high=20, unit="digits")
    order: str = knob("reversed", "Order of the digits in operands and result.", choices=("reversed", "forward"))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Digits and the two marks; every token is one character."""
        return (*"0123456789", "+", "=")

    @property
    def max_tokens(self) -> int:
        """Digits of the longest sum that `beyond` can ask for, and the end token."""
        return self.digits + _FURTHER + 1 + 1

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """Two random numbers of one random length."""
        low, high = (self.digits + 1, self.digits + _FURTHER) if beyond else (1, self.digits)
        length = int(rng.integers(low, high + 1))
        left, right = _operand(length, rng), _operand(length, rng)
        return Item(self._asked(left, right), float(length), str(left + right), 1)

    def item(self, prompt: str) -> Item | None:
        """Any sum of numbers no longer than those of `beyond`; hardness is the length of the longer one. Never raises."""
        pair = self._pair(prompt)
        length = 0 if pair is None else len(str(max(pair)))
        return (
            None if pair is None or length > self.digits + _FURTHER else Item(prompt, float(length), str(sum(pair)), 1)
        )

    def paraphrase(self, prompt: str, rng: np.random.Generator) -> str:
        """The numbers swapped. Raises KnobError for a prompt of another task."""
        left, right = self._operands(prompt)
        return self._asked(right, left)

    def page(self, rng: np.random.Generator) -> str:
        """Four numbers, joined by `+`."""
        return "+".join(self._written(_operand(int(n), rng)) for n in rng.integers(1, self.digits + 1, 4))

    def answer(self, prompt: str, response: str) -> str | None:
        """The number as people write it; None for anything but digits without redundant zeros."""
        number = self._number(response)
        return None if number is None else str(number)

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether the response is the sum, digit for digit."""
        pair = self._pair(prompt)
        return pair is not None and response == self._written(sum(pair))

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """The one right answer; None when the prompt is not one of this task."""
        pair = self._pair(prompt)
        return None if pair is None else frozenset({str(sum(pair))})

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """The sum, digit by digit. Raises KnobError for a prompt of another task."""
        return self._written(sum(self._operands(prompt)))

    def hint_text(self, prompt: str, kind: str) -> str:
        """`answer`: the whole result; `step`: the first half of its digits as written, rounded up.

        Raises KnobError for another kind, KnobError for a prompt of another task.
        """
        if kind not in self.hints:
            raise KnobError(f"task 'add' has no hint {kind!r}; {nearest(kind, self.hints)}")
        result = self._written(sum(self._operands(prompt)))
        return result if kind == "answer" else result[: (len(result) + 1) // 2]

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """The sum, then wrong results: carry slips, single digits off by one, the other digit order, other numbers.

        Raises KnobError for a prompt of another task.
        """
        left, right = self._operands(prompt)
        result = self._written(left + right)
        slips = dict.fromkeys([self._written(slip) for slip in _slips(left, right)] + [result[::-1]])
        slips.pop(result, None)
        wrong = list(slips)
        chosen = dict.fromkeys([result] + [wrong[i] for i in rng.permutation(len(wrong))[: n - 1]])
        for _ in range(20 * n):
            if len(chosen) >= n:
                break
            chosen[self._written(_operand(len(result) + int(rng.integers(2)), rng))] = None
        return list(chosen)

    def _asked(self, left: int, right: int) -> str:
        return f"{self._written(left)}+{self._written(right)}="

    def _written(self, number: int) -> str:
        return str(number)[::-1] if self.order == "reversed" else str(number)

    def _number(self, text: str) -> int | None:
        if not _NUMBER.fullmatch(text):
            return None
        number = int(text[::-1] if self.order == "reversed" else text)
        return number if self._written(number) == text else None

    def _pair(self, prompt: str) -> tuple[int, int] | None:
        left, plus, rest = prompt.partition("+")
        pair = self._number(left), self._number(rest.removesuffix("="))
        if not plus or not rest.endswith("=") or pair[0] is None or pair[1] is None:
            return None
        return pair[0], pair[1]

    def _operands(self, prompt: str) -> tuple[int, int]:
        pair = self._pair(prompt)
        if pair is None:
            raise KnobError(f"a prompt of add looks like '321+54=', got {prompt[:40]!r}; take task.problems(...)")
        return pair


def _operand(length: int, rng: np.random.Generator) -> int:
    digits = rng.integers(0, 10, length)  # digit by digit: 24 digits do not fit into an int64
    if length > 1:
        digits[0] = rng.integers(1, 10)
    return int("".join(map(str, digits.tolist())))


def _slips(left: int, right: int) -> Iterator[int]:
    """Results of the usual errors: a carry lost or invented, one digit off by one, no carries at all."""
    total, places = left + right, len(str(left + right))
    for power in (10**place for place in range(places)):
        digit = total // power % 10
        yield total + power
        yield abs(total - power)
        yield total + ((digit + 1) % 10 - digit) * power
        yield total + ((digit - 1) % 10 - digit) * power
    yield sum((left // 10**p + right // 10**p) % 10 * 10**p for p in range(places))
