"""A small transformer that is trained and sampled on a CPU: the `Policy` made from scratch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from siwork.policies.base import Completions, Plan, Texts
from siwork.policies.candidates import arrow
from siwork.policies.network import Network, Shape
from siwork.policies.sampling import Chance, sample
from siwork.policies.threads import Workers, threads, use_threads
from siwork.policies.tokens import Tokens
from siwork.policies.training import Ascent, score
from siwork.schema import KnobError, RunError

__all__ = ["FILE", "STANDARD_RATE", "Shape", "TinyPolicy", "threads", "use_threads"]

FILE = "policy.safetensors"
STANDARD_RATE = 1e-3  # learning rate of `train` at width 64; ∝ 1/width
_MARKS = ("#", ">")  # around a hint
_LARGEST = 2**31  # bytes of a file that is read


class TinyPolicy:
    """A decoder-only transformer over a vocabulary of strings.

    A row is prompt, begin, response, end. Pad and begin are never said. Log-probabilities are those of a response as
    it is read back, longest tokens first.

    shape : sizes of the network; tokens : its vocabulary
    max_new : most tokens of a response, the end token counted
    network : the weights
    origin : how the first weights were made; travels with every copy and file
    """

    name = "tiny"

    def __init__(
        self, shape: Shape, tokens: Tokens, max_new: int, network: Network, origin: Mapping[str, str] | None = None
    ) -> None:
        if max_new < 1:
            raise KnobError(f"max_new must be at least 1, got {max_new}; task.max_tokens is long enough")
        self.shape, self.tokens, self.max_new, self.network = shape, tokens, max_new, network
        self.origin = dict(origin or {})

    @classmethod
    def create(cls, vocabulary: Sequence[str], max_new: int, shape: Shape | None = None, seed: int = 0) -> TinyPolicy:
        """A policy with fresh weights; `#` and `>` for hints are added to a vocabulary that lacks them.

        Raises KnobError for an empty or doubled token, or max_new < 1.

        >>> policy = TinyPolicy.create(("0", "1"), max_new=3, shape=Shape(width=8, layers=1, heads=2, hidden=16))
        >>> out = policy.sample(["10", "01"], k=2, streams=np.arange(4, dtype=np.uint64).reshape(2, 2))
        >>> len(out.response), out.logp.shape
        (4, (4,))
        """
        shape = shape or Shape()
        tokens = Tokens((*vocabulary, *(mark for mark in _MARKS if mark not in vocabulary)))
        return cls(shape, tokens, max_new, Network(shape, len(tokens)).fill(seed))

    def __str__(self) -> str:
        return self.name

    def register(self, problems: pd.DataFrame) -> None:
        """Nothing to learn from a list of problems; the text of a prompt is enough."""

    # ── what it says ───────────────────────────────────────────────────────────────────────────────────
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
        """k completions of each prompt; temperature 0 says the most likely token.

        Raises KnobError when a prompt has no tokens, temperature < 0, top_p is outside (0, 1], or streams are not
        (len(prompts), k).
        """
        asked = arrow(prompts)
        streams = np.asarray(streams)
        if streams.shape != (len(asked), k):
            raise KnobError(f"streams must be (prompts, k) = {(len(asked), k)}, got {streams.shape}")
        chance = _chance(temperature, top_p)
        different, which = self.tokens.prompts(asked)
        drawn = sample(self.network, different, which, streams.astype(np.uint64), chance, self.max_new, tell=tell)
        response = self.tokens.decode_rows(drawn.tokens)
        logp = self._as_read(asked, which, response, drawn)
        return Completions(response, drawn.n_tokens, drawn.finished, logp, drawn.entropy)
