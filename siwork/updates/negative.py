"""The update that pushes away: from responses that failed, or from where training went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.policies import Plan, Policy
from siwork.schema import KnobError, knob
from siwork.slots import State
from siwork.updates.coefficients import Trained
from siwork.updates.plans import batches_of, plan_of, reference_of


@dataclass(frozen=True)
class Neg(Trained):
    """What the policy should not say, or should not have learned.

    unlikelihood  on the rows that failed, J = −α mean_i [−log(1 − q_i)], q = π^(1/length) the mean token probability;
                  c_i = −α q_i / ((1 − q_i) length_i n), with q at most 1 − 1e-3. Welleck et al. 2020, sequence level
    nft           on right and failed rows of problems that have both, with p the share of right ones, R = π/π_old and
                  ω = √((1 − p)/p): J = mean_i ω [log R_i if right, α log x_i if failed], x = (1 − p R)/(1 − p), the likelihood
                  of failures under the implicit negative policy; below `floor` the logarithm goes on as its tangent, so that
                  c_i = ω/n, or −α ω p R_i / ((1 − p) max(x_i, floor) n). π_old is the policy when the update begins
                  ("Bridging Supervised Learning and Reinforcement Learning in Math Reasoning")
    extrapolate   no steps: when the other updates are done, θ = θ_before − w (θ_trained − θ_before), with the parameters before the
                  round ("Neon: Negative Extrapolation From Self-Training Improves Image Generation")

    Departs from the sources in: one probability a response instead of one a token (of unlikelihood the geometric mean).
    """

    name = "neg"
    sentence = "Push away from the rows that failed, or from where the round's training went."
    source = "Neural Text Generation with Unlikelihood Training"
    departs = "one probability a response, the geometric mean over its tokens"

    alpha: float = knob(1.0, "Strength of the push.", low=0.0, high=100.0)
    threshold: float = knob(0.5, "Scores below it count as failed.", low=0.0, high=1.0)
    steps: int = knob(20, "Optimiser steps a round.", low=0, high=100_000, unit="steps")
    rate: float = knob(0.3, "Learning rate as a share of the policy's own.", low=0.0, high=100.0)
    kind: str = knob("unlikelihood", "How it pushes away.", choices=("unlikelihood", "nft", "extrapolate"))
    floor: float = knob(0.1, "Where the logarithm becomes its tangent (nft).", low=1e-6, high=1.0)
    w: float = knob(1.0, "How far back beyond the start (extrapolate).", low=-1.0, high=10.0)

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """Parameters that can be moved along a line, for extrapolate."""
        return ("toward",) if self.kind == "extrapolate" else ()

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Steps over the scored rows that this kind trains on; None when there are none."""
        if self.kind == "extrapolate":
            return None
        if self.kind == "nft":
            return self._aware(state, rows, rng)
        score = rows["score"].to_numpy(float, na_value=np.inf)
        failed = rows[score < self.threshold]
        if failed.empty:
            return None
        length = np.maximum(failed["n_tokens"].to_numpy(float), 1.0)
        batches = batches_of(np.arange(len(failed))[:, None], self.batch, self.steps, rng)
        return plan_of(failed, batches, lambda logp, index: self.coefficients(logp, length[index]), self.rate)

    def move(self, before: Policy, policy: Policy) -> None:
        """Put the trained policy on the other side of what it was before the round (extrapolate).

        Raises KnobError for a policy whose parameters cannot be moved so.
        """
        if self.kind != "extrapolate":
            return
        toward = getattr(policy, "toward", None)
        if toward is None:
            raise KnobError(
                f"neg(kind=extrapolate) needs a policy that moves toward another, and {policy.name} does not; "
                "take kind=unlikelihood"
            )
        toward(before, 1 + self.w)

    def objective(self, logp: np.ndarray, length: np.ndarray) -> float:
        """α mean log(1 − q) of a batch."""
        return float(self.alpha * np.log1p(-_mean_probability(logp, length)).mean())

    def coefficients(self, logp: np.ndarray, length: np.ndarray) -> np.ndarray:
        """−α q / ((1 − q) length n), (b,)."""
        q = _mean_probability(logp, length)
        return -self.alpha * q / (1 - q) / length / len(logp)

    # ── negative-aware ─────────────────────────────────────────────────────────────────────────────────
    def _aware(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        scored = rows[rows["score"].notna().to_numpy(bool)]
        right = scored["score"].to_numpy(float) >= self.threshold
        problem = pd.factorize(scored["problem"])[0]
        passed = np.bincount(problem, right, minlength=1) / np.maximum(np.bincount(problem, minlength=1), 1)
        used = np.flatnonzero((passed[problem] > 0) & (passed[problem] < 1))
        if not len(used):
            return None
        scored, right, share = scored.iloc[used], right[used], passed[problem][used]
        old = reference_of(state, scored)
        batches = batches_of(np.arange(len(used))[:, None], self.batch, self.steps, rng)
        return plan_of(
            scored, batches, lambda logp, i: self.aware_coefficients(logp, old[i], right[i], share[i]), self.rate
        )

    def aware_objective(self, logp: np.ndarray, old: np.ndarray, right: np.ndarray, share: np.ndarray) -> float:
        """The objective of nft of a batch (b,); share : right ones among each row's problem, in (0, 1)."""
        ratio = np.exp(logp - old)
        rest = (1 - share * ratio) / (1 - share)
        held = np.maximum(rest, self.floor)
        failed = np.log(held) + np.minimum(rest - held, 0.0) / self.floor
        return float((np.sqrt((1 - share) / share) * np.where(right, logp - old, self.alpha * failed)).mean())

    def aware_coefficients(self, logp: np.ndarray, old: np.ndarray, right: np.ndarray, share: np.ndarray) -> np.ndarray:
        """The derivative of `aware_objective` by logp, (b,)."""
        ratio = np.exp(logp - old)
        rest = np.maximum((1 - share * ratio) / (1 - share), self.floor)
        push = -self.alpha * share * ratio / (1 - share) / rest
        return np.asarray(np.sqrt((1 - share) / share) * np.where(right, 1.0, push) / len(logp))


def _mean_probability(logp: np.ndarray, length: np.ndarray) -> np.ndarray:
    return np.minimum(np.exp(logp / length), 1 - 1e-3)
