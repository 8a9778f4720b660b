"""SkyRL's evaluation dumps: a folder a step, a file of lines a data source."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from siwork.files.lines import Skips, counted, existing, files, folders, number_in, objects
from siwork.files.pickles import pickled_in
from siwork.files.values import real, said, shown, text
from siwork.importers.found import Collected, Found, together
from siwork.importers.shared import complete, field, nothing, numbers, run_name, total

_OTHERS = ("data_source", "env_class")
_STEP = r"global_step_\d+_evals"
_FILE = r"(?!aggregated_results\.jsonl\Z).*\.jsonl"


def read(path: Path) -> Found:
    """The evaluations below `export_path` or its folder `dumped_evals`, those of one step, or one file.

    Raises ImportFormatError when there is none; batches of training are pickled files and are left alone.
    """
    places = _places(existing(path))
    skips, tallies = Skips(), Counter[str]()
    table, partly = complete(together(_part(place, skips, tallies) for place in places))
    notes = (*_told(tallies), *_left(path), *partly)
    return Found("SkyRL evaluations", _run(path), table, skips, notes, score="score")


def _places(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    steps = next(
        (found for home in (path / "dumped_evals", path) if home.is_dir() for found in [folders(home, _STEP)]), []
    )
    places = [place for step in steps for place in files(step, _FILE)] or files(path, _FILE)
    if not places:
        raise nothing(
            path, "global_step_<N>_evals/<data_source>.jsonl; name the trainer's export_path, and dump evaluations"
        )
    return places


def _run(path: Path) -> str:
    home = (path.parent if path.is_file() else path).resolve()
    home = home.parent if number_in(home.name) is not None and home.name.startswith("global_step_") else home
    return run_name(home.parent if home.name == "dumped_evals" else home)


def _part(place: Path, skips: Skips, tallies: Counter[str]) -> pa.Table:
    part, step = Collected(skips), number_in(place.absolute().parent.name)
    tallies["no step"] += step is None
    for number, one in objects(place, skips):
        prompt, response = said(one.get("input_prompt")), text(one.get("output_response"))
        if prompt is None or response is None:
            skips.add(place, number, "input_prompt and output_response are expected, as texts")
            continue
        row = {"round": step or 0, "split": "heldout", "prompt": prompt, "response": response, **_known(one)}
        others = {name: shown(one[name]) for name in _OTHERS if name in one}
        part.add(row, {"score": _score(one.get("score"), tallies)}, others)
    return part.table()


def _known(one: dict[str, Any]) -> dict[str, Any]:
    """Whether it ended, and the right answer where the environment has one."""
    reason = one.get("stop_reason")
    right = field(one, "env_extras", "reward_spec", "ground_truth")
    right = field(one, "env_extras", "ground_truth") if right is None else right
    return {
        "finished": None if not isinstance(reason, str) else reason == "stop",
        "target": None if right is None else shown(right) or text(str(right)),
    }


def _score(value: Any, tallies: Counter[str]) -> float | None:
    """A number, or the sum of one a token."""
    if not isinstance(value, list):
        return real(value)
    tallies["by token"] += 1
    found = numbers(value)
    return None if found is None else total(found)


def _told(tallies: Counter[str]) -> list[str]:
    sentences = {
        "by token": "{} scores are lists of one number a token; their sums were taken.",
        "no step": "{} files lie in no folder of a step; they are round 0.",
    }
    return counted(tallies, sentences)


def _left(path: Path) -> list[str]:
    """What is said of pickled batches beside the evaluations."""
    homes = (path, path / "dumped_data", path.parent / "dumped_data") if path.is_dir() else ()
    count = sum(len(pickled_in(home)) for home in homes)
    return [f"{count:,} pickled files of training batches were left alone; they are never opened."] if count else []
