"""A served model as a `Policy` that is sampled and scored; its weights stay as they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.policies.asking import among, see_options
from siwork.policies.base import Completions, Plan, Texts
from siwork.policies.chance import Chance
from siwork.policies.journals import journal_here
from siwork.policies.reading import Reader
from siwork.policies.server.asking import Asked, ask, score
from siwork.policies.server.choosing import choose_among
from siwork.policies.server.client import FINAL, Client, Model, Question, Refused, served
from siwork.policies.server.knobs import Server
from siwork.policies.server.saying import Said, Way
from siwork.policies.server.tokenizers import reader_of
from siwork.policies.texts import arrow, asked_for, each_once
from siwork.schema import KnobError, RunError, nearest

_FILE = "server.txt"


class ServerPolicy:
    """A model behind a server. It is never trained, so a copy is the model itself.

    From vLLM, where its tokenizer is at hand, prompts go out and completions come back as token numbers, and any response can be
    scored. Other servers are asked in text; what they do not tell (log-probabilities, lengths) is unknown. No server
    tells the entropy of its next tokens.

    make : the knobs; client : asks the server; reader : reads texts as the model does, None without a tokenizer
    """

    name = "server"

    def __init__(self, make: Server, client: Client, model: Model, reader: Reader | None) -> None:
        self.make, self.client, self.model, self.reader = make, client, model, reader
        self.vllm, self.weights = model.owner == "vllm", ""
        self.way = Way(make, self.vllm, make.route != "completions" and reader is None)

    @classmethod
    def open(cls, make: Server) -> ServerPolicy:
        """The policy of round 0. Raises KnobError for a wrong model or key, RunError for a server out of reach."""
        client = Client(make)
        model = find_model(make, client)
        found = cls(make, client, model, reader_of(make, model) if model.owner == "vllm" else None)
        found.weights = _weights(make, client) if found.vllm else ""
        if found.way.chat and make.route == "auto":
            found.way = found.way._replace(chat=found._has_template())
        return found

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
        """k completions of each prompt; entropy is NaN, log-probabilities and lengths (-1) where the server is silent.

        With seeds=prompt the completions of a prompt depend on all its streams, with seeds=completion each on its own.
        Inside a run, finished completions outlive a crash. A completion whose text is read back as other tokens than those said
        (a model of fresh weights says mostly such) is scored once more, which may take as long as half of the sampling.

        Raises KnobError for a prompt that is too long, temperature < 0, top_p outside (0, 1], or streams that are not
        (len(prompts), k); RunError for a server that stays away.
        """
        asked, streams = asked_for(prompts, k, streams)
        said = self._ask(asked.to_pylist(), streams, Chance.of(temperature, top_p), tell)
        text, logp = self._as_read(asked.to_pylist(), said, k)
        n_tokens = np.array([one.n_tokens for one in said], np.int64)
        finished = np.array([one.finished for one in said], bool)
        return Completions(pa.array(text, pa.string()), n_tokens, finished, logp, np.full(len(said), np.nan))

    def _ask(self, prompts: list[str], streams: np.ndarray, chance: Chance, tell: Any) -> list[Said]:
        read: list[Any] = self.reader.prompts(prompts) if self.reader else prompts
        asked = Asked(self.way, self.model, self.make.model, prompts, read, streams, chance)
        return ask(self.client, asked, journal_here(), tell)

    def _as_read(self, prompts: list[str], said: Sequence[Said], k: int) -> tuple[list[str], np.ndarray]:
        """The responses as text, and log π of how they are read back, where that can be told."""
        logp = np.array([one.logp for one in said], float)
        if self.reader is None:
            return [one.text for one in said], np.minimum(logp, 0.0)
        text = texts_of(self.reader, said)
        finished = np.array([one.finished for one in said], bool)
        read = self.reader.responses(text, finished)
        other = [i for i, (one, ids) in enumerate(zip(said, read, strict=True)) if one.tokens != ids.tolist()]
        if other:
            asked = self.reader.prompts([prompts[i // k] for i in other])
            logp[other] = score(self.client, self.make.model, asked, [read[i] for i in other])
        return text, np.minimum(logp, 0.0)

    def logp(self, prompts: Texts, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """(n,) nats: log-probability of each response at temperature 1, the end token counted where finished.

        Rows that are equal are scored once. Raises KnobError where the server is no vLLM or its tokenizer is not at hand.
        """
        once = each_once(prompts, responses, finished)
        if self.reader is None:
            raise KnobError(
                f"server: {self.make.url} can score a given response only as a vLLM whose tokenizer is known here; name it: "
                'tokenizer="path/or/hub id"'
            )
        read, ids = self.reader.prompts(once.prompts), self.reader.responses(once.responses, once.finished)
        return score(self.client, self.make.model, read, ids)[once.back]

    def chances(self, prompts: Texts, options: Sequence[str]) -> np.ndarray:
        """(n, m) probabilities of the options as the beginning of a response to each prompt, among the options.

        Exact where any response can be scored; else by the 20 most likely first tokens, NaN where no option is among them.
        Raises KnobError for options that cannot be told apart.
        """
        see_options(options)
        asked = arrow(prompts).to_pylist()
        if self.reader is None:
            return choose_among(self.client, self.way, asked, options)
        begun = [text.lstrip(" ") if self.reader.chat else text for text in options]
        logp = [self.logp(asked, [text] * len(asked), np.zeros(len(asked), bool)) for text in begun]
        return among(np.stack(logp, axis=1))

    def _has_template(self) -> bool:
        """Whether the chat route answers; a model without a chat template refuses it."""
        probe = {"model": self.make.model, "messages": [{"role": "user", "content": "1"}], "max_tokens": 1}
        try:
            self.client.ask(Question("/v1/chat/completions", probe | self.make.further, FINAL))
        except Refused as refused:
            if refused.status in (401, 403):
                raise self.client.sentence(refused) from None
            return False
        return True

    # ── how it does not learn ──────────────────────────────────────────────────────────────────────────
    def train(self, plan: Plan, tell: Callable[[float], None] | None = None) -> np.ndarray:
        """Raises KnobError: the weights are not here."""
        raise KnobError(
            f"server: the weights behind {self.make.url} are not here to be trained; name them as train=, as "
            f'server("{self.make.url}", …, train="path/to/model"), or take a recipe without an update'
        )

    def copy(self) -> ServerPolicy:
        """The policy itself, since nothing changes it."""
        return self

    def fingerprint(self) -> str:
        """12 hexadecimal digits of the SHA-256 of address, name, and what the server was handed when it was first asked."""
        return sha256(f"{self.make.url} {self.make.model} {self.weights}".encode()).hexdigest()[:12]

    def save(self, folder: Path) -> None:
        """Write which model was asked."""
        (Path(folder) / _FILE).write_text(self.fingerprint(), "utf-8")

    def load(self, folder: Path) -> ServerPolicy:
        """The policy itself. Raises RunError when the folder was written by another."""
        try:
            if (Path(folder) / _FILE).read_text("utf-8") == self.fingerprint():
                return self
        except (OSError, ValueError):
            pass
        raise RunError(
            f"{folder} holds no policy of {self.make.model} behind {self.make.url} with the weights that it has now"
        )


def _weights(make: Server, client: Client) -> str:
    """The mark of weights that a run handed over, which is said; empty for those that the server was started with."""
    try:
        told = client.ask(Question("/weight_info", again=FINAL))
        mark = str(told["weight_version"]) if isinstance(told, dict) and "weight_version" in told else ""
    except Refused:  # without development routes nobody hands over any
        return ""
    if mark in ("", "default"):
        return ""
    warnings.warn(
        f"the server at {make.url} has weights that a run handed over ({mark}), not its first ones", stacklevel=4
    )
    return mark


def find_model(make: Server, client: Client) -> Model:
    """The model as the server lists it. Raises KnobError for a model or key that it does not have, RunError as `ask`."""
    try:
        known = served(client.ask(Question("/v1/models", again=FINAL), once=True))
    except Refused as refused:
        if refused.status in (401, 403):
            raise client.sentence(refused) from None
        return Model(make.model)  # a server without a list; the first question will tell
    for model in known:
        if model.name == make.model:
            return model
    if any(model.owner == "vllm" for model in known):
        raise KnobError(
            f"server: {make.url} has no model {make.model!r}; {nearest(make.model, [model.name for model in known])}"
        )
    return Model(make.model)  # other servers load what they are asked for, or list only part


def texts_of(reader: Reader, said: Sequence[Said]) -> list[str]:
    """The text of each completion, decoded from its tokens without the end token."""
    own = [one.tokens or [] for one in said]
    return reader.decode([np.array(ids[:-1] if ids and ids[-1] in reader.ends else ids, np.int64) for ids in own])
