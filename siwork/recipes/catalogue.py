"""The catalogue: methods of self-improvement by name, each one formula; they stand in `catalogue.toml` beside this file,
what cannot be played yet in `lacking.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

SHOWS = {
    "D": "diversity decay",
    "T": "tail narrowing",
    "C": "verifier calibration",
    "X": "collapse",
}


class Entry(NamedTuple):
    """One method of the catalogue."""

    formula: str
    source: str  # full title of the paper
    sentence: str
    shows: str  # letters of SHOWS: the questions that it is about
    expects: str  # what it should change, as the paper says; † where that is our reading
    departs: str = ""  # where the formula does otherwise than the paper, beside what its components say of themselves
    task: str = "countdown(numbers=3)"  # of the smallest setting in which it plays
    policy: str = "tiny"


class Lacking(NamedTuple):
    """A method that is known, and cannot be played."""

    source: str
    lacks: str


def _read(file: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name(file).read_text("utf-8"))


RECIPES: dict[str, Entry] = {name: Entry(**told) for name, told in _read("catalogue.toml").items()}
LACKING: dict[str, Lacking] = {name: Lacking(**told) for name, told in _read("lacking.toml").items()}
