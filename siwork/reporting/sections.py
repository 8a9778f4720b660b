"""The sections of the page that show numbers: findings, recipes, tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from siwork.figures.curves import WORDS
from siwork.figures.marks import BAND_WORDS
from siwork.figures.table import Series, pick, series_of, tidy
from siwork.figures.theme import SYMBOLS, interval, number
from siwork.markup import Html, element, join
from siwork.reporting.compare import Comparison
from siwork.reporting.words import accounts, told, told_name

_MARKS = dict(zip(SYMBOLS, "●■◆▲▼✕", strict=True))
_SPLITS = {"train": "Train", "heldout": "Held-out", "beyond": "Harder than trained on"}


def section(name: str, title: str, *inside: object) -> Html:
    """A section that the navigation can point at."""
    return element("section", element("h2", title, id=name), *inside, aria_labelledby=name)


def findings(comparison: Comparison) -> Html:
    """The findings in words."""
    parts = []
    for account in accounts(comparison):
        items = [element("li", s.words, class_=None if s.sure else "unsure") for s in account.sentences]
        parts += [element("h3", account.group.name), element("p", account.head, class_="soft"), element("ul", *items)]
    note = (
        "A change is claimed only when at least two seeds were run and the interval of the difference over seeds leaves "
        "out 0. Everything else is shown with its numbers and left open."
    )
    return section("findings", "What happened", *parts, element("p", note, class_="soft"))


def recipes(comparison: Comparison) -> Html:
    """The recipes side by side: formula, and first value → last value of what matters first."""
    changes = comparison.changes
    metrics = [row["metric"] for row in told(changes)[:4]]
    head = ["recipe", "formula", "seeds", *map(told_name, metrics)]
    rows = []
    for group in comparison.groups:
        mine = {row["metric"]: row for row in told(changes[changes["run"] == group.name])}
        cells = [_moved(mine[name]) if name in mine else "unknown: not measured" for name in metrics]
        name = join(mark(comparison, group.name), group.name)
        rows.append([name, element("code", group.recipe), len(group.runs), *cells])
    setting = sorted({f"{group.task}, policy {group.policy}" for group in comparison.groups})
    words = "Held-out: first round → last round, and the difference with its interval (over problems where there is one seed)"
    return section("recipes", "Recipes compared", element("p", f"Task {'; '.join(setting)}."), grid(head, rows, words))


def _moved(row: dict[str, Any]) -> Html:
    if pd.isna(row["value"]):
        return element("span", f"unknown: {row['method']}", class_="unsure")
    ends = (row["first_value"], row["last_value"])
    change = interval(row["value"], row["low"], row["high"], sign=True)
    return join(
        f"{number(ends[0], *ends)} → {number(ends[1], *ends)}", Html("<br>"), element("span", change, class_="soft")
    )


def mark(comparison: Comparison, name: str) -> Html:
    """Colour and symbol of a group, as in the figures."""
    series = {one.name: one for one in series_of(tidy(comparison.table))}[name]
    return element("span", _MARKS[series.symbol] + chr(0xA0), style=f"color:{series.colour}", aria_hidden="true")


def numbers(comparison: Comparison) -> Html:
    """Every number of the metric table with interval, n and method, a collapsible table a metric."""
    table = tidy(comparison.table)
    series, there = series_of(table), set(table["split"])
    parts = []
    for split in [name for name in ("heldout", "train", "beyond") if name in there]:
        names = list(dict.fromkeys(table.loc[table["split"] == split, "metric"]))
        title = element("summary", element("h3", f"{_SPLITS[split]} problems, {len(names)} metrics"))
        parts.append(element("details", title, *(_metric_table(table, series, name, split) for name in names)))
    return section("numbers", "Numbers", *parts)


def _metric_table(table: pd.DataFrame, series: list[Series], name: str, split: str) -> Html:
    own = table[(table["metric"] == name) & (table["split"] == split)]
    picked = {
        one.name: pd.concat([pick(own, one, name, split, banded=banded) for banded in (False, True)]) for one in series
    }
    every = pd.concat(picked.values())
    banded = bool(every["band"].notna().any())
    spots = every[["round", "band"]].drop_duplicates().sort_values(["round", "band"]).to_numpy()
    cells = {one.name: _cells(picked[one.name], one) for one in series}
    rows = [
        [
            f"{r:g}",
            *([BAND_WORDS[int(b)]] if banded else []),
            *(cells[one.name].get((r, _key(b)), "–") for one in series),
        ]
        for r, b in spots
    ]
    title = _title(name)
    unit = next((u for u in every["unit"] if u), "")
    caption = f"{title}: {_SPLITS[split].lower()} problems{f', {unit}' if unit else ''}; value [interval], n"
    head = ["round", *(["band"] if banded else []), *(one.name for one in series)]
    notes = [element("p", note, class_="soft") for note in _methods(picked)]
    return element("details", element("summary", title), grid(head, rows, caption), *notes)


def _title(name: str) -> str:
    title = "Verifier's score" if name == "mean_score" else WORDS.get(name, (name, ""))[0]
    return title if name in title else f"{title} ({name})"


def _methods(picked: dict[str, pd.DataFrame]) -> list[str]:
    """How the numbers of each series were made, series of one method together; at most six lines."""
    found: dict[str, list[str]] = {}
    for name, rows in picked.items():
        for method in dict.fromkeys(rows.loc[rows["value"].notna(), "method"]):
            found.setdefault(str(method), []).append(name)
    return [f"{', '.join(names)}: {method}" for method, names in found.items()][:6]


def _key(band: float) -> int | None:
    return None if pd.isna(band) else int(band)


def _cells(rows: pd.DataFrame, series: Series) -> dict[tuple[float, int | None], Html]:
    many = "seeds" if series.pooled else "problems"
    found = {}
    for row in rows.to_dict("records"):
        if pd.isna(row["value"]):
            shown = element("span", f"unknown: {row['method']}", class_="unsure")
        elif row["ranged"]:
            ends = (row["low"], row["high"])
            shown = join(f"{number(row['value'], *ends)}, range {number(ends[0], *ends)} … {number(ends[1], *ends)}")
        else:
            shown = join(interval(row["value"], row["low"], row["high"]))
        found[row["round"], _key(row["band"])] = join(
            shown, " ", element("span", f"n {row['n']:,.0f} {many}", class_="soft")
        )
    return found


def grid(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> Html:
    """A table of numbers that scrolls by itself when it is wide, also by keyboard."""
    top = element("tr", *(element("th", name, scope="col") for name in head))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    table = element(
        "table", element("caption", caption), element("thead", top), element("tbody", *body), class_="numbers"
    )
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)
