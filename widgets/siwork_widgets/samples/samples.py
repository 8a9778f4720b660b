"""`Samples`: the completions themselves, to look through, to read, and to follow across rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ipywidgets as w
import pandas as pd

from siwork.schema import SiworkError, nearest
from siwork_widgets.kit.clock import Clock
from siwork_widgets.kit.newest import Newest
from siwork_widgets.kit.text import Text
from siwork_widgets.samples.across import Across
from siwork_widgets.samples.filters import Filters
from siwork_widgets.samples.pages import Pages
from siwork_widgets.samples.picked import Picked
from siwork_widgets.samples.points import in_words
from siwork_widgets.samples.reading import Held, Listing, Rows, Wish, across, completion, listing
from siwork_widgets.samples.reference import Reference

_QUICK = 0.1  # s that a reading may hold up the panel; a longer one is shown when it is done
_TICK = 0.1  # s between two looks at a longer one
_NOTHING = "No run with a finished round is here yet; start one, or open a folder of runs."


class _Seen(NamedTuple):
    """A page as it was read."""

    held: Held | None  # the rows behind the point, where there is one
    page: Listing


class _Opened(NamedTuple):
    """A completion as it was read, and those of the same problem."""

    place: Reference
    row: dict[str, Any]
    others: pd.DataFrame


class Samples(w.VBox):
    """Completions of the runs: filtered, sorted, in pages of 200; one of them whole, and its problem across rounds.

    rows_behind : gives the rows behind a clicked point (`siwork.metrics.rows_behind`); None where nothing is clicked

    Faults (a run that vanished, a reference to what is not there) are a sentence in the panel.
    """

    name = "Samples"

    def __init__(self, rows_behind: Callable[[dict[str, Any]], pd.DataFrame] | None = None) -> None:
        self._rows_behind = rows_behind
        self._runs: dict[str, Rows] = {}
        self._rounds: dict[str, int] = {}  # finished ones by run
        self._point: dict[str, Any] | None = None
        self._held: Held | None = None
        self._place: Reference | None = None
        self._listing, self._opening = Newest(), Newest()
        self._build()
        super().__init__(self._laid_out())
        self.add_class("sw-panel").add_class("sw-samples")
        self._say(_NOTHING)

    # ── what it is made of ─────────────────────────────────────────────────────────────────────────────
    def _build(self) -> None:
        self.filters = Filters(self._filtered)
        self.pages = Pages(self._open, self._read)
        self.picked, self.across = Picked(), Across()
        self.behind = Text(label="which completions these are", lines=3)
        self.unpoint = w.Button(description="show all completions", layout={"width": "auto"})
        self.said = Text(label="what went wrong", lines=4)
        hint = "siwork:run/round/split/problem/sample"
        self.go = w.Text(description="go to", placeholder=hint, continuous_update=False, layout={"width": "auto"})
        self.clock = Clock(self.tick, seconds=0, label="completions")
        for widget, kind in ((self.behind, "point"), (self.unpoint, "unpoint"), (self.said, "said"), (self.go, "go")):
            widget.add_class(f"sw-samples-{kind}")
        self.unpoint.on_click(lambda _: self.close_rows())
        self.go.observe(lambda change: self.go_to(change["new"]), "value")

    def _laid_out(self) -> list[w.Widget]:
        self._pointing = w.HBox([self.behind, self.unpoint], layout={"display": "none", "align_items": "center"})
        parts = [self._pointing, self.filters, self.said, self.pages, self.go, self.picked, self.across, self.clock]
        return list[w.Widget](parts)

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────────
    def show(self, snapshot: Any) -> None:
        """Follow the runs of a snapshot: new runs and rounds are offered, what is chosen stays chosen."""
        runs = {run.name: run for run in snapshot.runs}
        rounds = {name: run.rounds_done for name, run in runs.items()}
        self._follow(runs, {name: done for name, done in rounds.items() if done})
        self.tick()

    def open_rows(self, point: Mapping[str, Any]) -> None:
        """Show the completions behind a clicked point, all filters set to all."""
        self._point, self._held = dict(point), None
        self.filters.clear()
        self.behind.show("Only the completions behind this point: ", ("strong", in_words(point)))
        self._pointing.layout.display = ""
        self._filtered()

    def close_rows(self) -> None:
        """Show the completions of the chosen run again."""
        self._point, self._held = None, None
        self._pointing.layout.display = "none"
        self._filtered()

    def go_to(self, line: str) -> None:
        """Open the completion that a reference names; a sentence says why where that cannot be."""
        if not line.strip():
            return
        try:
            place = Reference.read(line)
        except SiworkError as error:
            self._say(str(error))
        else:
            self._open(place)

    def _follow(self, runs: dict[str, Rows], rounds: dict[str, int]) -> None:
        before, known = self.filters.run.value, self._rounds
        self._runs, self._rounds = runs, rounds
        if rounds == known:
            return
        self._offer()
        now = self.filters.run.value
        if now != before or (self._point is None and rounds.get(now) != known.get(now)):
            self._read()
        if before is not None and now != before:
            self._say(f"The run {before!r} is not there any more. " + (f"This is {now!r}." if now else _NOTHING))

    def _offer(self) -> None:
        """Offer the runs, and the rounds of the one that is chosen then."""
        for _ in range(2):
            self.filters.offer(list(self._rounds), self._rounds.get(self.filters.run.value, 0))

    # ── reading, away from the main thread ─────────────────────────────────────────────────────────────
    def _filtered(self) -> None:
        self.pages.rewind()
        self._offer()
        self._read()

    def _read(self) -> None:
        """Read the page that is wanted now."""
        wish = self.pages.wish(self.filters.wish)
        point, held, behind = self._point, self._held, self._rows_behind
        run = self._runs.get(self.filters.run.value)
        self._say("")
        if point is not None and behind is not None:
            self._listing.ask(lambda: _page(held or Held(behind(point)), wish))
        elif run is not None:
            self._listing.ask(lambda: _Seen(None, listing(run, wish)))
        else:
            self._listing.ask(lambda: _Seen(None, listing(Held(pd.DataFrame({"round": []})), Wish())))
            self._say(_NOTHING)
        if not self._take(self._listing, self._listed, _QUICK):
            self.pages.wait()

    def _open(self, place: Reference) -> None:
        self._say("")
        held = place.run not in self._runs and self._held is not None
        source = self._held if held else self._runs.get(place.run)
        if source is None:
            self._say(f"No run here is called {place.run!r}; {nearest(place.run, self._runs)}.")
            return
        self._opening.ask(lambda: _Opened(place, completion(source, place), across(source, place)))
        self._take(self._opening, self._opened, _QUICK)

    def tick(self) -> None:
        """Show what was read since the last call."""
        self._take(self._listing, self._listed)
        self._take(self._opening, self._opened)
        self.across.poll()
        self._pace()

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until nothing is being read, at most that long for each."""
        self._take(self._listing, self._listed, seconds)
        self._take(self._opening, self._opened, seconds)
        self.across.poll(seconds)

    def _take(self, work: Newest, shown: Callable[[Any], None], seconds: float = 0.0) -> bool:
        """Show what that work brought, waiting that long for it; whether it brought something."""
        done = work.wait(seconds) if seconds else work.take()
        if done is not None and done.fault:
            self._say(done.fault)
        elif done is not None:
            shown(done.result)
        self._pace()
        return done is not None

    def _pace(self) -> None:
        self.clock.seconds = _TICK if self._listing.busy or self._opening.busy or self.across.busy else 0.0

    # ── what is shown ──────────────────────────────────────────────────────────────────────────────────
    def _listed(self, seen: _Seen) -> None:
        if self._point is not None:
            self._held = seen.held
        pooled = seen.held is not None and seen.held.table["run"].nunique() > 1
        self.pages.show(seen.page, self._place, pooled=pooled)

    def _opened(self, opened: _Opened) -> None:
        self._place = opened.place
        self.pages.choose(opened.place)
        self.picked.show(opened.row)
        self.across.show(opened.place, opened.others)

    def _say(self, fault: str) -> None:
        self.said.show(("fault", fault))
        self.said.layout.display = "" if fault else "none"


def _page(held: Held, wish: Wish) -> _Seen:
    return _Seen(held, listing(held, wish))
