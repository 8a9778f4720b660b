"""What a comparison says in words: verdicts as cards, changes as sentences and lines; made in the worker thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from siwork.diagnosis import Diagnosis
from siwork.markup import element, join
from siwork.reporting.compare import Comparison, Group
from siwork.reporting.states import TITLES, Together, together
from siwork.reporting.verdicts import card, heading, ill, rest, summary
from siwork.reporting.words import accounts, told, told_name
from siwork.schema.numbers import interval, number

Point = dict[str, Any]


class Card(NamedTuple):
    """One verdict."""

    markup: str
    title: str
    point: Point  # opens the completions that show it


class GroupTold(NamedTuple):
    """The verdicts on one group of siblings, as markup."""

    head: str
    cards: tuple[Card, ...]  # what is wrong
    rest: str  # what is unknown or fine


class Told(NamedTuple):
    """Everything a comparison says in words."""

    groups: tuple[GroupTold, ...]
    findings: str  # what changed, in sentences, as markup
    changes: tuple[tuple[str, ...], ...]  # what changed, a line of cells each
    points: tuple[Point, ...]  # of the last round of each line


def told_of(comparison: Comparison) -> Told:
    """Verdicts and changes of a comparison."""
    groups = tuple(_of_group(group, comparison.diagnoses[group.name]) for group in comparison.groups)
    changes = comparison.changes
    rows = [row for group in comparison.groups for row in told(changes[changes["run"] == group.name])]
    return Told(groups, _findings(comparison), tuple(map(_cells, rows)), tuple(map(_point, rows)))


def _of_group(group: Group, diagnosis: Diagnosis) -> GroupTold:
    found = together(diagnosis)
    shown = ill(found)
    head = join(heading(group, diagnosis), summary(group, diagnosis))
    return GroupTold(head, tuple(map(_card, shown)), rest([one for one in found if one not in shown]))


def _card(one: Together) -> Card:
    shown = one.shown
    about = {"run": shown.run, "verdict": shown.name, "round": shown.round, "split": shown.split}
    point = {key: value for key, value in about.items() if value is not None}
    return Card(card(one, None), TITLES[one.name], point)


def _findings(comparison: Comparison) -> str:
    parts = []
    for account in accounts(comparison):
        items = [element("li", one.words, class_=None if one.sure else "unsure") for one in account.sentences]
        name = element("h4", account.group.name, style="font-size:1em")
        parts += [name, element("p", account.head, class_="soft"), element("ul", *items)]
    return join(element("h3", "What changed"), *parts)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    begun, last = (number(row[name], row["first_value"], row["last_value"]) for name in ("first_value", "last_value"))
    unit = f" {row['unit']}" if row["unit"] else ""
    moved = interval(float(row["value"]), *ends(row), sign=True)
    moves = f"{begun} → {last}{unit}"
    return (str(row["run"]), told_name(row["metric"]), moves, moved, f"{row['n']:,.0f}", str(row["method"]))


def _point(row: Mapping[str, Any]) -> Point:
    return {"run": row["run"], "round": int(row["round"]), "split": row["split"], "metric": row["metric"]}


def ends(row: Mapping[Any, Any]) -> tuple[float, float]:
    """Both ends of the interval of a row of a metric table; the range where only two seeds are pooled."""
    two = row["least"] == row["least"] and row["n"] == 2
    return (row["least"], row["most"]) if two else (row["low"], row["high"])
