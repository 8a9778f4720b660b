"""Where things are in a run folder, what makes a folder a run, and which rounds are done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from siwork.schema import Foreign, RunError
from siwork.store.atomic import is_temporary
from siwork.store.texts import now, plain, read_json

VERSION = 1  # of the run folder; a newer one is refused
KINDS = {"version": int, "name": str, "recipe": str, "task": str, "policy": str, "seed": int, "rounds": int}
OWN = (
    "run.json",
    "problems.parquet",
    "base",
    "heartbeat",
    "events.jsonl",
    "log.txt",
    "lock",
    "stop",
    "pending",
    "rounds",
)
_NAMED = 5  # most names a message lists


def located(folder: str | Path) -> Path:
    """The absolute path of a folder, so that a later chdir does not move it."""
    return Path(folder).expanduser().absolute()


def inside(folder: Path, *parts: str) -> Path:
    """A path in the run folder. Raises RunError when a symbolic link on the way leads out of it."""
    path, home = folder.joinpath(*parts), os.path.realpath(folder)
    real = os.path.realpath(path)
    if not Path(real).is_relative_to(home):
        raise RunError(
            f"{path} leads out of the run folder, to {real}, and symbolic links are not followed; "
            "put a copy of the file in its place"
        )
    return path


def round_name(r: int) -> str:
    """Name of a round's folder: 0007."""
    return f"{r:04d}"


def is_done(folder: Path, r: int) -> bool:
    """Whether round r is finished: its DONE exists."""
    return os.path.lexists(folder / "rounds" / round_name(r) / "DONE")


def done_mark(folder: Path, r: int) -> bytes | None:
    """The token in DONE, which tells this writing of round r from a later one; None when the round is not finished.

    Raises RunError when the system refuses, or the path leads out of the run.
    """
    try:
        with open(inside(folder, "rounds", round_name(r), "DONE"), "rb") as file:
            return file.read(100)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(f"could not look at round {r} of {folder}: {error.strerror}; check its permissions") from error


def count_done(folder: Path) -> int:
    """Number of consecutive finished rounds from 0."""
    r = 0
    while is_done(folder, r):
        r += 1
    return r


def round_folders(folder: Path) -> list[int]:
    """Numbers of all rounds that have a folder, done or not, sorted."""
    place = inside(folder, "rounds")
    return sorted(int(n) for n in os.listdir(place) if n.isascii() and n.isdigit()) if place.is_dir() else []


def find_runs(folder: Path) -> list[str]:
    """Names of the folders directly inside `folder` that are runs, sorted."""
    try:
        names = [n for n in os.listdir(folder) if not is_temporary(n)]
    except OSError:
        return []
    return sorted(n for n in names if (folder / n / "run.json").is_file())


def read_manifest(folder: Path) -> dict[str, Any]:
    """The checked content of run.json, extra keys kept.

    Raises
    ------
    Foreign
        the folder is no run, or a newer siwork wrote it
    RunError
        run.json is broken; the message names the line, or the key
    """
    path = inside(folder, "run.json")
    try:
        manifest = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise Foreign(_no_run(folder)) from None
    except OSError as error:
        raise RunError(f"could not read {path}: {error.strerror}; check its permissions") from error
    if type(manifest.get("version")) is int and manifest["version"] > VERSION:
        raise Foreign(
            f"{folder} has format {manifest['version']} (siwork {manifest.get('siwork', 'unknown')}), "
            f"this siwork reads up to {VERSION}; install a newer one: pip install -U siwork"
        )
    missing = [key for key in KINDS if key not in manifest]
    if missing:
        raise Foreign(f"{folder} is no run: its run.json lacks {listed(missing)}; pass a folder that siwork wrote")
    return checked(manifest, str(path))


def checked(manifest: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The manifest, if every known key has its kind. Raises RunError."""
    for key, kind in KINDS.items():
        if type(manifest.get(key)) is not kind:
            raise RunError(f"{where}: {key!r} must be {kind.__name__}, got {manifest.get(key)!r}; write it anew")
    if manifest["rounds"] < 0 or not manifest["name"]:
        raise RunError(f"{where}: 'rounds' must be at least 0 and 'name' may not be empty; write it anew")
    return dict(manifest)


def completed(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with version, name (the folder's), siwork version and time added where they are missing."""
    try:
        ours = version("siwork")
    except PackageNotFoundError:
        ours = "unknown"
    added = {"version": VERSION, "name": folder.name, "siwork": ours, "created": now()}
    return checked({**added, **plain(manifest), "version": VERSION}, "the manifest of a new run")


def listed(names: Iterable[object]) -> str:
    """The first few names, and how many more there are."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


def _no_run(folder: Path) -> str:
    if not folder.is_dir():
        what, beside = "is not a folder" if folder.exists() else "does not exist", find_runs(folder.parent)
        near = listed(get_close_matches(folder.name, beside) or beside)
        return f"{folder} is no run: it {what}; " + (f"beside it: {near}" if near else "pass the folder of a run")
    runs = find_runs(folder)
    if runs:
        return f"{folder} is no run: run.json is missing; runs inside it: {listed(runs)}. Pass one, or Runs(folder)"
    return f"{folder} is no run: run.json is missing; pass the folder of a run, or make one with: siwork run"
