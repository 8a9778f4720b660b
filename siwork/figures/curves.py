"""`fig_curves`: how runs move from round to round, one idea a panel."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from siwork.figures.canvas import canvas, head, name_series, place, round_axis, unknown
from siwork.figures.crossing import mark_crossing, read_crossing
from siwork.figures.panels import Panel, draw_against, draw_bands, draw_fan, draw_line, fan_rows
from siwork.figures.rounds import split_of
from siwork.figures.sheet import Sheet
from siwork.figures.table import Lines, Series, series_of, tidy
from siwork.figures.theme import plain, shortened
from siwork.schema import KnobError, nearest

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
    "support_kept": ("Answers of the first round found again", "share of answers"),
    "mode_share": ("One answer for many problems", "share of problems"),
    "cross_distance": ("Responses to different problems lie apart", "cosine distance"),
    "rep_4": ("Repeated within a response", "share of 4-grams"),
    "unfinished_rate": ("Responses cut off", "share of responses"),
    "empty_rate": ("Empty responses", "share of responses"),
    "mean_characters": ("Length of a response", "characters"),
    "dead_groups": ("Problems whose samples all score alike", "share of problems"),
    "gv_gap": ("What selection by the verifier adds", "share of right samples"),
    "false_positive_rate": ("Wrong samples accepted", "share of the wrong"),
    "false_negative_rate": ("Right samples rejected", "share of the right"),
    "precision": ("Right among the accepted", "share of the accepted"),
    "tail_solve_rate": ("Right in one try, hardest two fifths", "probability"),
    "tail_share": ("Hardest two fifths in the training data", "share of accepted samples"),
    "right_variety": ("Chance that two right answers differ", "probability"),
    "vendi": ("Effective number of different responses", "responses"),
    "accepted_coverage": ("Problems that give training data", "share of the band's problems"),
    "tail_coverage": ("Hardest two fifths that give training data", "share of their problems"),
}
_BELOW = {  # a second line under the title: how to read the panel
    "pass@k": "pale and dotted: {first} · solid: {last}",
    "mean_score": "solid: score · dashed: truth",
    "accepted_share": "full colour: hardest fifth · dashed: the problems",
}
_USED = ("accept_rate", "accepted_share")  # of train rows only
_JUDGED = ("mean_score", "mean_gold", "proxy_gold_gap")  # of train rows where there are any
_APART = ("pass@k", "accepted_share")  # fill a panel by themselves
_DRAWN = {"pass@k": draw_fan, "mean_score": draw_against, "accepted_share": draw_bands}


def fig_curves(
    x: pd.DataFrame,
    *,
    split: str | None = None,
    metrics: Sequence[str] | None = None,
    crossing: pd.DataFrame | None = None,
) -> go.Figure:
    """Small multiples of a metric table over rounds: performance, diversity, score against truth, what is trained on.

    Parameters
    ----------
    x : metric table, of single runs or pooled over seeds (`siwork.metrics.over_seeds`)
    split : heldout, train or beyond; panels about what the loop uses always show train;
        None takes heldout, or what x has where it has none of that
    metrics : panels by metric name, `pass@k` for the fan; None draws the seven that matter first
    crossing : table of `siwork.metrics.crossing(rows)`: the fan of each run in it marks the k at which its last round falls
        below its first, shaded over the interval; None marks nothing

    Returns
    -------
    plotly Figure. A ribbon is an interval over seeds (with two seeds their range), an error bar one over problems.

    Raises
    ------
    SchemaError when x is no metric table, or crossing another table; KnobError for an unknown split or a metric that x does
    not have.

    >>> row = {"run": "a", "split": "heldout", "metric": "pass@1", "low": 0.3, "high": 0.5, "n": 9, "method": "mean"}
    >>> table = pd.DataFrame([row | {"round": 0, "value": 0.4}, row | {"round": 1, "value": 0.45}])
    >>> fig_curves(table, metrics=["pass@1"]).data[0].y.tolist()
    [0.4, 0.45]
    """
    return curves_sheet(x, split=split, metrics=metrics, crossing=crossing).figure()


def curves_sheet(
    x: pd.DataFrame,
    *,
    split: str | None = None,
    metrics: Sequence[str] | None = None,
    crossing: pd.DataFrame | None = None,
) -> Sheet:
    """What `fig_curves` shows, not yet a plotly Figure. Raises SchemaError and KnobError as that does."""
    split = split_of(x, split, "heldout")
    table, crossed = tidy(x), read_crossing(crossing)
    lines, series = Lines(table), series_of(table)
    panels = _placed(lines, series, _checked(table, DEFAULT if metrics is None else metrics), split)
    sheet = canvas(len(panels))
    for panel in panels:
        _fill(sheet, lines, panel, crossed)
    name_series(sheet, series, "" if split == "heldout" else split)
    return sheet


def _checked(table: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    if isinstance(metrics, str) or not metrics:
        raise KnobError(f"metrics is a list of names such as ['pass@1', 'pass@k'], got {metrics!r}")
    there = {*table["metric"], *DEFAULT}
    for name in metrics:
        if name not in there:
            raise KnobError(f"metrics holds {name!r}, which the table does not have; {nearest(str(name), there)}")
    return list(metrics)


def _placed(lines: Lines, series: list[Series], names: list[str], split: str) -> list[Panel]:
    """One panel a metric; the fan and the bands get one a series, where the series has any."""
    wanted: list[tuple[str, str, list[Series]]] = []
    for name in names:
        judged = split_of(lines.table, None, "train")
        own = "train" if name in _USED else judged if name in _JUDGED else split
        if name in _APART:
            wanted += [(name, own, [s]) for s in [s for s in series if _has(lines, s, name, own)] or series[:1]]
        else:
            wanted.append((name, own, series))
    return [Panel(*each, place(i, len(wanted))) for i, each in enumerate(wanted)]


def _has(lines: Lines, series: Series, name: str, split: str) -> bool:
    return bool(len(fan_rows(lines, series, split))) if name == "pass@k" else lines.drawn(series, name, split)


def _fill(sheet: Sheet, lines: Lines, panel: Panel, crossed: pd.DataFrame | None) -> None:
    title, below, axis = _words(lines, panel)
    round_axis(sheet, panel.place, lines.table["round"])
    sheet.yaxis(panel.place).update(title={"text": axis}, rangemode="tozero")
    _DRAWN.get(panel.metric, draw_line)(sheet, lines, panel)
    if crossed is not None and panel.metric == "pass@k":
        below = "<br>".join(part for part in (below, mark_crossing(sheet, lines, panel, crossed)) if part)
    head(sheet, panel.place, title, below)
    if not any(_has(lines, s, panel.metric, panel.split) for s in panel.series):
        metric = "pass@1" if panel.metric == "pass@k" else panel.metric
        unknown(sheet, panel.place, lines.reason(metric, panel.split))


def _words(lines: Lines, panel: Panel) -> tuple[str, str, str]:
    """Title, the line below it and axis of a panel in plain words."""
    table = lines.table
    title, axis = words(lines, panel.metric, panel.split)
    if panel.metric in _APART and len(set(table["run"])) > 1:
        title += f": {shortened(panel.series[0].name)}"
    if panel.metric not in _BELOW:
        return title, "", axis
    drawn = table["run"].isin([s.name for s in panel.series])
    on_split = drawn & (table["split"] == panel.split)
    rounds = table.loc[on_split if on_split.any() else drawn, "round"]
    ends = {"first": f"round {rounds.min():g}", "last": f"round {rounds.max():g}"}
    return title, _BELOW[panel.metric].format(**ends), axis


def words(lines: Lines, metric: str, split: str) -> tuple[str, str]:
    """Title of a metric and its axis with the unit, in plain words; the metric's own name and unit where none are set."""
    rows = lines.of(metric, split)
    unit = next((u for u in rows["unit"] if isinstance(u, str) and u), metric)
    title, axis = WORDS.get(metric, (plain(metric), plain(unit)))
    if metric not in WORDS and (tries := metric.removeprefix("pass@")).isdigit():
        title, axis = f"Right within {tries} tries ({metric})", WORDS["pass@k"][1]
    if metric == "distinct_correct" and rows["k"].nunique() == 1:
        title += f" in {rows['k'].max():g} tries"
    return title, axis
