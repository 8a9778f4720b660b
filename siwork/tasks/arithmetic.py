"""Arithmetic text read safely: a parser with limits, exact values, and one canonical form for equivalent expressions.

Two expressions are equivalent when commutativity and associativity of + and *, with - and / as their inverses, turn
one into the other. For n different operands there are 1, 6, 68, 1170, 27142, 793002 … classes (OEIS A140606).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

LONGEST, DEEPEST, MOST_NUMBERS, MOST_DIGITS = 200, 20, 32, 6  # characters, open brackets, numbers, digits a number

_LEGAL = re.compile(r"[0-9+\-*/() ]+")
_TOKEN = re.compile(r"[0-9]+|[-+*/()]")
_BINDS = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2}
_PRODUCT, _NUMBER, _SUM = 0, 1, 2  # kinds of core, in printing order


class Leaf(NamedTuple):
    """A number in an expression."""

    number: int


class Branch(NamedTuple):
    """An operation on two expressions."""

    operator: str
    left: Node
    right: Node


Node: TypeAlias = Leaf | Branch

# (_NUMBER, -number) | (_PRODUCT, numerators, denominators) | (_SUM, ((core, sign), …)), each in ascending order
Core: TypeAlias = tuple[Any, ...]
# (sign, core): sign 1 or -1; 0 where the form equals its own negative, as 3-3 does
Form: TypeAlias = tuple[int, Core]


def parse(text: str) -> Node | None:
    """Read + - * / and brackets over whole numbers; None for anything else, in bounded time whatever the text.

    Refused: a sign before an operand, leading zeros, other blanks than plain spaces, digits outside ASCII, more than
    200 characters, 20 open brackets, 32 numbers, 6 digits a number.

    >>> parse("2*(3 + 4)")
    Branch(operator='*', left=Leaf(number=2), right=Branch(operator='+', left=Leaf(number=3), right=Leaf(number=4)))
    >>> parse("-2") is None
    True
    """
    if len(text) > LONGEST or not _LEGAL.fullmatch(text):
        return None
    tokens = _TOKEN.findall(text)
    numbers = [token for token in tokens if token.isdigit()]
    if len(numbers) > MOST_NUMBERS or any(len(t) > MOST_DIGITS or (t[0] == "0" and t != "0") for t in numbers):
        return None
    return _shunt(tokens)


def _shunt(tokens: list[str]) -> Node | None:
    """Dijkstra's shunting yard: `done` holds finished operands, `open_` the operators and brackets not yet applied."""
    done: list[Node] = []
    open_: list[str] = []
    depth, operand_next = 0, True
    for token in tokens:
        if operand_next == (token in "+-*/)"):
            return None
        if token == "(":
            depth += 1
            open_.append(token)
        elif token == ")":
            _apply(done, open_, 1)
            if not open_:
                return None
            open_.pop()
            depth -= 1
        elif token in _BINDS:
            _apply(done, open_, _BINDS[token])
            open_.append(token)
            operand_next = True
        else:
            done.append(Leaf(int(token)))
            operand_next = False
        if depth > DEEPEST:
            return None
    if operand_next or depth:
        return None
    _apply(done, open_, 1)
    return done[0]


def _apply(done: list[Node], open_: list[str], least: int) -> None:
    while open_ and _BINDS[open_[-1]] >= least:
        right = done.pop()
        done.append(Branch(open_.pop(), done.pop(), right))


def value(node: Node) -> Fraction | None:
    """Exact value of an expression, None where it divides by zero.

    >>> value(parse("7/(2-5)"))
    Fraction(-7, 3)
    >>> value(parse("1/(2-2)")) is None
    True
    """
    exact = _value(node)
    return None if exact is None else Fraction(exact)


def _value(node: Node) -> int | Fraction | None:
    if isinstance(node, Leaf):
        return node.number
    left, right = _value(node.left), _value(node.right)
    if left is None or right is None:
        return None
    if node.operator == "+":
        return left + right
    if node.operator == "-":
        return left - right
    if node.operator == "*":
        return left * right
    return Fraction(left) / right if right else None


def leaves(node: Node) -> list[int]:
    """The numbers of an expression as written, from left to right.

    >>> leaves(parse("7-(2*2)"))
    [7, 2, 2]
    """
    return [node.number] if isinstance(node, Leaf) else leaves(node.left) + leaves(node.right)


def canonical(node: Node) -> str:
    """The one text that stands for every expression equivalent to this one; `parse` reads it again.

    Numbers fall, products stand before numbers in a sum and brackets stand only round sums in products. Nothing is
    simplified: 3*1 is not 3.

    >>> canonical(parse("2-3*(4-5)")), canonical(parse("1*(3/(2/7))")), canonical(parse("4-(1-(2-3))"))
    ('3*(5-4)+2', '7*3*1/2', '4-3+2-1')
    """
    return show(form(node))


def form(node: Node) -> Form:
    """The canonical form of an expression as data: equal forms, equivalent expressions."""
    if isinstance(node, Leaf):
        return 1, (_NUMBER, -node.number)
    return combine(node.operator, form(node.left), form(node.right))


def combine(operator: str, left: Form, right: Form) -> Form:
    """The canonical form of `left operator right`, without going back to the expressions.

    >>> show(combine("-", form(parse("9")), form(parse("5-2"))))
    '9-5+2'
    """
    if operator == "+":
        return _sum(_terms(left, 1) + _terms(right, 1))
    if operator == "-":
        return _sum(_terms(left, 1) + _terms(right, -1))
    over, under = _factors(left[1])
    up, down = _factors(right[1])
    if operator == "/":
        up, down = down, up
    return left[0] * right[0], (_PRODUCT, tuple(sorted(over + up)), tuple(sorted(under + down)))


def _terms(part: Form, sign: int) -> list[tuple[Core, int]]:
    own, core = part
    if core[0] != _SUM:
        return [(core, sign * own)]
    return list(core[1]) if sign == own else [(term, -s) for term, s in core[1]]  # own 0: turning changes nothing


def _sum(terms: list[tuple[Core, int]]) -> Form:
    here = tuple(sorted(terms))
    turned = tuple(sorted((term, -s) for term, s in terms))
    return (here > turned) - (here < turned), (_SUM, max(here, turned))


def _factors(core: Core) -> tuple[tuple[Core, ...], tuple[Core, ...]]:
    return (core[1], core[2]) if core[0] == _PRODUCT else ((core,), ())


Arrange: TypeAlias = Callable[[Iterable[tuple[Core, int]]], list[tuple[Core, int]]]


def show(part: Form, arrange: Arrange = list) -> str:
    """Text of a form with as few brackets as can be; no sign stands before an operand.

    Parameters
    ----------
    part : form that `form` or `combine` gave
    arrange : orders the terms of a sum and the factors of a product; `list` keeps the canonical order
    """
    return _text(part[1], part[0] < 0, arrange)


def _text(core: Core, turned: bool, arrange: Arrange) -> str:
    """Text of a core, or of its negative, which `_can_turn` must allow."""
    if core[0] == _NUMBER:
        return str(-core[1])
    if core[0] == _SUM:
        return _sum_text(arrange((term, -s if turned else s) for term, s in core[1]), arrange)
    over, under = core[1], core[2]
    parts = arrange([(factor, 1) for factor in over] + [(factor, -1) for factor in under])
    spot = next(i for i, (factor, _) in enumerate(parts) if _can_turn(factor)) if turned else -1
    texts = [("*" if power > 0 else "/", _bracketed(f, i == spot, arrange)) for i, (f, power) in enumerate(parts)]
    head = next(i for i, (_, power) in enumerate(parts) if power > 0)
    return _joined(head, texts)


def _sum_text(terms: list[tuple[Core, int]], arrange: Arrange) -> str:
    texts = [("-" if s < 0 else "+", _text(term, False, arrange)) for term, s in terms]
    head = next((i for i, (_, s) in enumerate(terms) if s >= 0), None)
    if head is None:  # -a-b*(c-d) starts as b*(d-c)-a
        head = next(i for i, (term, _) in enumerate(terms) if _can_turn(term))
        texts[head] = ("+", _text(terms[head][0], True, arrange))
    return _joined(head, texts)


def _joined(head: int, texts: list[tuple[str, str]]) -> str:
    rest = texts[:head] + texts[head + 1 :]
    return texts[head][1] + "".join(sign + text for sign, text in rest)


def _bracketed(factor: Core, turned: bool, arrange: Arrange) -> str:
    text = _text(factor, turned, arrange)
    return f"({text})" if factor[0] == _SUM else text


def _can_turn(core: Core) -> bool:
    """Whether the negative of a core can be written without a leading sign."""
    if core[0] == _NUMBER:
        return False
    if core[0] == _PRODUCT:
        return any(_can_turn(factor) for factor in core[1] + core[2])
    return any(s < 0 or _can_turn(term) for term, s in core[1])
