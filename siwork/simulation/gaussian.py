"""The smallest world of all: a Gaussian refitted on its own samples, whose variance shrinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pandas as pd

from siwork.metrics.collapse import gaussian_recursion
from siwork.schema import Knobbed, KnobError, knob
from siwork.simulation.luck import errors


@dataclass(frozen=True)
class Gaussian(Knobbed):
    """A Gaussian with mean 0, whose mean and variance are fitted to samples that the last fit gave.

    Source: Shumailov et al. 2024 (Nature 631:755); accumulate, Gerstgrasser et al. 2024 (arXiv:2404.01413).
    """

    name: ClassVar[str] = "gaussian"

    n: int = knob(20, "Fresh samples of a fit.", low=2, high=500, unit="samples")
    rounds: int = knob(20, "Fits; the first is on real data.", low=1, high=100, unit="rounds")
    sigma: float = knob(1.0, "Standard deviation of the real data.", low=0.01, high=100.0)
    variance: str = knob(
        "ml", "Whether the fitted variance divides by the samples, or by one less.", choices=("ml", "unbiased")
    )
    data: str = knob(
        "replace", "Whether fresh samples replace or join those of earlier fits.", choices=("replace", "accumulate")
    )


def gaussian(world: Gaussian, seeds: Sequence[int]) -> pd.DataFrame:
    """Fitted mean and variance over the rounds, played out sample by sample.

    Parameters
    ----------
    world : Gaussian
    seeds : of all luck, each ≥ 0

    Returns
    -------
    DataFrame, a row a (seed, metric, round 0 … R): run, metric (mean, variance), round, value; round 0 is the real data.

    Raises
    ------
    KnobError without a seed.

    >>> gaussian(Gaussian(n=5, rounds=1), [0, 1])["run"].unique().tolist()
    ['seed 0', 'seed 1']
    """
    if not len(seeds):
        raise KnobError("gaussian needs at least one seed, got none; seeds=range(20) shows the spread")
    parts = [(seed, name, values) for seed in seeds for name, values in _played(world, seed).items()]
    rounds = world.rounds + 1
    return pd.DataFrame(
        {
            "run": np.repeat([f"seed {seed}" for seed, _, _ in parts], rounds),
            "metric": np.repeat([name for _, name, _ in parts], rounds),
            "round": np.tile(np.arange(rounds), len(parts)),
            "value": np.concatenate([values for _, _, values in parts]),
        }
    )


@lru_cache(maxsize=256)
def _played(world: Gaussian, seed: int) -> dict[str, np.ndarray]:
    """Mean and variance after 0 … R fits."""
    mean, variance = np.zeros(world.rounds + 1), np.full(world.rounds + 1, world.sigma**2)
    less, pool = int(world.variance == "unbiased"), np.zeros(0)
    for t, z in enumerate(errors(seed, world.rounds, world.n, 1)[..., 0]):
        fresh = mean[t] + np.sqrt(variance[t]) * z
        pool = np.concatenate([pool, fresh]) if world.data == "accumulate" else fresh
        mean[t + 1], variance[t + 1] = pool.mean(), pool.var(ddof=less)
    return {"mean": mean, "variance": variance}


def gaussian_theory(world: Gaussian) -> pd.DataFrame:
    """The expected variance, and where there is one the typical one, by round.

    Returns
    -------
    DataFrame, a row a (law, round): law, metric, round, value, why. `expected` is E[σ²], carried by rare runs;
    `typical` exp(E[log σ²]), near which most runs are, null with the reason where it has no closed form.

    >>> table = gaussian_theory(Gaussian(n=20, rounds=15))
    >>> table.groupby("law")["value"].last().round(3).to_dict()
    {'expected': 0.463, 'typical': 0.207}
    """
    rounds = np.arange(world.rounds + 1)
    law = gaussian_recursion(world.n, rounds, world.sigma, world.variance, world.data)
    about = {"metric": "variance", "round": rounds}
    typical = np.exp(law.log_var)
    why = np.where(np.isnan(typical), "accumulated fits after the first have no closed form of E[log σ²]", "")
    parts = [
        {"law": "expected", **about, "value": law.var, "why": ""},
        {"law": "typical", **about, "value": typical, "why": why},
    ]
    return pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
