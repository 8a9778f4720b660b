"""How much fits at once, and what happens when it does not: half of it, said once."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

import torch

from siwork.schema import RunError

_Part = TypeVar("_Part")
_SHARE = 0.4  # of a GPU's free memory that keys and values may take
_HOME = 2**31  # bytes of them on a CPU
_MOST = 256  # completions at once; more are no faster
_TOKENS = {"cuda": 16_384, "cpu": 2_048}  # padded tokens of a forward pass without cache
_LOGITS = {"cuda": 2**30, "cpu": 2**27}  # bytes of float32 logits at once


class Room:
    """What fits into a forward pass of a model; it shrinks when memory runs out.

    model : of transformers; asked : completions at once that the user wants, 0 for as many as fit
    """

    def __init__(self, model: Any, asked: int) -> None:
        config = model.config.get_text_config()
        self.device, self._asked, self._shrunk, self.said = model.device, asked, 1, False
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        depth = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        size = torch.finfo(model.dtype).bits // 8
        self._bytes = 2 * config.num_hidden_layers * heads * depth * size  # of a token's keys and values
        self._vocabulary = config.vocab_size

    def rows(self, length: int) -> int:
        """Completions sampled at once, each of so many tokens with its prompt."""
        free = _SHARE * torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else _HOME
        fitting = min(_MOST, int(free // max(self._bytes * length, 1)))
        return max(1, (self._asked or fitting) // self._shrunk)

    @property
    def tokens(self) -> int:
        """Padded tokens of a forward pass that is not cached."""
        fitting = _LOGITS[self.device.type] // (4 * self._vocabulary)
        return max(1, min(_TOKENS[self.device.type], fitting) // self._shrunk)

    def shrink(self) -> None:
        """Take half from now on."""
        self._shrunk *= 2


def short_of_memory(error: RuntimeError, room: Room, halves: list[_Part]) -> list[_Part]:
    """The halves to go on with, when an error says that memory ran out; it is said once.

    Raises the error when it says something else; RunError when nothing is left to halve.
    """
    if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
        raise error
    if not halves:
        raise RunError(
            "hf: a single row does not fit into the memory; take a smaller max_new, checkpointing=true, lora=8, or a "
            "smaller model"
        ) from None
    if room.device.type == "cuda":
        torch.cuda.empty_cache()
    room.shrink()
    if not room.said:
        room.said = True
        warnings.warn("hf: memory ran out, so half as many rows are worked on at once from now on", stacklevel=3)
    return halves
