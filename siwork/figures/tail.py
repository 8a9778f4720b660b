"""`fig_tail`: do hard problems still give training data, do a few problems give most of it, which problems are lost?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import Place, canvas, head, label_ends, name_series, place, round_axis, unknown
from siwork.figures.curves import words
from siwork.figures.ledger import LEDGER, ledger_figure
from siwork.figures.lorenz import LORENZ, lorenz_figure
from siwork.figures.marks import band_word, error_bars, hover, quiet, ribbon
from siwork.figures.panels import Panel, draw_bands
from siwork.figures.rounds import Idea, checked_split, draw_idea, shape
from siwork.figures.table import Series, known, pick, reason, series_of, tidy
from siwork.figures.theme import faded, plain, shortened
from siwork.schema import SchemaError

_DASHES = ("solid", "dash", "dashdot", "longdash", "dot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down")


def fig_tail(x: pd.DataFrame, *, split: str = "train") -> go.Figure:
    """The tail: the hard problems in the training data, the few problems that fill it, or the problems gained and lost.

    Parameters
    ----------
    x : a metric table (`siwork.measure`, also pooled by `siwork.over_seeds`) draws, for each run, the shares of the training
        data by band of difficulty beside the problems' shares, and the share of a band's problems that give any;
        `siwork.metrics.lorenz_table(rows)` Lorenz curves by round, and the Gini beside what chance alone gives;
        `siwork.metrics.ledger(rows)` problems kept, gained, lost and never solved, beside the gains and losses that an
        unchanged model would show, and the net gain
    split : train, heldout or beyond; only the ledger knows others than train

    Returns
    -------
    plotly Figure. A ribbon is an interval over seeds (with two seeds their range), an error bar one over problems. What is
    unknown is said in words.

    Raises
    ------
    SchemaError when x is none of the three tables or holds no round; KnobError for an unknown split.

    >>> row = {"run": "a", "split": "train", "round": 1, "problems": 9, "gained": 2, "lost": 1, "kept": 5, "never": 1}
    >>> row |= {"expected_gained": 1.8, "expected_lost": 1.8, "net": 0.1, "low": -0.2, "high": 0.4, "method": "paired"}
    >>> [trace.y.tolist() for trace in fig_tail(pd.DataFrame([row])).data if trace.type == "bar"][:4]
    [[1.0], [5.0], [2.0], [1.0]]
    """
    checked_split(split)
    columns = set(getattr(x, "columns", ()))
    if columns >= LORENZ:
        return lorenz_figure(x, split)
    if columns >= LEDGER:
        return ledger_figure(x, split)
    if not columns >= {"run", "metric", "value"}:
        raise SchemaError(
            "fig_tail draws a metric table (siwork.measure), siwork.metrics.lorenz_table(rows) or "
            f"siwork.metrics.ledger(rows), got {plain(shape(x))}; pass one of the three"
        )
    return _bands_figure(tidy(x), split)


def _bands_figure(table: pd.DataFrame, split: str) -> go.Figure:
    """Two panels a run; with several runs, one more that compares them, where it was measured."""
    series = series_of(table)
    compared = len(series) > 1 and known(table, "tail_coverage", split)
    count = 2 * len(series) + compared
    figure = canvas(count, 2)
    table = table[table["split"] == split] if (table["split"] == split).any() else table
    for i, one in enumerate(series):
        own = table[table["run"] == one.name]
        name = f": {shortened(one.name)}" if len(series) > 1 else ""
        _shares(figure, place(2 * i, count, 2), own, one, split, name)
        _coverage(figure, place(2 * i + 1, count, 2), own, one, split, name)
    if compared:
        at = place(count - 1, count, 2)
        round_axis(figure, at, table["round"])
        draw_idea(figure, at, table, series, Idea(*words(table, "tail_coverage", split), {"tail_coverage": ""}, split))
    name_series(figure, series)
    return figure


def _shares(figure: go.Figure, at: Place, table: pd.DataFrame, series: Series, split: str, name: str) -> None:
    title, axis = words(table, "accepted_share", split)
    round_axis(figure, at, table["round"])
    figure.update_yaxes(title_text=axis, **at)
    draw_bands(figure, table, Panel("accepted_share", split, [series], *at.values()))
    head(figure, at, title + name, "full colour: hardest fifth · dashed: the problems' own shares")
    if not known(table, "accepted_share", split):
        unknown(figure, at, reason(table, "accepted_share", split))


def _coverage(figure: go.Figure, at: Place, table: pd.DataFrame, series: Series, split: str, name: str) -> None:
    """A line a band, the hardest in full colour and with its interval; the others have theirs on hover."""
    title, axis = words(table, "accepted_coverage", split)
    round_axis(figure, at, table["round"], room=0.25)
    figure.update_yaxes(title_text=axis, range=[-0.02, 1.04], **at)
    head(figure, at, title + name, "full colour, with its interval: hardest fifth")
    rows = pick(table, series, "accepted_coverage", split, banded=True)
    bands = np.unique(rows["band"].to_numpy(float)).tolist()
    if rows["value"].isna().all():
        unknown(figure, at, reason(table, "accepted_coverage", split))
        return
    for i, band in reversed(list(enumerate(bands))):
        _band_line(figure, at, series, rows[rows["band"] == band], i, band)
    last = rows[rows["value"].notna()].groupby("band").last()
    end = float(table["round"].max())
    ends = [(float(value), plain(band_word(band))) for band, value in zip(last.index, last["value"], strict=True)]
    label_ends(figure, at, end + 0.3, ends, (0.0, 1.0))


def _band_line(figure: go.Figure, at: Place, series: Series, rows: pd.DataFrame, nth: int, band: float) -> None:
    shade = faded(series.colour, max(1.0 - 0.15 * nth, 0.4))
    if nth == 0 and series.pooled:
        figure.add_trace(ribbon(series, rows["round"], rows), **at)
    bars: dict[str, Any] = {"error_y": error_bars(series, rows)} if nth == 0 and not series.pooled else {}
    trace = go.Scatter(
        x=rows["round"],
        y=rows["value"],
        mode="lines+markers",
        line={"color": shade, "width": 2 if nth == 0 else 1.5, "dash": _DASHES[nth % len(_DASHES)]},
        marker={"symbol": _SYMBOLS[nth % len(_SYMBOLS)], "size": 6},
        hovertext=[hover(series, row, band_word(band)) for row in rows.to_dict("records")],
        **quiet(series),
        **bars,
    )
    figure.add_trace(trace, **at)
