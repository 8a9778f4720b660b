"""The policy's own confidence as a score: likelihoods and entropies that are known anyway, or of the answer alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.policies import Policy
from siwork.schema import KnobError, knob
from siwork.slots import State
from siwork.verifiers.asked import BY, asked_policy, check_by
from siwork.verifiers.labels import Scored, labels_knob, recal_knob


@dataclass(frozen=True)
class Conf(Scored):
    """How sure the policy is of its response; no truth is read. With ℓ = log π(response | prompt) and n its tokens:

    likelihood  exp(ℓ/n), the geometric mean probability of a token ("Self-evaluation guided beam search")
    sequence    exp(ℓ) ("Confidence Is All You Need")
    answer      π(answer | prompt, response up to the answer), where the answer's canonical text stands in the response, at its
                last place; as the difference of two log-probabilities of text, so tokens that reach over the border of
                the answer belong to it (answer spans as in RLSF)
    entropy     exp(−mean entropy of the next token)

    A response to a hinted prompt counts as it was drawn, hint included, but for kind=answer and another policy's. Another
    policy's likelihood is per token of the policy that wrote the row. Unscored where what is needed is null.
    """

    slot = "verifier"
    name = "conf"
    sentence = "The policy's own confidence in its response; reads no truth but bought labels."
    source = "Confidence Is All You Need: Few-Shot RL Fine-Tuning of Language Models"

    kind: str = knob("likelihood", "Which confidence.", choices=("likelihood", "sequence", "answer", "entropy"))
    by: str = knob("self", BY)
    recal: str = recal_knob()
    labels: int = labels_knob()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_by(self.name, self.by)
        if self.kind == "entropy" and self.by != "self":
            raise KnobError(
                f"conf: kind=entropy is known of the policy of the round alone, got by={self.by!r}; take by=self"
            )

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """Probabilities of parts of a response, where the answer's own are wanted of the run's policy."""
        return ("parts",) if self.kind == "answer" and self.by in ("self", "base") else ()

    def raw(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Confidences (n,) in [0, 1]. Raises KnobError for kind=answer of a policy without parts of responses."""
        if self.kind == "answer":
            return answer_chance(asked_policy(self.by, state), rows)
        if self.kind == "entropy":
            return np.exp(-np.maximum(_numbers(rows, "entropy"), 0.0))
        logp = np.minimum(self._logp(state, rows), 0.0)
        if self.kind == "sequence":
            return np.exp(logp)
        n = _numbers(rows, "n_tokens")
        return np.exp(logp / np.where(n > 0, n, np.nan))

    def _logp(self, state: State, rows: pd.DataFrame) -> np.ndarray:
        if self.by in ("self", "base"):
            return _numbers(rows, "logp" if self.by == "self" else "base_logp")
        done = rows["finished"].to_numpy(bool)
        return asked_policy(self.by, state).logp(rows["prompt"].tolist(), rows["response"].tolist(), done)


def _numbers(rows: pd.DataFrame, name: str) -> np.ndarray:
    return rows[name].to_numpy(float, na_value=np.nan)


def answer_chance(policy: Policy, rows: pd.DataFrame) -> np.ndarray:
    """Probability (n,) of each row's answer where it last stands in the response, given all before it; NaN where it does not.

    Raises KnobError for a policy that has no probability of a part of a response.
    """
    if getattr(policy, "whole_only", False):
        raise KnobError(
            f"conf(kind=answer) needs probabilities of parts of a response, and {policy.name} has those of whole ones only; "
            "take kind=likelihood"
        )
    answer = [None if pd.isna(text) else str(text) for text in rows["answer"].tolist()]
    said = rows["response"].tolist()
    start = np.array([-1 if not a else s.rfind(a) for s, a in zip(said, answer, strict=True)], int)
    place = np.flatnonzero(start >= 0)
    prompt = [rows["prompt"].iloc[i] for i in place]
    before = [said[i][: start[i]] for i in place]
    upto = [head + str(answer[i]) for head, i in zip(before, place, strict=True)]
    found = np.full(len(rows), np.nan)
    if len(place):
        begun = np.zeros(len(place), bool)
        found[place] = np.exp(np.minimum(policy.logp(prompt, upto, begun) - policy.logp(prompt, before, begun), 0.0))
    return found
