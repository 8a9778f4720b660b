"""`grammar`: text from a known probabilistic grammar with Zipf leaves; entropy, probability and tail mass are exact.

    text → NP VP .            NP → noun R | adjective noun R        R → ε | That VP
                              VP → verb O                           O → ε | NP | That NP VP

Every nesting uses up depth, so the language is finite. The grammar is LL(1): the next word decides the rule, hence each
text has one derivation, its probability is the product of that derivation's choices, and the probability that a text
*begins* with some words is the product of the choices made so far.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from siwork.schema import KnobError, knob
from siwork.tasks.base import Item, Synthetic
from siwork.tasks.facts import draw_rank, zipf

_LONGEST = 2000  # characters of a text that is read at all
_WORD = re.compile(r"[A-Z][a-z]*|\.")
_STEMS = tuple(c + v for v in "aeiou" for c in "BCDFGHJKLMNPRSTVWZ")
_SPELLING = {"noun": ("no", 90), "verb": ("ti", 70), "adjective": ("la", 40)}  # ending, most words
_MARKS = ("That", ".")


class _Rule(NamedTuple):
    weight: float  # probability, shared out anew when other rules are too deep
    drop: int  # levels of depth that the rule uses up
    body: tuple[str, ...]


_RULES = {
    "NP": (_Rule(0.7, 0, ("noun", "R")), _Rule(0.3, 0, ("adjective", "noun", "R"))),
    "R": (_Rule(0.75, 0, ()), _Rule(0.25, 1, ("That", "VP"))),
    "VP": (_Rule(1.0, 0, ("verb", "O")),),
    "O": (_Rule(0.4, 0, ()), _Rule(0.45, 1, ("NP",)), _Rule(0.15, 2, ("That", "NP", "VP"))),
}


class _Phrase(NamedTuple):
    kind: str
    depth: int


_Part = str | _Phrase  # a part of speech or mark, or a phrase still to be expanded


class _Choice(NamedTuple):
    probability: float
    body: tuple[_Part, ...]
    first: frozenset[str]  # what the body may begin with; empty for the empty body


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
        return (*(word for part, (_, most) in _SPELLING.items() for word in _spelled(part, most)), *_MARKS)

    @property
    def max_tokens(self) -> int:
        """The longest text but for the two words of its prompt, and the end token."""
        return sum(map(_longest, self._text)) - 2 + 1

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """The first two words of a random text, or, beyond, three rare words."""
        prompt = self._rare_beginning(rng) if beyond else _expand(self._text, rng, self._frequent)[:2]
        surprise = -_read(self.words, self.exponent, self._text, prompt)[0]
        return Item("".join(prompt), surprise, None, None)

    def answer(self, prompt: str, response: str) -> str | None:
        """The response without white space; None when something in it is not a token."""
        words = _split(response)
        return None if words is None or not set(words) <= _lexicon(200, 1.0).keys() else "".join(words)

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
        worth = {part: float(-p @ np.log(p)) for part, (_, p) in _leaves(self.words, self.exponent).items()}
        return _mean(self._text, worth, choices=True)

    def tail_mass(self, rank: int) -> float:
        """Share of the words (marks aside) whose rank within their part of speech is beyond `rank`.

        Expected number of such words in a text over the expected number of words. Raises KnobError for a rank < 0.
        """
        if rank < 0:
            raise KnobError(f"rank must be at least 0, got {rank}; 0 gives the mass of all words, 1")
        beyond = {part: float(p[rank:].sum()) for part, (_, p) in _leaves(self.words, self.exponent).items()}
        return _mean(self._text, beyond) / _mean(self._text, dict.fromkeys(_SPELLING, 1.0))

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """A continuation drawn from the grammar; the empty prompt gives a whole text.

        Raises KnobError when no text begins with the prompt.
        """
        logp, rest = self._begin(prompt)
        if logp == -math.inf:
            raise KnobError(
                f"a prompt of {self} begins a text, such as 'BanoBati', got {prompt[:40]!r}; take task.problems(...)"
            )
        return "".join(_expand(rest, rng, self._frequent))

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
            broken = "".join(self._broken(_split(response) or ["."], rng))
            if len(wrong) < most[1] and not self.is_right(prompt, broken):
                wrong[broken] = None
        return [*right, *wrong]

    @property
    def _text(self) -> tuple[_Part, ...]:
        return (_Phrase("NP", self.depth - 1), _Phrase("VP", self.depth - 1), ".")

    def _begin(self, text: str) -> tuple[float, tuple[_Part, ...]]:
        words = _split(text)
        return (-math.inf, ()) if words is None else _read(self.words, self.exponent, self._text, words)

    def _frequent(self, part: str, rng: np.random.Generator) -> str:
        words, _ = _leaves(self.words, self.exponent)[part]
        return words[draw_rank(len(words), self.exponent, rng) - 1]

    def _rare(self, part: str, rng: np.random.Generator) -> str:
        words, _ = _leaves(self.words, self.exponent)[part]
        return words[int(rng.integers(len(words) // 2, len(words)))]

    def _rare_beginning(self, rng: np.random.Generator) -> list[str]:
        while True:
            words = _expand(self._text, rng, self._rare)[:3]
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
            part = tuple(_SPELLING)[int(rng.integers(len(_SPELLING)))]
            return [*words[:i], self._frequent(part, rng), *words[i + 1 :]]
        return words[:i]


# ── the language ───────────────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=256)
def _choices(phrase: _Phrase) -> tuple[_Choice, ...]:
    """The rules that are not too deep for a phrase, their weights shared out to 1."""
    rules = [rule for rule in _RULES[phrase.kind] if rule.drop <= phrase.depth]
    whole = sum(rule.weight for rule in rules)
    choices = []
    for rule in rules:
        deeper = phrase.depth - rule.drop
        body = tuple(_Phrase(part, deeper) if part in _RULES else part for part in rule.body)
        choices.append(_Choice(rule.weight / whole, body, _first(body)))
    return tuple(choices)


def _first(body: tuple[_Part, ...]) -> frozenset[str]:
    if not body:
        return frozenset()
    if isinstance(body[0], str):
        return frozenset({body[0]})
    return frozenset().union(*(choice.first for choice in _choices(body[0])))


def _read(
    words: int, exponent: float, parts: tuple[_Part, ...], text: Iterable[str]
) -> tuple[float, tuple[_Part, ...]]:
    """Log-probability that a text begins so, in nats, and the parts that must follow; (−∞, ()) if none does."""
    logp, stack, lexicon = 0.0, list(reversed(parts)), _lexicon(words, exponent)
    for word in text:
        part, leaf = lexicon.get(word, ("", 0.0))
        while stack and isinstance(stack[-1], _Phrase):
            # the choice that may begin with this part of speech, else the empty one
            choices = _choices(stack[-1])
            choice = next((c for c in choices if part in c.first), next((c for c in choices if not c.body), None))
            if choice is None:
                return -math.inf, ()
            stack[-1:] = reversed(choice.body)
            logp += math.log(choice.probability)
        if not stack or stack.pop() != part:
            return -math.inf, ()
        logp += leaf
    return logp, tuple(reversed(stack))


def _expand(
    parts: tuple[_Part, ...], rng: np.random.Generator, leaf: Callable[[str, np.random.Generator], str]
) -> list[str]:
    """Draw the rest of a text from the parts that must follow."""
    words, stack = [], list(reversed(parts))
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            words.append(part if part in _MARKS else leaf(part, rng))
            continue
        left = rng.random()
        for choice in _choices(part):
            left -= choice.probability
            if left < 0:
                break
        stack.extend(reversed(choice.body))
    return words


def _mean(parts: Iterable[_Part], worth: Mapping[str, float], choices: bool = False) -> float:
    """Expected sum over a derivation of the worth of its leaves, and of −log p of its choices (nats) if asked."""
    total = 0.0
    for part in parts:
        if isinstance(part, str):
            total += worth.get(part, 0.0)
            continue
        for p, body, _ in _choices(part):
            total += p * (_mean(body, worth, choices) - (math.log(p) if choices else 0.0))
    return total


def _longest(part: _Part) -> int:
    return 1 if isinstance(part, str) else max(sum(map(_longest, choice.body)) for choice in _choices(part))


# ── its words ──────────────────────────────────────────────────────────────────────────────────────────
def _spelled(part: str, n: int) -> list[str]:
    return [stem + _SPELLING[part][0] for stem in _STEMS[:n]]


@lru_cache(maxsize=32)
def _leaves(words: int, exponent: float) -> dict[str, tuple[list[str], np.ndarray]]:
    """Words of each part of speech, most frequent first, and their probabilities."""
    verbs, adjectives = words * 7 // 20, words // 5
    number = {"noun": words - verbs - adjectives, "verb": verbs, "adjective": adjectives}
    return {part: (_spelled(part, n), zipf(n, exponent)) for part, n in number.items()}


@lru_cache(maxsize=32)
def _lexicon(words: int, exponent: float) -> dict[str, tuple[str, float]]:
    """Part of speech and log-probability (nats) of each word; a mark is its own part of speech."""
    known = {mark: (mark, 0.0) for mark in _MARKS}
    for part, (spelled, p) in _leaves(words, exponent).items():
        known |= {word: (part, float(q)) for word, q in zip(spelled, np.log(p), strict=True)}
    return known


def _split(text: str) -> list[str] | None:
    """Words of a text, white space ignored; None when something in it is not a word, or it is far too long."""
    if len(text) > _LONGEST:
        return None
    text = "".join(text.split())
    words = _WORD.findall(text)
    return words if sum(map(len, words)) == len(text) else None
