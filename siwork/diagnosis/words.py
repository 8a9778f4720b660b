"""What a verdict says: one plain sentence of what was seen, and one of what to do."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from siwork.diagnosis.rule import Finding
from siwork.diagnosis.signs import Question
from siwork.schema.numbers import interval, number

_STEADY = 0.01  # share of the bound below which nothing moved
_EARLY = "Not yet an alarm: half of the bound is passed beyond doubt, or all of it by the estimate alone."
_BARE = "No alarm: the bound is passed by an estimate that has no interval, so it may be chance."
_JUDGED = {"false_positive_rate", "proxy_gold_gap"}  # compare score and truth
_SAME = (
    "Score and truth never differed, which says something only if the truth comes from another source than the score."
)


def _never_apart(one: Finding) -> bool:
    """Whether a sign is 0, or unknown, in the first round and in all others."""
    harm = one.series.harm
    return not one.series.known or (one.series.first in (0, 1) and bool((harm[np.isfinite(harm)] == 0).all()))


def seen(found: list[Finding], state: str) -> str:
    """What the signs of one verdict show, the one that decides first."""
    worst = found[0]
    if not worst.series.known:
        return f"Nothing can be said: {worst.series.reason}."
    words = _moved(worst)
    if state == "unknown":
        return f"{words} That is too uncertain to exclude a harm as large as the bound: more problems are needed."
    if worst.recovered:
        return f"{words} It has gone back below half of the bound since."
    others = [_short(one) for one in found[1:] if one.state == worst.state and one.state in ("alarm", "watch")]
    if state == "fine" and _JUDGED & {one.series.metric for one in found} and all(map(_never_apart, found)):
        return f"{words} {_SAME}"
    return words + (f" Likewise against their bounds: {', '.join(others)}." if others else "")


def _moved(one: Finding) -> str:
    """The sign in the deciding round against its bound."""
    series, at = one.series, one.at
    row, sign = series.rows.iloc[at], series.sign
    value, low, high = (math.nan if pd.isna(row[key]) else float(row[key]) for key in ("value", "low", "high"))
    label = sign.label[0].upper() + sign.label[1:]
    n, unit = (
        f"{int(row['n'])} {'seeds' if 'conclusion' in row.index else 'problems'}",
        f" {row['unit']}" if row["unit"] else "",
    )
    bound = sign.worse * one.bound
    if not series.change:
        held = f"the bound is {number(bound, value, low, high)}"
        return f"{label}: {interval(value, low, high)}{unit} in round {int(row['round'])} ({n}); {held}."
    verb = "hardly moved" if abs(value) < _STEADY * one.bound or value == 0 else "rose" if value > 0 else "fell"
    ends = (
        f" from {number(series.first, value)} to {number(series.first + value, series.first)}{unit}"
        if verb != "hardly moved"
        else ""
    )
    change = f"{interval(value, low, high, sign=True)} by round {int(row['round'])}, {n}"
    held = f"the bound is {number(bound, value, low, high, sign=True)}"
    return f"{label} {verb}{ends} ({change}); {held}."


def _short(one: Finding) -> str:
    sign, value = one.series.sign, float(one.series.rows["value"].iloc[one.at])
    bound = number(sign.worse * one.bound, sign=one.series.change)
    return f"{sign.label} ({number(value, sign=one.series.change)}, bound {bound})"


def meant(question: Question, worst: Finding, state: str) -> str:
    """What it means; a watch that is no softened alarm is no more than an early sign."""
    means = worst.series.sign.means or question.means
    if state == "watch" and worst.state != "alarm":
        return f"{_EARLY if _has_interval(worst) else _BARE} {worst.series.sign.means}".strip()
    return means if state in ("alarm", "watch") else ""


def _has_interval(one: Finding) -> bool:
    return bool(one.series.rows.iloc[one.at][["low", "high"]].notna().all())


def advised(question: Question, found: list[Finding], state: str) -> str:
    """What to try next."""
    if state in ("alarm", "watch"):
        return question.advice
    if state == "unknown" and not found[0].series.known:
        return "Measure it where the rows can have it; nothing is claimed until then."
    return "Measure more problems or more samples a problem." if state == "unknown" else ""
