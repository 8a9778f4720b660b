"""`Compare`: two groups of runs side by side, metric by metric, and the next run that would tell more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as w
import pandas as pd

from siwork.figures.curves import curves_sheet
from siwork.reporting.compare import Comparison
from siwork.reporting.differences import Differences, Pairs, Side, chosen_first, offered, paired
from siwork.schema import SPLITS
from siwork.sweep import ablation
from siwork_widgets.compare.ablating import Ablate, Ablation
from siwork_widgets.compare.contrasts import Line, drawn, measured
from siwork_widgets.kit.choosing import Choices, chooser, offer, several
from siwork_widgets.kit.clock import Clock
from siwork_widgets.kit.figure import Figure, Picture, picture
from siwork_widgets.kit.newest import Newest
from siwork_widgets.kit.plain import seen
from siwork_widgets.kit.table import Table
from siwork_widgets.kit.text import Text
from siwork_widgets.selection.whatif import WhatIf

_QUICK = 0.1  # s that measuring may hold up the panel; a longer one is shown when it is done
_TICK = 0.1  # s between two looks at a longer one
_HEADS = ("metric", "A", "B", "B − A", "in words", "problems × seeds")
_MOST = 6  # groups whose curves are drawn unless others are chosen
_ALONE = "There is one group of runs only; run another recipe to compare with, below, or in the launcher above."
_NONE = "No round is measured yet."


class _Asked(NamedTuple):
    """What is to be compared."""

    a: Side
    b: Side
    split: str
    round: int | None
    metrics: tuple[str, ...]
    metric: str | None  # whose difference is drawn; None: that of the first line
    curves: tuple[str, ...]  # groups whose curves are drawn
    table: pd.DataFrame  # metric table of the groups
    own: pd.DataFrame  # of the single runs


class _Found(NamedTuple):
    """What came of it."""

    pairs: Pairs
    lines: list[Line]
    metric: str | None
    picture: Picture | None
    curves: Picture | None


class Compare(w.VBox):
    """Two groups of runs, A and B: their difference paired by problem, then over seeds, with what may be said of it.

    open_rows : called with a clicked point of a figure; None leaves clicks without effect
    on_launched : called with the folders of the runs of an ablation that was begun
    ablate : begins an ablation, such as `Launcher.ablate`
    """

    name = "Compare"

    def __init__(
        self,
        *,
        open_rows: Callable[[dict[str, Any]], None] | None = None,
        on_launched: Callable[[Sequence[Path]], None] | None = None,
        ablate: Ablate = ablation,
    ) -> None:
        self._on_launched, self._ablate = on_launched, ablate
        self._version, self._awaited = -1, set[str]()
        self._snapshot: Any = None
        self._asking = False  # whether "what if" is open
        self._comparison: Comparison | None = None
        self._own = pd.DataFrame()
        self._sides: dict[str, Side] = {}
        self._metric: str | None = None
        self._split = ""  # whose metrics are offered
        self._lines: list[Line] = []
        self._differences, self._work = Differences(), Newest()
        self._build(open_rows)
        super().__init__(self._laid_out())
        self.add_class("sw-panel").add_class("sw-compare")
        self.said.show(_NONE)

    # ── what it is made of ─────────────────────────────────────────────────────────────────────────────
    def _build(self, open_rows: Callable[[dict[str, Any]], None] | None) -> None:
        self.a, self.b = chooser("A", [], "compare-a", "320px"), chooser("B", [], "compare-b", "320px")
        self.split = chooser("split", [(name, name) for name in SPLITS], "compare-split")
        self.split.value = "heldout"
        self.round = chooser("round", [("last", None)], "compare-round")
        self.metrics = several("metrics", "compare-metrics")
        self.curves = several("curves of", "compare-curves-of")
        self.said = Text(label="what is compared", lines=6)
        self.table = Table(_HEADS, label="difference of B and A, the worst first", on_pick=self._picked)
        self.how = Text(label="how it is measured", lines=4)
        self.figure, self.overlay = Figure(on_point=open_rows), Figure(on_point=open_rows)
        self.ablation = Ablation(self._launched, self._ablate)
        self.whatif = WhatIf(open_rows=open_rows)
        self.clock = Clock(self.tick, seconds=0, label="comparison of runs")
        for widget, kind in ((self.said, "said"), (self.table, "table"), (self.how, "how")):
            widget.add_class(f"sw-compare-{kind}")
        self.figure.add_class("sw-compare-figure")
        self.overlay.add_class("sw-compare-overlay")

    def _laid_out(self) -> list[w.Widget]:
        self._pair = Choices([self.a, self.b, self.split, self.round], self._chosen)
        self._several = Choices([self.metrics, self.curves], self._ask)
        ablation = w.Accordion([self.ablation], titles=("Change one slot and run it",), selected_index=0)
        asking = w.Accordion([self.whatif], titles=("What if another selector had chosen?",), selected_index=None)
        asking.add_class("sw-compare-whatif").observe(self._opened, "selected_index")
        parts = [self._pair, self._several, self.said, self.table, self.how, self.figure, self.overlay]
        return [*parts, ablation, asking, self.clock]

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────────
    def show(self, snapshot: Any) -> None:
        """Follow a snapshot: new groups and rounds are offered, what is chosen stays chosen."""
        if snapshot.version != self._version:
            self._version = snapshot.version
            self._snapshot = snapshot
            self._ask_what_if()
            if snapshot.comparison is not self._comparison and "own" in snapshot.tables:
                self._comparison, self._own = snapshot.comparison, snapshot.tables["own"]
                self._follow()
        self.tick()

    def _follow(self) -> None:
        """Offer what the newest comparison holds, and measure anew."""
        groups = [] if self._comparison is None else self._comparison.groups
        before = self._sides
        self._sides = {group.name: Side(group.name, tuple(group.runs)) for group in groups}
        single = [run for group in groups if len(group.runs) > 1 for run in group.runs]
        self._sides |= {run.name: Side(run.name, (run,)) for run in single if run.name not in self._sides}
        options = [(_side_words(side), name) for name, side in self._sides.items()]
        with self._pair.quietly(), self._several.quietly():
            offer(self.a, options)
            offer(self.b, options)
            self._preselect(set(self._sides) - set(before))
            names = [group.name for group in groups]
            offered = [name for _, name in self.curves.options]
            own = list(self.curves.value) != offered[:_MOST]  # a reader's choice stays, ours grows with the groups
            kept = [name for name in self.curves.value if name in names and own]
            self.curves.options = [(seen(name, 60), name) for name in names]
            self.curves.value = kept or names[:_MOST]
        self._chosen()

    def _preselect(self, new: set[str]) -> None:
        """Another B where it is A itself; runs that were started from here become B as soon as they are there."""
        if self.b.value == self.a.value:
            self.b.value = next((name for name in self._sides if name != self.a.value), self.a.value)
        for name, side in self._sides.items():  # groups come before their runs
            if name in new and name != self.a.value and self._awaited & {run.name for run in side.runs}:
                self.b.value = name
                self._awaited = set()
                break

    def _opened(self, change: Any) -> None:
        self._asking = change["new"] is not None
        self._ask_what_if()

    def _ask_what_if(self) -> None:
        """Keep "what if" up to date while it is open; it replays rows, which nobody should wait for who does not look."""
        if self._asking and self._snapshot is not None:
            self.whatif.show(self._snapshot)

    def _launched(self, places: Sequence[Path]) -> None:
        self._awaited = {place.name for place in places}
        if self._on_launched is not None and places:
            self._on_launched(places)

    # ── what a reader does ─────────────────────────────────────────────────────────────────────────────
    def _chosen(self) -> None:
        """After another side, split or round was chosen: offer its metrics and rounds, and measure."""
        a = self._sides.get(self.a.value)
        split, own = self.split.value, self._own
        names = offered(own, split) if len(own) else []
        rounds = sorted(set(own["round"].dropna().tolist())) if len(own) else []
        with self._pair.quietly(), self._several.quietly():
            offer(self.round, [("last", None), *((str(r), int(r)) for r in rounds)])
            kept = [name for name in self.metrics.value if name in names and split == self._split]
            if list(self.metrics.options) != names or split != self._split:
                self.metrics.options = names
                self.metrics.value = kept or chosen_first(names, split)
            self._split = split
        self.ablation.show(a)
        self._ask()

    def _picked(self, i: int) -> None:
        self._metric = self._lines[i].metric
        self._explain()
        self._ask()

    # ── measuring, away from the main thread ───────────────────────────────────────────────────────────
    def _ask(self) -> None:
        a, b = self._sides.get(self.a.value), self._sides.get(self.b.value)
        if self._comparison is None or a is None or b is None or a == b:
            self._show(_Found(Pairs((), (), why=_NONE if a is None else _ALONE), [], None, None, None))
            return
        table, own, curves = self._comparison.table, self._own, tuple(self.curves.value)
        chosen = (self.split.value, self.round.value, tuple(self.metrics.value), self._metric)
        asked = _Asked(a, b, *chosen, curves, table, own)
        self._work.ask(lambda: _compared(self._differences, asked))
        self.tick(_QUICK)
        if self._work.busy:
            self.said.show("measuring …")

    def tick(self, seconds: float = 0.0) -> None:
        """Show what was measured since, waiting that long for it."""
        done = self._work.wait(seconds) if seconds else self._work.take()
        if done is not None and done.fault:
            self.said.show(("fault", done.fault))
        elif done is not None:
            self._show(done.result)
        self.clock.seconds = _TICK if self._work.busy else 0.0

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until nothing is being measured, at most that long."""
        self.tick(seconds)

    def fill(self, seconds: float = 60.0) -> None:
        """Wait for all there is to show, "what if" also where it is folded away: for a file, where nothing is."""
        self.wait(seconds)
        if self._snapshot is not None:
            self.whatif.show(self._snapshot)
            self.whatif.wait(seconds)

    # ── what is shown ──────────────────────────────────────────────────────────────────────────────────
    def _show(self, found: _Found) -> None:
        self._lines, self._metric = found.lines, found.metric
        chosen = [i for i, line in enumerate(found.lines) if line.metric == found.metric]
        self.table.show([line.cells for line in found.lines], chosen=chosen[0] if chosen else None, note=_NOTE)
        self.said.show(_about(found.pairs))
        self._explain()
        self.figure.show(found.picture, why=found.pairs.why or "no metric is chosen that is known in both")
        self.overlay.show(found.curves, why="choose groups and metrics to see their curves")

    def _explain(self) -> None:
        methods = [line.method for line in self._lines if line.metric == self._metric]
        self.how.show(("soft", f"{self._metric}: {methods[0]}" if methods else "Pick a row to see how it is measured."))


_NOTE = (
    "Each seed of B is paired with the same seed of A, problem by problem; the interval is over seeds. "
    "A direction is told only where it leaves out 0 and all seeds agree; the metrics are not corrected for being many."
)


def _side_words(side: Side) -> str:
    return f"{seen(side.name, 80)} ({len(side.runs)} seeds)" if len(side.runs) > 1 else seen(side.name, 80)


def _about(pairs: Pairs) -> str:
    if pairs.why:
        return pairs.why
    seeds = ", ".join(map(str, pairs.seeds))
    several = len(pairs.seeds) > 1
    head = f"Paired by seed ({seeds}) and by problem" if several else f"One seed ({seeds}), paired by problem"
    return f"{head}; {pairs.note}." if pairs.note else f"{head}."


def _compared(differences: Differences, asked: _Asked) -> _Found:
    """Measure and draw; in the worker. Raises RunError when a round cannot be read."""
    curves = _curves(asked)
    pairs = paired(asked.a, asked.b, asked.split)
    if pairs.why:
        return _Found(pairs, [], None, None, curves)
    lines, tables = measured(differences, asked.metrics, pairs, asked.own, asked.split, asked.round)
    known = [line.metric for line in lines if line.metric in tables]
    metric = asked.metric if asked.metric in known else next(iter(known), None)
    shown = None if metric is None else drawn(metric, tables[metric], asked.a, asked.b, asked.split)
    return _Found(pairs, lines, metric, shown, curves)


def _curves(asked: _Asked) -> Picture | None:
    """The curves of several groups, one over the other."""
    table = asked.table[asked.table["run"].isin(asked.curves).to_numpy(bool)]
    there = set(table["metric"])
    metrics = [name for name in asked.metrics if name in there][:_MOST]
    if table.empty or not metrics:
        return None
    sheet = curves_sheet(table, split=asked.split, metrics=metrics)
    return picture(sheet.spec(), f"{', '.join(metrics)} over rounds, {asked.split}: {', '.join(asked.curves)}")
