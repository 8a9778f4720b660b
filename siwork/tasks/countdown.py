"""Countdown: reach a target from a few numbers, each used exactly once. All solutions are known."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import gcd, log
from typing import ClassVar, TypeAlias

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.arithmetic import Branch, Form, Leaf, Node, canonical, combine, form, leaves, parse, show, value
from siwork.tasks.base import Item, Task

Numbers: TypeAlias = tuple[int, ...]
Ratio: TypeAlias = tuple[int, int]  # reduced, denominator > 0; a Fraction takes ten times as long

_PROMPT = re.compile(r"([1-9][0-9]?(?: [1-9][0-9]?){1,5})=([1-9][0-9]{0,3}):")
_MOST = 6  # numbers
# inequivalent expressions over n = 0, 1, 2 … different operands: with division OEIS A140606, without it counted here
_EXPRESSIONS = {"all": (0, 1, 6, 68, 1170, 27142, 793002), "no_division": (0, 1, 4, 26, 266, 3682, 64198)}
_OPERATORS = {"all": "+-*/", "no_division": "+-*"}


@dataclass(frozen=True)
class Countdown(Task):
    """Reach a target from numbers, each used exactly once: `3 5 7=22:` → `3*5+7`.

    A problem is a random expression over random numbers, kept when its value is a whole number in 1 … limit; so every
    problem has a solution. `beyond` draws one number more than `numbers`; six numbers stay six, with targets in
    limit + 1 … 2 · limit. Solutions are counted up to commutativity and associativity (see `arithmetic.canonical`).

    hardness = ln(inequivalent expressions / solutions) + numbers + fewest brackets and divisions of any solution.

    >>> sorted(Countdown().solutions("3 5 7=22:"))
    ['5*3+7']
    """

    name: ClassVar[str] = "countdown"
    sentence: ClassVar[str] = "Reach a target from a few numbers, each used exactly once; all solutions are known."
    hints: ClassVar[tuple[str, ...]] = ("step", "answer")

    numbers: int = knob(4, "Most numbers in a problem.", low=2, high=_MOST)
    fewest: int = knob(3, "Fewest numbers in a problem; at most `numbers`.", low=2, high=_MOST)
    largest: int = knob(9, "Largest number that is drawn; the smallest is 1.", low=4, high=25)
    limit: int = knob(99, "Largest target.", low=10, high=999)
    operators: str = knob("all", "Operators that may be used.", choices=("all", "no_division"))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Whole numbers 0 … 99, operators, brackets, blank and marks; a target of 105 reads as `10`, `5`."""
        return (*map(str, range(100)), *"+-*/() =:#>")

    @property
    def max_tokens(self) -> int:
        """Length of a right response with brackets round every inner operation, beyond problems and the end included."""
        n = min(max(self.numbers, self.fewest) + 1, _MOST)
        return n + (n - 1) + 2 * (n - 2) + 1

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """One problem that has a solution."""
        most, low, high = max(self.numbers, self.fewest), 1, self.limit
        n = int(rng.integers(min(self.fewest, self.numbers), most + 1))
        if beyond:
            n = min(most + 1, _MOST)
            low, high = (1, self.limit) if most < _MOST else (self.limit + 1, 2 * self.limit)
        while True:
            numbers = rng.integers(1, self.largest + 1, n).tolist()
            reached = value(_random_expression(numbers, _OPERATORS[self.operators], rng))
            if reached is not None and reached.denominator == 1 and low <= reached <= high:
                break
        prompt = f"{' '.join(map(str, numbers))}={reached}:"
        solutions = self._solved(prompt)
        simplest = _simplest(solutions)
        odds = log(_EXPRESSIONS[self.operators][n] / len(solutions))
        return Item(prompt, odds + n + _marks(simplest), simplest, len(solutions))

    def answer(self, prompt: str, response: str) -> str | None:
        """Canonical form of an expression over exactly the prompt's numbers, right or wrong; None for other text.

        None also where it divides by zero or uses an operator the task lacks, so a response is right when and only
        when its answer is among `solutions`.
        """
        node = self._expression(prompt, response)
        return None if node is None or value(node) is None else canonical(node)

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether the response uses exactly the prompt's numbers and equals the target exactly."""
        node, problem = self._expression(prompt, response), _read(prompt)
        return node is not None and problem is not None and value(node) == problem[1]

    def _expression(self, prompt: str, response: str) -> Node | None:
        problem = _read(prompt)
        node = parse(response) if problem else None
        if problem is None or node is None or sorted(leaves(node)) != sorted(problem[0]):
            return None
        return None if self.operators == "no_division" and "/" in response else node

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """All right answers in canonical form; None when the prompt is not one of this task."""
        problem = _read(prompt)
        if problem is None:
            return None
        return _solutions(tuple(sorted(problem[0])), problem[1], self.operators == "all")

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """A random solution with its terms and factors in random order, and no needless bracket.

        Raises KnobError when the prompt has no solution.
        """
        solutions = sorted(self._solved(prompt))
        return _shuffled(solutions[rng.integers(len(solutions))], rng)

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """About `n` responses with different answers: right ones, wrong ones, and one that is cut short.

        At most n/2 are right. Wrong ones use the numbers but miss the target; near misses are more likely. There are
        fewer than `n` when the numbers allow no more. Raises KnobError when the prompt has no solution.
        """
        solutions = sorted(self._solved(prompt))
        right = [solutions[i] for i in rng.permutation(len(solutions))[: max(n // 2, 1)]]
        wrong = self._misses(prompt, rng, n - len(right) - 1)
        cut = right[0] + _OPERATORS[self.operators][rng.integers(3)]
        return [*right, *wrong, cut]

    def _misses(self, prompt: str, rng: np.random.Generator, n: int) -> list[str]:
        """Up to `n` different wrong answers, a weighted draw without replacement from a pool of random expressions."""
        numbers, target = _read(prompt) or ((), 0)
        misses: dict[str, float] = {}
        for _ in range(8 * n):
            node = _random_expression(list(numbers), _OPERATORS[self.operators], rng)
            reached = value(node)
            if reached is not None and reached != target:
                misses[canonical(node)] = float(abs(reached - target))
        texts, distance = list(misses), np.array(list(misses.values()))
        # the exponential race: smallest E/w first is a draw without replacement with weights w = 1/(1 + distance)
        order = np.argsort(rng.exponential(size=len(texts)) * (1 + distance), kind="stable")
        return [texts[i] for i in order[: max(n, 0)]]

    def hint_text(self, prompt: str, kind: str) -> str:
        """`answer`: the simplest solution. `step`: its first innermost operation, such as `3*5`.

        Raises KnobError for another kind, or when the prompt has no solution.
        """
        if kind not in self.hints:
            raise KnobError(f"task 'countdown' has no hint {kind!r}; {nearest(kind, self.hints)}")
        simplest = _simplest(self._solved(prompt))
        if kind == "answer":
            return simplest
        node = parse(simplest)
        while isinstance(node, Branch) and not (isinstance(node.left, Leaf) and isinstance(node.right, Leaf)):
            node = node.left if isinstance(node.left, Branch) else node.right
        return canonical(node) if node else simplest

    def _solved(self, prompt: str) -> frozenset[str]:
        solutions = self.solutions(prompt)
        if not solutions:
            fault = "has no solution" if solutions is not None else "is no countdown problem"
            raise KnobError(f"prompt {prompt!r} {fault}; one that has: '3 5 7=22:'")
        return solutions


@lru_cache(maxsize=4096)
def _read(prompt: str) -> tuple[Numbers, int] | None:
    match = _PROMPT.fullmatch(prompt)
    return (tuple(map(int, match[1].split())), int(match[2])) if match else None


def _marks(text: str) -> int:
    return text.count("(") + text.count("/")


def _simplest(solutions: frozenset[str]) -> str:
    """The solution with the fewest brackets and divisions, then the shortest, then the first."""
    return min(solutions, key=lambda text: (_marks(text), len(text), text))


def _shuffled(text: str, rng: np.random.Generator) -> str:
    node = parse(text)
    if node is None:
        return text
    return show(form(node), lambda parts: (lambda p: [p[i] for i in rng.permutation(len(p))])(list(parts)))


def _random_expression(numbers: list[int], operators: str, rng: np.random.Generator) -> Node:
    """Join two random parts with a random operator until one is left."""
    parts: list[Node] = [Leaf(number) for number in numbers]
    for first, second, sign in rng.random((len(numbers) - 1, 3)):
        left = parts.pop(int(first * len(parts)))
        right = parts.pop(int(second * len(parts)))
        parts.append(Branch(operators[int(sign * len(operators))], left, right))
    return parts[0]


# ── all solutions ──────────────────────────────────────────────────────────────────────────────────────────
# Split the numbers in two; every value of the smaller part says which values of the larger part hit the target.


@lru_cache(maxsize=256)
def _solutions(numbers: Numbers, target: int, division: bool) -> frozenset[str]:
    """Canonical texts of all expressions over sorted `numbers` that equal `target`."""
    return frozenset(map(show, _reaching(numbers, (target, 1), division, {})))


def _reaching(numbers: Numbers, goal: Ratio, division: bool, known: dict[tuple[Numbers, Ratio], set[Form]]) -> set[Form]:
    if len(numbers) <= 3:
        return _table(numbers, division).get(goal, set())
    if (numbers, goal) not in known:
        found: set[Form] = set()
        for small, large in _splits(numbers):
            for here, forms in _table(small, division).items():
                for operator, swapped, other in _partners(here, goal, division):
                    for there in _reaching(large, other, division, known):
                        found.update(_join(operator, swapped, own, there) for own in forms)
        known[numbers, goal] = found
    return known[numbers, goal]
