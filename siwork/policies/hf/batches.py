"""Rows of tokens of unlike length as rectangles: padded on the left, so that all of them end in one column."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Batch(NamedTuple):
    """Rows side by side, on a device."""

    ids: Tensor  # (b, length) int64
    mask: Tensor  # (b, length) int64, 0 where padded
    positions: Tensor  # (b, length) int64, counted from each row's own first token


def left_padded(rows: Sequence[np.ndarray], pad: int, device: torch.device) -> Batch:
    """Rows as a rectangle; a padded place has position 0, and nothing looks at it."""
    length = max(len(row) for row in rows)
    ids, mask = np.full((len(rows), length), pad, np.int64), np.zeros((len(rows), length), np.int64)
    for i, row in enumerate(rows):
        ids[i, length - len(row) :], mask[i, length - len(row) :] = row, 1
    positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
    return Batch(*(torch.from_numpy(part).to(device) for part in (ids, mask, positions)))


def by_length(length: np.ndarray, budget: int, order: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Rows of like length together, so many that the rectangle has at most `budget` places, or one row.

    length : (n,) of each row; order : the rows to be parted, in a rising order of length; None takes all
    """
    order = np.argsort(length, kind="stable") if order is None else order
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * int(length[order[end]]) > budget:
            yield order[start:end]
            start = end


class Forward:
    """A model's forward pass in its precision, with those arguments that it takes.

    model : of transformers; precision : of the pass, below that of the weights where they are trained
    """

    def __init__(self, model: Any, precision: torch.dtype) -> None:
        self.model, self.device = model, model.device
        self.precision = precision
        self._takes = set(inspect.signature(model.forward).parameters)

    def __call__(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any = None, *, keep: int = 0) -> Tensor:
        """Logits (b, keep, tokens) float32 of the last `keep` places, or of all with 0."""
        more = {"position_ids": positions, "logits_to_keep": keep, "use_cache": cache is not None}
        logits = self._run(ids, mask, more, {"past_key_values": cache} if cache is not None else {}).logits
        return (logits[:, -keep:] if keep else logits).float()

    def states(self, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Hidden states (b, length, width) float32 that the logits are made of, the last norm included where there is one."""
        more = {"position_ids": positions, "logits_to_keep": 1, "use_cache": False}
        return self._run(ids, mask, more, {"output_hidden_states": True}).hidden_states[-1].float()

    def _run(self, ids: Tensor, mask: Tensor, if_taken: dict[str, Any], given: dict[str, Any]) -> Any:
        known = {name: value for name, value in if_taken.items() if name in self._takes} | given
        lower = self.precision != torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=lower):
            return self.model(input_ids=ids, attention_mask=mask, **known)
