"""Intervals keep their word: the shipped table does, and a smaller sample of its regimes says so again."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from siwork.metrics.intervals import grouped_mean

FOLDER = Path(__file__).parent.parent / "data" / "intervals"
TABLE = pd.read_csv(FOLDER / "coverage.csv")
KEYS = ["estimator", "regime", "problems"]


def loaded(name):
    """A module of the folder, which is no package."""
    spec = importlib.util.spec_from_file_location(f"intervals_{name}", FOLDER / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REGIMES = {(r.estimator, r.name, r.problems): r for r in loaded("regimes").regimes()}
OWN = TABLE[TABLE[KEYS].apply(tuple, axis=1).isin(REGIMES.keys())]
SAMPLE = OWN[(OWN["problems"] <= 200) & (OWN["offered"] > 0.05)].iloc[7::23]


def test_the_table_holds_every_regime_once():
    assert len(OWN) == len(REGIMES) > 2000
    assert not TABLE.duplicated(KEYS).any()
    assert (TABLE["runs"] >= 1000).all()


def test_intervals_that_are_offered_cover():
    offered = TABLE[TABLE["offered"] >= 0.5]
    assert len(offered) > 800
    assert offered["coverage"].between(0.93, 0.97).all(), offered[~offered["coverage"].between(0.93, 0.97)]
    assert set(offered["problems"]) >= {10, 20, 50, 200, 1000}


def test_bounds_miss_at_most_what_the_level_allows():
    # Wilson's bound of 0 of 5 is 0.43: both ends together are missed by up to 7 %
    allowed = np.where(OWN["problems"] < 10, 0.08, 0.05) + 3 * np.sqrt(0.05 * 0.95 / OWN["runs"])
    assert (OWN["bounds_missed"] <= allowed).all()


def test_estimates_are_unbiased():
    # ratios of sums have a bias of order 1/G, so only means and changes; 4.5 standard errors in two thousand regimes
    means = OWN[OWN["estimator"].str.startswith("pass") | (OWN["estimator"] == "change")]
    sure = means[means["bias_se"] > 0]
    assert (sure["bias"].abs() <= 4.5 * sure["bias_se"] + 1e-4).mean() > 0.999


@pytest.mark.parametrize("row", [row for _, row in SAMPLE.iterrows()], ids=lambda row: f"{row.estimator} {row.regime}")
def test_a_regime_again(row):
    regime, runs = REGIMES[tuple(row[KEYS])], 1000
    found = regime.make(np.random.default_rng([9, row.name]), runs)
    bound = np.char.startswith(found.kind, "Wilson bound")
    given = ~np.isnan(found.low) & ~bound
    held = ((found.low <= regime.truth + 1e-12) & (regime.truth <= found.high + 1e-12))[given]
    share = np.sqrt(row.offered * (1 - row.offered) * (1 / runs + 1 / row.runs))
    assert abs(given.mean() - row.offered) <= 4.5 * share + 2 / runs
    if given.sum() >= 50:
        chance = np.clip(row.coverage, 0.01, 0.99)
        spread = np.sqrt(chance * (1 - chance) * (1 / given.sum() + 1 / (row.offered * row.runs)))
        assert abs(held.mean() - row.coverage) <= 4.5 * spread + 1 / given.sum()


@pytest.mark.parametrize("problems", [50, 100, 200, 1000])
def test_coins_of_any_rate_cover(problems):
    """Exact, between the rates of the table as well: 0/1 units of every rate that mostly gets an interval."""
    x = np.arange(problems + 1)
    units = (np.arange(problems) < x[:, None]).astype(float)
    found = grouped_mean(units.ravel(), np.repeat(x, problems), len(x), span=(0.0, 1.0))
    rate = np.linspace(0.005, 0.5, 600)
    chance = binom.pmf(x[:, None], problems, rate)
    given = (~np.isnan(found.low) & (x > 0) & (x < problems))[:, None] * chance
    held = (found.low[:, None] <= rate) & (rate <= found.high[:, None])
    offered = given.sum(axis=0)
    coverage = (given * held).sum(axis=0)[offered >= 0.5] / offered[offered >= 0.5]
    assert 0.915 <= coverage.min() <= coverage.max() <= 0.972
    assert np.mean((coverage >= 0.93) & (coverage <= 0.97)) >= 0.97
