"""`grammar`: text from a known probabilistic grammar with Zipf leaves; entropy, probability and tail mass are exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from siwork.schema import KnobError, knob
from siwork.tasks.base import Item, Synthetic, in_tokens
from siwork.tasks.facts import draw_rank
from siwork.tasks.language import (
    MARKS,
    SPELLING,
    Part,
    Phrase,
    expand,
    expected,
    leaves_of,
    lexicon_of,
    longest_text,
    read_beginning,
    spelled_words,
    words_of,
)

_READ = 1000  # characters of a response that is changed or repaired


@dataclass(frozen=True)
class Grammar(Synthetic):
    """Continue a text of a small language, e.g. `BanoThatCati` + `DatiLano.`; any text of the language is right.

    Leaves are `words` words (45 % nouns, 35 % verbs, 20 % adjectives), drawn within each part of speech by Zipf's law.
    The prompt is the first two words of a text drawn from the grammar; hardness is minus the log-probability of that
    beginning, so rare beginnings are the tail. Beyond prompts are three words long, their words drawn evenly from the
    rarer half of each part of speech. There is no single right answer, so `problems` has none.

    >>> task = Grammar(words=20, depth=1)
    >>> task.is_right("BanoCati", "."), task.is_right("BanoCati", "Dano.")
    (True, False)
    >>> print(f"{task.entropy():.3f} {task.tail_mass(3):.3f}")
    4.602 0.296
    """

    name: ClassVar[str] = "grammar"
    sentence: ClassVar[str] = "Continue a text of a known language; rare beginnings are harder."

    words: int = knob(200, "Leaves of the grammar, all parts of speech together.", low=20, high=200)
    exponent: float = knob(1.0, "Zipf exponent of the words' frequencies; 0 is even.", low=0, high=3)
    depth: int = knob(4, "Levels of nesting; bounds the length of a text.", low=1, high=6)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All 200 words and the two marks, whatever `words` is; a capital begins a token, so none runs into the next."""
        return (*(word for part, (_, most) in SPELLING.items() for word in spelled_words(part, most)), *MARKS)

    @property
    def max_tokens(self) -> int:
        """The longest text but for the two words of its prompt, and the end token."""
        return sum(map(longest_text, self._text)) - 2 + 1

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """The first two words of a random text, or, beyond, three rare words."""
        prompt = self._rare_beginning(rng) if beyond else expand(self._text, rng, self._frequent)[:2]
        return self._item("".join(prompt))

    def item(self, prompt: str) -> Item | None:
        """Any two or more words that begin a text and do not end it. Never raises."""
        words = words_of(prompt) or []
        whole = len(words) >= 2 and "".join(words) == prompt
        return self._item(prompt) if whole and self._begin(prompt)[1] else None

    def _item(self, prompt: str) -> Item:
        return Item(prompt, -self._begin(prompt)[0], None, None)

    def is_sound(self, prompt: str, response: str) -> bool:
        """The check itself, which parses. Never raises."""
        return self.is_right(prompt, response)

    def repair(self, prompt: str, response: str, rng: np.random.Generator) -> str | None:
        """The longest beginning that is in the language, then a continuation drawn from it. Never raises.

        None for a prompt that begins no text.
        """
        if self._begin(prompt)[0] == -math.inf:
            return None
        if self.is_right(prompt, response):
            return response
        kept = ""
        for word in self._words(response):
            if self._begin(prompt + kept + word)[0] == -math.inf:
                break
            kept += word
        return kept + self.write(prompt + kept, rng)

    def mutate(self, prompt: str, response: str, rng: np.random.Generator) -> str:
        """A word lost, doubled, swapped or changed, or it and what follows cut off. Never raises, whatever the text."""
        words = self._words(response)
        for _ in range(20 if 0 < len(words) < self.max_tokens - 1 else 0):
            made = "".join(self._broken(words, rng))
            if made and made != response:
                return made
        return super().mutate(prompt, response, rng)

    def page(self, rng: np.random.Generator) -> str:
        """A whole text of the language."""
        return self.write("", rng)

    def answer(self, prompt: str, response: str) -> str | None:
        """The response without white space; None when something in it is not a token."""
        words = words_of(response)
        return None if words is None or not set(words) <= lexicon_of(200, 1.0).keys() else "".join(words)

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether prompt and response together are a text of the language."""
        return self.log_probability(prompt + response) > -math.inf

    def log_probability(self, text: str) -> float:
        """Log-probability of a whole text in nats, −∞ if it is not in the language."""
        logp, rest = self._begin(text)
        return -math.inf if rest else logp

    def log_probability_given(self, prompt: str, response: str) -> float:
        """Log-probability of a response after its prompt in nats, −∞ if wrong, NaN if no text begins with the prompt."""
        before, _ = self._begin(prompt)
        return math.nan if before == -math.inf else self.log_probability(prompt + response) - before

    def entropy(self) -> float:
        """Entropy of a text in nats, exact: the expected information of the choices in its derivation."""
        worth = {part: float(-p @ np.log(p)) for part, (_, p) in leaves_of(self.words, self.exponent).items()}
        return expected(self._text, worth, choices=True)

    def tail_mass(self, rank: int) -> float:
        """Share of the words (marks aside) whose rank within their part of speech is beyond `rank`.

        Expected number of such words in a text over the expected number of words. Raises KnobError for a rank < 0.
        """
        if rank < 0:
            raise KnobError(f"rank must be at least 0, got {rank}; 0 gives the mass of all words, 1")
        beyond = {part: float(p[rank:].sum()) for part, (_, p) in leaves_of(self.words, self.exponent).items()}
        return expected(self._text, beyond) / expected(self._text, dict.fromkeys(SPELLING, 1.0))

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """A continuation drawn from the grammar; the empty prompt gives a whole text.

        Raises KnobError when no text begins with the prompt.
        """
        logp, rest = self._begin(prompt)
        if logp == -math.inf:
            raise KnobError(
                f"a prompt of {self} begins a text, such as 'BanoBati', got {prompt[:40]!r}; take task.problems(...)"
            )
        return "".join(expand(rest, rng, self._frequent))

    def hint_text(self, prompt: str, kind: str) -> str:
        """Raises KnobError: a task without a single right answer has no hints."""
        raise KnobError(f"task 'grammar' has no hint {kind!r}; any continuation in the language is right")

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """Continuations drawn from the grammar, then broken ones: a word lost, doubled, swapped, changed, or no end.

        Raises KnobError when no text begins with the prompt.
        """
        right: dict[str, None] = {}
        wrong: dict[str, None] = {}
        most = n // 2, n - n // 2
        for _ in range(5 * n):
            if len(right) == most[0] and len(wrong) == most[1]:
                break
            response = self.write(prompt, rng)
            if len(right) < most[0]:
                right[response] = None
            broken = "".join(self._broken(words_of(response) or ["."], rng))
            if len(wrong) < most[1] and not self.is_right(prompt, broken):
                wrong[broken] = None
        return [*right, *wrong]

    def _words(self, response: str) -> list[str]:
        return words_of(in_tokens(self.vocabulary, response[:_READ])) or []

    @property
    def _text(self) -> tuple[Part, ...]:
        return (Phrase("NP", self.depth - 1), Phrase("VP", self.depth - 1), ".")

    def _begin(self, text: str) -> tuple[float, tuple[Part, ...]]:
        words = words_of(text)
        return (-math.inf, ()) if words is None else read_beginning(self.words, self.exponent, self._text, words)

    def _frequent(self, part: str, rng: np.random.Generator) -> str:
        words, _ = leaves_of(self.words, self.exponent)[part]
        return words[draw_rank(len(words), self.exponent, rng) - 1]

    def _rare(self, part: str, rng: np.random.Generator) -> str:
        words, _ = leaves_of(self.words, self.exponent)[part]
        return words[int(rng.integers(len(words) // 2, len(words)))]

    def _rare_beginning(self, rng: np.random.Generator) -> list[str]:
        while True:
            words = expand(self._text, rng, self._rare)[:3]
            if words[-1] != ".":
                return words

    def _broken(self, words: list[str], rng: np.random.Generator) -> list[str]:
        i, j, how = (int(rng.integers(high)) for high in (len(words), len(words), 5))
        if how == 0:
            return words[:i] + words[i + 1 :]
        if how == 1:
            return words[: i + 1] + words[i:]
        if how == 2:
            return [words[{i: j, j: i}.get(place, place)] for place in range(len(words))]
        if how == 3:
            part = tuple(SPELLING)[int(rng.integers(len(SPELLING)))]
            return [*words[:i], self._frequent(part, rng), *words[i + 1 :]]
        return words[:i]
