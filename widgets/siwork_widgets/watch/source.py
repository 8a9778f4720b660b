"""What all tabs of a panel show: runs on the disk, followed while they grow, measured and drawn in one worker thread."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from siwork.schema import KnobError, SiworkError, nearest
from siwork.store import Run, Runs, Status
from siwork.store.layout import count_done, round_name
from siwork_widgets.watch.opening import LogRun, TableRun, known, opened
from siwork_widgets.watch.work import Work

if TYPE_CHECKING:
    from siwork.reporting.compare import Comparison
    from siwork_widgets.kit.figure import Picture
    from siwork_widgets.watch.telling import Told

_GONE = Status("dead", 0, 0, None, 0.0, None, None)  # a run that could not be read even once
_EXAMPLES = 50  # completions that show a verdict


class _Mark(NamedTuple):
    """What tells one state of a run folder from a later one: names and times of its files."""

    rounds: tuple[object, ...]
    beat: object = None


_VANISHED = _Mark(("vanished",))


class Snapshot(NamedTuple):
    """What is known at one moment; nothing in it changes any more."""

    version: int  # grows whenever anything below changed
    runs: tuple[Run, ...]
    statuses: dict[str, Status]  # by run
    comparison: Comparison | None  # None until a round is measured
    tables: dict[str, pd.DataFrame]  # "own": metric table of the single runs; others by the names of `FURTHER`
    pictures: dict[str, tuple[Picture, ...]]  # by tab
    faults: tuple[str, ...]  # sentences to show
    busy: bool  # measuring or drawing goes on
    doing: str = ""  # what, in words
    told: Told | None = None  # the comparison in words


class Source:
    """Runs and what is made of them. Only `poll` looks at the disk in the caller's thread, and only at names and times.

    x : what the panel is opened on, as for `siwork_widgets.watch.opening.opened`
    first : name of the visible tab, whose pictures are made first; may be set at any time

    Raises
    ------
    KnobError, Foreign, RunError or SchemaError for an x that cannot be opened.

    >>> Source().poll().runs
    ()
    """

    def __init__(self, x: Any = None) -> None:
        self.first = "Overview"
        self._runs: list[Run] = opened(x)
        self._work = Work(lambda: self.first)
        self._marks: dict[Path, _Mark] = {}
        self._statuses: dict[Path, Status] = {}
        self._snapshot = Snapshot(0, (), {}, None, {}, {}, (), False)
        self._faults: dict[str, str] = {}
        self._seen = 0  # version of the worker's state in the snapshot

    def add(self, run: Run) -> None:
        """Follow one more run; one that is there already stays. Raises RunError when another one has its name."""
        if run.folder in [each.folder for each in self._runs]:
            return
        found = known(run)
        Runs([*self._runs, found])  # raises where two have one name
        self._runs.append(found)

    def poll(self) -> Snapshot:
        """Look at the disk, hand what changed to the worker, and give the newest state; takes milliseconds."""
        faulty = {key for key in self._work.state.faults if key}
        marks = {run.folder: _mark(run, str(run.folder) in faulty) for run in self._runs}
        looks = {run.folder: self._status(run, marks[run.folder]) for run in self._runs}
        rounds = {folder: mark.rounds for folder, mark in marks.items()}
        if rounds != {folder: mark.rounds for folder, mark in self._marks.items()}:
            self._work.ask(self._runs)
        self._marks, self._statuses = marks, looks
        return self._news()

    def wait(self, seconds: float = 60.0) -> Snapshot:
        """Poll until all that is on the disk is measured and drawn, or the time is over."""
        end = time.monotonic() + seconds
        while (found := self.poll()).busy and time.monotonic() < end:
            time.sleep(0.01)
        return found

    def rows(self, point: Mapping[str, Any]) -> pd.DataFrame:
        """The rows behind a clicked point, or behind a verdict: `{"run", "verdict"}`.

        Raises
        ------
        KnobError for a point of a run that is not here; SchemaError, RunError when its rows cannot be read.
        """
        from siwork.metrics import rows_behind  # takes a second to load, and there is no point before it is there

        comparison = self._snapshot.comparison
        groups = {} if comparison is None else {one.name: [run.name for run in one.runs] for one in comparison.groups}
        if "verdict" in point and comparison is not None:
            found = [v for own in comparison.diagnoses.values() for v in own if v.run == point.get("run")]
            shown = [v for v in found if v.name == point["verdict"]]
            return shown[0].rows(self._named(str(point.get("run"))), _EXAMPLES) if shown else pd.DataFrame()
        names = groups.get(str(point.get("run")), [str(point.get("run"))])
        runs = [self._named(name) for name in names]
        tables = [run.rows() for run in runs if isinstance(run, TableRun)]
        return rows_behind(pd.concat(tables, ignore_index=True) if tables else Runs(runs), dict(point), runs=groups)

    def _named(self, name: str) -> Run:
        for run in self._runs:
            if run.name == name:
                return run
        raise KnobError(f"no run here is called {name!r}; {nearest(name, [run.name for run in self._runs])}")

    def _status(self, run: Run, mark: _Mark) -> Status:
        """How the run is doing; read again where its files changed, or a process may have died."""
        last = self._statuses.get(run.folder)
        key = str(run.folder)
        if last is not None and last.state != "running" and self._marks.get(run.folder) == mark:
            return last
        self._faults.pop(key, None)
        if mark == _VANISHED:
            return (last or _GONE)._replace(state="dead", pid=None, seconds_left=None)
        try:
            return run.status()
        except (SiworkError, OSError) as error:
            self._faults[key] = str(error)
            return last or _GONE

    def _news(self) -> Snapshot:
        """The snapshot of this moment; the last one when nothing changed."""
        busy, state = self._work.busy, self._work.state
        statuses = {run.name: self._statuses[run.folder] for run in self._runs}
        faults = tuple(dict.fromkeys([*state.faults.values(), *self._faults.values()]))
        last = self._snapshot
        found = Snapshot(
            version=last.version,
            runs=tuple(self._runs),
            statuses=statuses,
            comparison=state.comparison,
            tables=dict(state.tables),
            pictures=dict(state.pictures),
            faults=faults,
            busy=busy,
            doing=state.doing,
            told=state.told,
        )
        if state.version != self._seen or any(
            getattr(found, name) != getattr(last, name) for name in ("runs", "statuses", "faults", "busy")
        ):
            self._seen = state.version
            self._snapshot = found._replace(version=last.version + 1)
        return self._snapshot


def _mark(run: Run, deep: bool) -> _Mark:
    """The mark of a run as it is now.

    deep : look at the files of all rounds, too, for a run that could not be read
    """
    if isinstance(run, TableRun):
        return _Mark(run.mark() if isinstance(run, LogRun) else ("table",))
    try:
        about = os.stat(run.folder / "run.json").st_mtime_ns
    except OSError:
        return _VANISHED
    done = count_done(run.folder)
    rounds = run.folder / "rounds"
    last = [_time(rounds / round_name(done - 1) / "DONE")] if done else []
    inside = _inside(rounds, done) if deep else []
    return _Mark((about, done, *last, *inside), _time(run.folder / "heartbeat"))


def _inside(rounds: Path, done: int) -> list[object]:
    files = ("rows.parquet", "round.json")
    return [_time(rounds / round_name(r) / name) for r in range(done) for name in files]


def _time(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
