"""A gate at the end of a round: the new policies are taken or refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.slots import Component, Learned, State, Trial

_TYPES = {"round": "int64", "accepted": "bool", "score_before": "double", "score_after": "double", "drift": "double"}


@dataclass(frozen=True)
class Gate(Component):
    """Refuse a round that did not pay, or that moved too far: the next one then starts from the same policies again.

    Old and new policy complete the same `problems` training problems, `k` times each with the same luck, and the recipe's verifier
    judges them. The round is refused where mean score_new < mean score_old + margin, or, with drift > 0, where the mean over the
    new completions of |log π_new − log π_old| a token exceeds `drift`. Policies, members and what components learned are then those
    of before; memory and tuned knobs stay. Of a population all agents are asked, and all taken or refused together. What no
    verifier scores is not compared. Every decision is kept with the state, under the name `gate`.

    Source: "Utility-Learning Tension", a gate on validation gain and one on capacity. Departs from it in: drift in place of
    capacity, and the recipe's own verifier, which may read no truth, on training problems as validation.
    """

    slot = "stabiliser"
    name = "gate"
    sentence = "Refuse a round whose policy scores no better on the same problems, or has moved too far."
    source = "Utility-Learning Tension in Self-Modifying Agents"
    departs = "a bound on drift in place of capacity; the recipe's verifier on training problems as validation"

    margin: float = knob(0.0, "Least gain in mean score.", low=-1.0, high=1.0)
    problems: int = knob(40, "Training problems that both complete.", low=1, high=100_000, unit="problems")
    k: int = knob(8, "Completions of each.", low=1, high=4096, unit="samples")
    drift: float = knob(
        0.0, "Most change of log-probability a token; 0 sets no bound.", low=0.0, high=100.0, unit="nats"
    )

    def told(self, state: State) -> dict[str, object]:
        """The last decision."""
        line = state.learned[self.name].rows.iloc[-1].to_dict()
        return {"gate": {str(name): _plain(value) for name, value in line.items()}}

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]:
        """Nothing before the update."""
        return state, train

    def after(self, state: State, rows: pd.DataFrame) -> State:
        """Nothing until the round is settled."""
        return state

    def settle(
        self, before: State, after: State, problems: pd.DataFrame, trial: Trial, rng: np.random.Generator
    ) -> State:
        """The new state, or with the policies and what was learned before, and the decision among what was learned."""
        few = problems.iloc[np.sort(rng.permutation(len(problems))[: self.problems])].reset_index(drop=True)
        seed = int(rng.integers(2**63))
        old, new = (self._completed(state, few, trial, seed) for state in (before, after))
        gain, moved = _mean_score(new) - _mean_score(old), _drift(before, new)
        refused = gain < self.margin or 0 < self.drift < moved  # a gain that is unknown refuses nothing
        told = [before.round, not refused, _mean_score(old), _mean_score(new), moved]
        if refused:
            after = after.having(policy=before.policy, members=before.members, learned=before.learned)
        return after.having(learned={**after.learned, self.name: _noted(before.learned.get(self.name), told)})

    def _completed(self, state: State, few: pd.DataFrame, trial: Trial, seed: int) -> pd.DataFrame:
        """Judged completions by every agent, all with the same luck."""
        asked = [state.having(policy=policy, members=(), agent=name) for name, policy in state.agents.items()]
        return pd.concat([trial(own, few, self.k, np.random.default_rng(seed)) for own in asked], ignore_index=True)


def _mean_score(rows: pd.DataFrame) -> float:
    score = rows["score"].to_numpy(float, na_value=np.nan)
    known = score[np.isfinite(score)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(value: object) -> object:
    return None if pd.isna(value) else value  # type: ignore[call-overload]


def _drift(before: State, new: pd.DataFrame) -> float:
    """Mean |log π_new − log π_old| a token over the rows of all agents, nats; NaN where it is nowhere known."""
    each = []
    for name, policy in before.agents.items():
        own = new[(new["agent"] == name).to_numpy(bool)]
        logp, n = (own[column].to_numpy(float, na_value=np.nan) for column in ("logp", "n_tokens"))
        old = policy.logp(own["prompt"].tolist(), own["response"].tolist(), own["finished"].to_numpy(bool))
        each.append(np.abs(logp - np.minimum(old, 0.0)) / np.where(n > 0, n, np.nan))
    values = np.concatenate(each)
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _noted(known: Learned | None, told: list[float]) -> Learned:
    """The decisions so far and this one."""
    line = pd.DataFrame([told], columns=list(_TYPES)).astype(
        {name: f"{kind}[pyarrow]" for name, kind in _TYPES.items()}
    )
    return Learned(line if known is None else pd.concat([known.rows, line], ignore_index=True), {})
