"""What a model of transformers answers to a question with given options, and its state at the end of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from siwork.policies.asking import among
from siwork.policies.hf.batches import Batch, Forward, left_padded
from siwork.policies.hf.memory import Room
from siwork.policies.hf.training import Rows, by_parts, score


def option_chances(
    forward: Forward, prompts: Sequence[np.ndarray], options: Sequence[np.ndarray], pad: int, room: Room, context: int
) -> np.ndarray:
    """Probabilities (n, m) among the options right after each prompt; NaN where prompt and option pass the context.

    prompts, options : token arrays; options of one token each take one forward pass for all of them
    """
    found = np.full((len(prompts), len(options)), np.nan)
    longest = max(len(option) for option in options)
    fits = np.flatnonzero(np.array([len(ids) + longest <= context for ids in prompts]))
    asked = [prompts[int(i)] for i in fits]
    if longest == 1:
        first = torch.tensor(np.concatenate(options), device=forward.device)
        found[fits] = _rows(
            lambda batch: forward(batch.ids, batch.mask, batch.positions, keep=1)[:, -1].log_softmax(-1)[:, first],
            forward,
            asked,
            pad,
            room,
            len(options),
        )
    else:
        for j, option in enumerate(options):
            found[fits, j] = score(forward, Rows(asked, [option] * len(asked), pad), room)
    return among(found)


def last_states(forward: Forward, rows: Sequence[np.ndarray], pad: int, room: Room, context: int) -> np.ndarray:
    """Hidden states (n, width) of the last token of each row; of a row beyond the context its last part is read."""
    kept = [ids[-context:] for ids in rows]
    width = forward.model.config.get_text_config().hidden_size
    return _rows(
        lambda batch: forward.states(batch.ids, batch.mask, batch.positions)[:, -1], forward, kept, pad, room, width
    )


def _rows(
    of: Callable[[Batch], Tensor], forward: Forward, rows: Sequence[np.ndarray], pad: int, room: Room, width: int
) -> np.ndarray:
    """Numbers (n, width) of rows of tokens, rows of like length together."""
    found = np.zeros((len(rows), width))
    length = np.array([len(ids) for ids in rows], int)
    for index, told in by_parts(
        length, room, lambda index: of(left_padded([rows[i] for i in index], pad, forward.device))
    ):
        found[index] = told
    return found
