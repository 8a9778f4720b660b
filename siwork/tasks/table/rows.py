"""The rows of a table as problems: prompts that are all different, with answers, splits and difficulties."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from siwork.files.columns import Gathered, gathered
from siwork.files.sources import split_of
from siwork.schema import SPLITS, ImportFormatError, KnobError, nearest
from siwork.tasks.base import ranks
from siwork.tasks.table.checks import Check, Row
from siwork.tasks.table.levels import hardness_of
from siwork.tasks.table.templates import filled, parts_of

_FIRST = {"heldout": 0, "beyond": 1, "train": 2}  # where a prompt stands that is in several splits
_AT_ONCE = 65_536


class Wish(NamedTuple):
    """Which columns are what; an empty name is none."""

    template: str
    answer: str
    choices: str = ""
    split: str = ""
    difficulty: str = ""
    id: str = ""


class Rows:
    """The problems of a table, m of them.

    source : path, `datasets:id` or DataFrame; label : what it is called in sentences; check : how answers are compared

    Raises KnobError for a table that cannot be used, with what is wrong and how much of it.
    """

    def __init__(self, source: Any, label: str, wish: Wish, check: Check) -> None:
        self.label, self.wish, self.check = label, wish, check
        parts = parts_of(wish.template)
        found = _gathered(source, label, wish, [name for _, name in parts if name])
        columns = {name: column.combine_chunks() for name, column in found.columns.items()}
        self.notes: tuple[str, ...] = ()
        self._prompt = filled(parts, columns)
        self._answer = columns[wish.answer]
        self._choices = columns.get(wish.choices)
        self._id = columns.get(wish.id)
        self._no_nulls()
        check.see(self._answer, self._choices)
        self.crc = np.fromiter(map(crc32, map(str.encode, _each(self._prompt))), np.uint32, len(self._prompt))
        self.split = self._splits(found, columns.get(wish.split))
        hardness = hardness_of(columns[wish.difficulty], wish.difficulty) if wish.difficulty else None
        self._keep(self._first_of_each(), hardness)

    # ── what is there ──────────────────────────────────────────────────────────────────────────────────
    def __len__(self) -> int:
        return len(self._prompt)

    def of(self, split: str) -> np.ndarray:
        """Row numbers of a split."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def prompts(self, rows: np.ndarray) -> list[str]:
        """Prompts of some rows."""
        texts: list[str] = self._prompt.take(pa.array(rows)).to_pylist()
        return texts

    def names(self, rows: np.ndarray) -> list[str]:
        """Ids of some rows; the number of a row in the file, from 0, where no column holds them."""
        return [str(i) for i in self.number[rows]] if self._id is None else self._id.take(pa.array(rows)).to_pylist()

    def row(self, i: int) -> Row:
        """What the check knows of a row."""
        choices = None if self._choices is None else self._choices[int(i)].as_py()
        return Row(self._answer[int(i)].as_py(), choices)

    def find(self, prompt: str) -> int | None:
        """The row of a prompt, None for a prompt that is not in the table."""
        mark = np.uint32(crc32(prompt.encode("utf-8", "replace")))
        order, marks = self._by_crc
        for i in order[np.searchsorted(marks, mark, "left") : np.searchsorted(marks, mark, "right")]:
            if self._prompt[int(i)].as_py() == prompt:
                return int(i)
        return None

    @cached_property
    def _by_crc(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.crc, kind="stable")
        return order, self.crc[order]

    @cached_property
    def mark(self) -> str:
        """12 hexadecimal digits of the SHA-256 of all that the problems are made of."""
        mark = sha256()
        columns: tuple[Any, ...] = (self._prompt, self._answer, self._choices, self._id)
        for column in columns:
            for start in range(0, 0 if column is None else len(self), _AT_ONCE):
                mark.update(repr(column[start : start + _AT_ONCE].to_pylist()).encode())
        for numbers in (self.split, self.difficulty):
            mark.update(b"" if numbers is None else numbers.tobytes())
        return mark.hexdigest()[:12]

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────
    def _no_nulls(self) -> None:
        for what, column in (("prompts", self._prompt), ("answers", self._answer)):
            blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0).fill_null(True).to_numpy(False)
            _refuse(blank, f"{what} hold no text", f"{self.label}; fill them in, or drop those rows")
        wanted = {"choices": self._choices, "ids": self._id}
        for what, column in wanted.items():
            if column is not None:
                _refuse(
                    column.is_null().to_numpy(False), f"{what} are null or of another kind", f"{self.label}; mend them"
                )

    def _splits(self, found: Gathered, column: pa.Array | None) -> np.ndarray:
        """(n,) number of the split of each row: of its column, its folder or file, else by the hash of its prompt."""
        if column is not None:
            return _named_splits(column, self.wish.split)
        if len(set(found.split)) > 1:
            return np.array([SPLITS.index(name) for name in found.split], np.int8)
        return (self.crc % 5 == 0).astype(np.int8)  # as `is_held_out` has it

    def _first_of_each(self) -> np.ndarray:
        """The row of each different prompt, in order; one that is held out is not trained on, too."""
        code = self._prompt.dictionary_encode().indices.to_numpy()
        first = np.array([_FIRST[name] for name in SPLITS])[self.split]
        order = np.argsort(first, kind="stable")
        kept = np.sort(order[np.unique(code[order], return_index=True)[1]])
        if len(kept) < len(code):
            self._compare_twins(code, kept)
        return kept

    def _compare_twins(self, code: np.ndarray, kept: np.ndarray) -> None:
        """Rows of one prompt have to agree on the answer."""
        home = np.empty(code.max() + 1, np.int64)
        home[code[kept]] = kept
        twins = np.setdiff1d(np.arange(len(code)), kept)
        apart = np.array([self._differ(int(i), int(home[code[i]])) for i in twins])
        if apart.any():
            i = int(twins[apart][0])
            raise KnobError(
                f"table: a prompt has one answer, {apart.sum()} of {len(code)} rows of {self.label} say another one than a "
                f"row with the same prompt, such as {self._prompt[i].as_py()[:60]!r} with {self._answer[i].as_py()[-40:]!r} "
                f"and {self._answer[int(home[code[i]])].as_py()[-40:]!r}; drop one, or name what tells them apart in template"
            )
        crossed = int((self.split[twins] != self.split[home[code[twins]]]).sum())
        self.notes += (f"{len(twins):,} rows repeat a prompt and were left out.",)
        if crossed:
            self.notes += (f"{crossed:,} of these are in two splits; they stay in the one that is not trained on.",)

    def _differ(self, i: int, j: int) -> bool:
        one, other = self._answer[i].as_py(), self._answer[j].as_py()
        return bool(one != other and self.check.gold(self.row(i)) != self.check.gold(self.row(j)))

    def _keep(self, kept: np.ndarray, hardness: np.ndarray | None) -> None:
        self.number = kept
        self.split, self.crc = self.split[kept], self.crc[kept]
        if len(kept) < len(self._prompt):
            index = pa.array(kept)
            self._prompt, self._answer = self._prompt.take(index), self._answer.take(index)
            self._choices = None if self._choices is None else self._choices.take(index)
            self._id = None if self._id is None else self._id.take(index)
        if self._id is not None and (many := len(kept) - len(pc.unique(self._id))):
            raise KnobError(
                f"table: ids are all different, {many} in column {self.wish.id!r} are there before; number them"
            )
        self.difficulty: np.ndarray | None = None
        if hardness is not None:
            own = hardness[kept]
            usual = own[self.split != SPLITS.index("beyond")]
            self.difficulty = ranks(own, np.sort(usual if len(usual) else own))


def _each(texts: pa.Array) -> Any:
    for start in range(0, len(texts), _AT_ONCE):
        yield from texts[start : start + _AT_ONCE].to_pylist()


def _gathered(source: Any, label: str, wish: Wish, fields: Sequence[str]) -> Gathered:
    """The columns. Raises KnobError when one is missing, or a row cannot be read."""
    if not fields:
        raise KnobError(
            "table: a template names at least one column, as 'Question: {question}', else all prompts are one"
        )
    wanted = {"template": fields, "answer": [wish.answer], "choices": [wish.choices]}
    wanted |= {"split": [wish.split], "difficulty": [wish.difficulty], "id": [wish.id]}
    lists = {wish.choices} - {""}
    texts = {name for names in wanted.values() for name in names if name} - lists
    try:
        found = gathered(source, sorted(texts), sorted(lists))
    except ImportFormatError as error:
        raise KnobError(f"table: {error}") from None
    if found.skips.count:
        raise KnobError(f"table: {label}: {found.skips}; mend or drop them")
    if not found.split:
        raise KnobError(f"table: {label} holds no rows; name a file with at least one")
    for knob, names in wanted.items():
        for name in names:
            if name and name not in found.columns:
                raise KnobError(
                    f"table: {label} has no column {name!r}, which {knob} names; {nearest(name, found.there)}"
                )
    return found


def _named_splits(column: pa.Array, name: str) -> np.ndarray:
    coded = column.fill_null("").dictionary_encode()
    known = [split_of(each) for each in coded.dictionary.to_pylist()]
    if None in known:
        odd = coded.dictionary[known.index(None)].as_py()
        raise KnobError(
            f"table: column {name!r} says train, test (or validation, heldout) or beyond, got {odd!r}; write one of them"
        )
    return np.array([SPLITS.index(str(each)) for each in known], np.int8)[coded.indices.to_numpy()]


def _refuse(bad: np.ndarray, what: str, where: str) -> None:
    if bad.any():
        raise KnobError(f"table: {int(bad.sum())} of {len(bad)} {what}, row {int(bad.argmax()) + 1} first, in {where}")
