"""The commands that list what there is."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any

import pandas as pd

from siwork.measured import Card, in_full, in_short
from siwork.recipes import COMPONENTS, LACKING, RECIPES, SHOWS, recipe_of
from siwork.schema import Knobbed, KnobError, RecipeError, knobs_of, nearest
from siwork.slots import SLOTS
from siwork.tasks import TASKS, Task, task_of

if TYPE_CHECKING:
    from siwork.metrics.catalogue.kinds import Metric


def recipes(options: argparse.Namespace) -> int:
    """`siwork recipes [NAME]`. Raises RecipeError for a name that is none, or of a method that lacks something."""
    of_slot = [kind for kind in COMPONENTS.values() if kind.slot == options.name]
    if options.name in LACKING:
        recipe_of(options.name)  # says what it lacks
    if options.name and not of_slot and options.name not in RECIPES and options.name not in COMPONENTS:
        known = [*RECIPES, *COMPONENTS, *SLOTS]
        raise RecipeError(
            f"no recipe, component or slot is called {options.name!r}; {nearest(options.name, known)}; see: siwork recipes"
        )
    if options.markdown:
        print(markdown())
    elif options.json:
        asked = {name: e for name, e in RECIPES.items() if options.name in (None, name)}
        chosen = {name: e._asdict() | {"changed_here": in_short(card_of(name))} for name, e in asked.items()}
        parts = {kind.name: _knobs(kind) for kind in of_slot}
        print(json.dumps(chosen or parts or _knobs(COMPONENTS[options.name]), ensure_ascii=False, indent=2))
    elif options.name in RECIPES:
        _show_recipe(options.name)
    elif of_slot:
        _list_slot(options.name, max(len(kind.name) for kind in of_slot))
    elif options.name:
        _show_knobs(COMPONENTS[options.name])
    else:
        _list_recipes()
    return 0


def markdown() -> str:
    """The catalogue as a table; the README holds it word for word."""
    lines = [
        f"| `{name}` | `{e.formula}` | {e.sentence} | {e.expects} | {in_short(card_of(name))} | {_reads(name)} | {e.source} |"
        for name, e in RECIPES.items()
    ]
    head = "| name | formula | what it is | should change | changed here | truth | from |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *lines])


def card_of(name: str) -> Card:
    """A method of the catalogue by which its measured half is looked up."""
    entry, recipe = RECIPES[name], recipe_of(name)
    return Card(name, str(recipe), entry.task, entry.shows, recipe.whole)


def components_markdown() -> str:
    """All components as a table, slot by slot; the README holds it word for word."""
    lines = [
        f"| {slot} | `{kind.name}` | {kind.sentence} | {', '.join(f'`{spot.name}`' for spot in knobs_of(kind))} |"
        for slot in SLOTS
        for kind in COMPONENTS.values()
        if kind.slot == slot
    ]
    return "\n".join(["| slot | component | what it does | knobs |", "|---|---|---|---|", *lines])


def _reads(name: str) -> str:
    return "" if recipe_of(name).label_free else "reads"


def _list_recipes() -> None:
    width = max(map(len, [*RECIPES, *LACKING]))
    print("Recipes")
    for name, entry in RECIPES.items():
        print(f"  {name:<{width}}  {entry.formula}\n  {'':<{width}}  {entry.sentence}")
    print("\nKnown, but not to be played yet")
    for name, found in LACKING.items():
        print(f"  {name:<{width}}  lacks: {found.lacks}")
    for slot in SLOTS:
        print()
        _list_slot(slot, width)


def _list_slot(slot: str, width: int) -> None:
    print(f"{slot.capitalize()}s")
    for part in COMPONENTS.values():
        if part.slot == slot:
            print(f"  {part.name:<{width}}  {part.sentence}")


def _show_recipe(name: str) -> None:
    entry, recipe = RECIPES[name], recipe_of(name)
    print(f"{name}: {entry.sentence}\n\n  {entry.formula}\n")
    told = {
        "from": entry.source,
        "departs in": entry.departs or "nothing but what its components say",
        "about": ", ".join(SHOWS[letter] for letter in entry.shows),
        "should change": f"{entry.expects} († our reading)" if "†" in entry.expects else entry.expects,
        "reads the truth": "no" if recipe.label_free else "yes",
        "plays on": f"{entry.policy} with {entry.task}",
    }
    for what, words in told.items():
        print(f"  {what:<16}{words}")
    for i, words in enumerate(in_full(card_of(name))):
        print(f"  {'' if i else 'changed here':<16}{words}")
    for parts in recipe.slots.values():
        for part in parts:
            departs = f" (departs from its source in: {part.departs})" if part.departs else ""
            print(f"\n{part.slot} {part}{departs}")
            _show_knobs(type(part), part)


def _show_knobs(kind: type[Knobbed], part: Knobbed | None = None) -> None:
    """The knobs of a kind, those of a part with its values."""
    print(f"  {kind.sentence}")  # type: ignore[attr-defined]
    for spot in knobs_of(kind):
        info, value = spot.metadata["knob"], getattr(part, spot.name, spot.default)
        unit = f" {info.unit}" if info.unit else ""
        usual = "" if value == spot.default else f"; usually {spot.default}"
        print(f"  {spot.name} = {value}{unit}  ({info.range}{usual})  {info.sentence}")


def _knobs(kind: type[Knobbed]) -> dict[str, object]:
    spots = knobs_of(kind)
    told = {
        s.name: {"default": s.default, "range": s.metadata["knob"].range, "meaning": s.metadata["knob"].sentence}
        for s in spots
    }
    return {"name": kind.name, "sentence": kind.sentence, "knobs": told}  # type: ignore[attr-defined]


def tasks(options: argparse.Namespace) -> int:
    """`siwork tasks [NAME]`."""
    chosen = list(TASKS.values()) if options.name is None else [TASKS[task_of(options.name).name]]
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
    for note in task.notes if task.splits else ():
        print(f"  {note}")
    for split in [name for name in task.splits if name != "heldout"]:
        print(f"\n{split}: prompt · answer · difficulty · different right answers")
        for row in _first_problems(task, split).itertuples():
            known = [row.prompt, row.answer, _figure(row.difficulty), _figure(row.n_solutions)]
            print(f"  {'  ·  '.join(map(str, known))}")


def _first_problems(task: Task, split: str) -> pd.DataFrame:
    """Five problems, or as many as a small table has."""
    for n in (5, 4, 3, 2):
        with suppress(KnobError):
            return task.problems(split, n)
    return task.problems(split, 1)


def _figure(value: Any) -> str:
    return "unknown" if pd.isna(value) else f"{value:.2f}" if isinstance(value, float) else str(value)


def metrics(options: argparse.Namespace) -> int:
    """`siwork metrics [NAME]`. Raises KnobError for a name that is no metric and no family of metrics."""
    families = _chosen_metrics(options.name)
    if options.markdown:
        print(metrics_markdown(families))
    elif options.json:
        told = {family: {name: _facts(name, m) for name, m in known.items()} for family, known in families.items()}
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _list_metrics(families)
    return 0


def metrics_markdown(families: dict[str, dict[str, Metric]] | None = None) -> str:
    """The metrics as a table; the README holds all of them word for word."""
    lines = [
        f"| {family} | `{name}` | {m.meaning} | {m.unit} | {' '.join(f'`{column}`' for column in m.needs)} |"
        for family, known in (families or _chosen_metrics(None)).items()
        for name, m in known.items()
    ]
    return "\n".join(["| family | name | what it is | unit | columns |", "|---|---|---|---|---|", *lines])


def _chosen_metrics(name: str | None) -> dict[str, dict[str, Metric]]:
    """All metrics by family, one family, or one metric; of pass@1, pass@2 … only pass@k where all are wanted."""
    from siwork.metrics.catalogue import FAMILIES, METRICS, NAMES, is_known, metric_of

    of_k = {known: metric_of(known) for known in NAMES if known not in METRICS}
    families = FAMILIES | {"performance": of_k | FAMILIES["performance"]}
    if name is None:
        return families
    if name in families:
        return {name: families[name]}
    if not is_known(name):
        raise KnobError(f"no metric or family is called {name!r}; {nearest(name, [*NAMES, *families])}")
    return {next((f for f, known in families.items() if name in known), "performance"): {name: metric_of(name)}}


def _list_metrics(families: dict[str, dict[str, Metric]]) -> None:
    width = max(len(name) for known in families.values() for name in known)
    for family, known in families.items():
        print(f"{family.capitalize()}")
        for name, m in known.items():
            unit = f" [{m.unit}]" if m.unit else ""
            print(f"  {name:<{width}}  {m.meaning}{unit}  ({', '.join(m.needs)})")
        print()
    print("↑ higher is better, ↓ lower is better, ↕ neither; then the unit and the row columns that are needed.")
    print("k is the group's own number of samples; any whole number may stand for it: pass@8, maj@4.")


def _facts(name: str, metric: Metric) -> dict[str, object]:
    from siwork.metrics.catalogue import DEFAULT

    low, high = (end if isfinite(end) else None for end in metric.span)
    return {
        "meaning": metric.meaning,
        "unit": metric.unit,
        "low": low,
        "high": high,
        "needs": [*metric.needs],
        "reads": [*metric.reads],
        "train_only": metric.train,
        "by_band": metric.banded,
        "default": name in DEFAULT,
    }
