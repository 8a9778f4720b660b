"""Making a run folder, from nothing or as a copy of another run's first rounds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa

from siwork.schema import RunError, nearest
from siwork.store.atomic import (
    atomic_write,
    discard,
    flush,
    flush_tree,
    is_temporary,
    quoted,
    reason,
    sweep,
    temporary,
    writing,
)
from siwork.store.layout import (
    OWN,
    completed,
    count_done,
    inside,
    listed,
    located,
    read_manifest,
    round_folders,
    round_name,
)
from siwork.store.lock import Lock
from siwork.store.parquet import DAMAGE, read_table, to_arrow, write_table
from siwork.store.run import Run
from siwork.store.texts import to_json

_TIMELY = ("version", "siwork", "created")  # set anew in a fork
_IDENTITY = ("name", "recipe", "task", "policy", "seed", "rounds", "problems")  # what makes two runs the same


def lay_out(
    folder: Path,
    manifest: Mapping[str, Any],
    problems: pd.DataFrame,
    write_base: Callable[[Path], None] | None,
) -> None:
    """Make the folder of a run; nothing happens when it holds this run. Raises as `Writer.create`."""
    full, table = completed(folder, manifest), to_arrow(problems, "problems")
    with writing("a new run", folder, "choose a folder that can be written"):
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_strangers(folder)
    with Lock(folder), writing("a new run", folder, "remove the cause and try again"):
        if (folder / "run.json").exists():
            _refuse_another(folder, full, table)
            return
        sweep(folder)
        try:
            _fill_new(folder, full, table, write_base)
        except BaseException:
            sweep(folder)
            raise


def _fill_new(
    folder: Path, manifest: dict[str, Any], problems: pa.Table, write_base: Callable[[Path], None] | None
) -> None:
    draft = temporary(folder / "problems.parquet")
    write_table(problems, draft)
    flush(draft)
    os.replace(draft, inside(folder, "problems.parquet"))
    discard(inside(folder, "base"))
    if write_base is not None:
        draft = temporary(folder / "base")
        draft.mkdir()
        write_base(draft)
        flush_tree(draft)
        os.rename(draft, folder / "base")
    # run.json makes the folder a run, so it is last
    atomic_write(inside(folder, "run.json"), to_json(manifest))
    flush(folder.parent)


def fork(source: str | Path, target: str | Path, at: int, changes: Mapping[str, Any] | None = None) -> Run:
    """A new run that begins with the rounds before `at` of another one.

    The copy appears whole or not at all; a killed fork leaves a hidden folder `.NAME.tmp`, which the next one takes.

    Parameters
    ----------
    source : a run folder; it may be running
    target : the new folder, which must not exist
    at : first round to be made anew, 0 … rounds done
    changes : keys of run.json with new values, such as recipe, rounds, seed; task and problems stay

    Raises
    ------
    RunError
        the target exists (a free name is proposed), `at` is out of range, a key may not change, or the system refuses
    Foreign
        the source is no run
    Locked
        another fork to the same target is at work
    """
    source, target = located(source), located(target)
    manifest = read_manifest(source)
    manifest = {**manifest, "name": target.name, **_allowed(changes or {}, manifest)}
    manifest = {key: value for key, value in manifest.items() if key not in _TIMELY}
    done = count_done(source)
    if not 0 <= at <= done:
        raise RunError(
            f"at must be in 0 … {done}, the finished rounds of {source}, got {at}; nearest: {min(max(at, 0), done)}"
        )
    _refuse_taken(target)
    full = completed(target, {**manifest, "forked_from": {"folder": source.name, "at": at}})
    draft = target.with_name(f".{target.name}.tmp")
    with writing("the copy", target, f"{source} is unchanged: remove the cause and try again"):
        draft.mkdir(parents=True, exist_ok=True)
        with Lock(draft):
            try:
                _fill(draft, source, at, full)
                _refuse_taken(target)
                os.rename(draft, target)
            except BaseException:
                discard(draft)
                raise
            flush(target.parent)
    return Run(target)


def log_file(folder: str | Path) -> BinaryIO:
    """log.txt of a run, open for appending, for the words of a launched writer. Raises Foreign, RunError."""
    folder = located(folder)
    read_manifest(folder)
    with writing("log.txt", folder):
        return open(inside(folder, "log.txt"), "ab")


def _fill(draft: Path, source: Path, at: int, manifest: dict[str, Any]) -> None:
    for name in os.listdir(draft):  # what a killed fork left
        if name != "lock":
            discard(draft / name)
    shutil.copyfile(inside(source, "problems.parquet"), draft / "problems.parquet")
    if (source / "base").exists():
        shutil.copytree(inside(source, "base"), draft / "base", symlinks=True)
    (draft / "rounds").mkdir()
    for r in range(at):
        place = inside(source, "rounds", round_name(r))
        shutil.copytree(place, draft / "rounds" / round_name(r), symlinks=True)
    if count_done(draft) != at:
        raise RunError(f"{source} lost a round while it was copied; try again with --at {count_done(source)}")
    (draft / "run.json").write_bytes(to_json(manifest))
    flush_tree(draft)


def _allowed(changes: Mapping[str, Any], manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    fixed = [key for key in (*_TIMELY, "forked_from", "task", "problems") if key in changes]
    if fixed:
        raise RunError(f"a fork keeps {listed(fixed)} of its source; begin a new run to change that: siwork run")
    for key in changes:
        if key not in manifest:
            raise RunError(f"run.json has no key {key!r} to change; {nearest(key, manifest)}")
    return changes


def _refuse_taken(target: Path) -> None:
    if os.path.lexists(target):
        names = (target.with_name(f"{target.name}-{n}") for n in count(2))
        free = next(path for path in names if not os.path.lexists(path))
        raise RunError(f"{target} exists and a fork overwrites nothing; a free name: {free}")


def _refuse_strangers(folder: Path) -> None:
    """A folder without a run must be empty, but for what a killed `create` leaves."""
    if (folder / "run.json").exists():
        return
    strangers = sorted(n for n in os.listdir(folder) if n not in OWN and not is_temporary(n))
    if strangers:
        raise RunError(f"{folder} holds other files ({listed(strangers)}) and no run; name a new or an empty folder")
    if round_folders(folder):
        raise RunError(f"{folder} holds rounds but no run.json; bring that file back, or name a new folder")


def _refuse_another(folder: Path, manifest: Mapping[str, Any], problems: pa.Table) -> None:
    there = read_manifest(folder)
    for key in _IDENTITY:
        if there.get(key) != manifest.get(key):
            raise RunError(
                f"{folder} holds another run: {key} is {there.get(key)!r} there, {manifest.get(key)!r} here; "
                f"name another folder, or copy it with the change: siwork fork {quoted(folder)}"
            )
    try:
        stored = read_table(inside(folder, "problems.parquet"))
    except DAMAGE as error:
        raise RunError(f"problems.parquet of {folder} cannot be read ({reason(error)}); begin a new run") from None
    if not stored.equals(problems):
        raise RunError(
            f"{folder} holds the same run with other problems (made by siwork {there.get('siwork', 'unknown')}); "
            f"name another folder, or go on with the stored ones: siwork resume {quoted(folder)}"
        )
