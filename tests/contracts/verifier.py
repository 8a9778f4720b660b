"""What every verifier must do whose score of a row does not hang on the row's place in the table.

Inherit as `class TestMine(VerifierContract)` and give three fixtures:

    verifier  the component
    state     the state of a round that it can work on
    rows      completions of at least 3 problems with at least 4 samples each, as a sampler gives them
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from siwork.recipes import Recipe
from siwork.slots import State


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Silent:
    """A task that tells nothing of the truth."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def __str__(self) -> str:
        return str(self._task)

    def check(self, rows: pd.DataFrame) -> pd.Series:
        raise AssertionError("a verifier that reads no truth asked for it")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


class VerifierContract:
    """Inherit and give the fixtures."""

    tolerance = 1e-12  # a model that works on rows together may round otherwise in another order

    def test_scores_are_probabilities_or_unknown(self, verifier: Any, state: State, rows: pd.DataFrame) -> None:
        score = verifier.score(state, rows, rng())
        assert score.shape == (len(rows),)
        assert score.dtype == float
        known = score[~np.isnan(score)]
        assert len(known)
        assert ((known >= 0) & (known <= 1)).all()

    def test_equal_luck_gives_equal_scores(self, verifier: Any, state: State, rows: pd.DataFrame) -> None:
        one, other = (verifier.score(state, rows, rng(4)) for _ in range(2))
        np.testing.assert_array_equal(one, other)

    def test_the_order_of_rows_changes_nothing(self, verifier: Any, state: State, rows: pd.DataFrame) -> None:
        order = rng(1).permutation(len(rows))
        moved = verifier.score(state, rows.iloc[order].reset_index(drop=True), rng(4))
        np.testing.assert_allclose(moved, verifier.score(state, rows, rng(4))[order], atol=self.tolerance)

    def test_the_rows_stay_as_they_are(self, verifier: Any, state: State, rows: pd.DataFrame) -> None:
        before = rows.copy(deep=True)
        verifier.score(state, rows, rng())
        pd.testing.assert_frame_equal(rows, before)

    def test_no_rows_no_scores(self, verifier: Any, state: State, rows: pd.DataFrame) -> None:
        assert verifier.score(state, rows.iloc[:0], rng()).shape == (0,)

    def test_the_truth_is_read_only_where_it_is_said(self, verifier: Any, state: State, rows: pd.DataFrame) -> None:
        assert Recipe(verifier=(verifier,)).label_free == (not verifier.reads_gold)
        if not verifier.reads_gold:
            np.testing.assert_array_equal(
                verifier.score(state.having(task=Silent(state.task)), rows, rng(2)), verifier.score(state, rows, rng(2))
            )
