"""Arms of an experiment: a recipe as given beside the same with one slot exchanged, or behind other rates of error.

Here their run folders are prepared; `siwork.sweep.Sweep` plays them, `siwork.reporting` says what came of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from siwork.loop import Sizes, prepare, sizes_of
from siwork.policies import Policy, policy_of
from siwork.recipes import COMPONENTS, RECIPES, Recipe, recipe_of
from siwork.schema import KnobError, RecipeError, nearest, parse_formula
from siwork.slots import SLOTS, Component
from siwork.tasks import Task, task_of

_Key = TypeVar("_Key")

NONE = "none"  # the alternative that leaves a slot out
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|.', re.DOTALL)  # a text in quotation marks is one piece
_LONGEST = 60  # characters of a name of files
_FAITHFUL = re.compile(r"[a-z0-9.,()=+ _\-]*\Z")  # texts of which `file_name` loses nothing that could matter


class Arm(NamedTuple):
    """One recipe of several that are played under the same conditions."""

    name: str
    recipe: Recipe


def alternatives(text: str) -> list[str]:
    """The alternatives of a line, separated by commas outside brackets and quotation marks.

    Raises KnobError for an empty one.

    >>> alternatives("correct, best(n=4, ) + balance, none")
    ['correct', 'best(n=4, ) + balance', 'none']
    """
    found, depth = [""], 0
    for piece in _PIECE.findall(text):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == "," and depth <= 0:
            found.append("")
        else:
            found[-1] += piece
    found = [each.strip() for each in found]
    if "" in found:
        raise KnobError(
            f"alternatives are components separated by commas, got {text!r} with an empty one; write none to leave the slot out"
        )
    return found


def exchanged(recipe: str | Recipe, slot: str, others: Sequence[str]) -> list[Arm]:
    """The recipe as given and those in which one slot holds something else.

    Parameters
    ----------
    recipe : name or formula
    slot : of `siwork.slots.SLOTS`
    others : components of that slot joined with `+`, or "none", which leaves the slot out

    Returns
    -------
    The recipe as given first, each arm named by what its slot holds; an alternative that is there already is left out.

    Raises
    ------
    KnobError for an unknown slot, or no alternative that differs; RecipeError or KnobError for an alternative that cannot be
    read, is of another slot, or does not go together with the rest of the recipe.

    >>> [str(arm.recipe) for arm in exchanged("cot · gold · correct · sft", "selector", ["best(n=4)", "none"])]
    ['cot · gold · correct · sft', 'cot · gold · best(n=4) · sft', 'cot · gold · sft']
    """
    if slot not in SLOTS:
        raise KnobError(f"slot must be one of {', '.join(SLOTS)}, got {slot!r}; {nearest(slot, SLOTS)}")
    given = recipe_of(recipe)
    found = {str(given): Arm(_words(given.slots[slot]), given)}
    for text in others:
        parts = () if text.strip() == NONE else _parts(text, slot)
        other = replace(given, **{slot: parts})
        found.setdefault(str(other), Arm(_words(parts), _checked(other, text)))
    if len(found) < 2:
        raise KnobError(
            f"an alternative must differ from what the recipe has, got {', '.join(others) or 'none at all'}; name another {slot}"
        )
    return list(found.values())


def _words(parts: Sequence[Component]) -> str:
    return " + ".join(map(str, parts)) or NONE


def _parts(text: str, slot: str) -> tuple[Any, ...]:
    """The components of an alternative. Raises RecipeError, KnobError."""
    calls = parse_formula(text)
    if len(calls) != 1:
        raise RecipeError(f"an alternative holds the {slot} slot alone, got {text!r}; join components with +, not ·")
    return tuple(_kind(call.name, slot).build(call.args, call.named) for call in calls[0])


def _kind(name: str, slot: str) -> type[Component]:
    known = sorted(kind.name for kind in COMPONENTS.values() if kind.slot == slot)
    listed = f"{slot}s: {', '.join(known)}"
    if name in COMPONENTS and COMPONENTS[name].slot != slot:
        raise RecipeError(f"{name} is of the {COMPONENTS[name].slot} slot, where a {slot} is wanted; {listed}")
    if name in RECIPES:
        raise RecipeError(f"{name} is a whole recipe, where a {slot} is wanted; {listed}")
    if name not in COMPONENTS:
        raise RecipeError(f"no {slot} is called {name!r}; {nearest(name, known)}; {listed}")
    return COMPONENTS[name]


def _checked(recipe: Recipe, text: str) -> Recipe:
    """The recipe, when its parts go together. Raises RecipeError."""
    try:
        return Recipe.read(str(recipe))
    except RecipeError as error:
        raise RecipeError(f"with {text}: {error}") from None


def behind_noise(recipe: str | Recipe, fp: float, fn: float, link: str = "flat") -> Recipe:
    """The recipe with other rates of error of its verifier `noisy`.

    Parameters
    ----------
    recipe : name or formula, whose first verifier is `noisy`
    fp, fn : share of wrong answers that are accepted, and of right ones that are rejected, 0 … 1
    link : "flat", or "difficulty" for rates that grow with it

    Raises RecipeError for a recipe with another verifier or none, KnobError for rates or a link that cannot be.

    >>> str(behind_noise("ladder", 0.2, 0))
    'seed · cot · noisy(0.2, 0.0) · correct · sft'
    """
    given = recipe_of(recipe)
    first = given.verifier[0].name if given.verifier else "no verifier"
    if first != "noisy":
        raise RecipeError(
            f"a surface needs a recipe whose first verifier is noisy, got {first} in {str(given)!r}; take ladder"
        )
    noisy = replace(given.verifier[0], fp=fp, fn=fn, link=link)
    return replace(given, verifier=(noisy, *given.verifier[1:]))


def ablations(
    recipe: str | Recipe,
    slot: str,
    others: Sequence[str],
    task: str | Task,
    policy: str | Policy,
    *,
    rounds: int,
    problems: int | Sizes = 300,
    seeds: Sequence[int] = (0, 1, 2),
    folder: str | Path = "runs",
    name: str | None = None,
) -> dict[str, list[Path]]:
    """Prepare the run folders of a recipe as given and of those with one slot exchanged, under the same of all else.

    Parameters
    ----------
    recipe, slot, others : as in `exchanged`
    task, policy, rounds, problems : as in `siwork.run`
    seeds : of each arm, at least one
    folder : where the run folders go; `<name>-s<seed>` is that of the recipe as given, as `siwork run` names it
    name : begin of their names, None for recipe and task

    Returns
    -------
    Folders by arm, the recipe as given first, in the order of the seeds. What is there already is kept, and played on.

    Raises as `exchanged`, before anything is written, and as `siwork.run`.
    """
    found = exchanged(recipe, slot, others)
    arms = {arm.name: arm.recipe for arm in found}
    ends = ["", *(f"-{slot}-{file_name(arm.name)}" for arm in found[1:])]
    return prepared(arms, ends, _base(recipe, task, folder, name), task, policy, rounds, problems, seeds)


def noise_grid(
    rates: Sequence[float],
    task: str | Task,
    policy: str | Policy,
    *,
    link: str = "flat",
    recipe: str | Recipe = "ladder",
    rounds: int,
    problems: int | Sizes = 300,
    seeds: Sequence[int] = (0, 1, 2),
    folder: str | Path = "runs",
    name: str | None = None,
) -> dict[tuple[float, float], list[Path]]:
    """Prepare the run folders of a recipe behind every pair of error rates.

    Parameters
    ----------
    rates : of false accepts as well as of false rejects, 0 … 1
    link, recipe : as in `behind_noise`
    task … name : as in `ablations`

    Returns
    -------
    Folders by rates (of false accepts, of false rejects), in the order of the seeds.

    Raises as `behind_noise`, before anything is written, KnobError without rates, and as `siwork.run`.
    """
    if not rates:
        raise KnobError("a surface needs rates of error, got none; 0, 0.1, 0.2 and 0.4 are usual")
    grid = {(float(fp), float(fn)): behind_noise(recipe, fp, fn, link) for fp in rates for fn in rates}
    linked = "" if link == "flat" else f"-{link}"
    ends = [f"{linked}-fp{fp:g}-fn{fn:g}" for fp, fn in grid]
    return prepared(grid, ends, _base(recipe, task, folder, name), task, policy, rounds, problems, seeds)


def by_seed(arms: Mapping[Any, Sequence[Path]]) -> list[Path]:
    """The folders of all arms in the order in which they are best played: every arm of one seed, then of the next."""
    return [folder for of_seed in zip(*arms.values(), strict=True) for folder in of_seed]


@dataclass(frozen=True)
class Drawn(Sizes):
    """Sizes that draw the problems of a seed once for all arms."""

    @classmethod
    def of(cls, problems: int | Sizes) -> Drawn:
        """The same sizes, that draw once."""
        return cls(**asdict(sizes_of(problems)))

    def draw(self, task: Task, seed: int) -> pd.DataFrame:
        """As `Sizes.draw`; the problems of the seed asked for last are held."""
        held = self.__dict__.setdefault("held", {})
        if seed not in held:
            held.clear()
            held[seed] = super().draw(task, seed)
        return held[seed]


def _base(recipe: str | Recipe, task: str | Task, folder: str | Path, name: str | None) -> Path:
    return Path(folder) / (name or f"{slug(str(recipe))}-{task_of(task).name}")


def prepared(
    arms: Mapping[_Key, Recipe],
    ends: Sequence[str],
    base: Path,
    task: str | Task,
    policy: str | Policy,
    rounds: int,
    problems: int | Sizes,
    seeds: Sequence[int],
) -> dict[_Key, list[Path]]:
    """Prepare the run folders of several recipes under the same of all else.

    Parameters
    ----------
    arms : recipes by key
    ends : what is added to the name of each arm's folders
    base : folder and begin of their names; those of an arm are `<base><end>-s<seed>`
    task … seeds : as in `ablations`

    Returns
    -------
    Folders by key, in the order of the seeds. What is there already is kept.

    Raises KnobError without seeds, and as `siwork.run`.
    """
    if not seeds:
        raise KnobError("an arm needs at least one seed, got none; three are usual")
    chosen, sizes = task_of(task).fixed(), Drawn.of(problems)
    player = policy_of(policy, chosen)
    for recipe in arms.values():  # all of them, before the folder of the first is written
        recipe.see_fit(chosen, player)
    places = {
        key: [base.with_name(f"{base.name}{end}-s{seed}") for seed in seeds]
        for key, end in zip(arms, ends, strict=True)
    }
    for i, seed in enumerate(seeds):
        for key, recipe in arms.items():
            prepare(recipe, chosen, policy, rounds=rounds, problems=sizes, seed=seed, folder=places[key][i])
    return places


def slug(recipe: str) -> str:
    """A short name for files: the catalogue's name, or the formula's words.

    >>> slug("vanilla"), slug("seed · cot(k=8) · sft")
    ('vanilla', 'seed-cot-k-8-sft')
    """
    if recipe in RECIPES:
        return recipe
    return re.sub(r"[^a-z0-9]+", "-", recipe.lower()).strip("-")[:60]


def file_name(text: str) -> str:
    """A text as part of the name of files: letters, digits, dots and dashes, with a mark of the text where it lost more.

    >>> file_name("best(n=4) + balance"), file_name("noisy(0.1, 0.0)")
    ('best-n-4-balance', 'noisy-0.1-0.0')
    """
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")
    if len(plain) <= _LONGEST and _FAITHFUL.match(text):
        return plain
    return f"{plain[: _LONGEST - 9]}-{sha256(text.encode()).hexdigest()[:8]}"
