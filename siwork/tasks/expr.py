"""`expr`: the value of a nested expression with written steps, each of which can be executed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import add, mul, sub
from typing import ClassVar, NamedTuple

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.arithmetic import Leaf, Node, parse
from siwork.tasks.base import Item, Synthetic

_LARGEST = 99  # of every value, either sign
_DEEPEST, _FURTHER, _EXTRA = 8, 2, 2  # depth of any problem, levels past `depth`, operations beside the longest chain
_MOST = 100  # steps that are carried out, more than any response of this task can hold
_OPERATIONS = {"+": add, "-": sub, "*": mul}
_NUMBER = re.compile(r"0|~?[1-9][0-9]?")
_SAID = re.compile(r"(~?[0-9]{1,9})([-+*])(~?[0-9]{1,9})=(~?[0-9]{1,9})")


@dataclass(frozen=True)
class Expr(Synthetic):
    """Value of a bracketed expression: `((3+4)*2)-5=` → `3+4=7;7*2=14;14-5=9`.

    Leaves are 1 … 9, every value on the way is in −99 … 99; depth, the longest chain of operations, is uniform on
    1 … `depth` (beyond: `depth` + 1 … `depth` + 2, at most 8), with up to two operations beside the chain. Steps are
    written in a random order among those that are ready. Numbers are one token each and the minus sign of a value is
    `~`, so `5-3` always reads as 5, −, 3 and `5-8=~3` as 5, −, 8, =, −3.

    A response is right by its last value alone, however it was reached; `executed` carries out the steps.
    hardness = depth + 0.1 · extra operations + 0.05 · multiplications + 0.02 · values of two digits (below depth + 1).

    >>> task, prompt = Expr(), "((3+4)*2)-5="
    >>> task.write(prompt, np.random.default_rng(0)), task.answer(prompt, "3+4=8;8*2=16;16-5=9")
    ('3+4=7;7*2=14;14-5=9', '9')
    >>> task.is_right(prompt, "3+4=8;8*2=16;16-5=9"), task.executed(prompt, "3+4=8;8*2=16;16-5=9")
    (True, '010')
    """

    name: ClassVar[str] = "expr"
    sentence: ClassVar[str] = "The value of a nested expression with written steps; every step can be executed."
    hints: ClassVar[tuple[str, ...]] = ("answer", "step")
    has_steps: ClassVar[bool] = True

    depth: int = knob(4, "Deepest nesting that is trained on.", low=1, high=6)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Whole numbers 0 … 99, `~` for the sign of a negative value, operators, brackets and marks."""
        return (*map(str, range(_LARGEST + 1)), "~", *"+-*()=;")

    @property
    def max_tokens(self) -> int:
        """Every step with three negative values is 9 tokens with its `;`; the end token stands for the last `;`."""
        return 9 * (min(self.depth + _FURTHER, _DEEPEST) + _EXTRA)

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """One problem, built from the inside out so that no value leaves its range."""
        low, high = (self.depth + 1, min(self.depth + _FURTHER, _DEEPEST)) if beyond else (1, self.depth)
        depth = int(rng.integers(low, high + 1))
        prompt = f"{_random_text(depth, rng)}="
        steps = _plan(prompt)
        values = _values(steps)
        products = sum(step.sign == "*" for step in steps)
        long = sum(abs(value) >= 10 for value in values)
        hardness = depth + 0.1 * (len(steps) - depth) + 0.05 * products + 0.02 * long
        return Item(prompt, hardness, str(values[-1]), 1)

    def answer(self, prompt: str, response: str) -> str | None:
        """The value after the last `=` of prompt and response as an integer; a bare value answers without steps."""
        last = response.rpartition("=")[2]
        return last.replace("~", "-") if _NUMBER.fullmatch(last) else None

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether the answer is the value; the steps do not count."""
        values = _values(_plan(prompt))
        return bool(values) and response.rpartition("=")[2] == _written(values[-1])

    def steps_right(self, prompt: str, response: str) -> bool:
        """Whether the steps carry out every operation of the expression once, in a possible order, without error.

        A step must be written with the operation's operands in their order and its true result. Equal steps may stand
        for any of the equal operations, so all such readings are followed. Never raises.

        >>> Expr().steps_right("(1+2)-(1+2)=", "1+2=3;1+2=3;3-3=0")
        True
        """
        steps = _plan(prompt)
        whole = response.count(";") == len(steps) - 1
        return whole and self.executed(prompt, response) == "1" * len(steps)

    def executed(self, prompt: str, response: str) -> str | None:
        """Each written step carried out on the expression as the steps before it left it: 1 right, 0 wrong.

        Steps are the parts between `;`; a last part without `=` is an answer or was cut short and counts as none. A
        step is right when its left side is an operation of the expression whose operands are numbers by now, and its
        two sides are equal. Its result as written, right or wrong, takes the operation's place, so what builds on an
        error without a further one is right. Where no operation is so written, one with two of left operand, sign and
        right operand is meant (the first of several); without such a one the expression stays as it is. Of equal
        operations any may come first; the reading with the most right steps counts. Steps past the hundredth are
        wrong. None without steps.

        >>> task, prompt = Expr(), "((3+4)*2)-5="
        >>> task.executed(prompt, "3+5=8;8*2=16;16-5=9"), task.executed(prompt, "7*2=14;14-5=9"), task.executed(prompt, "9")
        ('010', '00', None)
        """
        steps, said = _plan(prompt), response.split(";")
        if "=" not in said[-1]:
            said.pop()
        if not steps or not said:
            return None
        readings: dict[_Done, str] = {(None,) * len(steps): ""}
        for text in (part if _SAID.fullmatch(part) else "" for part in said[:_MOST]):
            after: dict[_Done, str] = {}
            for done, marks in readings.items():
                for now, mark in _carried_out(prompt, done, text):
                    after[now] = max(after[now], marks + mark, key=_merit) if now in after else marks + mark
            readings = after
        return max(readings.values(), key=_merit) + "0" * len(said[_MOST:])

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """The one right answer; None when the prompt is not one of this task."""
        values = _values(_plan(prompt))
        return frozenset({str(values[-1])}) if values else None

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """All steps in a random possible order. Raises KnobError for a prompt of another task."""
        steps = self._steps(prompt)
        texts = _texts(steps, _values(steps))
        return ";".join(texts[i] for i in _random_order(steps, rng))

    def hint_text(self, prompt: str, kind: str) -> str:
        """`answer`: the value; `step`: the first step from the left.

        Raises KnobError for another kind or a prompt of another task.
        """
        if kind not in self.hints:
            raise KnobError(f"task 'expr' has no hint {kind!r}; {nearest(kind, self.hints)}")
        steps = self._steps(prompt)
        values = _values(steps)
        return _written(values[-1]) if kind == "answer" else _texts(steps, values)[0]

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """Right steps in several orders, right answers with a wrong step or none, wrong answers from one slip, some bare.

        At most n/2 are right; a slip changes the result of one step and is carried through the rest.
        Raises KnobError for a prompt of another task.
        """
        steps = self._steps(prompt)
        last = _written(_values(steps)[-1])
        sound = list(dict.fromkeys(self.write(prompt, rng) for _ in range(n // 2)))
        slips = [";".join(_texts(steps, values)) for values in _slipped(steps)]
        lucky = [last, *(text[: text.rindex("=") + 1] + last for text in slips)]
        bare = [text.rpartition("=")[2] for text in slips]
        wrong = [text for text in dict.fromkeys(slips + bare) if not self.is_right(prompt, text)]
        lucky = [text for text in dict.fromkeys(lucky) if not self.steps_right(prompt, text)]
        right = sound[: max(n // 4, 1)] + _some(lucky, n // 4, rng)
        return right + _some(wrong, n - len(right), rng)

    def _steps(self, prompt: str) -> tuple[_Step, ...]:
        steps = _plan(prompt)
        if not steps:
            raise KnobError(f"a prompt of expr looks like '(3+4)*2=', got {prompt[:40]!r}; take task.problems(...)")
        return steps


_Done = tuple[str | None, ...]  # result of each operation as it was written, None before it is done


class _Step(NamedTuple):
    """One operation. An operand is a leaf ≥ 0, or ~i for the result of step i."""

    left: int
    sign: str
    right: int

    @property
    def needs(self) -> int:
        """The steps whose results it takes, as bits."""
        return sum(1 << ~operand for operand in {self.left, self.right} if operand < 0)


@lru_cache(maxsize=8192)
def _plan(prompt: str) -> tuple[_Step, ...]:
    """Operations of a prompt, each after those it needs; empty when it is not a prompt of this task."""
    node = parse(prompt[:-1]) if prompt.endswith("=") and "/" not in prompt else None
    steps: list[_Step] = []
    if node is None:
        return ()
    _visit(node, steps)
    leaves = [operand for step in steps for operand in (step.left, step.right) if operand >= 0]
    fits = len(steps) <= _DEEPEST + _EXTRA and all(leaf <= _LARGEST for leaf in leaves)
    return tuple(steps) if fits and all(abs(value) <= _LARGEST for value in _values(steps)) else ()


def _visit(node: Node, steps: list[_Step]) -> int:
    if isinstance(node, Leaf):
        return node.number
    steps.append(_Step(_visit(node.left, steps), node.operator, _visit(node.right, steps)))
    return ~(len(steps) - 1)


def _values(steps: Sequence[_Step], slip: tuple[int, int] | None = None) -> list[int]:
    """Result of every step; `slip` = (step, wrong result) puts one error in, which the later steps carry on."""
    values: list[int] = []
    for i, (left, sign, right) in enumerate(steps):
        value = _OPERATIONS[sign](_operand(left, values), _operand(right, values))
        values.append(slip[1] if slip and slip[0] == i else value)
    return values


def _operand(operand: int, values: Sequence[int]) -> int:
    return operand if operand >= 0 else values[~operand]


def _written(value: int) -> str:
    return str(value).replace("-", "~")


def _texts(steps: Sequence[_Step], values: Sequence[int]) -> list[str]:
    operands = [(_written(_operand(s.left, values)), s.sign, _written(_operand(s.right, values))) for s in steps]
    return [f"{''.join(operand)}={_written(value)}" for operand, value in zip(operands, values, strict=True)]


@lru_cache(maxsize=16384)  # the samples of a problem write the same few steps again and again
def _carried_out(prompt: str, done: _Done, text: str) -> list[tuple[_Done, str]]:
    """What a written step makes of the expression, and whether it is right, for each operation it may stand for."""
    said = _SAID.fullmatch(text)
    if said is None:
        return [(done, "0")]
    left, sign, right, result = said.groups()
    shared = [
        0 if value is not None else _shared(step, done, left, sign, right)
        for step, value in zip(_plan(prompt), done, strict=True)
    ]
    if 3 not in shared:
        return [(_with(done, shared.index(2), result) if 2 in shared else done, "0")]
    sides = [int(operand.replace("~", "-")) for operand in (left, right)]
    mark = "1" if result == _written(_OPERATIONS[sign](*sides)) else "0"
    return [(_with(done, place, result), mark) for place, parts in enumerate(shared) if parts == 3]


def _shared(step: _Step, done: _Done, left: str, sign: str, right: str) -> int:
    """How many of left operand, sign and right operand a step shares with an operation; 0 for one that is not ready."""
    operands = [str(o) if o >= 0 else done[~o] for o in (step.left, step.right)]
    return 0 if None in operands else (operands[0] == left) + (step.sign == sign) + (operands[1] == right)


def _with(done: _Done, place: int, result: str) -> _Done:
    return (*done[:place], result, *done[place + 1 :])


def _merit(marks: str) -> tuple[int, str]:
    return marks.count("1"), marks


def _slipped(steps: Sequence[_Step]) -> list[list[int]]:
    """Values of all steps after one slip: off by one or ten, another operation, or the wrong sign."""
    truth, runs = _values(steps), []
    for i, step in enumerate(steps):
        operands = _operand(step.left, truth), _operand(step.right, truth)
        others = [operation(*operands) for operation in _OPERATIONS.values()]
        near = [truth[i] + off for off in (-1, 1, -10, 10)]
        for value in {*near, *others, -truth[i]} - {truth[i]}:
            runs.append(_values(steps, (i, value)))
    return [values for values in runs if all(abs(value) <= _LARGEST for value in values)]


def _random_order(steps: Sequence[_Step], rng: np.random.Generator) -> list[int]:
    order: list[int] = []
    done = 0
    while len(order) < len(steps):
        ready = [i for i, step in enumerate(steps) if not done >> i & 1 and step.needs & done == step.needs]
        order.append(ready[int(rng.integers(len(ready)))])
        done |= 1 << order[-1]
    return order


def _random_text(depth: int, rng: np.random.Generator) -> str:
    """An expression of exactly this depth without its outer brackets."""
    text, value = _random_side(rng, pair=False)
    extra = 0
    for level in range(1, depth + 1):
        pair = level > 1 and extra < _EXTRA and rng.random() < 0.25
        extra += pair
        inner = f"({text})" if level > 1 else text
        text, value = _joined(inner, value, pair, rng)
    return text


def _joined(inner: str, value: int, pair: bool, rng: np.random.Generator) -> tuple[str, int]:
    """Put a side to an inner expression; drawn again until the result is in range."""
    while True:
        side, side_value = _random_side(rng, pair)
        sign = "+-*"[rng.integers(3)]
        turned = rng.random() < 0.5
        left, right = (side_value, value) if turned else (value, side_value)
        result = _OPERATIONS[sign](left, right)
        if abs(result) <= _LARGEST:
            return (f"{side}{sign}{inner}" if turned else f"{inner}{sign}{side}"), result


def _random_side(rng: np.random.Generator, pair: bool) -> tuple[str, int]:
    left = int(rng.integers(1, 10))
    if not pair:
        return str(left), left
    right, sign = int(rng.integers(1, 10)), "+-*"[rng.integers(3)]
    return f"({left}{sign}{right})", _OPERATIONS[sign](left, right)


def _some(texts: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    return [texts[i] for i in rng.permutation(len(texts))[: max(n, 0)]]
