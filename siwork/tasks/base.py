"""What every task offers: problems with a difficulty fixed beforehand, an exact check, a canonical answer.

A task is a frozen dataclass of knobs. Everything it says is a pure function of its knobs, the prompt and the
response, so a task read back from its formula (`countdown(numbers=4)`) is the same task.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.schema import SPLITS, Knobbed, KnobError, arrow_schema, format_call, nearest
from siwork.schema.tables import PROBLEMS
from siwork.tasks.asks import Asks
from siwork.tasks.memo import Memo

_REFERENCE = 2000  # problems of the reference draw that turns hardness into difficulty


class Item(NamedTuple):
    """One problem as a task draws it."""

    prompt: str
    hardness: float  # raw, any unit, larger is harder; difficulty is its rank in the task's own distribution
    answer: str | None  # canonical form of one right answer
    n_solutions: int | None  # number of different right answers, None when not enumerable


class Task(Asks, Knobbed, ABC):
    """Base of all tasks: problems, a canonical answer, a check. A subclass gives `problems`, `answer`, `is_right`.

    What else a component may ask, where `offers` names it; a task without it refuses with a KnobError:

        write       a right response                    hint       a hint of one of the kinds in `hints`
        executed    marks of the written steps          pieces     the response cut into its steps
        item        anybody's prompt as a problem       page       a document to propose problems from
        paraphrase  another prompt, the same problem    relabel    the prompt that a response does answer
        repair      a right response near a wrong one   mutate     the response with one small change
        is_sound    a check without reference answers   opinion    a biased judge's word

    `with_text` puts a note, an earlier attempt or somebody's answer behind any prompt.
    """

    name: ClassVar[str]
    sentence: ClassVar[str]

    # ── given by each task ─────────────────────────────────────────────────────────────────────────────
    @abstractmethod
    def problems(self, split: str, n: int, seed: int = 0) -> pd.DataFrame:
        """Table of `n` problems of a split (PROBLEMS).

        The same (split, seed) always gives the same problems, and a longer draw starts with the shorter one. Prompts
        are unique within a split, and no held-out prompt is a train prompt of any seed.

        Raises KnobError for an unknown split, n < 1, or more problems than the task has.
        """

    @abstractmethod
    def answer(self, prompt: str, response: str) -> str | None:
        """Canonical answer in a response, None when it cannot be read. Never raises, whatever the text."""

    @abstractmethod
    def is_right(self, prompt: str, response: str) -> bool:
        """Exact check of a response. Never raises, whatever the text."""

    def hint_text(self, prompt: str, kind: str) -> str:
        """Text of a hint of that kind, one of `hints`. Raises KnobError when the task has none of that kind."""
        raise KnobError(f"task {self.name!r} has no hint {kind!r}; {nearest(kind, self.hints or ('none',))}")

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """All right answers in canonical form, None when they cannot be enumerated."""
        return None

    def executed(self, prompt: str, response: str) -> str | None:
        """One character a written step of a response, 1 right and 0 wrong; None where none is written. Never raises."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is to be known of the problems."""
        return ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold problems."""
        return SPLITS

    def fixed(self) -> Task:
        """The same task with all that its call text needs to mean the same later and elsewhere."""
        return self

    # ── the same for all ───────────────────────────────────────────────────────────────────────────────
    def __str__(self) -> str:
        return format_call(self)

    def hinted(self, prompt: str, kind: str) -> str:
        """The prompt with a hint: `prompt#hint>`. Raises KnobError for a hint the task does not have."""
        if kind not in self.hints:
            raise KnobError(f"task {self.name!r} has no hint {kind!r}; {nearest(kind, self.hints or ('none',))}")
        return self.with_text(prompt, self.hint_text(prompt, kind))

    def with_text(self, prompt: str, text: str) -> str:
        """The prompt with a note, an earlier attempt or somebody's answer: `prompt#text>`."""
        return f"{prompt}#{text}>"

    def answers(self, rows: pd.DataFrame) -> pd.Series:
        """Canonical answers of a row table (columns prompt, response), Arrow strings, null when unreadable."""
        return self._memo("answer")(rows)

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Truth of a row table (columns prompt, response), Arrow bool."""
        return self._memo("is_right")(rows)

    def steps(self, rows: pd.DataFrame) -> pd.Series:
        """Executed steps of a row table (columns prompt, response), Arrow strings such as `101`, null where there are none."""
        return self._memo("executed")(rows)

    def _memo(self, what: str) -> Memo:
        return _remembered(self, what)


class Synthetic(Task):
    """Base of tasks that make their own problems. A subclass gives `draw`, `write`, `candidates` and a vocabulary, too.

    Prompts and responses are made of `vocabulary` tokens only (plus `#` and `>` around a hint).
    """

    memorised: ClassVar[bool] = False  # nothing can be inferred, so base models are taught the held-out prompts too

    @property
    @abstractmethod
    def vocabulary(self) -> tuple[str, ...]:
        """Token strings; a text is read as the longest tokens first. The same for all knobs of the task."""

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """Longest response, in tokens, the end token counted."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """One problem; `beyond` draws from the harder distribution that is never trained on."""

    @abstractmethod
    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """A right response, written the way the base model is taught to (the real data of this task)."""

    @abstractmethod
    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """About `n` different responses a weak policy might give: right ones (all, up to n/2) and wrong ones."""

    def mutate(self, prompt: str, response: str, rng: np.random.Generator) -> str:
        """The response with one token exchanged for another of its kind, or lost. Never raises, whatever the text."""
        return slipped(self.vocabulary, response, rng)

    def problems(self, split: str, n: int, seed: int = 0) -> pd.DataFrame:
        """Table of `n` problems of a split, drawn; ids are `train/0` …. Raises as `Task.problems`."""
        check_draw(split, n)
        items = self._distinct(split, n, seed)
        difficulty = self.difficulty(np.array([item.hardness for item in items]))
        columns = {
            "problem": [f"{split}/{i}" for i in range(len(items))],
            "split": [split] * len(items),
            "task": [self.name] * len(items),
            "prompt": [item.prompt for item in items],
            "difficulty": difficulty,
            "band": band(difficulty),
            "answer": [item.answer for item in items],
            "n_solutions": [item.n_solutions for item in items],
        }
        return problem_table(columns)

    def difficulty(self, hardness: np.ndarray) -> np.ndarray:
        """Rank of each hardness among the task's own different problems, 0 easy … 1 hard; ties get their middle rank."""
        return ranks(hardness, _reference_hardness(self))

    def _distinct(self, split: str, n: int, seed: int) -> list[Item]:
        rng = np.random.default_rng([seed, SPLITS.index(split)])
        found: dict[str, Item] = {}
        for _ in range(1000 + 200 * n):
            item = self.draw(rng, beyond=split == "beyond")
            if split == "beyond" or is_held_out(item.prompt) == (split == "heldout"):
                found.setdefault(item.prompt, item)
            if len(found) == n:
                return list(found.values())
        raise KnobError(
            f"{self} has too few different {split} problems for {n}; it gave {len(found)}: ask for at most that many"
        )


def in_tokens(vocabulary: tuple[str, ...], text: str) -> str:
    """The text without what is no token of the vocabulary.

    >>> in_tokens(("1", "+"), "1 + x1")
    '1+1'
    """
    return "".join(_reader(vocabulary).findall(text))


def slipped(vocabulary: tuple[str, ...], text: str, rng: np.random.Generator) -> str:
    """A text with one token exchanged for another of its kind, or lost; what is no token of the vocabulary is left out.

    Kinds are numbers, small letters, capitals or words, and all other marks. A text without tokens becomes one token.

    >>> slipped(("1", "2", "+"), "1", np.random.default_rng(0))
    '2'
    """
    tokens = _reader(vocabulary).findall(text)
    if not tokens:
        return str(vocabulary[rng.integers(len(vocabulary))])
    spot = int(rng.integers(len(tokens)))
    others = [token for token in vocabulary if token != tokens[spot] and _kind(token) == _kind(tokens[spot])]
    if len(tokens) > 1 and (not others or rng.random() < 0.25):
        others = [""]
    made = others or [token for token in vocabulary if token != tokens[spot]]
    return "".join([*tokens[:spot], made[rng.integers(len(made))], *tokens[spot + 1 :]])


def _kind(token: str) -> int:
    return next((i for i, holds in enumerate((str.isdigit, str.islower, str.isalpha)) if holds(token)), 3)


@lru_cache(maxsize=64)
def _reader(vocabulary: tuple[str, ...]) -> re.Pattern[str]:
    """Reads a text as the longest tokens first."""
    return re.compile("|".join(map(re.escape, sorted(vocabulary, key=len, reverse=True))))


def synthetic(task: Task, who: str) -> Synthetic:
    """The task itself, where it makes its own problems.

    who : what asks, for the sentence. Raises KnobError for a task that has no vocabulary.
    """
    if isinstance(task, Synthetic):
        return task
    raise KnobError(
        f"{who} needs a task that makes its own problems from a small vocabulary, such as countdown; "
        f'{task.name!r} holds any text: take a language model, as policy hf("path/to/model")'
    )


def check_draw(split: str, n: int) -> None:
    """Nothing. Raises KnobError for an unknown split or n < 1."""
    if split not in SPLITS:
        raise KnobError(f"split must be one of {', '.join(SPLITS)}, got {split!r}; {nearest(split, SPLITS)}")
    if n < 1:
        raise KnobError(f"problems must be at least 1, got {n}")


def problem_table(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Columns of PROBLEMS as a table of Arrow types."""
    table: pd.DataFrame = pa.table(dict(columns), schema=arrow_schema(PROBLEMS)).to_pandas(types_mapper=pd.ArrowDtype)
    return table


def ranks(hardness: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Rank (n,) of each hardness among the sorted `reference` (m,), 0 easy … 1 hard; ties get their middle rank.

    >>> ranks(np.array([5.0, 1.0]), np.array([1.0, 1.0, 5.0, 9.0])).tolist()
    [0.625, 0.25]
    """
    below = np.searchsorted(reference, hardness, side="left")
    upto = np.searchsorted(reference, hardness, side="right")
    return (below + upto) / (2 * len(reference))


def band(difficulty: np.ndarray) -> np.ndarray:
    """Band of each difficulty: 4 the easiest fifth … 0 the hardest."""
    return 4 - np.minimum((np.asarray(difficulty) * 5).astype(int), 4)


def is_held_out(prompt: str) -> bool:
    """Whether a prompt belongs to the held-out fifth; fixed by its text, so no seed can mix the splits."""
    return crc32(prompt.encode()) % 5 == 0


@lru_cache(maxsize=64)
def _reference_hardness(task: Synthetic) -> np.ndarray:
    rng = np.random.default_rng(20_260_101)
    items = (task.draw(rng) for _ in range(_REFERENCE))
    # each prompt once, as in `problems`: a Zipf head would else fill the easy fifths with a handful of problems
    return np.sort(list({item.prompt: item.hardness for item in items}.values()))


@lru_cache(maxsize=64)
def _remembered(task: Task, what: str) -> Memo:
    return Memo(getattr(task, what), pa.bool_() if what == "is_right" else pa.string())
