"""The commands that make, continue and report runs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from siwork.cli.options import at_least
from siwork.cli.progress import follow
from siwork.loop import Sizes, prepare
from siwork.loop import fork as copy_run
from siwork.recipes import recipe_of
from siwork.schema import KnobError
from siwork.schema.numbers import counted
from siwork.store import Run, Runs, Writer
from siwork.sweep import Sweep, slug
from siwork.tasks import task_of


def run(options: argparse.Namespace) -> int:
    """`siwork run`: prepare one folder a seed and play them. Raises as `prepare`."""
    checked_extent(options)
    recipe, task = recipe_of(options.recipe), task_of(options.task)
    sizes = Sizes(options.problems, options.heldout, options.beyond, options.samples)
    name = options.name or f"{slug(options.recipe)}-{task.name}"
    seeds = range(options.seed, options.seed + options.seeds)
    folders = [options.folder / f"{name}-s{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        prepare(recipe, task, options.policy, rounds=options.rounds, problems=sizes, seed=seed, folder=folder)
    for note in task.notes:
        print(note)
    extent = f"{counted(options.rounds, 'round')} · {counted(options.seeds, 'seed')}"
    print(f"{recipe}\n{task} · {options.policy} · {extent}\n")
    return _play(folders, options.at_once)


def checked_extent(options: argparse.Namespace, rounds: int = 0) -> None:
    """Raises KnobError for numbers that cannot be, as fewer than so many rounds, and for a name that is a path."""
    at_least(options, rounds=rounds, seeds=1, seed=0, at_once=1, problems=1, heldout=1, beyond=0, samples=1)
    name = getattr(options, "name", None) or ""
    if Path(name).name != name:
        near = re.sub(r"[/\\]+", "-", name).strip("-.") or "runs"
        raise KnobError(f"--name is one name and no path, got {name!r}; nearest: {near!r}; the place is --folder")


def resume(options: argparse.Namespace) -> int:
    """`siwork resume`: play what is missing."""
    at_least(options, at_once=1)
    for folder in options.folders:
        if options.rounds is not None:
            with Writer(folder) as writer:
                writer.extend(options.rounds)
    return _play(options.folders, options.at_once)


def _play(folders: list[Path], at_once: int | None) -> int:
    if not follow(Sweep(folders, at_once=at_once)):
        return 1
    print(f"\nAll rounds are done. See them with: siwork report {' '.join(map(str, folders))}")
    return 0


def fork(options: argparse.Namespace) -> int:
    """`siwork fork`: a copy that goes its own way from a round on."""
    changes = {name: getattr(options, name) for name in ("rounds", "seed") if getattr(options, name) is not None}
    if options.recipe:
        changes["recipe"] = options.recipe
    made = copy_run(options.folder, options.target, options.at, **changes)
    print(f"{made.folder}: rounds 0 … {options.at - 1} copied. Play on with: siwork resume {made.folder}")
    return 0


def report(options: argparse.Namespace) -> int:
    """`siwork report`: one page on all the runs named."""
    from siwork.reporting import report as write_report

    path = write_report(found_runs(options.folders), options.output)
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def found_runs(folders: list[Path]) -> list[Run]:
    """The runs in folders that are runs or hold some."""
    runs: list[Run] = []
    for folder in folders:
        runs += [Run(folder)] if (folder / "run.json").exists() else list(Runs(folder))
    return runs
