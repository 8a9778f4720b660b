"""Log-probabilities of given rows, and the one training function: a coefficient per row on ∇ log π."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from siwork.policies.network import Network
from siwork.policies.threads import Workers
from siwork.policies.tokens import PAD, Sequences
from siwork.schema import KnobError

Coefficients = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (log-probabilities, rows) → c, as in Plan

PART = 32  # rows whose gradient is found at once; parts are added in order, so threads change no digit
_TOKENS = 2048  # most tokens scored at once
_HELD = 32  # parts whose forward pass is kept for the gradient; with more it is done twice, in bounded memory
_CLIP = 1.0  # norm of the gradient
BETAS = (0.9, 0.99)  # of Adam's averages
_TINY = 1e-8  # keeps Adam from dividing by zero


def log_likelihood(network: Network, rows: Sequences, index: np.ndarray) -> Tensor:
    """log π of the rows `index` (b,), nats: the sum over all tokens after each sequence's first part."""
    ids = torch.from_numpy(rows.padded(index, at_least=2))
    column = torch.arange(1, ids.shape[1])
    said = (column >= torch.from_numpy(rows.first[index])[:, None]) & (ids[:, 1:] != PAD)
    logits = network.logits(network(ids[:, :-1], said))
    token = F.cross_entropy(logits, ids[:, 1:][said], reduction="none")
    return token.new_zeros(len(index)).index_add(0, said.nonzero()[:, 0], -token)


def score(network: Network, rows: Sequences) -> np.ndarray:
    """log π of every row (n,) float64, nats; rows of like length are scored together, in bounded memory."""
    order = np.argsort(rows.length, kind="stable")
    found = np.zeros(len(rows))

    @torch.inference_mode()
    def work(index: np.ndarray) -> np.ndarray:
        return log_likelihood(network, rows, index).double().numpy()

    with Workers() as workers:
        batches = _by_tokens(order, rows.length)
        for index, values in zip(batches, workers.map(work, batches), strict=True):
            found[index] = values
    return found


def last_states(network: Network, rows: Sequences) -> np.ndarray:
    """Hidden states (n, width) float64 at the last token of every row, the last norm included."""
    found = np.zeros((len(rows), network.shape.width))

    @torch.inference_mode()
    def work(index: np.ndarray) -> np.ndarray:
        ids = torch.from_numpy(rows.padded(index, at_least=2))
        last = torch.arange(ids.shape[1]) == torch.from_numpy(rows.length[index])[:, None] - 1
        return network(ids, last).double().numpy()

    with Workers() as workers:
        batches = _by_tokens(np.argsort(rows.length, kind="stable"), rows.length)
        for index, states in zip(batches, workers.map(work, batches), strict=True):
            found[index] = states
    return found


def _by_tokens(order: np.ndarray, length: np.ndarray) -> list[np.ndarray]:
    """Cut rows sorted by length into batches of at most _TOKENS padded tokens, or of one row."""
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * length[order[end]] > _TOKENS:
            batches.append(order[start:end])
            start = end
    return batches


class Adam:
    """Adam without weight decay. Source: Kingma and Ba 2015, algorithm 1; equal to torch.optim.AdamW with decay 0.

    Written here because the first step of any torch.optim class imports torch's compiler: a second and 100 MB in every
    process that trains.
    """

    def __init__(self, weights: list[torch.nn.Parameter], rate: float) -> None:
        self.weights, self.rate, self.steps = weights, rate, 0
        self.mean = [torch.zeros_like(weight) for weight in weights]
        self.square = [torch.zeros_like(weight) for weight in weights]

    @torch.no_grad()
    def step(self) -> None:
        """One step down the gradients that the weights carry."""
        self.steps += 1
        fast, slow = (1 - beta**self.steps for beta in BETAS)  # corrections of the start at 0
        for weight, mean, square in zip(self.weights, self.mean, self.square, strict=True):
            gradient = weight.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            weight.addcdiv_(mean, square.div(slow).sqrt_().add_(_TINY), value=-self.rate / fast)


class Ascent:
    """Steps along Σ c_i ∇ log π(y_i | x_i) with Adam, the gradient's norm clipped at 1; parts run side by side."""

    def __init__(self, network: Network, rows: Sequences, rate: float, workers: Workers) -> None:
        self.network, self.rows, self.workers = network, rows, workers
        self.weights = list(network.parameters())
        self.optimiser = Adam(self.weights, rate)

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come."""
        self.optimiser.rate = rate

    def step(self, index: np.ndarray, coefficients: Coefficients) -> np.ndarray:
        """One step on the rows `index` (b,); their log-probabilities before it (b,) float64, nats.

        Raises KnobError for an empty batch, and for coefficients of another shape or not finite.
        """
        logp = self.climb(index, coefficients)
        torch.nn.utils.clip_grad_norm_(self.weights, _CLIP)
        self.optimiser.step()
        return logp

    def climb(self, index: np.ndarray, coefficients: Coefficients) -> np.ndarray:
        """Leave −Σ c_i ∇ log π in the weights' `grad`; returns and raises as `step`."""
        if not len(index):
            raise KnobError("a batch must hold at least one row, got none; leave it out of the plan")
        parts = _parts(index)
        work = self._scored if len(parts) <= _HELD else torch.no_grad()(self._scored)
        scored = list(self.workers.map(work, parts))
        logp = torch.cat(scored).detach().double().numpy()
        c = np.asarray(coefficients(logp, index), float)
        if c.shape != logp.shape or not np.isfinite(c).all():
            raise KnobError(f"coefficients must be {len(index)} finite numbers, got {c!r}")
        total = [torch.zeros_like(weight) for weight in self.weights]
        for gradient in self.workers.map(self._gradient, parts, scored, _parts(c)):
            for sum_, value in zip(total, gradient, strict=True):
                sum_ -= value
        for weight, sum_ in zip(self.weights, total, strict=True):
            weight.grad = sum_
        return logp

    def _scored(self, part: np.ndarray) -> Tensor:
        return log_likelihood(self.network, self.rows, part)

    def _gradient(self, part: np.ndarray, logp: Tensor, c: np.ndarray) -> tuple[Tensor, ...]:
        logp = logp if logp.requires_grad else self._scored(part)
        # of a number: for a vector's gradient autograd loads sympy, half a second in every process
        return torch.autograd.grad(logp @ torch.from_numpy(c).to(logp.dtype), self.weights)


def _parts(values: np.ndarray) -> list[np.ndarray]:
    return np.split(values, range(PART, len(values), PART))
