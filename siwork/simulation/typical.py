"""The problems behind a point of a simulated world: those of a round that lie nearest to its mean."""

from __future__ import annotations

import numpy as np
import pandas as pd

from siwork.schema import BANDS, SPLITS, KnobError, nearest
from siwork.simulation.play import play
from siwork.simulation.world import World

_COLUMNS = ("problem", "difficulty", "band", "solve_rate", "draws", "right", "accepted")


def typical(
    world: World, seed: int, r: int, split: str = "train", band: int | None = None, most: int = 15
) -> pd.DataFrame:
    """The problems of one round whose exact solve rate is nearest to the mean of their band.

    Parameters
    ----------
    world, seed : as of `simulate`
    r : round; problems trained on have rounds 0 … R − 1, held-out ones 0 … R
    split : train or heldout
    band : of that band only; None takes as many of each band
    most : problems, ≥ 1

    Returns
    -------
    DataFrame, the hardest first: problem, difficulty, band, solve_rate (the chance of a right sample, exactly), draws,
    right (samples), accepted (samples that were trained on, null for held-out problems).

    Raises
    ------
    KnobError for another split, or a round or band that is not there.

    >>> typical(World(problems=30, rounds=1), 0, 0, most=5)["band"].tolist()
    [0, 1, 2, 3, 4]
    """
    last = world.rounds - (split == "train")
    if split not in ("train", "heldout"):
        raise KnobError(f"split must be train or heldout, got {split!r}; {nearest(split, SPLITS[:2])}")
    if not 0 <= r <= last:
        raise KnobError(f"round must be in 0 … {last} for split {split}, got {r}; nearest: {min(max(r, 0), last)}")
    if band is not None and band not in BANDS:
        raise KnobError(f"band must be one of {', '.join(map(str, BANDS))}, got {band!r}; 0 is the hardest fifth")
    table = _problems(world, seed, r, split)
    bands = BANDS if band is None else (band,)
    parts = [_nearest(table[table["band"] == one], max(most // len(bands), 1)) for one in bands]
    found = pd.concat(parts).sort_values("difficulty", ascending=False, ignore_index=True)
    return found.head(most)


def _problems(world: World, seed: int, r: int, split: str) -> pd.DataFrame:
    """All problems of a split in that round."""
    trace, n = play(world, seed), world.train
    here = np.arange(n) if split == "train" else np.arange(n, world.problems)
    counts = trace.counts[r][:, here].astype(np.int64)
    accepted = trace.kept[r].sum(axis=0, dtype=np.int64) if split == "train" else None
    columns = {
        "problem": [f"{split}/{i}" for i in range(len(here))],
        "difficulty": trace.ground.difficulty[here],
        "band": trace.ground.band[here],
        "solve_rate": np.minimum(trace.drawn[r][: world.right, here].sum(axis=0), 1.0),
        "draws": counts.sum(axis=0),
        "right": counts[: world.right].sum(axis=0),
        "accepted": pd.array([pd.NA] * len(here), "Int64") if accepted is None else pd.array(accepted, "Int64"),
    }
    return pd.DataFrame(columns)[list(_COLUMNS)]


def _nearest(table: pd.DataFrame, most: int) -> pd.DataFrame:
    apart = (table["solve_rate"] - table["solve_rate"].mean()).abs()
    return table.loc[apart.sort_values(kind="stable").index[:most]]
