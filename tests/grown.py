"""Small runs that grow, for the tests of the panels that follow them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from siwork.loop import Sizes, run
from siwork.store import Run

SIZES = Sizes(train=30, heldout=30, beyond=10, samples=8)
VANILLA = "seed · cot(k=8) · gold · correct · sft"


def played(folder: Path, rounds: int = 2, **more: Any) -> Run:
    """A run of so many updates."""
    about = {"problems": SIZES, "seed": 0} | more
    return run(VANILLA, "countdown(numbers=3)", "tabular", rounds=rounds, folder=folder, **about)


def part_of(found: Run, folder: Path, rounds: int) -> Run:
    """A copy of a run as it was after so many rounds."""
    shutil.copytree(found.folder, folder)
    for place in sorted((folder / "rounds").iterdir())[rounds:]:
        shutil.rmtree(place)
    return Run(folder)


def add_round(found: Run, to: Run, r: int) -> None:
    """Round r of the one run becomes that of the other."""
    name = f"rounds/{r:04d}"
    shutil.copytree(found.folder / name, to.folder / name)
