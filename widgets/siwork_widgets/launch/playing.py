"""The batches that a panel started: which runs came of them, how they are doing, what went wrong. No widgets here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from siwork.launcher import Job
from siwork.schema import SiworkError
from siwork.store import Run
from siwork.sweep import Batch


class Playing:
    """Begins batches and follows them; `look` is called now and then, the rest tells what it saw."""

    def __init__(self) -> None:
        self.folders: list[Path] = []  # of all that was ever begun, in order
        self._batches: dict[Batch, set[str]] = {}  # and what was told of each
        self._states: dict[Path, str] = {}
        self._owner: dict[Path, Batch] = {}  # the last batch of each folder
        self._seen: set[Path] = set()  # that were seen at work since they were begun
        self._unborn: list[Path] = []
        self._unwanted: set[Path] = set()  # to be stopped as soon as they are prepared

    def begin(self, jobs: Sequence[Job]) -> list[Path]:
        """Do jobs and play their folders in one process of its own. Raises KnobError, OSError as `Batch`."""
        batch = Batch(jobs)
        self._batches[batch] = set()
        self.folders += [folder for folder in batch.folders if folder not in self.folders]
        self._unborn += [folder for folder in batch.folders if not _is_run(folder)]
        self._states |= dict.fromkeys(batch.folders, "preparing")
        self._owner |= dict.fromkeys(batch.folders, batch)
        self._unwanted -= set(batch.folders)
        self._seen -= set(batch.folders)
        return batch.folders

    def expect(self, folders: Sequence[Path]) -> None:
        """Await runs that somebody else has begun, to be told of by `look` as those begun here."""
        self._unborn += [folder for folder in folders if folder not in self._unborn]

    def look(self) -> tuple[list[Run], list[str]]:
        """The runs that have come into being since the last look, and what went wrong since then, a sentence each."""
        born = [folder for folder in self._unborn if _is_run(folder)]
        self._unborn = [folder for folder in self._unborn if folder not in born]
        faults = []
        for batch in list(self._batches):
            faults += self._follow(batch)
        self._unwanted = {folder for folder in self._unwanted if not self._stopped(folder)}
        return [Run(folder) for folder in born], faults

    def state(self, folder: Path) -> str:
        """preparing, waiting, starting, running, finished, stopped or failed; empty for a folder not played from here."""
        state = self._states.get(folder, "")
        return "starting" if state == "running" and folder not in self._seen else state

    def seen(self, folder: Path) -> None:
        """Somebody saw that a process is at work in the folder, which may also be the one that prepares it."""
        if self._states.get(folder) == "running":
            self._seen.add(folder)

    def coming(self, folder: Path) -> bool:
        """Whether the folder is going to be at work, but is not yet."""
        return self.state(folder) in ("preparing", "waiting", "starting")

    def stop(self, folder: Path) -> None:
        """Let a run end after its present stage, or before its first one. Raises RunError when the system refuses."""
        if self.state(folder) == "preparing":
            self._unwanted.add(folder)
        else:
            Run(folder).request_stop()

    def _follow(self, batch: Batch) -> list[str]:
        over = batch.over  # before its last words are read
        states, new = batch.states, [said for said in batch.words if said not in self._batches[batch]]
        own = [folder for folder in batch.folders if self._owner[folder] is batch]
        self._states |= {folder: states[folder] for folder in own if folder in states}
        for folder in own:
            left = over and self._states[folder] in ("preparing", "waiting", "running")
            if left or (states and folder not in states):
                self._states[folder] = ""
                self._unborn = [each for each in self._unborn if each != folder]
        self._batches[batch] |= set(new)
        if over:
            del self._batches[batch]
        return new

    def _stopped(self, folder: Path) -> bool:
        if self.state(folder) == "preparing":
            return False
        with suppress(SiworkError):
            if self._states[folder] in ("waiting", "running"):
                Run(folder).request_stop()
        return True


def _is_run(folder: Path) -> bool:
    with suppress(SiworkError):
        return bool(Run(folder).name)
    return False
