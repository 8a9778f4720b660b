"""Bought labels: the truth of a few rows, and scores mapped to P(right) by it, across two folds of problems."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.recalibration import METHODS, recalibration
from siwork.schema import knob
from siwork.slots import Component, State
from siwork.verifiers.keys import row_keys, text_luck


def recal_knob() -> Any:
    """The knob `recal` of a verifier whose scores can be mapped."""
    return knob("none", "How scores are mapped to P(right) by bought labels.", choices=("none", *METHODS))


def labels_knob() -> Any:
    """The knob `labels`: how much truth is bought for the map."""
    return knob(
        64, "Rows whose truth is bought each time rows are judged, with recal.", low=4, high=100_000, unit="labels"
    )


class Scored(Component):
    """A verifier with raw scores, and the knobs `recal` and `labels` that map them.

    With recal other than none, the truth of at most `labels` scored rows, one a problem, is read each time rows are judged
    (the held-out rows buy their own). The labelled problems are dealt into two folds: a problem's rows are mapped by the
    labels of the other fold, rows of unlabelled problems by all labels. Too few labels for a map (two) leave rows unscored.
    """

    recal: str
    labels: int

    @property
    def reads_gold(self) -> bool:
        """Whether labels are bought."""
        return self.recal != "none"

    @abstractmethod
    def raw(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Scores (n,) in [0, 1] before any map, NaN where there is none."""

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Scores (n,) in [0, 1], NaN where there is none; with `recal` the estimated P(right)."""
        found = self.raw(state, rows, rng)
        if self.recal == "none" or not len(rows):
            return found
        bought = buy(state, rows, np.isfinite(found), self.labels, rng)
        return mapped(found, rows["problem"].to_numpy(object), bought, self.recal)


class Bought(NamedTuple):
    """Labelled rows, at most one a problem, arrays (m,)."""

    row: np.ndarray  # place in the table
    gold: np.ndarray  # 1.0 right, 0.0 wrong
    fold: np.ndarray  # 0 or 1


def buy(state: State, rows: pd.DataFrame, among: np.ndarray, labels: int, rng: np.random.Generator) -> Bought:
    """The truth of at most `labels` rows, of as many problems: both drawn by chance from the rows of the mask (n,)."""
    place = np.flatnonzero(among)
    luck = row_keys(rows, rng)[place]
    problem, names = pd.factorize(rows["problem"].iloc[place])
    place, problem = place[np.argsort(luck, kind="stable")], problem[np.argsort(luck, kind="stable")]
    first = np.unique(problem, return_index=True)[1]  # the luckiest row of each problem
    chosen = np.argsort(text_luck([str(name) for name in names], rng), kind="stable")[:labels]
    row = place[first[chosen]]
    gold = state.task.check(rows.iloc[row]).to_numpy(float) if len(row) else np.zeros(0)
    return Bought(row, gold, np.arange(len(row)) % 2)


def mapped(score: np.ndarray, problem: np.ndarray, bought: Bought, method: str) -> np.ndarray:
    """Scores (n,) as P(right), by labels of other problems only."""
    fold = pd.Series(bought.fold, index=problem[bought.row]).reindex(problem).fillna(-1).to_numpy(int)
    found = np.full(len(score), np.nan)
    for own in (-1, 0, 1):
        fit = bought.fold != own  # of an unlabelled problem all of them
        if fit.sum() >= 2:
            here = fold == own
            found[here] = recalibration(score[bought.row[fit]], bought.gold[fit], method).apply(score[here])
    return found
