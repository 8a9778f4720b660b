"""Logs that lie in one folder a checkpoint: which files there are, which of them are the newest, and which round each is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from siwork.files.lines import natural

_DATE = r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)"
_STEP = re.compile(r"(?:step|ckpt|checkpoint|iter|iteration|round|epoch)s?[-_:= ]?0*(\d{1,15})(?!\d)", re.IGNORECASE)
_LAST = re.compile(r"[-_:=/ ]0*(\d{1,15})\Z")


class Place(NamedTuple):
    """One file of samples."""

    path: Path
    model: str  # the folder that names the checkpoint
    task: str
    date: str  # as in the file's name, empty where there is none


def place_of(path: Path, model: str, start: str) -> Place:
    """Task and date from a file's name, `<start>_<task>_<date>`.

    >>> place_of(Path("samples_gsm8k_2026-11-20T10-36-54.043320.jsonl"), "ckpt-8", "samples")[2:]
    ('gsm8k', '2026-11-20T10-36-54.043320')
    """
    match = re.fullmatch(rf"{start}_(.+?)(?:_{_DATE})?", path.name[: -len(path.suffix)])
    return Place(path, model, match[1], match[2] or "") if match else Place(path, model, path.stem, "")


def newest(places: Sequence[Place]) -> tuple[list[Place], list[str]]:
    """The newest file of each task of each model, and what is said of the older ones."""
    chosen: dict[tuple[str, str], Place] = {}
    for place in places:
        before = chosen.get((place.model, place.task))
        if before is None or place.date > before.date:
            chosen[place.model, place.task] = place
    older = len(places) - len(chosen)
    if not older:
        return list(places), []
    words = (
        f"{older} older file{'s' * (older > 1)} of the same model and task (another date, another run) were left out; "
    )
    return list(chosen.values()), [f"{words}name a file to read it."]


def step_in(name: str) -> int | None:
    """The number that a name itself calls a step, the last one.

    >>> step_in("org__Qwen2.5-7B-step_40"), step_in("Qwen2.5-7B"), step_in("run-step-3/ckpt-8")
    (40, None, 8)
    """
    found = _STEP.findall(name)
    return int(found[-1]) if found else None


def rounds_of(names: Sequence[str], what: str, last: bool = True) -> tuple[dict[str, int], str]:
    """The round of each name, and how it was found: its step, else its last number, else its place in natural order.

    names : one each checkpoint
    what : what the names are of, for the sentence
    last : whether a number at the end of a name may be a step

    >>> rounds_of(["ckpt-8", "ckpt-12", "ckpt-0"], "the model's folder")
    ({'ckpt-0': 0, 'ckpt-8': 8, 'ckpt-12': 12}, "Round is the step in the name of the model's folder.")
    """
    ordered = sorted(dict.fromkeys(names), key=natural)
    steps = [step_in(name) for name in ordered]
    ends = [_LAST.search(f"-{name}") for name in ordered] if last else [None] * len(ordered)
    numbers = [int(end[1]) for end in ends if end]
    for found, words in ((steps, "the step in"), (numbers, "the number at the end of")):
        rounds = [each for each in found if each is not None]
        if rounds and len(set(rounds)) == len(ordered):
            return dict(zip(ordered, rounds, strict=True)), f"Round is {words} the name of {what}."
    why = f"no step tells the names of {what} apart"
    if len(ordered) == 1:
        return {ordered[0]: 0}, f"The name of {what} holds no step: all is round 0."
    told = ", ".join(f"{i}: {name[:60]}" for i, name in enumerate(ordered[:6])) + (" …" if len(ordered) > 6 else "")
    return {name: i for i, name in enumerate(ordered)}, f"Round counts the names in order, for {why}: {told}."
