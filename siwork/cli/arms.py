"""The commands that play several arms under the same conditions: `siwork ablate` and `siwork surface`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from siwork.arms import ablations, alternatives, by_seed, noise_grid
from siwork.cli.diagnose import wrapped
from siwork.cli.progress import follow_together
from siwork.cli.rounds import checked_extent
from siwork.figures.curves import WORDS
from siwork.loop import Sizes
from siwork.recipes import recipe_of
from siwork.reporting.ablation import ablation_table
from siwork.reporting.armpages import ablation_page, adjusted, shown, surface_page
from siwork.reporting.page import save
from siwork.reporting.surface import surface_table
from siwork.schema import KnobError
from siwork.schema.numbers import counted, interval, number
from siwork.store import Run
from siwork.sweep import Sweep
from siwork.tasks import task_of

_WIDTH = 132  # characters of a line


def ablate(options: argparse.Namespace) -> int:
    """`siwork ablate`: play a recipe and its alternatives, print paired differences, draw them. Raises as `ablations`."""
    _check(options)
    places = ablations(options.recipe, options.slot, alternatives(options.others), **_setting(options))
    given = Run(next(iter(places.values()))[0])
    arms = " | ".join(places)
    if not _played(options, by_seed(places), f"{given.recipe}\n{options.slot}: {arms}", given):
        return 1
    runs = {name: [Run(folder) for folder in folders] for name, folders in places.items()}
    table = ablation_table(runs)
    path = save(ablation_page(table, options.slot, next(iter(runs.values()))), options.output)
    if options.json:
        print(_as_json(table))
        return 0
    for line in _told_ablation(table, options.slot):
        print(line)
    print("\n".join(wrapped(adjusted(table) + ".", 0)))
    print(f"\n{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def surface(options: argparse.Namespace) -> int:
    """`siwork surface`: play a recipe behind every pair of error rates, print and draw its end. Raises as `noise_grid`."""
    _check(options, least=1)
    rates = _rates(options.grid)
    places = noise_grid(rates, recipe=options.recipe, link=options.link, **_setting(options))
    first = Run(next(iter(places.values()))[0])
    count = f"{len(rates)} × {len(rates)} pairs of error rates, {options.link}"
    if not _played(options, by_seed(places), f"{recipe_of(options.recipe)}\n{count}", first):
        return 1
    runs = {cell: [Run(folder) for folder in folders] for cell, folders in places.items()}
    table = surface_table(runs, link=options.link)
    path = save(surface_page(table, next(iter(runs.values()))), options.output)
    if options.json:
        print(_as_json(table))
        return 0
    for metric, own in table.groupby("metric", sort=False):
        print("\n".join(_told_surface(str(metric), own)))
    print(f"\n{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _check(options: argparse.Namespace, least: int = 0) -> None:
    """Raises KnobError for numbers that cannot be, and for a page that is no .html."""
    checked_extent(options, least)
    if options.output.suffix.lower() not in (".html", ".htm"):
        near = options.output.with_suffix(".html").name
        raise KnobError(f"--output must end in .html, got {options.output.name!r}; nearest: {near!r}")


def _setting(options: argparse.Namespace) -> dict[str, Any]:
    """What all arms share."""
    return {
        "task": task_of(options.task),
        "policy": options.policy,
        "rounds": options.rounds,
        "problems": Sizes(options.problems, options.heldout, options.beyond, options.samples),
        "seeds": range(options.seed, options.seed + options.seeds),
        "folder": options.folder,
        "name": options.name,
    }


def _played(options: argparse.Namespace, folders: list[Path], head: str, run: Run) -> bool:
    """Play the folders, most of them without a word; with --json nothing is printed but errors."""
    if not options.json:
        extent = (
            f"{counted(options.rounds, 'round')} · {counted(options.seeds, 'seed')}, {counted(len(folders), 'run')}"
        )
        print(f"{head}\n{run.task} · {run.policy} · {extent}\n")
    return follow_together(Sweep(folders, at_once=options.at_once), told="nothing" if options.json else "time")


def _rates(text: str) -> list[float]:
    """The rates of `--grid`, rising, each once. Raises KnobError."""
    try:
        return sorted({float(each) for each in text.split(",")})
    except ValueError:
        raise KnobError(f"--grid is rates separated by commas, got {text!r}; 0,0.1,0.2,0.4 for example") from None


def _told_ablation(table: pd.DataFrame, slot: str) -> Iterable[str]:
    for arm, own in table.groupby("arm", sort=False):
        first = own.iloc[0]
        yield f"{slot} {arm} − {table.attrs['given']}, round {first['round']}, {first['split']}, {_n(first)}"
        for row in own.to_dict("records"):
            ends = (row["given"], row["other"])
            moved = f"{number(ends[0], *ends)} → {number(ends[1], *ends)}"
            words = f"  {row['metric']:<17} {moved:<17} {shown(row):<26} {_alone(row):<24} {row['conclusion']}"
            yield words if len(words) < _WIDTH else f"{words[: _WIDTH - 1].rstrip()}…"
        yield ""


def _alone(row: dict[Any, Any]) -> str:
    """The interval that the difference has alone."""
    ends = (row["low_alone"], row["high_alone"])
    return "" if pd.isna(ends[0]) else f"alone [{', '.join(number(end, *ends, sign=True) for end in ends)}]"


def _n(row: pd.Series) -> str:
    return f"{counted(row['seeds'], 'seed')} × {counted(row['problems'], 'problem')}"


def _told_surface(metric: str, own: pd.DataFrame) -> Iterable[str]:
    """One metric as a table, a line a rate of false rejects."""
    first, title = own.iloc[0], WORDS.get(metric, (metric, ""))[0]
    seeds = counted(first["seeds"], "seed")
    yield f"{title}: {first['split']}, round {first['round']}, {seeds}; interval of each cell for itself"
    cells = {(row["fp"], row["fn"]): row for row in own.to_dict("records")}
    across = sorted({fp for fp, _ in cells})
    yield "  right rejected ↓  wrong accepted →"
    yield f"  {'':<6}" + "".join(f"{fp:<24g}" for fp in across)
    for fn in sorted({fn for _, fn in cells}):
        yield (f"  {fn:<6g}" + "".join(f"{_cell(cells[fp, fn]):<24}" for fp in across)).rstrip()
    yield ""


def _cell(row: dict[Any, Any]) -> str:
    return interval(*(float("nan") if pd.isna(row[name]) else float(row[name]) for name in ("value", "low", "high")))


def _as_json(table: pd.DataFrame) -> str:
    lines = [{key: None if pd.isna(value) else value for key, value in row.items()} for row in table.to_dict("records")]
    return json.dumps({**table.attrs, "rows": lines}, ensure_ascii=False, indent=2, allow_nan=False)
