"""`table`: the user's own prompts and answers."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.schema import SPLITS, KnobError
from siwork.tasks.base import Task, band, check_draw, problem_table
from siwork.tasks.memo import Memo
from siwork.tasks.table.checks import Check, Row
from siwork.tasks.table.knobs import Table
from siwork.tasks.table.probed import probed_difficulty
from siwork.tasks.table.rows import Rows

_KINDS = {"answer": pa.string(), "is_right": pa.bool_(), "executed": pa.string()}


class TableTask(Task):
    """The task of a table; its rows are read when they are first needed.

    make : the knobs; two tasks are equal when theirs are
    """

    name: ClassVar[str] = Table.name
    sentence: ClassVar[str] = Table.sentence

    def __init__(self, make: Table) -> None:
        self.make = make
        self._memos: dict[str, Memo] = {}

    @classmethod
    def build(cls, args: tuple[Any, ...] = (), named: dict[str, Any] | None = None) -> TableTask:
        """The task of the knobs that a formula gives. Raises KnobError for a value that cannot be."""
        made: Table = Table.build(args, named)
        return made.task()

    def __str__(self) -> str:
        return str(self.make)

    def __repr__(self) -> str:
        return f"TableTask({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TableTask) and self.make == other.make

    def __hash__(self) -> int:
        return hash(self.make)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def _check(self) -> Check:
        return self.make.checker()

    @cached_property
    def rows(self) -> Rows:
        """The problems, read when first asked for. Raises KnobError for a table that cannot be used."""
        return self.make.read(self._check)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold problems; none before a file is named."""
        return tuple(name for name in SPLITS if len(self.rows.of(name))) if self.make.path else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the table: what was left out, and whether difficulty is known."""
        if self.make.difficulty or self.make.probed:
            return self.rows.notes
        unknown = "Difficulty is unknown, so bands are, too; name a column, or measure it with siwork.tasks.probe."
        return (*self.rows.notes, unknown)

    def fixed(self) -> TableTask:
        """The same task with absolute paths and the mark of its rows; what was read is shared."""
        twin = self.make.fixed(self.rows.mark).task()
        twin.__dict__["rows"] = self.rows
        return twin

    # ── problems ───────────────────────────────────────────────────────────────────────────────────────
    def problems(self, split: str, n: int, seed: int = 0) -> pd.DataFrame:
        """`n` problems of a split in an order that the seed shuffles. Raises KnobError as `Task.problems`.

        Also for answers that the check cannot read, with how many they are.
        """
        check_draw(split, n)
        own = self.rows.of(split)
        if n > len(own):
            other = "; it has none: Sizes(beyond=0)" if not len(own) else f": ask for at most {len(own)}"
            raise KnobError(f"{self} has too few different {split} problems for {n}; it has {len(own)}{other}")
        chosen = np.random.default_rng([seed, SPLITS.index(split)]).permutation(len(own))[:n]
        return self._table(split, own[chosen])

    def _table(self, split: str, rows: np.ndarray) -> pd.DataFrame:
        prompts, n = self.rows.prompts(rows), len(rows)
        difficulty = self._difficulty(rows, prompts)
        columns = {
            "problem": [f"{split}/{name}" for name in self.rows.names(rows)],
            "split": [split] * n,
            "task": [self.name] * n,
            "prompt": prompts,
            "difficulty": difficulty,
            "band": None if difficulty is None else band(difficulty),
            "answer": self._gold(rows),
            "n_solutions": [1 if self._check.one else None] * n,
        }
        return problem_table({name: pa.nulls(n) if values is None else values for name, values in columns.items()})

    def _difficulty(self, rows: np.ndarray, prompts: list[str]) -> np.ndarray | None:
        if self.make.probed:
            return probed_difficulty(self.make.probed, prompts)
        return None if self.rows.difficulty is None else self.rows.difficulty[rows]

    def _gold(self, rows: np.ndarray) -> list[str | None]:
        gold = [self._check.gold(self.rows.row(i)) for i in rows]
        if None in gold:
            first = self.rows.row(rows[gold.index(None)]).answer
            raise KnobError(
                f"table: {gold.count(None)} of {len(gold)} answers of {self.make.path} hold not {self._check.wanted}, which "
                f"check={self.make.check} needs, such as {first[-60:]!r}; mend them, or take another check"
            )
        return gold

    # ── responses ──────────────────────────────────────────────────────────────────────────────────────
    def answer(self, prompt: str, response: str) -> str | None:
        """Text, number, letter or expression of a response, None when it cannot be read. Never raises, whatever the text."""
        return self._check.read(response, self._row(prompt))

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether a response is right; none is to a prompt that is not in the table.

        Raises KnobError when a function of yours fails; nothing else does, whatever the text.
        """
        row = self._row(prompt)
        return row is not None and self._check.right(prompt, response, row)

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """The answer as the table has it. Raises KnobError for another prompt, or an answer that is no right response."""
        row = self._row(prompt)
        if row is None:
            raise KnobError(f"a prompt of {self.name} is one of its rows, got {prompt[:40]!r}; take task.problems(...)")
        for said in (row.answer, self._check.gold(row)):
            if said is not None and self._check.right(prompt, said, row):
                return said
        raise KnobError(
            f"table: the answer {row.answer[:60]!r} is no response that check={self.make.check} takes as right, so no real "
            "data can be mixed in; take a recipe without mix(real)"
        )

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """The one right answer, where the check has one canonical form of it; None for other checks and prompts."""
        row = self._row(prompt)
        gold = self._check.gold(row) if row is not None and self._check.one else None
        return None if gold is None else frozenset({gold})

    def _row(self, prompt: str) -> Row | None:
        found = self.rows.find(prompt)
        return None if found is None else self.rows.row(found)

    def _memo(self, what: str) -> Memo:
        """Of this object alone: another one with the same knobs may have read another file."""
        return self._memos.setdefault(what, Memo(getattr(self, what), _KINDS[what]))
