"""How to make the runs again: seeds, versions, commands."""

from __future__ import annotations

import platform
import shlex
from importlib.metadata import PackageNotFoundError, version

from siwork.markup import Html, element
from siwork.reporting.compare import Comparison, Group
from siwork.reporting.sections import grid, section
from siwork.schema import RecipeError, parse_call
from siwork.store import Run


def repeat(comparison: Comparison) -> Html:
    """The commands that make the runs again, the runs with their seeds, and the versions they were made with."""
    lines = [line for group in comparison.groups for line in commands(group)]
    runs = [(group, run) for group in comparison.groups for run in group.runs]
    rows = [_run_row(group, run) for group, run in runs]
    made: dict[str, list[str]] = {}
    for _, run in runs:
        made.setdefault(_versions(run), []).append(run.name)
    notes = [
        f"Made with {words}: {'all runs' if len(made) == 1 else ', '.join(names)}." for words, names in made.items()
    ]
    notes.append(
        f"This page: siwork {_version('siwork')}, python {platform.python_version()}, plotly {_version('plotly')}."
    )
    return section(
        "repeat",
        "Make it again",
        element("pre", "\n".join(lines), class_="command", tabindex="0"),
        grid(["run", "recipe", "seed", "rounds done", "seconds", "begun"], rows, "Runs and seeds"),
        *(element("p", note, class_="soft") for note in notes),
    )


def _run_row(group: Group, run: Run) -> list[object]:
    done = f"{run.rounds_done} of {run.manifest['rounds'] + 1}"  # the last one only measures
    begun = run.manifest.get("created", "unknown: not recorded")
    return [run.name, group.name, run.seed, done, f"{run.rounds()['seconds'].sum():,.1f}", begun]


def _versions(run: Run) -> str:
    made = run.manifest.get("made_with")
    if isinstance(made, dict) and made:
        return ", ".join(f"{name} {number}" for name, number in made.items())
    return f"siwork {run.manifest.get('siwork', 'unknown')}, other versions unknown: run.json does not record them"


def commands(group: Group) -> list[str]:
    """`siwork run` lines that make the runs of a group again, one for each unbroken row of seeds.

    A forked run shares its first rounds with its source, which one line cannot repeat; it is named in a comment.
    """
    lines = []
    for seeds in _stretches(sorted({run.seed for run in group.runs if "forked_from" not in run.manifest})):
        words = ["siwork", "run", group.recipe, "--task", group.runs[0].task, "--policy", group.policy]
        words += ["--rounds", str(max(run.manifest["rounds"] for run in group.runs))]
        words += ["--seeds", str(len(seeds)), *(["--seed", str(seeds[0])] if seeds[0] else []), *_sizes(group.runs[0])]
        lines.append(shlex.join(words))
    for run in group.runs:
        source = run.manifest.get("forked_from")
        if isinstance(source, dict):
            lines.append(f"# {run.name} was forked from {source.get('folder')} at round {source.get('at')}")
    return lines


def _stretches(seeds: list[int]) -> list[list[int]]:
    """Sorted seeds in unbroken rows.

    >>> _stretches([0, 1, 2, 5])
    [[0, 1, 2], [5]]
    """
    rows: list[list[int]] = []
    for seed in seeds:
        if rows and seed == rows[-1][-1] + 1:
            rows[-1].append(seed)
        else:
            rows.append([seed])
    return rows


def _sizes(run: Run) -> list[str]:
    """Flags for the numbers of problems and samples, where they differ from the usual ones."""
    try:
        named = parse_call(str(run.manifest.get("problems", ""))).named
    except RecipeError:
        return []
    flags = {"train": "--problems", "heldout": "--heldout", "beyond": "--beyond", "samples": "--samples"}
    return [word for key, flag in flags.items() if key in named for word in (flag, str(named[key]))]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown: not installed as a package"
