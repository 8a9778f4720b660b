"""The language of `grammar`: its rules and words, and how texts are read and drawn.

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
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from siwork.tasks.facts import zipf

_LONGEST = 2000  # characters of a text that is read at all
_WORD = re.compile(r"[A-Z][a-z]*|\.")
_STEMS = tuple(c + v for v in "aeiou" for c in "BCDFGHJKLMNPRSTVWZ")
SPELLING = {"noun": ("no", 90), "verb": ("ti", 70), "adjective": ("la", 40)}  # ending, most words
MARKS = ("That", ".")


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


class Phrase(NamedTuple):
    """What is still to be expanded, NP, R, VP or O, and the levels of depth it has left."""

    kind: str
    depth: int


Part = str | Phrase  # a part of speech or mark, or a phrase still to be expanded


class Choice(NamedTuple):
    """One rule for a phrase."""

    probability: float
    body: tuple[Part, ...]
    first: frozenset[str]  # what the body may begin with; empty for the empty body


# ── the language ───────────────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=256)
def choices_of(phrase: Phrase) -> tuple[Choice, ...]:
    """The rules that are not too deep for a phrase, their weights shared out to 1."""
    rules = [rule for rule in _RULES[phrase.kind] if rule.drop <= phrase.depth]
    whole = sum(rule.weight for rule in rules)
    choices = []
    for rule in rules:
        deeper = phrase.depth - rule.drop
        body = tuple(Phrase(part, deeper) if part in _RULES else part for part in rule.body)
        choices.append(Choice(rule.weight / whole, body, _first(body)))
    return tuple(choices)


def _first(body: tuple[Part, ...]) -> frozenset[str]:
    if not body:
        return frozenset()
    if isinstance(body[0], str):
        return frozenset({body[0]})
    return frozenset().union(*(choice.first for choice in choices_of(body[0])))


def read_beginning(
    words: int, exponent: float, parts: tuple[Part, ...], text: Iterable[str]
) -> tuple[float, tuple[Part, ...]]:
    """Log-probability that a text begins so, in nats, and the parts that must follow; (−∞, ()) if none does."""
    logp, stack, lexicon = 0.0, list(reversed(parts)), lexicon_of(words, exponent)
    for word in text:
        part, leaf = lexicon.get(word, ("", 0.0))
        while stack and isinstance(stack[-1], Phrase):
            # the choice that may begin with this part of speech, else the empty one
            choices = choices_of(stack[-1])
            choice = next((c for c in choices if part in c.first), next((c for c in choices if not c.body), None))
            if choice is None:
                return -math.inf, ()
            stack[-1:] = reversed(choice.body)
            logp += math.log(choice.probability)
        if not stack or stack.pop() != part:
            return -math.inf, ()
        logp += leaf
    return logp, tuple(reversed(stack))


def expand(
    parts: tuple[Part, ...], rng: np.random.Generator, leaf: Callable[[str, np.random.Generator], str]
) -> list[str]:
    """Draw the rest of a text from the parts that must follow."""
    words, stack = [], list(reversed(parts))
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            words.append(part if part in MARKS else leaf(part, rng))
            continue
        left = rng.random()
        for choice in choices_of(part):
            left -= choice.probability
            if left < 0:
                break
        stack.extend(reversed(choice.body))
    return words


def expected(parts: Iterable[Part], worth: Mapping[str, float], choices: bool = False) -> float:
    """Expected sum over a derivation of the worth of its leaves, and of −log p of its choices (nats) if asked."""
    total = 0.0
    for part in parts:
        if isinstance(part, str):
            total += worth.get(part, 0.0)
            continue
        for p, body, _ in choices_of(part):
            total += p * (expected(body, worth, choices) - (math.log(p) if choices else 0.0))
    return total


def longest_text(part: Part) -> int:
    """Words of the longest text that a part can become."""
    return 1 if isinstance(part, str) else max(sum(map(longest_text, choice.body)) for choice in choices_of(part))


# ── its words ──────────────────────────────────────────────────────────────────────────────────────────
def spelled_words(part: str, n: int) -> list[str]:
    """The n most frequent words of a part of speech."""
    return [stem + SPELLING[part][0] for stem in _STEMS[:n]]


@lru_cache(maxsize=32)
def leaves_of(words: int, exponent: float) -> dict[str, tuple[list[str], np.ndarray]]:
    """Words of each part of speech, most frequent first, and their probabilities."""
    verbs, adjectives = words * 7 // 20, words // 5
    number = {"noun": words - verbs - adjectives, "verb": verbs, "adjective": adjectives}
    return {part: (spelled_words(part, n), zipf(n, exponent)) for part, n in number.items()}


@lru_cache(maxsize=32)
def lexicon_of(words: int, exponent: float) -> dict[str, tuple[str, float]]:
    """Part of speech and log-probability (nats) of each word; a mark is its own part of speech."""
    known = {mark: (mark, 0.0) for mark in MARKS}
    for part, (spelled, p) in leaves_of(words, exponent).items():
        known |= {word: (part, float(q)) for word, q in zip(spelled, np.log(p), strict=True)}
    return known


def words_of(text: str) -> list[str] | None:
    """Words of a text, white space ignored; None when something in it is not a word, or it is far too long."""
    if len(text) > _LONGEST:
        return None
    text = "".join(text.split())
    words = _WORD.findall(text)
    return words if sum(map(len, words)) == len(text) else None
