"""Metric tables of runs that grow: a finished round never changes, so a new one is measured beside the first round only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_SHORT = 4  # rounds that are measured again at most because of their short texts
_TRIES = 5  # a writer that replaces rounds meanwhile is waited for so often

Grounds = tuple[Mapping[Place, Common], ...]
Key = TypeVar("Key")
Value = TypeVar("Value")


class Part:
    """Some rounds of a run, read one at a time; of few rows the columns without texts are read once and held.

    run : the run
    rounds : finished rounds of it
    within : a part that holds these rounds among others
    """

    def __init__(self, run: Run, rounds: Sequence[int], within: Part | None = None) -> None:
        self._run, self._rounds, self._within = run, rounds, within
        self._names: Sequence[str] | None = None
        self._held: dict[int, pd.DataFrame] | None = None  # by round

    def of(self, rounds: Sequence[int]) -> Part:
        """Other rounds of the same run."""
        return Part(self._run, rounds, self)

    def iter_rows(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """As `Run.iter_rows`, of these rounds. Raises the same."""
        if columns is None or not _LIGHT.issuperset(columns) or self.size > _FEW:
            return self._run.iter_rows(self._rounds, columns)
        held = self._light()
        return (held[r][list(columns)] for r in self._rounds)

    def _light(self) -> dict[int, pd.DataFrame]:
        """The columns without texts, by round."""
        if self._within is not None and self._within.size <= _FEW:
            return self._within._light()
        if self._held is None:
            there = [name for name in self.columns() if name in _LIGHT]
            self._held = dict(zip(self._rounds, self._run.iter_rows(self._rounds, there), strict=True))
        return self._held

    def columns(self) -> list[str]:
        """As `Run.columns`."""
        if self._names is None:
            self._names = self._run.columns() if self._within is None else self._within.columns()
        return list(self._names)

    def problems(self) -> pd.DataFrame:
        """As `Run.problems`."""
        return self._run.problems()

    @cached_property
    def size(self) -> int:
        """Number of rows."""
        return sum(int(self._run.round_info(r)["n_rows"]) for r in self._rounds)


class Measured(NamedTuple):
    """What is known of one run."""

    marks: tuple[bytes, ...]  # of its finished rounds, which tell one writing of a round from another
    columns: tuple[str, ...]  # of its rows
    table: pd.DataFrame  # as `measure(run)` gives it
    grounds: Grounds = ()  # of each round by itself, once a second reading needed them
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
        whole = Part(run, range(len(marks)))
        found = grown(whole, held, marks) if held is not None else None
        found = found or Measured(marks, tuple(whole.columns()), measure(whole))
        if marks_of(run)[: len(marks)] == marks:
            return found
    raise Unfinished(
        f"the rounds of {run.name} are replaced faster than they can be read; wait until its writer is done"
    )


def grown(whole: Part, held: Measured, marks: tuple[bytes, ...]) -> Measured | None:
    """What is held and the rounds that came later, measured beside those with which they compare.

    None where later rounds move the ground of the earlier ones, or to read all of them again is no more work.
    """
    before, upto = len(held.marks), len(marks)
    if marks[:before] != held.marks or held.columns != tuple(whole.columns()):
        return None
    if whole.of(range(1, before)).size < _WORTH:
        return None
    wish = wished(whole, None, ("round",), float(held.table.attrs["level"]), None, None)
    old = held.grounds or _grounds(whole.of(range(before)), wish)
    grounds = (*old, *_grounds(whole.of(range(before, upto)), wish))
    rounds = [*_beside(grounds, before), *range(before, upto)]
    now, then, some = (_common(each) for each in (grounds, old, [grounds[r] for r in rounds]))
    later = {place for own in grounds[before:] for place in own}
    if not (_same(now, then, then.keys()) and _same(now, some, later)):
        return None
    added = measure(whole.of(rounds))
    table = pd.concat([held.table, added[(added["round"] >= before).to_numpy(bool)]], ignore_index=True)
    if any(_budget(now[place]) != _budget(one) for place, one in (*then.items(), *((p, some[p]) for p in later))):
        table = _with_bytes(table, measure(whole, BY_BYTES))
    table.attrs = dict(held.table.attrs)
    return Measured(marks, held.columns, table, grounds)


def _grounds(part: Part, wish: Wish) -> Grounds:
    """The ground of each round by itself, without its problems and answers."""
    found = []
    for rows in frames(part, ["round", *wish.commons]):
        own = commons(reduce_rows(rows, ("round",), wish.commons), None, wish.ground - {"answer"})
        found.append({place: each._replace(first=None) for place, each in own.items()})
    return tuple(found)


def _beside(grounds: Grounds, before: int) -> list[int]:
    """The earlier rounds beside which later ones are measured: of each split the first, the first with bins of scores, and
    those whose short texts set the budgets of bytes, where these are few."""
    found, short = set(), set()
    for place in {place for own in grounds[before:] for place in own}:
        here = [(i, own[place]) for i, own in enumerate(grounds) if place in own]
        found |= {i for i, _ in here[:1]} | {i for i, one in [each for each in here if each[1].edges is not None][:1]}
        sizes = [(_budget(one), i) for i, one in here if one.size]
        for k in range(min((len(budget) for budget, _ in sizes), default=0)):
            short.add(min((budget[k], i) for budget, i in sizes)[1])
    found |= short if len(short) <= _SHORT else set()
    return sorted(i for i in found if i < before)


def _common(grounds: Iterable[Mapping[Place, Common]]) -> dict[Place, Common]:
    found: dict[Place, Common] = {}
    for own in grounds:
        for place, each in own.items():
            found[place] = found[place].with_later(each) if place in found else each
    return found


def _same(one: Mapping[Place, Common], other: Mapping[Place, Common], places: Iterable[Place]) -> bool:
    """Whether both have one ground in these places, budgets of bytes apart."""
    return all(_plain(one[place]) == _plain(other[place]) for place in places)


def _plain(one: Common) -> tuple[object, ...]:
    return one.k, one.length, None if one.edges is None else one.edges.tobytes()


def _budget(one: Common) -> tuple[int, ...]:
    return tuple(min(size, BYTES) for size in one.size)


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
