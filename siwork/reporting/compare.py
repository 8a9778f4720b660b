"""Runs → groups of siblings, their pooled metric table, and what changed from the first round to the last."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics import measure, over_seeds, round_difference
from siwork.schema import Unfinished
from siwork.store import Run, Runs

_PAIRED = ("distinct_correct", "solution_coverage", "answer_entropy", "token_entropy", "mean_tokens")  # held-out
_COLUMNS = ("run", "round", "split", "problem", "hint", "turn", "gold", "answer", "entropy", "n_tokens", "score")
_CHANGE = "_change"  # how round_difference marks a metric; over_seeds knows by it what a change can be
_REAL = ("value", "low", "high", "n", "band", "k", "first_value", "last_value")
_SPOT = ["split", "metric", "band"]
_SEED = re.compile(r"[-_. ]+(?:s|seed)?[-_. ]?\d+\Z")


class Group(NamedTuple):
    """Sibling runs, which differ in the seed only."""

    name: str
    recipe: str
    task: str
    policy: str
    runs: list[Run]


class Comparison(NamedTuple):
    """What a page or a summary is made of."""

    groups: list[Group]
    table: pd.DataFrame  # metric table; run = name of the group; over seeds where a group has several runs
    changes: pd.DataFrame  # last round − first round, with first_value and last_value
    empty: list[str]  # names of runs without a finished round


def compare(runs: Iterable[Run]) -> Comparison:
    """Measure runs, pool siblings over seeds, and pair the last round with the first.

    Parameters
    ----------
    runs : runs; those without a finished round are left out and named in `empty`

    Returns
    -------
    Comparison, groups in the order in which their first runs are given.

    Raises
    ------
    Foreign without runs; Unfinished when no run has a finished round; RunError when a run cannot be read or two runs
    have one name.
    """
    given = list(runs)
    begun = [run for run in given if run.rounds_done]
    if given and not begun:
        names = ", ".join(run.name for run in given[:5])
        raise Unfinished(f"no round is finished in {names}; wait for the first one, or: siwork resume <folder>")
    groups = groups_of(begun)
    tables = {run.name: measure(run) for group in groups for run in group.runs}
    table = pd.concat([_pooled([tables[run.name] for run in group.runs], group) for group in groups], ignore_index=True)
    changes = [_changes(group, tables) for group in groups]
    return Comparison(
        groups, table, pd.concat(changes, ignore_index=True), [run.name for run in given if not run.rounds_done]
    )


def groups_of(runs: list[Run]) -> list[Group]:
    """Groups of siblings, each with a name of its own. Raises Foreign without runs, RunError for two of one name."""
    place = {run.name: i for i, run in enumerate(runs)}
    found = sorted(Runs(runs).groups().items(), key=lambda item: min(place[run.name] for run in item[1]))
    groups: list[Group] = []
    for (recipe, task, policy), siblings in found:
        ordered = sorted(siblings, key=lambda run: (run.seed, place[run.name]))
        name = _free(_stem([run.name for run in ordered]), {group.name for group in groups})
        groups.append(Group(name, recipe, task, policy, ordered))
    return groups


def _stem(names: list[str]) -> str:
    """What siblings are called without their seed, the first one's name where they differ in more.

    >>> _stem(["star-add-s0", "star-add-s1"]), _stem(["news"]), _stem(["a", "b"])
    ('star-add', 'news', 'a')
    """
    stems = {_SEED.sub("", name) for name in names}
    return stems.pop() if len(stems) == 1 else names[0]


def _free(name: str, taken: set[str]) -> str:
    numbered = (name, *(f"{name} ({i})" for i in range(2, len(taken) + 3)))
    return next(one for one in numbered if one not in taken)


def _pooled(tables: list[pd.DataFrame], group: Group) -> pd.DataFrame:
    """Over seeds; a single run keeps its intervals over problems."""
    table = pd.concat(tables, ignore_index=True)
    if len(tables) == 1:
        return table.assign(run=group.name, least=np.nan, most=np.nan)
    return over_seeds(table, group={run.name: group.name for run in group.runs})


def _changes(group: Group, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Last − first of one group, at the last rounds that all its runs have."""
    own = [tables[run.name] for run in group.runs]
    last = {split: min(_last(table, split) for table in own) for split in ("heldout", "train")}
    parts = [_of_run(run, tables[run.name], last) for run in group.runs]
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        return table
    ends = (
        table[table["value"].notna()].groupby(_SPOT, dropna=False)[["first_value", "last_value"]].mean().reset_index()
    )
    pooled = _pooled([part.drop(columns=["first_value", "last_value"]) for part in parts], group)
    merged = pooled.merge(ends, how="left", on=_SPOT)
    real = {name: merged[name].to_numpy(dtype=float, na_value=np.nan) for name in _REAL}
    return merged.assign(metric=merged["metric"].str.removesuffix(_CHANGE), **real)


def _last(table: pd.DataFrame, split: str) -> int:
    """The last round in which anything is known on the split, 0 when nothing is."""
    rounds = table.loc[(table["split"] == split) & table["value"].notna(), "round"]
    return int(rounds.max()) if len(rounds) else 0


def _of_run(run: Run, table: pd.DataFrame, last: dict[str, int]) -> pd.DataFrame:
    """Changes of one run: pairs by problem, and plain differences of the shares by band, which have no pairs."""
    largest = max(_tries(table), default=1)
    wanted = {"heldout": dict.fromkeys(["pass@1", f"pass@{largest}", *_PAIRED]), "train": ["proxy_gold_gap"]}
    problems, parts = run.problems(), []
    for split, metrics in wanted.items():
        if last[split]:
            rows = run.rows([0, last[split]], _COLUMNS, split)
            tries = largest if split == "heldout" else None
            parts += [round_difference(rows, name, 0, last[split], k=tries, problems=problems) for name in metrics]
    found = pd.concat([*parts, _shares(table, last["train"])], ignore_index=True)
    return _with_ends(found, table)


def _tries(table: pd.DataFrame) -> list[int]:
    """Every k of the held-out pass@k."""
    names = table.loc[table["split"] == "heldout", "metric"]
    return [int(name.removeprefix("pass@")) for name in set(names) if name.startswith("pass@")]


def _shares(table: pd.DataFrame, last: int) -> pd.DataFrame:
    shares = table[table["metric"] == "accepted_share"]
    first, final = (shares[shares["round"] == r].set_index("band") for r in (0, last))
    if not last or final.empty:
        return shares.iloc[:0]
    words = "difference of two shares, so no interval over problems"
    moved = final.assign(
        metric=f"accepted_share{_CHANGE}", value=final["value"] - first["value"], low=np.nan, high=np.nan, method=words
    )
    return moved.reset_index()[table.columns]


def _with_ends(changes: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add first_value and last_value as the metric table has them."""
    spot, table = ["run", *_SPOT], table.assign(metric=table["metric"] + _CHANGE)
    first = table[table["round"] == 0].rename(columns={"value": "first_value"})[[*spot, "first_value"]]
    final = table.rename(columns={"value": "last_value"})[[*spot, "round", "last_value"]]
    return changes.merge(first, how="left", on=spot).merge(final, how="left", on=[*spot, "round"])
