"""How runs are doing: a bar each, with the same in words, and how long the stages take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import ipywidgets as w

from siwork.schema import SiworkError
from siwork.store import Run, Status
from siwork_widgets.kit.plain import seen
from siwork_widgets.kit.text import Text

STAGES = ("evaluate", "sample", "verify", "select", "update")  # in the order in which a round goes through them
_RECENT = 3  # rounds that the time of a stage is taken from
_MOST = 12  # bars


class Line(NamedTuple):
    """One run as it is shown."""

    folder: Path
    name: str
    state: str
    share: float  # of the whole run, 0 … 1
    words: str
    fault: str = ""  # the last words of a run that failed


class Pace:
    """How long each stage takes in a run, from its last rounds; read anew when a round is finished."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, dict[str, float]]] = {}

    def of(self, run: Run, r: int) -> dict[str, float]:
        """Seconds of each stage before round r, in order; empty when nothing is known."""
        if self._known.get(run.folder, (-1, {}))[0] != r:
            self._known[run.folder] = (r, _stages(run, r))
        return self._known[run.folder][1]


def _stages(run: Run, r: int) -> dict[str, float]:
    infos = []
    for done in range(max(r - _RECENT, 0), r):
        with suppress(SiworkError):
            infos.append(run.round_info(done).get("stages"))
    found = [stages for stages in infos if isinstance(stages, dict)]
    known = {stage: [s[stage] for s in found if isinstance(s.get(stage), int | float)] for stage in STAGES}
    return {stage: float(median(seconds)) for stage, seconds in known.items() if seconds}


def line_of(run: Run, status: Status, begun: str, pace: Mapping[str, float]) -> Line:
    """A run as it is shown.

    Parameters
    ----------
    status : of the run
    begun : its state in the batch that plays it, as `Playing.state` says it
    pace : seconds of each stage, as `Pace.of` gives them
    """
    state = _state(status, begun)
    fault = _last_words(run) if state in ("failed", "dead") else ""
    if state == "running":
        words = _running(run, status, pace)
    else:
        words = _WORDS[state].format(round=status.round, rounds=status.rounds, stage=status.stage or "start")
    return Line(run.folder, run.name, state, _share(status, state, pace), words, fault)


_WORDS = {
    "preparing": "preparing …",
    "starting": "starting …",
    "waiting": "waits for a free core",
    "new": "not begun; Resume plays it",
    "stopped": "stopped before round {round} of {rounds}; Resume goes on",
    "finished": "finished: {rounds} updates",
    "failed": "failed in round {round} of {rounds}, {stage}; its last words:",
    "dead": "ended without a word in round {round} of {rounds}, {stage}; Resume goes on from round {round}.",
}


def _state(status: Status, begun: str) -> str:
    """The state on the disk, but for what only the batch knows."""
    if status.state == "running":
        return "running"
    return begun if begun in ("preparing", "waiting", "starting", "failed") else status.state


def _running(run: Run, status: Status, pace: Mapping[str, float]) -> str:
    closing = status.round == status.rounds
    parts = ["closing evaluation" if closing else f"round {status.round} of {status.rounds}"]
    if status.stage in STAGES:
        left = pace.get(status.stage)
        parts.append(
            f"{status.stage} {status.share:.0%}" + (f", {_time(left * (1 - status.share))} left" if left else "")
        )
        after = [] if closing else STAGES[STAGES.index(status.stage) + 1 :]
        later = [f"{stage} {_time(pace[stage])}" for stage in after if pace.get(stage, 0) >= _SHORT]
        parts += ["then " + ", ".join(later)] if later else []
    known = status.seconds_left is not None
    parts.append(f"{_time(status.seconds_left or 0)} left in all" if known else "time left known after the first round")
    if run.stop_wanted:
        parts.append("stops after the present stage")
    return " · ".join(parts)


_SHORT = 0.05  # seconds; a stage that takes less is not mentioned


def _share(status: Status, state: str, pace: Mapping[str, float]) -> float:
    """Share of all rounds that is done, the present one counted by its stages' usual times."""
    if state == "finished":
        return 1.0
    inside = 0.0
    total = sum(pace.values())
    if status.stage in STAGES and total:
        before = sum(pace.get(stage, 0.0) for stage in STAGES[: STAGES.index(status.stage)])
        inside = (before + status.share * pace.get(status.stage, 0.0)) / total
    return min((status.round + inside) / (status.rounds + 1), 1.0)


def _time(seconds: float) -> str:
    """A time as one says it.

    >>> _time(0.31), _time(4.4), _time(130), _time(7300)
    ('0.3 s', '4 s', '2 min', '2 h 2 min')
    """
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 1 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _last_words(run: Run) -> str:
    """What a run that ended badly wrote into its log since its last heartbeat, empty for none."""
    log, beat = run.folder / "log.txt", run.folder / "heartbeat"
    with suppress(SiworkError, OSError):
        if not beat.exists() or log.stat().st_mtime >= beat.stat().st_mtime:
            return seen(run.last_words(), 400)
    return ""


class Bars(w.VBox):
    """A bar and a sentence a run, at most twelve, those at work first; the others are counted. A bar stays in its place."""

    children: Any  # of the box

    def __init__(self) -> None:
        self._rows: dict[Path, _Row] = {}  # by folder
        self.rest = w.Label()
        super().__init__()
        self.add_class("sw-bars")

    @property
    def words(self) -> list[str]:
        """What stands beside each bar."""
        return [row.text.text for row in self.children if isinstance(row, _Row)]

    def show(self, lines: Sequence[Line]) -> None:
        """Show these runs."""
        ranked = sorted(lines, key=lambda line: line.state not in _AT_WORK)
        shown, rest = ranked[:_MOST], ranked[_MOST:]
        for line in shown:
            if line.folder not in self._rows:
                self._rows[line.folder] = _Row()
            self._rows[line.folder].show(line)
        counts = ", ".join(f"{n} {state}" for state, n in Counter(line.state for line in rest).items())
        self.rest.value = f"and {len(rest)} more: {counts}" if rest else ""
        there = {line.folder for line in shown}
        rows = [row for folder, row in self._rows.items() if folder in there]
        inside = (*rows, *([self.rest] if rest else []))
        if self.children != inside:
            self.children = inside


_AT_WORK = ("preparing", "starting", "running", "waiting")
_STYLES = {"finished": "success", "failed": "danger", "dead": "danger", "stopped": "warning", "running": "info"}


class _Row(w.HBox):
    """The bar and the sentence of one run."""

    def __init__(self) -> None:
        self.bar = w.FloatProgress(min=0, max=1, layout=w.Layout(width="10em", flex="0 0 auto"))
        self.text = Text(label="progress of a run", lines=4)
        self.text.layout.flex, self.text.layout.min_width = "1 1 auto", "0"
        super().__init__([self.bar, self.text], layout=w.Layout(align_items="center"))
        self.add_class("sw-run")

    def show(self, line: Line) -> None:
        self.bar.value, self.bar.bar_style = line.share, _STYLES.get(line.state, "")
        said = [("fault", f" {line.fault}")] if line.fault else []
        self.text.show(("strong", line.name), f"  {line.words}", *said)
