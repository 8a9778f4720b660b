"""`Lab`: launch runs, follow them, see what they do to the model, and read the completions behind every number.

The panel is there at once: what takes long to load is loaded in the background from the moment this module is imported, and
a part that nobody looks at is not made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as w

from siwork.schema import SiworkError
from siwork.store import Run
from siwork_widgets.kit.clock import Clock
from siwork_widgets.kit.text import Text
from siwork_widgets.kit.turns import TURN
from siwork_widgets.parts import LAUNCHER, PLOTLYJS, TABS, part, there
from siwork_widgets.watch.opener import Opener
from siwork_widgets.watch.opening import opened
from siwork_widgets.watch.source import Snapshot, Source

_SOON, _LATER = 0.2, 1.0  # s between two ticks: while anything goes on, and while nothing does
_AHEAD = TABS[:6]  # made before they are turned to, once nothing else goes on

there(PLOTLYJS)
there("Overview")


class Lab(w.VBox):
    """The whole workbench in one panel: a launcher, and tabs that follow the runs while they grow.

    Runs are processes of their own: they go on when the kernel ends, and `Lab(run)` attaches to them again.

    Parameters
    ----------
    x : a Run, Runs, a folder that is a run or holds runs, a row table, an object whose `.rows` is a row table, or a list of
        these; None begins empty

    Raises
    ------
    KnobError : x is something else
    Foreign, RunError : x holds no run, two runs of one name, or one whose run.json is broken
    SchemaError : a table that lacks what a row has

    Whatever goes wrong later (a folder that vanishes, a damaged round) is a sentence in the panel, and what could still be
    read stays in sight.

    >>> Lab().snapshot.runs
    ()
    """

    def __init__(self, x: Any = None) -> None:
        self.source = Source(x)
        self._snapshot = self.source.poll()
        self._log = x  # an imported log says itself what can be read in it
        self._made: dict[str, Any] = {}  # tabs by name, and the launcher, each once it is loaded
        self._versions: dict[str, int] = {}  # of the snapshot that a tab shows
        self._faults: dict[str, str] = {}  # of the panel itself, by tab
        self._build()
        super().__init__([self.above, self.fault, self.doing, self.clock, self.pages])
        self.add_class("sw-panel").add_class("sw-lab")
        part(PLOTLYJS).shared()  # goes ahead, so that the page unpacks it while this kernel measures
        self._show(self._snapshot)

    # ── what it is made of ─────────────────────────────────────────────────────────────────────────────
    def _build(self) -> None:
        self.opener = Opener(self._open)
        # a place for each part, since tabs that are exchanged turn the browser back to the first one
        self._places = {name: w.VBox([w.Label("loading …")]) for name in (LAUNCHER, *TABS)}
        self.told = w.HTML(layout={"overflow": "auto"})
        parts = {"Launch, stop, fork": self._places[LAUNCHER], "Open runs": self.opener}
        parts |= {"What this log can say": self.told} if self._report() else {}
        self.above = w.Accordion(list(parts.values()), titles=tuple(parts))
        self.above.selected_index = None if self._snapshot.runs else 0
        self.above.observe(lambda _: self.tick(), "selected_index")
        self.fault = Text(label="what went wrong", lines=6)
        self.doing = w.Label()
        self.clock = Clock(self.tick, seconds=_SOON, label="siwork Lab")
        self.pages = w.Tab([self._places[name] for name in TABS], titles=TABS, selected_index=0)
        self.pages.observe(lambda _: self._turned(), "selected_index")
        named = {"above": self.above, "lab-fault": self.fault, "doing": self.doing, "tabs": self.pages}
        for kind, widget in named.items():
            widget.add_class(f"sw-{kind}")

    def _make(self, name: str) -> Any:
        """One part of the panel, made when it is first asked for; waits until it is loaded."""
        with TURN:
            if name not in self._made:
                self._made[name] = self._new(name)
                self._places[name].children = [self._made[name]]
            return self._made[name]

    def _new(self, name: str) -> Any:
        made = part(name)
        if name == LAUNCHER:
            return made(self._launched)
        if name == "Samples":
            return made(self.source.rows)
        if name == "Compare":
            return made(open_rows=self.open_rows, on_launched=lambda places: self.launcher.expect(places))
        return made(self.open_rows) if name == "Overview" else made(name, self.open_rows)

    @property
    def tabs(self) -> dict[str, Any]:
        """The tabs by name; waits until they are loaded."""
        return {name: self._make(name) for name in TABS}

    @property
    def launcher(self) -> Any:
        """The launcher above the tabs; waits until it is loaded."""
        return self._make(LAUNCHER)

    # ── following the runs ─────────────────────────────────────────────────────────────────────────────
    def tick(self) -> None:
        """Look at the disk, and show what is new; called by the browser's clock."""
        if not self._snapshot.busy:
            for name in (LAUNCHER, "Compare"):
                there(name)  # loaded, so that it is made at once when it is asked for
        ready = [name for name in self._lacking() if there(name)]
        if ready:
            self._make(ready[0])
        self._snapshot = self.source.poll()
        self._show(self._snapshot)

    def _lacking(self) -> list[str]:
        """Parts in sight that are not made yet; once nothing else goes on, also what can be turned to next."""
        seen = [TABS[self.pages.selected_index or 0], *([LAUNCHER] if self.above.selected_index == 0 else [])]
        return [name for name in (*seen, *(() if self._snapshot.busy else _AHEAD)) if name not in self._made]

    def wait(self, seconds: float = 60.0) -> Snapshot:
        """Tick until all that is on the disk is measured, drawn and shown, or the time is over."""
        self._snapshot = self.source.wait(seconds)
        self._make(LAUNCHER)
        for name in TABS:
            self._show_one(name, self._snapshot)
        self._show(self._snapshot)
        return self._snapshot

    @property
    def snapshot(self) -> Snapshot:
        """What is known: runs, their statuses, metric tables, comparison, pictures."""
        return self._snapshot

    def add(self, run: Run) -> None:
        """Follow one more run. Raises RunError when another one has its name."""
        self.source.add(run)
        self.tick()

    def _show(self, snapshot: Snapshot) -> None:
        """The launcher and the visible tab, and one of the others, so that a tick stays short."""
        chosen = TABS[self.pages.selected_index or 0]
        if LAUNCHER in self._made:
            self._made[LAUNCHER].show(snapshot)
        if chosen in self._made:
            self._show_one(chosen, snapshot)
        stale = [name for name in TABS if name in self._made and self._versions.get(name) != snapshot.version]
        if stale:
            self._show_one(stale[0], snapshot)
        self._tell(snapshot)
        making = snapshot.busy or len(stale) > 1 or bool(self._lacking())
        running = any(status.state == "running" for status in snapshot.statuses.values())
        launching = LAUNCHER in self._made and bool(self._made[LAUNCHER].playing.folders)
        self.clock.seconds = _SOON if making or running or launching else _LATER

    def _show_one(self, name: str, snapshot: Snapshot) -> None:
        words = ""
        try:
            self._make(name).show(snapshot)
        except SiworkError as error:
            words = str(error)
        except Exception as error:
            words = f"The tab {name} cannot be shown: {type(error).__name__}: {error}"
        self._versions[name] = snapshot.version
        self._fault(name, words)

    def _tell(self, snapshot: Snapshot) -> None:
        """What is wrong, a sentence a line, and what is being done."""
        sentences = list(dict.fromkeys([*snapshot.faults, *self._faults.values()]))
        said = "\n".join(" ".join(one.split()) for one in sentences)
        if said != self.fault.text:
            self.fault.show(*([("fault", said)] if said else []))
        self.fault.layout.display = None if said else "none"
        self.doing.value = f"{snapshot.doing} …" if snapshot.busy and snapshot.doing else ""
        self.told.value = self._report()

    def _report(self) -> str:
        """The capability report of an imported log, or of one that is followed, as markup; empty for anything else."""
        log = getattr(self._log, "imported", self._log)
        return str(log._repr_html_()) if hasattr(getattr(log, "report", None), "capabilities") else ""

    def _fault(self, where: str, words: str) -> None:
        self._faults.pop(where, None)
        if words:
            self._faults[where] = words

    def _turned(self) -> None:
        """Another tab was chosen: it comes first from now on."""
        name = TABS[self.pages.selected_index or 0]
        self.source.first = name
        if name in self._made or there(name):
            self._show_one(name, self._snapshot)

    # ── what a reader does ─────────────────────────────────────────────────────────────────────────────
    def open_rows(self, point: Mapping[str, Any]) -> None:
        """Show the completions behind a point in the tab Samples."""
        self._make("Samples").open_rows(point)
        self.pages.selected_index = TABS.index("Samples")

    def export(self, path: str | Path) -> Path:
        """Write the panel as one HTML file that opens without a kernel; waits until all is measured.

        Raises RunError when the file cannot be written.
        """
        from siwork_widgets.kit.export import save

        snapshot = self.wait()
        self._make("Samples").wait()
        self._make("Compare").fill()
        names = [group.name for group in snapshot.comparison.groups] if snapshot.comparison is not None else []
        return save(path, f"siwork: {', '.join(names) or 'no run'}", [(name, [tab]) for name, tab in self.tabs.items()])

    def _open(self, place: Path) -> None:
        words = ""
        try:
            for run in opened(place):
                self.source.add(run)
        except (SiworkError, OSError) as error:
            words = str(error)
        self._fault("open", words)
        self.tick()

    def _launched(self, runs: Sequence[Run]) -> None:
        for run in runs:
            self.source.add(run)
