"""The list of completions: a page of it at a time, sorted by any column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w
import pandas as pd

from siwork.schema.numbers import number
from siwork_widgets.kit.plain import cell
from siwork_widgets.kit.table import Table
from siwork_widgets.samples.reading import BEGINNING, PAGE, UNKNOWN, Listing, Wish, records, reference
from siwork_widgets.samples.reference import Reference

_HEADS = {  # head: column that it sorts by
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
_EMPTY = Listing(pd.DataFrame(), 0, 0, 0)


class Pages(w.VBox):
    """A page of completions; `on_pick` is called with the one that is picked, `on_turn` when another page is wanted."""

    def __init__(self, on_pick: Callable[[Reference], None], on_turn: Callable[[], None]) -> None:
        self._on_pick, self._on_turn = on_pick, on_turn
        self._places: list[Reference] = []
        self._found, self._page, self._order = 0, 0, ("", False)
        self._heads = _HEADS
        self.table = Table(list(_HEADS), label="completions", on_pick=self._picked, on_sort=self._sorted)
        self.back, self.next = w.Button(description="previous"), w.Button(description="next")
        self.count = w.Label()
        for widget, kind in ((self.table, "table"), (self.back, "back"), (self.next, "next"), (self.count, "count")):
            widget.add_class(f"sw-samples-{kind}")
        self.back.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))
        pager = w.HBox([self.back, self.count, self.next], layout={"align_items": "center"})
        super().__init__([self.table, pager])
        self.show(_EMPTY)

    def wish(self, filters: Wish) -> Wish:
        """The filters with the order and the page that are wanted."""
        return filters._replace(order=self._order[0], down=self._order[1], page=self._page)

    def rewind(self) -> None:
        """Want the first page next."""
        self._page = 0

    def show(self, listing: Listing, chosen: Reference | None = None, *, pooled: bool = False) -> None:
        """Show a page; `pooled` rows are of several runs, so that each says its own."""
        rows = records(listing.rows)
        self._places, self._found, self._page = list(map(reference, rows)), listing.found, listing.start // PAGE
        self._heads = {"run": "run", **_HEADS} if pooled else _HEADS
        by = [i for i, column in enumerate(self._heads.values()) if column == self._order[0]]
        with self.table.hold_sync():
            self.table.columns = [cell(head, 100) for head in self._heads]
            lines = [_cells(row, pooled) for row in rows]
            self.table.show(lines, sorted_by=(by[0], self._order[1]) if by else None)
            self.choose(chosen)
        self.count.value = _count(listing)
        self.back.disabled = self._page == 0
        self.next.disabled = listing.start + len(rows) >= listing.found

    def wait(self) -> None:
        """Say that the page is being read."""
        self.count.value = "reading …"

    def choose(self, place: Reference | None) -> None:
        """Mark a completion, where it is on this page."""
        self.table.chosen = self._places.index(place) if place in self._places else None

    def _picked(self, i: int) -> None:
        self._on_pick(self._places[i])

    def _sorted(self, column: int, down: bool) -> None:
        self._order, self._page = (list(self._heads.values())[column], down), 0
        self._on_turn()

    def _turn(self, step: int) -> None:
        self._page = min(max(self._page + step, 0), max(self._found - 1, 0) // PAGE)
        self._on_turn()


def _count(listing: Listing) -> str:
    if not listing.found:
        return f"none of {listing.read:,} completions" if listing.read else "no completion"
    among = f", of {listing.read:,} completions" if listing.read != listing.found else ""
    return f"rows {listing.start + 1:,}-{listing.start + len(listing.rows):,} of {listing.found:,}{among}"


def _cells(row: dict[str, Any], pooled: bool) -> list[str]:
    """The cells of a row."""
    tokens, logp, gold = row.get("n_tokens"), row.get("logp"), row.get("gold")
    truth = UNKNOWN if gold is None else "right" if gold else "wrong"
    likely = logp / tokens if logp is not None and tokens else None
    numbers = [UNKNOWN if value is None else number(value) for value in (row.get("score"), row.get("weight"), likely)]
    band, answer = row.get("band"), row.get("answer")
    said = ["unknown" if band is None else str(band), "none read" if answer is None else str(answer), truth]
    keys = [str(row[name]) for name in (["run"] if pooled else []) + ["round", "problem", "sample"]]
    response = UNKNOWN if row.get("response") is None else str(row["response"])
    return [*keys, *said, *numbers, response if len(response) < BEGINNING else f"{response} …"]
