"""A sign over the rounds of one run: harm with its error, read off the metric table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from siwork.diagnosis.signs import Sign
from siwork.metrics.intervals import wilson

_PASS = re.compile(r"pass@(\d+)\Z")
_KEYS = ("value", "low", "high", "n", "round", "se")
_NONE = "no problem differs"  # how the metric table says that all pairs are equal
FEWEST = 25  # problems from which a small change without an interval, or none in any of them, may count as none


class Rows(NamedTuple):
    """Rows of a metric table, one a round, and their numbers, arrays (rounds,), NaN where unknown."""

    frame: Callable[[], pd.DataFrame]
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    round: np.ndarray
    se: np.ndarray
    still: np.ndarray  # bool: all pairs are equal


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
    frame: Callable[[], pd.DataFrame]  # `rows`
    reason: str = ""  # why nothing is known

    @property
    def known(self) -> bool:
        """Whether harm is known in any round."""
        return bool(np.isfinite(self.harm).any())

    @property
    def rows(self) -> pd.DataFrame:
        """Of the metric table, one a round."""
        return self.frame()


class Index:
    """The rows of one run, without those by band, by split and metric, rounds rising."""

    def __init__(self, own: pd.DataFrame) -> None:
        self._table = own.sort_values("round", kind="stable")
        self._places: dict[Any, Any] = self._table.groupby(["split", "metric"], sort=False).indices
        lacking = np.full(len(own), np.nan)
        self._numbers = [
            self._table[key].to_numpy(float, na_value=np.nan) if key in self._table else lacking for key in _KEYS
        ]
        self._still = self._table["method"].astype(str).str.contains(_NONE, regex=False).to_numpy(bool)
        self.draws = draws(own["metric"].unique()) or 1

    def of(self, split: str, metric: str) -> Rows:
        """The rows of one metric on one split, none where it was not measured."""
        at = self._places.get((split, metric), np.zeros(0, np.int64))
        frame = cache(lambda: self._table.iloc[at])
        return Rows._make([frame, *(each[at] for each in self._numbers), self._still[at]])


def series_of(index: Index, sign: Sign, level: float) -> Series:
    """The sign in the rows of one run, on the first of its splits where it is known; `level` is that of the intervals."""
    found = [_on(index, sign, split, level) for split in sign.splits]
    return next((one for one in found if one.known), found[0])


def _on(index: Index, sign: Sign, split: str, level: float) -> Series:
    metric = f"pass@{index.draws}" if sign.metric == "pass@k" else sign.metric
    levels = index.of(split, metric)
    first = float(levels.value[0]) if len(levels.value) else np.nan
    if sign.level:
        return _made(sign, metric, split, _with_wilson(levels, level), first, level, False)
    changes = index.of(split, f"{metric}_change")
    if not np.isnan(changes.value).all():
        return _made(sign, metric, split, changes, first, level, True)
    return _made(sign, metric, split, _unpaired(levels), first, level, True)


def draws(metrics: Iterable[str]) -> int | None:
    """The largest k of the pass@k among names of metrics, None where there is none.

    >>> draws(["pass@1", "pass@8", "pass@16_change"])
    8
    """
    return max((int(match[1]) for name in metrics if (match := _PASS.match(name))), default=None)


def _with_wilson(levels: Rows, level: float) -> Rows:
    """Shares of problems, each of which counts or does not, with Wilson's interval where the table has none."""
    known = np.isfinite(levels.value)
    low, high = wilson(np.where(known, levels.value * levels.n, 0.0), np.where(known, levels.n, 0.0), level)
    bare = np.isnan(levels.low) & known

    def frame() -> pd.DataFrame:
        rows = levels.frame()
        return rows.assign(low=rows["low"].where(~bare, low), high=rows["high"].where(~bare, high))

    ends = {"low": np.where(bare, low, levels.low), "high": np.where(bare, high, levels.high)}
    return levels._replace(frame=cache(frame), **ends)


def _unpaired(levels: Rows) -> Rows:
    """Later rounds less the first, errors added as if the two were independent, which for equal problems is too wide."""
    later = Rows._make([cache(lambda: levels.frame().iloc[1:]), *(each[1:] for each in levels[1:])])
    if len(levels.value) < 2:
        return later
    v, low, high = levels.value, levels.low, levels.high
    value = v[1:] - v[0]
    below, above = np.hypot(v[1:] - low[1:], high[0] - v[0]), np.hypot(high[1:] - v[1:], v[0] - low[0])
    n = np.minimum(later.n, levels.n[0])
    own: dict[str, Any] = {"value": value, "low": value - below, "high": value + above, "n": n}
    frame = cache(lambda: later.frame().assign(**{**own, "n": n.astype(np.int64)}))
    return later._replace(frame=frame, **own)


def _made(sign: Sign, metric: str, split: str, rows: Rows, first: float, level: float, change: bool) -> Series:
    value, n = rows.value, rows.n
    if change and sign.relative and not first > sign.least:
        value = np.full(len(value), np.nan)
    down, up = _errors(rows, value, level)
    still = rows.still & (value == 0) & change
    down, up = (np.where(still & (n >= FEWEST), 0.0, each) for each in (down, up))
    below, above = (down, up) if sign.worse > 0 else (up, down)
    reason = "" if np.isfinite(value).any() else _reason(rows, metric, split, first, sign)
    return Series(
        sign, metric, split, rows.round, sign.worse * value, below, above, n, first, change, rows.frame, reason
    )


def _errors(rows: Rows, value: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors below and above the value: the table's own, else read off its interval.

    Differences of equal rounds are symmetric, and against no change Student's t is then too careful, not too bold, however
    few problems differ (Efron 1969); so the error is used where the table gives no interval, too. Equal differences have
    none of their own, which is no certainty: there the table's bound on what the problems not seen may do takes its place.
    """
    t = np.abs(stdtrit(np.maximum(rows.n - 1, 1), 0.5 + level / 2))
    down, up = (value - rows.low) / t, (rows.high - value) / t
    return np.where(rows.se > 0, rows.se, down), np.where(rows.se > 0, rows.se, up)


def _reason(rows: Rows, metric: str, split: str, first: float, sign: Sign) -> str:
    if sign.relative and np.isfinite(first) and not first > sign.least:
        return f"{metric} was {first:.3g} in the first round, so there is nothing to lose"
    if len(rows.value) and np.isnan(rows.value).all():
        return f"{metric}: {rows.frame()['method'].iloc[-1]}"
    return f"{metric} was not measured in a second round of split {split}"
