"""How an update's plan is made: which texts, which batches, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.policies import Plan
from siwork.slots import State


def batches_of(units: np.ndarray, size: int, steps: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`steps` batches of row numbers: units (m, w) are shuffled, used up, and shuffled again."""
    size = max(1, min(size // units.shape[1], len(units)))
    passes = max(1, -(-steps * size // len(units)))
    order = np.concatenate([rng.permutation(len(units)) for _ in range(passes)])
    return [units[order[i * size : (i + 1) * size]].ravel() for i in range(steps)]


def plan_of(
    rows: pd.DataFrame,
    batches: list[np.ndarray],
    coefficients: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rate: float,
    constant: bool = False,
) -> Plan:
    """The plan that trains on the texts of the rows (n,); `constant` as in `Plan`."""
    return Plan(
        *texts_of(rows),
        batches,
        coefficients,
        rate,
        constant,
    )


def _texts(column: pd.Series) -> pa.Array:
    texts = pa.array(column, pa.string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def texts_of(rows: pd.DataFrame) -> tuple[pa.Array, pa.Array, np.ndarray]:
    """What is trained on: prompts, responses, and whether they end, each (n,).

    A row's own prompt and response, but for its context (`asked`) and its `taught` text where it has one; a taught text that the
    response begins with has no end.
    """
    prompt, response = _texts(rows["prompt"]), _texts(rows["response"])
    finished = rows["finished"].to_numpy(bool)
    if "asked" in rows:
        prompt = pc.coalesce(_texts(rows["asked"]), prompt)
    if "taught" in rows:
        taught = _texts(rows["taught"]).to_pylist()
        said = response.to_pylist()
        cut = [
            text is not None and text != own and own.startswith(text) for text, own in zip(taught, said, strict=True)
        ]
        other = np.array([text is not None for text in taught], bool)
        finished = np.where(other, ~np.array(cut, bool), finished)
        response = pc.coalesce(pa.array(taught, pa.string()), response)
    return prompt, response, finished


def reference_of(state: State, rows: pd.DataFrame) -> np.ndarray:
    """Log-probability (n,) of the rows under the state's policy, for the prompt without a hint."""
    return state.policy.logp(*texts_of(rows))
