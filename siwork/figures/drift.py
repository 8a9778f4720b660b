"""How a recalibration ages: what `fig_calibration` draws of `siwork.metrics.recalibration_drift`."""

from __future__ import annotations

import pandas as pd

from siwork.figures.rounds import Idea, by_round
from siwork.figures.sheet import Sheet
from siwork.figures.table import Lines, series_of, tidy
from siwork.schema import SchemaError

NEEDED = frozenset(
    {"run", "split", "first", "round", "map", "brier", "excess", "ece2", "temperature", "slope", "n", "method"}
)
_NUMBERS = ("brier", "excess", "ece2", "temperature", "slope", "offset")
_MAPS = {"own": "map of the round", "fixed": "map of the first round", "raw": "score as it is"}


def _lines(name: str, *maps: str) -> dict[str, str]:
    return {f"recal_{name}_{kind}": _MAPS[kind] for kind in maps}


_IDEAS = (
    Idea("Squared error of P(right) (Brier)", "mean (P − truth)²", _lines("brier", "own", "fixed", "raw")),
    Idea(
        "What an old map costs, and none",
        "Brier score − that of the round's own map",
        _lines("excess", "own", "fixed", "raw"),
        zero=True,
    ),
    Idea("Squared calibration error, debiased", "(P − share right)²", _lines("ece2", "own", "fixed", "raw"), zero=True),
)
_FITTED = (  # only where known
    Idea(
        "Temperature that each round needs",
        "T of the round's own map, 1 leaves the score",
        {"recal_temperature_own": ""},
    ),
    Idea(
        "Line that each round needs (Platt)",
        "of log-odds, 1 and 0 leave the score",
        {"recal_slope_own": "slope", "recal_offset_own": "offset"},
        zero=True,
    ),
)


def drift_sheet(x: pd.DataFrame, split: str) -> Sheet:
    """A panel a number over rounds, a line a map. Raises SchemaError for a table without a row."""
    table = tidy(_long(x))
    lines = Lines(table)
    ideas = [*_IDEAS, *(idea for idea in _FITTED if any(lines.known(metric, split) for metric in idea.lines))]
    return by_round(lines, series_of(table), [idea._replace(split=split) for idea in ideas])


def _long(x: pd.DataFrame) -> pd.DataFrame:
    """One line a number and map, as a metric table has them."""
    if not len(x):
        raise SchemaError("the table has no row, so there is no curve; measure a run with a finished round")
    keys = x[["run", "split", "first", "round", "n", "method"]]
    kind = x["map"].astype(str)
    parts = [
        keys.assign(metric=f"recal_{name}_" + kind, value=x[name], low=x[f"{name}_low"], high=x[f"{name}_high"])
        for name in _NUMBERS
    ]
    return pd.concat(parts, ignore_index=True)
