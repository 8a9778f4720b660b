"""The change of a metric between two groups that hold the same problems, for many pairs at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.catalogue.kinds import FEW, Metric, PerProblem, Ratio
from siwork.metrics.intervals import divide, grouped_change
from siwork.metrics.limits import REASONS, plain_limits, spread_of
from siwork.schema import BANDS, KnobError

_COUNT = 20.0  # effective number of problems that an interval of a ratio's change must rest on
Pairable = PerProblem | Ratio
STILL = "no problem differs"  # in `method` where every difference is 0


class Match(NamedTuple):
    """An earlier and a later group; their problems, those of either, in a row (P,)."""

    before: np.ndarray  # (P,) unit of the earlier groups, −1 where the earlier one lacks the problem
    after: np.ndarray  # (P,) unit of the later groups, −1 where the later one lacks it
    earlier: int  # place of the earlier group among all earlier ones
    later: int  # the same of the later group
    words: tuple[str, str]  # the earlier and the later group

    @classmethod
    def of(
        cls, at: np.ndarray, units: np.ndarray, first: slice, groups: tuple[int, int], words: tuple[str, str]
    ) -> Match:
        """From where each later unit stands among the earlier group's units `first`, −1 for those it lacks."""
        gone = np.ones(first.stop - first.start, bool)
        gone[at[at >= 0]] = False
        before = np.r_[np.where(at < 0, -1, at + first.start), np.flatnonzero(gone) + first.start]
        return cls(before, np.r_[units, np.full(int(gone.sum()), -1)], *groups, words)


class Pairing(NamedTuple):
    """Pairs of an earlier and a later group; their problems, those of either, stand in a row, pair by pair."""

    before: np.ndarray  # (P,) unit of the earlier groups, −1 where the earlier one lacks the problem
    after: np.ndarray  # (P,) unit of the later groups, −1 where the later one lacks it
    pair: np.ndarray  # (P,) which pair
    earlier: np.ndarray  # (pairs,) place of the earlier group among all earlier ones
    later: np.ndarray  # (pairs,) the same of the later group
    words: list[tuple[str, str]]  # (pairs,) the earlier and the later group in words

    def number(self, mask: np.ndarray) -> np.ndarray:
        """Problems of each pair where the mask (P,) holds, (pairs,)."""
        return np.bincount(self.pair[mask], minlength=len(self.words))

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum of values (P,) over the problems of each pair, NaN left out, (pairs,)."""
        return np.bincount(self.pair, np.where(np.isnan(values), 0.0, values), len(self.words))

    def both(self, before: np.ndarray, after: np.ndarray, lacking: Any = np.nan) -> tuple[np.ndarray, np.ndarray]:
        """Values of the units of the earlier and of the later groups by problem, (P,) each."""
        return _taken(before, self.before, lacking), _taken(after, self.after, lacking)

    @classmethod
    def of(cls, matches: list[Match]) -> Pairing:
        """The pairs, one a match, of which there is at least one."""
        pair = np.repeat(np.arange(len(matches)), [len(match.before) for match in matches])
        before, after = (np.concatenate(sides) for sides in zip(*((m.before, m.after) for m in matches), strict=True))
        earlier, later = (np.array(each) for each in zip(*((m.earlier, m.later) for m in matches), strict=True))
        return cls(before, after, pair, earlier, later, [match.words for match in matches])


def _taken(values: np.ndarray, units: np.ndarray, lacking: Any) -> np.ndarray:
    return np.where(units < 0, lacking, np.r_[values, lacking][units])


class Changes(NamedTuple):
    """Later − earlier, arrays (pairs,)."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    method: list[str]
    k: np.ndarray
    se: np.ndarray  # standard error over problems, also where there is no interval


def with_reasons(reasons: list[str], known: Changes) -> Changes:
    """The changes of all pairs: known ones in order where there is no reason, elsewhere null with the reason."""
    there = np.flatnonzero([not why for why in reasons])
    method = list(reasons)
    for i, words in zip(there.tolist(), known.method, strict=True):
        method[i] = words
    value, low, high, k, se = (_scattered(each, there, len(reasons), np.nan) for each in (*known[:3], *known[5:]))
    return Changes(value, low, high, _scattered(known.n, there, len(reasons), 0), method, k, se)


def _scattered(values: np.ndarray, places: np.ndarray, size: int, lacking: float) -> np.ndarray:
    out = np.full(size, lacking, values.dtype)
    out[places] = values
    return out


NONE = Changes(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64), [], np.zeros(0), np.zeros(0))


def banded(metric: Metric, made: Any) -> list[tuple[float, Any]]:
    """A metric as it was made, with its band: five where it is by band, else one with NaN."""
    bands = [float(band) for band in BANDS] if metric.banded else [float("nan")]
    several = made if isinstance(made, list) else [made] * len(bands)
    return list(zip(bands, several, strict=True))


def table_of(found: Changes, places: pd.DataFrame, band: float) -> pd.DataFrame:
    """Changes with the run, round and split of each pair."""
    columns = {name: getattr(found, name) for name in ("value", "low", "high", "n", "method", "k", "se")}
    return pd.concat([places.reset_index(drop=True), pd.DataFrame({**columns, "band": band})], axis=1)


def pairable(metric: str, made: Any) -> Pairable:
    """The metric itself. Raises KnobError when it is neither a mean nor a ratio over problems."""
    if isinstance(made, PerProblem) or (isinstance(made, Ratio) and made.shape is None):
        return made
    raise KnobError(
        f"{metric!r} is neither a mean nor a ratio over problems, so it cannot be paired by problem; "
        "measure both rounds, and over several runs take over_seeds"
    )


def changed(pairing: Pairing, earlier: Any, later: Any, metric: str, level: float) -> Changes:
    """The change of each pair: paired t over problems of a mean, the linearised difference of a ratio.

    Raises KnobError for a metric that is neither a mean nor a ratio over problems.
    """
    first, last = pairable(metric, earlier), pairable(metric, later)
    with np.errstate(over="ignore", invalid="ignore"):  # differences of infinite values, squares of those above 1e154
        if isinstance(first, PerProblem) and isinstance(last, PerProblem):
            return _means(pairing, first, last, level)
        assert isinstance(first, Ratio)
        assert isinstance(last, Ratio)
        return _ratios(pairing, first, last, level)


def _means(pairing: Pairing, earlier: PerProblem, later: PerProblem, level: float) -> Changes:
    x, y = pairing.both(earlier.value, later.value)
    change = y - x
    known = ~np.isnan(change)
    found = _grouped(change[known], pairing.pair[known], _widths(pairing, earlier, later), level)
    n = pairing.number(known)
    still = (n > 0) & (pairing.number(known & (change != 0)) == 0)
    short = np.maximum(*(pairing.number(each) for each in pairing.both(_short(earlier), _short(later), False)))
    one, two = pairing.both(_among(earlier), _among(later), False)
    problems = pairing.number(one | two)
    k = np.full(len(n), np.nan) if later.k is None else later.k[pairing.later].astype(float)
    bounded = np.isfinite(found[1])
    method = [
        _short_words(later, short[p], k[p])
        if short[p]
        else _mean_words(later, n[p], problems[p], bounded[p], still[p], pairing.words[p], k[p])
        for p in range(len(n))
    ]
    se = _errors(change[known], pairing.pair[known], len(n))
    value, low, high, se = (np.where(short > 0, np.nan, each) for each in (*found, se))
    return Changes(value, low, high, np.where(short > 0, 0, n), method, k, se)


def _errors(change: np.ndarray, pair: np.ndarray, pairs: int) -> np.ndarray:
    """Standard error of the mean of each pair, (pairs,), NaN for fewer than two problems."""
    n = np.bincount(pair, minlength=pairs)
    mean = divide(np.bincount(pair, change, pairs), n)
    return np.sqrt(divide(np.bincount(pair, (change - mean[pair]) ** 2, pairs), (n - 1.0) * n))


def _short(per: PerProblem) -> np.ndarray:
    return np.zeros(len(per.value), bool) if per.short is None else per.short


def _among(per: PerProblem) -> np.ndarray:
    return np.ones(len(per.value), bool) if per.among is None else per.among


def _widths(pairing: Pairing, earlier: PerProblem, later: PerProblem) -> np.ndarray:
    """How far the values of both groups of a pair can lie apart, (pairs,)."""
    ends = [
        np.broadcast_to(np.asarray(end, float), group.shape) if np.ndim(end) == 0 else np.asarray(end, float)[group]
        for sides, group in ((earlier, pairing.earlier), (later, pairing.later))
        for end in sides.span
    ]
    least, most = np.minimum(ends[0], ends[2]), np.maximum(ends[1], ends[3])
    return np.where(most > least, most - least, 0.0)


def _grouped(change: np.ndarray, pair: np.ndarray, widths: np.ndarray, level: float) -> list[np.ndarray]:
    """Value, low and high of each pair, (pairs,) each, by `grouped_change` within ± its width."""
    out = [np.full(len(widths), np.nan) for _ in range(3)]
    for width in np.unique(widths):
        mine = widths == width
        own, code = mine[pair], np.cumsum(mine) - 1
        found = grouped_change(change[own], code[pair[own]], int(mine.sum()), level, (-width, width))
        for all_, each in zip(out, found[:3], strict=True):
            all_[mine] = each
    return out


def _short_words(per: PerProblem, short: int, k: float) -> str:
    return f"{short} problems have fewer than k={k:.0f} {per.drawn}; ask for a smaller k"


def _mean_words(
    per: PerProblem, n: int, problems: int, bounded: bool, still: bool, words: tuple[str, str], k: float
) -> str:
    lacking = per.lacking.format(k=f"{k:.0f}")
    if not n:
        return f"no problem has a value in both: {lacking} is needed"
    if still:
        kind = f"{STILL}, Wilson bound" if bounded else f"no interval: {STILL}"
    else:
        kind = "paired t over problems" if bounded else "no interval: too few pairs differ"
    told = f"{words[1]} − {words[0]}, {per.how.format(k=f'{k:.0f}')}; {kind}"
    if n < problems:
        told += f"; {problems - n} of {problems} problems left out for lack of {lacking} in both"
    return told + ("; few_problems" if n < 10 else "")


def _ratios(pairing: Pairing, earlier: Ratio, later: Ratio, level: float) -> Changes:
    """θ₁ − θ₀ with the influence of each problem on both: what is paired stays paired."""
    parts, wholes = pairing.both(earlier.part, later.part), pairing.both(earlier.whole, later.whole)
    totals = [pairing.sum(whole) for whole in wholes]
    seen = np.minimum(*totals) > 0
    values = [divide(pairing.sum(part), total) for part, total in zip(parts, totals, strict=True)]
    pulls = [
        np.nan_to_num(part - value[pairing.pair] * whole) / np.where(total > 0, total, 1.0)[pairing.pair]
        for part, whole, value, total in zip(parts, wholes, values, totals, strict=True)
    ]
    among = np.nansum(wholes, axis=0) > 0
    influence, n, change = np.where(among, pulls[1] - pulls[0], 0.0), pairing.number(among), values[1] - values[0]
    spread = spread_of(change, influence[among], np.ones(len(n)), pairing.pair[among])
    low, high, why = plain_limits(spread, level)
    effective = pairing.sum(np.abs(influence)) ** 2 / np.maximum(pairing.sum(influence**2), 1e-300)
    still = (change == 0) & (pairing.number(influence != 0) == 0)
    few, reasons = "no interval: too few problems differ", np.array(REASONS, object)[why]
    wrong = [still, n < FEW, why > 0, effective < _COUNT]
    kind = np.select(wrong, [f"no interval: {STILL}", f"no interval: fewer than {FEW} problems", reasons, few], "")
    width, bare = later.span[1] - later.span[0], np.any(wrong, axis=0) | ~seen
    low, high = (np.where(bare, np.nan, each) for each in (np.maximum(low, -width), np.minimum(high, width)))
    alone, either = (
        pairing.number((pairing.before < 0) | (pairing.after < 0)),
        np.bincount(pairing.pair, minlength=len(n)),
    )
    method = [
        _ratio_words(later, pairing.words[p], n[p], alone[p], either[p], str(kind[p])) if seen[p] else _lacking(later)
        for p in range(len(n))
    ]
    none = np.full(len(n), np.nan)
    se = np.where(seen, spread.se, np.nan)
    return Changes(np.where(seen, change, np.nan), low, high, np.where(seen, n, 0), method, none, se)


def _lacking(made: Ratio) -> str:
    return f"one of the two has no row that has {made.lacking}"


def _ratio_words(made: Ratio, words: tuple[str, str], n: int, alone: int, either: int, kind: str) -> str:
    told = f"{words[1]} − {words[0]}, {made.how}; " + (kind or "linearised t over problems, paired")
    told += f"; {alone} of {either} problems in one of the two only" if alone else ""
    return told + ("; few_problems" if n < 10 else "")
