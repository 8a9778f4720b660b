"""What holds the policy where it was: a further term of the objective, an older rejected side, or its own majority as label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.policies import Plan
from siwork.schema import KnobError, knob
from siwork.slots import Component, Learned, State
from siwork.stabilisers.pop import EVERYBODY

_KEPT = ["problem", "response", "finished", "n_tokens"]

Coefficients = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Anchor(Component):
    """A pull of strength s against drift, on the n rows of each batch.

    nll   J + s · mean log π over the rows that the update wants more of, those with a positive coefficient: the chosen side of
          pairs, the accepted of `sft`; c + s/wanted ("Iterative reasoning preference optimization")
    kl    J − s · mean ½ (log π − log π_base)²; c − s (log π − log π_base)/n. The k2 estimator of the divergence from round 0
          (Schulman 2020, "Approximating KL Divergence")
    past  the rejected side of each pair is a failing response of the first round to the same problem, drawn at random; a
          problem without one keeps its own ("Temporal Self-Rewarding Language Models"; s says nothing)
    conf  the weight of each row is (1 − s) · weight + s · [its answer is the majority of the policy's own answers to the
          problem] ("Weak-to-strong generalization")

    Departs from the sources in: nll is a response's, not divided by its length; kl is taken on the rows that are trained on,
    whoever wrote them; past leaves the chosen side to the present policy; conf counts hard votes in place of
    the hardened probability.
    """

    slot = "stabiliser"
    name = "anchor"
    sentence = (
        "Hold the policy: a likelihood or divergence term, rejected sides of the past, or its own majority as label."
    )
    source = "Iterative reasoning preference optimization"
    departs = "the likelihood term is not divided by the response's length"

    kind: str = knob("nll", "What holds it.", choices=("nll", "kl", "past", "conf"), shown=True)
    strength: float = knob(1.0, "How strongly; of conf a share, 0 … 1.", low=0.0, high=100.0)
    threshold: float = knob(0.5, "Scores below it count as failed (past).", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "conf" and self.strength > 1:
            raise KnobError(
                f"anchor: with kind=conf the strength is a share, 0 … 1, got {self.strength:.15g}; nearest: 1"
            )

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]:
        """The training rows with older rejected sides (past) or other weights (conf)."""
        if self.kind == "past" and self.name in state.learned:
            return state, _with_past(train, state.learned[self.name].rows, rng)
        if self.kind == "conf":
            own = _own_majority(state, train, rng)
            return state, train.assign(weight=(1 - self.strength) * train["weight"] + self.strength * own)
        return state, train

    def shape(self, plan: Plan, state: State) -> Plan:
        """The plan with the term of nll or kl."""
        if self.kind == "nll":
            return plan._replace(coefficients=_with_likelihood(plan.coefficients, self.strength))
        if self.kind == "kl":
            base = np.asarray(state.base.logp(plan.prompt, plan.response, plan.finished), float)
            return plan._replace(coefficients=_with_divergence(plan.coefficients, base, self.strength), constant=False)
        return plan

    def after(self, state: State, rows: pd.DataFrame) -> State:
        """The failing responses of the first round are remembered (past)."""
        if self.kind != "past" or self.name in state.learned:
            return state
        failed = rows["score"].to_numpy(float, na_value=np.inf) < self.threshold
        kept = rows.loc[failed, _KEPT].reset_index(drop=True)
        return state.having(learned={**state.learned, self.name: Learned(kept, {})})


def _with_likelihood(own: Coefficients, strength: float) -> Coefficients:
    def coefficients(logp: np.ndarray, index: np.ndarray) -> np.ndarray:
        c = own(logp, index)
        wanted = c > 0
        return np.asarray(c + strength * wanted / max(int(wanted.sum()), 1))

    return coefficients


def _with_divergence(own: Coefficients, base: np.ndarray, strength: float) -> Coefficients:
    def coefficients(logp: np.ndarray, index: np.ndarray) -> np.ndarray:
        return np.asarray(own(logp, index) - strength * (logp - base[index]) / len(logp))

    return coefficients


def _with_past(train: pd.DataFrame, past: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The rows with other responses on the rejected sides of pairs, where there is one of the past."""
    luck = rng.random(len(train))
    by_problem = past.groupby("problem", sort=False).indices
    rejected = (train["side"] == "rejected").fillna(False).to_numpy(bool)
    known = np.array([problem in by_problem for problem in train["problem"].tolist()], bool)
    place = np.flatnonzero(rejected & known)
    if not len(place):
        return train
    among = [by_problem[train["problem"].iloc[i]] for i in place]
    drawn = [int(group[int(luck[i] * len(group))]) for i, group in zip(place, among, strict=True)]
    taken = past.iloc[drawn].set_index(train.index[place])
    changed = {name: train[name].mask(rejected & known, taken[name].reindex(train.index)) for name in _KEPT[1:]}
    if "taught" in train:
        changed["taught"] = train["taught"].mask(rejected & known)
    return train.assign(**changed)


def _own_majority(state: State, train: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """1.0 for rows (n,) whose answer is the majority of their problem's unhinted answers by the policies that play, else 0.0."""
    luck = rng.random(len(train))
    own = train["agent"].isin([*state.agents, EVERYBODY]) & (train["hint"] == "none") & train["answer"].notna()
    cast = pd.DataFrame({"problem": train["problem"], "answer": train["answer"], "luck": luck})[
        own.fillna(False).to_numpy(bool)
    ]
    count = cast.groupby(["problem", "answer"], sort=False)["luck"].agg(["size", "max"]).reset_index()
    best = count.sort_values(["size", "max"], ascending=False).drop_duplicates("problem")
    majority = dict(zip(best["problem"].tolist(), best["answer"].tolist(), strict=True))
    told = zip(train["problem"].tolist(), train["answer"].tolist(), strict=True)
    return np.array([not pd.isna(answer) and majority.get(problem) == answer for problem, answer in told], float)
