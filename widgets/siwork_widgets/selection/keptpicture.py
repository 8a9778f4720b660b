"""The picture of two selections: which bands the kept rows come from, and how few problems give them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from siwork.figures.marks import BAND_WORDS
from siwork.figures.theme import COLOURS, INK, interval, plain
from siwork.schema import BANDS
from siwork_widgets.kit.figure import Picture, picture
from siwork_widgets.kit.sketch import Curve, Sketch
from siwork_widgets.selection.kept import AFTER, BEFORE, Outcome, found

_NAMES = {BEFORE: "stored", AFTER: "what if"}
_OTHER = {"line": {"color": INK, "width": 1.5, "dash": "dash"}, "mode": "lines", "type": "scatter"}


def drawn(outcome: Outcome) -> Picture:
    """Accepted shares by band, and Lorenz curves of the kept rows, of both selections."""
    sketch = Sketch(2, height=210, barmode="group")
    _bands(sketch, outcome)
    _lorenz(sketch, outcome)
    before, after = outcome.kept
    label = f"Kept rows by difficulty and by problem: the run kept {before:,} of {outcome.rows:,} rows, this keeps {after:,}."
    return picture(sketch.spec(), label, "Dashed: the problems' own shares; every problem gives as much.")


def _bands(sketch: Sketch, outcome: Outcome) -> None:
    sketch.head(0, "Where the kept rows come from", f"{_key()} · dashed: the problems")
    sketch.across(0, tickmode="array", tickvals=list(BANDS), ticktext=list(BAND_WORDS))
    sketch.up(0, rangemode="tozero", title={"text": "share"})
    if not any(_known(outcome, place) for place in _NAMES):
        sketch.unknown(0, "no kept row has a band")
        return
    for place in _NAMES:
        _bars(sketch, outcome, place)
    shares = [_value(found(outcome, "problem_share", BEFORE, band))[0] for band in BANDS]
    said = [
        f"{word}: {interval(share, np.nan, np.nan)} of the problems"
        for word, share in zip(BAND_WORDS, shares, strict=True)
    ]
    sketch.trace(0, x=list(BANDS), y=shares, hovertext=said, hoverinfo="text", **_OTHER)


def _known(outcome: Outcome, place: int) -> bool:
    return any(np.isfinite(_value(found(outcome, "accepted_share", place, band))[0]) for band in BANDS)


def _bars(sketch: Sketch, outcome: Outcome, place: int) -> None:
    rows = [found(outcome, "accepted_share", place, band) for band in BANDS]
    value, low, high = np.array([_value(row) for row in rows]).T
    said = [_said(outcome, place, band, row) for band, row in zip(BANDS, rows, strict=True)]
    reach = {"array": high - value, "arrayminus": value - low, "symmetric": False, "thickness": 1.2, "width": 3}
    rounds = outcome.stored.rounds
    own: dict[str, Any] = {}
    if len(rounds) == 1:
        point = {"run": outcome.stored.run, "round": rounds[0], "split": "train", "metric": "accepted_share"}
        own = {"customdata": [point | {"band": band} for band in BANDS]}
    look = {"marker": {"color": COLOURS[place]}, "error_y": {"type": "data", "color": INK, **reach}}
    sketch.trace(
        0, type="bar", x=list(BANDS), y=value, hovertext=said, hoverinfo="text", textposition="none", **look, **own
    )


def _said(outcome: Outcome, place: int, band: int, row: dict[str, Any] | None) -> str:
    n = 0 if row is None else int(row["n"])
    method = "" if row is None else str(row["method"])
    head = f"<b>{plain(outcome.stored.run, 60)}</b> · {_NAMES[place]} · {BAND_WORDS[band]}"
    return "<br>".join([head, f"{interval(*_value(row))} of the kept rows", f"n = {n:,} problems", plain(method, 60)])


def _value(row: dict[str, Any] | None) -> tuple[float, float, float]:
    if row is None:
        return np.nan, np.nan, np.nan
    value, low, high = (float("nan") if pd.isna(row[name]) else float(row[name]) for name in ("value", "low", "high"))
    return value, low, high


def _lorenz(sketch: Sketch, outcome: Outcome) -> None:
    sketch.head(1, "Who fills the training data", f"{_key()} · dashed: all problems give as much")
    sketch.across(1, range=[0, 1], title={"text": "share of the problems, least served first"})
    sketch.up(1, range=[0, 1], title={"text": "share of the kept rows"})
    sketch.trace(1, x=[0, 1], y=[0, 1], hoverinfo="skip", **_OTHER)
    for place in _NAMES:
        rows = outcome.lorenz[outcome.lorenz["round"] == place]
        x, y = (rows[name].to_numpy(float, na_value=np.nan) for name in ("problem_share", "accepted_share"))
        none = np.full(len(rows), np.nan)
        sketch.line(1, Curve("", x, y, none, none, [_gini(rows, place)] * len(rows), nth=place))


def _gini(rows: pd.DataFrame, place: int) -> str:
    first = {str(key): value for key, value in rows.iloc[0].items()}
    ends = [
        float("nan") if pd.isna(first[name]) else float(first[name])
        for name in ("gini", "gini_low", "gini_high", "floor")
    ]
    words = [f"<b>{_NAMES[place]}</b>", f"Gini {interval(*ends[:3])}", f"by chance {interval(ends[3], np.nan, np.nan)}"]
    return "<br>".join([*words, f"n = {int(first['n']):,} problems", plain(first["method"], 60)])


def _key() -> str:
    return " · ".join(f'<span style="color:{COLOURS[place]}">■ {name}</span>' for place, name in _NAMES.items())
