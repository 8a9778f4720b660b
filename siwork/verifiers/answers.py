"""Verifiers that compare answers: with the truth, or with each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import KnobError, knob
from siwork.slots import Component, State

_COUNTS = ("share", "majority")


@dataclass(frozen=True)
class Gold(Component):
    """The exact check of the task: the only verifier that sees the truth as it is."""

    slot = "verifier"
    name = "gold"
    sentence = "The exact check of the task: 1 right, 0 wrong."
    source = "STaR: Bootstrapping reasoning with reasoning"
    reads_gold = True

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """1.0 for right rows, 0.0 for wrong ones."""
        return state.task.check(rows).to_numpy(float)


@dataclass(frozen=True)
class Noisy(Component):
    """The exact check with set error rates: a false accept with rate fp, a false reject with rate fn.

    Source: label-noise ladders, e.g. "On the self-verification limitations of large language models". With
    link=difficulty a row's rates are 2 · difficulty times the flat ones, at most 1: over difficulties that are uniform in 0 … 1 the
    mean of a rate r is r up to r = 0.5, and 1 − 1/(4 r) beyond, as 0.75 for r = 1.
    """

    slot = "verifier"
    name = "noisy"
    sentence = "The exact check with set rates of false accepts and false rejects."
    source = "On the self-verification limitations of large language models on reasoning and planning tasks"
    reads_gold = True

    fp: float = knob(0.1, "Share of wrong answers that are accepted.", low=0.0, high=1.0, shown=True)
    fn: float = knob(0.1, "Share of right answers that are rejected.", low=0.0, high=1.0, shown=True)
    link: str = knob("flat", "Whether the rates grow with difficulty.", choices=("flat", "difficulty"))

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """0/1 verdicts after the flips; noisy(0, 0) equals gold. Raises KnobError where it needs a difficulty that is null."""
        right = state.task.check(rows).to_numpy(bool)
        rate = np.where(right, self.fn, self.fp)
        if self.link == "difficulty":
            difficulty = rows["difficulty"].to_numpy(float, na_value=np.nan)
            if np.isnan(difficulty).any():
                raise KnobError("noisy(link=difficulty) needs a difficulty of every problem; take link=flat")
            rate = np.minimum(rate * 2 * difficulty, 1.0)
        return (right ^ (rng.random(len(rows)) < rate)).astype(float)


@dataclass(frozen=True)
class Vote(Component):
    """Agreement of a problem's own completions: no truth is read.

    Source: Self-consistency (share of votes); "Can Large Reasoning Models Self-Train?" (majority as reward).
    Completions without a readable answer cast no vote and score 0. Ties for the majority go to one of the tied
    answers at random. With by=agent each ballot weighs as much as its agent agrees with itself on the problem: the share of the
    agent's readable answers that its own majority holds ("Wisdom of the Crowd", several models' votes by self-consistency).
    """

    slot = "verifier"
    name = "vote"
    sentence = "Agreement among a problem's own completions; reads no truth."
    source = "Self-consistency improves chain of thought reasoning in language models"

    count: str = knob(
        "share",
        "Score: the share of votes an answer got, or 1 for the majority's answer only.",
        choices=("share", "majority"),
    )
    by: str = knob(
        "one",
        "What a ballot weighs: one, or the agreement of its agent with itself on the problem.",
        choices=("one", "agent"),
    )

    @property
    def asks(self) -> tuple[str, ...]:
        """Answers that two completions may share."""
        return ("agreement",)

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Share of its problem's votes that the row's answer got, or whether it is the majority's."""
        problem, _ = pd.factorize(rows["problem"])
        answer, _ = pd.factorize(rows["answer"])  # -1: unreadable
        voted = answer >= 0
        ballot, _ = pd.factorize(problem[voted] * (answer.max(initial=0) + 1) + answer[voted])
        weight = np.ones(len(ballot)) if self.by == "one" else _agreement(rows, problem, voted, ballot)
        votes = np.bincount(ballot, weight)
        total = np.bincount(problem[voted], weight, minlength=problem.max(initial=0) + 1)
        score = np.zeros(len(rows))
        score[voted] = votes[ballot] / total[problem[voted]]
        return score if self.count == "share" else _majority(problem, voted, ballot, votes, rng)


def _agreement(rows: pd.DataFrame, problem: np.ndarray, voted: np.ndarray, ballot: np.ndarray) -> np.ndarray:
    """Share (m,) of its agent's votes on the problem that the agent's majority holds, for each row that voted."""
    agent, _ = pd.factorize(rows["agent"])
    group, _ = pd.factorize(problem[voted] * (agent.max(initial=0) + 1) + agent[voted])
    own, inverse = np.unique(np.stack([group, ballot], axis=1), axis=0, return_inverse=True)
    most = np.zeros(group.max(initial=-1) + 1)
    np.maximum.at(most, own[:, 0], np.bincount(inverse.ravel(), minlength=len(own)))
    return (most / np.maximum(np.bincount(group, minlength=len(most)), 1))[group]


def _majority(
    problem: np.ndarray, voted: np.ndarray, ballot: np.ndarray, votes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    level = np.unique(np.round(votes, 9), return_inverse=True)[1].ravel()  # whole numbers, equal for equal votes
    strength = level + 1.0 + rng.random(len(votes))  # the fraction breaks ties and nothing else
    best = np.zeros(problem.max(initial=0) + 1)
    np.maximum.at(best, problem[voted], strength[ballot])
    score = np.zeros(len(problem))
    score[voted] = strength[ballot] == best[problem[voted]]
    return score
