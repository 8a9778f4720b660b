"""The writer's lock: `flock` on the file `lock`. The kernel releases it when the process ends, also on kill -9.

POSIX only. The file itself stays: removing it would let two writers lock two files of one name. On a network file
system the lock is as good as the system's `flock` (NFS: between hosts since Linux 2.6.12, if the server keeps locks).
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple
from weakref import WeakSet

from siwork.schema import Locked, RunError
from siwork.store.atomic import quoted, reason, writing

_PATIENCE = 5.0  # seconds; readers hold the lock shared for microseconds while they look
_HELD: WeakSet[Lock] = WeakSet()


class Holder(NamedTuple):
    """Who holds the lock; None and '' while it has not signed yet."""

    pid: int | None
    host: str


class Lock:
    """The right to write into a run folder, held until `release` or the end of the process.

    Raises Locked when another writer holds it (also one of this process), RunError when the system refuses.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, Lock(Path(folder)):
    ...     holder(Path(folder)).pid == os.getpid()
    True
    """

    def __init__(self, folder: Path) -> None:
        with writing("the lock", folder, "a writer needs the right to write there"):
            self._file = _opened(folder / "lock", os.O_RDWR | os.O_CREAT)
        try:
            with writing("the lock", folder, "a writer needs the right to write there"):
                _take(self._file, folder)
                self._file.truncate(0)
                self._file.write(json.dumps({"pid": os.getpid(), "host": os.uname().nodename}).encode())
        except BaseException:
            self._file.close()
            raise
        _HELD.add(self)

    @property
    def held(self) -> bool:
        """Whether this process still holds the lock through this object."""
        return not self._file.closed

    def release(self) -> None:
        """Let the next writer in; harmless when done twice."""
        self._file.close()
        _HELD.discard(self)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(folder: Path) -> Holder | None:
    """Who writes to the run folder at this moment, None when nobody does. Raises RunError when it cannot be seen."""
    try:
        with _opened(folder / "lock", os.O_RDONLY) as file:
            return None if _try(file, fcntl.LOCK_SH) else _signed(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"could not look at the lock of {folder} ({reason(error)}); check its permissions") from error


def _opened(path: Path, flags: int) -> FileIO:
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    return FileIO(handle, "r" if flags == os.O_RDONLY else "r+")


def _try(file: FileIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take(file: FileIO, folder: Path) -> None:
    """Get the exclusive lock. A shared lock that can be had means: only readers are looking, so wait for them."""
    deadline = monotonic() + _PATIENCE
    while not _try(file, fcntl.LOCK_EX):
        if not _try(file, fcntl.LOCK_SH) or monotonic() > deadline:
            raise Locked(_who(folder, _signed(file)))
        fcntl.flock(file, fcntl.LOCK_UN)
        sleep(0.002)


def _who(folder: Path, who: Holder) -> str:
    process = f"process {who.pid} on {who.host}" if who.pid else "another process"
    return (
        f"{folder} is being written by {process}, and a run has one writer; "
        f"wait for it, stop it with Run({str(folder)!r}).request_stop(), or copy it: siwork fork {quoted(folder)}"
    )


def _signed(file: FileIO) -> Holder:
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        file.seek(0)
        said = json.loads(file.read(1000))
        return Holder(int(said["pid"]), str(said["host"]))
    return Holder(None, "")


def _let_go_in_child() -> None:
    """A forked child must not keep the lock alive after its parent was killed."""
    for lock in list(_HELD):
        lock.release()


os.register_at_fork(after_in_child=_let_go_in_child)
