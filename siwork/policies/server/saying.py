"""How a completion is asked for, and how its answer is read: by token numbers from vLLM, as text from any other server."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from siwork.policies.chance import Chance
from siwork.policies.server.client import Question
from siwork.policies.server.knobs import Server
from siwork.schema import RunError


class Said(NamedTuple):
    """One completion as a server gives it."""

    text: str
    tokens: list[int] | None  # as vLLM tells them, the end token included
    logp: float  # nats at temperature 1, the end token counted when finished; NaN when unknown
    n_tokens: int  # -1 when unknown
    finished: bool


class Way(NamedTuple):
    """How one server is asked."""

    make: Server
    vllm: bool  # it takes and tells token numbers, and log-probabilities before temperature and nucleus
    chat: bool  # prompts are texts that the server puts into its chat template

    def question(
        self, prompt: str | Sequence[int], n: int, seed: int, chance: Chance, most: int, model: str
    ) -> Question:
        """n completions of one prompt, given as text or as token numbers; one alone at temperature 0.

        seed : any whole number; most : tokens of a completion
        """
        make = self.make
        body: dict[str, Any] = {"model": model, "max_tokens": most, "seed": self._seed(seed)}
        body |= {"temperature": chance.temperature, "top_p": chance.top_p}
        body |= {"n": n} if n > 1 and chance.temperature > 0 else {}  # the most likely one is always the same
        body |= {"stop": [make.stop]} if make.stop else {}
        body |= _OF_VLLM if self.vllm else {}
        body |= make.further
        if self.chat:
            told = {"messages": [{"role": "user", "content": prompt}], "logprobs": True}
            return Question("/v1/chat/completions", body | told)
        told = {
            "prompt": prompt if isinstance(prompt, str) else list(map(int, prompt)),
            "logprobs": 0 if self.vllm else 1,
        }
        return Question("/v1/completions", body | told)

    def _seed(self, seed: int) -> int:
        """As many bits as the servers take; vLLM counts on from it, one for each of n completions."""
        return seed % (2**62 if self.vllm else 2**31)

    def read(self, answer: Any, chance: Chance) -> list[Said]:
        """The completions in an answer. Raises RunError when it holds none."""
        choices = _list(_dict(answer).get("choices"))
        if not choices or not all(isinstance(choice, dict) for choice in choices):
            raise RunError(f"{self.make.url} gave an answer without completions; is it an OpenAI-compatible server?")
        plain = self.vllm or (chance.temperature == 1 and chance.top_p == 1)
        used = _whole(_dict(answer.get("usage")).get("completion_tokens")) if len(choices) == 1 else -1
        return [self._said(choice, plain, used) for choice in sorted(choices, key=lambda c: _whole(c.get("index")))]

    def _said(self, choice: Mapping[str, Any], plain: bool, used: int) -> Said:
        text = _dict(choice.get("message")).get("content") if self.chat else choice.get("text")
        text = text if isinstance(text, str) else ""
        tokens = [_whole(token) for token in _list(choice.get("token_ids"))] if self.vllm else None
        told = _log_probabilities(_dict(choice.get("logprobs")))
        finished = choice.get("finish_reason") == "stop"
        logp = math.fsum(told) if plain and told else math.nan
        n_tokens = len(tokens) if tokens else len(told) if told else used
        return Said(text + self._cut_off(choice, text), tokens, logp, n_tokens, finished)

    def _cut_off(self, choice: Mapping[str, Any], text: str) -> str:
        """The stop text, where a server says that it ended the completion and left it out."""
        stop = self.make.stop
        return stop if stop and choice.get("stop_reason") == stop and not text.endswith(stop) else ""


_OF_VLLM = {
    "return_token_ids": True,
    "include_stop_str_in_output": True,
    "top_k": 0,  # else what the model's makers recommend would bend the distribution
    "min_p": 0.0,
    "repetition_penalty": 1.0,
}


def _log_probabilities(told: Mapping[str, Any]) -> list[float]:
    """Log-probability of each token said, from either route's form; none when one of them is not told."""
    content = _list(told.get("content"))
    found = [_dict(token).get("logprob") for token in content] if content else _list(told.get("token_logprobs"))
    numbers = [float(x) for x in found if isinstance(x, int | float) and abs(x) < 1e300]
    return numbers if len(numbers) == len(found) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: Any) -> int:
    """A number ≥ 0, else -1."""
    return value if isinstance(value, int) and value >= 0 else -1
