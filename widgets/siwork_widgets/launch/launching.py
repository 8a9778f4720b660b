"""Launching, stopping, resuming and forking runs from a panel, and following how they are doing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import ipywidgets as w

from siwork.launcher import Fresh, Further, Job
from siwork.loop import Sizes
from siwork.markup import element
from siwork.policies import POLICIES, policy_kind
from siwork.schema import Knobbed, KnobError, RunError, SiworkError, format_call, knob
from siwork.store import Run, Status
from siwork.sweep import ablation, ablation_jobs, free_name, slug
from siwork.tasks import TASKS
from siwork_widgets.kit.choosing import offer
from siwork_widgets.kit.controls import Knobs
from siwork_widgets.kit.pieces import button, field, title
from siwork_widgets.kit.plain import seen
from siwork_widgets.kit.text import Text
from siwork_widgets.launch.forking import Forking, groups
from siwork_widgets.launch.kinds import Chooser
from siwork_widgets.launch.mixer import Mixer
from siwork_widgets.launch.playing import Playing
from siwork_widgets.launch.progress import Bars, Line, Pace, line_of
from siwork_widgets.watch.opening import TableRun

__all__ = ["Extent", "Launcher", "Longer", "Seen", "ablation"]

_ALL = "all runs"
_DOUBLE = 0.5  # seconds; a second press of Launch within them is one of a double click


class Seen(Protocol):
    """What the launcher reads of a snapshot."""

    @property
    def runs(self) -> Sequence[Run]: ...

    @property
    def statuses(self) -> Mapping[str, Status]: ...


@dataclass(frozen=True)
class Extent(Knobbed):
    """How much is played."""

    name = "extent"

    rounds: int = knob(6, "Updates of each run; one policy more than that is measured.", low=0, unit="rounds")
    seeds: int = knob(3, "Runs that differ in nothing but the seed.", low=1, high=32, unit="runs")
    first_seed: int = knob(0, "Seed of the first of them.", low=0)


@dataclass(frozen=True)
class Longer(Knobbed):
    """How far resumed runs go."""

    name = "longer"

    rounds_in_all: int = knob(0, "Updates that resumed runs have in the end; 0 leaves what was planned.", low=0)


class Launcher(w.VBox):
    """Mixer, task, policy and sizes; buttons that launch, stop, resume and fork; a bar for each run.

    Everything is made and played in processes of its own, so nothing here waits, and runs go on when the kernel dies.

    Parameters
    ----------
    on_launched : called with the runs that have come into being, as soon as their folders are there
    folder : where new run folders go
    """

    def __init__(self, on_launched: Callable[[list[Run]], None] | None = None, *, folder: str | Path = "runs") -> None:
        self._on_launched = on_launched or (lambda runs: None)
        self.playing, self._pace = Playing(), Pace()
        self._runs: dict[Path, Run] = {}
        self._statuses: Mapping[str, Status] = {}
        self._pressed = -_DOUBLE
        self._awaited: list[Path] = []  # what is being prepared, as `said` says
        super().__init__()
        self._make_controls(folder)
        self._make_buttons()
        self.forking = Forking(self.mixer, self._begin, self._safely)
        self.children = self._sections()
        self.add_class("sw-launcher")
        self._changed()

    def _make_controls(self, folder: str | Path) -> None:
        kinds = {name: policy_kind(name) for name in sorted(POLICIES, reverse=True)}
        self.mixer = Mixer(on_change=self._changed)
        self.task = Chooser("Task", TASKS, "countdown", self._changed)
        self.policy = Chooser("Policy", kinds, "tiny", self._changed)
        self.extent, self.sizes = Knobs(Extent, on_change=self._changed), Knobs(Sizes, on_change=self._changed)
        self.folder = field("Folder", str(folder), "Folder that the new run folders go into")
        self.name = field("Name", "", "Begin of the new folders' names, the seed is added; empty takes the one shown")
        self.name.continuous_update = True  # else a new placeholder undoes, in the browser, what is being typed
        self.name.observe(lambda _: self._changed(), "value")
        self.folder.observe(lambda _: self._changed(), "value")

    def _make_buttons(self) -> None:
        actions = {"Launch": self._launch, "Stop": self._stop, "Resume": self._resume}
        pressed = {name: partial(self._safely, action) for name, action in actions.items()}
        self.launch = button("Launch", "Prepare the runs and play them", pressed["Launch"], style="primary")
        self.stop = button("Stop", "End the chosen runs after their present stage", pressed["Stop"])
        self.resume = button("Resume", "Play what is missing in the chosen runs", pressed["Resume"])
        self.longer = Knobs(Longer)
        self.which = w.Dropdown(options=[(_ALL, None)], description="Runs", tooltip="The runs to stop or resume")
        self.which.add_class("sw-which")
        self.why, self.said, self.fault = w.HTML(), Text(label="what was done", lines=3), Text(label="faults", lines=6)
        self.bars = Bars()
        for widget, name in ((self.why, "sw-why-not"), (self.said, "sw-said"), (self.fault, "sw-fault")):
            widget.add_class(name)
        for text in (self.said, self.fault):
            text.layout.display = "none"

    def _sections(self) -> list[w.Widget]:
        half = w.Layout(grid_template_columns="repeat(auto-fit, minmax(22em, 1fr))", grid_gap="8px 24px")
        return [
            title("Recipe"),
            self.mixer,
            title("Task, policy and size"),
            w.GridBox([self.task, self.policy, self.extent, self.sizes, self.folder, self.name], layout=half),
            w.HBox([self.launch, self.why], layout=w.Layout(align_items="center")),
            self.said,
            self.fault,
            title("Runs"),
            w.HBox([self.which, self.stop, self.resume, self.longer], layout=w.Layout(flex_flow="row wrap")),
            self.bars,
            title("Fork"),
            self.forking,
        ]

    # ── following ──────────────────────────────────────────────────────────────────────────────────────
    def show(self, snapshot: Seen) -> None:
        """Show how the runs of a snapshot and those begun here are doing; quick, to be called at every tick."""
        runs = {run.folder: run for run in snapshot.runs if not isinstance(run, TableRun)}
        if list(runs) != list(self._runs):
            own = list(runs.values())
            offer(self.which, [(_ALL, None), *groups(own), *((run.name, (run.folder,)) for run in own)])
        self._runs, self._statuses = runs, snapshot.statuses
        for folder, run in runs.items():
            if run.name in self._statuses and self._statuses[run.name].state == "running":
                self.playing.seen(folder)
        born, faults = self.playing.look()
        if faults:
            self._complain(" ".join(faults))
        self._refresh()
        if born:
            self._safely(lambda: self._on_launched(born))

    def _refresh(self) -> None:
        if self._awaited and not any(self.playing.state(folder) == "preparing" for folder in self._awaited):
            self._say("")
        begun = [folder for folder in self.playing.folders if folder not in self._runs and self.playing.coming(folder)]
        lines = [Line(folder, folder.name, "preparing", 0.0, "preparing …") for folder in begun]
        lines += [line for line in map(self._line, self._runs.values()) if line is not None]
        self.bars.show(lines)
        self.forking.show(list(self._runs.values()))

    def _line(self, run: Run) -> Line | None:
        status = self._statuses.get(run.name)
        if status is None:
            return None
        begun = self.playing.state(run.folder)
        return line_of(run, status, begun, self._pace.of(run, status.round))

    # ── what the buttons do ────────────────────────────────────────────────────────────────────────────
    def jobs(self) -> list[Fresh]:
        """What Launch will do. Raises RecipeError, KnobError, RunError with the sentence that says what is wrong."""
        recipe, task, policy = str(self.mixer.recipe), self.task.call, self.policy.call
        extent, sizes = self.extent.make(), format_call(self.sizes.make())
        seeds = range(extent.first_seed, extent.first_seed + extent.seeds)
        base = self._place()
        jobs = [Fresh(f"{base}-s{seed}", recipe, task, policy, extent.rounds, sizes, seed) for seed in seeds]
        taken = [job.folder for job in jobs if os.path.lexists(job.folder) or Path(job.folder) in self.playing.folders]
        if taken:
            free = free_name(base.parent, base.name).name
            raise RunError(f"{taken[0]} exists, and a launch overwrites nothing; a free name: {free}")
        return jobs

    def _place(self) -> Path:
        """Path of the new folders without their seed. Raises KnobError for a name that is none."""
        name = self.name.value.strip() or self.name.placeholder
        folder = Path(self.folder.value.strip() or ".").expanduser().absolute()
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            free = slug(name) or self._new_name()
            raise KnobError(f"a name is that of a file, without '/', got {name!r}; nearest: {free!r}")
        return folder / name

    def expect(self, folders: Sequence[Path]) -> None:
        """Tell `on_launched` of runs that were begun elsewhere, by `ablation` for example, once their folders are there."""
        self.playing.expect(folders)

    def ablate(self, runs: Sequence[Run], formula: str | Sequence[str]) -> list[Path]:
        """Play another recipe, or several, under all that some runs have in common, seeds and all; the new folders.

        What cannot be is said in the panel, and nothing is begun.
        """
        made: list[Path] = []
        self._safely(lambda: made.extend(self._begin(ablation_jobs(runs, formula))))
        return made

    def _launch(self) -> None:
        if time.monotonic() - self._pressed < _DOUBLE:
            return
        self._begin(self.jobs())
        self._pressed = time.monotonic()
        self.name.value = ""
        self._changed()

    def _begin(self, jobs: Sequence[Job]) -> list[Path]:
        folders = self.playing.begin(jobs)
        self._say(f"Preparing {', '.join(folder.name for folder in folders)} …")
        self._awaited = folders
        self._refresh()
        return folders

    def _stop(self) -> None:
        chosen = self.which.value or [*self._runs, *self.playing.folders]
        folders = [folder for folder in dict.fromkeys(chosen) if self._at_work(folder)]
        for folder in folders:
            self.playing.stop(folder)
        names = ", ".join(folder.name for folder in folders)
        self._say(f"{names} will stop after the present stage." if names else "None of these runs is at work.")
        self._refresh()

    def _resume(self) -> None:
        rounds = self.longer.make().rounds_in_all or None
        chosen = [folder for folder in self.which.value or self._runs if not self._at_work(folder)]
        jobs = [Further(str(folder), rounds) for folder in chosen if self._unfinished(folder, rounds)]
        if jobs:
            self._begin(jobs)
        else:
            self._say("Nothing is missing: these runs are at work or finished. Give more rounds to go further.")

    def _at_work(self, folder: Path) -> bool:
        run = self._runs.get(folder)
        status = self._statuses.get(run.name) if run else None
        return self.playing.coming(folder) or (status is not None and status.state == "running")

    def _unfinished(self, folder: Path, rounds: int | None) -> bool:
        status = self._statuses.get(self._runs[folder].name)
        return status is None or status.state != "finished" or (rounds or 0) > status.rounds

    # ── words ──────────────────────────────────────────────────────────────────────────────────────────
    def _safely(self, action: Callable[[], Any]) -> None:
        """Do what a button asks for; what goes wrong is said, and the panel stays usable."""
        self._complain("")
        try:
            action()
        except (SiworkError, OSError) as error:
            self._complain(str(error))

    def _complain(self, sentence: str) -> None:
        self.fault.show(("fault", sentence)) if sentence else self.fault.show()
        self.fault.layout.display = None if sentence else "none"
        if sentence:
            self._say("")

    def _say(self, sentence: str) -> None:
        self._awaited = []
        self.said.show(sentence)
        self.said.layout.display = None if sentence else "none"

    def _new_name(self) -> str:
        name = f"{self.mixer.catalogue.value or 'mixed'}-{self.task.choice.value}-{time.strftime('%m%d-%H%M%S')}"
        known = [folder.name.rpartition("-s")[0] for folder in self.playing.folders]
        return f"{name}-{known.count(name) + 1}" if name in known else name

    def _changed(self) -> None:
        """A setting was changed: say at once whether it can be launched."""
        if not self.children:
            return
        self.name.placeholder = self._new_name()  # never the value: a reader may be typing one
        why = ""
        try:
            self.jobs()
        except SiworkError as error:
            why = str(error)
        self.forking.tell()
        self.launch.disabled = bool(why)
        self.why.value = element("span", seen(why), class_="sw-fault", role="alert") if why else ""
