"""A small transformer that is trained and sampled on a CPU: the `Policy` made from scratch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import copy, deepcopy
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
from siwork.policies.chance import Chance
from siwork.policies.continuing import whole
from siwork.policies.network import Network, Shape
from siwork.policies.sampling import Draws, sample
from siwork.policies.start import FILE, Tiny
from siwork.policies.texts import arrow, asked_for, rows_of
from siwork.policies.threads import Workers, threads, use_threads
from siwork.policies.tokens import Tokens
from siwork.policies.training import Ascent, last_states, score
from siwork.schema import KnobError, RunError

__all__ = ["FILE", "STANDARD_RATE", "Shape", "Tiny", "TinyPolicy", "threads", "use_threads"]

STANDARD_RATE = 3e-4  # of `train` at width 64, ∝ 1/width; 60 steps of 64 then gain without undoing the base
_MARKS = ("#", ">")  # around a hint
_KEY = "siwork"  # of the file's metadata
_DAMAGE = (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)


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
        self.make = Tiny(start="fresh")  # a run's manifest names it; its base folder has the weights

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
        return str(self.make)

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
        asked, streams = asked_for(prompts, k, streams)
        chance = Chance.of(temperature, top_p)
        different, which = self.tokens.prompts(asked)
        drawn = sample(self.network, different, which, streams.astype(np.uint64), chance, self.max_new, tell)
        response = self.tokens.decode_rows(drawn.tokens)
        logp = self._as_read(asked, which, response, drawn)
        return Completions(response, drawn.n_tokens, drawn.finished, logp, drawn.entropy)

    def _as_read(self, asked: pa.StringArray, which: np.ndarray, response: pa.StringArray, drawn: Draws) -> np.ndarray:
        """log π of the responses as their text is read back, which is seldom another reading than the one drawn."""
        logp, other = drawn.logp, np.flatnonzero(self.tokens.rereads(drawn.tokens))
        if len(other):
            prompts = asked.take(pa.array(other // (len(logp) // len(which))))
            logp[other] = self.logp(prompts, response.take(pa.array(other)), drawn.finished[other])
        return logp

    def continued(
        self,
        prompts: Texts,
        begun: Texts,
        k: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        streams: np.ndarray,
        tell: Callable[[float], None] | None = None,
    ) -> Completions:
        """k responses to each prompt that begin as given; the whole text, length and log-probability, entropy NaN.

        begun : (len(prompts),) beginnings of responses, not counted in max_new. Raises as `sample`.
        """
        asked, streams = asked_for(prompts, k, streams)
        start = arrow(begun).to_pylist()
        heads = [self.tokens.encode(text) for text in start]
        ids = [
            np.append(self.tokens.encode_prompt(text), head)
            for text, head in zip(asked.to_pylist(), heads, strict=True)
        ]
        chance = Chance.of(temperature, top_p)
        drawn = sample(self.network, ids, np.arange(len(ids)), streams.astype(np.uint64), chance, self.max_new, tell)
        more = self.tokens.decode_rows(drawn.tokens).to_pylist()
        return whole(self.logp, asked, heads, drawn, [start[i // k] + text for i, text in enumerate(more)])

    def lengths(self, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """(n,) tokens of each response, the end token counted where finished. Raises KnobError when a text has no tokens."""
        return np.array([len(self.tokens.encode(text)) for text in arrow(responses).to_pylist()], np.int64) + finished

    def logp(self, prompts: Texts, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """(n,) nats: log-probability of each response at temperature 1, the end token counted where finished.

        Rows that are equal are scored once. Raises KnobError when a text has no tokens or the lengths differ.
        """
        asked, said, finished = rows_of(prompts, responses, finished)
        code = asked.dictionary_encode().indices.to_numpy().astype(np.int64)
        code = 2 * (code * max(len(said), 1) + said.dictionary_encode().indices.to_numpy()) + finished
        _, first, back = np.unique(code, return_index=True, return_inverse=True)
        place = pa.array(first)
        return score(self.network, self.tokens.rows(asked.take(place), said.take(place), finished[first]))[back]

    def hidden(self, prompts: Texts, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """(n, width) hidden states at the last token of each response, the end token where finished; raises as `logp`."""
        return last_states(self.network, self.tokens.rows(*rows_of(prompts, responses, finished)))

    # ── how it learns ──────────────────────────────────────────────────────────────────────────────────
    def train(self, plan: Plan, tell: Callable[[float], None] | None = None) -> np.ndarray:
        """One Adam step a batch along Σ c_i ∇ log π(y_i | x_i); the mean log π before each step (steps,), nats.

        The optimiser starts afresh, the gradient's norm is clipped at 1, and the learning rate is plan.rate ·
        STANDARD_RATE · 64 / width.

        Raises KnobError when a text has no tokens, a batch is empty, or coefficients are of another shape or not
        finite.
        """
        rows = self.tokens.rows(*rows_of(plan.prompt, plan.response, plan.finished))
        seen = np.zeros(len(plan.batches))
        with Workers() as workers:
            ascent = Ascent(self.network, rows, plan.rate * STANDARD_RATE * 64 / self.shape.width, workers)
            for i, batch in enumerate(plan.batches):
                seen[i] = ascent.step(batch, plan.coefficients).mean()
                if tell is not None:
                    tell((i + 1) / len(plan.batches))
        return seen

    def toward(self, other: TinyPolicy, share: float) -> None:
        """Move the parameters by `share` of the way to another policy of the same shape; beyond it, or away when negative."""
        with torch.no_grad():
            for own, far in zip(self.network.parameters(), other.network.parameters(), strict=True):
                own.add_(far - own, alpha=share)

    # ── copies and files ───────────────────────────────────────────────────────────────────────────────
    def copy(self) -> TinyPolicy:
        """An independent copy with the same parameters."""
        twin = copy(self)
        twin.network = deepcopy(self.network)
        return twin

    def fingerprint(self) -> str:
        """12 hexadecimal digits of the SHA-256 of the parameters."""
        mark = sha256()
        for name, weights in sorted(self.network.state_dict().items()):
            mark.update(name.encode() + weights.numpy().tobytes())
        return mark.hexdigest()[:12]

    def save(self, folder: Path) -> None:
        """Write `policy.safetensors` into an existing folder."""
        self.write(Path(folder) / FILE)

    def write(self, path: Path) -> None:
        """Write weights, sizes, vocabulary and origin to one file."""
        about = {
            "policy": self.name,
            "shape": asdict(self.shape),
            "max_new": self.max_new,
            "vocabulary": self.tokens.vocabulary,
            "origin": self.origin,
        }
        save_file(self.network.state_dict(), path, {_KEY: json.dumps(about, ensure_ascii=False)})

    @classmethod
    def read(cls, path: Path) -> TinyPolicy:
        """The policy in a file that `write` made. Raises RunError when it is missing, damaged or another's."""
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {})[_KEY])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
            shape, tokens = Shape(**about["shape"]), Tokens(about["vocabulary"])
            policy = cls(shape, tokens, about["max_new"], Network(shape, len(tokens)), about["origin"])
            policy.network.load_state_dict(_sound(weights))
        except _DAMAGE as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RunError(f"{path} holds no readable tiny policy ({first}); take a file that siwork wrote") from None
        return policy

    def load(self, folder: Path) -> TinyPolicy:
        """The policy in `folder`, of whatever shape; this one gives its name and its max_new.

        Raises RunError when the file is missing or damaged, or has another vocabulary.
        """
        path = Path(folder) / FILE
        found = TinyPolicy.read(path)
        if found.tokens.vocabulary != self.tokens.vocabulary:
            raise RunError(f"{path} has another vocabulary than this policy; build the policy of its own task")
        found.make, found.max_new = self.make, self.max_new
        return found


def _sound(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for name, values in weights.items():
        if values.dtype != torch.float32 or not values.isfinite().all():
            raise ValueError(f"{name} must be finite float32 numbers")
    return weights
