"""`siwork measure`: what methods of the catalogue change here, against `vanilla` at equal samples."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from siwork.against import REFERENCE, Cost, Setting, cost, equal_k, lacking, methods_of, own_runs, references
from siwork.arms import by_seed
from siwork.cli.catalogue import card_of
from siwork.cli.progress import SAME, played, say_failed
from siwork.cli.rounds import checked_extent
from siwork.loop import Sizes
from siwork.measured import COLUMNS, as_csv, earlier, from_csv, in_short
from siwork.recipes import RECIPES, recipe_of
from siwork.reporting.effects import CALIBRATION, change_of, effect_of, metrics_of
from siwork.reporting.page import save
from siwork.schema import KnobError, SiworkError
from siwork.schema.numbers import counted
from siwork.store import Run
from siwork.sweep import Sweep


def measure(options: argparse.Namespace) -> int:
    """`siwork measure [NAME…]`: play methods beside `vanilla`, write what each changes; 1 when a run failed or was stopped.

    Raises as `methods_of`, `own_runs`.
    """
    names, setting = methods_of(options.names), _setting(options)
    own = own_runs([name for name in names if not lacking(name)], setting)
    print(f"{len(names)} of {len(RECIPES)} methods · {_extent(setting)}")
    if not _played([folders[0] for folders in own.values()], options.at_once):
        return 1
    ks = {name: equal_k(Run(folders[0])) for name, folders in own.items() if name != REFERENCE and _whole(folders[:1])}
    beside = references(ks, setting)
    if not _played(_together(own, beside), options.at_once):
        return 1
    table = pd.DataFrame([row for name in names for row in _rows(name, own, beside)], columns=list(COLUMNS))
    table = _with_earlier(table, options.output)
    save(as_csv(table), options.output)
    _tell(names, from_csv(as_csv(table)))
    print(f"\n{options.output} ({counted(len(table), 'row')})")
    return 0 if all(map(_whole, [*own.values(), *beside.values()])) else 1


def _setting(options: argparse.Namespace) -> Setting:
    """Raises KnobError for numbers that cannot be, and for a table that is no .csv; SchemaError for another one there."""
    checked_extent(options, 1)
    if options.output.suffix.lower() != ".csv":
        near = options.output.with_suffix(".csv").name
        raise KnobError(f"--output must end in .csv, got {options.output.name!r}; nearest: {near!r}")
    earlier(options.output)
    sizes = Sizes(options.problems, options.heldout, 0, options.samples)
    return Setting(options.folder, range(options.seed, options.seed + options.seeds), options.rounds, sizes)


def _with_earlier(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The rows of `table` and those that the file has of other methods, in the order of the catalogue. Raises SchemaError."""
    old = earlier(path)
    if old is None:
        return table
    whole = pd.concat([old[~old["name"].isin(table["name"])], table], ignore_index=True)
    order = {name: i for i, name in enumerate(RECIPES)}
    return whole.sort_values("name", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _extent(setting: Setting) -> str:
    sizes = setting.problems
    held = f"{counted(sizes.train, 'problem')}, {sizes.heldout} held-out × {counted(sizes.samples, 'sample')}"
    return f"{held} · {counted(setting.rounds, 'round')} · {counted(len(setting.seeds), 'seed')}"


def _together(own: Mapping[str, list[Path]], beside: Mapping[str, list[Path]]) -> list[Path]:
    """All folders, seed by seed, each once: methods and references of one seed are played under the same load."""
    pairs = {name: folders for name, folders in own.items() if name in beside or name == REFERENCE}
    return list(dict.fromkeys(by_seed({**pairs, **{(name,): folders for name, folders in beside.items()}})))


def _played(folders: Sequence[Path], at_once: int | None) -> bool:
    """Play folders; False when they were stopped before their end. One that failed is named, and does not end the others."""
    if not folders:
        return True
    ended = played(Sweep(folders, at_once=at_once), told="time")
    say_failed(ended)
    if any(p.state in ("stopped", "waiting") for p in ended):
        print(SAME)
        return False
    return True


def _whole(folders: Sequence[Path]) -> bool:
    return all(run.rounds_done > run.rounds_wanted for run in map(Run, folders))


def _rows(name: str, own: Mapping[str, list[Path]], beside: Mapping[str, list[Path]]) -> list[dict[str, Any]]:
    """The rows of one method, or the one that says why it was not measured."""
    about: dict[str, Any] = {"name": name, "formula": str(recipe_of(name)), "task": RECIPES[name].task}
    about |= {"whole": recipe_of(name).whole}
    if name not in own:
        return [about | {"policy": RECIPES[name].policy, "why": lacking(name)}]
    runs, others = [Run(folder) for folder in own[name]], [Run(folder) for folder in beside.get(name, [])]
    about |= _played_setting(runs[0])
    failed = [run for run in (*runs, *others) if not _whole([run.folder])]
    if failed:
        return [about | {"why": f"{failed[0].name} failed: {failed[0].last_words()}"}]
    try:
        metrics = metrics_of(runs, calibration="C" in RECIPES[name].shows)
        table = effect_of(others, runs, metrics) if others else change_of(runs, metrics)
    except SiworkError as error:  # the others are told all the same
        return [about | {"why": str(error)}]
    about |= _costs(cost(runs), cost(others) if others else None)
    given = {name: None if name == CALIBRATION or not others else others[0].recipe for name in metrics}
    return [
        about | {"reference": given[row["metric"]]} | {str(key): value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def _played_setting(run: Run) -> dict[str, Any]:
    manifest = run.manifest
    told = {"rounds": run.rounds_wanted, "policy": run.policy, "problems": manifest["problems"], "seed": run.seed}
    return told | {"version": manifest["made_with"].get("siwork", manifest.get("siwork"))}


def _costs(own: Cost, given: Cost | None) -> dict[str, Any]:
    mine = own._asdict()
    return mine if given is None else mine | {f"given_{name}": value for name, value in given._asdict().items()}


def _tell(names: Sequence[str], table: pd.DataFrame) -> None:
    width = max(map(len, names))
    for name in names:
        print(f"  {name:<{width}}  {in_short(card_of(name), table)}")
