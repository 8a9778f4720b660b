"""The filters above the completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as w

from siwork.figures.marks import BAND_WORDS
from siwork.schema import BANDS, SPLITS
from siwork_widgets.kit.choosing import Choices, Option, chooser, offer
from siwork_widgets.kit.plain import seen
from siwork_widgets.samples.reading import KEPT, LEFT, RIGHT, UNKNOWN, WRONG, Wish

_ANY: Option = ("all", None)


class Filters(Choices):
    """Which run, and which of its completions; `wish` says it.

    >>> filters = Filters(lambda: None)
    >>> filters.truth.value = "wrong"
    >>> filters.wish.truth
    'wrong'
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.run = chooser("run", [], "samples-run", "280px")
        self.round = chooser("round", [_ANY], "samples-round")
        self.split = chooser("split", [_ANY, *((name, name) for name in SPLITS)], "samples-split")
        bands = [(f"{band} ({BAND_WORDS[band]})", band) for band in BANDS]
        self.band = chooser("band", [_ANY, *bands], "samples-band")
        self.truth = chooser(
            "truth", [("all", ""), *((name, name) for name in (RIGHT, WRONG, UNKNOWN))], "samples-truth"
        )
        self.used = chooser("training", [("all", ""), (KEPT, KEPT), (LEFT, LEFT)], "samples-used")
        self.text = w.Text(description="text", placeholder="in prompt, response, answer", continuous_update=False)
        self.text.add_class("sw-samples-text")
        super().__init__([self.run, self.round, self.split, self.band, self.truth, self.used, self.text], on_change)

    @property
    def wish(self) -> Wish:
        """What is set."""
        return Wish(
            self.round.value, self.split.value, self.band.value, self.truth.value, self.used.value, self.text.value
        )

    def offer(self, runs: Sequence[str], rounds: int) -> None:
        """Other runs, and the number of finished rounds of the chosen one; what is chosen stays where it can."""
        with self.quietly():
            offer(self.run, [(seen(name, 80), name) for name in runs])
            offer(self.round, [_ANY, *((str(r), r) for r in range(rounds))])

    def clear(self) -> None:
        """Set every filter but the run to all."""
        with self.quietly():
            self.round.value = self.split.value = self.band.value = None
            self.truth.value = self.used.value = self.text.value = ""
