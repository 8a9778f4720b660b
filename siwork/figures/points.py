"""What a click on a mark tells: the `customdata` of every mark, from which `siwork.metrics.rows_behind` finds its rows.

A point is a plain dict: run, round, split and metric, and where they apply band, k, first (the round that is compared with),
kind (gained, lost, …), low and high (of the scores in a bin), share (of the problems). What is unknown is not in it.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

_WHOLE = ("round", "band", "k", "first")
_OF_METRIC = ("band", "k", "first", "kind")


def points(rows: pd.DataFrame, **about: Any) -> list[dict[str, Any]]:
    """One point a row of a table with run, round and split; `about` is the same for all, or holds a value a row.

    >>> rows = pd.DataFrame({"run": ["a"], "round": [2.0], "split": ["train"], "band": [float("nan")]})
    >>> points(rows, metric="ledger", kind="lost", band=rows["band"])
    [{'run': 'a', 'round': 2, 'split': 'train', 'metric': 'ledger', 'kind': 'lost'}]
    """
    given = {name: rows[name] for name in ("run", "round", "split")} | about
    columns = {name: _plain(name, each, len(rows)) for name, each in given.items()}
    lines = zip(*columns.values(), strict=True)
    return [{name: x for name, x in zip(columns, line, strict=True) if x is not None} for line in lines]


def of_metric(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The points of rows of a tidy metric table."""
    return points(rows, metric=rows["metric"], **{name: rows[name] for name in _OF_METRIC if name in rows})


def _plain(name: str, values: Any, size: int) -> list[Any]:
    """Values as plain Python types, None where unknown."""
    several = values.tolist() if isinstance(values, pd.Series) else [values] * size
    known = (None if x is None or x == "" or x != x else x for x in several)
    return [int(x) if name in _WHOLE and x is not None else x for x in known]
