"""`fig_curves`: how runs move from round to round, one idea a panel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from siwork.figures.panels import FAN, Panel, draw_against, draw_bands, draw_fan, draw_line
from siwork.figures.table import Series, reason, series_of, tidy
from siwork.figures.theme import plain, shortened, template
from siwork.schema import SPLITS, KnobError, nearest

DEFAULT = (
    "pass@1",
    "pass@k",
    "distinct_correct",
    "solution_coverage",
    "answer_entropy",
    "mean_score",
    "accepted_share",
)
WORDS = {  # metric: title, axis with its unit
    "pass@1": ("Right in one try (pass@1)", "probability"),
    "pass@k": ("Right within k tries (pass@k)", "probability"),
    "distinct_correct": ("Distinct right answers", "answers a problem"),
    "solution_coverage": ("Share of all solutions found", "share of solutions"),
    "answer_entropy": ("Spread of the answers (entropy)", "nats"),
    "mean_score": ("What the verifier says, what is true", "mean over samples"),
    "accepted_share": ("Trained on, by difficulty", "share of accepted samples"),
    "problem_share": ("Problems by difficulty", "share of problems"),
    "gini_simpson": ("Chance that two answers differ", "probability"),
    "unparsed_rate": ("Responses without a readable answer", "share of responses"),
    "token_entropy": ("Entropy of the next token", "nats a token"),
    "mean_tokens": ("Length of a response", "tokens"),
    "mean_gold": ("Right samples", "share of samples"),
    "proxy_gold_gap": ("Score above truth", "score − truth"),
    "accept_rate": ("Samples accepted", "share of samples"),
    "mean_logp": ("Log-probability of a response", "nats"),
}
_BELOW = {  # a second line under the title: how to read the panel
    "pass@k": "pale and dotted: {first} · solid: {last}",
    "mean_score": "solid: score · dashed: truth",
    "accepted_share": "full colour: hardest fifth · dashed: the problems",
}
_TRAIN = ("mean_score", "mean_gold", "proxy_gold_gap", "accept_rate", "accepted_share")  # about what the loop uses
_APART = ("pass@k", "accepted_share")  # fill a panel by themselves
_DRAWN = {"pass@k": draw_fan, "mean_score": draw_against, "accepted_share": draw_bands}
_HEIGHT, _BETWEEN, _TOP, _BOTTOM = 230, 120, 96, 48  # px


def fig_curves(x: pd.DataFrame, *, split: str = "heldout", metrics: Sequence[str] | None = None) -> go.Figure:
    """Small multiples of a metric table over rounds: performance, diversity, score against truth, what is trained on.

    Parameters
    ----------
    x : metric table, of single runs or pooled over seeds (`siwork.metrics.over_seeds`)
    split : heldout, train or beyond; panels about what the loop uses always show train
    metrics : panels by metric name, `pass@k` for the fan; None draws the seven that matter first

    Returns
    -------
    plotly Figure. A ribbon is an interval over seeds (with two seeds their range), an error bar one over problems.

    Raises
    ------
    SchemaError when x is no metric table; KnobError for an unknown split or a metric that x does not have.

    >>> row = {"run": "a", "split": "heldout", "metric": "pass@1", "low": 0.3, "high": 0.5, "n": 9, "method": "mean"}
    >>> table = pd.DataFrame([row | {"round": 0, "value": 0.4}, row | {"round": 1, "value": 0.45}])
    >>> fig_curves(table, metrics=["pass@1"]).data[0].y.tolist()
    [0.4, 0.45]
    """
    if split not in SPLITS:
        raise KnobError(f"split must be one of {', '.join(SPLITS)}, got {split!r}; {nearest(str(split), SPLITS)}")
    table = tidy(x)
    series = series_of(table)
    panels = _placed(table, series, _checked(table, DEFAULT if metrics is None else metrics), split)
    figure = _canvas(panels)
    for panel in panels:
        _fill(figure, table, panel)
    _name_series(figure, series)
    return figure


def _checked(table: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    if isinstance(metrics, str) or not metrics:
        raise KnobError(f"metrics is a list of names such as ['pass@1', 'pass@k'], got {metrics!r}")
    there = {*table["metric"], *DEFAULT}
    for name in metrics:
        if name not in there:
            raise KnobError(f"metrics holds {name!r}, which the table does not have; {nearest(str(name), there)}")
    return list(metrics)


def _placed(table: pd.DataFrame, series: list[Series], names: list[str], split: str) -> list[Panel]:
    """One panel a metric; the fan and the bands get one a series, where the series has any."""
    wanted: list[tuple[str, str, list[Series]]] = []
    for name in names:
        own = "train" if name in _TRAIN else split
        if name in _APART:
            wanted += [(name, own, [s]) for s in [s for s in series if _has(table, s, name, own)] or series[:1]]
        else:
            wanted.append((name, own, series))
    width = min(3, len(wanted))
    return [Panel(*each, i // width + 1, i % width + 1) for i, each in enumerate(wanted)]


def _has(table: pd.DataFrame, series: Series, name: str, split: str) -> bool:
    rows = table[(table["run"] == series.name) & (table["split"] == split) & table["value"].notna()]
    return bool((rows["metric"].str.fullmatch(FAN) if name == "pass@k" else rows["metric"] == name).any())


def _canvas(panels: list[Panel]) -> go.Figure:
    rows, columns = panels[-1].row, max(panel.column for panel in panels)
    inside = _HEIGHT * rows + _BETWEEN * (rows - 1)
    figure = make_subplots(rows, columns, vertical_spacing=_BETWEEN / inside, horizontal_spacing=0.08)
    figure.update_layout(
        template=template(),
        height=inside + _TOP + _BOTTOM,
        margin={"l": 56, "r": 16, "t": _TOP, "b": _BOTTOM},
        barmode="stack",
        bargap=0.25,
        hovermode="closest",
    )
    for spare in range(len(panels), rows * columns):
        cell = {"row": spare // columns + 1, "col": spare % columns + 1}
        figure.update_xaxes(visible=False, **cell).update_yaxes(visible=False, **cell)
    return figure


def _fill(figure: go.Figure, table: pd.DataFrame, panel: Panel) -> None:
    title, axis = _words(table, panel)
    figure.update_xaxes(title_text="round", **_whole_rounds(table["round"]), **panel.place)
    figure.update_yaxes(title_text=axis, rangemode="tozero", **panel.place)
    _DRAWN.get(panel.metric, draw_line)(figure, table, panel)
    _write(figure, panel, title, x=0, y=1, yshift=4, xanchor="left", yanchor="bottom", align="left")
    if not any(_has(table, s, panel.metric, panel.split) for s in panel.series):
        metric = "pass@1" if panel.metric == "pass@k" else panel.metric
        figure.add_scatter(x=[None], y=[None], showlegend=False, **panel.place)  # an axis without a trace is not drawn
        why = plain(f"unknown: {reason(table, metric, panel.split)}", 34)
        _write(figure, panel, why, x=0.5, y=0.5, xanchor="center", yanchor="middle", align="center")
        figure.update_yaxes(range=[0, 1], showticklabels=False, showgrid=False, **panel.place)


def _words(table: pd.DataFrame, panel: Panel) -> tuple[str, str]:
    """Title (with the line below it) and axis of a panel in plain words."""
    rows = table[(table["metric"] == panel.metric) & (table["split"] == panel.split)]
    unit = next((u for u in rows["unit"] if isinstance(u, str) and u), panel.metric)
    title, axis = WORDS.get(panel.metric, (plain(panel.metric), plain(unit)))
    if panel.metric in _APART and len(set(table["run"])) > 1:
        title += f": {shortened(panel.series[0].name)}"
    if panel.metric == "distinct_correct" and rows["k"].nunique() == 1:
        title += f" in {rows['k'].max():g} tries"
    rounds = table.loc[table["run"].isin([s.name for s in panel.series]), "round"]
    ends = {"first": f"round {rounds.min():g}", "last": f"round {rounds.max():g}"}
    below = _BELOW.get(panel.metric, "").format(**ends)
    small = f'<br><span style="font-size:11px">{below}</span>' if below else ""
    return f"<b>{title}</b>{small}", axis


def _whole_rounds(rounds: pd.Series) -> dict[str, object]:
    """An axis that holds all rounds and marks whole ones only."""
    first, last = float(rounds.min()), float(rounds.max())
    step = max(1, math.ceil((last - first) / 8))
    return {"tickmode": "linear", "tick0": first, "dtick": step, "range": [first - 0.5, last + 0.5]}


def _write(figure: go.Figure, panel: Panel, text: str, **place: object) -> None:
    figure.add_annotation(text=text, xref="x domain", yref="y domain", showarrow=False, **place, **panel.place)


def _name_series(figure: go.Figure, series: list[Series]) -> None:
    """One legend entry a series; it says what the interval is and switches the series in every panel."""
    for one in series:
        look = {"line": {"color": one.colour, "width": 2}, "marker": {"symbol": one.symbol, "size": 6}}
        name = f"{plain(one.name)}: {one.note}"
        figure.add_scatter(x=[None], y=[None], mode="lines+markers", name=name, legendgroup=one.name, **look)
    figure.update_layout(showlegend=True)
