"""Runs in child processes: the parent may die, the run goes on; everybody meets in the run folder.

`python -m siwork.launcher FOLDER` is the child: it plays the missing rounds of a prepared folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from siwork.loop import prepare, resume
from siwork.policies import Policy
from siwork.recipes import Recipe
from siwork.schema import SiworkError
from siwork.store import Run, log_file
from siwork.tasks import Task

_started: list[subprocess.Popen[bytes]] = []  # kept so that finished children are reaped


def launch(recipe: str | Recipe, task: str | Task, policy: str | Policy, **more: Any) -> Run:
    """Like `run`, but returns at once; the rounds are played in a child process that outlives this one.

    Takes what `run` takes except `on_round`. `Run.status()` tells where it is, `Run.request_stop()` ends it after
    its present stage. Raises as `run` does for a recipe, task, policy or folder that cannot be.
    """
    found = prepare(recipe, task, policy, **more)
    start(found.folder)
    return found


def start(folder: str | Path, *, threads: int | None = None) -> subprocess.Popen[bytes]:
    """Play the missing rounds of a folder in a child process of its own session; its words go to `log.txt`.

    threads : most threads for matrix products, None for the machine's own number
    """
    for child in [c for c in _started if c.poll() is not None]:
        _started.remove(child)
    limit = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that wait without spinning leave a busy machine usable
    if threads is not None:
        limit |= {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    with log_file(Path(folder)) as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "siwork.launcher", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the parent's terminal must not reach it
            env=os.environ | limit,
        )
    _started.append(child)
    return child


def _main(folder: str) -> int:
    try:
        resume(folder)
    except SiworkError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
