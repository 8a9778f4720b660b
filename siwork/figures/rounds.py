"""Panels over rounds with up to three lines a run, told apart by their dashes: how `fig_calibration` and `fig_collapse` draw."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from typing import Any, NamedTuple

import pandas as pd

from siwork.figures.canvas import canvas, head, name_series, place, round_axis, unknown
from siwork.figures.marks import line
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import Lines, Series
from siwork.figures.theme import INK, plain, shortened
from siwork.schema import SPLITS, KnobError, SchemaError, nearest

_DASHES = {"solid": "solid", "dash": "dashed", "dot": "dotted"}
_SEARCHED = ("heldout", "train", "beyond")  # when no split was asked for and the usual one is not there
_NAMED = 2  # runs named in a panel's second line
_WIDE = 56  # characters of a line over a panel


class Idea(NamedTuple):
    """One panel: a title, an axis with its unit, and the metrics it draws on one split, each with a word."""

    title: str
    axis: str
    lines: dict[str, str]  # metric: word; drawn solid, dashed, dotted in this order
    split: str = "train"
    zero: bool = False  # a line at 0, where 0 means no change or no difference
    below: str = ""  # said under the title


def by_round(lines: Lines, series: Sequence[Series], ideas: Sequence[Idea], on: str = "") -> Sheet:
    """A sheet with these panels; what is unknown is said in the panel, its reasons on hover; `on` as in `name_series`."""
    table, sheet = lines.table, canvas(len(ideas))
    own = table["split"].isin({idea.split for idea in ideas})
    rounds = table.loc[own if own.any() else slice(None), "round"]
    for i, idea in enumerate(ideas):
        at = place(i, len(ideas))
        round_axis(sheet, at, rounds)
        draw_idea(sheet, at, lines, series, idea)
    name_series(sheet, series, on)
    return sheet


def draw_idea(sheet: Sheet, at: Place, lines: Lines, series: Sequence[Series], idea: Idea) -> None:
    """One panel; its round axis is set by the caller."""
    sheet.yaxis(at).update(title={"text": idea.axis}, rangemode="tozero")
    lacking = {metric: _lacking(lines, series, metric, idea.split) for metric in idea.lines}
    if all(len(names) == len(series) for names in lacking.values()):
        head(sheet, at, idea.title, idea.below)
        unknown(sheet, at, lines.reason(next(iter(idea.lines)), idea.split))
        return
    for (metric, word), dash in reversed(list(zip(idea.lines.items(), _DASHES, strict=False))):
        for one in series:
            line(sheet, at, one, lines.pick(one, metric, idea.split), what=word, dash=dash)
    if idea.zero:
        sheet.level(at, 0, line={"color": INK, "width": 1}, layer="below")
    title = head(sheet, at, idea.title, _below(idea, series, lacking))
    why = [plain(lines.reason(metric, idea.split), 60) for metric in idea.lines if lacking[metric]]
    if why:
        title["hovertext"] = "<br>".join(f"unknown: {each}" for each in dict.fromkeys(why))


def _lacking(lines: Lines, series: Sequence[Series], metric: str, split: str) -> list[str]:
    """Names of the series that have no known value of the metric."""
    return [one.name for one in series if lines.pick(one, metric, split)["value"].isna().all()]


def _below(idea: Idea, series: Sequence[Series], lacking: dict[str, list[str]]) -> str:
    """How to read the panel: which dash is what, and for whom it is unknown."""
    parts = [idea.below] if idea.below else []
    for (metric, word), dash in zip(idea.lines.items(), _DASHES.values(), strict=False):
        names = lacking[metric]
        if len(names) == len(series):
            parts.append(f"{word}: unknown")
            continue
        whom = f"unknown for {named(names)}" if names else ""
        if len(idea.lines) == 1:
            parts += [whom] if whom else []
        else:
            parts.append(f"{dash}: {word}" + (f" ({whom})" if whom else ""))
    return _wrapped(parts)


def _wrapped(parts: Sequence[str]) -> str:
    """The parts in lines that fit over a panel; no part is cut."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else ""
        if lines and len(unescape(longer)) <= _WIDE:
            lines[-1] = longer
        else:
            lines.append(part)
    return "<br>".join(lines)


def named(names: Sequence[str]) -> str:
    """Runs in the words of a panel's second line."""
    return ", ".join(map(shortened, names)) if len(names) <= _NAMED else f"{len(names)} runs"


def split_of(x: pd.DataFrame, split: str | None, usual: str) -> str:
    """The split to be drawn: the one asked for; for None the usual one, or where x has none of it, one that it has.

    Raises KnobError for an unknown split.
    """
    if split is None:
        there = set(x["split"].dropna().astype(str)) if "split" in getattr(x, "columns", ()) else set()
        return next((one for one in (usual, *_SEARCHED) if one in there), usual)
    if split not in SPLITS:
        raise KnobError(f"split must be one of {', '.join(SPLITS)}, got {split!r}; {nearest(str(split), SPLITS)}")
    return split


def see_table(x: Any, columns: Sequence[str], who: str, maker: str) -> None:
    """Nothing, for a table with rows and those columns. Raises SchemaError that names the function which makes one."""
    lacking = [name for name in columns if name not in getattr(x, "columns", ())]
    if lacking or not len(x):
        raise SchemaError(f"{who} draws the table of {maker}, got {plain(shape(x))}; pass that one")


def shape(x: object) -> str:
    """What was given, in words: its columns, or its type."""
    columns = list(map(str, getattr(x, "columns", ())))
    return f"a table of {', '.join(columns[:8])}{' …' if len(columns) > 8 else ''}" if columns else type(x).__name__
