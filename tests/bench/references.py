"""The two sides of a comparison: siwork here, the reference packages in an environment of their own, made on first use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HOME = ROOT / ".bench" / "references"
REQUIREMENTS, CONSTRAINTS = HERE / "requirements-references.txt", ROOT / "constraints.txt"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ONE_THREAD = dict.fromkeys(_THREADS, "1")  # in the environment of a process


class Unavailable(Exception):
    """The reference packages cannot be installed."""


class Told(NamedTuple):
    """What a worker says of one job."""

    seconds: float  # CPU time of one call
    value: Any


class Worker:
    """A process that does the jobs of one file when asked, on one thread; a context manager."""

    def __init__(self, python: Path, jobs: str) -> None:
        alike = ONE_THREAD | {"PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [python, "-P", HERE / "worker.py", HERE / jobs],  # -P: files of this folder must not stand for packages
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | alike,
        )  # fmt: skip

    def run(self, job: str, inputs: Path, part: int | None = None, calls: int = 1) -> Told:
        """CPU seconds a call, and the value; inputs are read and packages imported before the clock starts."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"job": job, "inputs": str(inputs), "part": part, "calls": calls}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended during {job}; its last words are above")
        return Told(**json.loads(line))

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


def own() -> Worker:
    """siwork, in the Python that runs the bench."""
    return Worker(Path(sys.executable), "jobs_own.py")


def references() -> Worker:
    """The reference packages. Raises Unavailable."""
    return Worker(_python(), "jobs_reference.py")


def _python() -> Path:
    """Python of the environment, which is made when it is missing or the list has changed. Raises Unavailable."""
    wanted = sha256(REQUIREMENTS.read_bytes() + CONSTRAINTS.read_bytes()).hexdigest()
    ready, python = HOME / "ready", HOME / "bin" / "python"
    if ready.exists() and ready.read_text() == wanted:
        return python
    print(f"making {HOME.relative_to(ROOT)} from {REQUIREMENTS.relative_to(ROOT)}; once", file=sys.stderr, flush=True)
    venv.create(HOME, clear=True, with_pip=True)
    install = [python, "-m", "pip", "install", "-qq", "--no-deps", "--constraint", CONSTRAINTS, "--requirement"]
    if subprocess.run([*install, REQUIREMENTS]).returncode:
        raise Unavailable(f"pip could not install {REQUIREMENTS.relative_to(ROOT)}")
    ready.write_text(wanted)
    return python
