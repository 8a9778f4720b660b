"""What happened, in sentences: a claim only where the interval over seeds allows one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from siwork.figures.rounds import split_of
from siwork.figures.theme import interval, number
from siwork.reporting.compare import Comparison, Group, compare
from siwork.store import Run

_PASS = re.compile(r"pass@(\d+)\Z")
_NAMES = {  # in the order they are told
    "distinct_correct": "distinct right answers",
    "solution_coverage": "share of all solutions found",
    "answer_entropy": "entropy of the answers",
    "token_entropy": "entropy of the next token",
    "accepted_share": "share of the hardest fifth in what is trained on",
    "proxy_gold_gap": "score above truth",
    "mean_tokens": "length of a response",
}


class Sentence(NamedTuple):
    """One finding."""

    words: str
    sure: bool  # the interval over seeds leaves out 0


class Account(NamedTuple):
    """What is said of one group of runs."""

    group: Group
    head: str
    sentences: list[Sentence]


def in_words(runs: Iterable[Run] | Comparison) -> list[str]:
    """What changed from the first round to the last, as lines of text; a claim only where the seeds allow one.

    Parameters
    ----------
    runs : runs with at least one finished round, or what `compare` made of them

    Returns
    -------
    list of str: a line for each group of sibling runs, followed by its sentences, two spaces in.

    Raises
    ------
    Unfinished when no run has a finished round; Foreign without runs; RunError when a run cannot be read.
    """
    lines = []
    for account in accounts(runs if isinstance(runs, Comparison) else compare(runs)):
        lines += [f"{account.group.name}: {account.head}", *(f"  {s.words}" for s in account.sentences)]
    return lines


def accounts(comparison: Comparison) -> list[Account]:
    """The findings by group."""
    return [Account(group, _head(comparison, group), _sentences(comparison, group)) for group in comparison.groups]


def _head(comparison: Comparison, group: Group) -> str:
    rounds = comparison.table.loc[comparison.table["run"] == group.name, "round"]
    first, last, seeds = int(rounds.min()), int(rounds.max()), len(group.runs)
    if last == first:
        return f"round {first} only, so nothing can have changed"
    if seeds == 1:
        return f"round {first} to round {last}, one seed: too few seeds to say what the recipe does"
    return f"round {first} to round {last}, {seeds} seeds"


def _sentences(comparison: Comparison, group: Group) -> list[Sentence]:
    changes = comparison.changes[comparison.changes["run"] == group.name]
    return [sentence(_with_tries(row), row, len(group.runs)) for row in told(changes)]


def told(changes: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows worth a sentence: pass@1, pass@k at the largest k, diversity, the tail, the gap, on their own split."""
    largest = max((int(m[1]) for name in set(changes["metric"]) if (m := _PASS.match(name))), default=1)
    rows = []
    for name in dict.fromkeys(["pass@1", f"pass@{largest}", *_NAMES]):
        split = split_of(changes, None, "train" if name in ("accepted_share", "proxy_gold_gap") else "heldout")
        mine = changes[(changes["metric"] == name) & (changes["split"] == split)]
        mine = mine[mine["band"].isna() | (mine["band"] == 0)]
        rows += mine.head(1).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def told_name(metric: str) -> str:
    """A metric as a sentence calls it."""
    return _NAMES.get(metric, metric)


def _with_tries(row: dict[str, Any]) -> str:
    counts = row["metric"] in ("distinct_correct", "solution_coverage") and not pd.isna(row["k"])
    return told_name(row["metric"]) + (f" in {row['k']:.0f} tries" if counts else "")


def sentence(name: str, row: dict[str, Any], seeds: int) -> Sentence:
    """One change in words.

    Parameters
    ----------
    name : what changed
    row : first_value, last_value, value (the difference), low, high, n, unit, method
    seeds : runs of the group; the change in a single run is told without a claim about its recipe
    """
    value, low, high = (float(row[key]) for key in ("value", "low", "high"))
    if math.isnan(value):
        return Sentence(f"{name}: unknown: {row['method']}", False)
    first, last = (number(row[end], row["first_value"], row["last_value"]) for end in ("first_value", "last_value"))
    unit = f" {row['unit']}" if row["unit"] and row["unit"] not in name else ""
    over = _over(int(row["n"]), seeds)
    if value == 0 and first == last and math.isnan(low):
        return Sentence(f"{name} stayed at {first}{unit} ({over})", True)
    change = f"difference {interval(value, low, high, sign=True)} over {over}"
    if seeds > 1 and (low > 0 or high < 0):
        return Sentence(f"{name} {'rose' if value > 0 else 'fell'} from {first} to {last}{unit} ({change})", True)
    return Sentence(
        f"{name} {first} → {last}{unit} ({change}){': too few seeds to say' if seeds > 1 else ''}", seeds == 1
    )


def _over(n: int, seeds: int) -> str:
    if seeds == 1:
        return f"{n:,} problems"
    return f"{n} seeds" if n == seeds else f"{n} of {seeds} seeds"
