"""The commands that list what there is."""

from __future__ import annotations

import argparse
import json

from siwork.recipes import COMPONENTS, RECIPES, recipe_of
from siwork.schema import Knobbed, RecipeError, knobs_of, nearest
from siwork.slots import SLOTS
from siwork.tasks import TASKS, task_of


def recipes(options: argparse.Namespace) -> int:
    """`siwork recipes [NAME]`. Raises RecipeError for a name that is none."""
    if options.name and options.name not in RECIPES and options.name not in COMPONENTS:
        raise RecipeError(
            f"no recipe or component is called {options.name!r}; {nearest(options.name, [*RECIPES, *COMPONENTS])}"
        )
    if options.markdown:
        print(markdown())
    elif options.json:
        chosen = {name: e._asdict() for name, e in RECIPES.items() if options.name in (None, name)}
        print(json.dumps(chosen or _knobs(COMPONENTS[options.name]), ensure_ascii=False, indent=2))
    elif options.name in RECIPES:
        _show_recipe(options.name)
    elif options.name:
        _show_knobs(COMPONENTS[options.name])
    else:
        _list_recipes()
    return 0


def markdown() -> str:
    """The catalogue as a table; the README holds it word for word."""
    lines = [f"| `{name}` | `{e.formula}` | {e.sentence} | {e.source} |" for name, e in RECIPES.items()]
    return "\n".join(["| name | formula | what it is | from |", "|---|---|---|---|", *lines])


def _list_recipes() -> None:
    width = max(map(len, RECIPES))
    print("Recipes")
    for name, entry in RECIPES.items():
        print(f"  {name:<{width}}  {entry.formula}\n  {'':<{width}}  {entry.sentence}")
    for slot in SLOTS:
        print(f"\n{slot.capitalize()}s")
        for part in COMPONENTS.values():
            if part.slot == slot:
                print(f"  {part.name:<{width}}  {part.sentence}")


def _show_recipe(name: str) -> None:
    entry, recipe = RECIPES[name], recipe_of(name)
    print(f"{name}: {entry.sentence}\n  {entry.formula}\n  source: {entry.source}")
    print(f"  reads the truth: {'no' if recipe.label_free else 'yes'}")
    for parts in recipe.slots.values():
        for part in parts:
            departs = f" (departs from its source in: {part.departs})" if part.departs else ""
            print(f"\n{part.slot} {part}{departs}")
            _show_knobs(type(part))


def _show_knobs(kind: type[Knobbed]) -> None:
    print(f"  {kind.sentence}")  # type: ignore[attr-defined]
    for spot in knobs_of(kind):
        info = spot.metadata["knob"]
        unit = f" {info.unit}" if info.unit else ""
        print(f"  {spot.name} = {spot.default}{unit}  ({info.range})  {info.sentence}")


def _knobs(kind: type[Knobbed]) -> dict[str, object]:
    spots = knobs_of(kind)
    told = {
        s.name: {"default": s.default, "range": s.metadata["knob"].range, "meaning": s.metadata["knob"].sentence}
        for s in spots
    }
    return {"name": kind.name, "sentence": kind.sentence, "knobs": told}  # type: ignore[attr-defined]


def tasks(options: argparse.Namespace) -> int:
    """`siwork tasks [NAME]`."""
    chosen = list(TASKS.values()) if options.name is None else [type(task_of(options.name))]
    if options.json:
        print(json.dumps({kind.name: _knobs(kind) for kind in chosen}, ensure_ascii=False, indent=2))
        return 0
    for kind in chosen:
        print(f"{kind.name}")
        _show_knobs(kind)
        if options.name:
            _show_problems(options.name)
    return 0


def _show_problems(text: str) -> None:
    task = task_of(text)
    for split in ("train", "beyond"):
        print(f"\n{split}: prompt · answer · difficulty · different right answers")
        for row in task.problems(split, 5).itertuples():
            print(f"  {row.prompt}  ·  {row.answer}  ·  {row.difficulty:.2f}  ·  {row.n_solutions}")
