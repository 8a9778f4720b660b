"""Pages with one figure: the exchange of one slot, and the surface over a verifier's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from siwork.figures import fig_ablation, fig_surface
from siwork.figures.theme import colour, interval, number
from siwork.markup import Html, element
from siwork.reporting.drawing import drawing
from siwork.reporting.page import document
from siwork.reporting.sections import grid, section
from siwork.store import Run

_LOST = Html("<noscript><p>The figure needs JavaScript; its numbers are in the table below.</p></noscript>")
_READ = (
    "A point is the alternative − the recipe as given, each problem and seed paired with itself. Thick bar: the interval of "
    "this difference alone. Thin bar: the interval adjusted for the number of comparisons."
)
_SURFACE = (
    "Each cell: the mean over seeds and, below it, the interval. Across, the share of wrong answers that the verifier "
    "accepts; upwards, the share of right answers that it rejects. Accuracy is by the truth. The training data hold wrong "
    "answers where some are accepted, and most answers to hard problems are wrong."
)


def ablation_page(table: pd.DataFrame, slot: str, runs: Sequence[Run]) -> str:
    """The page of an ablation.

    table : `siwork.reporting.ablation.ablation_table`
    slot : the slot that was exchanged
    runs : those of the recipe as given
    """
    arms = list(dict.fromkeys(table["arm"]))
    worded = [f"{row['arm']}, {row['metric']}: {shown(row)}" for row in table.to_dict("records")]
    drawn = drawing(
        fig_ablation(table), f"Differences from the recipe as given. {'; '.join(worded)}.", _READ, wide=True
    )
    key = [
        element("li", element("span", "● ", style=f"color:{colour(i)}"), element("code", arm))
        for i, arm in enumerate(arms)
    ]
    formulas = [[arm, element("code", table.loc[table["arm"] == arm, "formula"].iloc[0])] for arm in arms]
    given = [f"{table.attrs['given']} (as given)", element("code", runs[0].recipe)]
    head = [
        "alternative",
        "metric",
        "as given",
        "alternative's",
        "difference, adjusted",
        "alone",
        "seeds × problems",
        "in words",
    ]
    body = element(
        "main",
        section("figure", "What it changes", element("ul", *key, class_="key"), _LOST, drawn.markup),
        section("numbers", "Numbers", grid(head, [_line(row) for row in table.to_dict("records")], adjusted(table))),
        section("recipes", "Recipes", grid([slot, "formula"], [given, *formulas], "What each arm is")),
    )
    title = f"Exchanging the {slot}"
    return document(title, _header(title, runs, table), body, figures=[drawn.data])


def surface_page(table: pd.DataFrame, runs: Sequence[Run]) -> str:
    """The page of a surface.

    table : `siwork.reporting.surface.surface_table`
    runs : those of one cell
    """
    worded = [f"{_cell(row)}, {row['metric']}: {_value(row)}" for row in table.to_dict("records")]
    drawn = drawing(fig_surface(table), f"Heat maps over two rates of error. {'; '.join(worded)}.", _SURFACE, wide=True)
    head = ["wrong accepted (fp)", "right rejected (fn)", "metric", "value", "seeds from … to", "n", "how"]
    rows = [
        [
            f"{row['fp']:g}", f"{row['fn']:g}", row["metric"], _value(row), _range(row),
            f"{row['n']} {'seeds' if row['seeds'] > 1 else 'problems'}", row["method"],
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip
    words = ["Recipe: ", element("code", runs[0].recipe), ", its verifier noisy with the rates of each cell."]
    note = f"Each interval holds for its own cell alone, at {table.attrs.get('level', 0.95):.0%}"
    body = element(
        "main",
        section("figure", "What errors do", element("p", *words), _LOST, drawn.markup),
        section("numbers", "Numbers", grid(head, rows, note)),
    )
    title = "What a loop makes of its verifier's errors"
    return document(title, _header(title, runs, table), body, figures=[drawn.data])


def adjusted(table: pd.DataFrame) -> str:
    """How the intervals of an ablation are adjusted, in words."""
    level, m = table.attrs["level"], table.attrs["comparisons"]
    return (
        f"Intervals at level 1 − {1 - level:.2g}/{m}, so that all {m} hold the truth at once with a chance of at least "
        f"{level:.0%} (Bonferroni); alone: at {level:.0%}"
    )


def shown(row: Mapping[Any, Any]) -> str:
    """A difference with its adjusted interval."""
    return interval(row["value"], row["low"], row["high"], sign=True)


def _line(row: Mapping[Any, Any]) -> list[object]:
    ends = (row["given"], row["other"])
    name = f"{row['metric']} ({row['unit']})" if row["unit"] else row["metric"]
    alone = interval(row["value"], row["low_alone"], row["high_alone"], sign=True)
    n = f"{row['seeds']} × {row['problems']}"
    return [row["arm"], name, number(ends[0], *ends), number(ends[1], *ends), shown(row), alone, n, row["conclusion"]]


def _header(title: str, runs: Sequence[Run], table: pd.DataFrame) -> Html:
    first = runs[0]
    many = f"{len(runs)} seed{'s' if len(runs) > 1 else ''}"
    about = [
        f"task {first.task}",
        f"policy {first.policy}",
        f"{first.rounds_wanted} rounds",
        many,
        str(first.manifest["problems"]),
    ]
    return element("header", element("h1", title), element("p", " · ".join(about), class_="soft"))


def _cell(row: Mapping[Any, Any]) -> str:
    return f"fp {row['fp']:g}, fn {row['fn']:g}"


def _real(row: Mapping[Any, Any], name: str) -> float:
    return float("nan") if pd.isna(row[name]) else float(row[name])


def _value(row: Mapping[Any, Any]) -> str:
    return interval(*(_real(row, name) for name in ("value", "low", "high")))


def _range(row: Mapping[Any, Any]) -> str:
    ends = [_real(row, name) for name in ("least", "most")]
    return "" if row["seeds"] < 2 else f"{number(ends[0], *ends)} … {number(ends[1], *ends)}"
