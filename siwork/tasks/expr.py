"""`expr`: the value of a nested expression with written steps, each of which can be executed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.arithmetic import Branch, Node, parse
from siwork.tasks.base import Item, Synthetic, in_tokens
from siwork.tasks.steps import (
    DEEPEST,
    EXTRA,
    LARGEST,
    OPERATIONS,
    SAID,
    Step,
    finished,
    merit,
    plan,
    random_order,
    readings,
    results,
    right_beginning,
    slipped_results,
    step_texts,
    written,
)

_FURTHER = 2  # levels past `depth`
_MOST = 100  # steps that are carried out, more than any response of this task can hold
_NUMBER = re.compile(r"0|~?[1-9][0-9]?")
_PROMPT = re.compile(r"[-0-9+*()]+=")
_PIECE = re.compile(r"[^;]*;|[^;]+")


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
        return (*map(str, range(LARGEST + 1)), "~", *"+-*()=;")

    @property
    def max_tokens(self) -> int:
        """Every step with three negative values is 9 tokens with its `;`; the end token stands for the last `;`."""
        return 9 * (min(self.depth + _FURTHER, DEEPEST) + EXTRA)

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """One problem, built from the inside out so that no value leaves its range."""
        low, high = (self.depth + 1, min(self.depth + _FURTHER, DEEPEST)) if beyond else (1, self.depth)
        depth = int(rng.integers(low, high + 1))
        return _item(f"{_random_text(depth, rng)}=")

    def item(self, prompt: str) -> Item | None:
        """Any expression over 0 … 99 as deep as `beyond` may be, with at most two operations beside the chain. Never raises."""
        steps = plan(prompt) if _PROMPT.fullmatch(prompt) else ()
        deep = max(_depths(steps), default=0)
        fits = 0 < deep <= min(self.depth + _FURTHER, DEEPEST) and len(steps) - deep <= EXTRA
        return _item(prompt) if fits else None

    def is_sound(self, prompt: str, response: str) -> bool:
        """As `steps_right`. Never raises."""
        return self.steps_right(prompt, response)

    def paraphrase(self, prompt: str, rng: np.random.Generator) -> str:
        """The operands of some sums and products swapped. Raises KnobError for a prompt of another task.

        >>> Expr().paraphrase("3+4=", np.random.default_rng(0))
        '4+3='
        """
        n = sum(step.sign in "+*" for step in self._steps(prompt))
        node = parse(prompt[:-1])
        single = [np.arange(n) == place for place in rng.permutation(n)]
        for swaps in (*(rng.random((4, n)) < 0.5), *single):
            made = f"{_shown(node, iter(swaps.tolist()))[1:-1]}="
            if made != prompt:
                return made
        return prompt

    def repair(self, prompt: str, response: str, rng: np.random.Generator) -> str | None:
        """The steps up to the first wrong one, then the rest anew; a response without a step is beyond repair.

        >>> Expr().repair("((3+4)*2)-5=", "3+4=7;7*2=15;15-5=10", np.random.default_rng(0))
        '3+4=7;7*2=14;14-5=9'
        """
        if self.is_right(prompt, response):
            return response
        if self.executed(prompt, response) is None:
            return None
        parts = response.split(";")[:_MOST]
        n, done = right_beginning(prompt, parts)
        return ";".join([*parts[:n], *finished(prompt, done, rng)])

    def mutate(self, prompt: str, response: str, rng: np.random.Generator) -> str:
        """The result of one step off by one or ten; without a step, as every task. Never raises."""
        parts = in_tokens(self.vocabulary, response).split(";")
        steps = [(i, said) for i, part in enumerate(parts) if (said := SAID.fullmatch(part))]
        if not steps:
            return super().mutate(prompt, response, rng)
        i, said = steps[rng.integers(len(steps))]
        value = int(said[4].replace("~", "-"))
        near = [value + off for off in (-10, -1, 1, 10) if abs(value + off) <= LARGEST] or [0]
        parts[i] = parts[i][: said.start(4)] + written(near[rng.integers(len(near))])
        return ";".join(parts)

    def pieces(self, response: str) -> tuple[str, ...]:
        """The steps, each with its `;`."""
        return tuple(_PIECE.findall(response))

    def page(self, rng: np.random.Generator) -> str:
        """Leaves, as many as the longest trained expression may have."""
        return ";".join(map(str, rng.integers(1, 10, self.depth + EXTRA + 1).tolist()))

    def answer(self, prompt: str, response: str) -> str | None:
        """The value after the last `=` of prompt and response as an integer; a bare value answers without steps."""
        last = response.rpartition("=")[2]
        return last.replace("~", "-") if _NUMBER.fullmatch(last) else None

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether the answer is the value; the steps do not count."""
        values = results(plan(prompt))
        return bool(values) and response.rpartition("=")[2] == written(values[-1])

    def steps_right(self, prompt: str, response: str) -> bool:
        """Whether the steps carry out every operation of the expression once, in a possible order, without error.

        A step must be written with the operation's operands in their order and its true result. Equal steps may stand
        for any of the equal operations, so all such readings are followed. Never raises.

        >>> Expr().steps_right("(1+2)-(1+2)=", "1+2=3;1+2=3;3-3=0")
        True
        """
        steps = plan(prompt)
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
        steps, said = plan(prompt), response.split(";")
        if "=" not in said[-1]:
            said.pop()
        if not steps or not said:
            return None
        return max(readings(prompt, said[:_MOST]).values(), key=merit) + "0" * len(said[_MOST:])

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """The one right answer; None when the prompt is not one of this task."""
        values = results(plan(prompt))
        return frozenset({str(values[-1])}) if values else None

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """All steps in a random possible order. Raises KnobError for a prompt of another task."""
        steps = self._steps(prompt)
        texts = step_texts(steps, results(steps))
        return ";".join(texts[i] for i in random_order(steps, rng))

    def hint_text(self, prompt: str, kind: str) -> str:
        """`answer`: the value; `step`: the first step from the left.

        Raises KnobError for another kind or a prompt of another task.
        """
        if kind not in self.hints:
            raise KnobError(f"task 'expr' has no hint {kind!r}; {nearest(kind, self.hints)}")
        steps = self._steps(prompt)
        values = results(steps)
        return written(values[-1]) if kind == "answer" else step_texts(steps, values)[0]

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """Right steps in several orders, right answers with a wrong step or none, wrong answers from one slip, some bare.

        At most n/2 are right; a slip changes the result of one step and is carried through the rest.
        Raises KnobError for a prompt of another task.
        """
        steps = self._steps(prompt)
        last = written(results(steps)[-1])
        sound = list(dict.fromkeys(self.write(prompt, rng) for _ in range(n // 2)))
        slips = [";".join(step_texts(steps, values)) for values in slipped_results(steps)]
        lucky = [last, *(text[: text.rindex("=") + 1] + last for text in slips)]
        bare = [text.rpartition("=")[2] for text in slips]
        wrong = [text for text in dict.fromkeys(slips + bare) if not self.is_right(prompt, text)]
        lucky = [text for text in dict.fromkeys(lucky) if not self.steps_right(prompt, text)]
        right = sound[: max(n // 4, 1)] + _some(lucky, n // 4, rng)
        return right + _some(wrong, n - len(right), rng)

    def _steps(self, prompt: str) -> tuple[Step, ...]:
        steps = plan(prompt)
        if not steps:
            raise KnobError(f"a prompt of expr looks like '(3+4)*2=', got {prompt[:40]!r}; take task.problems(...)")
        return steps


def _item(prompt: str) -> Item:
    steps = plan(prompt)
    values, depth = results(steps), max(_depths(steps))
    products = sum(step.sign == "*" for step in steps)
    long = sum(abs(value) >= 10 for value in values)
    hardness = depth + 0.1 * (len(steps) - depth) + 0.05 * products + 0.02 * long
    return Item(prompt, hardness, str(values[-1]), 1)


def _depths(steps: Sequence[Step]) -> list[int]:
    """Length of the longest chain of operations that ends in each step."""
    depths: list[int] = []
    for step in steps:
        depths.append(1 + max(depths[~operand] if operand < 0 else 0 for operand in (step.left, step.right)))
    return depths


def _shown(node: Node | None, swap: Iterator[bool]) -> str:
    """Text of an expression with brackets round every operation, the operands of a sum or product swapped where told."""
    if not isinstance(node, Branch):
        return str(node.number) if node else ""
    left, right = _shown(node.left, swap), _shown(node.right, swap)
    if node.operator in "+*" and next(swap):
        left, right = right, left
    return f"({left}{node.operator}{right})"


def _random_text(depth: int, rng: np.random.Generator) -> str:
    """An expression of exactly this depth without its outer brackets."""
    text, value = _random_side(rng, pair=False)
    extra = 0
    for level in range(1, depth + 1):
        pair = level > 1 and extra < EXTRA and rng.random() < 0.25
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
        result = OPERATIONS[sign](left, right)
        if abs(result) <= LARGEST:
            return (f"{side}{sign}{inner}" if turned else f"{inner}{sign}{side}"), result


def _random_side(rng: np.random.Generator, pair: bool) -> tuple[str, int]:
    left = int(rng.integers(1, 10))
    if not pair:
        return str(left), left
    right, sign = int(rng.integers(1, 10)), "+-*"[rng.integers(3)]
    return f"({left}{sign}{right})", OPERATIONS[sign](left, right)


def _some(texts: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    return [texts[i] for i in rng.permutation(len(texts))[: max(n, 0)]]
