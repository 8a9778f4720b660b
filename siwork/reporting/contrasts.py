"""What may be said of a difference between two sides: something only where nothing speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from siwork.metrics.catalogue import metric_of

WORSE, OTHER, BETTER, OPEN, UNKNOWN = range(5)  # what a difference says, in the order of a table
_STILL = "no problem differs"


def conclusion(metric: str, row: Mapping[str, Any], side: str = "B") -> tuple[int, str]:
    """What may be said: something only where the interval leaves out 0, and with several seeds all have that sign.

    Parameters
    ----------
    metric : name of the metric, whose meaning says which direction is better
    row : value, low, high, least, most, seeds and method of the difference, as `siwork.reporting.differences.pooled` has them
    side : what the words call the side that the other one is taken from

    Returns
    -------
    WORSE … UNKNOWN, and the words

    >>> conclusion("pass@1", {"value": 0.2, "low": 0.1, "high": 0.3, "least": 0.1, "most": 0.3, "seeds": 3, "method": ""})
    (2, 'B is higher: better')
    """
    value, low, high, least, most = (real(row, name) for name in ("value", "low", "high", "least", "most"))
    if np.isnan(value):
        return UNKNOWN, str(row["method"])
    if value == least == most == 0 and (row["seeds"] > 1 or _STILL in str(row["method"])):
        return OPEN, "the same" + (" in every seed" if row["seeds"] > 1 else ": no problem differs")
    up, down = low > 0 and least > 0, high < 0 and most < 0
    if row["seeds"] == 1:
        clear = "these two runs differ, but one seed says nothing of recipes: " if up or down else ""
        return OPEN, f"{clear}do not conclude"
    if not (up or down):
        return OPEN, "do not conclude"
    wanted = {"↑": 1, "↓": -1}.get(metric_of(metric).meaning[-1:], 0)
    says = OTHER if not wanted else BETTER if (wanted > 0) == up else WORSE
    words = {WORSE: ": worse", BETTER: ": better", OTHER: ""}[says]
    return says, f"{side} is {'higher' if up else 'lower'}{words}"


def real(row: Mapping[str, Any], name: str) -> float:
    """A number of a row, NaN for null."""
    return float("nan") if pd.isna(row[name]) else float(row[name])
