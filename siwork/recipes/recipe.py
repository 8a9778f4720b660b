"""A recipe: six slots of components, read from and printed as a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from siwork import proposers, samplers, selectors, stabilisers, updates, verifiers
from siwork.policies import Policy
from siwork.recipes.catalogue import LACKING, RECIPES
from siwork.recipes.fits import see_fit
from siwork.recipes.playing import Play, judge, lots_of, select, selected
from siwork.recipes.together import see_together
from siwork.schema import RecipeError, format_call, nearest, parse_formula
from siwork.slots import SLOTS, Component, Selection, State, Tell, silent
from siwork.tasks import Task

COMPONENTS: dict[str, type[Component]] = {
    kind.name: kind
    for room in (proposers, samplers, verifiers, selectors, updates, stabilisers)
    for kind in vars(room).values()
    if isinstance(kind, type) and issubclass(kind, Component) and "name" in vars(kind)
}


@dataclass(frozen=True)
class Recipe:
    """One method of self-improvement: components in six slots; an empty slot is the identity.

    `str(recipe)` is its formula, `Recipe.read(formula)` reads it back to an equal recipe.

    >>> str(Recipe.read("seed | cot(k=8) | gold | correct | sft"))
    'seed · cot(k=8) · gold · correct · sft'
    """

    proposer: tuple[Any, ...] = ()
    sampler: tuple[Any, ...] = ()
    verifier: tuple[Any, ...] = ()
    selector: tuple[Any, ...] = ()
    update: tuple[Any, ...] = ()
    stabiliser: tuple[Any, ...] = ()

    @classmethod
    def read(cls, text: str) -> Recipe:
        """The recipe of a catalogue name or a formula.

        Raises
        ------
        RecipeError : unreadable, an unknown recipe or component, slots out of order, a component twice in a slot,
            or parts that do not go together
        KnobError : an unknown knob, or a value out of range
        """
        if text.strip() in RECIPES:
            text = RECIPES[text.strip()].formula
        slots: dict[str, list[Component]] = {}
        for calls in parse_formula(text):
            parts = [_component(call.name, text).build(call.args, call.named) for call in calls]
            _place(slots, parts)
        recipe = cls(**{slot: tuple(parts) for slot, parts in slots.items()})
        recipe._check()
        return recipe

    def __str__(self) -> str:
        return " · ".join(" + ".join(str(part) for part in parts) for parts in self.slots.values() if parts)

    @property
    def whole(self) -> str:
        """The formula with every knob written, those at their default, too.

        >>> Recipe.read("cot(k=8) · gold · sft").whole.split(" · ")[2]
        'sft(steps=60, batch=64, rate=1.0)'
        """
        written = [[format_call(part, whole=True) for part in parts] for parts in self.slots.values() if parts]
        return " · ".join(" + ".join(parts) for parts in written)

    @property
    def slots(self) -> dict[str, tuple[Any, ...]]:
        """The components by slot, in order."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def label_free(self) -> bool:
        """Whether no component looks at the truth or the answer key."""
        return not any(part.reads_gold for parts in self.slots.values() for part in parts)

    def see_fit(self, task: Task, policy: Policy | None = None) -> None:
        """Nothing, when task and policy have what the components ask for. Raises RecipeError, before anything runs, when not.

        >>> from siwork.tasks import task
        >>> Recipe.read("cot · gold · sft").see_fit(task("countdown"))
        """
        see_fit(self.slots, COMPONENTS, task, policy)

    def _check(self) -> None:
        see_together(self.slots, str(self))

    def play(
        self, state: State, problems: pd.DataFrame, rng: np.random.Generator, tell: Tell = silent
    ) -> tuple[pd.DataFrame, State]:
        """One round: propose, sample, verify, select, update. No truth enters but through components that read it.

        Parameters
        ----------
        state : State of the round; problems : DataFrame (PROBLEMS) of the train split
        rng : generator of this round alone; tell : called with (stage, share done)

        Returns
        -------
        rows : DataFrame of all completions with score and weight, without gold; state : State of the next round
        """
        return Play(self, problems, lots_of(rng), tell).round(state)

    def judge(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The rows with the verifiers' scores: the first as `score`, further ones as `score_<name>`."""
        return judge(self.verifier, state, rows, rng)

    def select(
        self, rows: pd.DataFrame, rng: np.random.Generator, tuned: Mapping[str, float] | None = None
    ) -> pd.DataFrame:
        """The rows with `weight`, `pair` and `side` as the selectors set them; without any, everything is kept.

        tuned : knobs that a stabiliser has set, by name
        """
        return select(self.selector, tuned or {}, rows, rng)

    def judge_only(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The rows with scores and weight 0: measured, never trained on."""
        everything = Selection.all(len(rows))
        return selected(self.judge(state, rows, rng), everything._replace(weight=np.zeros(len(rows))))


def recipe_of(text: str | Recipe) -> Recipe:
    """A recipe from its name or formula; a Recipe passes through. Raises as `Recipe.read`."""
    return text if isinstance(text, Recipe) else Recipe.read(text)


def selectors_of(text: str) -> Recipe:
    """A recipe with nothing but the selectors of a formula such as `correct + balance(cap=2)`; empty keeps everything.

    Raises
    ------
    RecipeError : unreadable, no text, a component that is no selector, or one that stands twice
    KnobError : an unknown knob, or a value out of range
    """
    if not isinstance(text, str):
        raise RecipeError(f"selectors are a formula such as 'correct(threshold=0.7)', got {type(text).__name__}")
    slots: dict[str, list[Component]] = {}
    for calls in parse_formula(text) if text.strip() else []:
        parts = [_selector(call.name).build(call.args, call.named) for call in calls]
        _place(slots, parts)
    return Recipe(selector=tuple(slots.get("selector", ())))


def _selector(name: str) -> type[Component]:
    known = sorted(part.name for part in COMPONENTS.values() if part.slot == "selector")
    if name in COMPONENTS and COMPONENTS[name].slot != "selector":
        raise RecipeError(
            f"{name} is of the {COMPONENTS[name].slot} slot, where a selector is wanted; selectors: {', '.join(known)}"
        )
    if name in RECIPES:
        raise RecipeError(f"{name} is a whole recipe, where a selector is wanted; selectors: {', '.join(known)}")
    if name not in COMPONENTS:
        raise RecipeError(f"no selector is called {name!r}; {nearest(name, known)}. Selectors: {', '.join(known)}")
    return COMPONENTS[name]


def _component(name: str, text: str) -> type[Component]:
    if name in COMPONENTS:
        return COMPONENTS[name]
    if text.strip() == name and name in LACKING:
        found = LACKING[name]
        raise RecipeError(f"{name} ({found.source}) is known, but cannot be played yet; it lacks: {found.lacks}")
    known = [*COMPONENTS, *RECIPES] if text.strip() == name else list(COMPONENTS)
    kind = "recipe or component" if text.strip() == name else "component"
    raise RecipeError(f"no {kind} is called {name!r}; {nearest(name, known)}. `siwork recipes` lists them")


def _place(slots: dict[str, list[Component]], parts: list[Component]) -> None:
    slot = parts[0].slot
    for part in parts:
        if part.slot != slot:
            raise RecipeError(
                f"{parts[0].name} is a {slot} and {part.name} a {part.slot}; put · between slots, + within one"
            )
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(f"component {twice[0]!r} stands twice in the {slot} slot; once is enough, drop one")
    if slot in slots:
        raise RecipeError(f"the {slot} slot is written twice; join its components with +")
    if slots and SLOTS.index(slot) < max(SLOTS.index(s) for s in slots):
        raise RecipeError(f"{parts[0].name} is a {slot} and stands too late; the order is {' · '.join(SLOTS)}")
    slots[slot] = parts
