"""How a sweep looks in a terminal: a line for every finished round, and one moving line with the time left."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Iterable
from types import FrameType

import numpy as np

from siwork.metrics import measure
from siwork.schema.numbers import counted
from siwork.store import Run
from siwork.sweep import Progress, Sweep

SAME = "The rounds so far are kept; go on with the same command."
_SHOWN = {"pass@1": "pass@1", "distinct_correct": "distinct right", "answer_entropy": "answer entropy"}


def follow(sweep: Sweep, told: str = "rounds") -> bool:
    """Play a sweep to its end as `played` does, and say how to go on with each run that is not finished. True when all is.

    told : as in `played`
    """
    progress = played(sweep, told)
    say_failed(progress)
    for p in progress:
        if p.state in ("stopped", "waiting", "failed"):
            kept = f"{counted(p.rounds_done, 'round')} {'is' if p.rounds_done == 1 else 'are'} kept"
            print(f"{p.run.name}: {kept}; go on with: siwork resume {p.run.folder}")
    return all(p.state == "finished" for p in progress)


def follow_together(sweep: Sweep, told: str = "time") -> bool:
    """Play the runs of one question to their end as `played` does, and say once how to go on. True when all are finished.

    told : as in `played`; with "nothing" that is said among the errors
    """
    progress = played(sweep, told)
    say_failed(progress)
    whole = all(p.state == "finished" for p in progress)
    if not whole:
        print(SAME, file=sys.stderr if told == "nothing" else sys.stdout)
    return whole


def say_failed(progress: Iterable[Progress]) -> None:
    """Name the runs that failed, with their last words, among the errors."""
    for p in progress:
        if p.state == "failed":
            sys.stderr.write(f"siwork: {p.run.name} failed: {p.run.last_words()}\n")


def played(sweep: Sweep, told: str = "rounds") -> list[Progress]:
    """Play a sweep to its end while printing; Ctrl-C ends it after the present stages. Where each run ended.

    told : what is printed of it: "rounds", a line each; "time", the moving line only; or "nothing"
    """
    screen = _Screen([run.name for run in sweep.runs], told)
    progress: list[Progress] = []
    with _Interrupts() as interrupts:
        for progress in sweep:
            screen.show(progress)
            if interrupts.take():
                screen.say("stopping after the present stage; the runs can be resumed")
                sweep.stop()
    screen.end()
    return progress


class _Interrupts:
    """Ctrl-C as a wish to look at, not an exception: one raised inside a library's own code can be lost there.

    The second Ctrl-C interrupts as usual.
    """

    def __enter__(self) -> _Interrupts:
        self._wished = False
        self._usual = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._wished = True
        signal.signal(signal.SIGINT, self._usual)

    def take(self) -> bool:
        """Whether Ctrl-C was pressed since the last look."""
        wished, self._wished = self._wished, False
        return wished

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        signal.signal(signal.SIGINT, self._usual)


class _Screen:
    """Prints each round once, and keeps one moving line when the output is a terminal."""

    def __init__(self, names: list[str], told: str = "rounds") -> None:
        self.width = max(len(name) for name in names)
        self.told = dict.fromkeys(names, 0)
        self.rounds, self.moving = told == "rounds", told != "nothing" and sys.stdout.isatty()
        self.began = time.monotonic()

    def show(self, progress: list[Progress]) -> None:
        for p in progress if self.rounds else ():
            for r in range(self.told[p.run.name], p.rounds_done):
                self.say(_round_line(p.run, r, self.width))
                self.told[p.run.name] = r + 1
        if self.moving:
            sys.stdout.write("\r\033[K" + _moving_line(progress, time.monotonic() - self.began))
            sys.stdout.flush()

    def say(self, line: str) -> None:
        sys.stdout.write(("\r\033[K" if self.moving else "") + line + "\n")
        sys.stdout.flush()

    def end(self) -> None:
        if self.moving:
            sys.stdout.write("\r\033[K")
            sys.stdout.flush()


def _round_line(run: Run, r: int, width: int) -> str:
    rows = run.rows(rounds=[r], split="heldout")
    table = measure(rows, metrics=list(_SHOWN))
    ends = table[["value", "low", "high"]].to_numpy(float, na_value=np.nan)
    figures = [f"{short} {_figure(*each)}" for short, each in zip(_SHOWN.values(), ends.tolist(), strict=True)]
    info = run.round_info(r)
    kept = "evaluation only" if info["closing"] else f"{info['n_accepted'] / max(info['n_train'], 1):4.0%} accepted"
    n = rows["problem"].nunique()
    return f"{run.name:<{width}}  round {r}  {' · '.join(figures)} (n={n}) · {kept} · {info['seconds']:.1f} s"


def _figure(value: float, low: float, high: float) -> str:
    """A number with its interval, where there is one.

    >>> _figure(0.4, 0.31, 0.49), _figure(0.4, math.nan, math.nan), _figure(math.nan, math.nan, math.nan)
    ('0.40 [0.31, 0.49]', '0.40 [none]', 'unknown')
    """
    if math.isnan(value):
        return "unknown"
    return f"{value:.2f} " + ("[none]" if math.isnan(low) else f"[{low:.2f}, {high:.2f}]")


def _moving_line(progress: list[Progress], seconds: float) -> str:
    wanted = sum(p.run.rounds_wanted + 1 for p in progress)
    done = float(sum(p.rounds_done for p in progress))
    parts = []
    for p in progress:
        if p.state == "running":
            status = p.run.status()
            done += 0.9 * _STAGE_DONE.get(status.stage or "", 0.0)
            parts.append(f"{p.run.name} {status.stage} {status.share or 0:.0%}")
    left = "" if done <= 0.5 else f" · about {seconds * (wanted - done) / done:.0f} s left"
    return f"{done / wanted:4.0%} · {seconds:.0f} s{left} · {' · '.join(parts)}"[:118]


_STAGE_DONE = {"evaluate": 0.0, "sample": 0.3, "verify": 0.5, "select": 0.5, "update": 0.6}  # usual share of a round
