"""How likely each of a few answers is, by a server that tells the most likely next tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from siwork.policies.server.client import Client, Question, Refused
from siwork.policies.server.saying import Way

_TOLD = 20  # next tokens, the most that OpenAI's interface gives


def choose_among(client: Client, way: Way, prompts: Sequence[str], options: Sequence[str]) -> np.ndarray:
    """Probabilities (n, m) of the options among each other, by the first token of the answer; NaN where none is told.

    A token counts for the one option that begins with it, blanks around both left out. Raises as `Client.ask_all`.
    """
    found = np.full((len(prompts), len(options)), np.nan)

    def came(place: int, answer: Any) -> None:
        found[place] = _shares(_likely(answer), [option.strip() for option in options])

    try:
        client.ask_all([_question(way, prompt) for prompt in prompts], came)
    except Refused as refused:
        raise client.sentence(refused, max(prompts, key=len, default="")) from None
    return found


def _question(way: Way, prompt: str) -> Question:
    body = {"model": way.make.model, "max_tokens": 1, "temperature": 1.0, **way.make.further}
    if way.chat:
        told = {"messages": [{"role": "user", "content": prompt}], "logprobs": True, "top_logprobs": _TOLD}
        return Question("/v1/chat/completions", body | told)
    return Question("/v1/completions", body | {"prompt": prompt, "logprobs": _TOLD})


def _likely(answer: Any) -> Mapping[str, float]:
    """The next tokens that are told, with their log-probabilities; none for an answer of another form."""
    try:
        told = answer["choices"][0]["logprobs"]
        if "content" in told:
            return {one["token"]: float(one["logprob"]) for one in told["content"][0]["top_logprobs"]}
        return {str(token): float(logp) for token, logp in told["top_logprobs"][0].items()}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
        return {}


def _shares(likely: Mapping[str, float], options: Sequence[str]) -> np.ndarray:
    p = np.zeros(len(options))
    for token, logp in likely.items():
        begun = [j for j, option in enumerate(options) if token.strip() and option.startswith(token.strip())]
        if len(begun) == 1 and logp <= 0:
            p[begun[0]] += math.exp(logp)
    return p / p.sum() if p.sum() else np.full(len(options), np.nan)
