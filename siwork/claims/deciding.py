"""From a value a seed to a verdict: an interval over seeds for each part of the rule, all of them right at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from siwork.claims.claim import Claim, Part
from siwork.metrics.intervals import checked_level, moments

HOLDS, FAILS, OPEN = "holds", "does not hold here", "undecided"
VERDICTS = (HOLDS, FAILS, OPEN)


def verdict_of(part: Part, low: float, high: float) -> str:
    """What an interval says of a part.

    It holds where the whole interval lies on the side that is claimed and does not leave out every effect worth the name; it
    does not hold where such an effect is left out; else it is undecided, as it is without an interval (NaN).

    >>> falls = Part("loop", "pass@32", "below", least=0.01)
    >>> verdict_of(falls, -0.05, -0.02), verdict_of(falls, -0.005, 0.02), verdict_of(falls, -0.05, 0.01)
    ('holds', 'does not hold here', 'undecided')
    """
    if np.isnan(low) or np.isnan(high):
        return OPEN
    if part.claimed == "within":
        low, high = low - part.line, high - part.line
        if max(abs(low), abs(high)) <= part.least:
            return HOLDS
        return FAILS if low > part.least or high < -part.least else OPEN
    least, most = (
        (low - part.line, high - part.line) if part.claimed == "above" else (part.line - high, part.line - low)
    )
    if most < part.least:
        return FAILS
    return HOLDS if least > 0 else OPEN


def together(verdicts: Sequence[str], either: Sequence[str] = ()) -> str:
    """The verdict of a claim: all of its parts must hold, but of those with the same word in `either` one is enough.

    >>> together(["holds", "does not hold here", "holds"], ["", "remedy", "remedy"]), together(["holds", "undecided"])
    ('holds', 'undecided')
    """
    groups: dict[Any, list[str]] = {}
    for i, verdict in enumerate(verdicts):
        groups.setdefault((either[i] if either else "") or i, []).append(verdict)
    found = [_one(group) for group in groups.values()]
    if FAILS in found:
        return FAILS
    return HOLDS if found and all(verdict == HOLDS for verdict in found) else OPEN


def _one(group: Sequence[str]) -> str:
    if HOLDS in group:
        return HOLDS
    return FAILS if all(verdict == FAILS for verdict in group) else OPEN


def judged(claim: Claim, values: Mapping[int, Mapping[int, float]], level: float = 0.95) -> pd.DataFrame:
    """The parts of a claim with their intervals and verdicts.

    Parameters
    ----------
    values : of each part, by its place: the value of each seed, NaN where it is unknown
    level : chance that the intervals of all parts hold the truth at once

    Returns
    -------
    DataFrame, a row a part: part (from 1), number and rule in words, either, claimed, line and worth as numbers, value (mean
    over seeds), low and high (Student-t over seeds, by Bonferroni at 1 − (1 − level)/m for m parts), smallest and largest of
    the seeds, seeds that have a value, level of the interval, verdict, and why there is no interval: not all seeds have a
    value, there are fewer than two, or all are equal.

    Raises KnobError for a level outside (0, 1).
    """
    strict = 1 - (1 - checked_level(level)) / len(claim.parts)
    return pd.DataFrame([_row(i, part, values.get(i, {}), strict) for i, part in enumerate(claim.parts)])


def _row(place: int, part: Part, values: Mapping[int, float], level: float) -> dict[str, Any]:
    x = np.array([value for value in values.values() if not np.isnan(value)], float)
    told: dict[str, Any] = {"part": place + 1, "number": part.number, "rule": part.rule, "either": part.either}
    told |= {"claimed": part.claimed, "line": part.line, "worth": part.least}
    ends = {"smallest": x.min(), "largest": x.max()} if len(x) else {"smallest": np.nan, "largest": np.nan}
    found = moments(x, np.zeros(len(x), np.int64), 1, level)
    value, low, high = (float(end[0]) for end in (found.value, found.low, found.high))
    why = _lacking(len(x), len(values), bool(found.equal[0]))
    low, high = (np.nan, np.nan) if why else (low, high)
    numbers = {"value": value, "low": low, "high": high, **ends, "seeds": len(x), "level": level}
    return told | numbers | {"verdict": verdict_of(part, low, high), "why": why}


def _lacking(known: int, seeds: int, equal: bool) -> str:
    """Why there is no interval, "" where there is one."""
    if not seeds:
        return "not measured"
    if known < seeds:
        return f"unknown for {seeds - known} of {seeds} seeds"
    if known < 2:
        return "one seed has no interval"
    return "all seeds have the same value" if equal else ""
