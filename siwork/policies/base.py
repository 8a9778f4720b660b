"""The `Policy` protocol: sample, score, train on coefficients, save, load.

An update is one coefficient per row on ∇ log π. A policy applies Σ c_i ∇ log π(y_i | x_i); it never knows the method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.schema import Knobbed

Texts: TypeAlias = Sequence[str] | np.ndarray | pa.Array  # n texts; arrays hold str objects


class Completions(NamedTuple):
    """What `sample` gives: arrays of n = prompts × k completions, the k samples of a prompt side by side.

    NaN, and -1 for n_tokens, stand for what is unknown, as a server may not tell it.
    """

    response: Texts
    n_tokens: np.ndarray  # (n,) int, the end token counted when finished
    finished: np.ndarray  # (n,) bool
    logp: np.ndarray  # (n,) nats, whole response at temperature 1
    entropy: np.ndarray  # (n,) nats, mean next-token entropy at temperature 1


class Plan(NamedTuple):
    """What `train` does: which rows go into which step, and how a step's coefficients are found.

    `coefficients(logp, index)` gets the present log-probabilities (b,) of the rows `index` (b,) and returns the
    coefficients c (b,) of the ascent direction Σ c_i ∇ log π(y_i | x_i).
    """

    prompt: Texts  # (n,) hint-free prompts
    response: Texts  # (n,)
    finished: np.ndarray  # (n,) bool; an unfinished response is trained without an end token
    batches: Sequence[np.ndarray]  # one array of row numbers a step
    coefficients: Callable[[np.ndarray, np.ndarray], np.ndarray]
    rate: float  # learning rate as a share of the policy's own standard rate
    constant: bool = False  # the coefficients do not depend on logp, so a policy need not find it first


class Policy(Protocol):
    """A distribution over responses that can be sampled, scored and moved.

    Some have more, and who needs it says so in a sentence: `chances(prompts, options)` → (n, m) probabilities of given words
    right after each prompt, among those words (`siwork.policies.asking`); `hidden(prompts, responses, finished)` → (n, width)
    states at the end of each response; `continued(prompts, begun, k, …)` → completions that begin as given; `lengths(responses,
    finished)` → (n,) tokens; `toward(other, share)` moves the parameters by a share of the way to another policy. One that
    scores whole responses to its task alone has `whole_only = True`.
    """

    name: str
    make: Knobbed  # the knobs it was made with; their call text and the saved parameters make it again

    def register(self, problems: pd.DataFrame) -> None:
        """Learn which problems there are (a table of PROBLEMS), before round 0; a no-op where text is enough."""
        ...

    def sample(
        self,
        prompts: Texts,
        k: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        streams: np.ndarray,
        tell: Callable[[float], None] | None = None,
    ) -> Completions:
        """k completions for each prompt.

        streams : (len(prompts), k) uint64; completion (i, j) depends on its own stream only, not on its neighbours
        tell : called with the share done, 0 … 1
        A prompt may carry a hint: `prompt#hint>`.
        """
        ...

    def logp(self, prompts: Texts, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """(n,) nats: log-probability of each response at temperature 1, the end token counted where finished."""
        ...

    def train(self, plan: Plan, tell: Callable[[float], None] | None = None) -> np.ndarray:
        """Apply the plan in place, one optimiser step a batch; the mean log-probability seen at each step (steps,)."""
        ...

    def copy(self) -> Policy:
        """An independent copy with the same parameters."""
        ...

    def fingerprint(self) -> str:
        """Short hash of the parameters."""
        ...

    def save(self, folder: Path) -> None:
        """Write the parameters into an existing folder (safetensors, nothing pickled)."""
        ...

    def load(self, folder: Path) -> Policy:
        """A policy of the same make with the parameters in `folder`. Raises RunError when they are damaged."""
        ...
