"""`fig_calibration`: does the verifier's score, or the vote, say how often an answer is right, and does that last."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from siwork.figures.drift import NEEDED, drift_sheet
from siwork.figures.reliability import SCORES, VOTES, diagrams, read_bins
from siwork.figures.rounds import Idea, by_round, shape, split_of
from siwork.figures.sheet import Sheet
from siwork.figures.table import Lines, series_of, tidy
from siwork.schema import SchemaError

_BINS = frozenset({"run", "split", "bin", "least", "greatest", "problems", "score", "gold", "low", "high", "method"})
_PANELS = (
    Idea(
        "What the verifier gets wrong",
        "share of the wrong, of the right",
        {"false_positive_rate": "wrong but accepted", "false_negative_rate": "right but rejected"},
    ),
    Idea("Right among the accepted (precision)", "share of accepted samples", {"precision": ""}),
    Idea("Score above truth", "score − truth", {"proxy_gold_gap": ""}, zero=True),
    Idea(
        "Calibration error of the score",
        "|score − share right|",
        {"ece": "found", "ece_floor": "expected if calibrated"},
    ),
)
_BRIER = Idea(
    "Squared error of the score (Brier)",
    "mean (score − truth)²",
    {"brier": "all", "brier_reliability": "miscalibration", "brier_resolution": "resolution"},
    zero=True,
)


def fig_calibration(x: pd.DataFrame, *, split: str | None = None) -> go.Figure:
    """The verifier against the truth: reliability diagrams of some rounds, its errors over all rounds, or how its map ages.

    Parameters
    ----------
    x : `siwork.metrics.reliability_table(rows)` draws share right against score; `siwork.metrics.vote_table(rows)` how often
        the commonest answer is right against its share of the votes; a metric table (`siwork.measure`, also pooled by
        `siwork.over_seeds`) false accepts and rejects, precision, score above truth, the calibration error above
        its floor and, where it was measured, the Brier score with its parts; `siwork.metrics.recalibration_drift(rows)` what
        the score, the first round's map of it and each round's own map are worth over rounds, and what was fitted
    split : train, heldout or beyond;
        None takes train, or what x has where it has none of that

    Returns
    -------
    plotly Figure. Of a table of bins: one row of panels a run with its first and last round and at most four between, the
    counts as bars below, the first round pale and dotted in the others. Of a metric table: one panel an idea over rounds.
    What is unknown is said in words.

    Raises
    ------
    SchemaError when x is none of these tables, is empty, or has several groups in one round; KnobError for an unknown
    split.

    >>> bins = pd.DataFrame({"run": "a", "split": "train", "round": 0, "bin": [0, 1], "score": [0.0, 1.0], "gold": [0.1, 0.8]})
    >>> bins = bins.assign(least=bins["score"], greatest=bins["score"], low=0.0, high=0.9, count=40, problems=9, method="t")
    >>> [trace.y.tolist() for trace in fig_calibration(bins).data if trace.type == "bar"]
    [[40.0, 40.0]]
    """
    return calibration_sheet(x, split=split).figure()


def calibration_sheet(x: pd.DataFrame, *, split: str | None = None) -> Sheet:
    """What `fig_calibration` shows, not yet a plotly Figure. Raises SchemaError and KnobError as that does."""
    split = split_of(x, split, "train")
    has = set(getattr(x, "columns", ()))
    if has >= _BINS | {"count"}:
        return diagrams(read_bins(x, split), SCORES)
    if has >= _BINS | {"k", "left_out"}:
        table = read_bins(x, split)
        votes = {f"{k:g}" for k in table["k"].dropna()}
        words = VOTES._replace(score=f"share of {votes.pop()} votes") if len(votes) == 1 else VOTES
        return diagrams(table, words)
    if has >= NEEDED:
        return drift_sheet(x, split)
    if "metric" not in has:
        raise SchemaError(
            f"a metric table (siwork.measure), siwork.metrics.reliability_table or vote_table is needed, got {shape(x)}; "
            "siwork.measure(run) makes the first"
        )
    table = tidy(x)
    lines = Lines(table)
    ideas = [*_PANELS, *([_BRIER] if any(lines.known(metric, split) for metric in _BRIER.lines) else [])]
    return by_round(lines, series_of(table), [idea._replace(split=split) for idea in ideas])
