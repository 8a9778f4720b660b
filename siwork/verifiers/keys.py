"""Luck that belongs to a row, not to its place in the table: a pure function of what the row is and of one draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from siwork.policies.chance import key_of, scramble, uniform


def row_keys(rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """A 64-bit key of each row (n,) uint64 from its problem, sample and response, and one draw; equal rows share one."""
    sample = rows["sample"].tolist() if "sample" in rows else [0] * len(rows)
    told = zip(rows["problem"].tolist(), sample, rows["response"].tolist(), strict=True)
    return keys_of([f"{problem}\0{number}\0{response}" for problem, number, response in told], rng)


def text_luck(texts: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """A number in [0, 1) of each text (n,), from the text and one draw."""
    return uniform(keys_of(texts, rng))


def fold_of(texts: Sequence[str], folds: int) -> np.ndarray:
    """A fold 0 … folds − 1 of each text (n,), the same on every machine and in every round."""
    known = {text: key_of(f"fold\0{text}") % folds for text in dict.fromkeys(texts)}
    return np.array([known[text] for text in texts], np.int64)


def keys_of(texts: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """A 64-bit key of each text (n,) uint64, from the text and one draw."""
    salt = rng.integers(0, 2**64, 1, dtype=np.uint64)
    keys = np.array([key_of(str(text)) for text in texts], np.uint64)
    return scramble(keys ^ scramble(salt))
