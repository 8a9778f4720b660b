"""Metric tables of runs that grow: a finished round never changes, so a new one is measured beside the first round only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar

import pandas as pd

from siwork.metrics import measure
from siwork.metrics.catalogue.text import BYTES
from siwork.metrics.cells import reduce_rows
from siwork.metrics.measure import Wish, frames, wished
from siwork.metrics.study import Common, Place, commons
from siwork.schema import Unfinished
from siwork.store import Run
from siwork.store.layout import done_mark

BY_BYTES = ("compression_ratio",)  # of the default metrics those whose budget every shorter round lowers
_LIGHT = frozenset(
    ("run", "round", "split", "problem", "sample", "hint", "turn", "band", "answer", "score", "gold", "weight")
)
_FEW = 300_000  # rows of which these columns are held: 40 MB
_WORTH = 20_000  # rows between the first round and the new one; reading fewer again is quicker than to compare grounds
_TRIES = 5  # a writer that replaces rounds meanwhile is waited for so often

Key = TypeVar("Key")
Value = TypeVar("Value")


class Part:
    """Some rounds of a run, read one at a time; of few rows the columns without texts are read once and held.

    run : the run
    rounds : finished rounds of it
    """

    def __init__(self, run: Run, rounds: Sequence[int]) -> None:
        self._run, self._rounds = run, rounds
        self._held: list[pd.DataFrame] | None = None

    def iter_rows(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """As `Run.iter_rows`, of these rounds. Raises the same."""
        if columns is None or not _LIGHT.issuperset(columns) or self._size > _FEW:
            return self._run.iter_rows(self._rounds, columns)
        if self._held is None:
            there = [name for name in self.columns() if name in _LIGHT]
            self._held = list(self._run.iter_rows(self._rounds, there))
        return (rows[list(columns)] for rows in self._held)

    def columns(self) -> list[str]:
        """As `Run.columns`."""
        return self._names

    def problems(self) -> pd.DataFrame:
        """As `Run.problems`."""
        return self._run.problems()

    @cached_property
    def _names(self) -> list[str]:
        return self._run.columns()

    @cached_property
    def _size(self) -> int:
        return sum(int(self._run.round_info(r)["n_rows"]) for r in self._rounds)


class Measured(NamedTuple):
    """What is known of one run."""

    marks: tuple[bytes, ...]  # of its finished rounds, which tell one writing of a round from another
    table: pd.DataFrame  # as `measure(run)` gives it
    grounds: tuple[dict[Place, Common], ...] = ()  # of each round by itself, once a second reading needed them
    further: Mapping[str, Any] = {}  # other tables of these rounds, by name


def marks_of(run: Run) -> tuple[bytes, ...]:
    """The tokens of the finished rounds. Raises RunError when the system refuses."""
    found: list[bytes] = []
    while (mark := done_mark(run.folder, len(found))) is not None:
        found.append(mark)
    return tuple(found)


def measured(run: Run, held: Measured | None = None) -> Measured:
    """The metric table of all finished rounds, made from what is held as far as that goes.

    Raises
    ------
    Unfinished without a finished round, RunError when a round is damaged, SchemaError for rows that cannot be measured.
    """
    for _ in range(_TRIES):
        marks = marks_of(run)
        if not marks:
            raise Unfinished(f"no round of {run.name} is finished yet; wait for the first one")
        if held is not None and held.marks == marks:
            return held
        found = _grown(run, held, marks) if held is not None else None
        found = found or Measured(marks, measure(Part(run, range(len(marks)))))
        if marks_of(run)[: len(marks)] == marks:
            return found
    raise Unfinished(
        f"the rounds of {run.name} are replaced faster than they can be read; wait until its writer is done"
    )


def _grown(run: Run, held: Measured, marks: tuple[bytes, ...]) -> Measured | None:
    """What is held with the rounds that came later; None where they move the ground of the earlier ones."""
    before = len(held.marks)
    if marks[:before] != held.marks or sum(run.round_info(r)["n_rows"] for r in range(1, before)) < _WORTH:
        return None
    wish = wished(Part(run, range(before)), None, ("round",), float(held.table.attrs["level"]), None, None)
    grounds = held.grounds or _grounds(run, range(before), wish)
    table = held.table
    for r in range(before, len(marks)):
        earlier, grounds = grounds, (*grounds, *_grounds(run, [r], wish))
        now, firsts = _common(grounds), _firsts(grounds, r)
        pair = _common([grounds[each] for each in (*firsts, r)])
        if not _same(now, _common(earlier)) or not _same(pair, {place: now[place] for place in grounds[r]}):
            return None
        added = measure(Part(run, [*firsts, r]))
        table = pd.concat([table, added[(added["round"] == r).to_numpy(bool)]], ignore_index=True)
        if _budgets(now) != _budgets(_common(earlier)) or _budgets(pair) != _budgets(now):
            table = _with_bytes(table, measure(Part(run, range(r + 1)), BY_BYTES))
    table.attrs = dict(held.table.attrs)
    return Measured(marks, table, grounds)


def _grounds(run: Run, rounds: Sequence[int], wish: Wish) -> tuple[dict[Place, Common], ...]:
    """The ground of each round by itself, without its problems and answers."""
    found = []
    for rows in frames(Part(run, rounds), ["round", *wish.commons]):
        own = commons(reduce_rows(rows, ("round",), wish.commons), None, wish.ground - {"answer"})
        found.append({place: each._replace(first=None) for place, each in own.items()})
    return tuple(found)


def _firsts(grounds: Sequence[dict[Place, Common]], r: int) -> list[int]:
    """The rounds before r with which its splits are compared: the first that has each, and the first with bins of scores."""
    found = set()
    for place in grounds[r]:
        here = [i for i in range(r) if place in grounds[i]]
        found |= {*here[:1], *[i for i in here if grounds[i][place].edges is not None][:1]}
    return sorted(found)


def _common(grounds: Sequence[dict[Place, Common]]) -> dict[Place, Common]:
    found: dict[Place, Common] = {}
    for own in grounds:
        for place, each in own.items():
            found[place] = found[place].with_later(each) if place in found else each
    return found


def _same(now: dict[Place, Common], then: dict[Place, Common]) -> bool:
    """Whether what is in both stands on one ground, budgets of bytes apart."""
    return all(_plain(now[place]) == _plain(then[place]) for place in now.keys() & then.keys())


def _plain(one: Common) -> tuple[object, ...]:
    return one.k, one.length, None if one.edges is None else one.edges.tobytes()


def _budgets(grounds: dict[Place, Common]) -> dict[Place, tuple[int, ...]]:
    return {place: tuple(min(size, BYTES) for size in one.size) for place, one in grounds.items() if one.size}


def _with_bytes(table: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """The table with those of its rows that hang on budgets of bytes put anew; both have one order."""
    old = table["metric"].isin(BY_BYTES).to_numpy(bool)
    return pd.concat([table[~old], fresh.set_axis(table.index[old])]).sort_index()


class Recent(Generic[Key, Value]):
    """A few things by key for all panels of a kernel; the least recently used goes first. Any thread may ask.

    >>> recent: Recent[str, int] = Recent(1)
    >>> recent.keep("a", 1)
    >>> recent.keep("b", 2)
    >>> recent.get("a"), recent.get("b")
    (None, 2)
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._held: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """What is kept under the key."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def keep(self, key: Key, value: Value) -> None:
        """Keep it."""
        with self._lock:
            self._held[key] = value
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)


MEASURED: Recent[Path, Measured] = Recent(64)  # by folder of the run, so that opening it again is quick
