"""Difficulties of problems as a probe wrote them, one row a prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.schema import KnobError
from siwork.tasks.base import ranks


def probed_difficulty(file: str, prompts: list[str]) -> np.ndarray:
    """Rank of the difficulty (n,) of each prompt among all that were probed, 0 easy … 1 hard.

    Raises KnobError for a file that is no probe's, or prompts that it lacks, with how many they are.
    """
    try:
        table = pd.read_parquet(file, columns=["prompt", "difficulty"])
    except (OSError, ValueError, pa.ArrowException) as error:
        first = str(error).splitlines()[0][:120]
        raise KnobError(f"table: {file} is no file that siwork.tasks.probe wrote ({first}); write one") from None
    known = dict(zip(table["prompt"], table["difficulty"], strict=True))
    lacking = sum(prompt not in known for prompt in prompts)
    if lacking:
        raise KnobError(
            f"table: {Path(file).name} has no difficulty of {lacking} of {len(prompts)} problems; probe the problems that "
            "are drawn, with the same sizes and seed"
        )
    return ranks(np.array([known[prompt] for prompt in prompts]), np.sort(table["difficulty"].to_numpy(float)))
