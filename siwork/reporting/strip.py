"""A verdict's number as a small picture without a script: where the interval lies between no harm and the bound."""

from __future__ import annotations

import math

from siwork.diagnosis import Verdict
from siwork.markup import Html, element

_WIDTH, _HEIGHT, _EDGE = 280, 48, 30  # px; the edge holds half of a word
_ABOVE, _LINE, _BELOW = 11, 24, 44  # heights of the words above, of the axis and of the words below, px


def strip(verdict: Verdict, change: bool) -> Html:
    """The interval on a line with 0 and the bound marked; empty where value or bound is unknown.

    change : whether the value is a change, for which 0 means no harm
    """
    if math.isnan(verdict.value) or math.isnan(verdict.bound):
        return Html("")
    ends = [x for x in (verdict.low, verdict.high) if not math.isnan(x)]
    seen = [verdict.value, verdict.bound, 0.0, *ends]
    least, most = min(seen), max(seen)

    def x(value: float) -> str:
        return f"{_EDGE + (value - least) / ((most - least) or 1.0) * (_WIDTH - 2 * _EDGE):.1f}"

    parts = [_stroke(x(least), x(most), "axis"), _tick(x(0.0), "no change" if change else "0", "axis", _ABOVE)]
    parts.append(_tick(x(verdict.bound), "bound", "bound", _BELOW))
    if len(ends) == 2:
        parts.append(_stroke(x(verdict.low), x(verdict.high), "range"))
    parts.append(element("circle", cx=x(verdict.value), cy=_LINE, r=5, class_="dot"))
    size = {"viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "width": _WIDTH, "height": _HEIGHT}
    return element("svg", *parts, class_="strip", aria_hidden="true", **size)


def _stroke(left: str, right: str, kind: str) -> Html:
    return element("line", x1=left, x2=right, y1=_LINE, y2=_LINE, class_=kind)


def _tick(at: str, words: str, kind: str, height: int) -> Html:
    mark = element("line", x1=at, x2=at, y1=_LINE - 7, y2=_LINE + 7, class_=kind)
    return Html(mark + element("text", words, x=at, y=height, text_anchor="middle"))
