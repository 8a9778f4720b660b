"""A decoder-only transformer in the shape of Llama: RMSNorm, rotary positions, SwiGLU, no biases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siwork.policies.tokens import BEGIN, PAD
from siwork.schema import Knobbed, KnobError, knob

EPSILON = 1e-5  # of RMSNorm
THETA = 10_000.0  # of the rotary positions
NEVER = -1e30  # logit of what is never said; finite, so that 0 · NEVER is 0


@dataclass(frozen=True)
class Shape(Knobbed):
    """The sizes of a network.

    >>> Shape(width=64, heads=3)
    Traceback (most recent call last):
    siwork.schema.errors.KnobError: shape: width must be a multiple of 2 × heads = 6, got 64; nearest: 66
    """

    name: ClassVar[str] = "shape"

    width: int = knob(64, "Width of the residual stream.", low=4, high=2048)
    layers: int = knob(3, "Layers of attention and feed-forward.", low=1, high=48)
    heads: int = knob(2, "Attention heads.", low=1, high=128)
    hidden: int = knob(176, "Width of the feed-forward layers.", low=4, high=8192)

    def __post_init__(self) -> None:
        super().__post_init__()
        unit = 2 * self.heads
        if self.width % unit:
            fits = max(1, round(self.width / unit)) * unit
            raise KnobError(f"shape: width must be a multiple of 2 × heads = {unit}, got {self.width}; nearest: {fits}")

    @property
    def depth(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Network(nn.Module):
    """The weights and the forward pass. The layers of a kind are stacked in one tensor, the layer first.

    Rotary positions turn neighbouring dimensions (2i, 2i + 1) as complex numbers, one multiplication for queries and
    keys together; Hugging Face's Llama pairs (i, i + depth/2), so `siwork.policies.llama` reorders the rows.
    """

    speed: Tensor
    never: Tensor

    def __init__(self, shape: Shape, n_tokens: int) -> None:
        super().__init__()
        n, w, h = shape.layers, shape.width, shape.hidden
        self.shape = shape
        self.embed = nn.Parameter(torch.empty(n_tokens, w))
        self.attention_norm = nn.Parameter(torch.ones(n, w))
        self.qkv = nn.Parameter(torch.empty(n, 3 * w, w))  # queries, keys, values; head by head
        self.out = nn.Parameter(torch.empty(n, w, w))
        self.feed_norm = nn.Parameter(torch.ones(n, w))
        self.gate_up = nn.Parameter(torch.empty(n, 2 * h, w))
        self.down = nn.Parameter(torch.empty(n, w, h))
        self.last_norm = nn.Parameter(torch.ones(w))
        self.head = nn.Parameter(torch.empty(n_tokens, w))
        turns = THETA ** -(torch.arange(0, shape.depth, 2) / shape.depth)
        self.register_buffer("speed", turns, persistent=False)  # radians a position
        never = torch.zeros(n_tokens).index_fill(0, torch.tensor([PAD, BEGIN]), NEVER)
        self.register_buffer("never", never, persistent=False)

    @torch.no_grad()
    def fill(self, seed: int) -> Network:
        """Fresh normal weights, of a width that keeps activations near 1; the same seed gives the same weights."""
        w, h, n = self.shape.width, self.shape.hidden, self.shape.layers
        shrink = (2 * n) ** -0.5  # 2n additions to the residual stream
        widths = {"embed": 0.5, "qkv": w**-0.5, "out": shrink * w**-0.5, "gate_up": w**-0.5}
        widths |= {"down": shrink * h**-0.5, "head": 0.3 * w**-0.5}
        rng = np.random.default_rng(seed)
        for name, width in widths.items():
            weights = self.get_parameter(name)
            weights.copy_(torch.from_numpy(width * rng.standard_normal(tuple(weights.shape))))
        return self

    def turns(self, positions: Tensor) -> Tensor:
        """Rotations (*positions, depth / 2) as complex numbers."""
        angle = positions.to(self.speed.dtype)[..., None] * self.speed
        return torch.polar(torch.ones_like(angle), angle)

    def forward(
        self, ids: Tensor, wanted: Tensor | None = None, memory: list[tuple[Tensor, Tensor]] | None = None
    ) -> Tensor:
        """Hidden states (b, l, width) of padded rows (b, l), the last norm included.

        Rows are padded on the right, where attention never looks back from. With a mask `wanted` (b, l) only those m
        places are worked out to the end, (m, width). A `memory` list gets each layer's turned keys and values
        (b, heads, l, depth).
        """
        turns = self.turns(torch.arange(ids.shape[1]))[:, None]
        x = F.embedding(ids, self.embed)
        for i, (attention_norm, qkv, out, feed_norm, gate_up, down) in enumerate(self.layers()):
            q, k, v = self._projected(norm(x, attention_norm), qkv, turns)
            if memory is not None:
                memory.append((k, v))
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
            if wanted is not None and i == self.shape.layers - 1:
                x, seen = x[wanted], seen[wanted]
            x = x + F.linear(seen, out)
            fed, (gate, up) = norm(x, feed_norm), gate_up.chunk(2)
            x = x + F.linear(F.silu(F.linear(fed, gate)) * F.linear(fed, up), down)
        return norm(x, self.last_norm)

    def _projected(self, x: Tensor, qkv: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turned queries and keys, and values, (b, heads, l, depth) each."""
        projected = F.linear(x, qkv).unflatten(-1, (-1, self.shape.depth))
        qk, v = projected.split([2 * self.shape.heads, self.shape.heads], dim=2)
        q, k = turned(qk, turns).transpose(1, 2).chunk(2, dim=1)
        return q, k, v.transpose(1, 2)

    def layers(self) -> Iterator[tuple[Tensor, ...]]:
        """Of each layer: attention norm, qkv, out, feed norm, gate_up, down."""
        stacks = (self.attention_norm, self.qkv, self.out, self.feed_norm, self.gate_up, self.down)
        return zip(*(stack.unbind() for stack in stacks), strict=True)

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits (…, tokens) of hidden states; pad and begin are never said."""
        return F.linear(hidden, self.head, self.never)


def norm(x: Tensor, gain: Tensor) -> Tensor:
    """RMSNorm over the last dimension. Source: Zhang and Sennrich 2019."""
    return F.rms_norm(x, gain.shape, gain, EPSILON)


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate neighbouring pairs of the last dimension by complex `turns`. Source: Su et al. 2021, eq. 34."""
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)
