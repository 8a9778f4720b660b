"""Base weights: a transformer trained from scratch on a task's own right answers, written as the task writes them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from math import cos, pi
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from siwork.policies.network import Shape
from siwork.policies.threads import Workers
from siwork.policies.tiny import TinyPolicy
from siwork.policies.training import Ascent
from siwork.schema import KnobError, format_call
from siwork.tasks import Synthetic
from siwork.tasks.base import is_held_out

_WARM_UP = 0.05  # share of the steps


class Examples(NamedTuple):
    """What a base model is taught."""

    prompt: list[str]
    response: list[str]


def examples(task: Synthetic, n: int, seed: int, *, hint_share: float = 0.15, beyond_share: float = 0.05) -> Examples:
    """n prompts of a task with right answers; held-out prompts are left out, unless the task is to be memorised.

    A hint that is itself a right response is what the example says.

    Parameters
    ----------
    hint_share : share of the prompts that carry a random hint, where the task has hints
    beyond_share : share drawn from the harder distribution, so that its first rate is not zero; 0 for memorised tasks

    Raises KnobError when the task has hardly a prompt that is not held out.
    """
    rng = np.random.default_rng([seed, 1])
    found = Examples([], [])
    for _ in range(1000 + 100 * n):
        if len(found.prompt) == n:
            return found
        prompt = task.draw(rng, beyond=not task.memorised and rng.random() < beyond_share).prompt
        if task.memorised or not is_held_out(prompt):
            asked, said = _taught(task, prompt, hint_share, rng)
            found.prompt.append(asked)
            found.response.append(said)
    raise KnobError(f"{task} gave {len(found.prompt)} prompts that may be taught, {n} were asked; make pool smaller")


def _taught(task: Synthetic, prompt: str, hint_share: float, rng: np.random.Generator) -> tuple[str, str]:
    if not task.hints or rng.random() >= hint_share:
        return prompt, task.write(prompt, rng)
    kind = task.hints[rng.integers(len(task.hints))]
    hint = task.hint_text(prompt, kind)
    return task.hinted(prompt, kind), hint if task.is_right(prompt, hint) else task.write(prompt, rng)


def pretrain(
    task: Synthetic,
    shape: Shape | None = None,
    *,
    steps: int = 3000,
    batch: int = 128,
    seed: int = 0,
    rate: float = 3e-3,
    pool: int = 40_000,
    hint_share: float = 0.15,
    beyond_share: float = 0.05,
    tell: Callable[[float], None] | None = None,
) -> tuple[TinyPolicy, np.ndarray]:
    """Train a transformer from scratch on the task's own answers, with Adam, a warm-up and a cosine to zero.

    The same arguments give the same weights, however many threads work. `origin` of the policy says how it was made.

    Parameters
    ----------
    shape : sizes of the network; rate : peak learning rate at width 64, ∝ 1/width
    steps, batch : optimiser steps, and examples in each; pool : most examples drawn, since drawing may take longer
        than learning; a longer training goes through them again, reshuffled
    hint_share, beyond_share : as in `examples`; tell : called with the share done, 0 … 1

    Returns
    -------
    policy : TinyPolicy; loss : (steps,) nats a response token

    Raises KnobError for steps, batch or pool below 1, a share outside 0 … 1, and as `examples` does.
    """
    numbers = {"steps": steps, "batch": batch, "pool": pool, "hint_share": hint_share, "beyond_share": beyond_share}
    for name, value in numbers.items():
        low, high = (0, 1) if name.endswith("share") else (1, np.inf)
        if not low <= value <= high:
            raise KnobError(f"{name} must be in {low} … {high}, got {value}; nearest: {min(max(value, low), high)}")
    policy = TinyPolicy.create(task.vocabulary, task.max_tokens, shape, seed)
    policy.origin |= _origin(task, policy.shape, {**numbers, "rate": rate, "seed": seed})
    taught = examples(task, min(pool, steps * batch), seed, hint_share=hint_share, beyond_share=beyond_share)
    prompts, responses = (pa.array(texts, pa.string()) for texts in taught)
    rows = policy.tokens.rows(prompts, responses, np.ones(len(prompts), bool))
    losses = np.zeros(steps)
    with Workers() as workers:
        ascent = Ascent(policy.network, rows, rate, workers)
        for i, index in enumerate(_batches(len(rows), batch, steps, np.random.default_rng([seed, 2]))):
            ascent.set_rate(rate * 64 / policy.shape.width * _course((i + 1) / steps))
            n_tokens = (rows.length - rows.first)[index].sum()
            losses[i] = -ascent.step(index, partial(_evenly, n_tokens)).sum() / n_tokens
            if tell is not None:
                tell((i + 1) / steps)
    return policy, losses


def _evenly(n_tokens: int, logp: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Coefficients of the mean log-likelihood of a token."""
    return np.full(len(logp), 1 / n_tokens)


def _course(done: float) -> float:
    """Share of the peak rate: a linear warm-up, then a cosine to 0."""
    return min(1.0, done / _WARM_UP) * (0.5 + 0.5 * cos(pi * done))


def _batches(n: int, size: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """(steps, size) row numbers: all rows in a random order, then all again in another."""
    passes = -(-steps * size // n)
    order = np.concatenate([rng.permutation(n) for _ in range(passes)])
    return order[: steps * size].reshape(steps, size)


def _origin(task: Synthetic, shape: Shape, numbers: dict[str, float]) -> dict[str, str]:
    try:
        made_with = version("siwork")
    except PackageNotFoundError:
        made_with = "not installed"
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    about = {"task": str(task), "shape": format_call(shape), "siwork": made_with, "command": command}
    return about | {name: str(value) for name, value in numbers.items()}
