"""The mixer: a recipe put together from six slots, its formula live above them, and the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any

import ipywidgets as w

from siwork.markup import Html, element, join
from siwork.measured import Card, in_short
from siwork.recipes import COMPONENTS, RECIPES, SHOWS, Entry, Recipe
from siwork.schema import SiworkError, knobs_of
from siwork.slots import SLOTS, Component
from siwork_widgets.kit.controls import Knobs
from siwork_widgets.kit.plain import seen

_EMPTY = element("small", "empty: everything passes unchanged", class_="sw-soft")
_CATALOGUE = {str(Recipe.read(name)): name for name in RECIPES}  # by formula as it is printed


class Part(w.VBox):
    """One component in a slot: its name and sentence, its knobs, and a button that takes it out."""

    def __init__(self, kind: type[Component], on_change: Callable[[], None], on_remove: Callable[[str], None]) -> None:
        self.knobs = Knobs(kind, on_change=on_change)
        self.remove = w.Button(description=f"Remove {kind.name}", layout=w.Layout(width="auto", flex="0 0 auto"))
        self.remove.add_class("sw-remove")
        self.remove.on_click(lambda _: on_remove(kind.name))
        head = w.HBox([w.HTML(_about(kind)), self.remove], layout=w.Layout(justify_content="space-between"))
        super().__init__([head, self.knobs])
        for name in ("sw-part", f"sw-part-{kind.name}"):
            self.add_class(name)


class Slot(w.VBox):
    """One slot: the components in it, in order, and a list of those that can be added.

    Parameters
    ----------
    name : one of `siwork.slots.SLOTS`
    on_change : called after each change
    """

    def __init__(self, name: str, on_change: Callable[[], None]) -> None:
        self.name, self._on_change = name, on_change
        self._known = {kind.name: kind for kind in COMPONENTS.values() if kind.slot == name}
        self._parts: dict[str, Part] = {}  # every component ever shown keeps its controls
        self.names: list[str] = []
        self.choice = w.Dropdown(
            tooltip=f"Component to add to the {name} slot", layout=w.Layout(flex="1 1 6em", width="6em")
        )
        self.add = w.Button(
            description="Add", tooltip=f"Add to the {name} slot", layout=w.Layout(width="auto", flex="0 0 auto")
        )
        self.add.add_class("sw-add")
        self.add.on_click(lambda _: self._added())
        self.add.disabled = True
        self.choice.observe(self._chosen, "value")
        super().__init__(layout=w.Layout(border="1px solid var(--line)", padding="4px 8px", min_width="0"))
        for each in ("sw-slot", f"sw-slot-{name}"):
            self.add_class(each)
        self._title = w.HTML(element("h4", name))
        self._adding = w.HBox([self.choice, self.add])
        self._arrange()

    @property
    def parts(self) -> dict[str, Part]:
        """The components in the slot by name, in order."""
        return {name: self._parts[name] for name in self.names}

    def make(self) -> tuple[Any, ...]:
        """The components with their knobs. Raises KnobError for one whose control is at fault."""
        return tuple(part.knobs.make() for part in self.parts.values())

    def show(self, components: Iterable[Any]) -> None:
        """Show these components with their knobs."""
        components = list(components)
        for each in components:
            self._part(each.name).knobs.set({f.name: getattr(each, f.name) for f in knobs_of(type(each))})
        if [each.name for each in components] != self.names:
            self.names = [each.name for each in components]
            self._arrange()

    def _part(self, name: str) -> Part:
        if name not in self._parts:
            self._parts[name] = Part(self._known[name], self._on_change, self._removed)
        return self._parts[name]

    def _chosen(self, change: dict[str, Any]) -> None:
        self.add.disabled = not change["new"]

    def _added(self) -> None:
        if self.choice.value:
            self._part(self.choice.value).knobs.reset()
            self.names.append(self.choice.value)
            self._arrange()
            self._on_change()

    def _removed(self, name: str) -> None:
        self.names.remove(name)
        self._arrange()
        self._on_change()

    def _arrange(self) -> None:
        left = [kind for name, kind in self._known.items() if name not in self.names]
        first = ("choose a component" if left else "nothing left to add", "")
        self.choice.options = [first, *((f"{kind.name}: {kind.sentence}", kind.name) for kind in left)]
        self.choice.value, self.choice.disabled = "", not left
        inside = [*self.parts.values()] or [w.HTML(_EMPTY)]
        self.children = [self._title, *inside, self._adding]


class Mixer(w.VBox):
    """Six slots, the formula they make, and the catalogue. What is wrong with a recipe is said as it arises.

    Parameters
    ----------
    formula : name or formula of the first recipe
    on_change : called after each change, also when the recipe becomes one that cannot be

    >>> mixer = Mixer("vanilla")
    >>> mixer.slots["sampler"].parts["cot"].knobs.controls["k"].entry.value = "8"
    >>> mixer.formula
    'seed · cot(k=8) · gold · correct · sft'
    """

    def __init__(self, formula: str = "vanilla", *, on_change: Callable[[], None] | None = None) -> None:
        self._quiet = False
        self._on_change: Callable[[], None] | None = None
        self._error: SiworkError | None = None
        known = [(f"{name}: {entry.sentence}", name) for name, entry in RECIPES.items()]
        full, label = w.Layout(width="auto"), {"description_width": "6em"}
        tip = "One of the catalogue, taken over into the slots below"
        self.catalogue = w.Dropdown(
            options=[("none of the catalogue", ""), *known], description="Recipe", tooltip=tip, layout=full, style=label
        )
        tip = "The recipe in one line; type another and press Enter"
        self.line = w.Text(continuous_update=False, description="Formula", tooltip=tip, layout=full, style=label)
        self._said, self._facts = w.HTML(), w.HTML()
        self.slots = {name: Slot(name, self._mixed) for name in SLOTS}
        for widget, name in ((self.catalogue, "recipes"), (self.line, "formula"), (self._said, "mixer-fault")):
            widget.add_class(f"sw-{name}")
        grid = w.GridBox(
            list(self.slots.values()),
            layout=w.Layout(grid_template_columns="repeat(auto-fit, minmax(26em, 1fr))", grid_gap="8px"),
        )
        super().__init__([self.catalogue, self.line, self._said, self._facts, grid])
        self.add_class("sw-mixer")
        self.catalogue.observe(self._chosen, "value")
        self.line.observe(lambda change: self._take(change["new"]), "value")
        self.set(formula)
        self._on_change = on_change

    @property
    def formula(self) -> str:
        """The formula as it stands in the field, whether or not it can be read."""
        return str(self.line.value)

    @property
    def recipe(self) -> Recipe:
        """The recipe. Raises RecipeError or KnobError when what is shown is none; `fault` is its sentence."""
        if self._error is not None:
            raise self._error.with_traceback(None)
        return Recipe.read(self.formula)

    @property
    def fault(self) -> str:
        """Why what is shown is no recipe, empty when it is one."""
        return "" if self._error is None else str(self._error)

    def set(self, formula: str) -> None:
        """Show a recipe by name or formula, as if it was typed: one that cannot be read becomes the fault."""
        self._take(formula)

    def _chosen(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self._take(change["new"])

    def _take(self, text: str) -> None:
        if self._quiet:
            return
        try:
            recipe = Recipe.read(text)
        except SiworkError as error:
            self._show(text, error)
            return
        with self._silence():
            for name, parts in recipe.slots.items():
                self.slots[name].show(parts)
        self._show(str(recipe), None)

    def _mixed(self) -> None:
        """The formula of what is in the slots."""
        if self._quiet:
            return
        formula = self.formula
        fault: SiworkError | None = None
        try:
            formula = str(Recipe(**{name: slot.make() for name, slot in self.slots.items()}))
            Recipe.read(formula)
        except SiworkError as error:
            fault = error
        self._show(formula, fault)

    def _show(self, formula: str, error: SiworkError | None) -> None:
        self._error = error
        with self._silence():
            self.line.value = formula
            self.catalogue.value = "" if error else _CATALOGUE.get(formula, "")
        self._said.value = element("span", seen(self.fault), class_="sw-fault", role="alert") if error else ""
        self._facts.value = "" if error else _facts(self.recipe)
        if self._on_change is not None:
            self._on_change()

    @contextmanager
    def _silence(self) -> Any:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def _about(kind: type[Component]) -> Html:
    departs = f"; departs from it in: {kind.departs}" if kind.departs else ""
    sentence = element("small", f" {kind.sentence}", class_="sw-soft")
    return element("span", element("strong", kind.name), sentence, title=f"From: {kind.source}{departs}")


def _facts(recipe: Recipe) -> Html:
    readers = [part.name for parts in recipe.slots.values() for part in parts if part.reads_gold]
    truth = f"Reads the truth: yes ({', '.join(readers)})." if readers else "Reads the truth: no, it is label-free."
    name = _CATALOGUE.get(str(recipe))
    told = _card(name, recipe, RECIPES[name]) if name else []
    return element("small", join(truth, *told), class_="sw-soft")


def _card(name: str, recipe: Recipe, entry: Entry) -> list[Html | str]:
    """What the catalogue says of a method, and what it was measured to do."""
    card = Card(name, str(recipe), entry.task, entry.shows, recipe.whole)
    about = ", ".join(SHOWS[letter] for letter in entry.shows)
    departs = f" Departs from it in: {entry.departs}." if entry.departs else ""
    return [
        " This is ",
        element("strong", name),
        f" of the catalogue, from: {entry.source}.{departs} About: {about}. Should change: {entry.expects}.",
        f" Changed here: {in_short(card)}.",
        f" Its smallest setting: {entry.policy} with {entry.task}.",
    ]
