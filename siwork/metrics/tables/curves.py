"""pass@k curves of rounds: the curve itself, where two cross, and what of a gain was within reach before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from siwork.metrics.intervals import checked_level, grouped_change, grouped_mean
from siwork.metrics.performance import crossover_interval, pass_at_k
from siwork.metrics.tables.places import KEYS, Pair, Place, pairs, table_of, tries
from siwork.metrics.uncertainty import bootstrap_weights, cluster_bootstrap
from siwork.schema.tables import REAL, TEXT, WHOLE

_EQUAL = 1e-12  # as in `performance.crossover_k`
_VALUE = {"value": REAL, "low": REAL, "high": REAL, "n": WHOLE}
_CROSSING = {
    **KEYS,
    "k": WHOLE,
    "low": REAL,
    "high": REAL,
    "reached": REAL,
    "largest_k": WHOLE,
    "problems": WHOLE,
    "left_out": WHOLE,
    "method": TEXT,
}
_CURVE = {"run": TEXT, "split": TEXT, "round": WHOLE, "k": WHOLE, **_VALUE, "method": TEXT}
_SPLIT = {**KEYS, "part": TEXT, **_VALUE, "share": REAL, "left_out": WHOLE, "method": TEXT}


def crossing(rows: Any, first: int = 0, level: float = 0.95, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """The smallest k at which a later round's pass@k falls below that of the first: reach paid for accuracy.

    Parameters
    ----------
    rows : row table or run; plain samples of known gold
    first : round that later ones are compared with
    level : coverage of the interval, between 0 and 1
    draws, seed : bootstrap resamples of problems and their seed

    Returns
    -------
    DataFrame, a row a (run, split, later round): k, null where the curves do not cross up to largest_k, the least number
    of samples of a common problem; low, high percentile interval, inf where it reaches beyond largest_k; reached, the share
    of resamples with a crossing; problems, left_out, method. Two rounds of one model cross too, by chance: about half the
    resamples do, so read `reached` and `high`, not k alone.

    Raises
    ------
    KnobError for a bad level or draws, a first round that is not there, or rounds without a common problem; SchemaError for
    a missing column.

    Source: Yue et al. 2025 (arXiv:2504.13837).

    >>> gold = [True, False] * 4 + [True, True] * 2 + [False] * 4
    >>> rows = pd.DataFrame({"run": "a", "split": "heldout", "round": [0] * 8 + [1] * 8, "problem": list("wwxxyyzz") * 2})
    >>> crossing(rows.assign(gold=gold))[["k", "largest_k", "problems"]].values.tolist()
    [[2, 2, 4]]
    """
    checked_level(level)
    return table_of((_crossed(pair, level, draws, seed) for pair in pairs(tries(rows), first)), _CROSSING)


def _crossed(pair: Pair, level: float, draws: int, seed: int) -> dict[str, Any]:
    if pair.reason:
        return pair.line()
    (n0, c0), (n1, c1) = pair.counts("n", "c"), pair.counts("n", "c", then=True)
    most = int(min(n0.min(), n1.min()))
    if (n0 == n1).all():
        k, low, high, reached = crossover_interval(n0, c0, c1, level, draws, seed)
    else:
        k, low, high, reached = _unequal(_change(n0, c0, n1, c1, most), level, draws, seed)
    words = f"pass@k of both rounds, k = 1..{most}; percentile bootstrap over problems"
    if np.isnan(k):
        words = f"not reached by k = {most}; {words}"
    ends = {"k": k, "low": low, "high": high, "reached": reached, "largest_k": most}
    return pair.line(**ends, method=pair.words(words))


def _change(n0: np.ndarray, c0: np.ndarray, n1: np.ndarray, c1: np.ndarray, most: int) -> np.ndarray:
    """pass@k of the later round − the first's, (problems, most)."""
    k = np.arange(1, most + 1)
    return np.asarray(pass_at_k(n1[:, None], c1[:, None], k) - pass_at_k(n0[:, None], c0[:, None], k))


def _unequal(change: np.ndarray, level: float, draws: int, seed: int) -> tuple[float, float, float, float]:
    """`crossover_interval` for rounds with other numbers of samples: each curve is unbiased at its own n."""
    at = float(_first_below(change.mean(axis=0)))
    k = at if np.isfinite(at) else float("nan")
    if len(change) < 2:
        return k, float("nan"), float("nan"), float("nan")
    star = _first_below(cluster_bootstrap(change, bootstrap_weights(len(change), draws, seed)) / len(change))
    low, high = np.quantile(star, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return k, float(low), float(high), float(np.isfinite(star).mean())


def _first_below(change: np.ndarray) -> np.ndarray:
    below = change < -_EQUAL
    return np.where(below.any(axis=-1), below.argmax(axis=-1) + 1.0, np.inf)


def pass_curve(rows: Any, level: float = 0.95) -> pd.DataFrame:
    """pass@k of every round for every k from 1 to the least number of samples a problem has in any round.

    Parameters
    ----------
    rows : row table or run; plain samples of known gold
    level : coverage of each interval by itself, between 0 and 1

    Returns
    -------
    DataFrame, a row a (run, split, round, k): value, low, high over problems as in `measure`, n problems,
    method.

    Raises
    ------
    KnobError for a bad level; SchemaError for a missing column.

    >>> rows = pd.DataFrame({"run": "a", "round": 0, "split": "train", "problem": list("xxyy"), "gold": [True, False] * 2})
    >>> pass_curve(rows)["value"].tolist()
    [0.5, 1.0]
    """
    checked_level(level)
    return table_of((line for place in tries(rows) for line in _curves(place, level)), _CURVE)


def _curves(place: Place, level: float) -> Iterator[dict[str, Any]]:
    n, c = (place.stats[name] for name in "nc")
    most = int(np.nanmin(np.where(n > 0, n, np.nan))) if (n > 0).any() else 0
    for t, r in enumerate(place.rounds):
        live = n[:, t] > 0
        of = np.tile(np.arange(most), int(live.sum()))
        k = np.arange(1, most + 1)
        values = pass_at_k(n[live, t].astype(int)[:, None], c[live, t].astype(int)[:, None], k)
        found = grouped_mean(np.ravel(values), of, most, level, (0.0, 1.0))
        keys = {"run": place.run, "split": place.split, "round": int(r)}
        for i in range(most):
            ends = {"value": found.value[i], "low": found.low[i], "high": found.high[i], "n": found.n[i]}
            words = str(found.kind[i]) if live.any() else "no sample with known gold in this round"
            yield keys | ends | {"k": i + 1, "method": words}


def gain_split(rows: Any, first: int = 0, level: float = 0.95) -> pd.DataFrame:
    """How much of the change in pass@1 lies in problems that were within reach before: compression or new capability.

    A problem is within reach when half of the first round's samples holds a right one. The value to compare with comes from
    the other half, and both ways are averaged by the size of that half. Were class and value taken from the same samples, an
    unchanged model would show a gain out of reach and a loss within it: regression to the mean.

    Parameters
    ----------
    rows : row table or run; plain samples of known gold
    first : round that later ones are compared with; problems with fewer than two samples in it leave
    level : coverage of the intervals, between 0 and 1

    Returns
    -------
    DataFrame, a row a (run, split, later round, part): part total, compression (within reach) or new; value, what the part
    adds to the change of pass@1, so compression + new = total; low, high over problems; n problems; share, the part's
    share of the problems; left_out, method. Mean 0 in each part for a model that did not change.

    Raises
    ------
    KnobError for a bad level, a first round that is not there, or rounds without a common problem; SchemaError for a
    missing column.

    Source: siwork's own; "reach" after Yue et al. 2025 (arXiv:2504.13837).

    >>> gold = [True, True, False, False] + [True, True, True, False]
    >>> rows = pd.DataFrame({"run": "a", "split": "heldout", "round": [0] * 4 + [1] * 4, "problem": list("xxyy") * 2})
    >>> gain_split(rows.assign(gold=gold))[["part", "value"]].values.tolist()
    [['total', 0.25], ['compression', 0.0], ['new', 0.25]]
    """
    checked_level(level)
    return table_of((line for pair in pairs(tries(rows), first) for line in _parts(pair, level)), _SPLIT)


def _parts(pair: Pair, level: float) -> Iterator[dict[str, Any]]:
    na, ca, nb, cb, n0 = pair.counts("na", "ca", "nb", "cb", "n")
    n1, c1 = pair.counts("n", "c", then=True)
    held = nb > 0
    na, ca, nb, cb, n0, n1, c1 = (x[held] for x in (na, ca, nb, cb, n0, n1, c1))
    out = pair.left_out + int((~held).sum())
    after = c1 / n1
    ways = [(ca > 0, nb / n0, after - cb / nb), (cb > 0, na / n0, after - ca / na)]  # class, weight, change
    within = sum(reach * weight for reach, weight, _ in ways)
    total = sum(weight * change for _, weight, change in ways)
    inside = sum(reach * weight * change for reach, weight, change in ways)
    shares = {"total": 1.0 + 0.0 * total, "compression": within, "new": 1.0 - within}
    for part, values in (("total", total), ("compression", inside), ("new", total - inside)):
        if not held.any():
            reason = pair.reason or f"one sample a problem in round {pair.first}; its samples are halved"
            yield pair.line(part=part, n=0, left_out=out, method=reason)
            continue
        found = grouped_change(values, np.zeros(len(values), np.int64), 1, level)
        ends = {name: getattr(found, name)[0] for name in _VALUE} | {"share": np.mean(shares[part])}
        halves = f"{na.min()}" if na.min() == na.max() else f"{na.min()}–{na.max()}"
        words = f"within reach: a right one among half the samples of round {pair.first} ({halves}), value by the other half"
        kind = str(found.kind[0]).split("; few")[0]
        yield pair.line(part=part, **ends, left_out=out, method=pair.words(f"{words}; {kind}"))
