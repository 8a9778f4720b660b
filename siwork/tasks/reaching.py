"""All expressions over a few numbers that reach a target, each used exactly once, in canonical form.

Split the numbers in two; each value of the smaller part says which values of the larger part hit the goal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import gcd
from typing import TypeAlias

from siwork.tasks.arithmetic import Form, Leaf, combine, form, show

Numbers: TypeAlias = tuple[int, ...]
Ratio: TypeAlias = tuple[int, int]  # reduced, denominator > 0; a Fraction takes ten times as long
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
def all_solutions(numbers: Numbers, target: int, division: bool) -> frozenset[str]:
    """Canonical texts of all expressions over the sorted numbers that equal the target, which is not 0.

    >>> sorted(all_solutions((2, 2), 4, True))
    ['2*2', '2+2']
    """
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
