"""Sampling: a prompt is read once for all its completions, and every completion has its own stream of chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, StopStringCriteria

from siwork.policies.chance import Chance, scramble, uniform
from siwork.policies.hf.batches import Forward, left_padded
from siwork.policies.hf.memory import Room, short_of_memory
from siwork.policies.sampling import Draws, choose
from siwork.schema import KnobError

_PAYS = 0.75  # finished completions are taken out when at most this share is left


class Ends(NamedTuple):
    """What ends a completion."""

    tokens: tuple[int, ...]
    stop: StopStringCriteria | None
    pad: int
    most: int  # tokens of a completion
    context: int  # tokens of prompt and completion


class Piece(NamedTuple):
    """Completions that are worked on together: some prompts, and the same columns of their streams."""

    prompts: np.ndarray  # (P,) places in the list of prompts
    columns: np.ndarray  # (k,)


def sample(
    forward: Forward,
    prompts: Sequence[np.ndarray],
    streams: np.ndarray,
    chance: Chance,
    ends: Ends,
    room: Room,
    tell: Callable[[float], None] | None = None,
) -> Draws:
    """Completions (i, j) of prompt i, row i · k + j; token t depends on streams[i, j], t and the prompt.

    prompts : token arrays; streams : uint64 (n, k)
    room : how many completions at once; it shrinks when memory runs out
    tell : called with the share done

    Raises KnobError when a prompt leaves no room for a completion.
    """
    n, k = streams.shape
    length, done = np.array([len(ids) for ids in prompts], int), 0
    _see_context(length, ends)
    found = _blank((n, k), ends)
    waiting = list(_pieces(length, k, room.rows(int(length.max(initial=1)) + ends.most)))[::-1]
    while waiting:
        piece = waiting.pop()
        place = np.ix_(*piece)
        try:
            drawn = _draw(forward, [prompts[i] for i in piece.prompts], streams[place], chance, ends)
        except RuntimeError as error:
            waiting += short_of_memory(error, room, _halves(piece))
            continue
        for whole, part in zip(found, drawn, strict=True):
            whole[place] = part
        done += streams[place].size
        if tell is not None:
            tell(done / (n * k))
    return Draws(found.tokens.reshape(n * k, ends.most), *(part.reshape(n * k) for part in found[1:]))


def _blank(shape: tuple[int, int], ends: Ends) -> Draws:
    return Draws(
        np.full((*shape, ends.most), ends.pad, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, bool),
        np.zeros(shape),
        np.zeros(shape),
    )


def _see_context(length: np.ndarray, ends: Ends) -> None:
    long = np.flatnonzero(length >= ends.context)
    if len(long):
        raise KnobError(
            f"hf: prompt {long[0]} has {length[long[0]]:,} tokens and the model's context {ends.context:,}, which leaves "
            "none for a completion; shorten the prompt, or take a model with a longer context"
        )


def _pieces(length: np.ndarray, k: int, rows: int) -> Iterator[Piece]:
    """Prompts of like length together, in shares of at most `rows` completions."""
    order = np.argsort(length, kind="stable")
    for columns in np.array_split(np.arange(k), -(-k // rows)) if k and len(order) else ():
        for prompts in np.array_split(order, -(-len(order) // max(1, rows // len(columns)))):
            yield Piece(prompts, columns)


def _halves(piece: Piece) -> list[Piece]:
    """The piece as two; none when it is a single completion."""
    prompts, columns = piece
    if len(prompts) > 1:
        return [Piece(part, columns) for part in np.array_split(prompts, 2)]
    return [Piece(prompts, part) for part in np.array_split(columns, 2)] if len(columns) > 1 else []


@torch.inference_mode()
def _draw(forward: Forward, prompts: Sequence[np.ndarray], streams: np.ndarray, chance: Chance, ends: Ends) -> Draws:
    """Completions of a piece: streams (P, k) → Draws (P, k)."""
    decoder = _Decoder(forward, prompts, streams.shape[1], ends)
    found = _Found(streams.size, ends, decoder.logits.device)
    seeds, most = scramble(streams.ravel()), min(ends.most, ends.context - max(map(len, prompts)))
    place = torch.arange(streams.size)  # of the rows that the decoder holds
    active = torch.ones(streams.size, dtype=torch.bool)
    for t in range(most):
        u = uniform(seeds[place.numpy()] ^ scramble(np.array([t], np.uint64)))
        token, logp, entropy = choose(decoder.logits, torch.from_numpy(u).to(decoder.logits.device), chance)
        ended = found.add(t, place[active], token[active], logp[active], entropy[active])
        active[active.clone()] = ~ended
        left = int(active.sum())
        if not left or t + 1 == most:
            break
        if left <= _PAYS * len(active):
            kept = active.nonzero()[:, 0]
            decoder.keep(kept)
            place, token, active = place[kept], token[kept], active[kept]
        decoder.step(token)
    return found.drawn(streams.shape)


class _Found:
    """Completions as they grow."""

    def __init__(self, size: int, ends: Ends, device: torch.device) -> None:
        self.ends, self.last = ends, torch.tensor(ends.tokens, device=device)
        self.tokens = torch.full((size, ends.most), ends.pad, device=device)
        self.logp, self.entropy = (torch.zeros(size, dtype=torch.float64, device=device) for _ in range(2))
        self.count, self.finished = (torch.zeros(size, dtype=kind, device=device) for kind in (torch.long, torch.bool))

    def add(self, t: int, rows: Tensor, token: Tensor, logp: Tensor, entropy: Tensor) -> Tensor:
        """Add the t-th token of some rows; whether they ended with it."""
        self.tokens[rows, t] = token
        self.logp[rows] += logp
        self.entropy[rows] += entropy
        self.count[rows] += 1
        ended = torch.isin(token, self.last)
        if self.ends.stop is not None:
            ended |= self.ends.stop(self.tokens[rows, : t + 1], None)
        self.finished[rows] = ended
        return ended.cpu()

    def drawn(self, shape: tuple[int, ...]) -> Draws:
        entropy = self.entropy / self.count.clamp(min=1)
        parts = [part.cpu().numpy() for part in (self.tokens, self.count, self.finished, self.logp, entropy)]
        return Draws(*(part.reshape(*shape, *part.shape[1:]) for part in parts))


class _Decoder:
    """Keys and values of the prompts and of what was said since; one step gives the next logits of all rows."""

    def __init__(self, forward: Forward, prompts: Sequence[np.ndarray], k: int, ends: Ends) -> None:
        self.forward, self.cache = forward, DynamicCache(config=forward.model.config.get_text_config())
        batch = left_padded(prompts, ends.pad, forward.device)
        logits = forward(batch.ids, batch.mask, batch.positions, self.cache, keep=1)
        if k > 1:
            self.cache.batch_repeat_interleave(k)
        self.logits, self.mask = (x.repeat_interleave(k, 0) for x in (logits[:, -1], batch.mask))
        self.position = self.mask.sum(1, keepdim=True)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only."""
        rows = rows.to(self.mask.device)
        self.cache.batch_select_indices(rows)
        self.mask, self.position = self.mask[rows], self.position[rows]

    def step(self, token: Tensor) -> None:
        """Read the next token of each row, (rows,)."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(token), 1)], dim=1)
        self.logits = self.forward(token[:, None], self.mask, self.position, self.cache, keep=1)[:, -1]
        self.position = self.position + 1
