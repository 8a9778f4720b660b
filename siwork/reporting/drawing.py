"""A figure's place on the page: its box, its caption, and a sentence for who cannot see it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from siwork.figures.curves import WORDS
from siwork.figures.table import Lines, Series, series_of
from siwork.figures.theme import number
from siwork.markup import Html, element

_LINE, _ABOVE = 15, 24  # px: a line of a panel's title, the room above it
_NARROW, _PANEL = 11, 19  # rem a panel needs: in a row of many, in a row of up to three


class Drawing(NamedTuple):
    """A figure of the page: its place in the text and its data for the script."""

    markup: Html
    data: dict[str, Any]


def drawing(figure: Any, sentence: str, caption: str, *, wide: bool = False) -> Drawing:
    """A figure without its legend, for the key stands above all figures of the page.

    sentence : what it shows, read out instead of the picture
    caption : how to read it
    wide : give it the whole width of the page
    """
    top = _ABOVE + _LINE * _title_lines(figure)
    figure.update_layout(showlegend=False, height=figure.layout.height - figure.layout.margin.t + top, margin_t=top)
    across = len({round(axis.domain[0], 3) for axis in figure.select_xaxes() if axis.domain})
    least = across * (_PANEL if across <= 3 else _NARROW)
    look = f"height:{figure.layout.height}px" + (f";min-width:{least}rem" if across > 1 else "")
    plot = element("div", class_="plot", role="img", tabindex="0", style=look, aria_label=sentence)
    box = element("div", plot, class_="scroll") if across > 1 else plot
    shown = element("figure", box, element("figcaption", caption), class_="wide" if wide or across > 1 else None)
    return Drawing(shown, json.loads(figure.to_json()))


def _title_lines(figure: Any) -> int:
    """Lines of the highest title over a panel."""
    titles = [one.text for one in figure.layout.annotations if one.yanchor == "bottom" and one.text]
    return max((text.count("<br>") + 1 for text in titles), default=0)


def described(table: pd.DataFrame, title: str, metrics: Sequence[tuple[str, str]]) -> str:
    """A figure as a sentence: first and last value of each series, metric by metric.

    table : as `siwork.figures.table.tidy` gives it
    metrics : metric and split; `pass@k` is that of the largest k, a metric by band is that of the hardest fifth
    """
    lines, series = Lines(table), series_of(table)
    several = len(metrics) > 1
    parts = [f"{title}."]
    for metric, split in metrics:
        name, about = _largest(lines.metrics) if metric == "pass@k" else (metric, "")
        said = "; ".join(_ends(lines, one, name, split) for one in series)
        words = WORDS.get(metric, (metric.replace("_", " "), ""))[0]
        parts.append(f"{words}{about}: {said}." if several else f"{about}{said}.")
    return " ".join(parts)


def _largest(metrics: Sequence[str]) -> tuple[str, str]:
    """The pass@k of the largest k, and how to say so."""
    ks = [int(name[5:]) for name in metrics if name.startswith("pass@") and name[5:].isdigit()]
    k = max(ks, default=1)
    return f"pass@{k}", f"Here at k = {k}: "


def _ends(lines: Lines, series: Series, name: str, split: str) -> str:
    parts = [lines.pick(series, name, split, banded=banded) for banded in (False, True)]
    rows = pd.concat([part for part in parts if len(part)] or parts[:1])
    rows = rows[rows["value"].notna() & (rows["band"].isna() | (rows["band"] == 0))]
    if rows.empty:
        return f"{series.name}: unknown"
    ends = [f"{number(row['value'])} in round {row['round']:g}" for _, row in rows.iloc[[0, -1]].iterrows()]
    return f"{series.name}: {', '.join(ends)}"
