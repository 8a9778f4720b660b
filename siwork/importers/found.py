"""`Found`: what a reader took out of a log, before problems are told apart and truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from siwork.importers.lines import Skips
from siwork.importers.values import text

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
    """Rows of one file as lists, column by column; a column that begins late is null before.

    >>> part = Collected()
    >>> part.add({"round": 1, "prompt": "2 + 2?"}, {"acc": 1.0})
    >>> part.table().column_names
    ['round', 'prompt', 'reward_acc']
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}
        self._size = 0

    def add(
        self, row: Mapping[str, Any], rewards: Mapping[str, float | None] = {}, others: Mapping[str, str | None] = {}
    ) -> None:
        """Add a completion: columns of `PLAIN`, raw rewards by name, other columns of the log as text."""
        for begin, part in (("", row), (REWARD, rewards), (OTHER, others)):
            for name, value in part.items():
                column = self._columns.setdefault(begin + name, [])
                if len(column) < self._size:
                    column.extend([None] * (self._size - len(column)))
                column.append(value)
        self._size += 1

    def table(self) -> pa.Table:
        """All of them; half a surrogate pair in a name becomes �."""
        full = {str(text(name)): column + [None] * (self._size - len(column)) for name, column in self._columns.items()}
        return pa.table({name: pa.array(column, column_type(name)) for name, column in full.items()})


def column_type(name: str) -> pa.DataType:
    """The type of a column by its name: one of `PLAIN`, a reward, or another one, which is text."""
    return PLAIN.get(name, pa.float64() if name.startswith(REWARD) else pa.string())


def together(parts: Iterable[pa.Table]) -> pa.Table:
    """Tables of several files as one; what one of them lacks is null there."""
    there = [part for part in parts if part.num_rows]
    return (
        pa.concat_tables(there, promote_options="default") if there else pa.table({"prompt": pa.array([], pa.string())})
    )
