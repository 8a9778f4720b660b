"""Laws of loops without information: against simulated loops and full enumeration."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.metrics.collapse import (
    drift,
    drift_samples,
    gaussian_recursion,
    gaussian_samples,
    known_sigma_mean_variance,
)
from siwork.schema import KnobError

VARIANCES, DATA = ("ml", "unbiased"), ("replace", "accumulate")


def refitted(n, T, variance, data, runs, sigma0=1.0, known=False):
    """A loop played out sample by sample: fitted means and variances, (runs, T+1)."""
    rng = np.random.default_rng(11)
    mean, var = np.zeros((runs, T + 1)), np.full((runs, T + 1), sigma0**2)
    pool = np.empty((runs, 0))
    for t in range(1, T + 1):
        fresh = rng.normal(mean[:, t - 1, None], np.sqrt(var[:, t - 1, None]), (runs, n))
        pool = np.concatenate([pool, fresh], axis=1) if data == "accumulate" else fresh
        mean[:, t] = pool.mean(axis=1)
        if not known:
            var[:, t] = pool.var(axis=1, ddof=0 if variance == "ml" else 1)
    return mean, var


def close(values, truth):
    """Within four standard errors of the truth."""
    return abs(values.mean(axis=0) - truth) < 4 * values.std(axis=0) / math.sqrt(len(values)) + 1e-12


# ── Gaussian ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("data", DATA)
def test_the_laws_are_the_means_of_loops_played_out(variance, data):
    n, T, sigma0 = 6, 5, 2.0
    mean, var = refitted(n, T, variance, data, 20_000, sigma0)
    law = gaussian_recursion(n, np.arange(T + 1), sigma0, variance, data)
    assert close(var, law.var).all()
    assert close(mean**2, law.var_of_mean).all()
    known = slice(None) if data == "replace" else slice(0, 2)
    assert close(np.sqrt(var), law.sd)[known].all()
    assert close(np.log(var), law.log_var)[known].all()
    assert np.isnan(law.sd).tolist() == np.isnan(law.log_var).tolist() == [False, False] + [data == "accumulate"] * 4


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("data", DATA)
def test_drawn_variances_have_the_distribution_of_loops_played_out(variance, data):
    drawn = gaussian_samples(5, 4, 20_000, 3, 1.5, variance, data)
    played = refitted(5, 4, variance, data, 20_000, 1.5)[1]
    assert drawn.shape == (20_000, 5)
    assert (drawn[:, 0] == 2.25).all()
    for t in range(1, 5):
        spread = 4 * np.log(played[:, t]).std() / math.sqrt(10_000)
        assert abs(np.log(drawn[:, t]).mean() - np.log(played[:, t]).mean()) < spread
        for q in (0.1, 0.5, 0.9):
            assert np.mean(drawn[:, t] <= np.quantile(played[:, t], q)) == pytest.approx(q, abs=0.02)


@given(st.integers(2, 400), st.sampled_from(VARIANCES), st.sampled_from(DATA))
@settings(max_examples=40)
def test_curves_start_at_the_real_data_and_end_at_their_limits(n, variance, data):
    law = gaussian_recursion(n, [0, 1, 3, 3000, np.inf], 3.0, variance, data)
    assert law.var[0] == 9
    assert law.var_of_mean[0] == 0
    assert law.log_var[0] == pytest.approx(math.log(9))
    assert law.sd[0] == 3
    # the first fit is on real data, so both ways of keeping data agree
    for one, other in zip(gaussian_recursion(n, 1, variance=variance, data="replace"), law, strict=True):
        scaled = other[1] - math.log(9) if other is law.log_var else other[1] / (3 if other is law.sd else 9)
        assert scaled == pytest.approx(one, abs=1e-9)
    assert (np.diff(law.var) <= 1e-12).all()
    assert (np.diff(law.var_of_mean) >= 0).all()
    if data == "accumulate":
        assert law.var[3] == pytest.approx(law.var[4], rel=1e-3)
        assert law.var_of_mean[3] == pytest.approx(law.var_of_mean[4], rel=1e-3)
    else:
        assert law.var[4] == (0 if variance == "ml" else 9)


def test_accumulated_limits():
    for n in (2, 10, 100):
        law = gaussian_recursion(n, np.inf, data="accumulate")
        angle = math.pi / math.sqrt(n)
        assert law.var == pytest.approx(math.sin(angle) / angle, abs=1e-12)
        assert law.var + law.var_of_mean == pytest.approx(1)
        unbiased = gaussian_recursion(n, [200_000, np.inf], variance="unbiased", data="accumulate")
        assert unbiased.var[1] == pytest.approx(unbiased.var[0], abs=1e-5)
        assert unbiased.var_of_mean[1] == pytest.approx(unbiased.var_of_mean[0], abs=1e-5)


def test_the_mean_hides_what_the_median_shows():
    drawn = gaussian_samples(20, 15, 40_000)[:, -1]
    assert np.mean(drawn) == pytest.approx(0.463, abs=0.03)
    assert np.median(drawn) == pytest.approx(0.21, abs=0.01)


def test_c4_of_many_samples_joins_its_series():
    # E[σ_1] at n = 1000 and 1001, on either side of the switch, and far out where 1 − E ≈ 1/(4n)
    one, two = (float(gaussian_recursion(n, 1, variance="unbiased").sd) for n in (1000, 1001))
    assert 0 < two - one < 3e-7
    assert 1 - gaussian_recursion(10**7, 1, variance="unbiased").sd == pytest.approx(2.5e-8, rel=1e-6)


def test_one_sample_has_no_variance():
    assert np.isnan(gaussian_recursion(1, 3)).all()
    assert np.isnan(gaussian_recursion(1, [1, 2], data="accumulate").var).tolist() == [True, True]


@pytest.mark.parametrize("data", DATA)
def test_known_sigma_is_the_mean_of_loops_played_out(data):
    mean = refitted(4, 6, "ml", data, 20_000, 2.0, known=True)[0]
    assert close(mean**2, known_sigma_mean_variance(4, np.arange(7), 2.0, data)).all()


def test_known_sigma_ends():
    assert known_sigma_mean_variance(10, np.inf) == np.inf
    assert known_sigma_mean_variance(10, np.inf, data="accumulate") == pytest.approx(math.pi**2 / 60)
    assert known_sigma_mean_variance(3, 4, data="accumulate") == pytest.approx((1 + 1 / 4 + 1 / 9 + 1 / 16) / 3)
    assert known_sigma_mean_variance(3, [1, np.inf], sigma=0).tolist() == [0, 0]


# ── categorical ───────────────────────────────────────────────────────────────────────────────────────────────


def enumerated(p, n, T, data):
    """Every way the loop can go: {pooled counts: probability} after T fits."""
    ways = {(0,) * len(p): 1.0}
    for t in range(1, T + 1):
        after = {}
        for pool, chance in ways.items():
            now = p if t == 1 else [x / sum(pool) for x in pool]
            for counts in product(range(n + 1), repeat=len(p)):
                if sum(counts) != n:
                    continue
                q = math.factorial(n) * math.prod(s**x / math.factorial(x) for s, x in zip(now, counts, strict=True))
                key = tuple(a + b for a, b in zip(pool, counts, strict=True)) if data == "accumulate" else counts
                after[key] = after.get(key, 0.0) + chance * q
        ways = {key: chance for key, chance in after.items() if chance}
    return ways


@pytest.mark.parametrize("data", DATA)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=3).filter(any), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=25)
def test_drift_equals_enumeration(data, weights, n, T):
    p = np.array(weights) / sum(weights)
    ways, law = enumerated(p, n, T, data), drift(p, n, T, data)
    total = n * T if data == "accumulate" else n
    h = sum(chance * (1 - sum((x / total) ** 2 for x in pool)) for pool, chance in ways.items())
    gone = [sum(chance for pool, chance in ways.items() if pool[i] == 0) for i in range(len(p))]
    assert law.heterozygosity == pytest.approx(h, abs=1e-12)
    assert law.extinct_by_T == pytest.approx(gone, abs=1e-12)
    assert law.support == pytest.approx(len(p) - sum(gone), abs=1e-12)
    assert law.extinct_after_1 == pytest.approx((1 - p) ** n, abs=1e-12)
    if data == "accumulate":
        alone = [sum(chance for pool, chance in ways.items() if pool[i] == total) for i in range(len(p))]
        assert law.fixation == pytest.approx(alone, abs=1e-12)


def test_drift_ends_with_one_type():
    p = np.array([0.5, 0.3, 0.2])
    law = drift(p, 6, 400)
    assert law.support == pytest.approx(1)
    assert 1 - law.extinct_by_T == pytest.approx(law.fixation)
    assert law.heterozygosity == pytest.approx(0)


def test_drift_before_the_first_fit_and_with_one_sample():
    start = drift([0.75, 0.25, 0.0], 5, 0)
    assert start.heterozygosity == pytest.approx(0.375)
    assert start.extinct_by_T.tolist() == [0, 0, 1]
    assert start.support == 2
    one = drift([0.75, 0.25], 1, 2)
    assert one.heterozygosity == 0
    assert one.support == pytest.approx(1)
    assert drift([1.0], 3, 2).support == 1


def test_drift_with_too_large_a_table_is_unknown_where_it_needs_it():
    law = drift([0.5, 0.5], 2001, 2)
    assert np.isnan(law.extinct_by_T).all()
    assert math.isnan(law.support)
    assert law.heterozygosity == pytest.approx(0.5 * (1 - 1 / 2001) ** 2)
    assert drift([0.5, 0.5], 2001, 2, "accumulate").support == pytest.approx(2)
    assert drift([0.9999, 0.0001], 2001, 1).extinct_by_T[1] == pytest.approx(0.9999**2001)


@pytest.mark.parametrize("data", DATA)
def test_drawn_heterozygosity_has_the_mean_of_the_law(data):
    p = [0.4, 0.3, 0.2, 0.1]
    drawn = drift_samples(p, 8, 5, 20_000, 1, data)
    assert drawn.shape == (20_000, 6)
    assert (drawn[:, 0] == drawn[0, 0]).all()
    assert close(drawn, [drift(p, 8, t, data).heterozygosity for t in range(6)]).all()
    np.testing.assert_array_equal(drawn[:10], drift_samples(p, 8, 5, 20_000, 1, data)[:10])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: gaussian_recursion(10, 5, variance="mle"),
            "variance must be ml or unbiased, got 'mle'; nearest: 'ml'",
        ),
        (lambda: gaussian_recursion(10, 5, data="replaced"), "nearest: 'replace'"),
        (lambda: gaussian_recursion(10, 5, sigma0=0), "sigma0 must be > 0"),
        (lambda: gaussian_recursion(10, 1.5), "T must be whole numbers ≥ 0, got 1.5"),
        (lambda: gaussian_recursion(-1, 1), "n must be whole numbers ≥ 0, got -1"),
        (lambda: gaussian_samples(1, 1), "n must be whole numbers ≥ 2, got 1"),
        (lambda: gaussian_samples(4, 1, sigma0=-1.0), "sigma0 must be > 0"),
        (lambda: gaussian_samples(4, 1, variance="x"), "variance must be"),
        (lambda: known_sigma_mean_variance(0, 1), "n must be whole numbers ≥ 1"),
        (lambda: known_sigma_mean_variance(1, 1, sigma=-1), "sigma must be ≥ 0"),
        (lambda: known_sigma_mean_variance(1, 1, data="x"), "data must be replace or accumulate"),
        (lambda: drift([0.5, 0.4], 3, 1), "sum to 1, got .* sum 0.9; divide by it"),
        (lambda: drift([1.5, -0.5], 3, 1), "p must be flat, ≥ 0"),
        (lambda: drift([[1.0]], 3, 1), "p must be flat"),
        (lambda: drift([1.0], 0, 1), "n must be whole numbers ≥ 1"),
        (lambda: drift([1.0], 1, -1), "T must be whole numbers ≥ 0"),
        (lambda: drift_samples([1.0], 1, 1, runs=0), "runs must be whole numbers ≥ 1"),
        (lambda: drift_samples([1.0], 1, 1, data="no"), "data must be"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(KnobError, match=message):
        call()
