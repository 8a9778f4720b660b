"""The worker behind a panel: one thread that measures and draws, and gives out each result as soon as it is there.

What it does is in `siwork_widgets.watch.making`, which the thread itself loads: that takes longer than to show an empty panel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from siwork.store import Run

if TYPE_CHECKING:
    import pandas as pd

    from siwork.reporting.compare import Comparison
    from siwork_widgets.kit.figure import Picture
    from siwork_widgets.watch.telling import Told


class State(NamedTuple):
    """What the worker knows; each change makes a new one."""

    version: int = 0
    comparison: Comparison | None = None
    tables: Mapping[str, pd.DataFrame] = {}
    told: Told | None = None  # the comparison in words
    pictures: Mapping[str, tuple[Picture, ...]] = {}
    faults: Mapping[str, str] = {}  # by folder of the run, or by tab
    doing: str = ""  # what goes on, in words


class Work:
    """Does what was asked last, in a thread that ends when nothing is left to do; it touches no widget.

    first : tells the name of the visible tab, which is drawn first
    """

    def __init__(self, first: Callable[[], str]) -> None:
        self.first = first
        self._lock = Lock()
        self._state, self._running = State(), False
        self._asked: tuple[Run, ...] | None = None
        self._maker: Any = None  # the thread's own

    @property
    def state(self) -> State:
        """The newest state."""
        with self._lock:
            return self._state

    @property
    def busy(self) -> bool:
        """Whether anything is being done, or waits for it."""
        with self._lock:
            return self._running

    def ask(self, runs: Sequence[Run]) -> None:
        """Look at these runs (again), all that are shown; returns at once."""
        with self._lock:
            self._asked = tuple(runs)
            if not self._running:
                self._running = True
                Thread(target=self._work, name="siwork panel", daemon=True).start()

    def asked(self) -> tuple[Run, ...] | None:
        """The runs asked for since the last look, None when nobody asked; for the thread."""
        with self._lock:
            runs, self._asked = self._asked, None
            return runs

    def publish(self, **changes: Any) -> None:
        """Make known what changed; for the thread."""
        with self._lock:
            self._state = self._state._replace(version=self._state.version + 1, **changes)

    def fault(self, where: str, words: str) -> None:
        """Say what is wrong there; no words where all is well again. For the thread."""
        faults = {key: said for key, said in self.state.faults.items() if key != where}
        found = faults | ({where: words} if words else {})
        if found != self.state.faults:
            self.publish(faults=found)

    def _work(self) -> None:
        while not self._done():
            try:
                self._step()
            except Exception as error:  # the thread must go on, and say what it met
                self.fault("", f"{type(error).__name__} while {self.state.doing or 'working'}: {error}")

    def _step(self) -> None:
        if self._maker is None:
            self.publish(doing="loading")
            from siwork_widgets.watch.making import Maker

            self._maker = Maker(self)
        self._maker.step()

    def _done(self) -> bool:
        """Whether nothing is left; from then on another thread may begin."""
        with self._lock:
            if self._asked is not None or (self._maker is not None and self._maker.behind):
                return False
            self._running = False
            self._state = self._state._replace(doing="", version=self._state.version + 1)
            return True
