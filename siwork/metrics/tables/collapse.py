"""Reversal and plateau: does a run still gain, or does it pay for accuracy with reach?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.catalogue import is_known, metric_of
from siwork.metrics.catalogue.kinds import PerProblem
from siwork.metrics.cells import Cells, reduce_rows
from siwork.metrics.collapse import Part, reversal
from siwork.metrics.draws import whole
from siwork.metrics.intervals import checked_level
from siwork.metrics.study import Common, Study
from siwork.metrics.tables.places import check_first, gathered, table_of, typed
from siwork.schema import METRICS, SPLITS, KnobError, check
from siwork.schema.tables import REAL, TEXT, TRUTH, WHOLE

_PARTS = ("pass1", "passk", "diversity", "beyond")
_NUMBERS = {
    f"{part}{end}": WHOLE if end == "_n" else REAL for part in _PARTS for end in ("", "_low", "_high", "_n", "_p")
}
_REVERSAL = {
    "run": TEXT, "split": TEXT, "first": WHOLE, "round": WHOLE, "state": TEXT, "reason": TEXT, "k": WHOLE,
    **_NUMBERS, "left_out": WHOLE, "method": TEXT,
}  # fmt: skip
_PLATEAU = {
    "round": WHOLE, "value": REAL, "low": REAL, "high": REAL, "n": WHOLE, "later": WHOLE, "worse": WHOLE, "fell": TRUTH,
    "since": WHOLE, "method": TEXT,
}  # fmt: skip
_OTHERS = (
    "round",
    "value",
    "low",
    "high",
    "n",
    "unit",
    "method",
    "least",
    "most",
    "between",
    "within",
    "ratio",
    "conclusion",
)


class _Values(NamedTuple):
    """Per-problem values (units,) of the parts."""

    cells: Cells
    k: np.ndarray  # (groups,)
    of: dict[str, np.ndarray]

    def at(self, part: str, place: tuple[str, str], r: int) -> np.ndarray | None:
        """Values by problem (problems,) in one round, NaN where there is none; None for a round without rows."""
        cells, rounds = self.cells, self.cells.keys["round"].to_numpy(np.int64)
        found = [g for g, each in enumerate(cells.places()) if each == place and rounds[g] == r]
        if not found:
            return None
        here, out = cells.group == found[0], np.full(len(cells.names), np.nan)
        out[cells.problem[here]] = self.of[part][here]
        return out


def reversal_by_round(
    rows: Any, first: int = 0, k: int | None = None, diversity: str = "distinct_correct", level: float = 0.95
) -> pd.DataFrame:
    """State of the self-improvement reversal in every later round: pass@1 up, and reach or diversity down.

    Each row tests its own round, Holm over the parts; over many rounds some state below "shown" is expected by chance.

    Parameters
    ----------
    rows : row table or run; plain samples
    first : round that later ones are compared with
    k : draws of pass@k and of the diversity; None is half the least number of samples of a problem in any round, so that
        pass@k is not the mere "solved once"
    diversity : metric of `measure` that is a mean over problems, higher = more diverse. The default counts different right
        answers; of all answers (gini_simpson, answer_entropy) there are fewer whenever accuracy rises, which is no collapse
    level : coverage, and 1 − the chance of any false claim in a row

    Returns
    -------
    DataFrame, a row a (run, split train or heldout, later round): state none, suspected, shown or unknown, and its reason
    (`collapse.reversal`); k; pass1, passk, diversity, beyond (pass@1 on the split beyond, null where there is none): change,
    _low, _high, _n pairs, _p adjusted; left_out, problems that lack one of the two rounds; method.

    Raises
    ------
    KnobError for a bad level or k, an unknown metric or one that is no mean over problems, a first round that is not there,
    or rounds without a common problem; SchemaError for a missing column.

    Source: Wu et al. 2024 (arXiv:2407.05013).

    >>> rows = pd.DataFrame({"run": "a", "split": "heldout", "round": [0] * 8 + [1] * 8, "problem": list("xxxxyyyy") * 2})
    >>> rows = rows.assign(gold=[True, False] * 8, answer=list("AB") * 8)
    >>> reversal_by_round(rows)[["state", "pass1", "k"]].values.tolist()
    [['none', 0.0, 2]]
    """
    checked_level(level)
    needs = ["gold", *metric_of(diversity).needs]
    table = gathered(rows, needs, metric_of(diversity).reads)
    if table is None:
        return table_of([], _REVERSAL)
    values = _measured(table, diversity, k, level)
    check_first(values.cells.keys["round"], first)
    lines = list(_states(values, first, level))
    if lines and not any(line["common"] for line in lines):
        raise KnobError(
            f"rounds must share problems to be paired, got none common to rounds {first} and {lines[0]['round']}; "
            "ask the same held-out problems in every round"
        )
    return table_of(({name: line.get(name) for name in _REVERSAL} for line in lines), _REVERSAL)


def _measured(table: pd.DataFrame, diversity: str, k: int | None, level: float) -> _Values:
    metric = metric_of(diversity)
    cells = reduce_rows(table, ("round",), ["gold", *metric.needs, *metric.reads])
    least = cells.least_samples()
    draws = [max(least.get(place, 1) // 2, 1) if k is None else int(whole("k", k, 1)) for place in cells.places()]
    study = Study(cells, tuple(Common(each) for each in draws), level)
    made = metric.make(study) if cells.groups else PerProblem(np.zeros(0), "")
    if not isinstance(made, PerProblem):
        raise KnobError(f"diversity must be a mean over problems such as distinct_correct, got {diversity!r}")
    of = {"diversity": made.value}
    for part, name in (("pass1", "pass@1"), ("passk", "pass@k")):
        of[part] = metric_of(name).make(study).value if cells.groups else np.zeros(0)
    return _Values(cells, np.array(draws, np.int64), of)


def _states(values: _Values, first: int, level: float) -> Iterator[dict[str, Any]]:
    cells = values.cells
    rounds = cells.keys["round"].to_numpy(np.int64)
    for g, place in sorted(
        enumerate(cells.places()), key=lambda each: (each[1][0], SPLITS.index(each[1][1]), rounds[each[0]])
    ):
        r, k = int(rounds[g]), int(values.k[g])
        if place[1] != "beyond" and r > first:
            keys = {"run": place[0], "split": place[1], "first": first, "round": r, "k": k}
            yield keys | _state(values, place, first, r, k, level)


def _state(values: _Values, place: tuple[str, str], first: int, r: int, k: int, level: float) -> dict[str, Any]:
    sides = {
        part: (values.at(part, place, first), values.at(part, place, r)) for part in ("pass1", "passk", "diversity")
    }
    if sides["pass1"][0] is None:
        why = f"round {first} has no rows of this split"
        return {"state": "unknown", "reason": why, "method": why, "common": 0}
    far = (place[0], "beyond")
    sides["beyond"] = (values.at("pass1", far, first), values.at("pass1", far, r))
    given: dict[str, Any] = {part: None if any(x is None for x in pair) else pair for part, pair in sides.items()}
    if k < 2:
        given["passk"] = None
    found = reversal(given["pass1"], given["passk"], given["diversity"], given["beyond"], level)
    before, after = given["pass1"]
    common = int((~np.isnan(before) & ~np.isnan(after)).sum())
    out = int((~np.isnan(before) | ~np.isnan(after)).sum()) - common
    numbers: dict[str, float] = {}
    for part in _PARTS:
        own: Part | None = getattr(found, part)
        if own is not None:
            numbers |= dict(zip((part, f"{part}_low", f"{part}_high", f"{part}_n", f"{part}_p"), own, strict=True))
    words = f"paired t over problems, Holm over the parts, k={k}" + ("; few_problems" if common < 10 else "")
    return {"state": found.state, "reason": found.reason, "common": common, "left_out": out, "method": words} | numbers


def plateau(table: pd.DataFrame, higher: Mapping[str, bool] | None = None) -> pd.DataFrame:
    """The best round of every metric, and whether later rounds fall out of its band.

    The best of many rounds is flattered by its luck, so that a run on a plateau falls below it more often than the level of
    the intervals says: test a fall with `round_difference`.

    Parameters
    ----------
    table : metric table of `measure` or `over_seeds`
    higher : metric → whether higher is better, for metrics that `measure` does not know, or has no better end for

    Returns
    -------
    DataFrame, a row a (run, split, metric, and whatever else the table is measured by): round of the best value (the
    earliest of equal ones), value, low, high, n; later, rounds after it with a value; worse, those on the wrong side of its
    interval; fell, whether there is one (null without an interval or a later round); since, the first round from which all
    later ones are worse; method. Null where no value is known or no end is the better one.

    Raises
    ------
    SchemaError for a table that is no metric table.

    >>> row = {"run": "a", "split": "train", "metric": "pass@1", "n": 9, "unit": "", "method": ""}
    >>> rounds = [{"round": r, "value": x, "low": x - 0.1, "high": x + 0.1} for r, x in enumerate((0.3, 0.6, 0.55, 0.4))]
    >>> plateau(pd.DataFrame([row | each for each in rounds]))[["round", "worse", "fell", "since"]].values.tolist()
    [[1, 1, True, 3]]
    """
    table = check(table, needs=[column.name for column in METRICS], table="metrics").reset_index(drop=True)
    keys = [name for name in table.columns if name not in _OTHERS]
    code = table.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
    real = {name: table[name].to_numpy(float, na_value=np.nan) for name in ("round", "value", "low", "high", "n")}
    lines, first = [], np.flatnonzero(~pd.Series(code).duplicated().to_numpy())
    for g, at in enumerate(first):
        own = pd.DataFrame({name: x[code == g] for name, x in real.items()}).sort_values("round", kind="stable")
        lines.append(_best(own, _sign(str(table["metric"].iloc[at]), higher or {})))
    found = typed(pd.DataFrame.from_records(lines, columns=list(_PLATEAU)), _PLATEAU)
    return pd.concat([table[keys].iloc[first].reset_index(drop=True), found], axis=1)


def _sign(metric: str, higher: Mapping[str, bool]) -> int:
    """1 where higher is better, −1 where lower, 0 where neither is known to be."""
    if metric in higher:
        return 1 if higher[metric] else -1
    name = metric.removesuffix("_change")
    meaning = metric_of(name).meaning if is_known(name) else ""
    return {"↑": 1, "↓": -1}.get(meaning[-1:], 0)


def _best(own: pd.DataFrame, sign: int) -> dict[str, Any]:
    own = own[own["value"].notna() & own["round"].notna()]
    if not len(own) or not sign:
        return {
            "n": 0,
            "method": "no end of this metric is the better one; name it in `higher`" if len(own) else "no known value",
        }
    best = own.iloc[int((sign * own["value"]).argmax())]
    later = own[own["round"] > best["round"]]
    edge = best["low"] if sign > 0 else best["high"]
    worse = (sign * later["value"] < sign * edge).to_numpy(bool)
    known = len(later) > 0 and not np.isnan(edge)
    run = int(np.argmin(np.r_[worse[::-1], False]))  # rounds at the end that are all worse
    words = (
        "the best of the rounds is flattered by chance"
        if known
        else "no later round"
        if not len(later)
        else "no interval"
    )
    return {name: best[name] for name in ("round", "value", "low", "high", "n")} | {
        "later": len(later),
        "worse": int(worse.sum()) if known else None,
        "fell": bool(worse.any()) if known else None,
        "since": later["round"].iloc[-run] if known and run else None,
        "method": words,
    }
