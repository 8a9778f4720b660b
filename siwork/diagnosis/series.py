"""A sign over the rounds of one run: harm with its error, read off the metric table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from siwork.diagnosis.signs import Sign
from siwork.metrics.intervals import wilson

_PASS = re.compile(r"pass@(\d+)\Z")
_KEYS = ("value", "low", "high", "n", "round")
_NONE = "no problem differs"  # how the metric table says that all pairs are equal
FEWEST = 25  # problems from which a small change without an interval, or none in any of them, may count as none


class Series(NamedTuple):
    """Harm of one sign by round, arrays (rounds,); positive is worse."""

    sign: Sign
    metric: str  # as in the table
    split: str
    rounds: np.ndarray
    harm: np.ndarray  # in the unit of the metric
    below: np.ndarray  # standard error towards less harm, NaN unknown
    above: np.ndarray  # standard error towards more harm
    n: np.ndarray
    first: float  # value in the first round
    change: bool  # rounds are held against the first one
    rows: pd.DataFrame  # of the metric table, one a round
    reason: str = ""  # why nothing is known

    @property
    def known(self) -> bool:
        """Whether harm is known in any round."""
        return bool(np.isfinite(self.harm).any())


Index = dict[tuple[str, str], pd.DataFrame]  # (split, metric) → its rows by round


def indexed(own: pd.DataFrame) -> Index:
    """The rows of one run, without those by band, by split and metric, rounds rising."""
    parts = own.sort_values("round", kind="stable").groupby(["split", "metric"], sort=False)
    return {(str(split), str(metric)): rows for (split, metric), rows in parts}


def series_of(index: Index, sign: Sign, level: float) -> Series:
    """The sign in the rows of one run, on the first of its splits where it is known; `level` is that of the intervals."""
    found = [_on(index, sign, split, level) for split in sign.splits]
    return next((one for one in found if one.known), found[0])


def _on(index: Index, sign: Sign, split: str, level: float) -> Series:
    metric = f"pass@{draws(name for _, name in index) or 1}" if sign.metric == "pass@k" else sign.metric
    none = next(iter(index.values())).iloc[:0]
    levels = index.get((split, metric), none)
    first = float(levels["value"].iloc[0]) if len(levels) and pd.notna(levels["value"].iloc[0]) else np.nan
    if sign.level:
        return _made(sign, metric, split, _with_wilson(levels, level), first, level, False)
    changes = index.get((split, f"{metric}_change"), none)
    if changes["value"].notna().any():
        return _made(sign, metric, split, changes, first, level, True)
    return _made(sign, metric, split, _unpaired(levels), first, level, True)


def draws(metrics: Iterable[str]) -> int | None:
    """The largest k of the pass@k among names of metrics, None where there is none.

    >>> draws(["pass@1", "pass@8", "pass@16_change"])
    8
    """
    return max((int(match[1]) for name in metrics if (match := _PASS.match(name))), default=None)


def _with_wilson(levels: pd.DataFrame, level: float) -> pd.DataFrame:
    """Shares of problems, each of which counts or does not, with Wilson's interval where the table has none."""
    value, n = (levels[key].to_numpy(float, na_value=np.nan) for key in ("value", "n"))
    known = np.isfinite(value)
    low, high = wilson(np.where(known, value * n, 0.0), np.where(known, n, 0.0), level)
    bare = levels["low"].isna() & known
    return levels.assign(low=levels["low"].where(~bare, low), high=levels["high"].where(~bare, high))


def _unpaired(levels: pd.DataFrame) -> pd.DataFrame:
    """Later rounds less the first, errors added as if the two were independent, which for equal problems is too wide."""
    if len(levels) < 2:
        return levels.iloc[1:]
    v, low, high = (levels[key].to_numpy(float, na_value=np.nan) for key in ("value", "low", "high"))
    value = v[1:] - v[0]
    below, above = np.hypot(v[1:] - low[1:], high[0] - v[0]), np.hypot(high[1:] - v[1:], v[0] - low[0])
    n = np.minimum(levels["n"].to_numpy()[1:], levels["n"].to_numpy()[0])
    return levels.iloc[1:].assign(value=value, low=value - below, high=value + above, n=n)


def _made(sign: Sign, metric: str, split: str, rows: pd.DataFrame, first: float, level: float, change: bool) -> Series:
    value, low, high, n, rounds = (rows[key].to_numpy(float, na_value=np.nan) for key in _KEYS)
    if change and sign.relative and not first > sign.least:
        value = np.full(len(value), np.nan)
    down, up = _errors(rows, value, low, high, n, level)
    still = rows["method"].astype(str).str.contains(_NONE, regex=False).to_numpy(bool) & (value == 0) & change
    down, up = (np.where(still & (n >= FEWEST), 0.0, each) for each in (down, up))
    below, above = (down, up) if sign.worse > 0 else (up, down)
    reason = "" if np.isfinite(value).any() else _reason(rows, metric, split, first, sign)
    return Series(sign, metric, split, rounds, sign.worse * value, below, above, n, first, change, rows, reason)


def _errors(
    rows: pd.DataFrame, value: np.ndarray, low: np.ndarray, high: np.ndarray, n: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors below and above the value: the table's own, else read off its interval.

    Differences of equal rounds are symmetric, and against no change Student's t is then too careful, not too bold, however
    few problems differ (Efron 1969); so the error is used where the table gives no interval, too. Equal differences have
    none of their own, which is no certainty: there the table's bound on what the problems not seen may do takes its place.
    """
    t = np.abs(stdtrit(np.maximum(n - 1, 1), 0.5 + level / 2))
    down, up = (value - low) / t, (high - value) / t
    if "se" not in rows:
        return down, up
    own = rows["se"].to_numpy(float, na_value=np.nan)
    return np.where(own > 0, own, down), np.where(own > 0, own, up)


def _reason(rows: pd.DataFrame, metric: str, split: str, first: float, sign: Sign) -> str:
    if sign.relative and np.isfinite(first) and not first > sign.least:
        return f"{metric} was {first:.3g} in the first round, so there is nothing to lose"
    if len(rows) and rows["value"].isna().all():
        return f"{metric}: {rows['method'].iloc[-1]}"
    return f"{metric} was not measured in a second round of split {split}"
