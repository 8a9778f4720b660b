"""`facts`: look-ups that cannot be inferred; frequent keys are easy, rare ones are the tail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from string import ascii_lowercase, ascii_uppercase
from typing import ClassVar, NamedTuple

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.base import Item, Synthetic

_VALUE = re.compile(r"[A-Z]{2}")
_VALUES = tuple("".join(pair) for pair in product(ascii_uppercase, repeat=2))


@dataclass(frozen=True)
class Facts(Synthetic):
    """The value of a key; both are arbitrary codes, so checking needs the same knowledge as answering.

    A key is three small letters, its value two capitals; which belong together, and which key is how frequent, is
    fixed by `seed` alone. A key of rank r is drawn with probability ∝ r^−`exponent`; hardness is its rank. Held-out
    facts are facts that the base model is taught too: only the loop does not train on them. Beyond are the keys of
    rank `keys` + 1 … 2 `keys`, drawn evenly: nobody is taught them, so a right answer is luck (1 in 676).
    Source: Song et al. 2024, Mind the Gap (fact recall has no generation-verification gap).

    >>> task = Facts(keys=100)
    >>> task.rank("ups:"), task.solutions("ups:")
    (15, frozenset({'XF'}))
    >>> task.is_right("ups:", "XF"), task.is_right("ups:", "XG")
    (True, False)
    """

    name: ClassVar[str] = "facts"
    sentence: ClassVar[str] = "The value of a key that has to be known; rare keys are harder."
    hints: ClassVar[tuple[str, ...]] = ("answer",)
    memorised: ClassVar[bool] = True

    keys: int = knob(1000, "Number of keys that are taught.", low=10, high=5000)
    exponent: float = knob(1.0, "Zipf exponent of the keys' frequencies; 0 is even.", low=0, high=3)
    seed: int = knob(0, "Which codes belong together.", low=0)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Small letters of keys, capitals of values and the colon; every token is one character."""
        return (*ascii_lowercase, *ascii_uppercase, ":")

    @property
    def max_tokens(self) -> int:
        """Two letters and the end token."""
        return 3

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """A key by its frequency, or, beyond, one that is never taught."""
        rank = draw_rank(self.keys, self.exponent, rng)
        if beyond:
            rank = self.keys + int(rng.integers(self.keys)) + 1
        return self._item(rank)

    def item(self, prompt: str) -> Item | None:
        """A key that is taught, or one that `beyond` may draw. Never raises."""
        rank = self.rank(prompt)
        return None if rank is None else self._item(rank)

    def _item(self, rank: int) -> Item:
        book = _book(self.seed)
        return Item(f"{book.keys[rank - 1]}:", float(rank), book.values[rank - 1], 1)

    def rank(self, prompt: str) -> int | None:
        """Frequency rank of a prompt's key, 1 the most frequent, above `keys` if never taught; None if no key."""
        rank = _book(self.seed).ranks.get(prompt, 2 * self.keys + 1)
        return rank if rank <= 2 * self.keys else None

    def answer(self, prompt: str, response: str) -> str | None:
        """Two capitals, or None."""
        return response if _VALUE.fullmatch(response) else None

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether the response is the key's value."""
        rank = self.rank(prompt)
        return rank is not None and response == _book(self.seed).values[rank - 1]

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """The key's value; None when the prompt is no key of this task."""
        rank = self.rank(prompt)
        return None if rank is None else frozenset({_book(self.seed).values[rank - 1]})

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """The value. Raises KnobError for a prompt that is no key of this task."""
        rank = self.rank(prompt)
        if rank is None:
            raise KnobError(
                f"a prompt of {self} is one of its keys such as '{_book(self.seed).keys[0]}:', got {prompt[:40]!r}; "
                "take task.problems(...)"
            )
        return _book(self.seed).values[rank - 1]

    def hint_text(self, prompt: str, kind: str) -> str:
        """`answer`: the value. Raises KnobError for another kind, KnobError for a prompt that is no key."""
        if kind not in self.hints:
            raise KnobError(f"task 'facts' has no hint {kind!r}; {nearest(kind, self.hints)}")
        return self.write(prompt, np.random.default_rng(0))

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """The value, then values of other keys as often as those are drawn; any codes when the keys have too few.

        Raises KnobError for a prompt that is no key of this task.
        """
        values, chosen = _book(self.seed).values, dict.fromkeys([self.write(prompt, rng)])
        for _ in range(20 * n):
            if len(chosen) >= n:
                return list(chosen)
            chosen[values[draw_rank(self.keys, self.exponent, rng) - 1]] = None
        others = rng.choice(len(_VALUES), min(2 * n, len(_VALUES)), replace=False)
        return list(dict.fromkeys([*chosen, *(_VALUES[i] for i in others)]))[:n]


class _Book(NamedTuple):
    keys: tuple[str, ...]  # by rank
    values: tuple[str, ...]
    ranks: dict[str, int]  # prompt → rank from 1


@lru_cache(maxsize=8)
def _book(seed: int) -> _Book:
    """All 26³ keys in the order of a hash: the same on every machine and with every NumPy."""
    codes = ["".join(letters) for letters in product(ascii_lowercase, repeat=3)]
    digests = {code: blake2b(f"{seed}:{code}".encode(), digest_size=16).digest() for code in codes}
    keys = tuple(sorted(codes, key=digests.__getitem__))
    values = tuple(_VALUES[int.from_bytes(digests[key][8:]) % len(_VALUES)] for key in keys)
    return _Book(keys, values, {f"{key}:": rank for rank, key in enumerate(keys, 1)})


def zipf(n: int, exponent: float) -> np.ndarray:
    """Probabilities (n,) of the ranks 1 … n under Zipf's law, ∝ r^−exponent.

    >>> zipf(3, 1.0)  # 1, 1/2, 1/3 over 11/6
    array([0.54545455, 0.27272727, 0.18181818])
    """
    weight = np.arange(1, n + 1, dtype=float) ** -exponent
    return weight / weight.sum()


def draw_rank(n: int, exponent: float, rng: np.random.Generator) -> int:
    """A rank in 1 … n drawn by Zipf's law."""
    return int(np.searchsorted(_upto(n, exponent), rng.random(), side="right")) + 1


@lru_cache(maxsize=64)
def _upto(n: int, exponent: float) -> np.ndarray:
    total = np.cumsum(zipf(n, exponent))
    return total / total[-1]  # the last is exactly 1, above every rng.random()
