"""The first tab: what is wrong and since when, how often the model is right, and what changed, in words and in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as w

from siwork.diagnosis import Diagnosis
from siwork.markup import element, join
from siwork.reporting.compare import Comparison, Group
from siwork.reporting.states import TITLES, Together, together
from siwork.reporting.verdicts import card, heading, ill, rest, summary
from siwork.reporting.words import accounts, told, told_name
from siwork.schema.numbers import interval, number
from siwork_widgets.numbers import Numbers, ends
from siwork_widgets.source import Snapshot
from siwork_widgets.table import Table
from siwork_widgets.tabs import OpenRows, Pictures, asked, reason

_COLUMNS = ("of", "what", "first round → last", "difference [interval]", "n", "method")


class Overview(w.VBox):
    """Verdicts of every group with the completions that show them, pass@1 and pass@k, and the changes.

    open_rows : called with the point of a verdict, of a clicked mark, or of a picked number
    """

    name = "Overview"

    def __init__(self, open_rows: OpenRows) -> None:
        self._open = open_rows
        self._shown: Comparison | None = None
        self._groups: list[GroupVerdicts] = []
        self._changed: list[dict[str, Any]] = []
        self.verdicts = w.VBox()
        self.verdicts.add_class("sw-verdicts")
        self.pictures = Pictures("overview", open_rows)
        self.words = w.HTML()
        self.words.add_class("sw-findings")
        self.changes = Table(_COLUMNS, label="what changed since the first round", on_pick=self._picked)
        self.changes.add_class("sw-changes")
        self.numbers = Numbers(self.name, open_rows)
        parts = [self.verdicts, w.HTML(asked(self.name)), self.pictures, self.words, self.changes, self.numbers]
        super().__init__(parts)
        self.add_class("sw-overview")

    def show(self, snapshot: Snapshot) -> None:
        """Show what is known; cheap when nothing changed for this tab."""
        self.pictures.show(snapshot.pictures.get(self.name, ()), reason(snapshot, self.name))
        comparison = snapshot.comparison
        if comparison is self._shown:
            return
        self._shown = comparison
        self.numbers.show(None if comparison is None else comparison.table)
        self._show_verdicts(comparison)
        self.words.value = "" if comparison is None else findings(comparison)
        self._changed = [] if comparison is None else told_changes(comparison)
        self.changes.show([_cells(row) for row in self._changed], note=_NOTE if self._changed else "")

    def _show_verdicts(self, comparison: Comparison | None) -> None:
        groups = [] if comparison is None else comparison.groups
        while len(self._groups) < len(groups):
            self._groups.append(GroupVerdicts(self._open))
        if comparison is not None:
            for box, group in zip(self._groups, groups, strict=False):
                box.show(group, comparison.diagnoses[group.name])
        self.verdicts.children = self._groups[: len(groups)]

    def _picked(self, i: int) -> None:
        row = self._changed[i]
        self._open({"run": row["run"], "round": int(row["round"]), "split": row["split"], "metric": row["metric"]})


class GroupVerdicts(w.VBox):
    """The verdicts on one group of siblings: a card for what is wrong, with a button that opens the completions."""

    def __init__(self, open_rows: OpenRows) -> None:
        self._open = open_rows
        self._cards: list[VerdictCard] = []
        self.head, self.rest = w.HTML(), w.HTML()
        self.cards = w.VBox()
        super().__init__([self.head, self.cards, self.rest])
        self.add_class("sw-group")

    def show(self, group: Group, diagnosis: Diagnosis) -> None:
        """Show what was found."""
        found = together(diagnosis)
        shown = ill(found)
        self.head.value = join(heading(group, diagnosis), summary(group, diagnosis))
        self.rest.value = rest([one for one in found if one not in shown])
        while len(self._cards) < len(shown):
            self._cards.append(VerdictCard(self._open))
        for box, one in zip(self._cards, shown, strict=False):
            box.show(one)
        self.cards.children = self._cards[: len(shown)]


class VerdictCard(w.VBox):
    """One verdict with the button that opens the completions which show it."""

    def __init__(self, open_rows: OpenRows) -> None:
        self._open = open_rows
        self._one: Together | None = None
        self.words = w.HTML()
        self.button = w.Button(description="Completions that show it", layout={"width": "auto"})
        self.button.add_class("sw-show-rows")
        self.button.on_click(lambda _: self._pressed())
        super().__init__([self.words, self.button])

    def show(self, one: Together) -> None:
        """Show that verdict."""
        self._one = one
        self.words.value = card(one, None)
        self.button.tooltip = f"completions that show: {TITLES[one.name]}"

    def _pressed(self) -> None:
        if self._one is not None:
            shown = self._one.shown
            point = {"run": shown.run, "verdict": shown.name, "round": shown.round, "split": shown.split}
            self._open({key: value for key, value in point.items() if value is not None})


def findings(comparison: Comparison) -> str:
    """What changed, in sentences, as markup."""
    parts = []
    for account in accounts(comparison):
        items = [element("li", one.words, class_=None if one.sure else "unsure") for one in account.sentences]
        parts += [
            element("h4", account.group.name, style="font-size:1em"),
            element("p", account.head, class_="soft"),
            element("ul", *items),
        ]
    return join(element("h3", "What changed"), *parts)


def told_changes(comparison: Comparison) -> list[dict[str, Any]]:
    """The changes worth a line, group by group."""
    changes = comparison.changes
    return [row for group in comparison.groups for row in told(changes[changes["run"] == group.name])]


def _cells(row: Mapping[str, Any]) -> list[str]:
    begun, last = (number(row[name], row["first_value"], row["last_value"]) for name in ("first_value", "last_value"))
    unit = f" {row['unit']}" if row["unit"] else ""
    moved = interval(float(row["value"]), *ends(row), sign=True)
    return [
        row["run"],
        told_name(row["metric"]),
        f"{begun} → {last}{unit}",
        moved,
        f"{row['n']:,.0f}",
        str(row["method"]),
    ]


_NOTE = "Over seeds where a recipe has several, else over problems. Enter or a click on a row opens its completions."
