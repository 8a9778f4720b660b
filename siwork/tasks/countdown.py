"""Countdown: reach a target from a few numbers, each used exactly once. All solutions are known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import exp, fsum, log
from typing import ClassVar, cast

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.arithmetic import Branch, Core, Leaf, Node, canonical, form, leaves, parse, show, value
from siwork.tasks.base import Item, Synthetic, in_tokens
from siwork.tasks.reaching import Numbers, all_solutions

_PROMPT = re.compile(r"([1-9][0-9]?(?: [1-9][0-9]?){1,5})=([1-9][0-9]{0,3}):")
_PIECE = re.compile(r"[^-+*/]*[-+*/]|[^-+*/]+")
_MOST, _LONGEST = 6, 100  # numbers; characters of a response within which a change is looked for
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
        return self._item(f"{' '.join(map(str, numbers))}={reached}:")

    def item(self, prompt: str) -> Item | None:
        """Any problem over at most one number more than `numbers`, none above `largest`, to a target within the limit.

        None where it has no solution. With six numbers the limit is that of `beyond`. Never raises.
        """
        problem = _read(prompt)
        if problem is None or not self._fits(*problem) or not all_solutions(*problem, self.operators == "all"):
            return None
        return self._item(prompt)

    def _item(self, prompt: str) -> Item:
        solutions = self._solved(prompt)
        return Item(prompt, self.hardness(prompt), _simplest(solutions), len(solutions))

    def _fits(self, numbers: Numbers, target: int) -> bool:
        limit = self.limit * (2 if self.numbers == _MOST else 1)
        return len(numbers) <= self.numbers + 1 and numbers[-1] <= self.largest and target <= limit

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
        return all_solutions(*problem, self.operators == "all")

    def is_sound(self, prompt: str, response: str) -> bool:
        """The check itself, which works the expression out. Never raises."""
        return self.is_right(prompt, response)

    def paraphrase(self, prompt: str, rng: np.random.Generator) -> str:
        """The numbers in another order. Raises KnobError for a prompt of another task."""
        _understood(prompt)
        numbers, mark, rest = prompt.partition("=")
        old = numbers.split(" ")
        new = old
        while new == old and len(set(old)) > 1:
            new = [old[i] for i in rng.permutation(len(old))]
        return f"{' '.join(new)}{mark}{rest}"

    def relabel(self, prompt: str, response: str) -> str | None:
        """The same numbers with the value of the expression as target, where that is a problem of the task.

        >>> Countdown().relabel("3 5 7=22:", "3+5*7")
        '3 5 7=38:'
        """
        node, problem = self._expression(prompt, response), _read(prompt)
        reached = None if node is None else value(node)
        if problem is None or reached is None or reached.denominator != 1 or reached < 1 or reached == problem[1]:
            return None
        made = f"{prompt.partition('=')[0]}={reached}:"
        return made if self._fits(problem[0], int(reached)) else None

    def mutate(self, prompt: str, response: str, rng: np.random.Generator) -> str:
        """Another operator, or two different numbers exchanged; where there are neither, as every task. Never raises."""
        text = in_tokens(self.vocabulary, response)
        parts = re.findall(r"[0-9]+|[^0-9]", text[:_LONGEST])
        signs = [i for i, part in enumerate(parts) if part in _OPERATORS["all"]]
        pairs = [(i, j) for i, j in combinations(range(len(parts)), 2) if _exchangeable(parts[i], parts[j])]
        if not signs and not pairs:
            return super().mutate(prompt, response, rng)
        if signs and (not pairs or rng.random() < 0.5):
            spot = signs[rng.integers(len(signs))]
            others = [sign for sign in _OPERATORS[self.operators] if sign != parts[spot]]
            parts[spot] = others[rng.integers(len(others))]
        else:
            i, j = pairs[rng.integers(len(pairs))]
            parts[i], parts[j] = parts[j], parts[i]
        return "".join(parts) + text[_LONGEST:]

    def pieces(self, response: str) -> tuple[str, ...]:
        """Each operand with its brackets and the operator behind it: `(3+4)*2` is cut into `(3+`, `4)*`, `2`."""
        return tuple(_PIECE.findall(response))

    def page(self, rng: np.random.Generator) -> str:
        """A sheet of numbers, twice as many as a problem has at most."""
        return " ".join(map(str, rng.integers(1, self.largest + 1, 2 * self.numbers).tolist()))

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
        solutions = all_solutions(*_understood(prompt), self.operators == "all")
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


def _exchangeable(one: str, other: str) -> bool:
    return one != other and one.isdigit() and other.isdigit()


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
