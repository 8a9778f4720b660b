"""Methods of the catalogue against `vanilla`, on the same problems and seeds, at as many samples a round.

Here their run folders are prepared, and what the rounds cost is read from them; `siwork.sweep.Sweep` plays them,
`siwork.reporting.effects` says what came of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple, TypeVar

from siwork.arms import file_name, prepared
from siwork.loop import Sizes, sizes_of
from siwork.recipes import LACKING, RECIPES, Recipe, recipe_of
from siwork.schema import RecipeError, nearest
from siwork.store import Run
from siwork.tasks import task_of

_Key = TypeVar("_Key")

REFERENCE = "vanilla"
POLICY = "tiny"
PROMPTED = "needs a prompted model"
SIZES = Sizes(train=150, heldout=60, beyond=0, samples=16)
ROUNDS = 2


class Setting(NamedTuple):
    """What all methods share but for the task, which is that of a method's smallest setting."""

    folder: Path
    seeds: Sequence[int] = range(5)
    rounds: int = ROUNDS
    problems: Sizes = SIZES
    policy: str = POLICY


class Cost(NamedTuple):
    """What a round with training costs."""

    samples: float  # completions that the policy drew and that stand as rows, mean over rounds and runs
    seconds: float  # wall time, mean over the rounds of a run, median over runs


def methods_of(names: Sequence[str]) -> list[str]:
    """Names of methods, each once; all of the catalogue where none is given.

    Raises RecipeError for a name that is none, or of a method that lacks something.

    >>> methods_of(["east", "vanilla", "east"])
    ['east', 'vanilla']
    """
    for name in names:
        if name in LACKING:
            recipe_of(name)  # says what it lacks
        if name not in RECIPES:
            raise RecipeError(f"no method is called {name!r}; {nearest(name, RECIPES)}; see: siwork recipes")
    return list(dict.fromkeys(names or RECIPES))


def lacking(name: str) -> str:
    """Why a method of the catalogue cannot be measured with `tiny`, empty when it can.

    >>> lacking("east"), lacking("self-rewarding")
    ('', 'needs a prompted model')
    """
    return "" if RECIPES[name].policy == POLICY else PROMPTED


def reference(k: int) -> Recipe:
    """`vanilla` with k completions of each problem.

    >>> str(reference(24)), str(reference(16))
    ('seed · cot(k=24) · gold · correct · sft', 'seed · cot · gold · correct · sft')
    """
    vanilla = recipe_of(REFERENCE)
    cot, *more = vanilla.sampler
    return replace(vanilla, sampler=(replace(cot, k=k), *more))


def own_runs(names: Iterable[str], setting: Setting) -> dict[str, list[Path]]:
    """Prepare the runs of methods, each on the task of its smallest setting.

    Returns
    -------
    Folders by method, in the order of the seeds; those of `vanilla` are its own reference's. What is there is kept.

    Raises as `siwork.run`: RunError for a folder that holds another run.
    """
    ends = {name: f"-{name}" if name != REFERENCE else _end(_default_k()) for name in names}
    by_task = defaultdict(list)
    for name in ends:
        by_task[RECIPES[name].task].append(name)
    found: dict[str, list[Path]] = {}
    for task, own in by_task.items():
        arms = {name: recipe_of(name) for name in own}
        found |= _prepared(arms, [ends[name] for name in own], task, setting)
    return {name: found[name] for name in ends}


def references(ks: Mapping[str, int], setting: Setting) -> dict[str, list[Path]]:
    """Prepare the runs of `vanilla` on the task of each method, with so many completions of each problem.

    ks : completions by method, as `equal_k` has them

    Returns
    -------
    Folders by method, in the order of the seeds; methods of one task and number share theirs.

    Raises as `own_runs`.
    """
    by_task = defaultdict(set)
    for name, k in ks.items():
        by_task[RECIPES[name].task].add(k)
    found: dict[tuple[str, int], list[Path]] = {}
    for task, own in by_task.items():
        arms = {(task, k): reference(k) for k in sorted(own)}
        found |= _prepared(arms, [_end(k) for _, k in arms], task, setting)
    return {name: found[RECIPES[name].task, k] for name, k in ks.items()}


def _prepared(arms: Mapping[_Key, Recipe], ends: Sequence[str], task: str, setting: Setting) -> dict[_Key, list[Path]]:
    base = Path(setting.folder) / file_name(str(task_of(task)))
    return prepared(arms, ends, base, task, setting.policy, setting.rounds, setting.problems, setting.seeds)


def _end(k: int) -> str:
    return f"-{REFERENCE}-k{k}"


def _default_k() -> int:
    return int(recipe_of(REFERENCE).sampler[0].k)


def equal_k(run: Run) -> int:
    """Completions of each problem with which `vanilla` draws as many samples a round as a run did, at least 1."""
    return max(1, round(cost([run]).samples / sizes_of(run.manifest["problems"]).train))


def cost(runs: Sequence[Run]) -> Cost:
    """What a round of runs costs, the closing one left out. Raises RunError, Unfinished for a run without rounds."""
    training = {run: [r for r in range(run.rounds_done) if not run.round_info(r)["closing"]] for run in runs}
    samples = [drawn(run, r) for run, rounds in training.items() for r in rounds]
    seconds = [mean(run.round_info(r)["seconds"] for r in rounds) for run, rounds in training.items()]
    return Cost(mean(samples), median(seconds))


def drawn(run: Run, r: int) -> int:
    """Train rows of a round that the policy drew; texts that somebody wrote for it have no temperature."""
    return int(run.rows(r, ["temperature"], "train")["temperature"].notna().sum())
