"""A schedule: easy problems first, or those at the edge of what is solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import KnobError, knob
from siwork.slots import Component, Learned, State

_KEPT = {"problem": "string[pyarrow]", "rate": "double[pyarrow]", "round": "int64[pyarrow]"}


@dataclass(frozen=True)
class Curric(Component):
    """The problems whose turn it is.

    by=difficulty: those with difficulty ≤ start + step · round. by=frontier: those whose solve rate, the share of passing
    rows (score ≥ 1/2) among the scored first attempts when they were last tried, lies in [low, high], and all that were
    never tried. Where there is none, the easiest one, or the one nearest to the frontier, or n of them.

    Source: "Self-Improving Transformers Overcome Easy-to-Hard and Length Generalization Challenges", section 3: the longest
    problems of a round are one digit longer than those of the round before. Departs from it in: difficulty is the task's
    own rank; the frontier, from goal-setting curricula, is read from the verifier's scores and never from the truth.
    """

    slot = "proposer"
    name = "curric"
    sentence = "A schedule of problems, by difficulty or by the solve rate when they were last tried."
    source = "Self-Improving Transformers Overcome Easy-to-Hard and Length Generalization Challenges"
    departs = "difficulty is a rank among problems, not a length; a frontier by solve rate is offered beside it"

    by: str = knob("difficulty", "What the schedule goes by.", choices=("difficulty", "frontier"), shown=True)
    start: float = knob(0.3, "Largest difficulty in round 0 (difficulty).", low=0.0, high=1.0)
    step: float = knob(0.1, "Added to it each round (difficulty).", low=0.0, high=1.0)
    low: float = knob(0.1, "Least solve rate (frontier).", low=0.0, high=1.0)
    high: float = knob(0.9, "Largest solve rate (frontier).", low=0.0, high=1.0)
    n: int = knob(0, "Problems drawn of them each round without replacement; 0 takes all.", low=0, unit="problems")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise KnobError(f"curric: low must be at most high, got {self.low:g} and {self.high:g}; exchange the two")

    def propose(self, state: State, problems: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The problems within reach in their own order, `n` of them at random.

        Raises KnobError with by=difficulty for problems of unknown difficulty.
        """
        beyond = self._beyond(state, problems)
        place = np.flatnonzero(beyond <= 0)
        if not len(place):
            place = np.argsort(beyond, kind="stable")[: max(self.n, 1)]
        if 0 < self.n < len(place):
            place = rng.choice(place, self.n, replace=False)
        return problems.iloc[np.sort(place)]

    def _beyond(self, state: State, problems: pd.DataFrame) -> np.ndarray:
        """How far each problem (n,) lies out of reach, at most 0 within."""
        if self.by == "difficulty":
            return _difficulty(problems) - (self.start + self.step * state.round)
        known = state.learned.get(self.name)
        rates = {} if known is None else dict(zip(known.rows["problem"], known.rows["rate"], strict=True))
        rate = np.array([rates.get(problem, np.nan) for problem in problems["problem"]], float)
        return np.where(np.isnan(rate), 0.0, np.maximum(self.low - rate, rate - self.high))

    def remember(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> State:
        """The state with the solve rates of the problems that were tried in this round; by=frontier needs no more."""
        if self.by != "frontier":
            return state
        fresh = solve_rates(rows).assign(round=state.round)
        known = state.learned.get(self.name)
        kept = fresh if known is None else pd.concat([known.rows, fresh], ignore_index=True)
        kept = kept.astype(_KEPT).drop_duplicates("problem", keep="last").reset_index(drop=True)
        return state.having(learned={**state.learned, self.name: Learned(kept, {})})


def solve_rates(rows: pd.DataFrame) -> pd.DataFrame:
    """Problem and rate: the share of passing rows (score ≥ 1/2) among the scored first attempts without a hint."""
    plain = ((rows["hint"] == "none") & (rows["turn"] == 0) & rows["score"].notna()).to_numpy(bool)
    told = rows.loc[plain, ["problem"]].assign(rate=rows.loc[plain, "score"].to_numpy(float) >= 0.5)
    rates: pd.DataFrame = told.groupby("problem", sort=False)["rate"].mean().reset_index()
    return rates


def _difficulty(problems: pd.DataFrame) -> np.ndarray:
    if problems["difficulty"].isna().any():
        raise KnobError(
            "curric(difficulty) needs the difficulty of every problem, and some have none; "
            "measure it with siwork.tasks.probe, or take curric(frontier)"
        )
    return problems["difficulty"].to_numpy(float)
