"""Limits of a functional of a whole group from what each problem adds to its error, by the rules of means."""

from __future__ import annotations

import numpy as np

from siwork.metrics.limits import REASONS, plain_limits, share_limits, spread_of


def linear_limits(
    value: float,
    parts: np.ndarray,
    level: float,
    span: tuple[float, float] = (0.0, 1.0),
    fewest: int = 5,
    skew: float = 0.25,
) -> tuple[float, float, str]:
    """Low and high (NaN where there are none) and the interval, or why there is none, in words.

    Parameters
    ----------
    value : the estimate
    parts : float array (problems,), influence of each problem on the value, sum 0
    level : coverage, between 0 and 1
    span : least and greatest possible value; a finite one gives the score interval of shares
    fewest : problems without which there is no interval
    skew : most skewness of the value that is let pass, without a finite span
    """
    if len(parts) < fewest:
        return float("nan"), float("nan"), f"no interval: fewer than {fewest} problems"
    least, most = span
    finite = bool(np.isfinite(most - least))
    width, start = (most - least, least) if finite else (1.0, 0.0)
    one, group = np.ones(1), np.zeros(len(parts), np.int64)
    spread = spread_of(np.array([(value - start) / width]), parts / width, one, group)
    with np.errstate(invalid="ignore"):
        low, high, why = share_limits(spread, np.zeros(1, bool), level) if finite else plain_limits(spread, level, skew)
    if why[0]:
        return float("nan"), float("nan"), REASONS[int(why[0])]
    kind = "score t, linearised over problems" if finite else "linearised t over problems"
    return start + width * float(low[0]), start + width * float(high[0]), kind
