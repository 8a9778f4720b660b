"""The ledger: which problems a later round solves that the first did not, and the other way round, beside chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from siwork.metrics.draws import none_drawn
from siwork.metrics.intervals import checked_level, grouped_change, wilson
from siwork.metrics.performance import pass_at_k
from siwork.metrics.tables.places import KEYS, Pair, interval_columns, pairs, table_of, tries, typed
from siwork.metrics.tail import transitions
from siwork.metrics.uncertainty import mcnemar
from siwork.schema.tables import REAL, TEXT, WHOLE

_COUNTS = ("gained", "lost", "kept", "never")
_NULL = ("expected_gained", "expected_lost", "excess_gained", "excess_lost", "p_gained", "p_lost")
_COLUMNS = {
    **KEYS,
    "problems": WHOLE,
    "left_out": WHOLE,
    **dict.fromkeys(_COUNTS, WHOLE),
    **dict.fromkeys(_NULL, REAL),
    "mcnemar_p": REAL,
    "net": REAL,
    "low": REAL,
    "high": REAL,
    "selection": WHOLE,
    "acquisition": WHOLE,
    "expected_selection": REAL,
    "expected_acquisition": REAL,
    **interval_columns("selection_share"),
    "method": TEXT,
}
_PROBLEM = {
    **KEYS,
    "problem": TEXT,
    "n0": WHOLE,
    "c0": WHOLE,
    "n1": WHOLE,
    "c1": WHOLE,
    "state": TEXT,
    "method": TEXT,
}
_STATES = np.array(["never", "gained", "lost", "kept"], dtype=object)


def ledger(rows: Any, first: int = 0, last: int | None = None, level: float = 0.95) -> pd.DataFrame:
    """Problems gained, lost, kept and never solved since a round, beside what an unchanged model would show.

    Solved is a right one among a problem's plain samples of known gold. An unchanged model gains and loses too (6.8 % of
    its problems each, in one case with 8 samples), so read `excess` and `p`, not the counts.

    Parameters
    ----------
    rows : row table or run
    first, last : rounds; last None compares every later round with the first, a row a round
    level : coverage of the intervals, between 0 and 1

    Returns
    -------
    DataFrame, a row a (run, split, round):
    problems, left_out : common problems, and those that one of the two rounds lacks
    gained, lost, kept, never : counts; expected_, excess_ and p_ of gained and lost as in `tail.transitions`
    mcnemar_p : exact, that as many are gained as lost; null where a problem has other numbers of samples in the two rounds
    net, low, high : (gained − lost)/problems, score interval of paired shares; with unequal samples of a problem the
        expectation over draws of the smaller number, which drops no row, and an interval over problems
    selection, acquisition : gained by the first half of either round's samples, and solved or not by the first round's
        second half: the model could do it before, or did not show it. expected_ : what no change would give of each.
        selection_share : selection / both, Wilson. Null without a second half
    method : how, or why a row is null

    Raises
    ------
    KnobError for a bad level, a round that is not there, or rounds without a common problem; SchemaError for a missing
    column.

    Source: Wu et al. 2024 (arXiv:2407.05013) ask the base model for the gained problems; the halves and nulls are ours.

    >>> rows = pd.DataFrame({"run": "a", "round": [0, 0, 1, 1], "split": "train", "problem": list("xyxy")})
    >>> ledger(rows.assign(gold=[False, True, True, True]))[["gained", "kept", "expected_gained"]].values.tolist()
    [[1, 1, 0.5]]
    """
    checked_level(level)
    return table_of((_entry(pair, level) for pair in pairs(tries(rows), first, last)), _COLUMNS)


def _entry(pair: Pair, level: float) -> dict[str, Any]:
    if pair.reason:
        return pair.line()
    (n0, c0), (n1, c1) = pair.counts("n", "c"), pair.counts("n", "c", then=True)
    found = transitions(n0, c0, n1, c1)._asdict()
    net, words = _net(n0, c0, n1, c1, level)
    odd = int((n0 != n1).sum())
    p = np.nan if odd else mcnemar(found["gained"], found["lost"])
    if odd:
        words += f", at the smaller number of samples of {odd} problems with unequal ones, so no McNemar"
    halves, more = _halves(pair, level)
    values = {name: found[name] for name in (*_COUNTS, *_NULL)}
    ends = dict(zip(("net", "low", "high"), net, strict=True)) | {"mcnemar_p": p}
    words = f"solved: a right sample; null: samples of a problem exchangeable; net: {words}"
    return pair.line(**values, **ends, **halves, method=pair.words(words + more))


def _net(
    n0: np.ndarray, c0: np.ndarray, n1: np.ndarray, c1: np.ndarray, level: float
) -> tuple[tuple[float, float, float], str]:
    """(gained − lost)/problems with its interval, and words; at the smaller number of samples of each problem."""
    if (n0 == n1).all():
        gained, lost = int(((c0 == 0) & (c1 > 0)).sum()), int(((c0 > 0) & (c1 == 0)).sum())
        return (
            (gained - lost) / len(n0),
            *paired_score(gained, lost, len(n0), level),
        ), "score interval of paired shares"
    least = np.minimum(n0, n1)
    change = pass_at_k(n1, c1, least) - pass_at_k(n0, c0, least)
    found = grouped_change(change, np.zeros(len(change), np.int64), 1, level)
    return (float(found.value[0]), float(found.low[0]), float(found.high[0])), str(found.kind[0]).split("; few")[0]


def paired_score(gained: int, lost: int, problems: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of (gained − lost)/problems, the difference of two shares on the same 0/1 units.

    Parameters
    ----------
    gained, lost, problems : counts, gained + lost ≤ problems
    level : coverage, between 0 and 1

    Returns
    -------
    low, high : floats in [−1, 1], also where nothing changed; NaN without problems.

    Raises
    ------
    KnobError for a level outside (0, 1).

    Source: Tango 1998; the ends by bisection.

    >>> low, high = paired_score(12, 2, 50)
    >>> round(low, 4), round(high, 4)
    (0.0611, 0.3447)
    """
    z = float(ndtri(0.5 + checked_level(level) / 2))
    if not problems:
        return float("nan"), float("nan")
    middle = (gained - lost) / problems

    def excess(delta: float) -> float:
        b = -gained - lost + (2 * problems - gained + lost) * delta
        q = (np.sqrt(b * b + 8 * problems * lost * delta * (1 - delta)) - b) / (4 * problems)
        return float(problems * abs(middle - delta) - z * np.sqrt(max(problems * (2 * q + delta * (1 - delta)), 0.0)))

    ends = []
    for out in (-1.0, 1.0):
        inside = middle
        for _ in range(60):
            half = (inside + out) / 2
            inside, out = (half, out) if excess(half) <= 0 else (inside, half)
        ends.append(out)
    return ends[0], ends[1]


def _halves(pair: Pair, level: float) -> tuple[dict[str, float], str]:
    """Gained by first halves: solved by the held-out half of the first round or not, with the exact null; and words."""
    na, ca, nb, cb, n0, c0 = pair.counts("na", "ca", "nb", "cb", "n", "c")
    n1, c1, m, right = pair.counts("n", "c", "na", "ca", then=True)
    held = nb > 0
    if not held.any():
        return {}, "; one sample a problem, so no held-out half for selection"
    na, ca, nb, cb, n0, c0, n1, c1, m, right = (x[held] for x in (na, ca, nb, cb, n0, c0, n1, c1, m, right))
    gained = (ca == 0) & (right > 0)
    selected, acquired = int((gained & (cb > 0)).sum()), int((gained & (cb == 0)).sum())
    both, size = c0 + c1, n0 + n1
    not_a, not_0, not_am, not_0m = (none_drawn(size, both, k) for k in (na, n0, na + m, n0 + m))
    low, high = wilson(selected, selected + acquired, level)
    values = {
        "selection": selected,
        "acquisition": acquired,
        "expected_selection": float((not_a - not_0 - not_am + not_0m).sum()),
        "expected_acquisition": float((not_0 - not_0m).sum()),
        "selection_share": selected / (selected + acquired) if gained.any() else np.nan,
        "selection_share_low": float(low),
        "selection_share_high": float(high),
    }
    alone = int((~held).sum())
    return values, f"; {alone} problems with one sample left out of selection" if alone else ""


def ledger_problems(rows: Any, first: int = 0, last: int | None = None) -> pd.DataFrame:
    """The problems behind `ledger`, one row a problem.

    Parameters
    ----------
    rows : row table or run
    first, last : rounds; last None is the last round of each (run, split)

    Returns
    -------
    DataFrame, a row a (run, split, problem): n0, c0, n1, c1 samples and right ones of the two rounds, state never, gained,
    lost or kept; null, with the reason in `method`, where a round lacks the problem or its truth.

    Raises
    ------
    As `ledger`.

    >>> rows = pd.DataFrame({"run": "a", "round": [0, 0, 1, 1], "split": "train", "problem": list("xyxy")})
    >>> ledger_problems(rows.assign(gold=[False, True] * 2))["state"].tolist()
    ['never', 'kept']
    """
    found = tries(rows)
    ends = {(pair.place.run, pair.place.split): pair for pair in pairs(found, first, last)}
    parts = [_problems(pair) for pair in ends.values()]
    return typed(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_PROBLEM)), _PROBLEM)


def _problems(pair: Pair) -> pd.DataFrame:
    place = pair.place
    sides = {f"{name}{i}": place.column(name, r) for i, r in enumerate((pair.first, pair.round)) for name in "nc"}
    there = ~(np.isnan(sides["n0"]) & np.isnan(sides["n1"]))
    state = _STATES[2 * (np.nan_to_num(sides["c0"]) > 0) + (np.nan_to_num(sides["c1"]) > 0)]
    lacking = np.where(np.nan_to_num(sides["n0"]) > 0, pair.round, pair.first)
    why = "no sample with known gold in round " + pd.Series(lacking).astype(str).to_numpy(object)
    table = pd.DataFrame(
        {
            "run": place.run,
            "split": place.split,
            "first": pair.first,
            "round": pair.round,
            "problem": place.problems,
            **sides,
            "state": np.where(pair.common, state, None),
            "method": np.where(pair.common, "solved: a right sample", why),
        }
    )
    return table[there]
