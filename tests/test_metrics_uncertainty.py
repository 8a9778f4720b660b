"""Intervals: against reference values, and whether they cover what they promise."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.metrics.intervals import UNBOUNDED, grouped_change, grouped_mean, grouped_ratio
from siwork.metrics.uncertainty import (
    bootstrap_weights,
    cluster_bootstrap,
    cluster_se,
    cluster_t,
    influence_se,
    paired_t,
    wilson,
)
from siwork.schema import KnobError

ORACLES = Path(__file__).parent / "golden" / "oracles"


def cases(name, keep=lambda case: True):
    data = json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))
    found = [pytest.param(c, data["tolerance"]["abs"], id=c["id"]) for c in data["cases"] if keep(c)]
    assert found
    return found


@pytest.mark.parametrize(("case", "tolerance"), cases("clustered_se"))
def test_cluster_se_and_paired_differences(case, tolerance):
    group, first, last = (np.array(case["inputs"][name]) for name in ("group", "round0", "round1"))
    expected = case["expected"]
    assert cluster_se(first, group, correction=False) == pytest.approx(
        expected["se_clustered_no_correction"], abs=tolerance
    )
    assert cluster_se(first, group) == pytest.approx(expected["se_clustered_CR1"], abs=tolerance)
    assert influence_se(first - first.mean(), group) == pytest.approx(expected["se_clustered_CR1"], abs=tolerance)
    means = [np.bincount(group, x) / np.bincount(group) for x in (first, last)]
    assert means[0].mean() == pytest.approx(expected["macro_mean_round0"], abs=tolerance)
    assert cluster_t(means[1] - means[0]) == pytest.approx(expected["paired_t95"], abs=tolerance)
    paired = paired_t(*means)
    assert paired.value == pytest.approx(expected["paired_diff_macro"], abs=tolerance)
    assert (paired.low, paired.high) == pytest.approx(expected["paired_t95"], abs=tolerance)
    assert paired.n == len(means[0])


@pytest.mark.parametrize(("case", "tolerance"), cases("inference", lambda c: c["kind"] == "proportion"))
def test_wilson(case, tolerance):
    got = wilson(case["inputs"]["k"], case["inputs"]["n"])
    assert got == pytest.approx(case["expected"]["wilson95"], abs=tolerance)


def test_wilson_is_exact_at_the_ends_and_unknown_without_units():
    low, high = wilson([0, 10, 0], [10, 10, 0])
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert math.isnan(low[2])
    assert math.isnan(high[2])
    with pytest.raises(KnobError, match=r"must lie in 0\.\.n"):
        wilson(3, 2)


def test_cluster_t_at_the_edges():
    # 5 problems, all right: Wilson 5 of 5 is [5/(5 + z²), 1] with z = 1.959964
    assert cluster_t([1.0] * 5) == pytest.approx((5 / (5 + 1.959963984540054**2), 1.0), abs=1e-12)
    assert cluster_t([0.0] * 5) == pytest.approx((0.0, 1 - 5 / (5 + 1.959963984540054**2)), abs=1e-12)
    assert np.isnan(cluster_t([0.5])).all()
    assert np.isnan(cluster_t([])).all()
    assert np.isnan(cluster_t([0.1, np.nan, 0.3])).all()
    assert np.isnan(cluster_t([7.0, 7.0])).all()  # outside the span 0..1
    low, high = cluster_t([7.0, 7.0], span=(0, 10))
    # at most u = Wilson's bound for 0 of 2 could differ: down to 0 or up to 10
    u = 1.959963984540054**2 / (2 + 1.959963984540054**2)
    assert (low, high) == pytest.approx((7 - 7 * u, 7 + 3 * u), abs=1e-12)


def test_cluster_t_by_hand():
    # outside its span: mean 3, sd² = 2.5, se = √(2.5/5) = 0.707107, t₄(0.9) = 2.131847
    low, high = cluster_t([1.0, 2.0, 3.0, 4.0, 5.0], level=0.9)
    assert high - 3 == pytest.approx(2.131846786 * math.sqrt(0.5), abs=1e-8)
    assert 3 - low == pytest.approx(high - 3, abs=1e-12)


def test_score_interval_by_hand():
    # ten values 0.4 and ten 0.6: SE² = 0.01/19, so 0.25/SE² = 475 units; no skewness; t₁₉ = 2.093024, of which (20/475)²
    # of the way to 1.959964
    low, high = cluster_t([0.4, 0.6] * 10)
    t2, units = (2.093024054408263 - (20 / 475) ** 2 * (2.093024054408263 - 1.959963984540054)) ** 2, 475.0
    half = math.sqrt(t2 * (0.25 / units + t2 / (4 * units**2))) / (1 + t2 / units)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-9)
    # in other units of measurement it is the same interval
    assert cluster_t(4 * np.array([0.4, 0.6] * 10), span=(0, 4)) == pytest.approx((4 * low, 4 * high), abs=1e-12)


def test_intervals_are_mirrored_with_their_values():
    x = np.random.default_rng(5).beta(0.5, 2, 60)
    low, high = cluster_t(x)
    assert cluster_t(1 - x) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    y = np.random.default_rng(6).beta(0.5, 2, 60)
    there, back = paired_t(x, y), paired_t(y, x)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.linspace(0, 1, 4), "no interval: too few problems; few_problems"),  # fewer than 5
        (np.tile([0.0, 1.0], 14), "no interval: too few problems"),  # 28 coins
        (np.r_[np.ones(14), np.zeros(500)], "no interval: too few problems differ"),  # 14 successes
        (np.r_[np.full(5, 0.9), np.full(300, 0.05)], "no interval: too few problems differ"),
        (np.full(20, np.nan), "one problem, so no interval"),
    ],
    ids=["few", "coins", "successes", "skew", "none"],
)
def test_where_no_interval_keeps_its_word_there_is_none(values, reason):
    found = grouped_mean(values, np.zeros(len(values), int), 1, span=(0.0, 1.0))
    assert found.kind[0] == reason
    assert math.isnan(found.low[0])
    assert math.isnan(found.high[0])


def test_an_open_span_refuses_long_tails():
    values = np.r_[np.zeros(19), 100.0]
    found = grouped_mean(np.r_[values, np.arange(20.0)], np.repeat([0, 1], 20), 2)
    assert found.kind.tolist() == ["no interval: too few problems differ", "t over problems"]
    ratio = grouped_ratio(np.r_[values, np.arange(20.0)], np.ones(40), np.repeat([0, 1], 20), 2, span=UNBOUNDED)
    assert ratio.kind.tolist() == ["no interval: too few problems differ", "linearised t over problems"]
    assert (ratio.low[1], ratio.high[1]) == pytest.approx((found.low[1], found.high[1]), abs=1e-12)


def test_bounds_are_called_bounds():
    group = np.repeat([0, 1, 2], 12)
    found = grouped_mean(np.repeat([1.0, 0.0, 0.25], 12), group, 3, span=(0.0, 1.0))
    assert found.kind.tolist() == [
        "Wilson bound: all at the top",
        "Wilson bound: all at the bottom",
        "Wilson bound: all equal",
    ]
    assert (found.low[0], found.high[0]) == pytest.approx(wilson(12, 12), abs=1e-12)


def test_means_around_zero_are_changes():
    change = np.random.default_rng(2).normal(0.05, 0.1, 40)
    mean = grouped_mean(change, np.zeros(40, int), 1, span=(-1.0, 1.0))
    assert (mean.low[0], mean.high[0]) == pytest.approx(paired_t(np.zeros(40), change)[1:3], abs=1e-12)
    assert mean.kind[0] == "t over problems"


def test_changes_of_few_problems():
    still = np.zeros(200)
    few, one_way = still.copy(), still.copy()
    few[:14] = np.tile([1.0, -1.0], 7)
    one_way[:40] = 1.0
    skewed = np.r_[np.ones(28), -np.ones(2), np.zeros(170)]
    group = np.repeat([0, 1, 2], 200)
    found = grouped_change(np.r_[few, one_way, skewed], group, 3)
    assert found.kind.tolist() == [
        "no interval: too few problems differ",
        "Wilson over problems",
        "skewed t over problems",
    ]
    assert found.high[2] - found.value[2] > found.value[2] - found.low[2]
    # one way is a share of the problems, 40 of 200, but for the end beyond which there is no interval
    assert found.low[1] == pytest.approx(wilson(40, 200)[0], abs=0.003)
    assert found.high[1] == pytest.approx(wilson(40, 200)[1], abs=1e-12)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, float("nan")])
def test_levels_outside_0_and_1_are_refused(level):
    for call in (
        lambda: cluster_t([0, 1], level),
        lambda: wilson(1, 2, level),
        lambda: paired_t([0, 1], [1, 1], level),
    ):
        with pytest.raises(KnobError, match="level must lie between 0 and 1"):
            call()


def test_fewer_than_two_problems_have_no_standard_error():
    assert math.isnan(cluster_se([0.5, 0.7], ["a", "a"]))
    assert math.isnan(cluster_se([], []))
    assert math.isnan(influence_se([], []))
    with pytest.raises(KnobError, match="one length"):
        cluster_se([1, 2], ["a"])
    with pytest.raises(KnobError, match="one length"):
        influence_se([[1, 2]], [["a", "b"]])


def test_paired_t_leaves_out_unpaired_problems():
    found = paired_t([0.0, 0.5, np.nan, 0.2, 0.1, 0.4, 0.6, 0.3], [0.5, 0.5, 1.0, np.nan, 0.2, 0.7, 0.8, 0.7])
    # changes 0.5, 0, 0.1, 0.3, 0.2, 0.4: sd² = 0.035, t₅ = 2.570582
    assert found.value == pytest.approx(0.25)
    assert found.n == 6
    assert found.low == pytest.approx(0.25 - 2.570581835636314 * math.sqrt(0.035 / 6), abs=1e-9)
    two = paired_t([0.0, 0.5, np.nan], [0.5, 0.5, 1.0])
    assert (two.value, two.n) == (0.25, 2)
    assert math.isnan(two.low)
    none = paired_t([np.nan], [1.0])
    assert math.isnan(none.value)
    assert none.n == 0
    same = paired_t([0.5] * 30, [0.5] * 30)
    assert same.value == 0
    assert same.low == pytest.approx(-same.high)
    assert 0.05 < same.high < 0.2  # nothing moved in 30 problems: at most Wilson's 11 % could
    with pytest.raises(KnobError, match="pair them by problem"):
        paired_t([1.0], [1.0, 2.0])


def test_cluster_t_covers_and_the_naive_interval_does_not():
    # 16 samples of each of 20 problems, solve rates Beta(0.6, 0.8), 4000 repetitions: standard error of coverage 0.35 %
    rng, problems, samples, runs = np.random.default_rng(7), 20, 16, 4000
    right = rng.binomial(samples, rng.beta(0.6, 0.8, (runs, problems)))
    truth = 0.6 / 1.4
    group = np.repeat(np.arange(runs), problems)
    found = grouped_mean(right.ravel() / samples, group, runs, span=(0.0, 1.0))
    given = ~np.isnan(found.low)
    covered = np.mean(((found.low <= truth) & (truth <= found.high))[given])
    low, high = wilson(right.sum(axis=1), problems * samples)
    naive = np.mean((low <= truth) & (truth <= high))
    assert given.mean() > 0.7
    assert 0.93 <= covered <= 0.97
    assert naive < 0.6
    for run in range(20):
        assert cluster_t(right[run] / samples) == pytest.approx(
            (found.low[run], found.high[run]), abs=1e-12, nan_ok=True
        )


def test_linearised_ratio_covers():
    # accepted / sampled with 2 to 10 samples a problem, 60 problems
    rng, problems, runs = np.random.default_rng(8), 60, 3000
    whole = rng.integers(2, 11, (runs, problems)).astype(float)
    part = rng.binomial(whole.astype(int), rng.beta(0.6, 0.8, (runs, problems))).astype(float)
    found = grouped_ratio(part.ravel(), whole.ravel(), np.repeat(np.arange(runs), problems), runs)
    covered = np.mean((found.low <= 0.6 / 1.4) & (found.high >= 0.6 / 1.4))
    assert 0.93 <= covered <= 0.97


def test_linearised_ratio_agrees_with_the_bootstrap():
    rng = np.random.default_rng(3)
    whole = rng.integers(1, 9, 300).astype(float)
    part = rng.binomial(whole.astype(int), rng.beta(1, 2, 300)).astype(float)
    found = grouped_ratio(part, whole, np.zeros(300, int), 1)
    totals = cluster_bootstrap(np.stack([part, whole], axis=1), bootstrap_weights(300, draws=4000, seed=1))
    low, high = np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
    assert found.low[0] == pytest.approx(low, abs=0.006)
    assert found.high[0] == pytest.approx(high, abs=0.006)


def test_ratio_at_the_edges():
    # nothing in the first group; all alike in the second (⅓ each); one problem in the third
    part, whole = np.array([0, 0, 1, 2, 1.0]), np.array([0, 0, 3, 6, 2.0])
    found = grouped_ratio(part, whole, np.array([0, 0, 1, 1, 2]), 4)
    assert np.isnan(found.value[[0, 3]]).all()
    assert found.n.tolist() == [0, 2, 1, 0]
    u = 1.959963984540054**2 / (
        2 + 1.959963984540054**2
    )  # 0 of 2; by the larger problem there are 9/6, but never fewer
    assert (found.low[1], found.high[1]) == pytest.approx((1 / 3 - u / 3, 1 / 3 + u * 2 / 3), abs=1e-12)
    assert math.isnan(found.low[2])
    assert found.value[2] == 0.5


def test_grouped_mean_chooses_the_interval_by_what_the_values_are():
    group = np.repeat([0, 1, 2], 120)
    values = np.r_[np.tile([0.0, 1.0], 60), np.linspace(0, 1, 120), np.full(120, 0.25)]
    found = grouped_mean(values, group, 4, span=(0.0, 1.0))
    assert (found.low[0], found.high[0]) == pytest.approx(wilson(60, 120), abs=1e-6)  # 0/1 units
    assert (found.low[1], found.high[1]) == pytest.approx(cluster_t(values[120:240]), abs=1e-12)
    assert found.low[2] < 0.25 < found.high[2]
    assert found.kind.tolist() == [
        "Wilson over problems",
        "score t over problems",
        "Wilson bound: all equal",
        "one problem, so no interval",
    ]
    assert np.isnan(found.value[3])
    open_ended = grouped_mean(values, group, 3)
    assert open_ended.kind[2] == "all problems equal, so no interval"
    assert math.isnan(open_ended.low[2])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_grouped_mean_stays_in_its_span_and_holds_its_value(values):
    found = grouped_mean(np.array(values), np.zeros(len(values), int), 1, span=(0.0, 1.0))
    if "no interval" in found.kind[0]:
        assert np.isnan([found.low[0], found.high[0]]).all()
    else:
        assert -1e-12 <= found.low[0] <= found.value[0] + 1e-12
        assert found.value[0] - 1e-12 <= found.high[0] <= 1 + 1e-12


def test_bootstrap_weights_are_reproducible_and_shared():
    weights = bootstrap_weights(50, draws=200, seed=3, tag=1)
    assert weights.shape == (200, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert (weights == bootstrap_weights(50, draws=200, seed=3, tag=1)).all()
    assert (weights != bootstrap_weights(50, draws=200, seed=3, tag=2)).any()
    # multinomial: mean 1, variance 1 − 1/50
    assert weights.mean() == 1
    assert weights.var() == pytest.approx(0.98, abs=0.05)
    with pytest.raises(KnobError, match="draws ≥ 1"):
        bootstrap_weights(5, draws=0)


def test_bootstrap_of_many_problems_is_poisson_and_scaled():
    weights = bootstrap_weights(6000, draws=50, seed=0)
    assert weights.sum(axis=1).std() > 0
    totals = cluster_bootstrap(np.ones((6000, 1)), weights)
    assert totals == pytest.approx(np.full((50, 1), 6000.0))


def test_bootstrap_spread_equals_the_cluster_se():
    rng = np.random.default_rng(4)
    x = rng.random(400)
    totals = cluster_bootstrap(x[:, None], bootstrap_weights(400, draws=4000)) / 400
    assert totals.std() == pytest.approx(cluster_se(x, np.arange(400)), rel=0.05)
    # the same weights for two rounds: the paired difference costs nothing more
    y = x + rng.normal(0.1, 0.02, 400)
    both = cluster_bootstrap(np.stack([x, y], axis=1), bootstrap_weights(400, draws=4000)) / 400
    low, high = np.percentile(both[:, 1] - both[:, 0], [2.5, 97.5])
    assert (low, high) == pytest.approx(paired_t(x, y)[1:3], abs=0.001)


def test_bootstrap_of_one_problem_is_unknown():
    assert np.isnan(cluster_bootstrap([[1.0]], bootstrap_weights(1, draws=3))).all()
    with pytest.raises(KnobError, match=r"weights must be \(draws, problems\)"):
        cluster_bootstrap([[1.0]], bootstrap_weights(2))
