"""The recipes that differ from a given one in a single slot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from siwork.recipes import COMPONENTS, Recipe
from siwork.schema import SiworkError
from siwork.slots import SLOTS

_SILENT = ("seed", "nofit")  # components that do what an empty slot does


class Change(NamedTuple):
    """One slot exchanged or left out."""

    slot: str
    words: str
    formula: str  # of the other recipe
    spans: tuple[tuple[str, str], ...]  # both formulas in one, the changed slot marked


def one_slot_changes(formula: str) -> list[Change]:
    """Every valid recipe in which one slot is left out, or has one of its components dropped or exchanged.

    Exchanged components have their default knobs; an empty slot may get one. Raises RecipeError, KnobError for a formula
    that cannot be read.

    >>> [change.formula for change in one_slot_changes("cot · sft") if change.slot == "stabiliser"][0]
    'cot · sft · anchor(nll)'
    """
    recipe = Recipe.read(formula)
    found: list[Change] = []
    known = {_done(recipe)}
    for slot in SLOTS:
        for parts in _others(slot, recipe.slots[slot]):
            other = replace(recipe, **{slot: parts})
            if _done(other) not in known and _is_valid(other):
                known.add(_done(other))
                found.append(Change(slot, _words(slot, recipe, parts), str(other), _spans(slot, recipe, parts)))
    return found


def _done(recipe: Recipe) -> str:
    """What a recipe does, whichever way it is written."""
    slots = recipe.slots.items()
    return str(Recipe(**{slot: tuple(part for part in parts if str(part) not in _SILENT) for slot, parts in slots}))


def _others(slot: str, parts: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """What else could stand in a slot."""
    taken = {part.name for part in parts}
    kinds = [kind for name, kind in sorted(COMPONENTS.items()) if kind.slot == slot and name not in taken]
    if parts:
        yield ()
    for i in range(len(parts) or 1):
        if len(parts) > 1:
            yield parts[:i] + parts[i + 1 :]
        for kind in kinds:
            yield (*parts[:i], kind(), *parts[i + 1 :])


def _is_valid(recipe: Recipe) -> bool:
    try:
        return Recipe.read(str(recipe)) == recipe
    except SiworkError:
        return False


def _words(slot: str, recipe: Recipe, parts: tuple[Any, ...]) -> str:
    before, after = (" + ".join(map(str, each)) for each in (recipe.slots[slot], parts))
    return f"{slot}: {before} → {after}" if before and after else f"{slot}: {after or f'without {before}'}"


def _spans(slot: str, recipe: Recipe, parts: tuple[Any, ...]) -> tuple[tuple[str, str], ...]:
    spans: list[tuple[str, str]] = []
    for name, own in recipe.slots.items():
        before, after = (" + ".join(map(str, each)) for each in (own, parts if name == slot else own))
        changed = [("removed", before), ("added", after)] if name == slot else [("", before)]
        shown = [span for span in changed if span[1]]
        spans += [("soft", " · ")] * bool(spans and shown)
        for i, span in enumerate(shown):
            spans += [("soft", " → ")] * bool(i) + [span]
    return tuple(spans)
