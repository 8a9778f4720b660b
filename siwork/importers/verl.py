"""verl's rollout and validation dumps: one JSON file of lines a step, of trainer v0 and v1."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from siwork.files.lines import Skips, counted, existing, files, folders, number_in, objects
from siwork.files.values import real, shown, text, truth, whole
from siwork.importers.found import REWARD, Collected, Found, together
from siwork.schema import ImportFormatError

_FILE = r"\d+\.jsonl"
_OWN = frozenset(("input", "output", "gts", "step", "uid", "pred", "acc", "request_id"))
_HELD = ("val", "test", "eval")  # how folders of validations begin
_USUAL = ("rollout", "rollouts", "rollout_data", "validation", "validation_data")  # names that say nothing of the run
_UID = re.compile(r"(.+)_(\d+)_(\d+)\Z")


def read(path: Path, validation: Path | None = None) -> Found:
    """The dumps of a folder (`trainer.rollout_data_dir`), of one that holds it and that of the validation, or one file.

    validation : folder of `trainer.validation_data_dir`, whose rows are held out; rows with a field `reward`, which only
        validations have, are held out in any case

    Raises ImportFormatError when there is none.
    """
    name, (path, validation) = _run(existing(path)), _homes(path, validation)
    skips, tallies = Skips(), Counter[str]()
    parts = [_part(place, "train", skips, tallies) for place in _places(path)]
    parts += [
        _part(place, "heldout", skips, tallies) for place in (_places(validation) if validation is not None else [])
    ]
    table = together(parts)
    notes = [*_told(tallies, table.num_rows), *_twice(table), *_mixed_only(table)]
    return Found("verl dumps", name, table, skips, tuple(notes), score="score")


def _homes(path: Path, validation: Path | None) -> tuple[Path, Path | None]:
    """The folders of rollouts and of validations in a folder that has no dumps itself; else what was named."""
    if path.is_file() or files(path, _FILE):
        return path, validation
    there = [home for home in folders(path, r"[^.].*") if files(home, _FILE)]
    held = [home for home in there if home.name.lower().startswith(_HELD)]
    train = [home for home in there if home not in held]
    if len(train) != 1 or len(held) > 1:
        return path, validation
    return train[0], held[0] if held and validation is None else validation


def _places(path: Path) -> list[Path]:
    if existing(path).is_file():
        return [path]
    found = files(path, _FILE)
    if not found:
        raise ImportFormatError(
            f"{path} holds no <step>.jsonl; name the folder of trainer.rollout_data_dir or trainer.validation_data_dir itself"
        )
    return found


def _run(path: Path) -> str:
    home = (path.parent if path.is_file() else path).resolve()
    return home.parent.name if home.name.lower() in _USUAL and home.parent.name else home.name


def _part(place: Path, split: str, skips: Skips, tallies: Counter[str]) -> pa.Table:
    """One file; the step is that of its name, which survives a reward function that returns a field `step`."""
    part, step = Collected(skips), number_in(place.stem)
    for number, one in objects(place, skips):
        prompt, response = text(one.get("input")), text(one.get("output"))
        at = step if step is not None else whole(one.get("step"))
        if prompt is None or response is None or at is None:
            skips.add(place, number, "input, output and a step are expected, as texts and a number")
            continue
        if one.get("step") not in (None, at):
            tallies["step"] += 1
        held = "heldout" if "reward" in one else split
        part.add(
            {"round": at, "split": held, "prompt": prompt, "response": response, **_known(one, tallies)}, _rewards(one)
        )
    return part.table()


def _known(one: dict[str, Any], tallies: Counter[str]) -> dict[str, Any]:
    """Right answer, answer, truth and sample index, where the row has them."""
    found: dict[str, Any] = {}
    if one.get("gts") is not None:
        found["target"] = shown(one["gts"]) or str(one["gts"])
    if "pred" in one:
        found["answer"] = shown(one["pred"])
    if "acc" in one:
        found["gold"] = truth(one["acc"])
        tallies["acc"] += 1
        tallies["odd acc"] += found["gold"] is None
    if "uid" in one and (match := _UID.match(str(one["uid"]))):
        found["sample"] = int(match[2][-9:])
        tallies["several outputs"] += int(match[3][-9:]) > 0
    return found


def _rewards(one: dict[str, Any]) -> dict[str, float | None]:
    """Numbers of the row: score, total reward, and what else the reward function returned."""
    return {name: value for name in one if name not in _OWN and (value := real(one[name])) is not None}


# ── what is said about it ──────────────────────────────────────────────────────────────────────────────
def _told(tallies: Counter[str], rows: int) -> list[str]:
    notes = []
    if tallies["acc"]:
        part = "" if tallies["acc"] == rows else f" in {tallies['acc']:,} of {rows:,} rows"
        notes.append(f"Truth is the field acc{part}, which comes from the same function as the score.")
    return notes + counted(
        tallies,
        {
            "odd acc": "{} values of acc are neither true nor false; their truth is unknown.",
            "step": "{} rows name another step than their file; the file's was taken.",
            "several outputs": "{} rows are further outputs of one trajectory, with the score of all of it.",
        },
    )


def _twice(table: pa.Table) -> list[str]:
    """Prompts that stand in one step several times as often as the others: they came twice in its batch."""
    if not table.num_rows:
        return []
    keys = ["round", "split", "prompt"]
    counts = table.group_by(keys).aggregate([([], "count_all")]).column("count_all").to_numpy()
    usual = Counter(counts.tolist()).most_common(1)[0][0]
    twice = int(((counts > usual) & (counts % usual == 0)).sum())
    return [f"{twice} prompts came several times in one step; their completions are of one problem."] if twice else []


def _mixed_only(table: pa.Table) -> list[str]:
    """Dynamic sampling keeps only problems whose scores differ."""
    name = f"{REWARD}score"
    if name not in table.column_names:
        return []
    train = table.filter(pc.equal(table["split"], "train"))
    ends = train.group_by(["round", "prompt"]).aggregate([(name, "min"), (name, "max"), ([], "count_all")])
    alike = [
        low == high for low, high in zip(ends[f"{name}_min"].to_pylist(), ends[f"{name}_max"].to_pylist(), strict=True)
    ]
    several = np.array(ends["count_all"].to_pylist()) > 1
    if len(alike) < _MANY or not several.all() or any(alike):
        return []
    return ["No problem has equal scores in all its samples: dynamic sampling left such ones out, so rates are biased."]


_MANY = 40  # problems that make it unlikely that none has equal scores by chance
