"""An ablation in two clicks: recipes that differ in one slot, run with the same seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as w

from siwork.reporting.differences import Side
from siwork.schema import SiworkError
from siwork.store import Run
from siwork.sweep import ablation
from siwork_widgets.compare.oneslot import Change, one_slot_changes
from siwork_widgets.kit.choosing import Choices, several
from siwork_widgets.kit.plain import seen
from siwork_widgets.kit.text import Text

Ablate = Callable[[Sequence[Run], Sequence[str]], Sequence[Path]]  # runs and other recipes → folders that were begun


class Ablation(w.VBox):
    """One-slot changes of a group's recipe, and a button that runs the chosen ones with the group's seeds.

    on_launched : called with the folders of the runs that were begun
    ablate : begins them, as `siwork.sweep.ablation` does; a launcher's own way says itself what cannot be
    """

    def __init__(self, on_launched: Callable[[Sequence[Path]], None], ablate: Ablate = ablation) -> None:
        self._on_launched, self._ablate = on_launched, ablate
        self._side: Side | None = None
        self._formula = ""
        self.change = several("change one slot of A", "compare-change", "100%")
        self.formula = Text(label="recipes with one slot changed", lines=6)
        self.run = w.Button(description="Run this with the same seeds", layout={"width": "auto"})
        self.said = Text(label="what became of it", lines=4)
        for widget, kind in ((self.formula, "formula"), (self.run, "run"), (self.said, "launched")):
            widget.add_class(f"sw-compare-{kind}")
        self.run.on_click(lambda _: self._launch())
        super().__init__([Choices([self.change], self._chosen), self.formula, w.HBox([self.run]), self.said])
        self.show(None)

    def show(self, side: Side | None) -> None:
        """Offer the changes of that side's recipe; what is chosen stays chosen while the recipe does."""
        self._side = side
        formula = side.runs[0].recipe if side is not None else ""
        if formula == self._formula and self.change.options:
            return
        self._formula = formula
        changes: list[Change] = []
        self._say("")
        try:
            changes = one_slot_changes(formula) if formula else []
        except SiworkError as error:
            self._say(f"There is no recipe to change: {error}", "fault")
        self.change.options = [(seen(change.words, 160), change) for change in changes]
        self.change.value = tuple(changes[:1])
        self.run.disabled = not changes
        self._chosen()

    def _chosen(self) -> None:
        spans: list[tuple[str, str]] = []
        for change in self.change.value:
            spans += [("", "\n")] * bool(spans) + list(change.spans)
        self.formula.show(*spans)

    def _launch(self) -> None:
        formulas = [change.formula for change in self.change.value]
        if self._side is None or not formulas:
            self._say("Choose at least one change.")
            return
        try:
            begun = list(self._ablate(self._side.runs, formulas))
        except (SiworkError, OSError) as error:
            self._say(str(error), "fault")
        else:
            names = ", ".join(place.name for place in begun)
            more = "the comparison begins when their first round is finished." if begun else "the launcher says why."
            self._say(f"Begun: {names}; {more}" if begun else f"Nothing was begun; {more}")
            self._on_launched(begun)

    def _say(self, words: str, kind: str = "") -> None:
        self.said.show((kind, words))
        self.said.layout.display = None if words else "none"
