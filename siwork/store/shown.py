"""How a run and several runs look in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siwork.markup import SOFT, Html, element, grid, label, sheet, short
from siwork.schema import SiworkError

if TYPE_CHECKING:
    from siwork.store.run import Run, Status

_MOST = 60  # lines of a table of runs


def run_sheet(run: Run) -> Html:
    """What a run is made of and how it is doing; of a folder that cannot be read the reason."""
    try:
        made = {"recipe": run.recipe, "task": run.task, "policy": run.policy, "seed": run.seed}
        lines = [*made.items(), ("state", state_words(run.status())), ("folder", run.folder)]
        return sheet(element("div", element("strong", "Run "), element("code", short(run.name))), grid((), lines))
    except (SiworkError, OSError) as error:
        return _unreadable("Run", run.folder, error)


def runs_sheet(folders: Sequence[Path]) -> Html:
    """One line a run, those that cannot be read with the reason."""
    from siwork.store.run import Run

    lines: list[tuple[object, ...]] = []
    for folder in folders[:_MOST]:
        try:
            run = Run(folder)
            lines.append((label(run.name), run.recipe, run.task, run.policy, run.seed, state_words(run.status())))
        except (SiworkError, OSError) as error:
            lines.append((label(folder.name), "", "", "", "", str(error)))
    left = len(folders) - _MOST
    more = element("div", f"and {left} more", style=SOFT) if left > 0 else ""
    head = ("name", "recipe", "task", "policy", "seed", "state")
    return sheet(element("div", element("strong", "Runs"), f": {len(folders)}"), grid(head, lines), more)


def state_words(status: Status) -> str:
    """How a run is doing, in words: `running: round 2 of 4, sample 40 %, about 12 s left`."""
    done = f"{status.round} of {status.rounds} rounds"
    if status.state != "running":
        return f"{status.state}: {done}"
    stage = f", {status.stage} {status.share:.0%}" if status.stage else ""
    left = "" if status.seconds_left is None else f", about {status.seconds_left:.0f} s left"
    return f"running: {done} done{stage}{left}"


def _unreadable(kind: str, folder: Path, error: Exception) -> Html:
    named = element("code", short(folder))
    return sheet(element("div", element("strong", f"{kind} "), named), element("div", short(error), style=SOFT))
