"""Countdown: reach a target from a few numbers, each used exactly once. All solutions are known."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import exp, fsum, gcd, log
from typing import ClassVar, TypeAlias, cast

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.arithmetic import Branch, Core, Form, Leaf, Node, canonical, combine, form, leaves, parse, show, value
from siwork.tasks.base import Item, Synthetic

Numbers: TypeAlias = tuple[int, ...]
Ratio: TypeAlias = tuple[int, int]  # reduced, denominator > 0; a Fraction takes ten times as long

_PROMPT = re.compile(r"([1-9][0-9]?(?: [1-9][0-9]?){1,5})=([1-9][0-9]{0,3}):")
_MOST = 6  # numbers
# inequivalent expressions over n = 0, 1, 2 … different operands: with division OEIS A140606, without it counted here
_EXPRESSIONS = {"all": (0, 1, 6, 68, 1170, 27142, 793002), "no_division": (0, 1, 4, 26, 266, 3682, 64198)}
_OPERATORS = {"all": "+-*/", "no_division": "+-*"}


@dataclass(frozen=True)
class Countdown(Synthetic):
    """Reach a target from numbers, each used exactly once: `3 5 7=22:` → `3*5+7`.

    A problem is a random expression over random numbers, kept when its value is a whole number in 1 … limit; so every
    problem has a solution. `beyond` draws one number more than `numbers`; six numbers stay six, with targets in
    limit + 1 … 2 · limit. Solutions are counted up to commutativity and associativity (see `arithmetic.canonical`).

    hardness = ln(inequivalent expressions over that many numbers) - ln(Σ over solutions of e^-marks) + different
    numbers; marks = 2 brackets + 2 divisions + subtractions + different operators, counted in the solution.

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
        n = min(self.numbers + 1, _MOST)
        return n + (n - 1) + 2 * (n - 2) + 1

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """One problem that has a solution."""
        n, shift = int(rng.integers(min(self.fewest, self.numbers), self.numbers + 1)), 0
        if beyond:
            n, shift = min(self.numbers + 1, _MOST), self.limit if self.numbers == _MOST else 0
        reached = None
        while reached is None or reached.denominator != 1 or not shift < reached <= shift + self.limit:
            numbers = rng.integers(1, self.largest + 1, n).tolist()
            reached = value(_random_expression(numbers, _OPERATORS[self.operators], rng))
        prompt = f"{' '.join(map(str, numbers))}={reached}:"
        solutions = self._solved(prompt)
        return Item(prompt, self.hardness(prompt), _simplest(solutions), len(solutions))

    def hardness(self, prompt: str) -> float:
        """Raw hardness of a problem (formula above). Raises KnobError when the prompt has no solution.

        >>> round(Countdown().hardness("3 5 7=22:") - (log(68) + 2 + 3), 9)  # 5*3+7: two operators; three numbers
        0.0
        """
        numbers, _ = _understood(prompt)
        ease = fsum(exp(-_marks(solution)) for solution in self._solved(prompt))  # fsum: a set has no fixed order
        return log(_EXPRESSIONS[self.operators][len(numbers)] / ease) + len(set(numbers))

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
        if problem is None or node is None or tuple(sorted(leaves(node))) != problem[0]:
            return None
        return None if self.operators == "no_division" and "/" in response else node

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """All right answers in canonical form; None when the prompt is not one of this task."""
        problem = _read(prompt)
        if problem is None:
            return None
        return _solutions(*problem, self.operators == "all")

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
        return [*right, *wrong, right[0].rstrip(")").rstrip("0123456789")]

    def _misses(self, prompt: str, rng: np.random.Generator, n: int) -> list[str]:
        """Up to `n` different wrong answers: random expressions, in the order of a weighted draw by nearness."""
        numbers, target = _understood(prompt)
        pool = [_random_expression(list(numbers), _OPERATORS[self.operators], rng) for _ in range(8 * n)]
        reached = [(node, value(node)) for node in pool]
        misses = [(node, abs(worth - target)) for node, worth in reached if worth is not None and worth != target]
        # exponential race: ascending E/w is a weighted draw without replacement, here w = 1/(1 + distance)
        finish = rng.exponential(size=len(misses)) * np.array([1 + float(distance) for _, distance in misses])
        texts: dict[str, None] = {}
        for i in np.argsort(finish, kind="stable"):
            if len(texts) == n:
                break
            texts[canonical(misses[i][0])] = None
        return list(texts)

    def hint_text(self, prompt: str, kind: str) -> str:
        """`answer`: the simplest solution. `step`: its first innermost operation, such as `3*5`.

        Raises KnobError for another kind, or when the prompt has no solution.
        """
        if kind not in self.hints:
            raise KnobError(f"task 'countdown' has no hint {kind!r}; {nearest(kind, self.hints)}")
        simplest = _simplest(self._solved(prompt))
        return simplest if kind == "answer" else canonical(_innermost(_tree(simplest)))

    def _solved(self, prompt: str) -> frozenset[str]:
        solutions = _solutions(*_understood(prompt), self.operators == "all")
        if not solutions:
            raise KnobError(f"prompt {prompt!r} has no solution under {self}; `problems` draws prompts that have one")
        return solutions


@lru_cache(maxsize=4096)
def _read(prompt: str) -> tuple[Numbers, int] | None:
    """The sorted numbers and the target of a prompt, None for other text."""
    match = _PROMPT.fullmatch(prompt)
    return (tuple(sorted(map(int, match[1].split()))), int(match[2])) if match else None


def _understood(prompt: str) -> tuple[Numbers, int]:
    problem = _read(prompt)
    if problem is None:
        raise KnobError(f"a countdown prompt is 2 to 6 numbers and a target such as '3 5 7=22:', got {prompt!r}")
    return problem


def _tree(text: str) -> Node:
    return cast("Node", parse(text))  # canonical text always parses


def _innermost(node: Node) -> Node:
    inner = [part for part in node[1:] if isinstance(part, Branch)]
    return _innermost(inner[0]) if inner else node


def _marks(text: str) -> int:
    """How hard a solution is to find: brackets and divisions count 2, subtractions and each different operator 1."""
    return 2 * text.count("(") + 2 * text.count("/") + text.count("-") + sum(sign in text for sign in "+-*/")


def _simplest(solutions: frozenset[str]) -> str:
    """The solution with the fewest marks, then the shortest, then the first."""
    return min(solutions, key=lambda text: (_marks(text), len(text), text))


def _shuffled(text: str, rng: np.random.Generator) -> str:
    def shuffle(parts: Iterable[tuple[Core, int]]) -> list[tuple[Core, int]]:
        here = list(parts)
        return [here[i] for i in rng.permutation(len(here))]

    return show(form(_tree(text)), shuffle)


def _random_expression(numbers: list[int], operators: str, rng: np.random.Generator) -> Node:
    """Join two random parts with a random operator until one is left."""
    parts: list[Node] = [Leaf(number) for number in numbers]
    for first, second, sign in rng.random((len(numbers) - 1, 3)):
        left = parts.pop(int(first * len(parts)))
        right = parts.pop(int(second * len(parts)))
        parts.append(Branch(operators[int(sign * len(operators))], left, right))
    return parts[0]


# ── all solutions ──────────────────────────────────────────────────────────────────────────────────────────
# Split the numbers in two; each value of the smaller part says which values of the larger part hit the goal.

_Join: TypeAlias = tuple[str, bool]  # operator, and whether the second part stands on its left
# goal = here ∘ other, solved for `other`: that is goal ∘' here, with ∘' on the left
_UNDO: dict[_Join, _Join] = {
    ("-", False): ("+", False),
    ("-", True): ("-", False),
    ("+", False): ("-", True),
    ("/", False): ("*", False),
    ("/", True): ("/", False),
    ("*", False): ("/", True),
}


@lru_cache(maxsize=1024)
def _solutions(numbers: Numbers, target: int, division: bool) -> frozenset[str]:
    """Canonical texts of all expressions over the sorted numbers that equal the target, which is not 0."""
    return frozenset(map(show, _reaching(numbers, (target, 1), division, {})))


def _reaching(
    numbers: Numbers, goal: Ratio, division: bool, known: dict[tuple[Numbers, Ratio], set[Form]]
) -> set[Form]:
    """Forms of all expressions over the sorted numbers that equal the goal; `known` remembers within one search."""
    if len(numbers) <= 3:
        return _table(numbers, division).get(goal, set())
    if (numbers, goal) in known:
        return known[numbers, goal]
    found: set[Form] = set()
    for small, large in _splits(numbers):
        for here, forms in _table(small, division).items():
            for join, other in _partners(here, goal, division):
                if others := _reaching(large, other, division, known):
                    found |= _joined(join, forms, others)
            if here[0] == goal[0] == 0:
                found |= _vanishing(forms, large, division)
    known[numbers, goal] = found
    return found


def _vanishing(forms: set[Form], large: Numbers, division: bool) -> set[Form]:
    """Forms of 0 * anything and 0 / anything but 0, where `forms` equal 0."""
    found: set[Form] = set()
    for other, others in _table(large, division).items():
        found |= _joined(("*", False), forms, others)
        if division and other[0]:
            found |= _joined(("/", False), forms, others)
    return found


@lru_cache(maxsize=512)
def _table(numbers: Numbers, division: bool) -> dict[Ratio, set[Form]]:
    """Every value the sorted numbers make, with the forms of all expressions that make it."""
    if len(numbers) == 1:
        return {(numbers[0], 1): {form(Leaf(numbers[0]))}}
    table: defaultdict[Ratio, set[Form]] = defaultdict(set)
    for small, large in _splits(numbers):
        for here, forms in _table(small, division).items():
            for other, others in _table(large, division).items():
                for join, made in _values(here, other):
                    if division or join[0] != "/":
                        table[made] |= _joined(join, forms, others)
    return dict(table)


def _joined(join: _Join, forms: set[Form], others: set[Form]) -> set[Form]:
    operator, swapped = join
    if swapped:
        forms, others = others, forms
    return {combine(operator, left, right) for left in forms for right in others}


def _partners(here: Ratio, goal: Ratio, division: bool) -> Iterator[tuple[_Join, Ratio]]:
    """How a second value makes the goal together with `here`."""
    for undo, other in _values(goal, here):
        join = _UNDO[undo]
        if join[0] in "+-" or (here[0] and (division or join[0] == "*")):
            yield join, other


def _values(first: Ratio, second: Ratio) -> list[tuple[_Join, Ratio]]:
    """All values that one operator makes of two."""
    (a, b), (c, d) = first, second
    values = [
        (("+", False), _ratio(a * d + c * b, b * d)),
        (("-", False), _ratio(a * d - c * b, b * d)),
        (("-", True), _ratio(c * b - a * d, b * d)),
        (("*", False), _ratio(a * c, b * d)),
    ]
    if c:
        values.append((("/", False), _ratio(a * d, b * c)))
    if a:
        values.append((("/", True), _ratio(b * c, a * d)))
    return values


def _ratio(over: int, under: int) -> Ratio:
    common = gcd(over, under) if under > 0 else -gcd(over, under)
    return over // common, under // common


@lru_cache(maxsize=4096)
def _splits(numbers: Numbers) -> list[tuple[Numbers, Numbers]]:
    """The different ways to part sorted numbers in two, the smaller part first."""
    found = set()
    for size in range(1, len(numbers) // 2 + 1):
        for places in combinations(range(len(numbers)), size):
            small = tuple(numbers[i] for i in places)
            large = tuple(number for i, number in enumerate(numbers) if i not in places)
            found.add((small, large) if size < len(large) else (min(small, large), max(small, large)))
    return sorted(found)
