"""`Verdict` and `Diagnosis`: what is said of a run, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from siwork.schema import KnobError, nearest
from siwork.schema.numbers import interval, number

STATES = ("alarm", "watch", "fine", "unknown")  # the worst first
NAMES = (
    "diversity_decay",
    "tail_narrowing",
    "verifier_calibration",
    "collapse",
    "reward_hacking",
    "template_collapse",
    "length_collapse",
    "saturation",
    "dead_groups",
    "data_quality",
)


class Rates(NamedTuple):
    """The measured operating curve of a verdict, on labelled runs of about the size at hand; NaN where not measured."""

    false_alarm: float  # share of healthy runs in which this verdict alarms
    false_alarm_low: float
    false_alarm_high: float
    power: float  # share of runs with the planted failure in which it alarms
    power_low: float
    power_high: float
    delay: float  # median rounds from the planted onset to the alarm
    plant: str  # the planted failure, a case of `siwork clinic`
    effect: str  # its size in words
    size: str  # what the runs were like
    runs: int  # healthy runs behind the rate

    def __str__(self) -> str:
        if math.isnan(self.false_alarm):
            return "error rates not measured"
        words = f"false alarms {self.false_alarm:.1%} [{self.false_alarm_low:.1%}, {self.false_alarm_high:.1%}]"
        if not math.isnan(self.power):
            words += f", power {self.power:.0%} [{self.power_low:.0%}, {self.power_high:.0%}]"
            words += "" if math.isnan(self.delay) else f" after {self.delay:g} rounds (median)"
            words += f" against a planted {self.plant}"
        return f"{words}; measured on {self.runs:,} healthy runs of {self.size}"


@dataclass(frozen=True)
class Verdict:
    """One question about one run, answered.

    `value` is the number that decides, in the terms of the metric table (a change since the first round, or a level), with
    its interval over problems; `bound` is what it is held against, in the same unit. NaN is unknown.
    """

    name: str
    run: str
    state: str  # fine, watch, alarm or unknown
    since: int | None  # first round of the harm
    metric: str
    split: str
    round: int | None  # the round that the value is of
    value: float
    low: float
    high: float
    bound: float
    unit: str
    n: int
    seen: str
    means: str
    advice: str
    evidence: pd.DataFrame = field(repr=False, compare=False)  # rows of the metric table
    source: str = ""
    rates: Rates | None = None
    last_good: int | None = None  # the last round before any harm in this run, which `fork(at=…)` takes

    @property
    def why(self) -> str:
        """What was seen, what it means, what to try next."""
        return " ".join(part for part in (self.seen, self.means, self.advice) if part)

    def rows(self, source: Any, n: int = 20) -> pd.DataFrame:
        """The completions that show it, at most n, the plainest first.

        Parameters
        ----------
        source : a row table, or a Run or Runs
        n : rows at most, ≥ 1

        Returns
        -------
        Rows of the row table, of this verdict's run, split and round (the last one that it saw).

        Raises
        ------
        KnobError when n < 1; SchemaError when source is neither rows nor a run.
        """
        from siwork.diagnosis.examples import examples

        return examples(self, source, n)

    def _repr_html_(self) -> str:
        from siwork.diagnosis.shown import verdict_sheet

        return verdict_sheet(self)

    def __str__(self) -> str:
        since = "" if self.since is None else f" since round {self.since}"
        return f"{self.name}: {self.state}{since}. {self.why}"


class Diagnosis(list[Verdict]):
    """The verdicts of one or more runs, those that matter most first."""

    def __init__(self, verdicts: Iterable[Verdict] = ()) -> None:
        super().__init__(verdicts)

    @property
    def state(self) -> str:
        """The worst state of all: alarm, watch, fine, or unknown; good data alone make no run fine."""
        states = [v.state for v in self if (v.name, v.state) != ("data_quality", "fine")]
        return min(states, key=STATES.index, default="unknown")

    @property
    def runs(self) -> list[str]:
        """Names of the runs."""
        return list(dict.fromkeys(v.run for v in self))

    @property
    def last_good(self) -> dict[str, int | None]:
        """run → last round before any harm: the last measured one without an alarm, None where the first is harmed."""
        return {v.run: v.last_good for v in self}

    def of(self, name: str, run: str | None = None) -> Verdict:
        """The verdict of that name, of the run named or of the only one. Raises KnobError."""
        if name not in NAMES:
            raise KnobError(f"name must be a verdict, got {name!r}; {nearest(str(name), NAMES)}")
        if run is None and len(self.runs) != 1:
            raise KnobError(f"{len(self.runs)} runs were diagnosed, so name one of {', '.join(self.runs[:5])}")
        for verdict in self:
            if verdict.name == name and run in (None, verdict.run):
                return verdict
        raise KnobError(f"no verdict on run {run!r}; {nearest(str(run), self.runs)}")

    def table(self) -> pd.DataFrame:
        """One row a verdict: run, name, state, since, last_good, what decides with interval and bound, why, rates."""
        shown = (
            "run",
            "name",
            "state",
            "since",
            "last_good",
            "metric",
            "split",
            "round",
            "value",
            "low",
            "high",
            "bound",
        )
        lines = [
            {key: getattr(v, key) for key in (*shown, "unit", "n", "why")} | {"rates": str(v.rates or "")} for v in self
        ]
        table = pd.DataFrame(lines, columns=[*shown, "unit", "n", "why", "rates"])
        return table.astype({key: "Int64" for key in ("since", "last_good", "round")})

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from siwork.diagnosis.shown import diagnosis_sheet

        return diagnosis_sheet(self)

    def __str__(self) -> str:
        lines = []
        for run in self.runs:
            mine = [v for v in self if v.run == run]
            good = mine[0].last_good
            lines.append(f"{run}: {Diagnosis(mine).state}, last good round {'none' if good is None else good}")
            lines += [f"  {v}" for v in mine]
        return "\n".join(lines)


def against(value: float, low: float, high: float, bound: float, signed: bool) -> str:
    """A value with its interval beside its bound, in words.

    >>> against(-0.5, -0.6, -0.4, -0.2, True)
    '−0.500 [−0.600, −0.400], bound −0.200'
    """
    words = interval(value, low, high, sign=signed)
    return words if math.isnan(bound) else f"{words}, bound {number(bound, value, low, high, sign=signed)}"
