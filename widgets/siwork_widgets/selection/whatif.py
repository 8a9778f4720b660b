"""`WhatIf`: what another selector would have kept of a run's stored rows, while sliders move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import ipywidgets as w

from siwork.markup import element
from siwork.recipes import COMPONENTS, selectors_of
from siwork.schema import SiworkError, format_call, knobs_of
from siwork.store import Run
from siwork_widgets.kit.clock import Clock
from siwork_widgets.kit.figure import Figure, Picture
from siwork_widgets.kit.newest import Newest
from siwork_widgets.kit.table import Table
from siwork_widgets.kit.text import Text
from siwork_widgets.selection.kept import (
    Line,
    Outcome,
    Stored,
    lines,
    own_selector,
    replayed,
    sentence,
    stored,
    trained,
)
from siwork_widgets.selection.keptpicture import drawn
from siwork_widgets.watch.opening import TableRun, opened

_ALL = -1  # all rounds, in the list of rounds
_WAIT = 0.1  # s between two looks at the worker
_NOTE = (
    "Rows stay those that the run's own policies wrote. This says what one selection would have kept of them, not what a "
    "model trained on it would have said next: for that, fork the run with the other selector."
)
_PARTS = ("correct", "best", "divsel", "balance")  # in the order of a formula
_WORDS = {
    "correct": "Keep what passes",
    "best": "Best of each problem",
    "divsel": "Each answer once",
    "balance": "Cap a problem",
}
_KNOBS = {"correct": "threshold", "best": "n", "balance": "cap"}


class _Shown(NamedTuple):
    """What the worker hands over."""

    outcome: Outcome
    lines: list[Line]
    picture: Picture


class WhatIf(w.VBox):
    """The stored selection of a run beside another one, replayed on the same rows.

    Parameters
    ----------
    x : what `siwork_widgets.watch.opening.opened` takes: a Run, Runs, a folder, a row table; None for runs that `show` brings
    open_rows : called with a clicked point of the figure; None leaves clicks without effect

    Raises
    ------
    Foreign, RunError, KnobError, SchemaError : as `opened`, when x holds no run

    Faults met later (a run without scores, a round that vanished) are a sentence in the panel; the last valid comparison
    stays.
    """

    name = "What if"

    def __init__(self, x: Any = None, *, open_rows: Callable[[dict[str, Any]], None] | None = None) -> None:
        self._runs: dict[str, Run] = {}
        self._version, self._quiet = -1, False
        self._held: tuple[Any, Stored] | None = None  # of the worker alone
        self._work, self._lines = Newest(), list[Line]()
        self._build(open_rows)
        _show_if(self.how)
        _show_if(self.fault)
        super().__init__(self._laid_out())
        self.add_class("sw-panel").add_class("sw-whatif")
        self._offer(opened(x))

    # ── what it is made of ─────────────────────────────────────────────────────────────────────────────
    def _build(self, open_rows: Callable[[dict[str, Any]], None] | None) -> None:
        self.run = _named(w.Dropdown(description="run"), "sw-whatif-run")
        self.round = _named(w.Dropdown(description="round"), "sw-whatif-round")
        self.switches = {part: _switch(part) for part in _PARTS}
        self.sliders = {part: _slider(part, knob) for part, knob in _KNOBS.items()}
        self.back = _named(w.Button(description="as the run did"), "sw-whatif-back")
        self.formula = _named(Text(label="selector", lines=3), "sw-formula")
        self.said = _named(w.HTML(), "sw-said")
        self.fault = _named(Text(label="why not", lines=4), "sw-fault")
        heads = ["", "stored", "what if", "difference, paired by problem", "n"]
        self.table = _named(Table(heads, label="both selections", on_pick=self._explain), "sw-table")
        self.how = _named(Text(label="how it is measured", lines=4), "sw-how")
        self.figure = _named(Figure(on_point=open_rows), "sw-kept")
        self.clock = Clock(self.tick, seconds=0, label="what if another selector had chosen")
        for control in (self.round, *self.switches.values(), *self.sliders.values()):
            control.observe(self._changed, "value")
        self.run.observe(self._chosen, "value")
        self.back.on_click(lambda _: self._as_the_run())

    def _laid_out(self) -> list[w.Widget]:
        rows = [w.HBox([self.switches[part], *_there(self.sliders.get(part))]) for part in _PARTS]
        controls = w.VBox([self.run, self.round, *rows, self.back], layout=w.Layout(flex="0 0 auto"))
        words = w.VBox([self.formula, self.said, self.fault], layout=w.Layout(flex="1 1 300px", min_width="0"))
        top = w.HBox([controls, words], layout=w.Layout(flex_flow="row wrap", grid_gap="0 16px"))
        note = _named(w.HTML(element("p", _NOTE, class_="sw-soft")), "sw-whatif-note")
        return [top, self.table, self.how, self.figure, note, self.clock]

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────────
    def show(self, snapshot: Any) -> None:
        """Follow the runs of a snapshot: new runs and rounds are offered, what is chosen stays chosen."""
        if snapshot.version != self._version:
            self._version = snapshot.version
            self._offer(snapshot.runs)

    def _offer(self, runs: Sequence[Run]) -> None:
        self._runs = {run.name: run for run in runs}
        if tuple(self.run.options) != tuple(self._runs):
            before = self.run.value
            self._quiet = True
            self.run.options = tuple(self._runs)
            self.run.value = before if before in self._runs else next(iter(self._runs), None)
            self._quiet = False
            if self.run.value != before:
                self._chosen()
                return
        self._offer_rounds()

    def _chosen(self, _: Any = None) -> None:
        """Another run: its rounds, and its own selector to begin with."""
        if not self._quiet:
            self._offer_rounds()
            self._as_the_run()

    def _offer_rounds(self) -> None:
        try:
            there = trained(self._runs[self.run.value]) if self.run.value in self._runs else []
        except SiworkError as error:
            self._refuse(str(error))
            return
        options = [(f"round {r}", r) for r in there] + ([("all rounds", _ALL)] if len(there) > 1 else [])
        if tuple(self.round.options) != tuple(options):
            before = self.round.value
            self.round.options = options
            values = [value for _, value in options]
            self.round.value = before if before in values else next(iter(there), None)

    def _as_the_run(self) -> None:
        """Set the controls to the run's own selector, as far as they can say it."""
        try:
            formula = own_selector(self._runs[self.run.value]) if self.run.value in self._runs else ""
            self.set(formula)
        except SiworkError as error:
            self._refuse(str(error))

    def set(self, formula: str) -> None:
        """Set the controls to a formula such as `correct(threshold=0.7) + balance(cap=2)`.

        Raises RecipeError, KnobError for a formula that cannot be read; parts without a control are left out.
        """
        parts = {part.name: part for part in selectors_of(formula).selector}
        self._quiet = True
        for part in _PARTS:
            self.switches[part].value = part in parts
            if part in parts and part in _KNOBS:
                slider, value = self.sliders[part], getattr(parts[part], _KNOBS[part])
                slider.max = max(slider.max, value)
                slider.value = value
        self._quiet = False
        self._changed()

    # ── what is asked ──────────────────────────────────────────────────────────────────────────────────
    def written(self) -> str:
        """The selector that the controls say, as a formula; empty keeps everything."""
        made = []
        for part in _PARTS:
            if self.switches[part].value:
                knobs = {_KNOBS[part]: self.sliders[part].value} if part in _KNOBS else {}
                made.append(format_call(COMPONENTS[part](**knobs)))
        return " + ".join(made)

    def _changed(self, _: Any = None) -> None:
        if self._quiet:
            return
        for part, slider in self.sliders.items():
            slider.disabled = not self.switches[part].value
        if self.run.value not in self._runs or self.round.value is None:
            self._refuse("there is no finished round that was trained on yet; the first one will appear here")
            return
        formula, run = self.written(), self._runs[self.run.value]
        rounds = [value for _, value in self.round.options if value != _ALL]
        wanted = tuple(rounds) if self.round.value == _ALL else (self.round.value,)
        self.formula.show(("strong", formula or "keeps everything"), ("soft", f"   {_code(formula, wanted)}"))
        self._work.ask(lambda: self._done(run, wanted, formula))
        self.clock.seconds = _WAIT

    def _done(self, run: Run, rounds: tuple[int, ...], formula: str) -> _Shown:
        """The worker's part: rows are read once for all moves of the sliders."""
        key = (id(run) if isinstance(run, TableRun) else run.folder, rounds)
        if self._held is None or self._held[0] != key:
            self._held = (key, stored(run, rounds))
        outcome = replayed(self._held[1], formula)
        return _Shown(outcome, lines(outcome), drawn(outcome))

    # ── what is shown ──────────────────────────────────────────────────────────────────────────────────
    def tick(self) -> None:
        """Show what the worker has finished; called by the clock."""
        if not self._work.busy:
            self.clock.seconds = 0
        self._show(self._work.take())

    def wait(self, seconds: float = 60.0) -> None:
        """Show the outcome of the controls as they are, as soon as it is known."""
        self._show(self._work.wait(seconds))
        self.clock.seconds = 0

    def _show(self, done: Any) -> None:
        if done is None:
            return
        if done.fault:
            self._refuse(done.fault)
            return
        shown: _Shown = done.result
        self._quiet = True  # the sliders reach as far as the problems have rows
        for part in ("best", "balance"):
            self.sliders[part].max = max(shown.outcome.stored.most, self.sliders[part].value)
        self._quiet = False
        self._lines = shown.lines
        self._say("")
        self.said.value = element("p", sentence(shown.outcome))
        self.table.show([line.cells for line in shown.lines], note="Pick a line to read how it is measured.")
        _show_if(self.how, ("", ""))
        self.figure.show(shown.picture)

    def _say(self, why: str) -> None:
        """Why there is no new comparison; nothing where there is one."""
        _show_if(self.fault, ("fault", why))

    def _refuse(self, why: str) -> None:
        self._say(why)
        if not self._lines:
            self.figure.show(None, why=why)

    def _explain(self, row: int) -> None:
        line = self._lines[row]
        _show_if(self.how, ("strong", line.metric), ("", f"   {line.method}"))


def _show_if(text: Text, *spans: tuple[str, str]) -> None:
    """Show these spans; without any word, no empty box either."""
    text.show(*spans)
    text.layout.display = None if text.text else "none"


def _named(widget: Any, name: str) -> Any:
    widget.add_class(name)
    return widget


def _there(widget: w.Widget | None) -> list[w.Widget]:
    return [] if widget is None else [widget]


def _switch(part: str) -> w.Checkbox:
    look = {"indent": False, "layout": w.Layout(width="170px")}
    return _named(w.Checkbox(description=_WORDS[part], tooltip=COMPONENTS[part].sentence, **look), f"sw-whatif-{part}")


def _slider(part: str, knob: str) -> w.Widget:
    spot = next(spot for spot in knobs_of(COMPONENTS[part]) if spot.name == knob)
    info = spot.metadata["knob"]
    about = {"value": spot.default, "description": knob, "tooltip": info.sentence, "disabled": True}
    if isinstance(spot.default, float):
        slider = w.FloatSlider(min=info.low, max=info.high, step=0.01, **about)
    else:
        slider = w.IntSlider(min=int(info.low), max=16, **about)
    return _named(slider, f"sw-whatif-{part}-{knob}")


def _code(formula: str, rounds: tuple[int, ...]) -> str:
    return f'siwork.replay(run, "{formula}", rounds={list(rounds)})'


__all__ = ["WhatIf"]
