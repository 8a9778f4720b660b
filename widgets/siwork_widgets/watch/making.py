"""What the worker makes: metric tables, what compares them, and the pictures of each tab, the visible one first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from siwork.metrics import measure
from siwork.reporting.compare import Comparison, compared, groups_of
from siwork.reporting.sketches import FURTHER, joined, of_run
from siwork.schema import RunError, SiworkError, Unfinished
from siwork.store import Run
from siwork_widgets.kit.figure import Picture
from siwork_widgets.watch.measured import MEASURED, Measured, Part, Recent, measured
from siwork_widgets.watch.opening import LogRun, TableRun
from siwork_widgets.watch.pictures import QUESTION, drawn
from siwork_widgets.watch.telling import Told, told_of
from siwork_widgets.watch.work import Work

_FAULTS = (SiworkError, OSError)
_TABS = 2  # drawn between two looks at the disk: the visible one, and the one that has waited longest


class Kept(NamedTuple):
    """What was made of some rounds of some runs."""

    comparison: Comparison
    told: Told | None
    tables: Mapping[str, pd.DataFrame]
    pictures: Mapping[str, tuple[Picture, ...]]


KEPT: Recent[tuple[Any, ...], Kept] = Recent(4)  # by folders and rounds, so that opening the same panel again is quick


class Maker:
    """Makes one thing a step; all of it belongs to the worker's thread.

    work : where runs are asked for, and results and faults are made known
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._found: dict[Path, Measured] = {}  # by folder
        self._parts: dict[tuple[Path, tuple[bytes, ...]], Part] = {}  # as long as tabs are drawn
        self._key: tuple[Any, ...] = ()  # folders and rounds that are compared
        self._old: list[str] = []  # tabs whose pictures are out of date, the longest first
        self._untold = False  # whether the words are out of date
        self._owed = 0  # of them those to be drawn before anything is measured again

    @property
    def behind(self) -> bool:
        """Whether a tab is still to be drawn, or the comparison to be put into words."""
        return bool(self._old) or self._untold

    def step(self) -> None:
        """New rounds, else the visible tab, else the words, else the tab that has waited longest."""
        wait = self._owed > 0 and self.behind  # rounds that come quickly must not keep tabs from being drawn
        runs = None if wait else self._work.asked()
        if runs is not None:
            self._measure(runs)
        elif self.behind:
            first = self._work.first()
            if self._untold and (first not in self._old or self._work.state.told is None):
                self._tell()  # before the first pictures, for the words stand above them
            else:
                self._owed -= 1
                self._draw(first if first in self._old else self._old[0])

    def _measure(self, runs: Sequence[Run]) -> None:
        before = self._found
        self._found = {run.folder: before[run.folder] for run in runs if run.folder in before}
        new = sum(map(_is_new, runs))
        for i, run in enumerate(runs):
            self._work.publish(doing=f"measuring {run.name} ({i + 1} of {len(runs)})")
            self._measure_one(run)
            if i == 0 and not before and new > 1:  # something to look at while others are measured
                self._compare(runs)
                self._tell()
                self._draw(self._work.first())
        if self._moved(before) or self._work.state.comparison is None:
            self._compare(runs)
        self._work.fault("", "")

    def _moved(self, before: Mapping[Path, Measured]) -> bool:
        """Whether any table is another than before."""
        return before.keys() != self._found.keys() or any(
            found.table is not before[folder].table for folder, found in self._found.items()
        )

    def _measure_one(self, run: Run) -> None:
        """Bring one run up to date; what was known of it stays where it cannot be read."""
        words = ""
        try:
            held = self._found.get(run.folder)
            if isinstance(run, LogRun):
                held = None if run.refresh() else held
                words = run.fault
            if isinstance(run, TableRun):
                self._found[run.folder] = held or Measured((), (), measure(run))
            else:
                self._keep(run, measured(Run(run.folder), held or MEASURED.get(run.folder)))
        except Unfinished:  # no round yet, or begun anew
            self._found.pop(run.folder, None)
        except _FAULTS as error:
            words = str(error)
        except Exception as error:
            words = f"{run.name} cannot be measured: {type(error).__name__}: {error}"
        self._work.fault(str(run.folder), words)

    def _compare(self, runs: Sequence[Run]) -> None:
        begun = [run for run in runs if run.folder in self._found]
        if not begun:
            self._old, self._untold = [], False
            self._work.publish(comparison=None, told=None, tables={}, pictures={})
            return
        self._work.publish(doing="comparing")
        self._key = tuple((str(run.folder), self._found[run.folder].marks if run in begun else ()) for run in runs)
        kept = KEPT.get(self._key) or self._compared(runs, begun)
        pictures = {
            **self._work.state.pictures,
            **kept.pictures,
        }  # those of earlier rounds stay until there are new ones
        self._untold = kept.told is None
        told = kept.told or self._work.state.told
        self._work.publish(comparison=kept.comparison, told=told, tables=kept.tables, pictures=pictures)
        self._old += [tab for tab in QUESTION if tab not in self._old]
        self._old = [tab for tab in self._old if tab not in kept.pictures]
        self._owed = _TABS

    def _compared(self, runs: Sequence[Run], begun: Sequence[Run]) -> Kept:
        tables = {run.name: self._found[run.folder].table for run in begun}
        comparison = compared(groups_of(list(begun)), tables, [run.name for run in runs if run not in begun])
        own = pd.concat(list(tables.values()), ignore_index=True)
        return Kept(comparison, None, {"own": own}, {})

    def _tell(self) -> None:
        comparison, self._untold = self._work.state.comparison, False
        words = ""
        try:
            self._work.publish(doing="comparing")
            self._work.publish(told=None if comparison is None else told_of(comparison))
        except _FAULTS as error:
            words = f"what changed cannot be told now: {error}"
        self._work.fault("words", words)

    def _draw(self, tab: str) -> None:
        comparison = self._work.state.comparison
        if comparison is None or tab not in QUESTION:
            return
        self._old = [one for one in self._old if one != tab]
        self._work.publish(doing=f"drawing {tab}")
        words = ""
        try:
            pictures: tuple[Picture, ...] = ()
            for one in drawn(tab, comparison, lambda name: self._further(comparison, name)):
                pictures = (*pictures, one)
                self._show(tab, (*pictures, *self._work.state.pictures.get(tab, ())[len(pictures) :]))
            self._show(tab, pictures)
            self._remember(comparison, tab)
        except _FAULTS as error:
            words = f"{tab} cannot be drawn now: {error}"
        except Exception as error:
            words = f"{tab} cannot be drawn: {type(error).__name__}: {error}"
        self._work.fault(tab, words)
        if not self.behind:
            self._parts = {}

    def _show(self, tab: str, pictures: tuple[Picture, ...]) -> None:
        self._work.publish(pictures={**self._work.state.pictures, tab: pictures})

    def _remember(self, comparison: Comparison, tab: str) -> None:
        """Keep what was made, but nothing of row tables, which have no folder to be known by."""
        if any(isinstance(run, TableRun) for group in comparison.groups for run in group.runs):
            return
        kept, state = KEPT.get(self._key), self._work.state
        done: Mapping[str, tuple[Picture, ...]] = {} if kept is None else kept.pictures
        told = None if self._untold else state.told
        KEPT.keep(self._key, Kept(comparison, told, state.tables, {**done, tab: state.pictures[tab]}))

    def _further(self, comparison: Comparison, name: str) -> pd.DataFrame | None:
        """A table beside the metrics, of the first run of each group; each is made once for the same rounds."""
        if name == "crossing" and any(len(group.runs) > 1 for group in comparison.groups):
            return None
        found = joined(name, {group.name: self._of_first(group.runs[0], name) for group in comparison.groups})
        if found is not None:
            self._work.publish(tables={**self._work.state.tables, name: found})
        return found

    def _of_first(self, run: Run, name: str) -> pd.DataFrame | None:
        held = self._found[run.folder]
        if name not in held.further:
            rows = run if isinstance(run, TableRun) else self._part(run, held)
            if name == "crossing" and isinstance(rows, Part):  # only that of the last round is drawn
                rows = rows.of(sorted({0, len(held.marks) - 1}))
            try:
                made = of_run(FURTHER[name][0], rows)
            except (RunError, OSError) as error:
                self._work.fault(str(run.folder), str(error))
                return None
            held = held._replace(further={**held.further, name: made})
            self._keep(run, held)
        table: pd.DataFrame | None = held.further[name]
        return table

    def _part(self, run: Run, held: Measured) -> Part:
        """The rounds that were measured, read once for all tables."""
        key = (run.folder, held.marks)
        if key not in self._parts:
            self._parts = {one: part for one, part in self._parts.items() if one[0] != run.folder}
            self._parts[key] = Part(run, range(len(held.marks)))
        return self._parts[key]

    def _keep(self, run: Run, held: Measured) -> None:
        self._found[run.folder] = held
        if not isinstance(run, TableRun):
            MEASURED.keep(run.folder, held)


def _is_new(run: Run) -> bool:
    return not isinstance(run, TableRun) and MEASURED.get(run.folder) is None
