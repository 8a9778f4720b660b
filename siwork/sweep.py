"""Many runs, a few at a time, each in a child process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from siwork.launcher import start
from siwork.store import Run

_LOOK = 0.2  # seconds between two looks at the folders


class Progress(NamedTuple):
    """Where one run of a sweep is."""

    run: Run
    state: str  # waiting, running, finished, stopped or failed
    rounds_done: int


class Sweep:
    """Plays prepared run folders, at most `at_once` at a time (by default one a core).

    Iterating it starts the runs and yields the list of Progress again and again until none is left to wait for.
    `stop()` lets the running ones end after their present stage and starts no more; all stay resumable.
    """

    def __init__(self, folders: Sequence[str | Path], *, at_once: int | None = None) -> None:
        self.runs = [Run(folder) for folder in folders]
        self.at_once = at_once or min(os.cpu_count() or 1, len(self.runs))
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    def __iter__(self) -> Iterator[list[Progress]]:
        while True:
            self._start_more()
            now = [self._progress(run) for run in self.runs]
            yield now
            busy = {"running"} if self._stopping else {"running", "waiting"}
            if not any(p.state in busy for p in now):
                return
            time.sleep(_LOOK)

    def stop(self) -> None:
        """Ask every running run to end after its present stage; start no further ones."""
        self._stopping = True
        for run in self.runs:
            if self._running(run):
                run.request_stop()

    def _running(self, run: Run) -> bool:
        child = self._children.get(str(run.folder))
        return child is not None and child.poll() is None

    def _start_more(self) -> None:
        free = self.at_once - sum(self._running(run) for run in self.runs)
        if self._stopping or free < 1:
            return
        threads = max(1, (os.cpu_count() or 1) // self.at_once)
        for run in [r for r in self.runs if str(r.folder) not in self._children][:free]:
            self._children[str(run.folder)] = start(run.folder, threads=threads)

    def _progress(self, run: Run) -> Progress:
        child = self._children.get(str(run.folder))
        done = run.rounds_done  # read before the child's end is looked at, so a finished run is never seen short
        if child is None:
            return Progress(run, "waiting", done)
        if child.poll() is None:
            return Progress(run, "running", done)
        if child.returncode != 0:
            return Progress(run, "failed", run.rounds_done)
        finished = run.rounds_done > run.rounds_wanted
        return Progress(run, "finished" if finished else "stopped", run.rounds_done)
