"""Runs in child processes: the parent may die, the run goes on; everybody meets in the run folder.

`python -m siwork.launcher FOLDER` is the child: it plays the missing rounds of a prepared folder. With `-` after it, it
first does the jobs on its standard input, and tells on its standard output which folders are ready. Without a folder it
plays those that it is given on its standard input, one after the other, and tells how each of them ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, NamedTuple
from weakref import finalize

from siwork.loop import fork, prepare, resume
from siwork.policies import Policy
from siwork.recipes import Recipe
from siwork.schema import SiworkError
from siwork.store import Run, Writer, log_file
from siwork.tasks import Task, task_of

_NICE = 10  # rounds make way for the notebook and the browser that look at them
_MOST = 1_000_000  # bytes of a player's words that are read
_started: list[subprocess.Popen[bytes]] = []  # kept so that finished children are reaped


class Fresh(NamedTuple):
    """A new run: what `prepare` takes, as texts and numbers."""

    folder: str
    recipe: str
    task: str
    policy: str
    rounds: int
    problems: str
    seed: int

    def make(self) -> None:
        """Write the folder. Raises as `prepare`."""
        prepare(**self._asdict())


class Forked(NamedTuple):
    """A run that begins with the rounds before `at` of another one; `changes` are those of `fork`."""

    folder: str
    source: str
    at: int
    changes: Mapping[str, Any]

    def make(self) -> None:
        """Write the folder. Raises as `fork`."""
        fork(self.source, self.folder, self.at, **self.changes)


class Further(NamedTuple):
    """A run that goes on, to another number of updates unless `rounds` is None."""

    folder: str
    rounds: int | None = None

    def make(self) -> None:
        """Set the number of updates and forget a wish to stop. Raises Locked, Foreign, RunError."""
        with Writer(self.folder) as writer:
            if self.rounds is not None:
                writer.extend(self.rounds)


Job = Fresh | Forked | Further
_JOBS: dict[str, type[Job]] = {kind.__name__: kind for kind in (Fresh, Forked, Further)}


def launch(recipe: str | Recipe, task: str | Task, policy: str | Policy, **more: Any) -> Run:
    """Like `run`, but returns at once; the rounds are played in a child process that outlives this one.

    Takes what `run` takes except `on_round`. `Run.status()` tells where it is, `Run.request_stop()` ends it after
    its present stage. Raises as `run` does for a recipe, task, policy or folder that cannot be.
    """
    found = prepare(recipe, task_of(str(task)), policy, **more)  # the child has nothing but the text
    start(found.folder)
    return found


def start(folder: str | Path, *, threads: int | None = None) -> subprocess.Popen[bytes]:
    """Play the missing rounds of a folder in a child process of its own session; its words go to `log.txt`.

    threads : most threads for matrix products, None for the machine's own number
    """
    with log_file(Path(folder)) as log:
        return _child([str(folder)], threads, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def start_with(jobs: Sequence[Job], *, threads: int | None = None) -> tuple[subprocess.Popen[bytes], list[Path]]:
    """Do jobs in a child process, which then plays the first one's folder as `start` does.

    Waits for the jobs. What goes wrong with one of them is written to this process's standard error, a line each.

    Returns
    -------
    child, and the folders that are ready to be played
    """
    child = _child([jobs[0].folder, "-"], threads, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    with suppress(BrokenPipeError), child.stdin as words:
        words.write(written(jobs))
    with child.stdout as words:
        ready = words.readline()  # empty when the child died over a job
    return child, [Path(folder) for folder in json.loads(ready or "[]")]


class Player:
    """A child process that plays prepared folders one after the other, so that it starts and imports only once.

    The words of each folder go to its `log.txt`. It ends after the folder at hand when this process dies, or `close` is
    called; a folder over which it fails beyond an error of siwork's own is its last.

    Parameters
    ----------
    folder : the first one, which it begins with
    threads : most threads for matrix products, None for the machine's own number
    """

    def __init__(self, folder: str | Path, *, threads: int | None = None) -> None:
        self._told = TemporaryFile()  # noqa: SIM115 (without a name, so that whoever dies leaves nothing behind)
        finalize(self, self._told.close)
        with log_file(Path(folder)) as log:
            self._child = _child([], threads, stdin=subprocess.PIPE, stdout=self._told, stderr=log)
        self._turns = 0
        self.first = self.play(folder)

    def play(self, folder: str | Path) -> Turn:
        """Play that folder next."""
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # a dead player fails its turn
            self._child.stdin.write(json.dumps(str(folder)).encode() + b"\n")
            self._child.stdin.flush()
        self._turns += 1
        return Turn(self, self._turns - 1)

    def ended(self, turn: int) -> int | None:
        """Exit status of a folder as a process of its own would have it; None while it is played."""
        over = self._child.poll()  # before its words are read, so that the last of them is not missed
        told = os.pread(self._told.fileno(), _MOST, 0).split()
        if turn < len(told):
            return int(told[turn])
        return None if over is None else over or 1

    @property
    def idle(self) -> bool:
        """Whether it is alive and has nothing to play."""
        return self._child.poll() is None and self.ended(self._turns - 1) is not None

    def close(self) -> None:
        """Let it end as soon as it has played what it was given."""
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):
            self._child.stdin.close()


class Turn(NamedTuple):
    """One folder that a player was given, looked at as if it had a process of its own."""

    player: Player
    number: int

    def poll(self) -> int | None:
        """Exit status, None while it is played."""
        return self.player.ended(self.number)


def written(jobs: Sequence[Job]) -> bytes:
    """Jobs as JSON, for the standard input of another process; `read_jobs` reads them back to equal ones."""
    return json.dumps([[type(job).__name__, job._asdict()] for job in jobs]).encode()


def read_jobs(data: bytes) -> list[Job]:
    """The jobs that `written` wrote; none in empty data.

    >>> read_jobs(written([Further("runs/a", 3)]))
    [Further(folder='runs/a', rounds=3)]
    """
    return [_JOBS[kind](**values) for kind, values in json.loads(data or b"[]")]


def _child(words: list[str], threads: int | None, **ends: Any) -> subprocess.Popen[bytes]:
    for child in [c for c in _started if c.poll() is not None]:
        _started.remove(child)
    limit = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that wait without spinning leave a busy machine usable
    if threads is not None:
        limit |= {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, "-m", "siwork.launcher", *words]
    # of its own session: Ctrl-C in the parent's terminal must not reach it
    child = subprocess.Popen(command, start_new_session=True, env=os.environ | limit, **ends)
    _started.append(child)
    return child


def _main(folder: str = "", *more: str) -> int:
    os.nice(_NICE)
    if not folder:
        return _play_several()
    if more and folder not in _done(read_jobs(sys.stdin.buffer.read())):
        return 2
    return _play(folder)


def _play(folder: str) -> int:
    try:
        resume(folder)
    except SiworkError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _play_several() -> int:
    told = os.dup(sys.stdout.fileno())
    for line in sys.stdin.buffer:
        ended = _turn(json.loads(line))
        os.write(told, b"%d\n" % ended)
        if ended == 1:
            return 1  # what it left behind in this process is not known
    return 0


def _turn(folder: str) -> int:
    """Play a folder, and let what is said of it go to its log."""
    try:
        with log_file(folder) as log:
            _turn_to(log)
        return _play(folder)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()


def _turn_to(log: BinaryIO) -> None:
    """Let all words of this process go to that file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log.fileno(), stream.fileno())


def _done(jobs: Sequence[Job]) -> list[str]:
    """Do the jobs, tell the parent which folders are ready, and turn to the log of the first one."""
    ready = []
    for job in jobs:
        try:
            job.make()
            ready.append(job.folder)
        except SiworkError as error:
            sys.stderr.write(f"{error}\n")
    with suppress(BrokenPipeError):  # the parent may have died meanwhile; the run goes on
        os.write(sys.stdout.fileno(), json.dumps(ready).encode() + b"\n")
    if jobs[0].folder in ready:
        with log_file(jobs[0].folder) as log:
            _turn_to(log)
    return ready


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
