"""Log-probabilities of given rows, and the one training function: a coefficient per row on ∇ log π."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from siwork.policies.base import Plan
from siwork.policies.hf.batches import Forward, by_length, left_padded
from siwork.policies.hf.memory import Room, short_of_memory
from siwork.schema import KnobError

_CLIP = 1.0  # norm of the gradient
_BETAS = (0.9, 0.99)  # of Adam's averages


class Rows(NamedTuple):
    """n prompts with their responses, as tokens."""

    prompt: Sequence[np.ndarray]
    response: Sequence[np.ndarray]
    pad: int

    @property
    def length(self) -> np.ndarray:
        """Tokens of each row, (n,)."""
        return np.array([len(a) + len(b) for a, b in zip(self.prompt, self.response, strict=True)], int)


def log_likelihood(forward: Forward, rows: Rows, index: np.ndarray) -> Tensor:
    """log π of the responses of the rows `index` (b,), nats: the sum over their tokens."""
    logits, token, row = _said(forward, rows, index)
    told = F.cross_entropy(logits, token, reduction="none")
    return told.new_zeros(len(index)).index_add(0, row, -told)


def _with_entropy(forward: Forward, rows: Rows, index: np.ndarray) -> Tensor:
    """log π of the responses, and the mean entropy of the distributions that their tokens were drawn from, (2, b)."""
    logits, token, row = _said(forward, rows, index)
    log_p = torch.log_softmax(logits, dim=-1)
    told = torch.stack([log_p.gather(1, token[:, None])[:, 0], -(log_p.exp() * log_p).sum(1)])
    found = told.new_zeros(2, len(index)).index_add(1, row, told)
    found[1] /= torch.bincount(row, minlength=len(index)).clamp(min=1)
    return found


def _said(forward: Forward, rows: Rows, index: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Of all response tokens of the rows `index`: logits (t, tokens) float32, the token (t,), and the place in `index` (t,)."""
    size = torch.tensor([len(rows.response[i]) for i in index], device=forward.device)
    batch = left_padded([np.concatenate([rows.prompt[i], rows.response[i]]) for i in index], rows.pad, forward.device)
    most = int(size.max())
    logits = forward(batch.ids, batch.mask, batch.positions, keep=most + 1)[:, :-1]
    said = torch.arange(most, 0, -1, device=forward.device) <= size[:, None]  # the last tokens of each row
    return logits[said], batch.ids[:, -most:][said] if most else batch.ids[:0, 0], said.nonzero()[:, 0]


def score(forward: Forward, rows: Rows, room: Room) -> np.ndarray:
    """log π of every row (n,) float64, nats; rows of like length are scored together."""
    found = np.zeros(len(rows.prompt))
    for index, told in by_parts(rows.length, room, partial(log_likelihood, forward, rows)):
        found[index] = told
    return found


def score_with_entropy(forward: Forward, rows: Rows, room: Room) -> tuple[np.ndarray, np.ndarray]:
    """log π and mean next-token entropy of every row, each (n,) float64, nats; the entropy of no tokens is 0."""
    found = np.zeros((2, len(rows.prompt)))
    for index, told in by_parts(rows.length, room, partial(_with_entropy, forward, rows)):
        found[:, index] = told
    return found[0], found[1]


def by_parts(
    length: np.ndarray, room: Room, of: Callable[[np.ndarray], Tensor]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of like length together: their places (b,), and the numbers that a function finds of them, float64.

    length : (n,) tokens of each row. Parts are halved when memory runs out.
    """
    waiting = list(by_length(length, room.tokens))[::-1]
    while waiting:
        index = waiting.pop()
        try:
            with torch.inference_mode():
                told = _numbers(of(index))
        except RuntimeError as error:
            waiting += short_of_memory(error, room, _halves(index))
            continue
        yield index, told


def _halves(index: np.ndarray) -> list[np.ndarray]:
    return np.array_split(index, 2) if len(index) > 1 else []


class Ascent:
    """Steps along Σ c_i ∇ log π(y_i | x_i) with AdamW without decay, the gradient's norm clipped at 1.

    weights : those that are trained; rate : learning rate
    """

    def __init__(
        self, forward: Forward, rows: Rows, weights: list[torch.nn.Parameter], rate: float, room: Room
    ) -> None:
        self.forward, self.rows, self.weights, self.room = forward, rows, weights, room
        self.length = rows.length
        fused = forward.device.type in ("cuda", "cpu")
        self.optimiser = torch.optim.AdamW(weights, lr=rate, betas=_BETAS, weight_decay=0.0, fused=fused)

    def step(self, index: np.ndarray, plan: Plan) -> np.ndarray:
        """One step on the rows `index` (b,); their log-probabilities before it (b,) float64, nats.

        Raises KnobError for an empty batch, and for coefficients of another shape or not finite.
        """
        if not len(index):
            raise KnobError("a batch must hold at least one row, got none; leave it out of the plan")
        while True:
            self.optimiser.zero_grad(set_to_none=True)
            try:
                logp = self._climb(index, plan)
                break
            except RuntimeError as error:
                short_of_memory(error, self.room, [index] if self.length[index].max() < self.room.tokens else [])
        torch.nn.utils.clip_grad_norm_(self.weights, _CLIP)
        self.optimiser.step()
        return logp

    def _climb(self, index: np.ndarray, plan: Plan) -> np.ndarray:
        """Add −Σ c_i ∇ log π to the weights' `grad`, part by part; log-probabilities (b,)."""
        order = np.argsort(self.length[index], kind="stable")
        parts = list(by_length(self.length[index], self.room.tokens, order))
        if len(parts) == 1:  # one pass, its graph kept until the coefficients are known
            logp = log_likelihood(self.forward, self.rows, index)
            seen = _numbers(logp)
            self._descend(logp, _coefficients(plan, seen, index))
            return seen
        before = np.zeros(len(index))
        if not plan.constant:
            for part in parts:
                with torch.inference_mode():
                    before[part] = _numbers(log_likelihood(self.forward, self.rows, index[part]))
        c = _coefficients(plan, before, index)
        for part in parts:
            logp = log_likelihood(self.forward, self.rows, index[part])
            before[part] = _numbers(logp)
            self._descend(logp, c[part])
        return before

    def _descend(self, logp: Tensor, c: np.ndarray) -> None:
        (-(logp * torch.from_numpy(c).to(logp))).sum().backward()


def _numbers(logp: Tensor) -> np.ndarray:
    return logp.detach().double().cpu().numpy()


def _coefficients(plan: Plan, logp: np.ndarray, index: np.ndarray) -> np.ndarray:
    c = np.asarray(plan.coefficients(logp, index), float)
    if c.shape != logp.shape or not np.isfinite(c).all():
        raise KnobError(f"coefficients must be {len(index)} finite numbers, got {c!r}")
    return c
