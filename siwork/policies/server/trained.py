"""A model that is trained here and sampled by a vLLM, which is given the new weights before it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.policies.base import Completions, Plan, Texts
from siwork.policies.chance import Chance
from siwork.policies.hf.knobs import Hf
from siwork.policies.hf.policy import HFPolicy
from siwork.policies.journals import journal_here
from siwork.policies.server.asking import Asked, Stale, ask
from siwork.policies.server.client import Client, Model
from siwork.policies.server.delivery import Delivery
from siwork.policies.server.knobs import Server
from siwork.policies.server.policy import find_model, texts_of
from siwork.policies.server.saying import Said, Way
from siwork.policies.texts import asked_for
from siwork.schema import RunError

_TRIES = 4
_APART = 0.1  # nats a token; single and half precision part by less, another model by more


class TrainedServerPolicy:
    """A local model of transformers, whose completions are drawn by a server that has the same weights.

    Log-probabilities and entropy are those of the local model, so that ratios and base_logp compare like with like; the
    server's own are held against them, which finds a server with other weights.

    make : the knobs; local : the model that is trained; client, delivery : of the server
    """

    name = "server"

    def __init__(self, make: Server, local: HFPolicy, client: Client, model: Model) -> None:
        self.make, self.local, self.client, self.model = make, local, client, model
        self.way, self.delivery = Way(make, vllm=True, chat=False), Delivery(client)

    @classmethod
    def open(cls, make: Server) -> TrainedServerPolicy:
        """The policy of round 0.

        Raises KnobError for a model that cannot be had, or a server that is not on this machine; RunError for one that is
        no vLLM or out of reach.
        """
        client = Client(make)
        model = find_model(make, client)
        if model.owner != "vllm":
            raise RunError(
                f"the server at {make.url} is no vLLM, and only that takes new weights; start one with: siwork serve {make.train}"
            )
        names = ("lora", "max_new", "stop", "dtype", "device", "checkpointing", "seed")
        chat = "never" if make.route == "completions" else "auto"
        local = Hf(make.train, chat=chat, **{name: getattr(make, name) for name in names}).build_for(None)
        return cls(make, local, client, model)

    def __str__(self) -> str:
        return str(self.make)

    def register(self, problems: pd.DataFrame) -> None:
        """Nothing to learn from a list of problems; the text of a prompt is enough."""

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
        """k completions of each prompt, drawn by the server with the weights of this policy.

        Raises KnobError as `ServerPolicy.sample`; RunError for a server that stays away, or answers with other weights.
        """
        asked, streams = asked_for(prompts, k, streams)
        chance, texts = Chance.of(temperature, top_p), asked.to_pylist()
        ids, mark = self.local.reader.prompts(texts), self.local.fingerprint()
        asked_of = Asked(
            self.way, self.model, "", texts, ids, streams, chance, mark, partial(self.delivery.holds, self.local)
        )
        said = self._asked(asked_of, tell)
        return self._scored([ids[i // k] for i in range(len(said))], said)

    def _asked(self, asked: Asked, tell: Callable[[float], None] | None) -> list[Said]:
        """What the server says with these weights, which it is given again when it has lost them on the way."""
        for _ in range(_TRIES):
            try:
                name = self.delivery.hand(self.local)
                return ask(self.client, asked._replace(name=name), journal_here(), tell)
            except Stale:
                continue
        raise RunError(
            f"the server at {self.make.url} lost the weights it was given {_TRIES} times while it was asked; one run at a time "
            "can train against it: end the other, then resume"
        )

    def _scored(self, prompts: list[np.ndarray], said: list[Said]) -> Completions:
        """What the server said, scored by the local model. Raises RunError when the two have different weights."""
        finished = np.array([one.finished for one in said], bool)
        text = texts_of(self.local.reader, said)
        read = self.local.reader.responses(text, finished)
        logp, entropy = self.local.score(prompts, read)
        same = [i for i, (one, ids) in enumerate(zip(said, read, strict=True)) if one.tokens == ids.tolist()]
        size = np.array([max(len(read[i]), 1) for i in same])
        apart = np.abs(np.array([said[i].logp for i in same]) - logp[same]) / size
        if len(same) and not np.median(apart) < _APART:
            raise RunError(
                f"the server at {self.make.url} gives its completions other probabilities than {self.make.train} does, "
                f"{np.median(apart):.2g} nats a token apart; see that it serves that model: siwork serve {self.make.train}"
            )
        n_tokens = np.array([one.n_tokens for one in said], np.int64)
        return Completions(pa.array(text, pa.string()), n_tokens, finished, np.minimum(logp, 0.0), entropy)

    # ── all else is the local model's ──────────────────────────────────────────────────────────────────
    def logp(self, prompts: Texts, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """As `HFPolicy.logp`, of the local model."""
        return self.local.logp(prompts, responses, finished)

    def chances(self, prompts: Texts, options: Sequence[str]) -> np.ndarray:
        """As `HFPolicy.chances`, of the local model."""
        return self.local.chances(prompts, options)

    def hidden(self, prompts: Texts, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """As `HFPolicy.hidden`, of the local model."""
        return self.local.hidden(prompts, responses, finished)

    def train(self, plan: Plan, tell: Callable[[float], None] | None = None) -> np.ndarray:
        """As `HFPolicy.train`; the server has the new weights when it is next asked."""
        return self.local.train(plan, tell)

    def copy(self) -> TrainedServerPolicy:
        """An independent copy with the same parameters, behind the same server."""
        return self._of(self.local.copy())

    def fingerprint(self) -> str:
        """As `HFPolicy.fingerprint`."""
        return self.local.fingerprint()

    def save(self, folder: Path) -> None:
        """As `HFPolicy.save`."""
        self.local.save(folder)

    def load(self, folder: Path) -> TrainedServerPolicy:
        """The policy in `folder`. Raises RunError as `HFPolicy.load`."""
        return self._of(self.local.load(folder))

    def _of(self, local: HFPolicy) -> TrainedServerPolicy:
        twin = copy(self)
        twin.local = local
        return twin
