"""`Samples`: the completions themselves, to look through, to read, and to follow across rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets as w
import pandas as pd

from siwork.schema import KnobError, SiworkError, nearest
from siwork.schema.numbers import number
from siwork.store import Run
from siwork_widgets.across import Across
from siwork_widgets.clock import Clock
from siwork_widgets.filters import Filters
from siwork_widgets.newest import Newest
from siwork_widgets.picked import Picked
from siwork_widgets.plain import cell
from siwork_widgets.points import in_words
from siwork_widgets.reading import PAGE, Held, Listing, Rows, Wish, across, completion, listing, per_token, records, reference
from siwork_widgets.reference import Reference
from siwork_widgets.table import Table
from siwork_widgets.text import Text

_QUICK = 0.15  # s that a reading may hold up the panel; a longer one is shown when it is done
_TICK = 0.1  # s between two looks at a longer one
_RESPONSE = 120  # characters of a response in the table
_COLUMNS = {  # head: column that it sorts by
    "round": "round",
    "problem": "problem",
    "sample": "sample",
    "band": "band",
    "answer": "answer",
    "truth": "gold",
    "score": "score",
    "weight": "weight",
    "nats a token": "logp_token",
    "response": "response",
}
_NOTHING = "no run with a finished round yet; start one, or open a folder of runs"


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

    Faults met later (a run that vanished, a reference to what is not there) are a sentence in the panel.
    """

    name = "Samples"

    def __init__(self, rows_behind: Callable[[dict[str, Any]], pd.DataFrame] | None = None) -> None:
        self._rows_behind = rows_behind
        self._runs: dict[str, Rows] = {}
        self._rounds: dict[str, int] = {}
        self._order, self._page = ("", False), 0
        self._point: dict[str, Any] | None = None
        self._held: Held | None = None
        self._listed = Listing(pd.DataFrame(), 0, 0, 0)
        self._place: Reference | None = None
        self._listing, self._opening = Newest(), Newest()
        self._build()
        super().__init__(self._laid_out())
        self.add_class("sw-panel").add_class("sw-samples")
        self._say(_NOTHING)

    # ── what it is made of ─────────────────────────────────────────────────────────────────────────────
    def _build(self) -> None:
        self.filters = Filters(self._filtered)
        self.behind = _named(Text(label="which rows these are", lines=3), "sw-samples-point")
        self.unpoint = _named(w.Button(description="show all completions"), "sw-samples-unpoint")
        self.table = _named(
            Table(list(_COLUMNS), label="completions", on_pick=self._picked, on_sort=self._sorted), "sw-samples-table"
        )
        self.back = _named(w.Button(description="previous"), "sw-samples-back")
        self.next = _named(w.Button(description="next"), "sw-samples-next")
        self.count = _named(w.Label(), "sw-samples-count")
        self.said = _named(Text(label="what went wrong", lines=4), "sw-samples-said")
        self.go = w.Text(description="go to", placeholder="siwork:run/round/split/problem/sample", continuous_update=False)
        _named(self.go, "sw-samples-go").layout.width = "auto"
        self.picked, self.across = _named(Picked(), "sw-samples-picked"), _named(Across(), "sw-samples-problem")
        self.clock = Clock(self.tick, seconds=0, label="completions")
        self.unpoint.on_click(lambda _: self.close_rows())
        self.back.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))
        self.go.observe(lambda change: self.go_to(change["new"]), "value")

    def _laid_out(self) -> list[w.Widget]:
        self._pointing = w.HBox([self.behind, self.unpoint], layout={"display": "none", "align_items": "center"})
        pager = w.HBox([self.back, self.count, self.next], layout={"align_items": "center"})
        return [
            *(self._pointing, self.filters, self.said, self.table, pager, self.go),
            *(self.picked, self.across, self.clock),
        ]

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────────
    def show(self, snapshot: Any) -> None:
        """Follow the runs of a snapshot: new runs and rounds are offered, what is chosen stays chosen."""
        self.follow({run.name: run for run in snapshot.runs if run.rounds_done})

    def follow(self, runs: dict[str, Any]) -> None:
        """Offer these runs, by name; as `show`."""
        rounds = {name: run.rounds_done for name, run in runs.items()}
        if rounds != self._rounds:
            before = self.filters.run.value
            more = rounds.get(before) != self._rounds.get(before)
            self._runs, self._rounds = dict(runs), rounds
            self.filters.offer(list(rounds), rounds.get(before, 0))
            self._chosen(before, more)
        self.tick()

    def _chosen(self, before: str | None, more: bool) -> None:
        """After other runs were offered: read again where the chosen run, or its rounds, are others."""
        now = self.filters.run.value
        self.filters.offer(list(self._rounds), self._rounds.get(now, 0))
        if now != before or (more and self._point is None):
            self._read()
        if before is not None and now != before:
            self._say(f"The run {before!r} is not there any more; " + (f"this is {now!r}." if now else _NOTHING))

    def open_rows(self, point: dict[str, Any]) -> None:
        """Show the completions behind a clicked point, all filters set to all."""
        self._point, self._held, self._page = dict(point), None, 0
        self.filters.clear()
        self._read()

    def close_rows(self) -> None:
        """Show the completions of the chosen run again."""
        self._point, self._held, self._page = None, None, 0
        self._pointing.layout.display = "none"
        self._read()

    def go_to(self, line: str) -> None:
        """Open the completion that a reference names; a sentence says why where that cannot be."""
        if not line.strip():
            return
        try:
            place = Reference.read(line)
            self._source_of(place)
        except SiworkError as error:
            self._say(str(error))
        else:
            self._open(place)

    # ── what a reader does ─────────────────────────────────────────────────────────────────────────────
    def _filtered(self) -> None:
        self._page = 0
        run = self.filters.run.value
        self.filters.offer(list(self._rounds), self._rounds.get(run, 0))
        self._read()

    def _sorted(self, column: int, down: bool) -> None:
        self._order, self._page = (list(self._heads().values())[column], down), 0
        self._read()

    def _turn(self, step: int) -> None:
        last = max(self._listed.found - 1, 0) // PAGE
        self._page = min(max(self._page + step, 0), last)
        self._read()

    def _picked(self, i: int) -> None:
        rows = records(self._listed.rows)
        if i < len(rows):
            self._open(reference(rows[i]))

    # ── reading, away from the main thread ─────────────────────────────────────────────────────────────
    def _read(self) -> None:
        """Read the page that is wanted now."""
        order, down = self._order
        wish = self.filters.wish._replace(order=order, down=down, page=self._page)
        job = self._job(wish)
        if job is None:
            self._list(_Seen(None, Listing(pd.DataFrame(), 0, 0, 0)))
            return self._say(_NOTHING)
        self._listing.ask(job)
        if self.tick(_QUICK):
            self.count.value = "reading …"
        return None

    def _job(self, wish: Wish) -> Callable[[], _Seen] | None:
        point, held, behind = self._point, self._held, self._rows_behind
        if point is not None and behind is not None:
            return lambda: _behind(held or Held(behind(point)), wish)
        run = self._runs.get(self.filters.run.value)
        return None if run is None else lambda: _Seen(None, listing(run, wish))

    def _source_of(self, place: Reference) -> Rows:
        """Where a completion is read from. Raises KnobError for a run that is not here."""
        if self._held is not None and place.run not in self._runs:
            return self._held
        if place.run not in self._runs:
            raise KnobError(f"no run here is called {place.run!r}; {nearest(place.run, self._runs)}")
        return self._runs[place.run]

    def _open(self, place: Reference) -> None:
        source = self._source_of(place)
        self._opening.ask(lambda: _Opened(place, completion(source, place), across(source, place)))
        self.tick(_QUICK)

    def tick(self, seconds: float = 0.0) -> bool:
        """Show what was read since, waiting that long for it; whether something is still being read."""
        for work, shown in ((self._listing, self._list), (self._opening, self._opened)):
            done = work.wait(seconds) if seconds else work.take()
            if done is not None and done.fault:
                self._say(done.fault)
            elif done is not None:
                self._say("")
                shown(done.result)
        busy = self._listing.busy or self._opening.busy
        busy = self.across.poll() or busy
        self.clock.seconds = _TICK if busy else 0.0
        return busy

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until nothing is being read, at most that long."""
        while self.tick(min(seconds, 1.0)) and seconds > 0:
            seconds -= 1.0

    # ── what is shown ──────────────────────────────────────────────────────────────────────────────────
    def _list(self, seen: _Seen) -> None:
        self._held, self._listed = seen.held, seen.page
        self._page = seen.page.start // PAGE
        rows, heads = records(seen.page.rows), self._heads()
        places = [reference(row) for row in rows]
        lines = list(map(_line, rows, [self._pooled] * len(rows)))
        by = list(heads.values()).index(self._order[0]) if self._order[0] in heads.values() else None
        with self.table.hold_sync():
            self.table.columns = [cell(head, 100) for head in heads]
            chosen = places.index(self._place) if self._place in places else None
            self.table.show(lines, chosen=chosen, sorted_by=None if by is None else (by, self._order[1]))
        self.count.value = _count(seen.page)
        self.back.disabled, self.next.disabled = self._page == 0, seen.page.start + len(rows) >= seen.page.found
        if self._point is not None:
            self.behind.show("The completions behind this point: ", ("strong", in_words(self._point)))
            self._pointing.layout.display = ""

    @property
    def _pooled(self) -> bool:
        """Whether the rows are of several runs, so that each must say its own."""
        return self._held is not None and self._held.table["run"].nunique() > 1

    def _heads(self) -> dict[str, str]:
        return {"run": "run", **_COLUMNS} if self._pooled else _COLUMNS

    def _opened(self, opened: _Opened) -> None:
        self._place = opened.place
        places = [reference(row) for row in records(self._listed.rows)]
        self.table.chosen = places.index(opened.place) if opened.place in places else None
        self.picked.show(opened.row)
        self.across.show(opened.place, opened.others)

    def _say(self, fault: str) -> None:
        self.said.show(("fault", fault))
        self.said.layout.display = "" if fault else "none"


def _behind(held: Held, wish: Wish) -> _Seen:
    return _Seen(held, listing(held, wish))


def _count(page: Listing) -> str:
    last = page.start + len(page.rows)
    among = f" (of {page.read:,} completions)" if page.read != page.found else ""
    return f"rows {page.start + 1:,}-{last:,} of {page.found:,}{among}" if page.found else f"no row of {page.read:,}"


def _line(row: dict[str, Any], pooled: bool) -> list[str]:
    """The cells of a row."""
    tokens, logp = row.get("n_tokens"), row.get("logp")
    cells = [str(row[name]) for name in (["run"] if pooled else []) + ["round", "problem", "sample"]]
    cells += [_or_unknown(row.get("band")), _or_unknown(row.get("answer"), "none read"), _truth(row.get("gold"))]
    cells += [_real(row.get("score")), _real(row.get("weight"))]
    cells += [_real(logp / tokens if logp is not None and tokens else None)]
    return [*cells, _or_unknown(row.get("response"))[:_RESPONSE]]
