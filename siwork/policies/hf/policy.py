"""A causal language model of transformers as a `Policy`: sampled, scored and trained, whole or by a LoRA adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from safetensors import SafetensorError
from transformers import StopStringCriteria

from siwork.policies.asking import see_options
from siwork.policies.base import Completions, Plan, Texts
from siwork.policies.chance import Chance
from siwork.policies.continuing import whole
from siwork.policies.hf.adapters import Adapter
from siwork.policies.hf.asking import last_states, option_chances
from siwork.policies.hf.batches import Forward
from siwork.policies.hf.knobs import Hf
from siwork.policies.hf.memory import Room
from siwork.policies.hf.opening import open_model, precision_of, quiet
from siwork.policies.hf.sampling import Ends, sample
from siwork.policies.hf.training import Ascent, Rows, score, score_with_entropy
from siwork.policies.reading import Reader
from siwork.policies.sampling import Draws
from siwork.policies.texts import arrow, asked_for, each_once, rows_of
from siwork.schema import KnobError, RunError

STANDARD_RATE = 3e-4  # of `train` at width 64, ∝ 1/width, as for a tiny policy
_LORA_RATE = 10.0  # times as much for an adapter. Source: Schulman et al. 2025, "LoRA without regret"


class HFPolicy:
    """A model with its tokenizer; an adapter on it is a policy of its own that shares the model.

    Log-probabilities are those of a response as its text is read back behind the prompt, the end token counted where it
    finished by one. Completions are drawn by siwork's own loop, so that each depends on its stream of chance alone; in
    float32 up to rounding, which batches of another shape may do otherwise.

    make : the knobs; model, tokenizer : of transformers
    """

    name = "hf"

    def __init__(self, make: Hf, model: Any, tokenizer: Any) -> None:
        self.make, self.model, self.tokenizer = make, model, tokenizer
        ends = _ends(model, tokenizer)
        self.reader = Reader(tokenizer, ends, make.stop, make.chat == "auto")
        stop = _stop(make, tokenizer)
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31
        self._ends = Ends(ends, stop, tokenizer.pad_token_id, make.max_new, context)
        self.adapter = Adapter(model, make) if make.lora else None
        self.forward, self.room = Forward(model, precision_of(make, model.device)), Room(model, make.rows)

    @classmethod
    def open(cls, make: Hf) -> HFPolicy:
        """The policy of round 0. Raises KnobError for a model that cannot be had."""
        return cls(make, *open_model(make))

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

        Raises KnobError for a prompt without tokens or as long as the context, temperature < 0, top_p outside (0, 1],
        or streams that are not (len(prompts), k).
        """
        asked, streams = asked_for(prompts, k, streams)
        chance = Chance.of(temperature, top_p)
        ids = self.reader.prompts(asked.to_pylist())
        self._wear()
        drawn = sample(self.forward, ids, streams.astype(np.uint64), chance, self._ends, self.room, tell)
        response, logp = self._as_read(ids, drawn, k)
        return Completions(pa.array(response, pa.string()), drawn.n_tokens, drawn.finished, logp, drawn.entropy)

    def _as_read(self, prompts: list[np.ndarray], drawn: Draws, k: int) -> tuple[list[str], np.ndarray]:
        """The responses as text, and log π of how they are read back, which is seldom another reading than the one drawn."""
        own = [row[:n] for row, n in zip(drawn.tokens, drawn.n_tokens, strict=True)]
        text = self.reader.decode([row[:-1] if len(row) and row[-1] in self._ends.tokens else row for row in own])
        read = self.reader.responses(text, drawn.finished)
        logp, other = (
            drawn.logp,
            [i for i, (a, b) in enumerate(zip(own, read, strict=True)) if not np.array_equal(a, b)],
        )
        if other:
            rows = Rows([prompts[i // k] for i in other], [read[i] for i in other], self._ends.pad)
            logp[other] = score(self.forward, rows, self.room)
        return text, np.minimum(logp, 0.0)

    def logp(self, prompts: Texts, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """(n,) nats: log-probability of each response at temperature 1, the end token counted where finished.

        Rows that are equal are scored once. Raises KnobError when the lengths differ or a prompt has no tokens.
        """
        once = each_once(prompts, responses, finished)
        self._wear()
        return score(self.forward, self._rows(once.prompts, once.responses, once.finished), self.room)[once.back]

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
        heads = self.reader.responses(start, np.zeros(len(start), bool))
        ids = [np.append(a, b) for a, b in zip(self.reader.prompts(asked.to_pylist()), heads, strict=True)]
        self._wear()
        chance = Chance.of(temperature, top_p)
        drawn = sample(self.forward, ids, streams.astype(np.uint64), chance, self._ends, self.room, tell)
        new = [row[:n] for row, n in zip(drawn.tokens, drawn.n_tokens, strict=True)]
        text = self.reader.decode([np.append(heads[i // k], row) for i, row in enumerate(new)])
        return whole(self.logp, asked, heads, drawn, text)

    def lengths(self, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """(n,) tokens of each response, the end token counted where finished."""
        return np.array([len(ids) for ids in self.reader.responses(arrow(responses).to_pylist(), finished)], np.int64)

    def score(self, prompts: list[np.ndarray], responses: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """log π and mean next-token entropy of responses given as token numbers, each (n,) nats."""
        self._wear()
        return score_with_entropy(self.forward, Rows(prompts, responses, self._ends.pad), self.room)

    def chances(self, prompts: Texts, options: Sequence[str]) -> np.ndarray:
        """(n, m) probabilities of the options as the beginning of a response to each prompt, among the options.

        In a chat template they begin the assistant's turn, where a blank before them is dropped. NaN where a prompt does
        not fit into the context. Raises KnobError for a prompt without tokens, or options that cannot be told apart.
        """
        begun = [text.lstrip(" ") if self.reader.chat else text for text in options]
        see_options(begun)
        read = self.reader.responses(begun, np.zeros(len(begun), bool))
        self._wear()
        asked = self.reader.prompts(arrow(prompts).to_pylist())
        return option_chances(self.forward, asked, read, self._ends.pad, self.room, self._ends.context)

    def hidden(self, prompts: Texts, responses: Texts, finished: np.ndarray) -> np.ndarray:
        """(n, width) hidden states at the last token of each response, the end token where finished; raises as `logp`."""
        asked, said, done = rows_of(prompts, responses, finished)
        rows = self._rows(asked.to_pylist(), said.to_pylist(), done)
        joined = [np.concatenate(pair) for pair in zip(rows.prompt, rows.response, strict=True)]
        self._wear()
        return last_states(self.forward, joined, rows.pad, self.room, self._ends.context)

    def _rows(self, asked: Any, said: Any, done: Any) -> Rows:
        asked = list(asked)
        known = dict.fromkeys(asked)
        read = dict(zip(known, self.reader.prompts(list(known)), strict=True))
        return Rows([read[text] for text in asked], self.reader.responses(list(said), np.asarray(done)), self._ends.pad)

    # ── how it learns ──────────────────────────────────────────────────────────────────────────────────
    def train(self, plan: Plan, tell: Callable[[float], None] | None = None) -> np.ndarray:
        """One AdamW step a batch along Σ c_i ∇ log π(y_i | x_i); the mean log π before each step (steps,), nats.

        The optimiser starts afresh, the gradient's norm is clipped at 1, and the learning rate is plan.rate ·
        STANDARD_RATE · 64 / width, ten times that for an adapter. A batch that does not fit is worked on in parts.

        Raises KnobError when a batch is empty, or coefficients are of another shape or not finite.
        """
        asked, said, done = rows_of(plan.prompt, plan.response, plan.finished)
        rows = self._rows(asked.to_pylist(), said.to_pylist(), done)
        self._wear()
        seen = np.zeros(len(plan.batches))
        rate = plan.rate * STANDARD_RATE * 64 / self.model.config.get_text_config().hidden_size
        ascent = Ascent(self.forward, rows, self._weights(), rate * (_LORA_RATE if self.adapter else 1.0), self.room)
        with self._training():
            for i, batch in enumerate(plan.batches):
                seen[i] = ascent.step(batch, plan).mean()
                if tell is not None:
                    tell((i + 1) / len(plan.batches))
        if self.adapter:
            self.adapter.keep()
        return seen

    def toward(self, other: HFPolicy, share: float) -> None:
        """Move the trained parameters by `share` of the way to another policy of the same model; away when negative."""
        if self.adapter and other.adapter:
            self.adapter.toward(other.adapter, share)
        else:
            with torch.no_grad():
                for own, far in zip(self.model.parameters(), other.model.parameters(), strict=True):
                    own.add_(far - own, alpha=share)

    def _weights(self) -> list[torch.nn.Parameter]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Activations computed again in the backward pass, where that is wanted."""
        if not self.make.checkpointing:
            yield
            return
        model, old = self.model, "gradient_checkpointing_{}"  # its name before transformers 5.2x
        new = "activation_checkpointing_{}" if hasattr(model, "activation_checkpointing_enable") else old
        getattr(model, new.format("enable"))({"use_reentrant": False})
        model.train()  # without it transformers keeps every activation; dropout is off either way
        try:
            yield
        finally:
            model.eval()
            getattr(model, new.format("disable"))()

    # ── copies and files ───────────────────────────────────────────────────────────────────────────────
    def _wear(self) -> None:
        if self.adapter:
            self.adapter.wear()

    def copy(self) -> HFPolicy:
        """An independent copy with the same parameters; with an adapter it shares the model."""
        twin = copy(self)
        if self.adapter:
            twin.adapter = self.adapter.copy()
            return twin
        twin.model = deepcopy(self.model)
        twin.forward, twin.room = Forward(twin.model, self.forward.precision), copy(self.room)
        return twin

    def fingerprint(self) -> str:
        """12 hexadecimal digits of the SHA-256 of the parameters that are trained."""
        mark = sha256()
        weights = self.adapter.weights if self.adapter else self.model.state_dict()
        for name, weight in sorted(weights.items()):
            mark.update(name.encode() + weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return mark.hexdigest()[:12]

    def save(self, folder: Path) -> None:
        """Write the adapter, or the whole model with its tokenizer, as safetensors that transformers, peft and vLLM load."""
        if self.adapter:
            self.adapter.save(Path(folder))
        else:
            with quiet():
                self.model.save_pretrained(folder)
                self.tokenizer.save_pretrained(folder)

    def load(self, folder: Path) -> HFPolicy:
        """The policy in `folder`. Raises RunError when its files are missing, damaged or another model's."""
        try:
            if self.adapter:
                twin = copy(self)
                twin.adapter = self.adapter.load(Path(folder))
                return twin
            return HFPolicy(self.make, *open_model(replace(self.make, model=str(folder))))
        except (OSError, ValueError, SafetensorError, KnobError) as error:
            raise RunError(f"{folder} holds no readable policy of this model ({_short(error)})") from None


def _stop(make: Hf, tokenizer: Any) -> StopStringCriteria | None:
    try:
        return StopStringCriteria(tokenizer, [make.stop]) if make.stop else None
    except ValueError:  # it looks at how the tokenizer reads abcdef
        raise KnobError(
            f"hf: the tokenizer of {make.model!r} does not read plain text; leave stop={make.stop!r} out"
        ) from None


def _ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Tokens that end a completion: the tokenizer's, which goes first, and those that the model's makers name."""
    named = model.generation_config.eos_token_id
    several = [named] if isinstance(named, int) else list(named or [])
    return tuple(dict.fromkeys([tokenizer.eos_token_id, *several]))


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
