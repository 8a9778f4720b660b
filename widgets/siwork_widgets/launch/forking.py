"""Forking: a copy of a run, or of all siblings, up to a round, that goes its own way from there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as w

from siwork.launcher import Forked, Job
from siwork.markup import element
from siwork.recipes import Recipe
from siwork.schema import Knobbed, KnobError, knob
from siwork.store import Run, siblings
from siwork_widgets.kit.choosing import offer
from siwork_widgets.kit.controls import Knobs
from siwork_widgets.kit.pieces import button, field
from siwork_widgets.kit.plain import seen
from siwork_widgets.launch.mixer import Mixer


@dataclass(frozen=True)
class Further(Knobbed):
    """How far a fork goes."""

    name = "further"

    rounds_in_all: int = knob(0, "Updates that the fork has in the end; 0 takes those of its source.", low=0)


class Forking(w.VBox):
    """Which run, from which round, with what changed: choosing a run puts its recipe into the mixer, to be changed there.

    Parameters
    ----------
    mixer : gives the recipe of the fork
    begin : does jobs
    safely : does an action and says what goes wrong
    """

    def __init__(
        self,
        mixer: Mixer,
        begin: Callable[[Sequence[Job]], Any],
        safely: Callable[[Callable[[], Any]], None],
    ) -> None:
        self._mixer, self._begin = mixer, begin
        self._runs: dict[Path, Run] = {}
        style, wide = {"description_width": "6em"}, w.Layout(width="auto")
        self.source = w.Dropdown(
            options=[("no run yet", ())],
            description="Source",
            tooltip="Run or siblings to fork",
            style=style,
            layout=wide,
        )
        self.at = w.Dropdown(
            options=[0], description="At round", tooltip="First round that is played anew", style=style
        )
        self.more = Knobs(Further)
        self.name = field("Fork name", "", "Name of the new folder; siblings get their seed added")
        self.fork = button(
            "Fork", "Copy the rounds before, and play on with the mixer's recipe", lambda: safely(self._fork)
        )
        self.about = w.HTML()
        for widget, name in ((self.source, "source"), (self.at, "at")):
            widget.add_class(f"sw-{name}")
        super().__init__([self.source, self.at, self.more, self.name, self.about, w.HBox([self.fork])])
        self.add_class("sw-forking")
        self.source.observe(self._chosen, "value")
        self.at.observe(lambda _: self.tell(), "value")
        self.tell()

    @property
    def chosen(self) -> list[Run]:
        """The runs to be forked."""
        return [self._runs[folder] for folder in self.source.value or () if folder in self._runs]

    def show(self, runs: Sequence[Run]) -> None:
        """Offer these runs; quick where nothing changed."""
        if [run.folder for run in runs] != list(self._runs):
            self._runs = {run.folder: run for run in runs}
            offer(self.source, [("choose a run", ()), *groups(runs), *((run.name, (run.folder,)) for run in runs)])
        self._offer_rounds()

    def tell(self) -> None:
        """Say what the button will do."""
        runs = self.chosen
        self.fork.disabled = not runs or bool(self._mixer.fault)
        if not runs:
            words = "Choose a run: its recipe is put into the mixer, and what you change there is changed in the fork."
        elif self._mixer.fault:
            words = f"The mixer shows no recipe: {self._mixer.fault}"
        else:
            words = self._plan(runs)
        self.about.value = element("small", seen(words), class_="sw-soft")

    def jobs(self) -> list[Forked]:
        """What Fork will do. Raises RecipeError, KnobError for a recipe, a number or a name that cannot be."""
        recipe, rounds = str(self._mixer.recipe), self.more.make().rounds_in_all
        changes = {"recipe": recipe} | ({"rounds": rounds} if rounds else {})
        name = self.name.value.strip() or self._new_name()
        if name in (".", "..") or "/" in name or "\0" in name:
            raise KnobError(f"a name is one word of a file name, got {name!r}; nearest: {name.replace('/', '-')!r}")
        several = len(self.chosen) > 1
        return [
            Forked(
                str(run.folder.parent / (f"{name}-s{run.seed}" if several else name)),
                str(run.folder),
                self.at.value,
                changes,
            )
            for run in self.chosen
        ]

    def _fork(self) -> None:
        self._begin(self.jobs())
        self.name.value = ""

    def _chosen(self, _: Any) -> None:
        self._offer_rounds()
        if self.chosen:
            self._mixer.set(self.chosen[0].recipe)
            self.at.value = max(min(len(self.at.options) - 1, self.chosen[0].rounds_wanted - 1), 0)
        self.tell()

    def _offer_rounds(self) -> None:
        done = min((run.rounds_done for run in self.chosen), default=0)
        offer(self.at, [(str(r), r) for r in range(done + 1)])

    def _new_name(self) -> str:
        first = self.chosen[0].name
        stem = first.rpartition("-s")[0] if len(self.chosen) > 1 else first
        return f"{stem or first}-fork-{time.strftime('%m%d-%H%M%S')}"

    def _plan(self, runs: Sequence[Run]) -> str:
        at = self.at.value
        copied = (
            f"Rounds 0 … {at - 1} of {len(runs)} runs are copied"
            if at
            else f"The beginning of {len(runs)} runs is copied"
        )
        same = str(Recipe.read(runs[0].recipe)) == self._mixer.formula
        after = "with the same recipe, which gives the same rounds again" if same else f"with {self._mixer.formula}"
        return f"{copied.replace('1 runs', '1 run')}; from round {at} on they go {after}."


def groups(runs: Sequence[Run]) -> list[tuple[str, tuple[Path, ...]]]:
    """Siblings that are more than one, as the choices of a list: what is shown, and their folders."""
    return [
        (f"{len(own)} seeds of {recipe}, {task}, {policy}", tuple(run.folder for run in own))
        for (recipe, task, policy), own in siblings(runs).items()
        if len(own) > 1
    ]
