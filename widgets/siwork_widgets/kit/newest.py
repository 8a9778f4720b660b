"""One worker thread that does the newest job asked of it; older jobs that it has not begun are dropped."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

from siwork.schema import SiworkError


class Done(NamedTuple):
    """What came of a job: a result, or the sentence of the error that ended it."""

    result: Any
    fault: str


class Newest:
    """A place for one job. The caller's thread asks and takes; the job runs elsewhere and must touch no widget.

    >>> work = Newest()
    >>> work.ask(lambda: 6 * 7)
    >>> work.wait()
    Done(result=42, fault='')
    """

    def __init__(self) -> None:
        self._lock, self._ready = Lock(), Event()
        self._job: Callable[[], Any] | None = None
        self._done: Done | None = None
        self._crash: Exception | None = None
        self._running = False

    def ask(self, job: Callable[[], Any]) -> None:
        """Have this done next, in place of any job that has not begun."""
        with self._lock:
            self._job, self._done = job, None
            self._ready.clear()
            if not self._running:
                self._running = True
                Thread(target=self._work, daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a job is waiting or being done."""
        with self._lock:
            return self._running

    def take(self) -> Done | None:
        """The outcome of the newest job, once; None while there is none. Raises what ended it, if not a SiworkError."""
        with self._lock:
            done, crash = self._done, self._crash
            self._done = self._crash = None
        if crash is not None:
            raise crash
        return done

    def wait(self, seconds: float = 60.0) -> Done | None:
        """As `take`, after waiting until nothing is being done. Raises as `take` does."""
        end = time.monotonic() + seconds
        while self.busy and time.monotonic() < end:
            self._ready.wait(min(end - time.monotonic(), 0.05))
        return self.take()

    def _work(self) -> None:
        while True:
            with self._lock:
                job, self._job = self._job, None
                if job is None:
                    self._running = False
                    self._ready.set()
                    return
            done, crash = _tried(job)
            with self._lock:
                if self._job is None:  # else it is out of date already
                    self._done, self._crash = done, crash


def _tried(job: Callable[[], Any]) -> tuple[Done | None, Exception | None]:
    try:
        return Done(job(), ""), None
    except SiworkError as error:
        return Done(None, str(error)), None
    except Exception as error:  # a fault of the program: raised again where it is seen
        return None, error
