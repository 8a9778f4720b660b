"""Answers of the first round found again: what each problem was answered then, and how much of it turns up now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.cells import Cells
from siwork.metrics.draws import none_drawn

Strand = tuple[Any, ...]  # run, split and the other columns of `by`, without the round


class FirstAnswers(NamedTuple):
    """The readable answers of a group of the first round, one entry a (problem, answer), ordered by problem."""

    round: int
    problem: pd.Index  # (types,) names
    answer: pd.Index  # (types,) texts
    votes: np.ndarray  # (types,) plain samples with this answer


def strands_of(cells: Cells) -> list[Strand]:
    """What each group is besides its round, (groups,); null is None."""
    keys = cells.keys.drop(columns="round", errors="ignore")
    columns = [[None if pd.isna(x) else x for x in keys[name].tolist()] for name in keys]
    return list(zip(*columns, strict=True))


def first_answers(cells: Cells) -> dict[Strand, FirstAnswers]:
    """The answers of the first group of each strand; nothing where rounds are not told apart or answers not read."""
    if "round" not in cells.keys or "answer" not in cells.columns:
        return {}
    first: dict[Strand, int] = {}
    for g, strand in enumerate(strands_of(cells)):  # rounds rise
        first.setdefault(strand, g)
    chosen = np.isin(np.arange(cells.groups), list(first.values()))
    votes = cells.ballots(cells.plain & chosen[cells.group][cells.unit])
    ends = np.searchsorted(cells.group[votes.unit], np.arange(cells.groups + 1))
    rounds, found = cells.keys["round"].tolist(), {}
    for strand, g in first.items():
        here = slice(ends[g], ends[g + 1])
        names = cells.names.take(cells.problem[votes.unit[here]])
        found[strand] = FirstAnswers(rounds[g], names, cells.answers.take(votes.answer[here]), votes.votes[here])
    return found


def found_again(cells: Cells, firsts: Sequence[FirstAnswers | None], draws: np.ndarray) -> np.ndarray:
    """Share of a problem's samples in the first round whose answer is among m draws of its samples in this one.

    With c of n₀ answers a in the first round and d of n in this one it is Σ_a c/n₀ · (1 − C(n − d, m)/C(n, m)). In the
    first round itself one sample is asked for among m of the others, Σ_a c/n₀ · (1 − C(n₀ − c, m)/C(n₀ − 1, m)), so that
    rounds which sample alike have one expectation, Σ_a p_a (1 − (1 − p_a)^m).

    Parameters
    ----------
    cells : reduced rows with column answer and `round` among the keys
    firsts : the first round of each group's strand, (groups,); None where there is none
    draws : int array (groups,), m ≥ 1

    Returns
    -------
    array (units,) in [0, 1]; NaN where the problem has fewer than m + 1 readable answers in the first round, or fewer than
    m in this one.

    >>> from siwork.metrics.cells import reduce_rows
    >>> rows = pd.DataFrame({"run": "a", "round": [0] * 4 + [1] * 4, "split": "train", "problem": "x"})
    >>> cells = reduce_rows(rows.assign(answer=list("AAABABBC")), ["round"], ["answer"])
    >>> first = first_answers(cells)["a", "train"]
    >>> found_again(cells, [first, first], np.array([2, 2])).round(3)
    array([0.75 , 0.583])
    """
    plain = cells.ballots(cells.plain)
    unit, code, asked, total, own = _asked(cells, firsts)
    size = int(cells.columns["answer"].max(initial=-1)) + 1
    held = _looked_up(plain.unit * size + plain.answer, np.where(code < 0, -1, unit * size + code))
    votes = np.where(held < 0, 0, np.r_[plain.votes, 0][held])
    n = np.bincount(plain.unit, plain.votes, cells.units).astype(np.int64)[unit] - own
    m = draws[cells.group[unit]]
    share = np.where(total > m, asked / total * (1.0 - none_drawn(n, votes - own, m)), np.nan)
    value = np.full(cells.units, np.nan)
    there = np.bincount(unit, minlength=cells.units) > 0
    value[there] = np.minimum(np.bincount(unit, share, cells.units)[there], 1.0)
    return value


def _asked(cells: Cells, firsts: Sequence[FirstAnswers | None]) -> list[np.ndarray]:
    """Answers of the first round asked for in each group: unit, code (−1: not here), votes, votes of the problem, and 1
    in the first round itself, arrays (asked,)."""
    keys, rounds = cells.group * max(len(cells.names), 1) + cells.problem, cells.keys["round"].tolist()
    matched: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    parts = [[np.zeros(0, np.int64)] * 5]
    for g, first in enumerate(firsts):
        if first is None:
            continue
        if id(first) not in matched:
            matched[id(first)] = _matched(cells, first)
        problem, code, total = matched[id(first)]
        unit = _looked_up(keys, np.where(problem < 0, -1, g * len(cells.names) + problem))
        here, own = unit >= 0, np.full(len(unit), int(first.round == rounds[g]))
        parts.append([x[here] for x in (unit, code, first.votes, total, own)])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def _matched(cells: Cells, first: FirstAnswers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of the problems and answers in these cells, −1 where they have none, and the answers of each problem."""
    owner = pd.factorize(first.problem)[0]
    total = np.bincount(owner, first.votes).astype(np.int64)[owner]
    return cells.names.get_indexer(first.problem), cells.answers.get_indexer(first.answer), total


def _looked_up(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Place of each wanted number among rising keys, −1 where it is not there."""
    place = np.searchsorted(keys, wanted)
    return np.where(np.r_[keys, -2][place] == wanted, place, -1)
