"""`Simulator`: a loop on the tabular policy that is played again while its sliders move."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

import ipywidgets as w
import pandas as pd

from siwork.markup import element
from siwork.schema import KnobError, SiworkError, knobs_of, nearest
from siwork.simulation import PRESETS, Gaussian, World, simulate
from siwork_widgets.kit import export
from siwork_widgets.kit.clock import Clock
from siwork_widgets.kit.controls import Control, control
from siwork_widgets.kit.figure import Figure, picture
from siwork_widgets.kit.table import Table
from siwork_widgets.kit.text import Text
from siwork_widgets.simulator.pictures import QUESTIONS, View, note, recursion
from siwork_widgets.simulator.words import told
from siwork_widgets.simulator.worlds import COLUMNS, Frame, Law, behind, code, groups, idle, laws, recipe_code

_MOST_SEEDS, _SEEDS = 20, 5
_PACE = 0.05  # s between two seeds; the browser's other messages come in between
_REST = 0.25  # s without a move before further seeds are played
_SIDE, _HEIGHT = "300px", "92vh"
_ASKS = {
    "Performance": "How often is it right?",
    "Diversity": "Does it still find different right answers?",
    "Tail": "Do hard problems still give training data?",
    "Verifier": "Can the judge be believed?",
    "Collapse": "Has the loop turned?",
}


class Simulator(w.VBox):
    """Sliders of a world at the left, the four questions as figures at the right, recomputed while a slider moves.

    The first seed is played at once, further seeds one by one as the browser's clock ticks; the figures then show their mean
    with the interval over seeds. Values that cannot be are a sentence; the last valid picture stays.

    Parameters
    ----------
    preset : name in `siwork.simulation.PRESETS`

    Raises
    ------
    KnobError : no preset is called so

    >>> Simulator("vanilla").world.verifier
    'noisy'
    """

    name = "Simulator"

    def __init__(self, preset: str = "vanilla") -> None:
        if preset not in PRESETS:
            raise KnobError(f"no preset is called {preset!r}; {nearest(preset, PRESETS)}")
        self.world: World = PRESETS[preset].world
        self._quiet = True
        self._tables: list[pd.DataFrame] = []
        self._laws: list[Law] = []
        self._behind: tuple[dict[str, Any], str] | None = None
        self._moved_at = 0.0
        self._build(preset)
        super().__init__(self._laid_out())
        self.add_class("sw-panel").add_class("sw-simulator")
        self._quiet = False
        self._preset_chosen()
        self._redraw_gaussian()

    # ── what it is made of ─────────────────────────────────────────────────────────────────────────────
    def _build(self, preset: str) -> None:
        self.preset = _named(w.Dropdown(options=list(PRESETS), value=preset, description="preset"), "sw-sim-preset")
        self.knobs = {spot.name: _narrow(control(spot)) for spot in knobs_of(World)}
        look = {"style": {"description_width": "6.5em"}, "layout": w.Layout(width="auto")}
        self.seeds = _named(w.IntSlider(_SEEDS, 1, _MOST_SEEDS, description="seeds", **look), "sw-sim-seeds")
        self.truth = _named(w.Checkbox(True, description="show exact truth", indent=False), "sw-sim-truth")
        self.theory = _named(w.Checkbox(True, description="show theory", indent=False), "sw-sim-theory")
        self.fits = {spot.name: _narrow(control(spot)) for spot in knobs_of(Gaussian)}
        self.formula = _named(Text(label="the loop as a formula", lines=4), "sw-formula")
        self.about = _named(w.HTML(), "sw-sim-about")
        self.fault = _named(Text(label="why not", lines=4), "sw-fault")
        self.progress = _named(Text(label="seeds", lines=2), "sw-sim-progress")
        self.code = _named(Text(label="as code", lines=8), "sw-code")
        self.said = {question: _named(w.HTML(), "sw-said") for question in QUESTIONS}
        self.figures = {question: self._figure(question) for question in QUESTIONS}
        self.below = {question: w.VBox() for question in QUESTIONS}  # where the table of a clicked point goes
        self.recursion = _named(Figure(), "sw-sim-gaussian")
        self.table = _named(Table(COLUMNS, label="problems behind a point"), "sw-behind")
        self.clock = Clock(self.tick, seconds=0, label="simulator")
        self._listen()

    def _figure(self, question: str) -> Figure:
        figure: Figure = _named(
            Figure(on_point=lambda point: self.look_behind(point, question)), f"sw-sim-{question.lower()}"
        )
        return figure

    def _listen(self) -> None:
        for each in self.knobs.values():
            each.observe(self._moved, ["value", "fault"])
        for box in (self.truth, self.theory):
            box.observe(lambda _: self._draw(), "value")
        for slider in self.fits.values():
            slider.observe(lambda _: self._redraw_gaussian(), "value")
        self.seeds.observe(lambda _: self._reseeded(), "value")
        self.preset.observe(lambda _: self._preset_chosen(), "value")

    def _answers(self) -> list[w.Widget]:
        """The formula and the questions with their figures, from top to bottom."""
        shown: list[w.Widget] = [self.formula, self.about, self.fault]
        for question, figure in self.figures.items():
            shown += [_heading(f"{question}: {_ASKS[question]}"), self.said[question], figure, self.below[question]]
        return [*shown, _heading("The recursion without a model"), w.VBox(list(self.fits.values())), self.recursion]

    def _laid_out(self) -> list[w.Widget]:
        side: list[w.Widget] = [self.preset, self.seeds, w.HBox([self.truth, self.theory]), self.progress]
        for heading, names in groups().items():
            side += [_heading(heading), *(self.knobs[name] for name in names)]
        right = self._answers()
        left, shown = _scrolling(side, flex=f"0 0 {_SIDE}", width=_SIDE), _scrolling(right, flex="1 1 0", min_width="0")
        body = w.HBox([left, shown], layout=w.Layout(align_items="flex-start", grid_gap="0 12px"))
        return [body, _heading("As code"), self.code, self.clock]

    # ── a slider moves ─────────────────────────────────────────────────────────────────────────────────
    def _preset_chosen(self) -> None:
        world = PRESETS[self.preset.value].world
        self._quiet = True
        for name, each in self.knobs.items():
            each.value = getattr(world, name)
        self._quiet = False
        self._moved()

    def _moved(self, _: Any = None) -> None:
        """Play the first seed of the world that the sliders say, and draw it."""
        if self._quiet:
            return
        values = {name: each.value for name, each in self.knobs.items()}
        idling = idle(values)
        for name, each in self.knobs.items():
            _disable(each, name in idling)
        try:
            self._check_controls()
            world = World(**values)
            tables = [simulate(world, 0)]
        except SiworkError as error:
            self._refuse(str(error))
            return
        self._refuse("")
        self._moved_at = monotonic()
        self.world, self._tables, self._laws = world, tables, laws(world)
        self._draw()
        self._say_world()
        self._reseeded()

    def _refuse(self, why: str) -> None:
        """Say why the values cannot be; nothing where they can."""
        self.fault.show(("fault", why))
        self.fault.layout.display = None if why else "none"

    def _check_controls(self) -> None:
        """Raises KnobError for the first control that holds what cannot be."""
        for each in self.knobs.values():
            if each.fault:
                raise KnobError(each.fault)

    def _say_world(self) -> None:
        entry = PRESETS[self.preset.value]
        changed = "" if self.world == entry.world else f"Changed from {entry.formula}. "
        departs = f" Departs from it in: {entry.departs}." if entry.departs else ""
        self.formula.show(("strong", self.world.formula))
        about = f"{changed}{entry.sentence} Source: {entry.source}.{departs}"
        self.about.value = element("p", about, class_="sw-soft")
        called = f"from siwork.simulation import World, simulate\n{code(self.world)}\n"
        self.code.show(called, ("soft", recipe_code(self.world)))

    # ── seeds come in ──────────────────────────────────────────────────────────────────────────────────
    def _reseeded(self) -> None:
        """More seeds are wanted, or fewer."""
        if len(self._tables) > self.seeds.value:
            self._tables = self._tables[: self.seeds.value]
            self._draw()
        self._pace()

    def _pace(self) -> None:
        done, wanted = len(self._tables), self.seeds.value
        self.clock.seconds = _PACE if done < wanted else 0
        of = f" of {wanted}" if done < wanted else ""
        kind = "intervals over problems" if done == 1 else "range of seeds" if done == 2 else "intervals over seeds"
        self.progress.show(("soft", f"{done}{of} seed{'s' * (wanted > 1)}: {kind}"))

    def tick(self) -> None:
        """Play one more seed, unless a slider has just moved; called by the clock."""
        if monotonic() - self._moved_at >= _REST:
            self._add_seed()

    def _add_seed(self) -> None:
        if len(self._tables) < self.seeds.value:
            self._tables.append(simulate(self.world, len(self._tables)))
            self._draw()
        self._pace()

    def wait(self) -> None:
        """Play all seeds that are wanted."""
        while len(self._tables) < self.seeds.value:
            self._add_seed()

    # ── what is shown ──────────────────────────────────────────────────────────────────────────────────
    def _draw(self) -> None:
        frame = Frame.of(self.world, self._tables)
        view = View(self.truth.value, self._laws if self.theory.value else None)
        words = told(frame)
        for question, draw in QUESTIONS.items():  # figures first: words may come a moment later
            spec = draw(frame, view).spec()
            self.figures[question].show(picture(spec, words[question], note(question, frame, view)))
        for question, said in words.items():
            self.said[question].value = element("p", said)
        if self._behind is not None:
            self.look_behind(*self._behind)

    def look_behind(self, point: dict[str, Any], question: str = "Performance") -> None:
        """Show, below the figure of a question, the problems behind a point: of its round and band, the most typical."""
        self._behind = (point, question)
        rows, note = behind(self.world, point)
        self.table.show(rows, note=note)
        for name, below in self.below.items():
            wanted = (self.table,) if name == question else ()
            if below.children != wanted:
                below.children = wanted

    def _redraw_gaussian(self) -> None:
        world = Gaussian(**{name: each.value for name, each in self.fits.items()})
        label = (
            f"Variance of a Gaussian refitted {world.rounds} times on {world.n} of its own samples, data={world.data}."
        )
        self.recursion.show(picture(recursion(world).spec(), label))

    def export(self, path: str | Path) -> Path:
        """Write what is shown as one HTML file that needs no kernel and no network. Raises RunError as `export.save`."""
        shown = [*self._answers(), self.progress, _heading("As code"), self.code]
        return export.save(path, f"siwork simulator: {self.preset.value}", [("Simulator", shown)])


def _named(widget: Any, name: str) -> Any:
    widget.add_class(name)
    return widget


def _scrolling(children: list[w.Widget], **layout: str) -> w.VBox:
    """A column that scrolls by itself, so that sliders stay in sight while one looks at a figure."""
    inside = w.VBox(children, layout=w.Layout(flex="0 0 auto"))
    return w.VBox([inside], layout=w.Layout(max_height=_HEIGHT, overflow="hidden auto", **layout))


def _heading(words: str) -> w.HTML:
    return w.HTML(element("h4", words))


def _narrow(each: Control) -> Control:
    """A control that fits into the side column."""
    each.layout.flex, each.layout.max_width = "0 0 auto", "100%"
    label = each.field.name.replace("_", " ")
    for part in (each.slider, each.entry):
        if part is not None and part.description:
            part.description, part.style.description_width, part.layout.min_width = label, "6.5em", "0"
    if each.slider is not None:
        each.entry.layout.width = "4.6em"
    return each


def _disable(each: Control, idling: bool) -> None:
    for part in (each.slider, each.entry):
        if part is not None:
            part.disabled = idling


__all__ = ["Simulator"]
