"""Tail narrowing without self-deception: bands made of the samples whose fate is measured see change where there is none."""

import numpy as np
import pandas as pd
import pytest

from siwork.metrics import measure, round_difference
from siwork.metrics.tail import band_of, transitions

PROBLEMS, SAMPLES, RUNS = 900, 8, 60


def unchanged(seed):
    """Solve rates that stay, a separate probe, and the right samples of two rounds: p, probe, c (2, problems)."""
    rng = np.random.default_rng([seed, 41])
    p = rng.beta(0.6, 0.8, PROBLEMS)
    return p, rng.binomial(SAMPLES, p), rng.binomial(SAMPLES, p, (2, PROBLEMS)), rng


def rows_of(c, band):
    """Row table of two rounds: every right sample is kept."""
    right = np.arange(SAMPLES) < c[..., None]  # (2, problems, samples)
    index = np.indices(right.shape).reshape(3, -1)
    frame = pd.DataFrame({"round": index[0], "problem": index[1].astype(str), "gold": right.ravel()})
    return frame.assign(run="a", split="train", weight=right.ravel().astype(float), band=band[index[1]].astype(int))


def moves(c, band, metric="accepted_share"):
    """Change of the metric in each band: (5,) of −1 fell, 0 not sure, 1 rose."""
    table = round_difference(rows_of(c, band), metric, 0, 1)
    low, high = (table[end].to_numpy(float, na_value=np.nan) for end in ("low", "high"))
    return np.where(low > 0, 1, np.where(high < 0, -1, 0))


def tasks_own_band(p, rng):
    """A band fixed before any outcome: the rank of a noisy difficulty."""
    hard = -p + rng.normal(0, 0.2, len(p))
    return 4 - (hard.argsort().argsort() * 5 // len(p))


@pytest.fixture(scope="module")
def seen():
    """How often each way of making bands sees the tail's share fall, or any band move, in runs where nothing changes."""
    found = {"last": [], "first": [], "probe": [], "task": []}
    for seed in range(RUNS):
        p, probe, c, rng = unchanged(seed)
        bands = {
            "last": band_of(SAMPLES, c[1]),  # "which problems does it fail now?"
            "first": band_of(SAMPLES, c[0]),
            "probe": band_of(SAMPLES, probe),
            "task": tasks_own_band(p, rng),
        }
        for name, band in bands.items():
            found[name].append(moves(c, band))
    return {name: np.array(each) for name, each in found.items()}


def test_bands_of_the_last_rounds_own_samples_report_narrowing_though_nothing_narrowed(seen):
    assert (seen["last"][:, 0] == -1).mean() > 0.95  # the share of the hardest band "fell"


def test_bands_of_the_first_rounds_own_samples_report_a_head_that_forgets(seen):
    assert (seen["first"][:, 4] == -1).mean() > 0.95
    assert (seen["first"][:, 0] == 1).mean() > 0.95


@pytest.mark.parametrize("bands", ["probe", "task"])
def test_bands_fixed_apart_from_the_outcome_see_nothing(seen, bands):
    # 5 % of 60 runs, with two standard errors of simulation, and intervals are refused where few problems differ
    alarms = (seen[bands] != 0).mean(axis=0)
    assert (alarms <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / RUNS)).all(), alarms
    assert (seen[bands][:, 0] == -1).mean() <= 0.025 + 2.5 * np.sqrt(0.025 * 0.975 / RUNS)


def test_bands_fixed_apart_see_a_tail_that_narrows():
    p, _, _, rng = unchanged(0)
    after = np.where(p < 0.3, p * 0.2, np.minimum(p * 1.3, 1.0))
    c = np.array([rng.binomial(SAMPLES, p), rng.binomial(SAMPLES, after)])
    band = band_of(SAMPLES, rng.binomial(SAMPLES, p))
    assert moves(c, band)[[0, 1]].tolist() == [-1, -1] or moves(c, band)[1] == -1
    assert moves(c, band, "accepted_coverage")[1] == -1  # share and coverage fall: narrowed, not only moved


def test_newly_solved_and_forgotten_problems_are_read_against_their_null():
    gained, expected = [], []
    for seed in range(60):
        _, _, c, _ = unchanged(seed)
        ledger = transitions(SAMPLES, c[0], SAMPLES, c[1])
        gained.append(ledger.gained / PROBLEMS)
        expected.append(ledger.expected_gained / PROBLEMS)
    assert np.mean(gained) > 0.05  # in a model that did not change
    assert np.mean(gained) == pytest.approx(np.mean(expected), abs=0.006)


def test_a_curve_of_bands_starts_at_the_held_out_value():
    _, probe, c, _ = unchanged(3)
    fair = measure(rows_of(c, band_of(SAMPLES, probe)), ["band_solve_rate"])
    naive = measure(rows_of(c, band_of(SAMPLES, c[0])), ["band_solve_rate"])
    at = {name: table.set_index(["round", "band"])["value"] for name, table in (("fair", fair), ("naive", naive))}
    assert at["naive"][0, 4] == 1.0
    assert at["naive"][1, 4] < 0.95
    assert at["fair"][0, 4] == pytest.approx(at["fair"][1, 4], abs=0.04)
