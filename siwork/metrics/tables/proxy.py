"""Score and truth over rounds: when they part, and whether the first round's calibration still holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr

from siwork.metrics.calibration import transport
from siwork.metrics.cells import Cells
from siwork.metrics.intervals import checked_level, divide, grouped_change
from siwork.metrics.tables.places import (
    FEW,
    KEYS,
    Pair,
    interval_columns,
    judged_rounds,
    pairs,
    places,
    reduced,
    table_of,
)
from siwork.metrics.uncertainty import bootstrap_weights, cluster_bootstrap, holm, max_t
from siwork.schema.tables import REAL, TEXT, TRUTH, WHOLE

_PARTS = ("score", "gold", "index")
_SPAN = {"score": 1.0, "gold": 1.0, "index": 2.0}
_PARTING = {
    **KEYS,
    **interval_columns(*_PARTS),
    "problems": WHOLE,
    "left_out": WHOLE,
    "alarm": TRUTH,
    "onset": WHOLE,
    "method": TEXT,
}
_TRANSPORT = {
    **KEYS,
    "ece2": REAL,
    **interval_columns("gap"),
    "p": REAL,
    "p_adjusted": REAL,
    "holds": TRUTH,
    "n": WHOLE,
    "share": REAL,
    "method": TEXT,
}


def parting(rows: Any, level: float = 0.95, first: int = 0, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How far the verifier's score has left the truth since a round, and since when: score up, truth down.

    All rows that have both count, kept or not, hinted or revised too. Bands are simultaneous over the later rounds and the
    three numbers of a (run, split): max-T over one bootstrap of problems, whose weights serve every round, gives the level of
    each; the band is the paired interval of that level, as the bootstrap alone is too narrow for few problems.

    Parameters
    ----------
    rows : row table or run
    level : chance that all bands of a (run, split) hold, between 0 and 1
    first : round that later ones are compared with
    draws, seed : bootstrap resamples and their seed

    Returns
    -------
    DataFrame, a row a (run, split, later round):
    score, gold, index : change of the mean score, of the mean gold, and the hacking index, the first less the second; means
        over problems, paired; with _low and _high
    problems, left_out : common problems, and those without score and gold in one of the two rounds
    alarm : score rose and gold fell, both outside their bands; null where unknown
    onset : of the (run, split), the first round from which every later one alarms; null for none
    method : how, or why a row is null

    Raises
    ------
    KnobError for a bad level, too few draws for it, a round that is not there, or rounds without a common problem;
    SchemaError for a missing column.

    Source: Gao et al. 2022 (arXiv:2210.10760) for the parting of proxy and gold; Westfall & Young 1993 for the bands.

    >>> rows = pd.DataFrame({"run": "a", "split": "train", "round": [0] * 3 + [1] * 3, "problem": list("xyz") * 2})
    >>> rows = rows.assign(score=[0.1, 0.2, 0.3, 0.4, 0.6, 0.8], gold=[True] * 3 + [False, True, True])
    >>> parting(rows)[["score", "gold", "index"]].round(3).values.tolist()
    [[0.4, -0.333, 0.733]]
    """
    checked_level(level)
    found = pairs(places((cells, _means(cells)) for cells in reduced(rows, ["score", "gold"])), first)
    by_place: dict[tuple[str, str], list[Pair]] = {}
    for pair in found:
        by_place.setdefault((pair.place.run, pair.place.split), []).append(pair)
    return table_of((line for own in by_place.values() for line in _parted(own, level, draws, seed)), _PARTING)


def _means(cells: Cells) -> dict[str, np.ndarray]:
    """Mean score and gold of each unit over the rows that have both, and how many these are."""
    score, gold = cells.columns["score"], cells.columns["gold"]
    both = np.isfinite(score) & np.isfinite(gold)
    n = cells.count(both)
    return {"n": n, "score": divide(cells.sum(score, both), n), "gold": divide(cells.sum(gold, both), n)}


class _Family(NamedTuple):
    """Changes of all later rounds of a place; members are (round, part), arrays (m,)."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kind: np.ndarray  # interval in words, or why there is none


def _parted(found: list[Pair], level: float, draws: int, seed: int) -> Iterator[dict[str, Any]]:
    live = [pair for pair in found if not pair.reason]
    family = _bands(live, level, draws, seed) if live else None
    alarms: list[bool | None] = []
    lines = []
    for pair in found:
        if pair.reason or family is None:
            alarms.append(None)
            lines.append(pair.line())
            continue
        at = 3 * live.index(pair)
        ends: dict[str, Any] = {}
        words = f"paired by problem; max-T bands over {len(live)} rounds, one bootstrap of problems"
        for part, value, low, high, kind in zip(_PARTS, *(x[at : at + 3] for x in family), strict=True):
            ends |= {part: value, f"{part}_low": low, f"{part}_high": high}
            words += f"; {part}: {str(kind).split('; few')[0]}" if np.isnan(low) else ""
        unknown = np.isnan(ends["score_low"]) or np.isnan(ends["gold_low"])
        alarms.append(None if unknown else bool(ends["score_low"] > 0 and ends["gold_high"] < 0))
        lines.append(pair.line(**ends, method=pair.words(words)))
    onset = lasting([pair.round for pair in found], alarms)
    for line, alarm in zip(lines, alarms, strict=True):
        yield line | {"alarm": alarm, "onset": onset}


def _bands(live: list[Pair], level: float, draws: int, seed: int) -> _Family:
    changes = np.stack(
        [_of_pair(pair)[part] for pair in live for part in _PARTS], axis=1
    )  # (G, m), NaN where not common
    known = ~np.isnan(changes)
    changes, known = changes[known.any(axis=1)], known[known.any(axis=1)]
    filled, n = np.where(known, changes, 0.0), known.sum(axis=0)
    value = filled.sum(axis=0) / n
    sd = np.sqrt(divide((np.where(known, changes - value, 0.0) ** 2).sum(axis=0), n - 1.0))
    se = np.where(sd > 1e-12, sd / np.sqrt(n), 0.0)
    totals = cluster_bootstrap(np.hstack([filled, known]), bootstrap_weights(len(changes), draws, seed))
    star = divide(totals[:, : len(n)], totals[:, len(n) :])
    star = value + (star - value) * np.sqrt(divide(n.astype(float), n - 1.0))  # resamples vary by (n − 1)/n too little
    constant = max_t(star, value, se, level).constant
    alone = 1 - (1 - level) / len(n) if np.isnan(constant) else float(np.clip(2 * ndtr(constant) - 1, level, 1 - 1e-12))
    each = []
    for j in range(len(n)):  # an interval of the level that, for each alone, keeps all of them
        x, span = changes[known[:, j], j], _SPAN[_PARTS[j % 3]]
        each.append(grouped_change(x, np.zeros(len(x), np.int64), 1, alone, (-span, span)))
    return _Family(value, *(np.array([getattr(found, name)[0] for found in each]) for name in ("low", "high", "kind")))


def _of_pair(pair: Pair) -> dict[str, np.ndarray]:
    """Changes of the three numbers for all problems of the place, NaN where they are not common."""
    place = pair.place
    change = {part: place.column(part, pair.round) - place.column(part, pair.first) for part in ("score", "gold")}
    change["index"] = change["score"] - change["gold"]
    return {part: np.where(pair.common, x, np.nan) for part, x in change.items()}


def lasting(rounds: list[int], alarms: list[bool | None]) -> float:
    """The first round from which every later one alarms, NaN for none; rounds of unknown state neither help nor break.

    >>> lasting([1, 2, 3, 4], [True, False, True, True])
    3.0
    """
    onset = float("nan")
    for r, alarm in sorted(zip(rounds, alarms, strict=True), key=lambda each: -each[0]):
        if alarm is False:
            break
        onset = float(r) if alarm else onset
    return onset


def transport_by_round(rows: Any, first: int = 0, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Does the map from score to truth of the first round still hold in each later one?

    Plain samples with score and known gold. A later round may ask other problems: problems of both rounds are one cluster.

    Parameters
    ----------
    rows : row table or run
    first : round whose calibration is carried on
    level : coverage of the intervals, and 1 − the chance of any false alarm over the rounds of a (run, split)
    seed : of the folds

    Returns
    -------
    DataFrame, a row a (run, split, later round): ece2 (squared calibration error that is new, without an interval), gap
    (mapped score − gold that is new, above 0: the judge has come to flatter) with _low and _high; p, and p_adjusted by
    Holm over the rounds; holds, p_adjusted > 1 − level; n problems; share of the later samples used; method. As
    `calibration.transport`.

    Raises
    ------
    KnobError for a bad level or a first round that is not there; SchemaError for a missing column.

    >>> rows = pd.DataFrame({"run": "a", "split": "train", "round": [0] * 400 + [1] * 400, "problem": list("abcdefghij") * 80})
    >>> score, luck = np.random.default_rng(0).random((2, 800))
    >>> rows = rows.assign(score=score, gold=luck < score * (1 - 0.5 * rows["round"]))  # later scores promise twice the truth
    >>> transport_by_round(rows)[["gap", "holds"]].round(2).values.tolist()
    [[0.2, False]]
    """
    checked_level(level)
    held = judged_rounds(rows, first)
    return table_of((line for place in held for line in _carried(place, held[place], first, level, seed)), _TRANSPORT)


def _carried(
    place: tuple[str, str], rounds: dict[int, list[np.ndarray]], first: int, level: float, seed: int
) -> Iterator[dict[str, Any]]:
    lines = []
    for r in sorted(r for r in rounds if r > first):
        line: dict[str, Any] = {"run": place[0], "split": place[1], "first": first, "round": r, "n": 0, "p": np.nan}
        if first not in rounds:
            lines.append(line | {"method": f"round {first} has no rows of this split"})
            continue
        (s0, y0, p0), (s1, y1, p1) = rounds[first], rounds[r]
        found = transport(s0, y0, s1, y1, p0, p1, level, seed)
        words = "isotonic map across folds of problems; gap: linearised t; ece2: no interval; Holm over rounds"
        if np.isnan(found.ece2):
            words = "no bin has samples with score and gold of two problems in each round"
        elif np.isnan(found.p):
            words += "; the gaps do not vary, so no test"
        elif found.n < FEW:
            words += "; few_problems"
        lines.append(line | found._asdict() | {"method": words})
    adjusted = holm([line["p"] for line in lines])
    for line, p in zip(lines, adjusted, strict=True):
        yield line | {"p_adjusted": p, "holds": None if np.isnan(p) else bool(p > 1 - level)}
