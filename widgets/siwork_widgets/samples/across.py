"""One problem across rounds: what became of it, and two of its completions side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w
import pandas as pd

from siwork_widgets.kit.choosing import Choices, chooser, offer
from siwork_widgets.kit.newest import Newest
from siwork_widgets.kit.plain import cell, seen
from siwork_widgets.kit.table import Table
from siwork_widgets.kit.text import Text
from siwork_widgets.samples.diffing import UNITS, difference
from siwork_widgets.samples.reading import KEPT, RIGHT, UNKNOWN, WRONG, records, truths
from siwork_widgets.samples.reference import Reference

_MARKS = {RIGHT: "✓", WRONG: "✗", UNKNOWN: "?"}
_KEY = f"✓ right, ✗ wrong, ? unknown, ● {KEPT} for training; then the answer. Pick a row to read its round in B."
_ANSWER = 16  # characters of an answer in the table
_MOST = 64  # samples that have a column
_QUICK = 0.1  # s that a comparison may hold up the panel; a longer one is shown when it is done


class Pane(w.VBox):
    """One of two completions: its round, its sample, its response."""

    def __init__(self, name: str, on_change: Callable[[], None]) -> None:
        self.round = chooser(f"{name}: round", [], f"samples-{name.lower()}-round")
        self.sample = chooser("sample", [], f"samples-{name.lower()}-sample")
        self.text = Text(label=f"response {name}", lines=24)
        self.text.add_class(f"sw-samples-{name.lower()}")
        self.choices = Choices([self.round, self.sample], self._chosen)
        super().__init__([self.choices, self.text], layout={"flex": "1 1 0", "min_width": "0"})
        self._on_change, self._rows = on_change, pd.DataFrame()

    def show(self, rows: pd.DataFrame, r: int, sample: int) -> None:
        """Offer the completions of a problem, this one chosen."""
        self._rows = rows
        with self.choices.quietly():
            offer(self.round, [(str(one), one) for one in dict.fromkeys(rows["round"].tolist())])
            self.round.value = r
            self._offer_samples()
            if sample in [value for _, value in self.sample.options]:
                self.sample.value = sample

    @property
    def response(self) -> str:
        """The response that is chosen; empty where it is not known."""
        rows = self._rows
        own = rows[((rows["round"] == self.round.value) & (rows["sample"] == self.sample.value)).to_numpy(bool)]
        value = own["response"].iloc[0] if len(own) and "response" in own else None
        return "" if value is None or pd.isna(value) else str(value)

    def _offer_samples(self) -> None:
        own = self._rows[(self._rows["round"] == self.round.value).to_numpy(bool)]
        named = own[[name for name in ("sample", "turn", "hint") if name in own]]
        offer(self.sample, [(_sample_words(row), row["sample"]) for row in records(named)])

    def _chosen(self) -> None:
        with self.choices.quietly():
            self._offer_samples()
        self._on_change()


def _sample_words(row: dict[Any, Any]) -> str:
    """A sample, and its turn and hint where it is no plain first attempt."""
    more = [f"turn {row['turn']}"] if row.get("turn") else []
    more += [f"hint {seen(row['hint'], 40)}"] if row.get("hint") not in (None, "none") else []
    return ", ".join([str(row["sample"]), *more])


class Across(w.VBox):
    """The completions of one problem in all rounds, and the difference of two of them."""

    def __init__(self) -> None:
        self.table = Table(["round"], label="the problem across rounds", on_pick=self._picked)
        self.table.add_class("sw-samples-across")
        self.a, self.b = Pane("A", self._beside), Pane("B", self._beside)
        self.unit = chooser("compare by", [(name, name) for name in UNITS], "samples-unit")
        self.note = Text(label="how A and B differ", lines=3)
        self.note.add_class("sw-samples-note")
        controls = Choices([self.unit], self._beside)
        both = w.HBox([self.a, self.b], layout={"width": "100%"})
        head = w.Label("The same problem across rounds")
        super().__init__([head, self.table, controls, both, self.note], layout={"display": "none"})
        self._rounds: list[int] = []
        self._work = Newest()

    def show(self, place: Reference, rows: pd.DataFrame) -> None:
        """Show the completions of a problem, `reading.across`; A is its first round, B the completion at `place`."""
        self._rounds = [int(r) for r in dict.fromkeys(rows["round"].tolist())]
        with self.table.hold_sync():
            heads, lines, note = _grid(rows)
            self.table.columns = [cell(head, 100) for head in heads]
            here = self._rounds.index(place.round) if place.round in self._rounds else None
            self.table.show(lines, chosen=here, note=note)
        self.a.show(rows, self._rounds[0], place.sample)
        self.b.show(rows, place.round, place.sample)
        self.layout.display = ""
        self._beside()

    def poll(self, seconds: float = 0.0) -> None:
        """Show a comparison that is done, waiting that long for it."""
        done = self._work.wait(seconds) if seconds else self._work.take()
        if done is not None:
            self.a.text.show(*done.result.before)
            self.b.text.show(*done.result.after)
            self.note.show(("soft", done.result.note))

    @property
    def busy(self) -> bool:
        """Whether a comparison is being made."""
        return self._work.busy

    def _picked(self, i: int) -> None:
        self.b.round.value = self._rounds[i]

    def _beside(self) -> None:
        before, after, unit = self.a.response, self.b.response, self.unit.value
        self._work.ask(lambda: difference(before, after, unit))
        self.poll(_QUICK)
        if self.busy:
            self.a.text.show(before)
            self.b.text.show(after)
            self.note.show(("soft", "comparing …"))


def _grid(rows: pd.DataFrame) -> tuple[list[str], list[list[str]], str]:
    """Heads, a line a round with a cell a sample, and the note below."""
    samples = sorted(set(rows["sample"].tolist()))
    shown = samples[:_MOST]
    short = records(rows[[name for name in ("round", "sample", "weight", "answer") if name in rows]])
    marks = map(_mark, short, truths(rows))
    cells = {(row["round"], row["sample"]): mark for row, mark in zip(short, marks, strict=True)}
    rounds = dict.fromkeys(rows["round"].tolist())
    lines = [[str(r), *(cells.get((r, sample), "") for sample in shown)] for r in rounds]
    left = len(samples) - len(shown)
    more = f" {left} further samples have no column; A and B offer them." if left else ""
    return ["round", *(f"sample {sample}" for sample in shown)], lines, _KEY + more


def _mark(row: dict[Any, Any], truth: str) -> str:
    weight, answer = row.get("weight"), row.get("answer")
    kept = "●" if weight is not None and weight > 0 else ""
    read = "" if answer is None else str(answer)
    read = read if len(read) <= _ANSWER else read[: _ANSWER - 1] + "…"
    return f"{_MARKS[truth]}{kept} {read}".rstrip()
