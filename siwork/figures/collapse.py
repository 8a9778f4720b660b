"""`fig_collapse`: does the proxy leave the truth, and does what the model says shrink, repeat or drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import legend, place
from siwork.figures.marks import quiet
from siwork.figures.points import points
from siwork.figures.rounds import Idea, by_round, shape, split_of
from siwork.figures.sheet import Sheet
from siwork.figures.table import Lines, Series, flat, series_of, tidy
from siwork.figures.theme import INK, plain, shortened
from siwork.schema import SchemaError

_PROXY = Idea(
    "What the verifier says, what is true", "mean over samples", {"mean_score": "score", "mean_gold": "truth"}
)
_TEXT = (
    Idea("Entropy", "nats", {"token_entropy": "next token", "answer_entropy": "answers"}),
    Idea("One answer for many problems", "share of problems", {"mode_share": ""}),
    Idea("Answers of the first round found again", "share of answers", {"support_kept": ""}),
    Idea(
        "Broken responses",
        "share",
        {"rep_4": "repeated 4-grams", "unfinished_rate": "cut off", "empty_rate": "empty"},
    ),
)
_LENGTH = {"mean_tokens": "tokens", "mean_characters": "characters"}  # the first that is known
_DRIFT = (  # only where known
    Idea("Divergence from the first model (KL)", "nats a response", {"kl_to_base": ""}, zero=True),
    Idea("Answers that were rare at first (tail mass)", "share of answers", {"tail_mass": ""}),
)
_SUPPORT: dict[str, tuple[str, str] | None] = {
    "tail_mass": ("tail_mass_low", "tail_mass_high"),
    "lost": None,
    "expected_lost": None,
}
_PARTING = {name: (f"{name}_low", f"{name}_high") for name in ("score", "gold", "index")}


def fig_collapse(x: pd.DataFrame, *, split: str | None = None) -> go.Figure:
    """Signs of collapse over rounds: proxy against truth, entropy, sameness, repetition, length, drift.

    Parameters
    ----------
    x : a metric table (`siwork.measure`, also pooled by `siwork.over_seeds`) draws all of these;
        `siwork.metrics.support_table(rows)` the mass of rare answers, and answers lost beside what chance alone loses;
        `siwork.metrics.parting(rows)` the changes of score and truth with simultaneous bands, alarm rounds ringed
    split : heldout, train or beyond; proxy against truth of a metric table is of train, where there is any;
        None takes heldout, or what x has where it has none of that

    Returns
    -------
    plotly Figure, one panel an idea. What is unknown is said in words; KL and tail mass only where they are known.

    Raises
    ------
    SchemaError when x is none of the three tables or is empty; KnobError for an unknown split.

    >>> row = {"run": "a", "split": "heldout", "round": 1, "metric": "mode_share", "low": 0.1, "high": 0.3, "n": 9}
    >>> figure = fig_collapse(pd.DataFrame([row | {"value": 0.2, "method": "mean"}]))
    >>> [trace.y.tolist() for trace in figure.data if trace.hovertext is not None]
    [[0.2]]
    """
    return collapse_sheet(x, split=split).figure()


def collapse_sheet(x: pd.DataFrame, *, split: str | None = None) -> Sheet:
    """What `fig_collapse` shows, not yet a plotly Figure. Raises SchemaError and KnobError as that does."""
    split = split_of(x, split, "heldout")
    has = set(getattr(x, "columns", ()))
    if has >= {"tail_mass", "lost", "expected_lost", "problems", "method"}:
        return _support(x, split)
    if has >= {"score", "gold", "index", "alarm", "onset", "problems", "method"}:
        return _parting(x, split)
    if "metric" not in has:
        raise SchemaError(
            f"a metric table (siwork.measure), siwork.metrics.support_table or parting is needed, got {shape(x)}; "
            "siwork.measure(run) makes the first"
        )
    table = tidy(x)
    lines = Lines(table)
    length = next((name for name in _LENGTH if lines.known(name, split)), "mean_tokens")
    ideas = [*_TEXT, Idea("Length of a response", _LENGTH[length], {length: ""})]
    ideas += [idea for idea in _DRIFT if any(lines.known(metric, split) for metric in idea.lines)]
    own = split_of(x, None, "train")  # what the loop uses, where the table has it
    proxy = _PROXY._replace(split=own) if split == own else _PROXY._replace(split=own, below=f"on {own}")
    return by_round(
        lines,
        series_of(table),
        [proxy, *(idea._replace(split=split) for idea in ideas)],
        "" if split == "heldout" else split,
    )


def _support(x: pd.DataFrame, split: str) -> Sheet:
    table = tidy(_long(x, _SUPPORT))
    lost = {"lost": "seen", "expected_lost": "by chance alone"}
    ideas = [
        Idea("Mass of what was rare at first", "share of all answers or words", {"tail_mass": ""}, split),
        Idea("Lost since the first round", "different answers or words", lost, split),
    ]
    return by_round(Lines(table), series_of(table), ideas)


def _parting(x: pd.DataFrame, split: str) -> Sheet:
    table = tidy(_long(x, _PARTING))
    series = [one._replace(note="simultaneous bands over problems") for one in series_of(table)]
    alarms = flat(x, ("run", "split"), ("first", "round", "score", "alarm", "onset"))
    first = set(alarms["first"].dropna())
    since = f" since round {first.pop():g}" if len(first) == 1 else ""
    alarms = alarms[alarms["split"] == split]
    parts, index = {"score": "score", "gold": "truth"}, {"index": ""}
    ideas = [
        Idea(f"Change{since}", "change of the mean", parts, split, zero=True, below=_alarm_words(alarms, series)),
        Idea(f"Score risen above truth{since}", "change of score − truth", index, split, zero=True),
    ]
    sheet = by_round(Lines(table), series, ideas)
    for one in series:
        _ring(sheet, one, alarms[(alarms["run"] == one.name) & (alarms["alarm"] == 1)])
    legend(sheet, "ring: alarm, score up and truth down", mode="markers", marker=_ringed(INK))
    return sheet


def _long(x: pd.DataFrame, columns: Mapping[str, tuple[str, str] | None]) -> pd.DataFrame:
    """A table with a column a number as a metric table, NaN where a number has no interval.

    `kind` says of types whether they are words, as the method does.
    """
    real = ("round", "first", "problems", *columns, *(name for ends in columns.values() for name in ends or ()))
    wide = flat(x, ("run", "split", "method"), real)
    kind = np.where(wide["method"].str.startswith("types: words", na=False), "word", "")
    keys = wide[["run", "split", "method", "round", "first"]].assign(n=wide["problems"], kind=kind)
    parts = [
        keys.assign(
            metric=name,
            value=wide[name],
            low=wide[ends[0]] if ends else np.nan,
            high=wide[ends[1]] if ends else np.nan,
        )
        for name, ends in columns.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _alarm_words(alarms: pd.DataFrame, series: Sequence[Series]) -> str:
    """Since when each run alarms; of more than two runs, how many do."""
    words = [_since(alarms[alarms["run"] == one.name]) for one in series]
    if len(series) == 1:
        return words[0]
    if len(series) == 2:
        return " · ".join(f"{shortened(one.name)}: {each}" for one, each in zip(series, words, strict=True))
    alarmed = sum((alarms.loc[alarms["run"] == one.name, "alarm"] == 1).any() for one in series)
    return f"alarm in {alarmed} of {len(series)} runs"


def _since(own: pd.DataFrame) -> str:
    rounds = [f"{r:g}" for r in own.loc[own["alarm"] == 1, "round"]]
    if own["onset"].notna().any():
        return f"alarm from round {own['onset'].min():g} on"
    if rounds:
        return f"alarm in round{'s' * (len(rounds) > 1)} {', '.join(rounds)}"
    return "no alarm" if (own["alarm"] == 0).any() else "alarm unknown"


def _ring(sheet: Sheet, series: Series, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    text = f"<b>{plain(series.name, 60)}</b><br>alarm: score rose and truth fell, both outside their bands"
    trace = {
        "type": "scatter",
        "x": rows["round"].to_numpy() + series.shift,
        "y": rows["score"].to_numpy(),
        "mode": "markers",
        "marker": _ringed(series.colour),
        "hovertext": text,
        "customdata": points(rows, metric="score", first=rows["first"]),
    }
    sheet.draw(place(0, 2), trace | quiet(series))


def _ringed(colour: str) -> dict[str, Any]:
    return {"symbol": "circle-open", "size": 15, "color": colour, "line": {"width": 1.5}}
