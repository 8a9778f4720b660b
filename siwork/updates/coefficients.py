"""Updates: one coefficient per row on ∇ log π.

Each update names an objective J(logp) and returns its exact derivative c_i = ∂J/∂ log π(y_i | x_i); the policy ascends
Σ c_i ∇ log π(y_i | x_i). Tests compare the coefficients with finite differences of `objective`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, log_expit

from siwork.policies import Plan
from siwork.schema import knob
from siwork.slots import Component, State
from siwork.updates.plans import batches_of, plan_of, reference_of


class Fitting(Component):
    """Base of updates."""

    slot = "update"

    def fits_verifiers(self, state: State) -> bool:
        """Whether verifiers that learn do so in this round."""
        return False


@dataclass(frozen=True)
class Trained(Fitting):
    """The knobs of every update that takes training steps."""

    steps: int = knob(60, "Optimiser steps a round.", low=0, high=100_000, unit="steps")
    batch: int = knob(64, "Rows in a step; a pair is two rows.", low=2, high=65_536, unit="rows")
    rate: float = knob(1.0, "Learning rate as a share of the policy's own.", low=0.0, high=100.0)


@dataclass(frozen=True)
class Sft(Trained):
    """Likelihood training on the selection: J = Σ w_i log π_i / Σ w_i, so c_i = w_i / Σ w over the batch."""

    name = "sft"
    sentence = "Likelihood training on the selected rows, by weight."
    source = "STaR: Bootstrapping reasoning with reasoning"

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Steps over the rows with weight > 0; None when there are none."""
        kept = rows[rows["weight"].to_numpy(float) > 0]
        if kept.empty:
            return None
        weight = kept["weight"].to_numpy(float)
        batches = batches_of(np.arange(len(kept))[:, None], self.batch, self.steps, rng)
        return plan_of(kept, batches, lambda logp, index: self.coefficients(weight[index]), self.rate, constant=True)

    @staticmethod
    def objective(logp: np.ndarray, weight: np.ndarray) -> float:
        """Weighted mean log-likelihood of a batch, nats."""
        return float(weight @ logp / weight.sum())

    @staticmethod
    def coefficients(weight: np.ndarray) -> np.ndarray:
        """w / Σw, (b,)."""
        return weight / weight.sum()


@dataclass(frozen=True)
class Pg(Trained):
    """Group-relative policy gradient with a clipped ratio.

    J = Σ w_i min(r_i A_i, clip(r_i, 1 − ε, 1 + ε) A_i) / Σ w_i, r = π/π_old of the whole response, A = score − group mean
    (divided by the group's standard deviation with scale=std). c_i = w_i A_i r_i [not clipped] / Σ w. The weights w are those of
    the selection, all 1 without one.
    Source: DeepSeekMath (GRPO). Departs from it in: one ratio a response instead of one a token, no division by
    length, no KL term. Rows of groups whose scores are all equal have A = 0 and are left out of the steps.
    """

    name = "pg"
    sentence = "Group-relative policy gradient with a clipped ratio."
    source = "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models"
    departs = "one ratio a response instead of one a token, no division by length, no KL term"

    clip: float = knob(0.2, "Half-width ε of the trusted ratio range.", low=0.0, high=10.0)
    scale: str = knob(
        "std", "Whether advantages are divided by the group's standard deviation.", choices=("std", "none")
    )

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Steps over the rows with a non-zero advantage; None when every group is dead."""
        used = rows[(rows["weight"].to_numpy(float) > 0) & rows["score"].notna().to_numpy(bool)]
        advantage = self.advantage(used["score"].to_numpy(float), pd.factorize(used["problem"])[0])
        alive = np.flatnonzero(advantage)
        if not len(alive):
            return None
        used, advantage = used.iloc[alive], advantage[alive]
        old, weight = reference_of(state, used), used["weight"].to_numpy(float)
        batches = batches_of(np.arange(len(used))[:, None], self.batch, self.steps, rng)
        return plan_of(
            used, batches, lambda logp, i: self.coefficients(logp, old[i], advantage[i], weight[i]), self.rate
        )

    def advantage(self, score: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Score minus its group's mean (n,), over the group's standard deviation when scale=std; 0 in dead groups."""
        size = np.maximum(np.bincount(group), 1)
        centred = score - (np.bincount(group, score) / size)[group]
        deviation = np.sqrt(np.bincount(group, centred**2) / size)[group]
        alive = deviation > 1e-9
        return np.where(alive, centred / np.where(alive, deviation, 1.0) if self.scale == "std" else centred, 0.0)

    def objective(
        self, logp: np.ndarray, old: np.ndarray, advantage: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """The clipped surrogate of a batch, its mean by weight (b,) ≥ 0; None weighs all alike."""
        ratio = np.exp(logp - old)
        clipped = np.clip(ratio, 1 - self.clip, 1 + self.clip)
        return float(np.average(np.minimum(ratio * advantage, clipped * advantage), weights=weight))

    def coefficients(
        self, logp: np.ndarray, old: np.ndarray, advantage: np.ndarray, weight: np.ndarray | None = None
    ) -> np.ndarray:
        """w A r [not clipped] / Σ w, (b,)."""
        ratio, w = np.exp(logp - old), np.ones(len(logp)) if weight is None else weight
        clipped = np.where(advantage > 0, ratio > 1 + self.clip, ratio < 1 - self.clip)
        return np.where(clipped, 0.0, w * advantage * ratio) / w.sum()


@dataclass(frozen=True)
class Pref(Trained):
    """Direct preference optimisation on the pairs.

    J = mean over pairs of log σ(m), m = β [(log π − log π_ref)(chosen) − (log π − log π_ref)(rejected)];
    c = ± β σ(−m) / pairs. Source: Rafailov et al. 2023, eq. 7. The reference is the policy at the start of the
    round (iterative DPO), or the base policy. With weighted=true each pair's term is multiplied by the weight w of its
    chosen row ("Self-Consistency Preference Optimization"). The usual rate is a twentieth of fine-tuning's, as TRL's is
    (1e-6 and 2e-5); at the rate of fine-tuning pairs take a small model apart.
    """

    name = "pref"
    sentence = "Preference training (DPO) on chosen-rejected pairs."
    source = "Direct Preference Optimization: Your Language Model is Secretly a Reward Model"

    rate: float = knob(0.05, "Learning rate as a share of the policy's own.", low=0.0, high=100.0)
    beta: float = knob(0.1, "Strength of the pull to the reference.", low=0.0, high=100.0)
    reference: str = knob(
        "round", "Reference: the policy at the start of the round, or the base.", choices=("round", "base")
    )
    weighted: bool = knob(False, "Whether a pair counts as much as its chosen row weighs.")

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Steps over whole pairs; None when there are none."""
        paired = rows[rows["pair"].notna().to_numpy(bool)]
        if paired.empty:
            return None
        paired = paired.sort_values(["pair", "side"], kind="stable")  # chosen before rejected in each pair
        held = state.having(policy=state.base) if self.reference == "base" else state
        reference = reference_of(held, paired)
        weight = paired["weight"].to_numpy(float) if self.weighted else np.ones(len(paired))
        batches = batches_of(np.arange(len(paired)).reshape(-1, 2), self.batch, self.steps, rng)
        return plan_of(
            paired, batches, lambda logp, i: self.coefficients(logp, reference[i], weight[i][0::2]), self.rate
        )

    def margin(self, logp: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """m of each pair (b/2,); rows are chosen, rejected, chosen, rejected …"""
        gain = self.beta * (logp - reference)
        return gain[0::2] - gain[1::2]

    def objective(self, logp: np.ndarray, reference: np.ndarray, weight: np.ndarray | float = 1.0) -> float:
        """Mean w log σ(m) of a batch of pairs; weight w : (b/2,), or one for all."""
        return float((weight * log_expit(self.margin(logp, reference))).mean())

    def coefficients(self, logp: np.ndarray, reference: np.ndarray, weight: np.ndarray | float = 1.0) -> np.ndarray:
        """± w β σ(−m) / pairs, (b,)."""
        pull = weight * self.beta * expit(-self.margin(logp, reference)) / (len(logp) / 2)
        return np.stack([pull, -pull], axis=1).ravel()


@dataclass(frozen=True)
class Nofit(Fitting):
    """No weight change: the frozen control."""

    name = "nofit"
    sentence = "No weight change: the frozen control."
    source = "the control arm of every comparison"

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Nothing to do."""
        return None
