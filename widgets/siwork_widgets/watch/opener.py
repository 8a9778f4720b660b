"""Choosing among the runs that are on the disk already."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import ipywidgets as w

from siwork_widgets.kit.choosing import chooser, offer
from siwork_widgets.kit.pieces import button
from siwork_widgets.kit.plain import seen
from siwork_widgets.watch.opening import runs_below

_NONE = ("no run is there", None)


class Opener(w.HBox):
    """A list of the runs below a folder; opening one only reads its run.json.

    on_open : called with the folder that is chosen: a run, or one that holds several
    folder : where runs are looked for, "runs" in the working directory unless given
    """

    def __init__(self, on_open: Callable[[Path], None], folder: str | Path = "runs") -> None:
        self._on_open, self._folder = on_open, Path(folder)
        self.chosen = chooser("runs", [_NONE], "open-runs", "min(40em, 100%)")
        self.go = button("Open", "Follow the chosen runs in this panel", self._pressed)
        self.again = button("Look again", "Look for runs that came since", self.look)
        super().__init__([self.chosen, self.go, self.again], layout={"flex_flow": "row wrap"})
        self.look()

    def look(self) -> None:
        """Offer what is on the disk now."""
        found = runs_below(self._folder)
        several = {place.parent for place in found}
        options = [(_words(place, self._folder, place in several), place) for place in found]
        offer(self.chosen, options or [_NONE])
        self.go.disabled = not found

    def _pressed(self) -> None:
        if self.chosen.value is not None:
            self._on_open(self.chosen.value)


def _words(place: Path, folder: Path, several: bool) -> str:
    name = seen(os.path.relpath(place, folder.parent), 120)
    return f"{name}: all runs in it" if several else name
