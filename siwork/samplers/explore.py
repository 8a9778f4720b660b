"""Sampling that is bent towards what is not said yet: a pool of earlier rounds, or a policy that forgets what it just said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.policies import Plan
from siwork.rollouts import next_sample, rescored, rollout, written
from siwork.samplers.judged import keeping, kept_under, of_problems, said, scores
from siwork.samplers.plain import Drawing
from siwork.schema import KnobError, knob
from siwork.slots import State, Tell

POOL, FORGET = "pool", "forget"
_SURE = 1 - 1e-3  # largest mean token probability that is pushed down
_BATCH = 64  # rows of an unlearning step
_KEPT = ["problem", "response", "said"]


@dataclass(frozen=True)
class Explore(Drawing):
    """k completions of each problem and something beside the beaten track.

    kind=pool (DIVE): the passing responses (score ≥ 1/2) of earlier rounds to the same problem join the fresh ones, one of
    each different answer; at most `n` of them, drawn at random among the answers that were not said in this round. Their
    log-probabilities are those of the present policy; hint and agent are `pool`.

    kind=forget (EEPO): the first half is drawn as ever. A copy of the policy unlearns it in `steps` steps along
    J = mean_i log(1 − q_i), q = π^(1/length) the mean token probability, so c_i = −q_i / ((1 − q_i) length_i rows). The other
    half is drawn from that copy, which is then thrown away; log-probabilities are the policy's own, entropy is unknown, and
    the hint is `forget`.

    Source: "DIVE", section 3.2; "EEPO", section 4. Departs from them in: no outliers are taken out of the pool; one throw-away
    copy for all problems, a mean probability a response, and no gate by entropy.
    """

    name = "explore"
    sentence = "Completions beside the beaten track: a pool of earlier rounds, or sample, forget, sample again."
    source = "EEPO: Exploration-Enhanced Policy Optimization via Sample-Then-Forget"
    departs = "one copy forgets the halves of all problems together, without a gate by entropy; the pool keeps outliers"

    kind: str = knob("pool", "What is explored with.", choices=(POOL, FORGET), shown=True)
    k: int = knob(
        16,
        "Completions of each problem; with forget half of them, rounded down, after forgetting.",
        low=1,
        high=4096,
        unit="samples",
    )
    n: int = knob(4, "Most answers of earlier rounds that join a problem (pool).", low=1, high=4096, unit="samples")
    steps: int = knob(1, "Unlearning steps (forget).", low=1, high=10_000, unit="steps")
    rate: float = knob(3.0, "Their learning rate as a share of the policy's own (forget).", low=0.0, high=1000.0)
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == FORGET and self.k < 2:
            raise KnobError(f"explore(forget) draws k in two halves, got k={self.k}; nearest: 2")

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """Fresh rows of each problem, then those of the pool or of the policy that forgot them."""
        k = self.k if self.kind == POOL else -(-self.k // 2)
        first = next_sample(judged)
        fresh = rollout(state, problems, k, rng, tell, temperature=self.temperature, first=first)
        if self.kind == POOL:
            there = fresh if judged is None else pd.concat([judged, fresh], ignore_index=True)
            more = self._pooled(state, problems, there, rng)
        else:
            more = self._forgotten(state, problems, fresh, rng, tell)
        return pd.concat([fresh, more], ignore_index=True)

    def remember(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> State:
        """The state with one passing response of each different answer (pool). Raises KnobError where nobody scored."""
        if self.kind != POOL:
            return state
        passed = rows[
            (scores(rows, "explore(pool)", "explore(pool) · gold") >= 0.5) & (rows["agent"] != POOL).to_numpy(bool)
        ]
        fresh, known = passed.assign(said=said(passed))[_KEPT], kept_under(state, self.name)
        kept = fresh if known is None else pd.concat([known, fresh], ignore_index=True)
        return keeping(state, self.name, kept.drop_duplicates(["problem", "said"]))

    def _pooled(
        self, state: State, problems: pd.DataFrame, there: pd.DataFrame, rng: np.random.Generator
    ) -> pd.DataFrame:
        known = kept_under(state, self.name)
        if known is None:
            known = there.iloc[:0].assign(said=there["response"].iloc[:0])
        heard = set(zip(there["problem"], said(there), strict=True))
        new = np.array([told not in heard for told in zip(known["problem"], known["said"], strict=True)], bool)
        open_ = known[new & known["problem"].isin(problems["problem"]).to_numpy(bool)]
        drawn = open_.iloc[rng.permutation(len(open_))].groupby("problem", sort=False).head(self.n).sort_index()
        return written(
            state,
            of_problems(problems, drawn["problem"]),
            drawn["response"].tolist(),
            hint=POOL,
            agent=POOL,
            first=next_sample(there),
        )

    def _forgotten(
        self, state: State, problems: pd.DataFrame, fresh: pd.DataFrame, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        twin = state.policy.copy()
        if len(fresh):
            twin.train(unlearning(fresh, self.steps, self.rate, rng))
        rows = rollout(
            state.having(policy=twin),
            problems,
            self.k // 2,
            rng,
            tell,
            temperature=self.temperature,
            hint=FORGET,
            asked=problems["prompt"].tolist(),
            first=next_sample(fresh),
        )
        return rescored(state, rows)


def unlearning(rows: pd.DataFrame, steps: int, rate: float, rng: np.random.Generator) -> Plan:
    """Steps that push the responses of rows down, each batch drawn anew without replacement."""
    length = np.maximum(rows["n_tokens"].to_numpy(float, na_value=1.0), 1.0)
    batches = [np.sort(rng.permutation(len(rows))[:_BATCH]) for _ in range(steps)]
    told = rows["prompt"].tolist(), rows["response"].tolist(), rows["finished"].to_numpy(bool)
    return Plan(*told, batches, lambda logp, index: pushed(logp, length[index]), rate)


def pushed(logp: np.ndarray, length: np.ndarray) -> np.ndarray:
    """−q / ((1 − q) length n) of a batch (n,), the derivative of mean log(1 − q) by log π; q = π^(1/length)."""
    q = np.minimum(np.exp(logp / length), _SURE)
    return -q / (1 - q) / length / len(logp)
