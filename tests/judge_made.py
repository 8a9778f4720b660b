"""A judge made on the spot: a small byte-level Llama that was taught which digits are even, and what it judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import siwork
from hf_made import byte_pairs, write_fresh
from siwork.policies import Plan
from siwork.verifiers.judge import filled

QUESTION = "{prompt}={response}?"
DUEL = "{other}/{prompt}={response}?"
ROWS = [(f"p{letter}", str(digit)) for letter in "abcdefgh" for digit in range(10)]


class Even:
    """A task whose truth is: the response is an even digit."""

    def __str__(self) -> str:
        return "even"

    @staticmethod
    def check(table: pd.DataFrame) -> pd.Series:
        return table["response"].astype(int) % 2 == 0


def digit_rows() -> pd.DataFrame:
    """Eighty completions: ten digits to each of eight problems."""
    table = pd.DataFrame(ROWS, columns=["prompt", "response"])
    return table.assign(problem=table["prompt"], sample=np.tile(np.arange(10), 8), split="train")


def write_judge(folder: Path) -> str:
    """A judge that was taught on half of the problems; its folder."""
    policy = siwork.policy("hf", write_fresh(folder / "fresh", byte_pairs(), max_position_embeddings=512), device="cpu")
    rng, taught = np.random.default_rng(0), digit_rows().iloc[:40]
    duels = taught.sample(120, replace=True, random_state=0).assign(other=rng.integers(0, 10, 120).astype(str))
    asked = [filled(QUESTION, line) for line in taught.to_dict("records")]
    asked += [filled(DUEL, line) for line in duels.to_dict("records")]
    said = [" yes" if right else " no" for right in Even.check(pd.concat([taught, duels]))]
    batches, share = [rng.integers(0, 160, 40) for _ in range(120)], np.full(40, 1 / 40)
    policy.train(Plan(asked, said, np.zeros(160, bool), batches, lambda logp, index: share, rate=15.0, constant=True))
    (folder / "judge").mkdir()
    policy.save(folder / "judge")
    return str(folder / "judge")
