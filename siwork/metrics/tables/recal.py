"""Does a recalibration last: scores as they are, mapped as the first round would have them, and as their own round does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.calibration import ece2_interval
from siwork.metrics.calibration.samples import linear_interval
from siwork.metrics.intervals import checked_level, grouped_ratio
from siwork.metrics.tables.places import FEW, KEYS, interval_columns, judged_rounds, table_of
from siwork.recalibration import HOTTEST, METHODS, Recalibration, log_odds, recalibration
from siwork.schema import KnobError, nearest
from siwork.schema.tables import TEXT, WHOLE

MAPS = ("raw", "fixed", "own")
_FOLDS = 5
_COLUMNS = {
    **KEYS,
    "map": TEXT,
    **interval_columns("brier", "excess", "ece2", "temperature", "slope", "offset"),
    "labels": WHOLE,
    "samples": WHOLE,
    "n": WHOLE,
    "levels": WHOLE,
    "method": TEXT,
}


class _Round(NamedTuple):
    """Scored samples of known truth of one round, arrays (N,), and the maps that were fitted on some of them."""

    score: np.ndarray
    gold: np.ndarray
    problem: np.ndarray  # codes of the place
    fit: np.ndarray  # bool (N,), what maps are fitted on
    maps: list[Recalibration | None]  # without each fold, and of all; None of fewer than two samples


def recalibration_drift(
    rows: Any,
    method: str = "isotonic",
    labels: int | None = None,
    first: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """How well scores say P(right) as they are, by the map of the first round, and by the map of their own round.

    Plain samples with score and known gold. Maps are fitted across five folds of problems: a problem is never mapped by a
    fit that saw it, in whichever round. What an old map costs is `excess` of "fixed"; what any map gains, of "raw".

    Parameters
    ----------
    rows : row table or run
    method : isotonic, platt or temperature, as `calibration.recalibration` has them
    labels : most labelled samples that a map is fitted on, one a problem, drawn by the seed; None is all there are
    first : round whose map is carried on
    level : coverage of the intervals, between 0 and 1
    seed : of the folds and the labels

    Returns
    -------
    DataFrame, three rows a (run, split, round from the first on): map "raw", "fixed" or "own"; each number with _low and _high:
    brier : mean (P − truth)² over samples, linearised over problems
    excess : brier less that of the own map on the same samples, paired by problem; 0 without an interval for "own", and for
        "fixed" in the first round, where the two are one map
    ece2 : squared calibration error without bias (`calibration.ece2_interval`; low null or ≤ 0 where it is a bound)
    temperature, slope, offset : of the map fitted on all folds together (that of the first round for "fixed"), linearised over
        problems (95 % intervals held the truth in 93 to 96 % of simulations with 20 to 200 problems); null of other methods and
        of "raw"; no interval at the ends of the range
    labels : samples behind that map; samples, n : samples and problems that are measured; levels : different scores of the
        round; method : how, or why a row is null

    Intervals hold for the maps that were fitted: what other labels would have made of them is in those of the parameters. Log
    loss is left out: an isotonic map says 0 and 1, whose log loss is whatever they are clipped at.

    Raises
    ------
    KnobError for a bad method, level, labels, or a first round that is not there; SchemaError for a missing column.

    Source: Guo et al. 2017, Zadrozny & Elkan 2002 and Platt 1999 for the maps; the comparison is siwork's own.

    >>> score, luck = np.random.default_rng(0).random((2, 4000))
    >>> rows = pd.DataFrame({"run": "a", "split": "train", "round": np.repeat([0, 1], 2000), "problem": list("abcdefghij") * 400})
    >>> rows = rows.assign(score=score, gold=luck < score ** (1 + 3 * rows["round"]))  # later scores promise too much
    >>> recalibration_drift(rows)[["round", "map", "brier"]].round(2).values.tolist()[3:]
    [[1, 'raw', 0.2], [1, 'fixed', 0.21], [1, 'own', 0.09]]
    """
    _see(method, labels, level)
    held = judged_rounds(rows, first)
    about = _About(method, labels, first, level, seed)
    return table_of((line for place in held for line in _of_place(place, held[place], about)), _COLUMNS)


class _About(NamedTuple):
    """What was asked for."""

    method: str
    labels: int | None
    first: int
    level: float
    seed: int


def _see(method: str, labels: int | None, level: float) -> None:
    if method not in METHODS:
        raise KnobError(f"method must be one of {', '.join(METHODS)}, got {method!r}; {nearest(str(method), METHODS)}")
    if labels is not None and (type(labels) is not int or labels < 4):
        raise KnobError(f"labels must be None or a whole number ≥ 4, got {labels!r}; nearest: 4")
    checked_level(level)


def _of_place(place: tuple[str, str], rounds: dict[int, list[np.ndarray]], about: _About) -> Iterator[dict[str, Any]]:
    later = sorted(r for r in rounds if r >= about.first)
    keys = {"run": place[0], "split": place[1], "first": about.first}
    if about.first not in rounds:
        why = f"round {about.first} has no rows of this split"
        yield from (keys | {"round": r, "map": kind, "n": 0, "method": why} for r in later for kind in MAPS)
        return
    names = sorted(set().union(*(rounds[r][2].tolist() for r in later)), key=str)  # folds hang on names, not on places
    fold = np.random.default_rng(about.seed).permutation(len(names)) % _FOLDS
    base: _Round | None = None
    for r in later:
        here = _ready(rounds[r], pd.Index(names), fold, r, about)
        base = base or here
        for line in _of_round(here, base, fold, about):
            yield keys | {"round": r} | line


def _ready(given: list[np.ndarray], names: pd.Index, fold: np.ndarray, r: int, about: _About) -> _Round:
    score, gold, named = given
    known = np.isfinite(score) & np.isfinite(gold)
    score, gold, problem = score[known], gold[known], names.get_indexer(named[known])
    fit = np.ones(len(problem), bool)
    if about.labels is not None:
        luck = np.random.default_rng([about.seed, r])
        order = luck.permutation(len(problem))
        once = order[np.unique(problem[order], return_index=True)[1]]
        fit[:] = False
        fit[luck.permutation(once)[: about.labels]] = True
    use = [fit & (fold[problem] != f) for f in range(_FOLDS)] + [fit]
    maps = [recalibration(score[keep], gold[keep], about.method) if keep.sum() >= 2 else None for keep in use]
    return _Round(score, gold, problem, fit, maps)


def _of_round(here: _Round, base: _Round, fold: np.ndarray, about: _About) -> Iterator[dict[str, Any]]:
    size = {"samples": len(here.score), "n": len(np.unique(here.problem)), "levels": len(np.unique(here.score))}
    mapped = {"raw": here.score, "fixed": _crossed(here, base, fold), "own": _crossed(here, here, fold)}
    why = "no sample has both score and known gold" if not len(here.score) else ""
    if any(np.isnan(p).any() for p in mapped.values()):
        why = "a fold has fewer than 2 labelled samples to fit a map on"
    few = "; few_problems" if size["n"] < FEW else ""
    for kind, p in mapped.items():
        source = base if kind == "fixed" else here
        line = {"map": kind, "labels": None if kind == "raw" else int(source.fit.sum())} | size
        if why:
            yield line | {"method": why}
            continue
        same = kind != "raw" and source.maps is here.maps
        numbers, how = _measured(p, None if same else mapped["own"], here, about.level)
        fitted = {} if kind == "raw" else _parameters(source, about)
        yield line | numbers | fitted | {"method": f"{about.method} maps across {_FOLDS} folds of problems; {how}{few}"}


def _crossed(here: _Round, source: _Round, fold: np.ndarray) -> np.ndarray:
    """Scores mapped by what `source` says without the sample's own fold; NaN where there is no such map."""
    found = np.full(len(here.score), np.nan)
    for f, fitted in enumerate(source.maps[:_FOLDS]):
        at = fold[here.problem] == f
        if fitted is not None:
            found[at] = fitted.apply(here.score[at])
    return found


def _measured(p: np.ndarray, own: np.ndarray | None, here: _Round, level: float) -> tuple[dict[str, float], str]:
    """Brier score, what it is above that of the own map, and squared calibration error; and the intervals in words.

    own : what the own map says; None for that map itself, which is 0 above
    """
    code = np.unique(here.problem, return_inverse=True)[1]
    count = np.bincount(code).astype(float)
    none, loss = np.zeros(len(count), np.int64), (p - here.gold) ** 2
    brier = grouped_ratio(np.bincount(code, loss), count, none, 1, level)
    square = ece2_interval(p, here.gold, code, level)
    found = {"ece2": square.value, "ece2_low": square.low, "ece2_high": square.high, "excess": 0.0}
    told = {"brier": brier}
    if own is not None:
        over = np.bincount(code, loss - (own - here.gold) ** 2)
        told["excess"] = grouped_ratio(over, count, none, 1, level, (-1.0, 1.0))
    for name, each in told.items():
        found |= {name: each.value[0], f"{name}_low": each.low[0], f"{name}_high": each.high[0]}
    how = "; ".join(f"{name}: {str(each.kind[0]).split('; few')[0]}" for name, each in told.items())
    return found, how + ("; ece2: at most its upper end" if square.bound else "")


def _parameters(source: _Round, about: _About) -> dict[str, float]:
    """Temperature, or slope and offset, of the map of all folds with intervals over problems; none of an isotonic map.

    Linearised: what a problem adds to the error of the parameters is H⁻¹ Σ (target − p) x over its samples, x = (log-odds, 1),
    H = Σ p(1 − p) x xᵀ.
    """
    fitted = source.maps[_FOLDS]
    if fitted is None or fitted.method == "isotonic":
        return {}
    score, gold = source.score[source.fit], source.gold[source.fit]
    code = np.unique(source.problem[source.fit], return_inverse=True)[1]
    x = log_odds(score)[:, None]
    x = x if fitted.method == "temperature" else np.hstack([x, np.ones_like(x)])
    p = fitted.apply(score)
    rest = (fitted.targets(gold) - p)[:, None] * x
    pull = np.stack([np.bincount(code, column) for column in rest.T], axis=1)
    curve = (x * (p * (1 - p))[:, None]).T @ x
    parts = pull @ np.linalg.pinv(curve)
    found: dict[str, tuple[float, np.ndarray]]
    if fitted.method == "temperature":
        inside = fitted.temperature * HOTTEST > 1 + 1e-6 and fitted.temperature * (1 + 1e-6) < HOTTEST
        found = {"temperature": (fitted.temperature, -parts[:, 0] * fitted.temperature**2 * inside)}
    else:
        found = {"slope": (fitted.slope, parts[:, 0]), "offset": (fitted.offset, parts[:, 1])}
    line: dict[str, float] = {}
    for name, (value, own) in found.items():
        of = linear_interval(value, own, about.level)
        line |= {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
    return line
