"""How a metric table looks in a notebook: every row of a small one, first and last round of each metric of a large one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from siwork.markup import SOFT, Html, element, grid, join, label, sheet, short
from siwork.schema import METRICS, SPLITS
from siwork.schema.numbers import interval

_MOST = 60  # lines of a table
_CHANGE = "_change"
_OWN = {column.name for column in METRICS} | {"k", "se"}
_POOLED = {"least", "most", "between", "within", "ratio", "conclusion", "first_value", "last_value"}
_SHOWN = ("value", "low", "high", "n")

Line = dict[str, Any]
Spot = tuple[Any, ...]  # run, split, metric and what else the table is measured by


def table_sheet(table: pd.DataFrame) -> Html:
    """A metric table as HTML.

    At most 60 rows: a line each. More: a table a split, what is held out first, one line a metric with its first and last
    round and, where it was measured, the change; the other splits folded; at most 60 lines each, and how many are left.
    """
    by = [str(name) for name in table.columns if name not in _OWN | _POOLED]
    lines = [*_lines(table, by)]
    head = element("div", element("strong", "Metric table"), " ", element("span", _about(table), style=SOFT))
    if len(lines) <= _MOST:
        return sheet(head, _each(lines))
    spots = _spots(lines)
    splits = [split for split in ("heldout", *SPLITS) if any(spot[1] == split for spot in spots)]
    parts = [_split(split, spots, i == 0) for i, split in enumerate(dict.fromkeys(splits))]
    note = "[low, high] is the interval; point at a value for the method. table.query(\"metric == 'pass@1'\") has all rounds."
    return sheet(head, *parts, element("div", note, style=SOFT))


def _about(table: pd.DataFrame) -> Html:
    runs, rounds = table["run"].dropna().unique(), table["round"].dropna().unique()
    parts: list[object] = [f"{len(table):,} rows", _counted("run", runs)]
    if len(rounds):
        parts.append(f"rounds {min(rounds)} to {max(rounds)}" if len(rounds) > 1 else f"round {rounds[0]}")
    level = table.attrs.get("level")
    parts += [f"{level:.0%} intervals"] if isinstance(level, float) else []
    return join(*parts, between=" · ")


def _counted(word: str, names: Any) -> Html | str:
    return join(f"{word} ", short(names[0], 60)) if len(names) == 1 else f"{len(names)} {word}s"


def _lines(table: pd.DataFrame, by: list[str]) -> Iterator[Line]:
    """The rows as plain values, numbers as float with NaN for unknown."""
    real = {name: pd.to_numeric(table[name], errors="coerce").to_numpy(float, na_value=np.nan) for name in _SHOWN}
    rest = [name for name in ("run", "round", "split", "metric", "unit", "method", "conclusion", *by) if name in table]
    plain = {name: table[name].astype(object).where(table[name].notna(), None).tolist() for name in rest}
    for i in range(len(table)):
        yield {name: values[i] for name, values in (real | plain).items()} | {
            "by": [(name, plain[name][i]) for name in by]
        }


def _each(lines: list[Line]) -> Html:
    """One line a row."""
    rounds = any(line["round"] is not None for line in lines)
    several = len({line["run"] for line in lines}) > 1
    said = any(line.get("conclusion") for line in lines)
    head = [*(["run"] if several else []), "metric", "split", *(["round"] if rounds else []), "value", "n", "unit"]
    body = [
        [
            *([label(line["run"])] if several else []),
            _name(line),
            line["split"],
            *([line["round"]] if rounds else []),
            _value(line),
            _whole(line["n"]),
            line["unit"] or "",
            *([line.get("conclusion") or ""] if said else []),
        ]
        for line in lines
    ]
    return grid([*head, *(["over seeds"] if said else [])], body)


def _name(line: Line) -> str:
    """The metric, and what it is measured by."""
    return " · ".join([str(line["metric"]), *(f"{name} {value}" for name, value in line["by"] if value is not None)])


def _whole(n: float) -> str:
    return "" if np.isnan(n) else f"{n:,.0f}"


def _value(line: Line | None) -> Html | str:
    """The value with its interval, the method when pointed at; the reason where there is none."""
    if line is None:
        return ""
    if np.isnan(line["value"]):
        return element("span", "unknown: ", short(line["method"] or "no reason given"), style=SOFT)
    signed = str(line["metric"]).endswith((_CHANGE, "_difference"))
    words = interval(line["value"], line["low"], line["high"], sign=signed)
    return element("span", words, title=short(line["method"] or ""), style="white-space:nowrap")


def _spots(lines: Iterable[Line]) -> dict[Spot, list[Line]]:
    """The rounds of every metric of a run and split, in the order of the table."""
    spots: dict[Spot, list[Line]] = {}
    for line in lines:
        spots.setdefault((line["run"], line["split"], line["metric"], *map(str, line["by"])), []).append(line)
    return {
        spot: sorted(own, key=lambda line: -1 if line["round"] is None else line["round"])
        for spot, own in spots.items()
    }


def _split(split: str, spots: dict[Spot, list[Line]], shown: bool) -> Html:
    """The metrics of one split, first and last round side by side, runs below each other."""
    mine = {spot: own for spot, own in spots.items() if spot[1] == split}
    changes = {spot: own[-1] for spot, own in mine.items() if str(spot[2]).endswith(_CHANGE)}
    heads = [
        spot for spot in mine if spot not in changes or _level(spot) not in mine
    ]  # a change stands beside its level
    order = {name: i for i, name in enumerate(dict.fromkeys(spot[2:] for spot in heads))}
    ordered = sorted(heads, key=lambda spot: (_unknown(mine[spot]), order[spot[2:]]))
    several = len({spot[0] for spot in mine}) > 1
    body = [_folded(spot, mine[spot], changes, several) for spot in ordered[:_MOST]]
    left = len(ordered) - _MOST
    more = element("div", f"and {left:,} lines more", style=SOFT) if left > 0 else ""
    head = [*(["run"] if several else []), "metric", "first round", "last round", "change", "n", "unit"]
    title = element("summary", element("strong", split), f" {len(ordered):,} lines")
    return element("details", title, grid(head, body), more, open="open" if shown else None)


def _level(spot: Spot) -> Spot:
    """Where the level of a change stands."""
    return (*spot[:2], str(spot[2]).removesuffix(_CHANGE), *spot[3:])


def _unknown(own: list[Line]) -> bool:
    return all(np.isnan(line["value"]) for line in own)


def _folded(spot: Spot, own: list[Line], changes: dict[Spot, Line], several: bool) -> list[object]:
    """One line: the first round, the last, the change between them."""
    first, last = own[0], own[-1]
    run, split, metric, *rest = spot
    change = changes.get((run, split, f"{metric}{_CHANGE}", *rest))
    ends: list[object] = [_dated(first), _dated(last) if last is not first else ""]
    if _unknown(own):
        ends = [_value(last), ""]
    lead = [label(run)] if several else []
    return [*lead, _name(last), *ends, _value(change), _whole(last["n"]), last["unit"] or ""]


def _dated(line: Line) -> Html:
    at = "" if line["round"] is None else f"{line['round']}: "
    return join(element("span", at, style=SOFT), _value(line))
