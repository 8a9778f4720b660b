"""Many runs, a few at a time, each in a child process.

`python -m siwork.sweep` is the process behind a `Batch`: it does the jobs on its standard input, plays their folders
and tells on its standard output, a JSON line at each change, in which state each of them is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple
from weakref import finalize

from siwork.arms import slug as slug
from siwork.launcher import Fresh, Job, Player, Turn, read_jobs, start_with, written
from siwork.recipes import recipe_of
from siwork.schema import KnobError, parse_call
from siwork.store import Run

_LOOK = 0.2  # seconds between two looks at the folders
_STEP = 0.02  # seconds that a child may wait for its next folder
_MOST = 1_000_000  # bytes of a batch's words that are read


_Playing = subprocess.Popen[bytes] | Turn  # whom `poll` asks how a run is doing


class Progress(NamedTuple):
    """Where one run of a sweep is."""

    run: Run
    state: str  # waiting, running, finished, stopped or failed
    rounds_done: int


class Sweep:
    """Plays prepared run folders, at most `at_once` at a time (by default one a core), each child one after the other.

    Iterating it starts the runs and yields the list of Progress again and again until none is left to wait for.
    `stop()` lets the running ones end after their present stage and starts no more; all stay resumable. A run that
    is asked to stop while it waits is not started.

    Parameters
    ----------
    folders : of the runs
    at_once : most runs at a time
    threads : most threads of a run, None for its share of the cores
    playing : children that play some of the folders already

    Raises KnobError for at_once or threads below 1.
    """

    def __init__(
        self,
        folders: Sequence[str | Path],
        *,
        at_once: int | None = None,
        threads: int | None = None,
        playing: Mapping[Path, subprocess.Popen[bytes]] | None = None,
    ) -> None:
        self.runs = [Run(folder) for folder in folders]
        self.at_once = min(_cores(), len(self.runs)) if at_once is None else _positive("at_once", at_once)
        self._share = _threads(max(1, self.at_once)) if threads is None else _positive("threads", threads)
        self._children: dict[str, _Playing] = {str(folder): child for folder, child in (playing or {}).items()}
        self._players: list[Player] = []
        self._old_wishes = {run.folder for run in self.runs if run.stop_wanted}  # of writers that were killed
        self._stopping = False

    def __iter__(self) -> Iterator[list[Progress]]:
        try:
            while True:
                self._start_more()
                now = [self._progress(run) for run in self.runs]
                yield now
                busy = {"running"} if self._stopping else {"running", "waiting"}
                if not any(p.state in busy for p in now):
                    return
                self._pause()
        finally:
            for player in self._players:
                player.close()
            self._players = []

    def _pause(self) -> None:
        """Wait until the next look; who has nothing to play is given more meanwhile."""
        until = time.monotonic() + _LOOK
        while time.monotonic() < until:
            time.sleep(_STEP)
            self._start_more()

    def stop(self) -> None:
        """Ask every running run to end after its present stage; start no further ones."""
        self._stopping = True
        for run in self.runs:
            if self._running(run):
                run.request_stop()

    def _running(self, run: Run) -> bool:
        child = self._children.get(str(run.folder))
        return child is not None and child.poll() is None

    def _waits(self, run: Run) -> bool:
        return str(run.folder) not in self._children and not self._unwanted(run) and not _whole(run)

    def _unwanted(self, run: Run) -> bool:
        return run.stop_wanted and run.folder not in self._old_wishes

    def _start_more(self) -> None:
        free = self.at_once - sum(self._running(run) for run in self.runs)
        if self._stopping or free < 1:
            return
        for run in islice(filter(self._waits, self.runs), free):
            self._children[str(run.folder)] = self._give(run.folder)

    def _give(self, folder: Path) -> Turn:
        """The folder to a player who has nothing to play, a new one where there is none."""
        for player in self._players:
            if player.idle:
                return player.play(folder)
        self._players.append(Player(folder, threads=self._share))
        return self._players[-1].first

    def _progress(self, run: Run) -> Progress:
        child = self._children.get(str(run.folder))
        ended = (
            None if child is None else child.poll()
        )  # before the rounds are counted: a finished run is never seen short
        done = run.rounds_done
        if child is None:
            return Progress(run, "finished" if _whole(run) else "stopped" if self._unwanted(run) else "waiting", done)
        if ended is None:
            return Progress(run, "running", done)
        if ended != 0:
            return Progress(run, "failed", done)
        return Progress(run, "finished" if done > run.rounds_wanted else "stopped", done)


def _whole(run: Run) -> bool:
    return run.rounds_done > run.rounds_wanted


class Batch:
    """Runs that are made and played by one process of its own session: it goes on when this process dies.

    Returns at once; a folder is a run as soon as it is prepared. Every run is stopped by `Run.request_stop`.

    Parameters
    ----------
    jobs : at least one; the folders are made absolute
    at_once : most runs at a time, None for one a core

    Raises KnobError without jobs and for at_once below 1, OSError when the system starts no process.
    """

    def __init__(self, jobs: Sequence[Job], *, at_once: int | None = None) -> None:
        if not jobs:
            raise KnobError("a batch needs at least one job, got none; give a Fresh, Forked or Further")
        most = _cores() if at_once is None else _positive("at_once", at_once)
        jobs = [job._replace(folder=str(Path(job.folder).expanduser().absolute())) for job in jobs]
        self.folders = [Path(job.folder) for job in jobs]
        # without a name, so that whoever dies leaves nothing behind
        self._told, self._words = TemporaryFile(), TemporaryFile()  # noqa: SIM115
        for file in (self._told, self._words):
            finalize(self, file.close)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "siwork.sweep", str(most)],
            stdin=subprocess.PIPE,
            stdout=self._told,
            stderr=self._words,
            start_new_session=True,
        )
        assert self._child.stdin is not None
        with suppress(BrokenPipeError), self._child.stdin as words:
            words.write(written(jobs))
        _begun[:] = [child for child in _begun if child.poll() is None] + [self._child]

    @property
    def over(self) -> bool:
        """Whether the process has ended, and nothing is played any more."""
        return self._child.poll() is not None

    @property
    def states(self) -> dict[Path, str]:
        """The state of each folder as in `Progress`; empty while the jobs are being done."""
        lines = os.pread(self._told.fileno(), _MOST, 0).rpartition(b"\n")[0].splitlines()
        return {Path(folder): state for folder, state in json.loads(lines[-1]).items()} if lines else {}

    @property
    def words(self) -> list[str]:
        """What went wrong with jobs, a line each, empty when nothing did; for an unforeseen end its last line."""
        said = os.pread(self._words.fileno(), _MOST, 0).decode(errors="replace").strip().splitlines()
        if any(line.startswith("Traceback") for line in said):
            return said[-1:]
        if not said and self.over and self._child.returncode:
            return [
                f"the process that plays the runs ended with status {self._child.returncode}; resume those that wait"
            ]
        return said


_begun: list[subprocess.Popen[bytes]] = []  # kept so that finished processes are reaped


def ablation(runs: Sequence[Run], recipe: str | Sequence[str], folder: Path | None = None) -> list[Path]:
    """Play other recipes under the same task, policy, rounds, problems and seeds as some runs, in a `Batch`.

    Parameters
    ----------
    runs : siblings, whose seeds are taken over
    recipe : name or formula, or several
    folder : where the new run folders go, None for beside the first run

    Returns
    -------
    the new folders, recipe by recipe in the order of the runs; each is a run as soon as it is prepared

    Raises RecipeError, KnobError for a recipe that cannot be or no runs, OSError when no process can be started.
    """
    return Batch(ablation_jobs(runs, recipe, folder)).folders


def ablation_jobs(runs: Sequence[Run], recipe: str | Sequence[str], folder: Path | None = None) -> list[Fresh]:
    """The jobs of `ablation`. Raises RecipeError, KnobError as it does."""
    recipes = [recipe] if isinstance(recipe, str) else list(recipe)
    formulas = [str(recipe_of(each)) for each in recipes]
    if not runs:
        raise KnobError("an ablation needs the runs it is compared with, got none; give the siblings of one recipe")
    place, jobs, taken = folder or runs[0].folder.parent, list[Fresh](), list[str]()
    for name, formula in zip(recipes, formulas, strict=True):
        base = free_name(place, f"{slug(name)}-{parse_call(runs[0].task).name}", taken)
        jobs += [_beside(run, formula, f"{base}-s{run.seed}") for run in runs]
        taken += [Path(job.folder).name for job in jobs]
    return jobs


def _beside(run: Run, formula: str, folder: str) -> Fresh:
    return Fresh(folder, formula, run.task, run.policy, run.rounds_wanted, run.manifest["problems"], run.seed)


def free_name(folder: Path, name: str, further: Iterable[str] = ()) -> Path:
    """A path for sibling runs, to which `-s0`, `-s1` … are added, that no file in the folder, nor a further one, begins with."""
    taken = {place.name for place in folder.glob("*")} if folder.is_dir() else set()
    taken |= set(further)
    names = (name if n == 1 else f"{name}-{n}" for n in range(1, len(taken) + 2))
    return folder / next(free for free in names if not any(re.fullmatch(rf"{re.escape(free)}-s\d+", t) for t in taken))


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise KnobError(f"{name} must be at least 1, got {value}; nearest: 1")
    return value


def _cores() -> int:
    return os.cpu_count() or 1


def _threads(at_once: int) -> int:
    return max(1, _cores() // at_once)


def _main(at_once: int) -> int:
    jobs = read_jobs(sys.stdin.buffer.read())
    at_once = min(at_once, len(jobs))
    child, ready = start_with(jobs, threads=_threads(at_once))
    first = Path(jobs[0].folder)
    playing = {first: child} if first in ready else {}
    told: dict[str, str] = {}
    for progress in Sweep(ready, at_once=at_once, playing=playing) if ready else ():
        now = {str(p.run.folder): p.state for p in progress}
        if now != told:
            with suppress(OSError):  # a full disk must not end the playing
                os.write(sys.stdout.fileno(), json.dumps(now).encode() + b"\n")
            told = now
    return 0 if len(ready) == len(jobs) else 2


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1])))
