"""What another selector would have kept of stored rows: read once, replayed and measured at every move of a slider.

The stored selection and the other one are two rounds of one table here, so that `measure` pairs them by problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics import lorenz_table, measure
from siwork.recipes import Recipe
from siwork.replays import replay
from siwork.schema import RunError
from siwork.schema.numbers import interval, number
from siwork.store import Run
from siwork_widgets.watch.opening import TableRun

_READ = (  # what selectors and metrics look at
    *("run", "round", "split", "problem", "sample", "hint", "turn", "band"),
    *("response", "answer", "verifier", "score", "gold", "weight", "pair", "side"),
)
_MEASURED = [name for name in _READ if name not in ("response", "verifier", "pair", "side")]
BEFORE, AFTER = 0, 1  # the two "rounds"
_CHANGE = "_change"
NAMES = {  # metric: what the table calls it, in this order
    "accept_rate": "rows kept",
    "kept_precision": "right among kept (precision)",
    "recall": "kept among right (recall)",
    "false_positive_rate": "kept among wrong",
    "tail_share": "kept rows from hard problems (bands 0, 1)",
    "tail_coverage": "hard problems with a kept row (bands 0, 1)",
    "accepted_gini": "inequality over problems (Gini)",
    "distinct_correct": "different right answers kept a problem",
    "balance_score": "balance score: different right, few wrong",
}
_ALONE = ("accepted_gini", "problem_share")  # neither a mean nor a ratio over problems, or the same before and after
_BANDED = ("accepted_share", "problem_share")
_STILL = "0, no problem differs"
_OWN = ("distinct_correct",)  # of right answers that were kept


class Stored(NamedTuple):
    """Train rows of some rounds of a run, as they were stored."""

    run: str
    rounds: tuple[int, ...]
    parts: tuple[pd.DataFrame, ...]  # rows of each round, in their stored order
    seeds: tuple[int, ...]  # that each round drew from
    most: int  # rows of one problem in one round


class Outcome(NamedTuple):
    """Both selections, measured."""

    formula: str
    stored: Stored
    table: pd.DataFrame  # metric table: round `BEFORE` and `AFTER`, and the paired changes
    lorenz: pd.DataFrame  # of both
    kept: tuple[int, int]  # rows with weight > 0
    rows: int
    same: bool  # both selections keep the very same rows


class Line(NamedTuple):
    """One line of the table, as text."""

    metric: str
    cells: tuple[str, str, str, str, str]  # what, stored, what if, difference, n
    method: str


def trained(run: Run) -> list[int]:
    """The finished rounds whose rows were selected and trained on: all but the closing one. Raises RunError."""
    if isinstance(run, TableRun):
        return [int(r) for r in sorted(run.rows(columns=["round"], split="train")["round"].unique())]
    return [r for r in range(run.rounds_done) if run.round_info(r).get("closing") is not True]


def stored(run: Run, rounds: Sequence[int]) -> Stored:
    """The train rows of those rounds with the seed of what their selection left to chance; 0 for rows without a run folder.

    Raises
    ------
    RunError (Unfinished) : a round is not there any more, is damaged, or is the closing one, which trains nothing
    """
    there = set(run.columns())
    names = [name for name in _READ if name in there]
    parts, seeds = [], []
    for r in rounds:
        info = {} if isinstance(run, TableRun) else run.round_info(r)
        rows = run.rows(r, names, "train")
        if info.get("closing") is True or rows.empty:
            raise RunError(
                f"round {r} of {run.name!r} trained on nothing, so nothing was selected; choose an earlier one"
            )
        parts.append(rows)
        seeds.append(int(info.get("seed", run.seed)))  # a fork's first rounds may have another seed than the fork
    most = max(int(rows.groupby("problem", sort=False).size().max()) for rows in parts)
    return Stored(run.name, tuple(rounds), tuple(parts), tuple(seeds), most)


def own_selector(run: Run) -> str:
    """The selectors of the run's recipe as a formula; empty keeps everything, and so begin rows without a recipe.

    Raises RecipeError, KnobError for a recipe that cannot be read.
    """
    return "" if isinstance(run, TableRun) else selectors(run.recipe)


def selectors(recipe: str) -> str:
    """The selectors of a recipe as a formula of their own. Raises RecipeError, KnobError for one that cannot be read.

    >>> selectors("balanced")
    'correct + divsel + balance'
    """
    return " + ".join(map(str, Recipe.read(recipe).selector))


def replayed(before: Stored, formula: str) -> Outcome:
    """The selection of a formula beside the stored one, measured on the same rows.

    Raises
    ------
    RecipeError, KnobError : a formula that cannot be read, or that holds other parts than selectors
    SchemaError : the rows lack what a selector reads, such as scores
    """
    after = [replay(rows, formula, seed=seed) for rows, seed in zip(before.parts, before.seeds, strict=True)]
    both = pd.concat([_pooled(before.parts, BEFORE), _pooled(after, AFTER)], ignore_index=True)
    kept = (both["weight"].to_numpy(float, na_value=0.0) > 0).reshape(2, -1)
    counts, same = kept.sum(axis=1), bool((kept[0] == kept[1]).all())
    return Outcome(
        formula, before, _measured(both), lorenz_table(both), (int(counts[0]), int(counts[1])), len(kept[0]), same
    )


def _pooled(parts: Sequence[pd.DataFrame], place: int) -> pd.DataFrame:
    """The rows of all rounds as one round, so that a problem stays one unit however often it was asked."""
    rows = pd.concat([part[[name for name in _MEASURED if name in part]] for part in parts], ignore_index=True)
    if len(parts) > 1 and "sample" in rows:
        rows["sample"] = rows.groupby("problem", sort=False).cumcount()
    return rows.assign(round=place)


def _measured(both: pd.DataFrame) -> pd.DataFrame:
    kept = both["weight"].to_numpy(float, na_value=0.0) > 0
    levels = [name for name in NAMES if name not in _OWN] + list(_BANDED)
    changes = [f"{name}{_CHANGE}" for name in levels if name not in _ALONE]
    found = [measure(both.assign(score=kept.astype(float)), [*levels, *changes])]  # the selection is the judge here
    right = both["gold"] & kept if "gold" in both else None
    own = [*_OWN, *(f"{name}{_CHANGE}" for name in _OWN)]
    found.append(measure(both if right is None else both.assign(gold=right), own))
    table = pd.concat(found, ignore_index=True)
    return table.assign(method=[_said(str(words)) for words in table["method"]])


def _said(method: str) -> str:
    """The estimator's words for rounds and scores, in the words of two selections."""
    for seen, meant in (
        ("round 1 − round 0", "what if − stored"),
        ("accepted is score ≥ 0.5", "accepted is weight > 0"),
        (", in a round that has scores", ""),
    ):
        method = method.replace(seen, meant)
    return method


def lines(outcome: Outcome) -> list[Line]:
    """The table, a line a metric: value and interval of both selections, and their difference paired by problem."""
    return [_line(outcome, metric) for metric in NAMES]


def _line(outcome: Outcome, metric: str) -> Line:
    first, then = (found(outcome, metric, place) for place in (BEFORE, AFTER))
    change = found(outcome, f"{metric}{_CHANGE}", AFTER)
    apart = "not paired" if change is None else _STILL if _still(change) else _shown(change, sign=True)
    n = max((int(row["n"]) for row in (first, then) if row is not None), default=0)
    method = str(
        (change if change is not None and not np.isnan(_real(change, "value")) else then or {}).get("method", "")
    )
    return Line(metric, (NAMES[metric], _shown(first), _shown(then), apart, f"{n:,}"), method)


def found(outcome: Outcome, metric: str, place: int, band: int | None = None) -> dict[str, Any] | None:
    """The row of a metric in one of the two selections, None where it was not measured."""
    table = outcome.table
    mine = (table["metric"] == metric) & (table["round"] == place)
    mine &= table["band"].isna() if band is None else (table["band"] == band)
    rows = table[mine.to_numpy(bool, na_value=False)].to_dict("records")
    return {str(key): value for key, value in rows[0].items()} if rows else None


def _still(change: dict[str, Any]) -> bool:
    """Whether every paired difference is 0: an interval of it would speak of other problems."""
    return "no problem differs" in str(change["method"])


def _real(row: dict[str, Any], name: str) -> float:
    return float("nan") if pd.isna(row[name]) else float(row[name])


def _shown(row: dict[str, Any] | None, *, sign: bool = False) -> str:
    if row is None:
        return "unknown"
    value, low, high = (_real(row, name) for name in ("value", "low", "high"))
    return interval(value, low, high, sign=sign)


def sentence(outcome: Outcome) -> str:
    """What the other selector does, in words; a direction is claimed only where the paired interval leaves out 0."""
    before, after = outcome.kept
    rounds = outcome.stored.rounds
    where = f"round {rounds[0]}" if len(rounds) == 1 else f"rounds {rounds[0]} to {rounds[-1]}, pooled"
    head = f"Of {outcome.rows:,} train rows ({where}) this keeps {after:,}; the run kept {before:,}."
    if outcome.same:
        return f"{head} They are the very same rows."
    if not after:
        return f"{head} There is nothing to train on."
    return " ".join(
        [head, *(_told(outcome, metric) for metric in ("kept_precision", "tail_share", "distinct_correct"))]
    )


def _told(outcome: Outcome, metric: str) -> str:
    name = NAMES[metric][0].upper() + NAMES[metric][1:]
    first, then = (found(outcome, metric, place) for place in (BEFORE, AFTER))
    change = found(outcome, f"{metric}{_CHANGE}", AFTER)
    if first is None or then is None or np.isnan(_real(then, "value")):
        return f"{name}: unknown ({(then or first or {}).get('method', 'not measured')})."
    ends = [number(_real(row, "value"), _real(first, "value"), _real(then, "value")) for row in (first, then)]
    if change is not None and _still(change):
        return f"{name} stays at {ends[1]}: no problem differs."
    if change is None or np.isnan(_real(change, "low")):
        return f"{name}: {ends[0]} → {ends[1]}, without an interval of the difference."
    low, high = _real(change, "low"), _real(change, "high")
    moved = "rises" if low > 0 else "falls" if high < 0 else "may not change"
    shown, n = _shown(change, sign=True), int(change["n"])
    return f"{name} {moved}: {ends[0]} → {ends[1]} (difference {shown} over {n:,} problems)."
