"""Runs → groups of siblings, their verdicts, their pooled metric table, and what changed from the first round to the last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from siwork.diagnosis import Diagnosis, diagnose
from siwork.metrics import measure, over_seeds, round_difference
from siwork.schema import Unfinished
from siwork.store import Run, Runs, siblings

_PAIRED = ("distinct_correct", "solution_coverage", "answer_entropy", "token_entropy", "mean_tokens")  # held-out
_COLUMNS = ("run", "round", "split", "problem", "hint", "turn", "gold", "answer", "entropy", "n_tokens", "score")
_CHANGE = "_change"  # how `measure` and round_difference mark a metric; over_seeds knows by it what a change can be
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


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a page or a summary is made of; whatever takes time is made when it is first asked for.

    groups : siblings
    own : metric table of the single runs of each group, by its name
    empty : names of runs without a finished round
    """

    groups: list[Group]
    own: Mapping[str, pd.DataFrame]
    empty: list[str]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Metric table, run = name of the group; over seeds where a group has several runs."""
        return pd.concat([_pooled(_levels(self.own[group.name]), group) for group in self.groups], ignore_index=True)

    @cached_property
    def changes(self) -> pd.DataFrame:
        """Last round − first round, with first_value and last_value. Raises RunError when rows cannot be read."""
        return pd.concat([_changes(group, self.own[group.name]) for group in self.groups], ignore_index=True)

    @cached_property
    def diagnoses(self) -> dict[str, Diagnosis]:
        """By name of the group: the verdicts on each of its runs."""
        return {name: diagnose(own) for name, own in self.own.items()}


def compare(runs: Iterable[Run]) -> Comparison:
    """Measure runs once, diagnose each, pool siblings over seeds, and pair the last round with the first.

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
    tables = {run.name: measure(run) for run in begun}
    return compared(groups_of(begun), tables, [run.name for run in given if not run.rounds_done])


def compared(groups: list[Group], tables: Mapping[str, pd.DataFrame], empty: Sequence[str] = ()) -> Comparison:
    """As `compare`, of runs whose metric tables are there already.

    Parameters
    ----------
    groups : as `groups_of` gives them, at least one
    tables : metric table by name of the run, as `siwork.measure(run)` gives it
    empty : names of the runs without a finished round
    """
    own = {group.name: pd.concat([tables[run.name] for run in group.runs], ignore_index=True) for group in groups}
    return Comparison(groups, own, list(empty))


def _levels(table: pd.DataFrame) -> pd.DataFrame:
    """The metric table without changes since the first round."""
    return table[~table["metric"].str.endswith(_CHANGE)]


def groups_of(runs: list[Run]) -> list[Group]:
    """Groups of siblings, each with a name of its own. Raises Foreign without runs, RunError for two of one name."""
    place = {run.name: i for i, run in enumerate(runs)}
    Runs(runs)  # raises where there is none, or two have one name
    found = sorted(siblings(runs).items(), key=lambda item: min(place[run.name] for run in item[1]))
    groups: list[Group] = []
    for (recipe, task, policy), own in found:
        ordered = sorted(own, key=lambda run: (run.seed, place[run.name]))
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


def _pooled(table: pd.DataFrame, group: Group) -> pd.DataFrame:
    """Over seeds; a single run keeps its intervals over problems."""
    if len(group.runs) == 1:
        return table.assign(run=group.name, least=np.nan, most=np.nan)
    return over_seeds(table, group={run.name: group.name for run in group.runs})


def _changes(group: Group, table: pd.DataFrame) -> pd.DataFrame:
    """Last − first of one group, at the last rounds that all its runs have."""
    first = int(table["round"].min())
    last = {split: _last(group, table, split, first) for split in ("heldout", "train")}
    parts = [*_pairs(group, table, first, last), _shares(table, first, last["train"])]
    found = _with_ends(pd.concat(parts, ignore_index=True), table, first)
    ends = found[found["value"].notna()].groupby(_SPOT, dropna=False)[["first_value", "last_value"]].mean()
    pooled = _pooled(found.drop(columns=["first_value", "last_value"]), group)
    merged = pooled.merge(ends.reset_index(), how="left", on=_SPOT)
    real = {name: merged[name].to_numpy(dtype=float, na_value=np.nan) for name in _REAL}
    return merged.assign(metric=merged["metric"].str.removesuffix(_CHANGE), **real)


def _last(group: Group, table: pd.DataFrame, split: str, first: int) -> int:
    """The last round in which every run of the group knows something of the split, the first when there is none."""
    known = table[(table["split"] == split) & table["value"].notna()]
    rounds = known.groupby("run")["round"].max().reindex([run.name for run in group.runs])
    return first if rounds.isna().any() else int(rounds.min())


def _pairs(group: Group, table: pd.DataFrame, first: int, last: dict[str, int]) -> Iterator[pd.DataFrame]:
    """Changes paired by problem, a table a metric with a row a run; those that were not measured are made from the rows."""
    largest = max(_tries(table), default=1)
    wanted = {"heldout": dict.fromkeys(["pass@1", f"pass@{largest}", *_PAIRED]), "train": ["proxy_gold_gap"]}
    for split, metrics in wanted.items():
        here = table[(table["split"] == split) & (table["round"] == last[split])]
        found = {name: here[here["metric"] == f"{name}{_CHANGE}"] for name in (metrics if last[split] != first else [])}
        lacking = [name for name, rows in found.items() if len(rows) < len(group.runs)]
        yield from (rows for name, rows in found.items() if name not in lacking)
        if lacking:
            yield from _differences(group, split, (first, last[split]), lacking)


def _differences(group: Group, split: str, rounds: tuple[int, int], metrics: Sequence[str]) -> Iterator[pd.DataFrame]:
    problems = pd.concat([run.problems().assign(run=run.name) for run in group.runs], ignore_index=True)
    whole = pd.concat([run.rows(rounds, _COLUMNS, split) for run in group.runs], ignore_index=True)
    for name in metrics:
        yield round_difference(whole, name, *rounds, problems=problems)


def _tries(table: pd.DataFrame) -> list[int]:
    """Every k of the held-out pass@k."""
    names = table.loc[table["split"] == "heldout", "metric"]
    return [int(name[5:]) for name in set(names) if name.startswith("pass@") and name[5:].isdigit()]


def _shares(table: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Plain differences of the accepted shares by band; a ratio of sums has no pairs."""
    shares = table[table["metric"] == "accepted_share"]
    begun, final = (shares[shares["round"] == r].set_index(["run", "band"]) for r in (first, last))
    if last == first:
        return shares.iloc[:0]
    words = "difference of two shares, so no interval over problems"
    why = begun["method"].where(begun["value"].isna(), final["method"])
    value = final["value"] - begun["value"]
    moved = final.assign(value=value, low=np.nan, high=np.nan, method=why.where(value.isna(), words))
    return moved.assign(metric=f"accepted_share{_CHANGE}").reset_index()[table.columns]


def _with_ends(changes: pd.DataFrame, table: pd.DataFrame, first: int) -> pd.DataFrame:
    """Add first_value and last_value as the metric table has them."""
    spot, table = ["run", *_SPOT], table.assign(metric=table["metric"] + _CHANGE)
    begun = table[table["round"] == first].rename(columns={"value": "first_value"})[[*spot, "first_value"]]
    final = table.rename(columns={"value": "last_value"})[[*spot, "round", "last_value"]]
    return changes.merge(begun, how="left", on=spot).merge(final, how="left", on=[*spot, "round"])
