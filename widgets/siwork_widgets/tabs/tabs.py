"""The tabs that answer a question: what is asked, the pictures that answer it, and their numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w

from siwork.markup import element, join
from siwork.reporting.sketches import QUESTIONS
from siwork_widgets.kit.figure import Figure, Picture
from siwork_widgets.tabs.numbers import Numbers
from siwork_widgets.watch.fitting import across
from siwork_widgets.watch.pictures import QUESTION
from siwork_widgets.watch.source import Snapshot

_COLUMNS = "repeat(auto-fit, minmax(min(22rem, 100%), 1fr))"  # a picture of one panel fits into a column
_WHOLE = "auto / 1 / auto / -1"  # a row of its own

OpenRows = Callable[[dict[str, Any]], None]


class Pictures(w.GridBox):
    """Pictures in the order given, small ones beside each other; the widgets that draw them are kept for the next ones."""

    def __init__(self, kind: str, open_rows: OpenRows) -> None:
        self._kind, self._open = kind, open_rows
        self._drawers: list[Figure] = []
        self._shown: tuple[Sequence[Picture], str] | None = None
        self._count = 0
        super().__init__(
            layout={"grid_template_columns": _COLUMNS, "grid_gap": "0 1rem", "grid_auto_flow": "row dense"}
        )
        self.add_class(f"sw-{kind}-pictures")

    def show(self, pictures: Sequence[Picture], why: str = "") -> None:
        """Show these, or the words `why` where there is none; cheap for those that are shown."""
        if self._shown is not None and self._shown[0] is pictures and self._shown[1] == why:
            return
        self._shown = (pictures, why)
        count = max(1, len(pictures))
        while len(self._drawers) < count:
            figure = Figure(on_point=self._open)
            figure.add_class(f"sw-{self._kind}-{len(self._drawers)}")
            self._drawers.append(figure)
        drawn: Sequence[Picture | None] = [*pictures] or [None]
        for figure, one in zip(self._drawers, drawn, strict=False):
            figure.show(one, why=why)
            figure.layout.grid_area = "auto" if one is not None and across(one) == 1 else _WHOLE
        if self._count != count:
            self._count = count
            self.children = self._drawers[:count]


class QuestionTab(w.VBox):
    """One question of a panel: Diversity, Tail, Verifier or Collapse.

    name : a name of `siwork_widgets.watch.pictures.QUESTION`, the tab's title
    open_rows : called with a clicked point, or that of a picked number
    """

    def __init__(self, name: str, open_rows: OpenRows) -> None:
        self.name = name
        self.pictures = Pictures(name.lower(), open_rows)
        self.numbers = Numbers(name, open_rows)
        super().__init__([w.HTML(asked(name)), self.pictures, self.numbers])
        self.add_class(f"sw-{name.lower()}")

    def show(self, snapshot: Snapshot) -> None:
        """Show what is known; cheap when nothing changed for this tab."""
        self.pictures.show(snapshot.pictures.get(self.name, ()), reason(snapshot, self.name))
        self.numbers.show(None if snapshot.comparison is None else snapshot.comparison.table)


def asked(name: str) -> str:
    """The question of a tab and what trouble looks like, as markup."""
    question = QUESTIONS[QUESTION[name]]
    return join(element("h3", question.title), element("p", question.words, class_="soft"))


def reason(snapshot: Snapshot, name: str) -> str:
    """Why a tab has no picture yet; empty when it has one."""
    if snapshot.pictures.get(name):
        return ""
    if not snapshot.runs:
        return "No run is open. Launch one or open one above."
    if snapshot.busy:
        return f"{snapshot.doing or 'reading'} …"
    if snapshot.comparison is None:
        return "No round is finished yet: the first one appears here as soon as it is there."
    return "There is nothing to draw; the reason is told above."
