"""`diagnose`: metric table in, verdicts out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from siwork.diagnosis.bounds import Bounds
from siwork.diagnosis.operating import rates_of
from siwork.diagnosis.quality import quality, seeds_apart
from siwork.diagnosis.rule import Finding, judge
from siwork.diagnosis.series import Index, Series, draws, series_of
from siwork.diagnosis.signs import QUESTIONS, Question
from siwork.diagnosis.verdict import STATES, Diagnosis, Verdict
from siwork.diagnosis.words import advised, meant, seen
from siwork.schema import METRICS, SchemaError, check

_HARMLESS = ("saturation", "dead_groups", "data_quality")  # alarms after which the model is as good as before


def diagnose(metrics: pd.DataFrame, bounds: Bounds | None = None) -> Diagnosis:
    """Verdicts on one or more runs: has a run gone wrong, since which round, and which round was the last good one.

    Each verdict rests on a few signs (`siwork.diagnosis.QUESTIONS`): changes since the first round, paired by problem where
    the table has them (`<metric>_change`), otherwise taken as independent, which is too careful. A sign alarms when its harm
    is there beyond doubt and its 95 % limit is beyond the bound (`siwork.diagnosis.judge`); all signs and all rounds of a run
    share one chance of a false alarm, `bounds.error`. Verdicts come with the rates measured on labelled runs
    (`siwork.diagnosis.operating_curves`).

    Parameters
    ----------
    metrics : metric table by round, as `siwork.measure(rows)` gives it by default, of one run or of siblings, which differ in
        the seed only: runs that disagree are told in `data_quality`; with fewer metrics the verdicts that lack theirs are
        unknown, and say so
    bounds : how much harm is too much; None is `Bounds()`

    Returns
    -------
    Diagnosis, a list of ten Verdicts a run: fine (harm as large as the bound is excluded), watch (as an alarm with half of the
    bound, or all of it by the estimate), alarm, or unknown (not measured, or too few problems to exclude it).

    Raises
    ------
    SchemaError when the table is no metric table by round.

    >>> row = {"run": "a", "split": "heldout", "unit": "", "method": "", "n": 100}
    >>> rows = [row | {"round": r, "metric": "pass@1", "value": v, "low": v - 0.03, "high": v + 0.03}
    ...         for r, v in enumerate((0.6, 0.61, 0.35))]
    >>> verdict = diagnose(pd.DataFrame(rows)).of("collapse")
    >>> verdict.state, verdict.since, verdict.last_good
    ('alarm', 2, 1)
    """
    table, level = _checked(metrics), float(metrics.attrs.get("level", 0.95))
    held = Bounds() if bounds is None else bounds
    runs = {run: own for run, own in table.groupby("run", sort=False)}
    apart = seeds_apart({str(run): own for run, own in runs.items()}, level)
    return Diagnosis(v for run, own in runs.items() for v in _of_run(str(run), own, held, level, apart))


def _checked(metrics: Any) -> pd.DataFrame:
    if not isinstance(metrics, pd.DataFrame) or "metric" not in metrics.columns:
        raise SchemaError(f"diagnose takes a metric table, got {_kind(metrics)}; next: diagnose(measure(rows))")
    words = {
        name: metrics[name].fillna("") for name in ("unit", "method") if name in metrics
    }  # a CSV file loses empty text
    table = check(metrics.assign(**words), needs=[column.name for column in METRICS], table="metrics")
    if table["round"].isna().any():
        raise SchemaError("diagnose needs a metric table by round, got rows without one; measure with by=('round',)")
    plain = table[table["band"].isna()] if "band" in table else table
    spot = ["run", "split", "metric", "round"]
    if plain.duplicated(spot).any():
        raise SchemaError("diagnose needs one row a run, split, metric and round; measure with by=('round',) alone")
    return plain.reset_index(drop=True)


def _kind(thing: Any) -> str:
    return "a row table" if isinstance(thing, pd.DataFrame) else type(thing).__name__


def asked_of(own: pd.DataFrame, level: float) -> dict[str, list[Series]]:
    """The signs that a run can be asked, by verdict.

    One that stands in for others is asked where none of those is known. One that getting better excuses is not asked of a run
    whose pass@1 rose, and may only be watched where pass@1 is unknown.

    own : metric table of one run without rows by band
    level : coverage of its intervals
    """
    index = Index(own)
    every = {sign: series_of(index, sign, level) for question in QUESTIONS for sign in question.signs}
    known = {sign.metric for sign, series in every.items() if series.known}
    truth = next(series for sign, series in every.items() if sign.metric == "pass@1")
    better = truth.known and truth.harm[np.isfinite(truth.harm)][-1] < 0
    found = {}
    for question in QUESTIONS:
        signs = [sign for sign in question.signs if not known & {*sign.instead} and not (sign.excuse and better)]
        found[question.name] = [_capped(every[sign], truth.known) for sign in signs]
    return found


def _capped(series: Series, truth: bool) -> Series:
    if series.sign.excuse and not truth:
        return series._replace(sign=series.sign._replace(worst="watch"))
    return series


def sharing(asked: Mapping[str, list[Series]]) -> int:
    """How many signs share the chance of a false alarm."""
    return max(1, sum(one.known and one.sign.worst == "alarm" for series in asked.values() for one in series))


def _of_run(run: str, own: pd.DataFrame, bounds: Bounds, level: float, apart: str) -> list[Verdict]:
    asked = asked_of(own, level)
    signs = sharing(asked)
    found = {
        question.name: [
            judge(one, getattr(bounds, one.sign.bound), bounds.error, signs) for one in asked[question.name]
        ]
        for question in QUESTIONS
    }
    verdicts = [_verdict(run, question, found[question.name], own) for question in QUESTIONS]
    verdicts.append(quality(run, own, apart))
    good = last_good(own, verdicts)
    size = size_of(own)
    return [replace(verdict, last_good=good, rates=rates_of(verdict.name, size)) for verdict in verdicts]


def _verdict(run: str, question: Question, found: list[Finding], own: pd.DataFrame) -> Verdict:
    found = _ranked(found)
    worst = found[0]
    series, at, state = worst.series, worst.at, worst.state
    if question.name == "saturation" and state == "alarm" and not _headroom(own):
        state = "watch"
    sinces = [one.since for one in found if one.state == worst.state and one.since is not None]
    row = series.rows.iloc[at] if at >= 0 else None
    value, low, high = (
        math.nan if row is None or pd.isna(row[key]) else float(row[key]) for key in ("value", "low", "high")
    )
    bound = math.nan if row is None else series.sign.worse * worst.bound
    return Verdict(
        name=question.name,
        run=run,
        state=state,
        since=min(sinces, default=None) if state in ("alarm", "watch") else None,
        metric=series.metric,
        split=series.split,
        round=None if row is None else int(row["round"]),
        value=value,
        low=low,
        high=high,
        bound=bound,
        unit="" if row is None else str(row["unit"]),
        n=0 if row is None else int(row["n"]),
        seen=seen(found, state),
        means=meant(question, worst, state),
        advice=advised(question, found, state),
        evidence=evidence(found),
        source=question.source,
    )


def _ranked(found: list[Finding]) -> list[Finding]:
    """The sign that decides first: the worst alarm or watch, else the first that is known, which alone can say fine."""
    harmed = [one for one in found if one.state in ("alarm", "watch")]
    harmed.sort(key=lambda one: (STATES.index(one.state), -one.size))
    rest = [one for one in found if one.state not in ("alarm", "watch")]
    return harmed + sorted(rest, key=lambda one: not one.series.known)


def _headroom(own: pd.DataFrame) -> bool:
    """Whether more than a tenth is left to solve in the last round."""
    truth = own[(own["metric"] == "pass@1") & own["value"].notna()].sort_values("round")
    return truth.empty or float(truth["value"].iloc[-1]) < 0.9


def evidence(found: list[Finding]) -> pd.DataFrame:
    """The rows of the metric table behind a verdict, the sign that decides first."""
    parts = [one.series.rows for one in found if one.series.known] or [found[0].series.rows]
    return pd.concat(parts, ignore_index=True)


def last_good(own: pd.DataFrame, verdicts: list[Verdict]) -> int | None:
    """The last measured round before the first harm that an alarm dates; None where the first round is harmed already."""
    rounds = sorted(int(r) for r in own.loc[own["value"].notna(), "round"].unique())
    since = [v.since for v in verdicts if v.state == "alarm" and v.name not in _HARMLESS and v.since is not None]
    before = [r for r in rounds if not since or r < min(since)]
    return before[-1] if before else None


def size_of(own: pd.DataFrame) -> tuple[int, int]:
    """Problems, and samples a problem, as far as the table of one run tells."""
    known = own[own["value"].notna()]
    return int(known["n"].max() if len(known) else 0), draws(own["metric"].unique()) or 1
