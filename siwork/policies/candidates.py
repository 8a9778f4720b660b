"""Problems and their candidate responses as padded arrays: what is true of them, whatever the policy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.policies.base import Texts
from siwork.policies.chance import key_of
from siwork.policies.texts import arrow
from siwork.schema import KnobError
from siwork.tasks import Synthetic

STYLES = 8
_DIGITS = re.compile(r"\d+")


class Facts(NamedTuple):
    """The m candidates of one problem; `listed` of them come from the task, the others from training data."""

    key: int  # 64 bits of the prompt
    texts: tuple[str, ...]
    answers: tuple[str | None, ...]  # canonical
    right: np.ndarray  # (m,) bool
    group: np.ndarray  # (m,) int, first candidate with the same answer; -1 where no answer can be read
    style: np.ndarray  # (m,) int, 0 … STYLES - 1
    length: np.ndarray  # (m,) int, characters and the end
    listed: int


class Resolved(NamedTuple):
    """Rows of (prompt, response) as numbers of a table."""

    prompts: list[str]  # (u,) different prompts, hint included
    code: np.ndarray  # (n,) int, which of the different prompts
    column: np.ndarray  # (n,) int, which candidate; -1 for a response that is none


@dataclass(frozen=True, eq=False)
class Table:
    """The problems known so far, one padded row each (P, M). Never changed in place, so copies may share it."""

    task: Synthetic
    n: int  # candidates asked of the task
    facts: tuple[Facts, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)  # prompt → row

    def seen(self, prompts: Iterable[str]) -> Table:
        """A table that also knows `prompts`; itself when it does already."""
        fresh = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.rows]
        if not fresh:
            return self
        facts = tuple(facts_of(self.task, prompt, self.n) for prompt in fresh)
        numbered = zip(fresh, range(len(self.facts), len(self.facts) + len(fresh)), strict=True)
        return replace(self, facts=self.facts + facts, rows={**self.rows, **dict(numbered)})

    def grown(self, texts: Mapping[str, Sequence[str]]) -> Table:
        """A table where the known prompts in `texts` have those further candidates."""
        facts = list(self.facts)
        for prompt, further in texts.items():
            old = facts[self.rows[prompt]]
            union = tuple(dict.fromkeys((*old.texts, *further)))
            facts[self.rows[prompt]] = _judged(self.task, prompt, union, old.listed)
        return replace(self, facts=tuple(facts))

    @cached_property
    def live(self) -> np.ndarray:
        """Places that hold a candidate, (P, M) bool."""
        count = np.array([len(facts.texts) for facts in self.facts], int)
        return np.arange(count.max(initial=0)) < count[:, None]

    @cached_property
    def listed(self) -> np.ndarray:
        """Places that hold a candidate of the task's own list, (P, M) bool."""
        return np.arange(self.live.shape[1]) < np.array([facts.listed for facts in self.facts], int)[:, None]

    @cached_property
    def key(self) -> np.ndarray:
        """64 bits of each prompt, (P,)."""
        return np.array([facts.key for facts in self.facts], np.uint64)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each candidate is right, (P, M)."""
        return self._padded("right", bool)

    @cached_property
    def group(self) -> np.ndarray:
        """First candidate with the same answer, (P, M); -1 where none can be read, 0 at empty places."""
        return self._padded("group", int)

    @cached_property
    def style(self) -> np.ndarray:
        """Style of each candidate, (P, M)."""
        return self._padded("style", int)

    @cached_property
    def length(self) -> np.ndarray:
        """Characters of each candidate and the end, (P, M); 0 at empty places."""
        return self._padded("length", int)

    @cached_property
    def texts(self) -> pa.StringArray:
        """All candidates (P · M,), empty text at empty places."""
        width = self.live.shape[1]
        padded = (facts.texts + ("",) * (width - len(facts.texts)) for facts in self.facts)
        return pa.array(list(chain.from_iterable(padded)), pa.string())

    def _padded(self, name: str, kind: type) -> np.ndarray:
        out: np.ndarray = np.zeros(self.live.shape, kind)
        out[self.live] = np.concatenate([np.zeros(0, kind), *(getattr(facts, name) for facts in self.facts)])
        return out

    @cached_property
    def _words(self) -> pa.StringArray:
        return pc.unique(self.texts)

    @cached_property
    def _places(self) -> tuple[pd.Index, np.ndarray]:
        """Index of row · words + word, and the column of each entry."""
        row, column = np.nonzero(self.live)
        word = pc.index_in(self.texts, value_set=self._words).to_numpy().reshape(self.live.shape)
        return pd.Index(row * len(self._words) + word[row, column]), column

    def resolve(self, prompts: Texts, responses: Texts) -> Resolved:
        """Which prompt and which candidate each row is; every prompt, taken without its hint, must be known.

        A response that is no candidate counts as the candidate with the same canonical answer, where there is one.
        Raises KnobError when prompts and responses are not equally many texts.
        """
        coded = arrow(prompts).dictionary_encode()
        different, code = coded.dictionary.to_pylist(), coded.indices.to_numpy()
        texts = arrow(responses)
        if len(texts) != len(code):
            raise KnobError(f"prompts and responses must be equally many, got {len(code)} and {len(texts)}")
        bare = [unhinted(prompt) for prompt in different]
        row = np.array([self.rows[prompt] for prompt in bare], int)
        word = pc.index_in(texts, value_set=self._words).fill_null(-1).to_numpy()
        index, columns = self._places
        place = np.where(word < 0, -1, index.get_indexer(row[code] * len(self._words) + word))
        column = np.where(place < 0, -1, np.append(columns, -1)[place])
        strange = np.flatnonzero(column < 0)
        for i, text in zip(strange.tolist(), texts.take(pa.array(strange)).to_pylist(), strict=True):
            column[i] = self._spelt_otherwise(bare[code[i]], text)
        return Resolved(different, code, column)

    def _spelt_otherwise(self, prompt: str, text: str) -> int:
        answer = _answer(self.task, prompt, text)
        answers = self.facts[self.rows[prompt]].answers
        return answers.index(answer) if answer is not None and answer in answers else -1


def unhinted(prompt: str) -> str:
    """The prompt without the hint: what stands before the first `#`."""
    return prompt.partition("#")[0]


@lru_cache(maxsize=65_536)
def facts_of(task: Synthetic, prompt: str, n: int) -> Facts:
    """The candidates a task lists for a prompt; a pure function, kept so that a new policy starts at once.

    Raises KnobError when the task lists none.
    """
    texts = tuple(dict.fromkeys(task.candidates(prompt, np.random.default_rng(key_of(prompt)), n)))
    if not texts:
        raise KnobError(f"task {task.name!r} lists no candidates for {prompt!r}; the tabular policy needs at least one")
    return _judged(task, prompt, texts, len(texts))


def _judged(task: Synthetic, prompt: str, texts: tuple[str, ...], listed: int) -> Facts:
    answers = tuple(_answer(task, prompt, text) for text in texts)
    first: dict[str, int] = {}
    group = [-1 if a is None else first.setdefault(a, i) for i, a in enumerate(answers)]
    return Facts(
        key=key_of(prompt),
        texts=texts,
        answers=answers,
        right=np.array([task.is_right(prompt, text) for text in texts], bool),
        group=np.array(group, int),
        style=np.array([style_of(text) for text in texts], int),
        length=np.array([len(text) + 1 for text in texts], int),
        listed=listed,
    )


def style_of(text: str) -> int:
    """One of 8 styles: a hash of the text with its digits dropped, so `3*5+7` and `12*4+1` share one."""
    return crc32(_DIGITS.sub("", text).encode()) % STYLES


@lru_cache(maxsize=262_144)
def _answer(task: Synthetic, prompt: str, text: str) -> str | None:
    return task.answer(prompt, text)
