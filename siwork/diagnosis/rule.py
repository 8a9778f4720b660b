"""When a harm is beyond doubt: the rule that turns a series into a state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from siwork.diagnosis.series import FEWEST, Series

_POINTWISE = 0.95  # one-sided, for the onset and for `fine`
_HALF, _NEAR = 0.5, 0.8  # share of the bound from which a change, and a level, is watched


class Finding(NamedTuple):
    """What a series says."""

    state: str
    series: Series
    at: int  # place of the round that decides, −1 where nothing is known
    bound: float  # in the unit of the metric, positive
    since: int | None
    recovered: bool = False

    @property
    def size(self) -> float:
        """Harm in the deciding round as a share of the bound."""
        return float(self.series.harm[self.at] / self.bound) if self.at >= 0 and self.bound > 0 else -np.inf


def judge(series: Series, bound: float, error: float, signs: int) -> Finding:
    """The state of one sign after its last round.

    An alarm needs two things of the harm in some round. It is there beyond doubt: above 0 with a one-sided t limit at
    `error / (signs · j · (j + 1))` in the j-th round after the first; Σ 1/(j(j+1)) = 1, so over all rounds, however many come,
    and all signs of a run, noise alone oversteps in at most the share `error` of runs (Bonferroni; no independence is asked
    for). And it matters: its one-sided 95 % limit is beyond the bound. A level is held, in the first place, against 0.8 of its
    bound instead of 0. Half of the bound in that way, or the bound by an estimate that is above 0 at 95 %, is watched, and so
    is an alarm that has gone back below half the bound since.

    Parameters
    ----------
    series : harm by round
    bound : positive, as a share of the first value where the sign is relative
    error : chance of a false alarm in the whole run
    signs : how many signs share it, ≥ 1
    """
    bound = _own(series, bound)
    if not series.known:
        return Finding("unknown", series, -1, bound, None)
    h, part = series.harm, _part(series)
    last = int(np.flatnonzero(np.isfinite(h))[-1])
    alarms, watches = (np.flatnonzero(found) for found in _beyond(series, bound, error, signs))
    if len(alarms):
        recovered = not h[last] > part * bound
        at = int(alarms[-1]) if recovered else last
        state = "watch" if recovered else series.sign.worst
        return Finding(state, series, at, bound, _onset(series, bound, int(alarms[0])), recovered)
    if len(watches) and watches[-1] == last:
        return Finding("watch", series, last, bound, _onset(series, bound, int(watches[0])))
    return Finding("fine" if _excluded(series, bound, last) else "unknown", series, last, bound, None)


def alarmed_at(series: Series, bound: float, error: float, signs: int) -> int | None:
    """The first round at which `judge` would have alarmed, None for never."""
    over = np.flatnonzero(_beyond(series, _own(series, bound), error, signs)[0])
    return int(series.rounds[over[0]]) if len(over) else None


def _own(series: Series, bound: float) -> float:
    """The bound in the unit of the metric."""
    return bound * abs(series.first) if series.sign.relative and series.change else bound


def _part(series: Series) -> float:
    """From which share of the bound on harm is watched."""
    return _NEAR if series.sign.level else _HALF


def _beyond(series: Series, bound: float, error: float, signs: int) -> tuple[np.ndarray, np.ndarray]:
    """In which rounds the harm alarms, and in which it is to be watched, (rounds,) bool each."""
    h, nothing = series.harm, _NEAR * bound if series.sign.level else 0.0
    look = np.maximum(np.cumsum(np.isfinite(h)), 1.0)
    sure = h - _quantile(series.n, 1 - error / (signs * look * (look + 1.0))) * series.below
    likely = h - _quantile(series.n, _POINTWISE) * series.below
    there = sure > nothing
    by_estimate = (h > bound) & ((likely > nothing) | np.isnan(series.below))
    return there & (likely > bound), (there & (likely > _part(series) * bound)) | by_estimate


def _quantile(n: np.ndarray, p: np.ndarray | float) -> np.ndarray:
    return np.asarray(stdtrit(np.maximum(n - 1.0, 1.0), p))


def _excluded(series: Series, bound: float, at: int) -> bool:
    """Whether a harm as large as the bound can be excluded, or, without an interval, the estimate is a quarter of it."""
    if np.isfinite(series.above[at]):
        return bool(series.harm[at] + _quantile(series.n[at], _POINTWISE) * series.above[at] < bound)
    return bool(abs(series.harm[at]) < bound / 4 and series.n[at] >= FEWEST)


def _onset(series: Series, bound: float, at: int) -> int:
    """First round of the unbroken stretch before `at` in which there is harm: above 0 at 95 %, and a quarter of the bound; of
    a level, 0.8 of its bound.
    """
    h = series.harm
    error = np.where(np.isfinite(series.below), series.below, 0.0)
    there = (h - _quantile(series.n, _POINTWISE) * error > 0) & (h > bound / 4)
    if series.sign.level:
        there = h > _NEAR * bound
    begin = at
    while begin > 0 and there[begin - 1]:
        begin -= 1
    return int(series.rounds[begin])
