"""The first tab: what is wrong and since when, how often the model is right, and what changed, in words and in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as w

from siwork_widgets.kit.table import Table
from siwork_widgets.tabs.numbers import Numbers
from siwork_widgets.tabs.tabs import OpenRows, Pictures, asked, reason
from siwork_widgets.watch.source import Snapshot
from siwork_widgets.watch.telling import Card, GroupTold, Told

_COLUMNS = ("of", "what", "first round → last", "difference [interval]", "n", "method")
_NOTE = "Over seeds where a recipe has several, else over problems. Enter or a click on a row opens its completions."
_NOTHING = Told((), "", (), ())


class Overview(w.VBox):
    """Verdicts of every group with the completions that show them, pass@1 and pass@k, and the changes.

    open_rows : called with the point of a verdict, of a clicked mark, or of a picked number
    """

    name = "Overview"

    def __init__(self, open_rows: OpenRows) -> None:
        self._open = open_rows
        self._told = _NOTHING
        self._groups: list[GroupVerdicts] = []
        self.verdicts = w.VBox()
        self.pictures = Pictures("overview", open_rows)
        self.words = w.HTML()
        self.changes = Table(_COLUMNS, label="what changed since the first round", on_pick=self._picked)
        self.numbers = Numbers(self.name, open_rows)
        for kind, widget in {"verdicts": self.verdicts, "findings": self.words, "changes": self.changes}.items():
            widget.add_class(f"sw-{kind}")
        parts = [self.verdicts, w.HTML(asked(self.name)), self.pictures, self.words, self.changes, self.numbers]
        super().__init__(parts)
        self.add_class("sw-overview")

    def show(self, snapshot: Snapshot) -> None:
        """Show what is known; cheap when nothing changed for this tab."""
        self.pictures.show(snapshot.pictures.get(self.name, ()), reason(snapshot, self.name))
        self.numbers.show(None if snapshot.comparison is None else snapshot.comparison.table)
        told = snapshot.told or _NOTHING
        if told is not self._told:
            self._told = told
            self._show_verdicts(told.groups)
            self.words.value = told.findings
            self.changes.show(told.changes, note=_NOTE if told.changes else "")

    def _show_verdicts(self, groups: Sequence[GroupTold]) -> None:
        before = len(self._groups)
        self._groups += [GroupVerdicts(self._open) for _ in groups[before:]]
        for box, group in zip(self._groups, groups, strict=False):
            box.show(group)
        self.verdicts.children = self._groups[: len(groups)]

    def _picked(self, i: int) -> None:
        self._open(self._told.points[i])


class GroupVerdicts(w.VBox):
    """The verdicts on one group of siblings: a card for what is wrong, with a button that opens the completions."""

    def __init__(self, open_rows: OpenRows) -> None:
        self._open = open_rows
        self._cards: list[VerdictCard] = []
        self.head, self.rest = w.HTML(), w.HTML()
        self.cards = w.VBox()
        super().__init__([self.head, self.cards, self.rest])
        self.add_class("sw-group")

    def show(self, group: GroupTold) -> None:
        """Show what was found."""
        self.head.value, self.rest.value = group.head, group.rest
        before = len(self._cards)
        self._cards += [VerdictCard(self._open) for _ in group.cards[before:]]
        for box, one in zip(self._cards, group.cards, strict=False):
            box.show(one)
        self.cards.children = self._cards[: len(group.cards)]


class VerdictCard(w.VBox):
    """One verdict with the button that opens the completions which show it."""

    def __init__(self, open_rows: OpenRows) -> None:
        self._open = open_rows
        self._card: Card | None = None
        self.words = w.HTML()
        self.button = w.Button(description="Completions that show it", layout={"width": "auto"})
        self.button.add_class("sw-show-rows")
        self.button.on_click(lambda _: self._pressed())
        super().__init__([self.words, self.button])

    def show(self, one: Card) -> None:
        """Show that verdict."""
        self._card = one
        self.words.value = one.markup
        self.button.tooltip = f"completions that show: {one.title}"

    def _pressed(self) -> None:
        if self._card is not None:
            self._open(self._card.point)
