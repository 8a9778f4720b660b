"""The operations of an expression as steps: how they are written, carried out one by one, and go wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import add, mul, sub
from typing import NamedTuple

import numpy as np

from siwork.tasks.arithmetic import Leaf, Node, parse

LARGEST = 99  # of every value, either sign
DEEPEST, EXTRA = 8, 2  # depth of any problem, operations beside the longest chain
OPERATIONS = {"+": add, "-": sub, "*": mul}
SAID = re.compile(r"(~?[0-9]{1,9})([-+*])(~?[0-9]{1,9})=(~?[0-9]{1,9})")

Done = tuple[str | None, ...]  # result of each operation as it was written, None before it is done


class Step(NamedTuple):
    """One operation. An operand is a leaf ≥ 0, or ~i for the result of step i."""

    left: int
    sign: str
    right: int

    @property
    def needs(self) -> int:
        """The steps whose results it takes, as bits."""
        return sum(1 << ~operand for operand in {self.left, self.right} if operand < 0)


@lru_cache(maxsize=8192)
def plan(prompt: str) -> tuple[Step, ...]:
    """Operations of a prompt, each after those it needs; empty when it is not a prompt of this task."""
    node = parse(prompt[:-1]) if prompt.endswith("=") and "/" not in prompt else None
    steps: list[Step] = []
    if node is None:
        return ()
    _visit(node, steps)
    leaves = [operand for step in steps for operand in (step.left, step.right) if operand >= 0]
    fits = len(steps) <= DEEPEST + EXTRA and all(leaf <= LARGEST for leaf in leaves)
    return tuple(steps) if fits and all(abs(value) <= LARGEST for value in results(steps)) else ()


def _visit(node: Node, steps: list[Step]) -> int:
    if isinstance(node, Leaf):
        return node.number
    steps.append(Step(_visit(node.left, steps), node.operator, _visit(node.right, steps)))
    return ~(len(steps) - 1)


def results(steps: Sequence[Step], slip: tuple[int, int] | None = None) -> list[int]:
    """Result of every step; `slip` = (step, wrong result) puts one error in, which the later steps carry on."""
    values: list[int] = []
    for i, (left, sign, right) in enumerate(steps):
        value = OPERATIONS[sign](_operand(left, values), _operand(right, values))
        values.append(slip[1] if slip and slip[0] == i else value)
    return values


def _operand(operand: int, values: Sequence[int]) -> int:
    return operand if operand >= 0 else values[~operand]


def written(value: int) -> str:
    """A value as responses write it, `~` for its sign."""
    return str(value).replace("-", "~")


def step_texts(steps: Sequence[Step], values: Sequence[int]) -> list[str]:
    """Every step with its result, as responses write them."""
    operands = [(written(_operand(s.left, values)), s.sign, written(_operand(s.right, values))) for s in steps]
    return [f"{''.join(operand)}={written(value)}" for operand, value in zip(operands, values, strict=True)]


@lru_cache(maxsize=16384)  # the samples of a problem write the same few steps again and again
def _carried_out(prompt: str, done: Done, text: str) -> list[tuple[Done, str]]:
    """What a written step makes of the expression, and whether it is right, for each operation it may stand for."""
    said = SAID.fullmatch(text)
    if said is None:
        return [(done, "0")]
    left, sign, right, result = said.groups()
    shared = [
        0 if value is not None else _shared(step, done, left, sign, right)
        for step, value in zip(plan(prompt), done, strict=True)
    ]
    if 3 not in shared:
        return [(_with(done, shared.index(2), result) if 2 in shared else done, "0")]
    sides = [int(operand.replace("~", "-")) for operand in (left, right)]
    mark = "1" if result == written(OPERATIONS[sign](*sides)) else "0"
    return [(_with(done, place, result), mark) for place, parts in enumerate(shared) if parts == 3]


def _shared(step: Step, done: Done, left: str, sign: str, right: str) -> int:
    """How many of left operand, sign and right operand a step shares with an operation; 0 for one that is not ready."""
    operands = [str(o) if o >= 0 else done[~o] for o in (step.left, step.right)]
    return 0 if None in operands else (operands[0] == left) + (step.sign == sign) + (operands[1] == right)


def _with(done: Done, place: int, result: str) -> Done:
    return (*done[:place], result, *done[place + 1 :])


def merit(marks: str) -> tuple[int, str]:
    """Of two readings the one with more right steps is meant, then the one that is right earlier."""
    return marks.count("1"), marks


def readings(prompt: str, parts: Iterable[str]) -> dict[Done, str]:
    """What the parts between `;` may make of the expression, and the marks of the kindest reading that makes it so.

    >>> readings("(3+4)*2=", ["3+4=8"])
    {('8', None): '0'}
    """
    found: dict[Done, str] = {(None,) * len(plan(prompt)): ""}
    for text in (part if SAID.fullmatch(part) else "" for part in parts):
        after: dict[Done, str] = {}
        for done, marks in found.items():
            for now, mark in _carried_out(prompt, done, text):
                after[now] = max(after[now], marks + mark, key=merit) if now in after else marks + mark
        found = after
    return found


def right_beginning(prompt: str, parts: Sequence[str]) -> tuple[int, Done]:
    """How many of the first parts can be read as right steps, and what they make of the expression."""
    found: dict[Done, str] = {(None,) * len(plan(prompt)): ""}
    for n in range(len(parts)):
        after = [done for done, marks in readings(prompt, parts[: n + 1]).items() if "0" not in marks]
        if not after:
            return n, next(iter(found))
        found = dict.fromkeys(after, "")
    return len(parts), next(iter(found))


def finished(prompt: str, done: Done, rng: np.random.Generator) -> list[str]:
    """The steps that are left to do after right ones, in a random possible order."""
    steps = plan(prompt)
    texts = step_texts(steps, results(steps))
    return [
        texts[i] for i in random_order(steps, rng, sum(1 << i for i, value in enumerate(done) if value is not None))
    ]


def slips(step: Step, values: Sequence[int]) -> set[int]:
    """Wrong results of a step for these values of all steps: off by one or ten, of another operation, of the wrong sign."""
    operands = _operand(step.left, values), _operand(step.right, values)
    right = OPERATIONS[step.sign](*operands)
    others = [operation(*operands) for operation in OPERATIONS.values()]
    return {*(right + off for off in (-1, 1, -10, 10)), *others, -right} - {right}


def slipped_results(steps: Sequence[Step]) -> list[list[int]]:
    """Values of all steps after one slip, for every slip that leaves them all in range."""
    truth = results(steps)
    runs = [results(steps, (i, value)) for i, step in enumerate(steps) for value in slips(step, truth)]
    return [values for values in runs if all(abs(value) <= LARGEST for value in values)]


def does_anew(response: str) -> bool:
    """Whether a response has the same operation on the same numbers twice, with different results.

    >>> does_anew("3+4=8;3+4=7;7*2=14"), does_anew("1+2=3;1+2=3;3-3=0")
    (True, False)
    """
    said = {match.groups() for part in response.split(";") if (match := SAID.fullmatch(part))}
    return len({sides[:3] for sides in said}) < len(said)


def random_order(steps: Sequence[Step], rng: np.random.Generator, done: int = 0) -> list[int]:
    """The steps that are not among the bits of `done`, in a random possible order."""
    order: list[int] = []
    for _ in range(len(steps) - done.bit_count()):
        ready = [i for i, step in enumerate(steps) if not done >> i & 1 and step.needs & done == step.needs]
        order.append(ready[int(rng.integers(len(ready)))])
        done |= 1 << order[-1]
    return order
