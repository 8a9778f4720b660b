"""Updates: one coefficient per row on ∇ log π.

Each update names an objective J(logp) and returns its exact derivative c_i = ∂J/∂ log π(y_i | x_i); the policy ascends
Σ c_i ∇ log π(y_i | x_i). Tests compare the coefficients with finite differences of `objective`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit, log_expit

from siwork.policies import Plan
from siwork.schema import knob
from siwork.slots import Component, State


def _batches(units: np.ndarray, size: int, steps: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`steps` batches of row numbers: units (m, w) are shuffled, used up, and shuffled again."""
    size = max(1, min(size // units.shape[1], len(units)))
    passes = max(1, -(-steps * size // len(units)))
    order = np.concatenate([rng.permutation(len(units)) for _ in range(passes)])
    return [units[order[i * size : (i + 1) * size]].ravel() for i in range(steps)]


def _plan(
    rows: pd.DataFrame,
    batches: list[np.ndarray],
    coefficients: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rate: float,
    constant: bool = False,
) -> Plan:
    return Plan(
        *texts_of(rows),
        batches,
        coefficients,
        rate,
        constant,
    )


def _texts(column: pd.Series) -> pa.Array:
    texts = pa.array(column, pa.string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def texts_of(rows: pd.DataFrame) -> tuple[pa.Array, pa.Array, np.ndarray]:
    """What is trained on: prompts, responses, and whether they end, each (n,).

    A row's own prompt and response, but for its context (`asked`) and its `taught` text where it has one; a taught text that the
    response begins with has no end.
    """
    prompt, response = _texts(rows["prompt"]), _texts(rows["response"])
    finished = rows["finished"].to_numpy(bool)
    if "asked" in rows:
        prompt = pc.coalesce(_texts(rows["asked"]), prompt)
    if "taught" in rows:
        taught = _texts(rows["taught"]).to_pylist()
        said = response.to_pylist()
        cut = [
            text is not None and text != own and own.startswith(text) for text, own in zip(taught, said, strict=True)
        ]
        other = np.array([text is not None for text in taught], bool)
        finished = np.where(other, ~np.array(cut, bool), finished)
        response = pc.coalesce(pa.array(taught, pa.string()), response)
    return prompt, response, finished


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
        batches = _batches(np.arange(len(kept))[:, None], self.batch, self.steps, rng)
        return _plan(kept, batches, lambda logp, index: self.coefficients(weight[index]), self.rate, constant=True)

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

    J = mean_i min(r_i A_i, clip(r_i, 1 − ε, 1 + ε) A_i), r = π/π_old of the whole response, A = score − group mean
    (divided by the group's standard deviation with scale=std). c_i = A_i r_i [not clipped] / n.
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
        old = _reference(state, used)
        batches = _batches(np.arange(len(used))[:, None], self.batch, self.steps, rng)
        return _plan(
            used, batches, lambda logp, index: self.coefficients(logp, old[index], advantage[index]), self.rate
        )

    def advantage(self, score: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Score minus its group's mean (n,), over the group's standard deviation when scale=std; 0 in dead groups."""
        size = np.maximum(np.bincount(group), 1)
        centred = score - (np.bincount(group, score) / size)[group]
        deviation = np.sqrt(np.bincount(group, centred**2) / size)[group]
        alive = deviation > 1e-9
        return np.where(alive, centred / np.where(alive, deviation, 1.0) if self.scale == "std" else centred, 0.0)

    def objective(self, logp: np.ndarray, old: np.ndarray, advantage: np.ndarray) -> float:
        """The clipped surrogate of a batch."""
        ratio = np.exp(logp - old)
        clipped = np.clip(ratio, 1 - self.clip, 1 + self.clip)
        return float(np.minimum(ratio * advantage, clipped * advantage).mean())

    def coefficients(self, logp: np.ndarray, old: np.ndarray, advantage: np.ndarray) -> np.ndarray:
        """A r [not clipped] / n, (b,)."""
        ratio = np.exp(logp - old)
        clipped = np.where(advantage > 0, ratio > 1 + self.clip, ratio < 1 - self.clip)
        return np.where(clipped, 0.0, advantage * ratio) / len(logp)


@dataclass(frozen=True)
class Pref(Trained):
    """Direct preference optimisation on the pairs.

    J = mean over pairs of log σ(m), m = β [(log π − log π_ref)(chosen) − (log π − log π_ref)(rejected)];
    c = ± β σ(−m) / pairs. Source: Rafailov et al. 2023, eq. 7. The reference is the policy at the start of the
    round (iterative DPO), or the base policy.
    """

    name = "pref"
    sentence = "Preference training (DPO) on chosen-rejected pairs."
    source = "Direct Preference Optimization: Your Language Model is Secretly a Reward Model"

    beta: float = knob(0.1, "Strength of the pull to the reference.", low=0.0, high=100.0)
    reference: str = knob(
        "round", "Reference: the policy at the start of the round, or the base.", choices=("round", "base")
    )

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Steps over whole pairs; None when there are none."""
        paired = rows[rows["pair"].notna().to_numpy(bool)]
        if paired.empty:
            return None
        paired = paired.sort_values(["pair", "side"], kind="stable")  # chosen before rejected in each pair
        held = state.having(policy=state.base) if self.reference == "base" else state
        reference = _reference(held, paired)
        batches = _batches(np.arange(len(paired)).reshape(-1, 2), self.batch, self.steps, rng)
        return _plan(paired, batches, lambda logp, index: self.coefficients(logp, reference[index]), self.rate)

    def margin(self, logp: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """m of each pair (b/2,); rows are chosen, rejected, chosen, rejected …"""
        gain = self.beta * (logp - reference)
        return gain[0::2] - gain[1::2]

    def objective(self, logp: np.ndarray, reference: np.ndarray) -> float:
        """Mean log σ(m) of a batch of pairs."""
        return float(log_expit(self.margin(logp, reference)).mean())

    def coefficients(self, logp: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """± β σ(−m) / pairs, (b,)."""
        pull = self.beta * expit(-self.margin(logp, reference)) / (len(logp) / 2)
        return np.stack([pull, -pull], axis=1).ravel()


@dataclass(frozen=True)
class Neg(Trained):
    """Unlikelihood on the rows that failed: J = −α mean_i [−log(1 − q_i)], q = π^(1/length) the mean token probability.

    c_i = −α q_i / ((1 − q_i) length_i n), with q at most 1 − 1e-3. Source: Welleck et al. 2020, sequence level.
    Departs from it in: one probability a response, the geometric mean over its tokens.
    """

    name = "neg"
    sentence = "Push away from the rows that failed (unlikelihood)."
    source = "Neural Text Generation with Unlikelihood Training"
    departs = "one probability a response, the geometric mean over its tokens"

    alpha: float = knob(1.0, "Strength of the push.", low=0.0, high=100.0)
    threshold: float = knob(0.5, "Scores below it count as failed.", low=0.0, high=1.0)
    steps: int = knob(20, "Optimiser steps a round.", low=0, high=100_000, unit="steps")
    rate: float = knob(0.3, "Learning rate as a share of the policy's own.", low=0.0, high=100.0)

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Steps over the scored rows below the threshold; None when there are none."""
        score = rows["score"].to_numpy(float, na_value=np.inf)
        failed = rows[score < self.threshold]
        if failed.empty:
            return None
        length = np.maximum(failed["n_tokens"].to_numpy(float), 1.0)
        batches = _batches(np.arange(len(failed))[:, None], self.batch, self.steps, rng)
        return _plan(failed, batches, lambda logp, index: self.coefficients(logp, length[index]), self.rate)

    def objective(self, logp: np.ndarray, length: np.ndarray) -> float:
        """α mean log(1 − q) of a batch."""
        return float(self.alpha * np.log1p(-_mean_probability(logp, length)).mean())

    def coefficients(self, logp: np.ndarray, length: np.ndarray) -> np.ndarray:
        """−α q / ((1 − q) length n), (b,)."""
        q = _mean_probability(logp, length)
        return -self.alpha * q / (1 - q) / length / len(logp)


@dataclass(frozen=True)
class Nofit(Fitting):
    """No weight change: the frozen control."""

    name = "nofit"
    sentence = "No weight change: the frozen control."
    source = "the control arm of every comparison"

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None:
        """Nothing to do."""
        return None


def _mean_probability(logp: np.ndarray, length: np.ndarray) -> np.ndarray:
    return np.minimum(np.exp(logp / length), 1 - 1e-3)


def _reference(state: State, rows: pd.DataFrame) -> np.ndarray:
    """Log-probability (n,) of the rows under the state's policy, for the prompt without a hint."""
    return state.policy.logp(*texts_of(rows))
