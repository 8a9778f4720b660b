"""Sampling: prompts are read once for all their completions, and every completion has its own stream of chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from siwork.policies.chance import Chance, scramble, uniform
from siwork.policies.network import Network, norm, turned
from siwork.policies.threads import Workers
from siwork.policies.tokens import END, PAD, Sequences

ROWS = 1024  # most completions worked on at once; changes speed and memory, nothing else
_BYTES = 2**28  # of the keys and values of those completions
_PAYS = 0.7  # finished completions are taken out when at most this share is left
_SHORTEST = 16  # keys; a softmax over fewer is not vectorised
_COLDEST = 1e-6  # stands for temperature 0


class Draws(NamedTuple):
    """n completions as tokens."""

    tokens: np.ndarray  # (n, max_new) int64, the end token included, padded
    n_tokens: np.ndarray  # (n,) int64
    finished: np.ndarray  # (n,) bool
    logp: np.ndarray  # (n,) nats at temperature 1
    entropy: np.ndarray  # (n,) nats, mean over the tokens, at temperature 1


class _Piece(NamedTuple):
    """Completions that are worked on together: some prompts, and the same columns of their streams."""

    prompts: np.ndarray  # (P,) places in the list of prompts
    columns: np.ndarray  # (k,)


def sample(
    network: Network,
    prompts: Sequence[np.ndarray],
    which: np.ndarray,
    streams: np.ndarray,
    chance: Chance,
    max_new: int,
    tell: Callable[[float], None] | None = None,
) -> Draws:
    """Completions (i, j) of the prompts `which[i]`, row i · k + j.

    Parameters
    ----------
    prompts : different prompts as token arrays, the begin token included
    which : int (n_prompts,), the prompt of each row of `streams`
    streams : uint64 (n_prompts, k); token t of completion (i, j) depends on streams[i, j], t and the prompt only
    max_new : most tokens of a completion, the end token counted
    tell : called with the share done
    """
    n, k = streams.shape
    tokens, n_tokens, finished, logp, entropy = _blank(n, k, max_new)
    sequences = Sequences(prompts)
    pieces = list(_pieces(which, sequences.length, k, min(ROWS, _fitting(network, max_new))))
    done = 0

    def work(piece: _Piece) -> tuple[_Piece, Draws]:
        place = np.ix_(piece.prompts, piece.columns)
        uniforms = uniform(scramble(streams[place])[..., None] ^ scramble(np.arange(max_new)))
        return piece, _draw(network, sequences, which[piece.prompts], uniforms, chance)

    with Workers() as workers:
        for piece, drawn in workers.map(work, pieces):
            place = np.ix_(piece.prompts, piece.columns)
            tokens[place], n_tokens[place], finished[place], logp[place], entropy[place] = drawn
            done += len(piece.prompts) * len(piece.columns)
            if tell is not None:
                tell(done / (n * k))
    return Draws(tokens.reshape(n * k, max_new), *(x.reshape(n * k) for x in (n_tokens, finished, logp, entropy)))


def _blank(n: int, k: int, max_new: int) -> Draws:
    shape = (n, k)
    return Draws(
        np.zeros((*shape, max_new), np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, bool),
        np.zeros(shape),
        np.zeros(shape),
    )


def _fitting(network: Network, max_new: int) -> int:
    shape = network.shape
    return max(1, _BYTES // (2 * 4 * shape.layers * shape.width * max_new))


def _pieces(which: np.ndarray, length: np.ndarray, k: int, rows: int) -> Iterator[_Piece]:
    """Prompts of like length together, equal prompts side by side."""
    order = np.lexsort((which, length[which]))
    for columns in _shares(np.arange(k), rows):
        for prompts in _shares(order, max(1, rows // len(columns))):
            yield _Piece(prompts, columns)


def _shares(values: np.ndarray, most: int) -> list[np.ndarray]:
    """Equal shares of at most `most` values, an even number of them when they are several, for even cores."""
    n = -(-len(values) // most)
    return np.array_split(values, min(n + (n > 1 and n % 2), len(values))) if n else []


@torch.inference_mode()
def _draw(network: Network, sequences: Sequences, which: np.ndarray, uniforms: np.ndarray, chance: Chance) -> Draws:
    """Completions of a piece: uniforms (P, k, max_new) → Draws (P, k)."""
    p, k, max_new = uniforms.shape
    chances = torch.from_numpy(uniforms)
    decoder = Decoder(network, sequences, which, k, max_new)
    tokens = torch.zeros(p * k, max_new, dtype=torch.long)
    logp, entropy, n_tokens = (torch.zeros(p * k, dtype=torch.float64) for _ in range(3))
    place = torch.arange(p * k).view(p, k)
    active = torch.ones(p, k, dtype=torch.bool)
    logits = decoder.first
    for t in range(max_new):
        choice, chosen, unsure = choose(logits, chances.view(p * k, -1)[place, t], chance)
        choice = choice.where(active, PAD)
        tokens[place, t] = choice
        logp[place] += chosen.where(active, 0.0)
        entropy[place] += unsure.where(active, 0.0)
        n_tokens[place] += active
        active = active & (choice != END)
        if t + 1 == max_new or not active.any():
            break
        if (kept := _kept(active)) is not None:
            decoder.keep(*kept)
            choice, place, active = (x[kept[0][:, None], kept[1]] for x in (choice, place, active))
        logits = decoder.step(choice, t)
    finished = (tokens == END).any(dim=1)
    columns = (tokens, n_tokens.long(), finished, logp, entropy / n_tokens)
    return Draws(*(x.view(p, k, *x.shape[1:]).numpy() for x in columns))


def _kept(active: Tensor) -> tuple[Tensor, Tensor] | None:
    """Prompts (P',) that go on and columns (P', k') that hold all their unfinished completions; None if few are done."""
    count = active.sum(dim=1)
    prompts = count.nonzero()[:, 0]
    k = int(count.max())
    if len(prompts) * k > _PAYS * active.numel():
        return None
    return prompts, active[prompts].int().argsort(dim=1, descending=True, stable=True)[:, :k]


def choose(logits: Tensor, u: Tensor, chance: Chance) -> tuple[Tensor, Tensor, Tensor]:
    """Next tokens by inverting the distribution function at u in [0, 1).

    logits (…, tokens), u (…) → tokens (…), their log-probabilities and the entropy at temperature 1, nats (…)
    """
    logp = logits.log_softmax(dim=-1)
    p = logp.exp()
    entropy = -(p * logp).sum(dim=-1)
    if chance.temperature != 1.0:
        p = (logits / max(chance.temperature, _COLDEST)).softmax(dim=-1)
    if chance.top_p < 1.0:
        p = _nucleus(p, chance.top_p)
    upto = p.cumsum(dim=-1, dtype=torch.float64)
    token = (upto <= u[..., None] * upto[..., -1:]).sum(dim=-1)
    return token, logp.gather(-1, token[..., None])[..., 0], entropy


def _nucleus(p: Tensor, top_p: float) -> Tensor:
    """The fewest tokens that hold a share top_p, the others at 0. Source: Holtzman et al. 2020."""
    ranked, order = p.sort(dim=-1, descending=True, stable=True)
    before = ranked.cumsum(dim=-1) - ranked
    return torch.zeros_like(p).scatter(-1, order, ranked.where(before < top_p, 0.0))


class Decoder:
    """Keys and values of prompts and of what was said since; one step gives the next logits of all completions.

    Shapes: P prompts, k completions each, H heads, L prompt tokens, T new tokens, d = depth.
    """

    def __init__(self, network: Network, sequences: Sequences, which: np.ndarray, k: int, max_new: int) -> None:
        self.network, shape = network, network.shape
        different, back = np.unique(which, return_inverse=True)
        ids = sequences.padded(different, at_least=_SHORTEST)
        length = torch.from_numpy(sequences.length[different])
        memory: list[tuple[Tensor, Tensor]] = []
        last = torch.arange(ids.shape[1]) == length[:, None] - 1
        logits = network.logits(network(torch.from_numpy(ids), last, memory))
        again = torch.from_numpy(back)
        self.length = length[again]
        self.first = logits[again, None].expand(-1, k, -1)  # (P, k, tokens)
        self.keys = [keys[again].transpose(-1, -2).contiguous() for keys, _ in memory]  # (P, H, d, L)
        self.values = [values[again] for _, values in memory]  # (P, H, L, d)
        unread = torch.arange(ids.shape[1]) >= self.length[:, None, None, None]
        self.mask = torch.zeros(unread.shape).masked_fill(unread, -math.inf)  # (P, 1, 1, L)
        self.own = torch.empty(shape.layers, 2, max_new - 1, len(which), shape.heads, k, shape.depth)
        self.scale = torch.ones(2 * shape.heads, 1, 1)
        self.scale[: shape.heads] = shape.depth**-0.5  # queries only

    def keep(self, prompts: Tensor, columns: Tensor) -> None:
        """Go on with the prompts (P',) and their columns (P', k') only."""
        self.length, self.mask = self.length[prompts], self.mask[prompts]
        self.keys, self.values = [x[prompts] for x in self.keys], [x[prompts] for x in self.values]
        heads = torch.arange(self.network.shape.heads)[:, None]
        self.own = self.own[:, :, :, prompts[:, None, None], heads, columns[:, None]]

    def step(self, choice: Tensor, t: int) -> Tensor:
        """Logits (P, k, tokens) after the t-th new tokens `choice` (P, k), t from 0."""
        net, (p, k) = self.network, choice.shape
        turns = net.turns(self.length + t)[:, None, None] * self.scale
        x = F.embedding(choice.view(-1), net.embed)
        for i, (attention_norm, qkv, out, feed_norm, gate_up, down) in enumerate(net.layers()):
            projected = F.linear(norm(x, attention_norm), qkv).view(p, k, -1, net.shape.depth).transpose(1, 2)
            x.addmm_(self._attend(i, t, projected, turns), out.t())
            gate, up = F.linear(norm(x, feed_norm), gate_up).chunk(2, dim=-1)
            x.addmm_(F.silu(gate, inplace=True).mul_(up), down.t())
        return net.logits(norm(x, net.last_norm)).view(p, k, -1)

    def _attend(self, layer: int, t: int, qkv: Tensor, turns: Tensor) -> Tensor:
        """Attention over the prompt's keys and the own ones: (P, 3H, k, d) → (P · k, width)."""
        heads, n_keys = self.network.shape.heads, self.mask.shape[-1]
        qk = turned(qkv[:, : 2 * heads], turns)
        q = qk[:, :heads].contiguous()
        own_keys, own_values = self.own[layer, :, : t + 1]  # (t + 1, P, H, k, d)
        own_keys[t], own_values[t] = qk[:, heads:], qkv[:, 2 * heads :]
        shared = (q @ self.keys[layer]).add_(self.mask)
        own = (q[..., None, :] @ own_keys.permute(1, 2, 3, 4, 0))[..., 0, :]
        weight = torch.cat([shared, own], dim=-1).softmax(dim=-1)
        seen = weight[..., :n_keys] @ self.values[layer]
        for share, values in zip(weight[..., n_keys:].split(1, dim=-1), own_values, strict=True):
            seen.addcmul_(share, values)
        return seen.transpose(1, 2).reshape(-1, self.network.shape.width)
