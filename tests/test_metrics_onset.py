"""Trend, looks, CUSUM, change point, families of tests, jackknife, exact counts, power: enumeration and exact truth."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from siwork.metrics.uncertainty import (
    benjamini_hochberg,
    change_point,
    clopper_pearson,
    cluster_t,
    cusum,
    cusum_alarm_rate,
    detectable,
    holm,
    jackknife_groups,
    jackknife_interval,
    max_t,
    mcnemar,
    onset_set,
    paired_t,
    power,
    spend,
    trend,
    trend_weighted,
    variance_parts,
    wilson,
)
from siwork.schema import KnobError

rates = st.floats(0, 1).map(lambda x: round(x, 3))
curves = st.lists(st.tuples(rates, st.floats(0.01, 0.2)), min_size=3, max_size=8)


# ── trend ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.lists(rates, min_size=4, max_size=4), min_size=2, max_size=8), st.integers(-3, 3))
def test_trend_is_the_mean_of_polyfit_slopes(x, first):
    rounds = first + np.array([0, 1, 3, 4])
    slopes = np.polyfit(rounds, np.array(x).T, 1)[0]
    found = trend(x, rounds=rounds)
    assert found.value == pytest.approx(slopes.mean(), abs=1e-12)
    assert found.n == len(x)
    steepest = np.abs(np.polyfit(rounds, np.eye(4), 1)[0]).sum() / 2
    expected = cluster_t(slopes, 0.95, (-steepest, steepest))
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True)


def test_the_interval_of_a_trend_is_students_where_slopes_are_regular():
    slopes = stats.norm.ppf((np.arange(60) + 0.5) / 60) * 0.1
    found = trend(0.5 + np.outer(slopes, [-1, 0, 1]))
    half = stats.t.ppf(0.975, 59) * slopes.std(ddof=1) / math.sqrt(60)
    assert (found.low, found.high) == pytest.approx((-half, half), rel=1e-6)


def test_trend_of_two_ends_is_the_paired_difference_a_round():
    x = np.random.default_rng(0).random((60, 3))
    found, ends = trend(x), paired_t(x[:, 0], x[:, 2])
    assert np.isfinite(found.low)
    assert found[:3] == pytest.approx(np.array(ends[:3]) / 2, abs=1e-12)


def test_trend_leaves_out_problems_with_a_hole_and_counts_the_rest():
    whole = np.random.default_rng(1).random((60, 3)).tolist()
    assert trend([*whole, [0.1, np.nan, 1.0]]) == trend(whole)
    assert trend(whole).n == 60


def test_trend_without_enough_is_unknown():
    for x in (np.zeros((3, 2)), np.full((2, 4), np.nan), np.zeros((0, 4))):
        assert np.isnan(trend(x)[:3]).all()
    alone = trend([[0.1, 0.2, 0.3]])
    assert alone.value == pytest.approx(0.1)
    assert np.isnan(alone[1:3]).all()


def test_trend_of_problems_that_all_stand_still_is_not_certain():
    found = trend(np.full((5, 3), 1.0))
    # the steepest slope over three rounds is ½; Wilson's bound for 0 of 5 is 0.4345
    assert found[:3] == pytest.approx([0, -0.5 * wilson(0, 5)[1], 0.5 * wilson(0, 5)[1]])
    assert np.isnan(trend(np.full((5, 3), 1.0), span=(-np.inf, np.inf))[1:3]).all()


@given(curves)
def test_weighted_slope_equals_least_squares_on_scaled_rows(curve):
    value, se = np.array(curve).T
    design = np.stack([np.ones(len(value)), np.arange(len(value))], axis=1) / se[:, None]
    cov = np.linalg.inv(design.T @ design)
    found = trend_weighted(value, se)
    assert found.slope == pytest.approx((cov @ design.T @ (value / se))[1], abs=1e-9)
    assert found.se == pytest.approx(math.sqrt(cov[1, 1]), rel=1e-9)


@given(curves)
def test_a_round_without_a_standard_error_tells_nothing(curve):
    value, se = np.array(curve).T
    hole = np.insert(value, 2, 0.9), np.insert(se, 2, np.nan)
    kept = np.delete(np.arange(len(value) + 1), 2)
    assert trend_weighted(*hole) == pytest.approx(trend_weighted(value, se, kept), abs=1e-9)
    assert trend_weighted(*hole) == trend_weighted(np.insert(value, 2, np.nan), np.insert(se, 2, 0.1))
    holed, full = cusum(*hole), cusum(value, se)
    assert math.isnan(holed.sums[2])
    np.testing.assert_array_equal(holed.sums[kept], full.sums)
    assert math.isnan(full.alarm) or holed.alarm == kept[int(full.alarm)]
    # an onset in the hole and one right after it are the same story
    posterior = change_point(*hole)
    assert posterior[2] == pytest.approx(posterior[3], rel=1e-9)
    np.testing.assert_allclose(posterior[kept] / posterior[kept].sum(), change_point(value, se), atol=1e-9)


def test_two_known_rounds_give_no_slope():
    assert np.isnan(trend_weighted([0.1, 0.2], [0.1, 0.1])).all()
    assert np.isnan(trend_weighted([0.1, 0.2, 0.3], [0.1, 0.1, np.nan])).all()
    assert np.isnan(trend_weighted([], [])).all()


# ── looks ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(1, 40), st.floats(0.5, 0.999))
def test_spending_rises_to_all_of_it(looks, level):
    alpha = spend(looks, level)
    assert len(alpha) == looks
    assert (np.diff(alpha) >= 0).all()
    assert alpha[-1] == pytest.approx(1 - level)


def test_spending_of_the_half_way_look():
    # 2 − 2Φ(1.96·√2) = 2 − 2Φ(2.7718)
    assert spend(2)[0] == pytest.approx(2 * stats.norm.sf(stats.norm.ppf(0.975) * math.sqrt(2)), abs=1e-15)


# ── CUSUM ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(curves, st.floats(0, 2))
def test_cusum_equals_its_recursion(curve, slack):
    value, se = np.array(curve).T
    sums = [0.0]
    for t in range(1, len(value)):
        z = (value[t] - value[0]) / math.hypot(se[t], se[0])
        sums.append(max(0.0, sums[-1] - z - slack))
    found = cusum(value, se, slack, h=3.0)
    assert found.sums == pytest.approx(sums, abs=1e-9)
    over = [t for t, s in enumerate(found.sums) if s > 3]
    assert math.isnan(found.alarm) if not over else found.alarm == over[0]


def test_cusum_hears_a_fall_and_not_a_rise():
    fall = np.linspace(0.5, 0.2, 8)
    assert cusum(fall, np.full(8, 0.03)).alarm == 3
    assert cusum(1 - fall, np.full(8, 0.03)).sums.tolist() == [0.0] * 8


def test_cusum_without_a_start_is_unknown():
    for value, se in (([0.5, 0.4], [0.1, 0.1]), ([np.nan, 0.4, 0.3], [0.1] * 3), ([], [])):
        found = cusum(value, se)
        assert len(found.sums) == len(value)
        assert np.isnan(found.sums).all()
        assert math.isnan(found.alarm)
    assert math.isnan(cusum_alarm_rate([1.0, 1.0]))
    assert math.isnan(cusum_alarm_rate([np.nan, 1.0, 1.0]))


def test_a_shared_start_makes_many_false_alarms():
    shared = cusum_alarm_rate(np.ones(11), runs=20_000)
    # with a start known almost exactly the z are independent
    alone = cusum_alarm_rate(np.r_[1e-6, np.ones(10)], runs=20_000)
    assert 0.11 < shared < 0.145
    assert 0.01 < alone < 0.025
    assert cusum_alarm_rate(np.ones(11), h=1e9, runs=10) == 0.0


def test_the_alarm_rate_is_that_of_simulated_runs():
    se, rng = np.array([0.02, 0.01, np.nan, 0.04, 0.02]), np.random.default_rng(3)
    runs = rng.normal(0.5, np.nan_to_num(se, nan=1.0), (4000, 5))
    share = np.mean([not math.isnan(cusum(run, se, 0.5, 2.0).alarm) for run in runs])
    assert cusum_alarm_rate(se, 0.5, 2.0, runs=40_000) == pytest.approx(share, abs=4 * math.sqrt(share / 4000))


# ── change point ──────────────────────────────────────────────────────────────────────────────────────────────


@given(curves, st.floats(0.05, 3))
def test_posterior_equals_gaussian_marginal_likelihoods(curve, spread):
    value, se = np.array(curve).T
    off, n = value - value.mean(), len(value)

    def log_marginal(at):
        cov = np.diag(se[at] ** 2) + spread**2
        return stats.multivariate_normal(np.zeros(len(off[at])), cov).logpdf(off[at]) if len(off[at]) else 0.0

    logs = np.array([log_marginal(slice(0, c)) + log_marginal(slice(c, n)) for c in range(n)])
    expected = np.exp(logs - logs.max())
    np.testing.assert_allclose(change_point(value, se, spread), expected / expected.sum(), atol=1e-7)


def test_posterior_finds_the_jump_and_stays_with_none_otherwise():
    se = np.full(10, 0.01)
    jump = change_point(np.r_[np.full(6, 0.5), np.full(4, 0.4)], se)
    assert 1 + jump[1:].argmax() == 6
    assert jump[0] < 1e-6
    assert onset_set(jump).tolist() == [6]
    assert change_point(np.full(10, 0.5), se)[0] > 0.8
    assert np.isnan(change_point([0.5, 0.4], [0.1, 0.1])).all()
    assert np.isnan(change_point([0.5, 0.4, 0.4], [0.1, 0.1, np.nan])).all()


@given(st.lists(st.integers(0, 9), min_size=2, max_size=8), st.floats(0.05, 0.99))
def test_onset_set_is_the_smallest_that_holds_the_mass(weights, mass):
    p = np.array([3, *weights]) / (3 + sum(weights))
    found = onset_set(p, mass)
    if not any(weights):
        assert len(found) == 0
        return
    share = np.array(weights) / sum(weights)
    assert share[found - 1].sum() >= mass - 1e-9
    assert found.tolist() == sorted(set(found.tolist()))
    smaller = max((sum(some) for some in combinations(share, len(found) - 1)), default=0.0)
    assert smaller < mass + 1e-9
    assert min(share[found - 1]) >= max([*np.delete(share, found - 1), 0.0]) - 1e-12


def test_onset_set_of_an_unknown_posterior_is_empty():
    assert onset_set([np.nan] * 4).tolist() == []
    assert onset_set([1.0, 0.0, 0.0]).tolist() == []
    assert onset_set([0.5, 0.25, 0.25], 0.5).tolist() == [1]


# ── families ──────────────────────────────────────────────────────────────────────────────────────────────────

p_values = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=12)


@given(p_values)
def test_families_keep_unknown_p_out(p):
    known = [x for x in p if not math.isnan(x)]
    for adjust in (holm, benjamini_hochberg, lambda q: benjamini_hochberg(q, "by")):
        found = adjust(p)
        assert np.isnan(found).tolist() == [math.isnan(x) for x in p]
        np.testing.assert_array_equal(found[~np.isnan(found)], adjust(known))
        assert (found[~np.isnan(found)] >= np.array(known)).all()
        assert (found[~np.isnan(found)] <= 1).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_families_equal_their_definitions(p):
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p, "by"), stats.false_discovery_control(p, method="by"), atol=1e-12)
    ranked = sorted(p)
    for x, adjusted in zip(p, holm(p), strict=True):
        i = ranked.index(x)
        assert adjusted == pytest.approx(max(min(1, (len(p) - j) * ranked[j]) for j in range(i + 1)), abs=1e-12)


@given(st.integers(1, 4), st.integers(19, 60), st.integers(0, 99))
def test_max_t_bands_and_p_values_agree(m, draws, seed):
    rng = np.random.default_rng(seed)
    value, se = rng.normal(0, 2, m), rng.uniform(0.5, 2, m)
    theta = value + rng.normal(0, 1, (draws, m)) * se
    bands = max_t(theta, value, se)
    most = [max(abs(theta[b, j] - value[j]) / se[j] for j in range(m)) for b in range(draws)]
    assert bands.p == pytest.approx(
        [(1 + sum(x >= abs(v) / s for x in most)) / (draws + 1) for v, s in zip(value, se, strict=True)]
    )
    assert ((bands.low > 0) | (bands.high < 0)).tolist() == (bands.p <= 0.05 + 1e-12).tolist()
    assert np.mean(np.array(most) <= bands.constant + 1e-12) >= 0.95
    assert (bands.high - bands.low) / 2 == pytest.approx(bands.constant * se)


def test_max_t_of_ten_rounds_against_one_start_is_dunnett():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(20_000, 11))
    constant = max_t((noise[:, 1:] - noise[:, :1]) / math.sqrt(2), np.zeros(10), np.ones(10)).constant
    assert constant == pytest.approx(2.71, abs=0.04)
    assert constant < stats.norm.ppf(1 - 0.025 / 10)  # Bonferroni, 2.81


def test_max_t_leaves_out_what_is_not_known():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(200, 5))
    draws[3, 2] = np.nan
    bands = max_t(draws, [0, np.nan, 0, 0, 0], [1, 1, 1, 0, 1])
    for each in (bands.low, bands.high, bands.p):
        assert np.isnan(each).tolist() == [False, True, True, True, False]
    assert bands.constant == max_t(draws[:, [0, 4]], [0, 0], [1, 1]).constant
    nothing = max_t(np.zeros((20, 0)), [], [])
    assert math.isnan(nothing.constant)
    assert len(nothing.p) == 0


# ── jackknife ─────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(20, 30), st.integers(1, 4), st.integers(0, 5))
@settings(max_examples=30)
def test_jackknife_of_a_mean_with_one_problem_a_group_is_the_cluster_error(problems, each, seed):
    rng = np.random.default_rng(seed)
    problem = rng.permutation(np.repeat(np.arange(problems), each))
    x = rng.normal(size=len(problem)) + problem
    means = np.array([x[problem == g].mean() for g in range(problems)])
    expected = means.std(ddof=1) / math.sqrt(problems)
    assert jackknife_groups(lambda kept: x[kept].mean(), problem, groups=problems) == pytest.approx(expected)


def test_jackknife_deals_whole_problems_evenly():
    problem = np.array([f"p{i % 45:02d}" for i in range(200)])
    seen = []
    jackknife_groups(lambda kept: float(seen.append(kept) or 0), problem)
    left_out = ~np.array(seen)
    assert (left_out.sum(axis=0) == 1).all()
    groups = [set(problem[out]) for out in left_out]
    assert sorted(map(len, groups)) == [2] * 15 + [3] * 5
    assert not any(a & b for a, b in combinations(groups, 2))


def test_jackknife_is_seeded_and_does_not_see_the_order_of_rows():
    rng = np.random.default_rng(0)
    problem, x = np.repeat(np.arange(40), 3), rng.normal(size=120)
    order = rng.permutation(120)
    first = jackknife_groups(lambda kept: x[kept].max(), problem)
    assert first == jackknife_groups(lambda kept: x[order][kept].max(), problem[order])
    assert jackknife_groups(lambda kept: x[kept].mean(), problem, seed=1) != jackknife_groups(
        lambda kept: x[kept].mean(), problem
    )


def test_jackknife_error_is_the_spread_of_a_set_statistic():
    # distinct values among draws from a skewed law: sd over fresh samples against the jackknife's mean error
    rng = np.random.default_rng(0)
    law = rng.dirichlet(np.full(60, 0.5))
    problem = np.repeat(np.arange(60), 4)
    values, errors = [], []
    for _ in range(80):
        x = rng.choice(60, 240, p=law)
        values.append(len(np.unique(x)) / 240)
        errors.append(jackknife_groups(lambda kept, x=x: len(np.unique(x[kept])) / kept.sum(), problem))
    assert 0.7 < np.mean(errors) / np.std(values) < 1.5


def test_jackknife_interval_holds_the_value_of_all():
    x, problem = np.arange(40.0), np.repeat(np.arange(20), 2)
    found = jackknife_interval(lambda kept: x[kept].mean(), problem, level=0.9)
    assert found.value == 19.5
    assert found.n == 20
    half = stats.t.ppf(0.95, 19) * jackknife_groups(lambda kept: x[kept].mean(), problem)
    assert found[1:3] == pytest.approx([19.5 - half, 19.5 + half])


def test_jackknife_with_too_few_problems_is_unknown():
    few = np.arange(19)
    assert math.isnan(jackknife_groups(lambda kept: 1.0, few))
    found = jackknife_interval(lambda kept: 7.0, few)
    assert (found.value, found.n) == (7.0, 19)
    assert np.isnan(found[1:3]).all()
    assert np.isnan(jackknife_interval(lambda kept: 1.0, [])[:3]).all()
    for bad in (math.inf, math.nan):
        assert math.isnan(jackknife_groups(lambda kept, bad=bad: bad if kept[0] else 1.0, np.arange(20)))


# ── counts ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_equals_enumeration(gained, lost):
    n = gained + lost
    ways = [math.comb(n, i) for i in range(n + 1)]
    assert mcnemar(gained, lost) == pytest.approx(sum(w for w in ways if w <= ways[gained]) / 2**n, abs=1e-12)
    assert mcnemar(gained, lost) == mcnemar(lost, gained)


def test_mcnemar_of_many_rounds_at_once():
    assert mcnemar([5, 0, 3], 0) == pytest.approx([2 / 32, 1.0, 2 / 8])
    assert mcnemar([], []).tolist() == []


@given(st.integers(0, 15), st.integers(1, 15), st.floats(0.5, 0.99))
def test_clopper_pearson_tails_are_exact(x, extra, level):
    n = x + extra if x else extra
    low, high = clopper_pearson(x, n, level)
    tail = (1 - level) / 2
    assert low <= x / n <= high
    assert stats.binom.sf(x - 1, n, low) == pytest.approx(tail if x else 1.0, abs=1e-9)
    assert stats.binom.cdf(x, n, high) == pytest.approx(tail if x < n else 1.0, abs=1e-9)
    assert clopper_pearson(n - x, n, level) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_clopper_pearson_covers_at_least_its_level():
    n, p = 12, np.linspace(0.01, 0.99, 99)
    low, high = clopper_pearson(np.arange(n + 1), n, 0.9)
    inside = (low <= p[:, None]) & (p[:, None] <= high)
    assert ((stats.binom.pmf(np.arange(n + 1), n, p[:, None]) * inside).sum(axis=1) >= 0.9).all()


def test_clopper_pearson_ends():
    low, high = clopper_pearson([0, 4, 0], [4, 4, 0])
    assert low[0] == 0
    assert high[1] == 1
    assert math.isnan(low[2])
    assert math.isnan(high[2])


# ── power ─────────────────────────────────────────────────────────────────────────────────────────────────────

variances = st.one_of(st.just(0.0), st.floats(1e-6, 0.3))


@given(variances, variances, st.integers(1, 64), variances, st.integers(1, 64), st.floats(0.001, 0.5))
def test_detectable_undoes_power(omega2, a, k_a, b, k_b, delta):
    parts = (omega2, a, k_a, b, k_b)
    problems = power(*parts, delta)
    assert problems == pytest.approx(power(*parts, -delta))
    if problems > 0:
        assert detectable(problems, *parts) == pytest.approx(delta)
    else:
        assert omega2 == a == b == 0


def test_power_of_the_usual_run():
    assert math.ceil(power(0.01, 0.10, 16, 0.10, 16, delta=0.03)) == 197
    assert math.isnan(power(0.01, 0.1, 16, 0.1, 16, delta=0.0))
    assert math.isnan(detectable(0, 0.01, 0.1, 16, 0.1, 16))
    assert power(0.01, 0.1, [4, 16], 0.1, [4, 16], 0.03).shape == (2,)
    assert np.isnan(power(np.nan, 0.1, 16, 0.1, 16, delta=0.1))


def test_power_is_the_share_of_tests_that_see_the_difference():
    omega2, sigma2, k, delta = 0.01, 0.2, 8, 0.05
    problems = math.ceil(power(omega2, sigma2, k, sigma2, k, delta))
    spread = math.sqrt(omega2 + 2 * sigma2 / k)
    d = np.random.default_rng(0).normal(delta, spread, (4000, problems))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / math.sqrt(problems))
    assert np.mean(np.abs(t) > stats.t.ppf(0.975, problems - 1)) == pytest.approx(0.8, abs=0.03)


def test_variance_parts_are_unbiased():
    rng, problems, runs = np.random.default_rng(0), 100, 800
    p0 = rng.uniform(0.1, 0.9, problems)
    p1 = np.clip(p0 + rng.normal(0.0, 0.25, problems), 0, 1)
    n0, n1 = np.full(problems, 4), rng.integers(2, 9, problems)
    found = [variance_parts(n0, rng.binomial(n0, p0), n1, rng.binomial(n1, p1)) for _ in range(runs)]
    for name, truth in [
        ("sigma2_a", np.mean(p0 * (1 - p0))),
        ("sigma2_b", np.mean(p1 * (1 - p1))),
        ("omega2", np.var(p1 - p0, ddof=1)),
    ]:
        values = np.array([getattr(each, name) for each in found])
        assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(runs)
    assert np.mean([each.clipped for each in found]) < 0.02


def test_variance_parts_by_every_outcome_of_one_problem():
    # two samples, p = 0.3: E c(2−c)/2 = 2·p(1−p)/2
    p = 0.3
    law = {c: math.comb(2, c) * p**c * (1 - p) ** (2 - c) for c in range(3)}
    mean = sum(
        law[x] * law[y] * variance_parts([2, 2], [x, y], [2, 2], [0, 0]).sigma2_a
        for x, y in product(range(3), repeat=2)
    )
    assert mean == pytest.approx(p * (1 - p), abs=1e-12)


def test_variance_parts_say_when_they_clip_and_what_they_leave_out():
    same = variance_parts([4, 4, 4], [2, 2, 2], [4, 4, 4], [2, 2, 2])
    assert same.omega2 == 0.0
    assert same.clipped
    some = variance_parts([4, 1, 4, 0], [2, 1, 1, 0], [4, 4, 4, 4], [2, 0, 3, 1])
    assert some == variance_parts([4, 4], [2, 1], [4, 4], [2, 3])
    assert some.problems == 2
    nothing = variance_parts([4], [2], [4], [2])
    assert np.isnan(nothing[:3]).all()
    assert nothing.problems == 1


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trend([0.1, 0.2]), r"x must be \(problems, rounds\), got shape \(2,\)"),
        (lambda: trend(np.zeros((2, 3)), rounds=[1, 1, 1]), "rounds must be 3 finite numbers, not all one"),
        (lambda: trend(np.zeros((2, 3)), level=1.0), "level must lie between 0 and 1"),
        (lambda: trend_weighted([0.1], [0.1, 0.2]), "one length"),
        (lambda: trend_weighted([0.1, 0.2, 0.3], [0.1, 0.0, 0.1]), "has se NaN, not 0"),
        (lambda: cusum([0.1, 0.2, np.inf], [0.1] * 3), "value finite"),
        (lambda: cusum([0.1] * 3, [0.1] * 3, slack=-1), "slack must be ≥ 0"),
        (lambda: cusum([0.1] * 3, [0.1] * 3, h=0), "h > 0, got 0.5 and 0"),
        (lambda: cusum_alarm_rate(np.ones(3), h=-1), "h > 0"),
        (lambda: cusum_alarm_rate(np.ones(3), runs=0), "runs must be whole numbers ≥ 1"),
        (lambda: change_point([0.1] * 3, [0.1] * 3, spread=0), "spread must be > 0, got 0"),
        (lambda: onset_set([0.5, 0.5], 1.0), "mass between 0 and 1"),
        (lambda: spend(0), "looks must be whole numbers ≥ 1, got 0"),
        (lambda: holm([1.2]), r"p must lie in \[0, 1\], got 1.2"),
        (lambda: holm([[0.1]]), "p must be flat"),
        (lambda: benjamini_hochberg([0.1], "bhh"), "nearest: 'bh'"),
        (lambda: max_t(np.zeros((9, 1)), [0.0], [1.0]), "draws must be at least 19 for level 0.95, got 9"),
        (lambda: max_t(np.zeros((20, 2)), [0.0], [1.0]), r"draws must be \(B, m\)"),
        (lambda: max_t(np.zeros((20, 1)), [0.0], [-1.0]), "se must be ≥ 0, got -1"),
        (lambda: jackknife_groups(lambda kept: 0.0, [1, 2], groups=1), "groups must be a whole number ≥ 2, got 1"),
        (lambda: jackknife_groups(lambda kept: 0.0, [[1, 2]]), "problem must be flat"),
        (lambda: jackknife_interval(lambda kept: 0.0, [1, 2], level=2), "level must lie between"),
        (lambda: mcnemar(-1, 2), "gained must be whole numbers ≥ 0"),
        (lambda: clopper_pearson(3, 2), "must lie in 0..n; swap x and n"),
        (lambda: clopper_pearson(0.5, 2), "x must be whole numbers"),
        (lambda: power(-1, 0.1, 1, 0.1, 1, 0.1), "omega2 must be ≥ 0, got -1"),
        (lambda: power(0, 0.1, 0, 0.1, 1, 0.1), "k_a must be ≥ 1, got 0"),
        (lambda: power(0, 0.1, 1, 0.1, 1, 0.1, power=1.0), "power must lie between 0 and 1"),
        (lambda: detectable(-5, 0, 0.1, 1, 0.1, 1), "problems must be ≥ 0, got -5"),
        (lambda: variance_parts([2, 2], [0, 0], [2], [0]), "one length"),
        (lambda: variance_parts([2], [3], [2], [0]), "c=3 of n=2"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(KnobError, match=message):
        call()
