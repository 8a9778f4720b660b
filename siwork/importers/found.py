"""`Found`: what a reader took out of a log, before problems are told apart and truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa

from siwork.files.lines import Skips
from siwork.files.values import text

_PIECE = 4096  # rows that are held as Python objects
REWARD, OTHER = "reward_", "log_"  # how columns of raw rewards, and others of the log, begin
PLAIN = {  # columns that every reader uses in one meaning
    "round": pa.int64(),
    "split": pa.string(),
    "prompt": pa.string(),
    "response": pa.string(),
    "key": pa.string(),  # stable id of the problem in the log
    "sample": pa.int64(),
    "target": pa.string(),  # the right answer, as the log has it
    "answer": pa.string(),
    "gold": pa.bool_(),
    "score": pa.float64(),
    "advantage": pa.float64(),
    "n_tokens": pa.int64(),
    "finished": pa.bool_(),
    "logp": pa.float64(),
    "entropy": pa.float64(),
    "temperature": pa.float64(),
    "agent": pa.string(),
}


class Found(NamedTuple):
    """What is in a log.

    kind : what wrote it, as "TRL GRPO completions"
    run : what to call the run, from its folder
    table : one row a completion in the order in which they were written; columns of `PLAIN`, raw rewards as
        `reward_<name>`, other columns of the log as `log_<name>`
    skips : what could not be read
    notes : sentences on what the log holds and what was done about its traps
    score : name of the raw reward that the format itself calls the score
    """

    kind: str
    run: str
    table: pa.Table
    skips: Skips
    notes: tuple[str, ...] = ()
    score: str | None = None


class Collected:
    """Rows of one file on their way into columns, some thousand at a time; a column that begins late is null before.

    skips : counts the values of columns beyond those that a log may have

    >>> part = Collected()
    >>> part.add({"round": 1, "prompt": "2 + 2?"}, {"acc": 1.0})
    >>> part.table().column_names
    ['round', 'prompt', 'reward_acc']
    """

    def __init__(self, skips: Skips | None = None) -> None:
        self._skips = Skips() if skips is None else skips
        self._rows: tuple[list[Mapping[str, Any]], ...] = ([], [], [])  # columns of ours, rewards, others
        self._pieces: list[pa.Table] = []

    def add(
        self, row: Mapping[str, Any], rewards: Mapping[str, float | None] = {}, others: Mapping[str, str | None] = {}
    ) -> None:
        """Add a completion: columns of `PLAIN`, raw rewards by name, other columns of the log as text."""
        ours, raw, rest = self._rows
        ours.append(row)
        raw.append(rewards)
        rest.append(others)
        if len(ours) == _PIECE:
            self._put()

    def _put(self) -> None:
        columns: dict[str, pa.Array] = {}
        for begin, several in zip(("", REWARD, OTHER), self._rows, strict=True):
            for name in _kept(several, self._skips) if begin else dict.fromkeys(chain.from_iterable(several)):
                own = f"{begin}{text(name)}"
                columns[own] = _array([one.get(name) for one in several], column_type(own))
        self._pieces.append(pa.table(columns))
        self._rows = ([], [], [])

    def table(self) -> pa.Table:
        """All of them; half a surrogate pair in a name becomes �."""
        if self._rows[0]:
            self._put()
        return together(self._pieces) if self._pieces else pa.table({})


def _kept(several: Sequence[Mapping[str, Any]], skips: Skips) -> list[str]:
    """The names of the columns that are kept; the values of others are counted."""
    names = dict.fromkeys(chain.from_iterable(several))
    kept = dict.fromkeys(name for name in names if skips.keeps(name))
    if len(kept) < len(names):
        skips.beyond += sum(name not in kept for one in several for name in one)
    return list(kept)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:  # the name of a file or folder, which may be no text
        return pa.array([text(value) for value in values], kind)


def column_type(name: str) -> pa.DataType:
    """The type of a column by its name: one of `PLAIN`, a reward, or another one, which is text."""
    return PLAIN.get(name, pa.float64() if name.startswith(REWARD) else pa.string())


def together(parts: Iterable[pa.Table]) -> pa.Table:
    """Tables of several files as one; what one of them lacks is null there."""
    there = [part for part in parts if part.num_rows]
    return (
        pa.concat_tables(there, promote_options="default") if there else pa.table({"prompt": pa.array([], pa.string())})
    )
