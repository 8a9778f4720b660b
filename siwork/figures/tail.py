"""`fig_tail`: do hard problems still give training data, do a few problems give most of it, which problems are lost?"""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import canvas, head, label_ends, name_series, place, round_axis, unknown
from siwork.figures.curves import words
from siwork.figures.ledger import LEDGER, ledger_sheet
from siwork.figures.lorenz import LORENZ, lorenz_sheet
from siwork.figures.marks import band_word, error_bars, hovers, quiet, ribbon
from siwork.figures.panels import Panel, draw_bands
from siwork.figures.points import of_metric
from siwork.figures.rounds import Idea, draw_idea, shape, split_of
from siwork.figures.sheet import Place, Sheet
from siwork.figures.table import Lines, Series, parts, series_of, tidy
from siwork.figures.theme import faded, plain, shortened
from siwork.schema import SchemaError

_DASHES = ("solid", "dash", "dashdot", "longdash", "dot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down")


def fig_tail(x: pd.DataFrame, *, split: str | None = None) -> go.Figure:
    """The tail: the hard problems in the training data, the few problems that fill it, or the problems gained and lost.

    Parameters
    ----------
    x : a metric table (`siwork.measure`, also pooled by `siwork.over_seeds`) draws, for each run, the shares of the training
        data by band of difficulty beside the problems' shares, and the share of a band's problems that give any;
        `siwork.metrics.lorenz_table(rows)` Lorenz curves by round, and the Gini beside what chance alone gives;
        `siwork.metrics.ledger(rows)` problems kept, gained, lost and never solved, beside the gains and losses that an
        unchanged model would show, and the net gain
    split : train, heldout or beyond; only the ledger knows others than train;
        None takes train, or what x has where it has none of that

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
    return tail_sheet(x, split=split).figure()


def tail_sheet(x: pd.DataFrame, *, split: str | None = None) -> Sheet:
    """What `fig_tail` shows, not yet a plotly Figure. Raises SchemaError and KnobError as that does."""
    split = split_of(x, split, "train")
    columns = set(getattr(x, "columns", ()))
    if columns >= LORENZ:
        return lorenz_sheet(x, split)
    if columns >= LEDGER:
        return ledger_sheet(x, split)
    if not columns >= {"run", "metric", "value"}:
        raise SchemaError(
            "fig_tail draws a metric table (siwork.measure), siwork.metrics.lorenz_table(rows) or "
            f"siwork.metrics.ledger(rows), got {plain(shape(x))}; pass one of the three"
        )
    return _bands(tidy(x), split)


def _bands(table: pd.DataFrame, split: str) -> Sheet:
    """Two panels a run; with several runs, one more that compares them, where it was measured."""
    series, lines = series_of(table), Lines(table)
    compared = len(series) > 1 and lines.known("tail_coverage", split)
    count = 2 * len(series) + compared
    sheet = canvas(count, 2)
    here = table[table["split"] == split] if (table["split"] == split).any() else table
    for i, one in enumerate(series):
        own = Lines(here[here["run"] == one.name])
        name = f": {shortened(one.name)}" if len(series) > 1 else ""
        _shares(sheet, place(2 * i, count, 2), own, one, split, name)
        _coverage(sheet, place(2 * i + 1, count, 2), own, one, split, name)
    if compared:
        at = place(count - 1, count, 2)
        round_axis(sheet, at, here["round"])
        draw_idea(sheet, at, lines, series, Idea(*words(lines, "tail_coverage", split), {"tail_coverage": ""}, split))
    name_series(sheet, series)
    return sheet


def _shares(sheet: Sheet, at: Place, lines: Lines, series: Series, split: str, name: str) -> None:
    title, axis = words(lines, "accepted_share", split)
    round_axis(sheet, at, lines.table["round"])
    sheet.yaxis(at)["title"] = {"text": axis}
    draw_bands(sheet, lines, Panel("accepted_share", split, [series], at))
    head(sheet, at, title + name, "full colour: hardest fifth · dashed: the problems' own shares")
    if not lines.known("accepted_share", split):
        unknown(sheet, at, lines.reason("accepted_share", split))


def _coverage(sheet: Sheet, at: Place, lines: Lines, series: Series, split: str, name: str) -> None:
    """A line a band, the hardest in full colour and with its interval; the others have theirs on hover."""
    title, axis = words(lines, "accepted_coverage", split)
    rounds = lines.table["round"]
    round_axis(sheet, at, rounds, room=0.25)
    sheet.yaxis(at).update(title={"text": axis}, range=[-0.02, 1.04])
    head(sheet, at, title + name, "full colour, with its interval: hardest fifth")
    rows = lines.pick(series, "accepted_coverage", split, banded=True)
    if rows["value"].isna().all():
        unknown(sheet, at, lines.reason("accepted_coverage", split))
        return
    bands = parts(rows, "band")
    for i, (band, own) in reversed(list(enumerate(bands))):
        _band_line(sheet, at, series, own, i, band)
    last = [(band, own.loc[own["value"].notna(), "value"]) for band, own in bands]
    ends = [(float(value.iloc[-1]), plain(band_word(band))) for band, value in last if len(value)]
    label_ends(sheet, at, float(rounds.max()) + 0.3, ends, (0.0, 1.0))


def _band_line(sheet: Sheet, at: Place, series: Series, rows: pd.DataFrame, nth: int, band: float) -> None:
    shade = faded(series.colour, max(1.0 - 0.15 * nth, 0.4))
    if nth == 0 and series.pooled:
        sheet.draw(at, ribbon(series, rows["round"], rows))
    bars: dict[str, Any] = {"error_y": error_bars(series, rows)} if nth == 0 and not series.pooled else {}
    trace = {
        "type": "scatter",
        "x": rows["round"].to_numpy(),
        "y": rows["value"].to_numpy(),
        "mode": "lines+markers",
        "line": {"color": shade, "width": 2 if nth == 0 else 1.5, "dash": _DASHES[nth % len(_DASHES)]},
        "marker": {"symbol": _SYMBOLS[nth % len(_SYMBOLS)], "size": 6},
        "hovertext": hovers(series, rows, band_word(band)),
        "customdata": of_metric(rows),
        **quiet(series),
        **bars,
    }
    sheet.draw(at, trace)
