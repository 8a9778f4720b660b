"""Rows of several rounds with known rates, for the tests of tables."""

import numpy as np
import pandas as pd

KEYS = {"run": "a", "split": "heldout"}


def rows_of(golds, run="a", split="heldout", **columns):
    """Rows from one (problems, samples) table of truth a round; further columns likewise, one table a round."""
    parts = []
    for r, gold in enumerate(golds):
        gold = np.asarray(gold)
        problems, samples = gold.shape
        place = {"problem": np.repeat([f"p{i}" for i in range(problems)], samples), "round": r}
        more = {name: np.asarray(tables[r]).ravel() for name, tables in columns.items()}
        parts.append(
            pd.DataFrame({**place, "sample": np.tile(np.arange(samples), problems), "gold": gold.ravel(), **more})
        )
    return pd.concat(parts, ignore_index=True).assign(run=run, split=split)


def still(rng, problems=60, samples=8, rounds=2):
    """Truth of an unchanged model, one (problems, samples) table a round."""
    rate = rng.beta(0.6, 0.8, (problems, 1))
    return [rng.random((problems, samples)) < rate for _ in range(rounds)]


class Stream:
    """A run: rows one round at a time."""

    def __init__(self, rows):
        self.rows = rows

    def iter_rows(self, columns=None):
        for _, part in self.rows.groupby("round"):
            yield part[[name for name in columns if name in part]] if columns else part
