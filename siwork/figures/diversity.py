"""`fig_diversity`: is the model still finding different right answers?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import canvas, head, name_series, place, round_axis
from siwork.figures.curves import words
from siwork.figures.marks import error_bars, hovers, quiet
from siwork.figures.points import of_metric
from siwork.figures.rounds import Idea, draw_idea, named, split_of
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import Lines, Series, series_of, tidy
from siwork.figures.theme import INK, interval

_ALWAYS = ("distinct_correct", "right_variety")
_ENTROPIES = ("token_entropy", "answer_entropy")  # across, up
_SMALL, _LARGE = 6.0, 11.0  # markers of the first and the last round, px


def fig_diversity(x: pd.DataFrame, *, split: str | None = None) -> go.Figure:
    """Is the model still finding different right answers? Small multiples of a metric table.

    Distinct right answers in k tries; the chance that two right answers differ; the path of the answers' entropy against
    the tokens' from the first round to the last, for a model can be unsure of its tokens and sure of its answer; the
    effective number of different responses, where it was measured.

    Parameters
    ----------
    x : metric table, of single runs or pooled over seeds (`siwork.metrics.over_seeds`)
    split : heldout, train or beyond;
        None takes heldout, or what x has where it has none of that

    Returns
    -------
    plotly Figure. A ribbon is an interval over seeds (with two seeds their range), an error bar one over problems; on the path
    the first and the last round carry theirs. What is unknown is said in its panel; where only one of the two entropies is
    known, it is drawn over rounds.

    Raises
    ------
    SchemaError when x is no metric table; KnobError for an unknown split.

    >>> row = {"run": "a", "split": "heldout", "low": 0.3, "high": 0.5, "n": 9, "method": "mean"}
    >>> steps = [row | {"round": r, "metric": "right_variety", "value": v} for r, v in enumerate((0.4, 0.35))]
    >>> figure = fig_diversity(pd.DataFrame(steps))
    >>> [trace.y.tolist() for trace in figure.data if trace.hovertext is not None]
    [[0.4, 0.35]]
    """
    return diversity_sheet(x, split=split).figure()


def diversity_sheet(x: pd.DataFrame, *, split: str | None = None) -> Sheet:
    """What `fig_diversity` shows, not yet a plotly Figure. Raises SchemaError and KnobError as that does."""
    split = split_of(x, split, "heldout")
    table = tidy(x)
    lines, series = Lines(table), series_of(table)
    panels = [*_ALWAYS, _entropies(lines, series, split), *(["vendi"] if lines.known("vendi", split) else [])]
    count, width = len(panels), 2 if len(panels) == 4 else 3
    sheet = canvas(count, width)
    for i, metric in enumerate(panels):
        at = place(i, count, width)
        if metric == "path":
            _paths(sheet, at, lines, series, split)
        else:
            round_axis(sheet, at, table["round"])
            draw_idea(sheet, at, lines, series, _idea(lines, metric, split))
    name_series(sheet, series, "" if split == "heldout" else split)
    return sheet


def _entropies(lines: Lines, series: Sequence[Series], split: str) -> str:
    """The panel about entropy: the path where a series has both, else the one that is known, answers first."""
    if any(len(_path(lines, one, split)) for one in series):
        return "path"
    alone = lines.known("token_entropy", split) and not lines.known("answer_entropy", split)
    return "token_entropy" if alone else "answer_entropy"


def _idea(lines: Lines, metric: str, split: str) -> Idea:
    """A panel over rounds; that of one entropy alone says that the other is unknown."""
    title, axis = words(lines, metric, split)
    other = [name for name in _ENTROPIES if metric in _ENTROPIES and name != metric and not lines.known(name, split)]
    below = " · ".join(f"{words(lines, name, split)[0]}: unknown" for name in other)
    return Idea(title, axis, {metric: ""}, split, below=below)


def _path(lines: Lines, series: Series, split: str) -> pd.DataFrame:
    """Rounds of a series where both entropies are known; the tokens' columns end in `_across`."""
    across, up = (lines.pick(series, metric, split) for metric in _ENTROPIES)
    both = up.merge(across, on="round", suffixes=("", "_across"))
    return both[both["value"].notna() & both["value_across"].notna()]


def _paths(sheet: Sheet, at: Place, lines: Lines, series: Sequence[Series], split: str) -> None:
    paths = [(one, _path(lines, one, split)) for one in series]
    for one, rows in paths:
        if len(rows):
            _draw_path(sheet, at, one, rows)
    sheet.xaxis(at)["title"] = {"text": "entropy of the next token, nats a token"}
    sheet.yaxis(at)["title"] = {"text": "entropy of the answers, nats"}
    if len(series) == 1:
        start = paths[0][1].iloc[0]
        look = {"line": {"color": INK, "width": 1, "dash": "dot"}, "layer": "below"}
        sheet.stroke(at, start["value_across"], **look)
        sheet.level(at, start["value"], **look)
    without = [one.name for one, rows in paths if rows.empty]
    below = "down: answers grow alike · left: tokens grow sure"
    head(sheet, at, "Spread of answers and of tokens", below + (f"<br>unknown for {named(without)}" if without else ""))


def _draw_path(sheet: Sheet, at: Place, series: Series, rows: pd.DataFrame) -> None:
    """Line from the first round (open, small) to the last (full, large), both named and with their intervals."""
    count = len(rows)
    ends = np.isin(np.arange(count), (0, count - 1))
    own = rows.assign(low=rows["low"].where(ends), high=rows["high"].where(ends))
    across = rows.assign(**{name: rows[f"{name}_across"].where(ends) for name in ("value", "low", "high")})
    trace = {
        "type": "scatter",
        "x": rows["value_across"].to_numpy(),
        "y": rows["value"].to_numpy(),
        "error_x": error_bars(series, across),
        "error_y": error_bars(series, own),
        "mode": "lines+markers+text",
        "text": [f"{r:g}" if end else "" for r, end in zip(rows["round"], ends, strict=True)],
        "textposition": "top right",
        "textfont": {"size": 11},
        "line": {"color": series.colour, "width": 1.5},
        "marker": {
            "symbol": [f"{series.symbol}-open", *[series.symbol] * (count - 1)] if count > 1 else [series.symbol],
            "size": np.linspace(_SMALL, _LARGE, count) if count > 1 else [_LARGE],
            "color": series.colour,
            "opacity": 1,
            "line": {"color": series.colour, "width": 1.5},
        },
        "hovertext": _both(series, rows),
        "customdata": of_metric(rows),
        **quiet(series),
    }
    sheet.draw(at, trace)


def _both(series: Series, rows: pd.DataFrame) -> list[str]:
    tokens = zip(*(rows[f"{name}_across"].tolist() for name in ("value", "low", "high")), strict=True)
    answers = hovers(series, rows, "entropy of the answers")
    return [f"{up}<br>entropy of the next token {interval(*each)}" for up, each in zip(answers, tokens, strict=True)]
