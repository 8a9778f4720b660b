"""AReaL's trajectory dumps: a folder a weight version, a file of lines a task."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from siwork.files.lines import Skips, counted, existing, files, folders, objects
from siwork.files.values import real, text, whole
from siwork.importers.found import Collected, Found, together
from siwork.importers.shared import below, complete, nothing, run_name, step_of
from siwork.schema import ImportFormatError

_SPLITS = {"rollout": "train", "eval-rollout": "heldout"}
_FILE = r"\d+\.jsonl"


def read(path: Path) -> Found:
    """The trajectories of a trial: its folder or one above it, `rollout` or `eval-rollout`, one version, or one file.

    Raises ImportFormatError when there is none, or those of several trials.
    """
    homes = _homes(existing(path))
    skips, tallies = Skips(), Counter[str]()
    parts = [_part(place, split, skips, tallies) for place, split in _places(path, homes)]
    table, partly = complete(together(parts))
    run = run_name(homes[0].parent if homes else path)
    return Found("AReaL trajectories", run, table, skips, (*_told(tallies), *partly), score="reward")


def _homes(path: Path) -> list[Path]:
    """Folders `rollout` and `eval-rollout` of one trial; none for a single version or file."""
    if path.is_file() or files(path, _FILE):
        return []
    found = [path] if path.name in _SPLITS else below(path, list(_SPLITS), 5)
    trials = sorted({str(home.parent) for home in found})
    if len(trials) > 1:
        raise ImportFormatError(f"{path} holds {len(trials)} trials, {trials[0]} and others; name one of them")
    if not found:
        raise nothing(path, "rollout/<version>/<task>.jsonl; set rollout.dump_to_file and name the trial's folder")
    return found


def _places(path: Path, homes: list[Path]) -> list[tuple[Path, str]]:
    """Files, versions in their order, with the split of each."""
    if homes:
        return [
            (place, _SPLITS[home.name])
            for home in homes
            for each in folders(home, r"\d+")
            for place in files(each, _FILE)
        ]
    found = [path] if path.is_file() else files(path, _FILE)
    split = next((_SPLITS[name] for name in reversed(path.absolute().parts) if name in _SPLITS), "train")
    return [(place, split) for place in found]


def _part(place: Path, split: str, skips: Skips, tallies: Counter[str]) -> pa.Table:
    part, version = Collected(skips), step_of(place.absolute().parent.name)
    seen: set[Any] = set()
    for number, one in objects(place, skips):
        prompt, response = text(one.get("prompt")), text(one.get("completion"))
        tail = step_of(one.get("tail_version"))
        at = tail if version is None else version
        if prompt is None or response is None or at is None:
            skips.add(place, number, "prompt, completion and a version are expected, as texts and a number from 0")
            continue
        row = {"round": at, "split": split, "prompt": prompt, "response": response, "n_tokens": _length(one)}
        part.add(row, {"reward": real(one.get("reward"))})
        tallies["version"] += tail is not None and tail != at
        tallies["begun earlier"] += 0 <= (whole(one.get("head_version")) or 0) < (tail or 0) and "head_version" in one
        mark = whole(one.get("sample_idx"))
        tallies["again"] += mark is not None and mark in seen
        seen.add(mark)
    return part.table()


def _length(one: dict[str, Any]) -> int | None:
    """Tokens after the prompt."""
    whole_length, before = step_of(one.get("seqlen")), step_of(one.get("prompt_len"))
    return None if whole_length is None or before is None or before > whole_length else whole_length - before


def _told(tallies: Counter[str]) -> list[str]:
    notes = ["Trajectories that the acceptance test rejected are among them, and nothing tells which they are."]
    return notes + counted(
        tallies,
        {
            "version": "{} rows name another version than their folder; the folder's was taken.",
            "begun earlier": "{} completions were begun by an earlier version than their round's.",
            "again": "{} rows have the task and sample number of an earlier one: numbers begin at 0 again with each restart "
            "and each worker. Problems are told by their prompts, and all rows are kept.",
        },
    )
