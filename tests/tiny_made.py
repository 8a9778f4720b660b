"""A toy task and small policies for the tests of the tiny transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from siwork.policies.tiny import Shape, TinyPolicy
from siwork.schema import knob
from siwork.tasks.base import Item, Synthetic

SMALL = Shape(width=16, layers=2, heads=2, hidden=24)
LETTERS = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Reverse(Synthetic):
    """Digits backwards: `123=` → `321`."""

    name: ClassVar[str] = "reverse"
    sentence: ClassVar[str] = "Digits backwards."
    hints: ClassVar[tuple[str, ...]] = ("answer", "first")

    digits: int = knob(3, "Most digits.", low=1, high=9)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return (*"0123456789", "=")

    @property
    def max_tokens(self) -> int:
        return self.digits + 2  # one more digit beyond, and the end

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        n = self.digits + 1 if beyond else int(rng.integers(1, self.digits + 1))
        text = "".join(map(str, rng.integers(0, 10, n)))
        return Item(f"{text}=", float(n), text[::-1], 1)

    def answer(self, prompt: str, response: str) -> str | None:
        return response if response.isdigit() else None

    def is_right(self, prompt: str, response: str) -> bool:
        return prompt.partition("=")[0] == response[::-1]

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        return prompt.partition("=")[0][::-1]

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        return [self.write(prompt, rng), "0"]

    def hint_text(self, prompt: str, kind: str) -> str:
        right = prompt.partition("=")[0][::-1]
        return right if kind == "answer" else right[0]


@dataclass(frozen=True)
class Learnt(Reverse):
    """The same, to be memorised."""

    name: ClassVar[str] = "learnt"
    memorised: ClassVar[bool] = True


def small(seed: int = 0, vocabulary: tuple[str, ...] = LETTERS, max_new: int = 7, shape: Shape = SMALL) -> TinyPolicy:
    """A policy with fresh weights, less even than `create` leaves them, so that mistakes show."""
    policy = TinyPolicy.create(vocabulary, max_new, shape, seed)
    policy.network.head.data.mul_(4)
    return policy


def streams(n: int, k: int, seed: int = 0) -> np.ndarray:
    """Different streams for n × k completions."""
    return np.random.default_rng(seed).integers(0, 2**64, size=(n, k), dtype=np.uint64)
