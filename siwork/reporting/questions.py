"""The figures of the page: how well the model does, and the four questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from siwork.figures.table import series_of, tidy
from siwork.markup import Html, element
from siwork.reporting.compare import Comparison
from siwork.reporting.drawing import Drawing, drawing
from siwork.reporting.sections import mark, section
from siwork.reporting.sketches import QUESTIONS, of_first_runs

_TABLES = ("crossing", "lorenz", "ledger", "reliability")  # beside the metrics; the panels draw more


class Answered(NamedTuple):
    """A question with the figures that answer it."""

    title: str
    words: str
    drawn: list[Drawing]


def drawings(comparison: Comparison) -> list[Answered]:
    """The figures by question; what has no table to draw is left out."""

    def further(name: str) -> pd.DataFrame | None:
        return of_first_runs(comparison, name) if name in _TABLES else None

    table = tidy(comparison.table)
    return [
        Answered(
            one.title,
            one.words,
            [
                drawing(sketch.sheet.figure(), sketch.sentence, sketch.caption, wide=sketch.wide)
                for sketch in one.draw(table, further)
            ],
        )
        for one in QUESTIONS.values()
    ]


def figures(comparison: Comparison, questions: Sequence[Answered]) -> Html:
    """All figures, a heading a question, under one key."""
    series = series_of(tidy(comparison.table))
    key = [element("li", mark(comparison, one.name), f"{one.name}: {one.note}") for one in series]
    without = element("noscript", element("p", "The figures need JavaScript; their numbers are in the tables below."))
    parts = []
    for one in questions:
        boxes = element("div", *(each.markup for each in one.drawn), class_="figures")
        parts += [element("h3", one.title), element("p", one.words, class_="soft"), boxes]
    return section("figures", "Figures", without, element("ul", *key, class_="key"), *parts)
