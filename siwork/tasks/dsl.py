"""`dsl`: a programme of list primitives from examples of what it does; programmes are run step by step, never evaluated."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import ClassVar, TypeAlias

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.base import Item, Synthetic

_LONGEST, _SHORTEST = 6, 3  # digits of a list that is read, fewest of an input that is drawn
_FEWEST, _MOST = 2, 3  # pairs of a prompt
_PROMPT = re.compile(rf"(?:[0-9]{{1,{_LONGEST}}}:[0-9]{{1,{_LONGEST}}};){{{_FEWEST},{_MOST}}}")
_PIECE = re.compile(r"[A-Z][^A-Z]*|[^A-Z]+")

List: TypeAlias = tuple[int, ...]  # digits 0 … 9
Programme: TypeAlias = tuple[str, ...]  # names of primitives

PRIMITIVES: dict[str, Callable[[List], List]] = {
    "Sort": lambda xs: tuple(sorted(xs)),
    "Rev": lambda xs: xs[::-1],
    "Tail": lambda xs: xs[1:],
    "Inc": lambda xs: tuple((x + 1) % 10 for x in xs),
    "Dbl": lambda xs: tuple(2 * x % 10 for x in xs),
    "Uniq": lambda xs: tuple(dict.fromkeys(xs)),
    "Sum": lambda xs: tuple(total % 10 for total in accumulate(xs)),
}
_WORD = re.compile("|".join(PRIMITIVES))


@dataclass(frozen=True)
class Dsl(Synthetic):
    """A programme that turns each list into the one beside it: `413:425;27:83=` → `RevInc`.

    Lists are digits. A programme is 1 … `length` + 1 primitives, done from left to right: `Sort` ascending, `Rev`
    reverse, `Tail` drop the first, `Inc` add 1 and `Dbl` double, both modulo 10, `Uniq` keep the first of equals, `Sum`
    running sums modulo 10. No list grows. Any programme that gives all outputs shown is right, so there may be many; all
    are enumerated. Problems are made by random programmes of 1 … `length` primitives (beyond: `length` + 1) on 2 or 3
    random lists, and kept when no shorter programme is right.

    hardness = primitives of the shortest right programme + 1 / (1 + right programmes).

    >>> task, prompt = Dsl(length=1), "413:425;27:83="
    >>> sorted(task.solutions(prompt))
    ['IncRev', 'RevInc']
    >>> task.is_right(prompt, "IncRev"), task.relabel(prompt, "Sort")
    (True, '413:134;27:27=')
    """

    name: ClassVar[str] = "dsl"
    sentence: ClassVar[str] = "A programme of list primitives from examples of what it does; all right ones are known."
    hints: ClassVar[tuple[str, ...]] = ("answer", "step")

    length: int = knob(2, "Longest programme that is trained on.", low=1, high=3, unit="primitives")

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Digits, marks, and a word for each primitive; a capital begins a word."""
        return (*"0123456789", ":", ";", "=", *PRIMITIVES)

    @property
    def max_tokens(self) -> int:
        """The longest programme and the end token."""
        return self._most + 1

    @property
    def _most(self) -> int:
        return self.length + 1

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """A random programme's work on random lists, drawn again while a shorter programme does the same."""
        length = self._most if beyond else int(rng.integers(1, self.length + 1))
        names = tuple(PRIMITIVES)
        while True:
            programme = tuple(names[i] for i in rng.integers(len(names), size=length))
            inputs = [_random_list(rng) for _ in range(int(rng.integers(_FEWEST, _MOST + 1)))]
            prompt = _asked(inputs, [run(programme, values) for values in inputs])
            if len(set(inputs)) == len(inputs) and _read(prompt) and len(self._solved(prompt)[0]) == length:
                return self._item(prompt)

    def item(self, prompt: str) -> Item | None:
        """Any two or three pairs of lists of at most six digits, where a programme is right. Never raises."""
        return self._item(prompt) if self.solutions(prompt) else None

    def _item(self, prompt: str) -> Item:
        programmes = self._solved(prompt)
        hardness = len(programmes[0]) + 1 / (1 + len(programmes))
        return Item(prompt, hardness, "".join(programmes[0]), len(programmes))

    def answer(self, prompt: str, response: str) -> str | None:
        """The programme, right or wrong; None for anything but 1 … `length` + 1 primitives."""
        return response if self._programme(response) else None

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether the programme gives every output shown."""
        pairs, programme = _read(prompt), self._programme(response)
        return bool(pairs and programme) and all(run(programme, values) == wanted for values, wanted in pairs)

    def is_sound(self, prompt: str, response: str) -> bool:
        """The check itself, which runs the programme. Never raises."""
        return self.is_right(prompt, response)

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """All right programmes; None when the prompt is not one of this task."""
        pairs = _read(prompt)
        return frozenset(map("".join, _solutions(pairs, self._most))) if pairs else None

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """One of the shortest right programmes. Raises KnobError when the prompt has none."""
        programmes = self._solved(prompt)
        shortest = [programme for programme in programmes if len(programme) == len(programmes[0])]
        return "".join(shortest[rng.integers(len(shortest))])

    def hint_text(self, prompt: str, kind: str) -> str:
        """`answer`: the first of the shortest right programmes; `step`: its first primitive.

        Raises KnobError for another kind, or when the prompt has no right programme.
        """
        if kind not in self.hints:
            raise KnobError(f"task 'dsl' has no hint {kind!r}; {nearest(kind, self.hints)}")
        programme = self._solved(prompt)[0]
        return "".join(programme if kind == "answer" else programme[:1])

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """Right programmes, the shortest first, then wrong ones: half of them one change away from a right one.

        At most n/2 are right. Raises KnobError when the prompt has no right programme.
        """
        right = ["".join(programme) for programme in self._solved(prompt)[: max(n // 2, 1)]]
        found = dict.fromkeys(right)
        for i in range(20 * n):
            if len(found) >= n:
                break
            text = self.mutate(prompt, right[rng.integers(len(right))], rng) if i % 2 else self._any(rng)
            if not self.is_right(prompt, text):
                found[text] = None
        return list(found)

    def paraphrase(self, prompt: str, rng: np.random.Generator) -> str:
        """The pairs in another order. Raises KnobError for a prompt of another task."""
        pairs = self._pairs(prompt)
        new = pairs
        while new == pairs and len(set(pairs)) > 1:
            new = tuple(pairs[i] for i in rng.permutation(len(pairs)))
        return _asked(*zip(*new, strict=True))

    def relabel(self, prompt: str, response: str) -> str | None:
        """The same inputs with the outputs that the programme really gives, where none of them is empty."""
        pairs, programme = _read(prompt), self._programme(response)
        if not pairs or not programme:
            return None
        inputs = [values for values, _ in pairs]
        made = _asked(inputs, [run(programme, values) for values in inputs])
        return made if made != prompt and _read(made) else None

    def repair(self, prompt: str, response: str, rng: np.random.Generator) -> str | None:
        """A right programme by as few primitives put in, taken out or exchanged as can be; None for no programme."""
        programme, right = self._programme(response), self.solutions(prompt)
        if not programme or not right:
            return None
        away = {text: _distance(programme, _words(text)) for text in sorted(right)}
        near = [text for text, distance in away.items() if distance == min(away.values())]
        return near[rng.integers(len(near))]

    def mutate(self, prompt: str, response: str, rng: np.random.Generator) -> str:
        """One primitive exchanged, put in, or taken out of several; other text is left out. Never raises."""
        words = _words(response)
        how = int(rng.integers(3)) if words else 1
        spot, name = int(rng.integers(len(words) + (how == 1))), list(PRIMITIVES)[rng.integers(len(PRIMITIVES))]
        if how == 1 and len(words) < self._most:
            return "".join([*words[:spot], name, *words[spot:]])
        if how == 2 and len(words) > 1:
            return "".join([*words[:spot], *words[spot + 1 :]])
        spot = min(spot, len(words) - 1)
        others = [other for other in PRIMITIVES if other != words[spot]]
        return "".join([*words[:spot], others[rng.integers(len(others))], *words[spot + 1 :]])

    def pieces(self, response: str) -> tuple[str, ...]:
        """The primitives."""
        return tuple(_PIECE.findall(response))

    def page(self, rng: np.random.Generator) -> str:
        """Six lists."""
        return ";".join("".join(map(str, _random_list(rng))) for _ in range(6))

    def _any(self, rng: np.random.Generator) -> str:
        names = tuple(PRIMITIVES)
        return "".join(names[i] for i in rng.integers(len(names), size=int(rng.integers(1, self._most + 1))))

    def _programme(self, text: str) -> Programme:
        """The primitives of a programme, none for other text."""
        words = _words(text) if len(text) <= 4 * self._most else ()
        return words if len(words) <= self._most and "".join(words) == text else ()

    def _pairs(self, prompt: str) -> _Pairs:
        pairs = _read(prompt)
        if not pairs:
            raise KnobError(
                f"a prompt of dsl looks like '413:314;27:72=', got {prompt[:40]!r}; take task.problems(...)"
            )
        return pairs

    def _solved(self, prompt: str) -> tuple[Programme, ...]:
        programmes = _solutions(self._pairs(prompt), self._most)
        if not programmes:
            raise KnobError(f"no programme of {self} fits {prompt!r}; `problems` draws prompts that have one")
        return programmes


def run(programme: Sequence[str], values: List) -> List:
    """What a programme makes of a list; as long as the programme, since no primitive makes a list longer.

    Raises KnobError for a name that is no primitive.

    >>> run(("Rev", "Inc"), (1, 2, 9))
    (0, 3, 2)
    """
    for name in programme:
        if name not in PRIMITIVES:
            raise KnobError(f"no primitive is called {name!r}; {nearest(name, PRIMITIVES)}")
        values = _done(name, values)
    return values


_Pairs: TypeAlias = tuple[tuple[List, List], ...]


@lru_cache(maxsize=200_000)
def _done(name: str, values: List) -> List:
    return PRIMITIVES[name](values)


@lru_cache(maxsize=8192)
def _read(prompt: str) -> _Pairs:
    """Inputs and outputs of a prompt, none for other text."""
    body = f"{prompt[:-1]};"
    if not prompt.endswith("=") or not _PROMPT.fullmatch(body):
        return ()
    sides = [pair.split(":") for pair in body[:-1].split(";")]
    return tuple((tuple(map(int, left)), tuple(map(int, right))) for left, right in sides)


def _asked(inputs: Sequence[List], outputs: Sequence[List]) -> str:
    pairs = zip(inputs, outputs, strict=True)
    return f"{';'.join(''.join(map(str, values)) + ':' + ''.join(map(str, wanted)) for values, wanted in pairs)}="


def _words(text: str) -> Programme:
    return tuple(_WORD.findall(text))


def _random_list(rng: np.random.Generator) -> List:
    return tuple(rng.integers(0, 10, int(rng.integers(_SHORTEST, _LONGEST))).tolist())


def _distance(one: Programme, other: Programme) -> int:
    """Fewest primitives to put in, take out or exchange (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, name in enumerate(one, 1):
        above, row = row, [i]
        for j, wanted in enumerate(other):
            row.append(min(above[j] + (name != wanted), above[j + 1] + 1, row[j] + 1))
    return row[-1]


@lru_cache(maxsize=8192)
def _solutions(pairs: _Pairs, most: int) -> tuple[Programme, ...]:
    """All programmes of at most that many primitives that give the outputs; the shortest first, then by name."""
    states: dict[tuple[List, ...], list[Programme]] = {tuple(values for values, _ in pairs): [()]}
    wanted = tuple(output for _, output in pairs)
    found: list[Programme] = []
    for length in range(most):
        if length:
            states = _further(states)
        ends = [(name, programmes) for state, programmes in states.items() for name in _leading(state, wanted)]
        found += sorted((*programme, name) for name, programmes in ends for programme in programmes)
    return tuple(found)


def _further(states: dict[tuple[List, ...], list[Programme]]) -> dict[tuple[List, ...], list[Programme]]:
    """What one primitive more makes of the lists, and by which programmes; equal lists go on as one."""
    after: defaultdict[tuple[List, ...], list[Programme]] = defaultdict(list)
    for state, programmes in states.items():
        for name in PRIMITIVES:
            after[tuple(_done(name, values) for values in state)] += [(*programme, name) for programme in programmes]
    return after


def _leading(state: tuple[List, ...], wanted: tuple[List, ...]) -> list[str]:
    """Primitives that lead from the lists to those wanted."""
    first = [name for name in PRIMITIVES if _done(name, state[0]) == wanted[0]]
    return [name for name in first if all(_done(name, xs) == ys for xs, ys in zip(state, wanted, strict=True))]
