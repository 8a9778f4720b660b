"""Performance, diversity, tail and calibration: against enumeration and hand-worked sums."""

import math
import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.metrics.calibration import proxy_gold_gap
from siwork.metrics.diversity import answer_entropy, distinct_at_k, gini_simpson, hill_number, solution_coverage
from siwork.metrics.performance import informative_fraction, pass_at_k, pass_hat_k, pass_spread, solve_rate
from siwork.metrics.tail import band_of, band_share, gini, lorenz, representation
from siwork.schema import KnobError

# ── performance ───────────────────────────────────────────────────────────────────────────────────────────────


def test_pass_at_k_ends_are_exact():
    assert pass_at_k([1000, 1000, 1000], [0, 501, 1000], 500).tolist() == [0.0, 1.0, 1.0]
    assert pass_hat_k([1000, 1000], [1000, 499], 500).tolist() == [1.0, 0.0]
    assert np.isnan(pass_at_k([0, 5], [0, 5], 6)).all()
    assert np.isnan(solve_rate(0, 0))
    assert informative_fraction(7, [0, 3, 7], 1).tolist() == [0.0, 0.0, 0.0]


def test_pass_at_k_of_mixed_sizes_takes_each_problem_by_its_own_n():
    # C(2,2)/C(4,2) = 1/6, C(6,2)/C(8,2) = 15/28; k may differ by problem
    assert pass_at_k([4, 8, 4], [2, 2, 1], [2, 2, 3]) == pytest.approx([5 / 6, 13 / 28, 3 / 4], abs=1e-15)
    # spread of 2 of 4: 5/6 − 1/2
    assert pass_spread(4, 2, 2) == pytest.approx(1 / 3, abs=1e-15)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_pass_at_k_rises_with_k_between_the_bounds(counts):
    n, c = counts
    curve = np.array([pass_at_k(n, c, k) for k in range(1, n + 1)])
    hat = np.array([pass_hat_k(n, c, k) for k in range(1, n + 1)])
    assert ((curve >= 0) & (curve <= 1)).all()
    assert (np.diff(curve) >= 0).all()
    assert (np.diff(hat) <= 0).all()
    assert curve[0] == pytest.approx(c / n, abs=1e-15)
    assert curve[-1] == (c > 0)


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_family_equals_enumeration(sizes):
    n, c, k = sizes
    drawn = [sum(draw) for draw in combinations([1] * c + [0] * (n - c), k)]
    assert pass_at_k(n, c, k) == pytest.approx(np.mean([d > 0 for d in drawn]), abs=1e-12)
    assert pass_hat_k(n, c, k) == pytest.approx(np.mean([d == k for d in drawn]), abs=1e-12)
    assert informative_fraction(n, c, k) == pytest.approx(np.mean([0 < d < k for d in drawn]), abs=1e-12)


@pytest.mark.parametrize(
    ("n", "c", "k", "message"),
    [
        (3, 4, 1, r"got c=4 of n=3"),
        (3, -1, 1, r"c must be whole numbers ≥ 0, got -1"),
        (3, 1, 0, r"k must be whole numbers ≥ 1, got 0"),
        (3, 0.5, 1, r"c must be whole numbers ≥ 0, got 0.5"),
        (float("nan"), 0, 1, r"n must be whole numbers ≥ 0, got nan"),
    ],
)
def test_bad_counts_are_refused(n, c, k, message):
    with pytest.raises(KnobError, match=message):
        pass_at_k(n, c, k)
    with pytest.raises(KnobError, match=message):
        pass_hat_k(n, c, k)


# ── diversity ─────────────────────────────────────────────────────────────────────────────────────────────────


small_counts = st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(lambda x: 0 < sum(x) <= 8)


@given(small_counts, st.data())
def test_rarefied_values_equal_enumeration(counts, data):
    samples = [a for a, x in enumerate(counts) for _ in range(x)]
    k = data.draw(st.integers(1, len(samples)))
    draws = [np.unique(draw, return_counts=True)[1] for draw in combinations(samples, k)]
    plug_in = [-np.sum(x / k * np.log(x / k)) for x in draws]
    assert distinct_at_k(counts, k) == pytest.approx(np.mean([len(x) for x in draws]), abs=1e-12)
    assert answer_entropy(counts, "none", k=k) == pytest.approx(np.mean(plug_in), abs=1e-12)
    corrected = [h + (len(x) - 1) / (2 * k) for h, x in zip(plug_in, draws, strict=True)]
    assert answer_entropy(counts, k=k) == pytest.approx(np.mean(corrected), abs=1e-12)


@given(st.integers(1, 3), st.integers(0, 3), st.integers(0, 3), st.data())
def test_distinct_right_answers_equal_enumeration(a, b, wrong, data):
    samples = ["a"] * a + ["b"] * b + [""] * wrong
    k = data.draw(st.integers(1, len(samples)))
    expected = np.mean([len(set(draw) - {""}) for draw in combinations(samples, k)])
    assert distinct_at_k([a, b], k, n=len(samples)) == pytest.approx(expected, abs=1e-12)
    assert solution_coverage([a, b], k, 5, n=len(samples)) == pytest.approx(expected / 5, abs=1e-12)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_distinct_at_k_rises_from_1_to_the_types_seen(counts):
    curve = [distinct_at_k(counts, k) for k in range(1, sum(counts) + 1)]
    assert (np.diff(curve) >= -1e-12).all()
    if curve:
        assert curve[0] == pytest.approx(1.0)
        assert curve[-1] == pytest.approx(np.count_nonzero(counts))
    assert math.isnan(distinct_at_k(counts, sum(counts) + 1))


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=5), st.integers(1, 4))
def test_flat_form_equals_one_problem_at_a_time(problems, k):
    counts = [x for own in problems for x in own]
    problem = [g for g, own in enumerate(problems) for _ in own]
    for together, alone in [
        (distinct_at_k(counts, k, problem), [distinct_at_k(own, k) for own in problems]),
        (answer_entropy(counts, problem=problem), [answer_entropy(own) for own in problems]),
        (answer_entropy(counts, problem=problem, k=k), [answer_entropy(own, k=k) for own in problems]),
        (gini_simpson(counts, problem), [gini_simpson(own) for own in problems]),
        (hill_number(counts, 2, problem), [hill_number(own, 2) for own in problems]),
        (hill_number(counts, np.inf, problem), [hill_number(own, np.inf) for own in problems]),
    ]:
        np.testing.assert_allclose(together, alone, atol=1e-12, equal_nan=True)


def test_problems_without_types_and_k_by_problem():
    # problem 1 has 3 samples and no right answer: 0 found; problem 2 has one sample, so k = 2 is unknown
    found = distinct_at_k([1, 2], 2, problem=[0, 0], n=[4, 3, 1])
    assert found[:2] == pytest.approx([1 - 3 / 6 + 1 - 1 / 6, 0.0])
    assert math.isnan(found[2])
    by_problem = distinct_at_k([2, 2, 2, 2], [1, 4], problem=[0, 0, 1, 1])
    assert by_problem == pytest.approx([1.0, 2.0])
    assert np.isnan(solution_coverage([2, 2], 2, [0, np.nan], problem=[0, 1])).all()


def test_no_samples_is_unknown_not_0():
    for value in (
        answer_entropy([]),
        answer_entropy([0, 0]),
        gini_simpson([1]),
        hill_number([]),
        hill_number([], np.inf),
    ):
        assert math.isnan(value)
    assert answer_entropy([7]) == 0.0  # one answer only: no spread, and no correction


def test_equal_n_removes_what_more_samples_add():
    # one distribution over 12 answers: the plug-in at 8 and at 64 samples differ by much, at k = 8 they agree
    rng = np.random.default_rng(5)
    few, many = rng.multinomial(8, np.full(12, 1 / 12), 4000), rng.multinomial(64, np.full(12, 1 / 12), 4000)

    def mean(counts, **kwargs):
        problem = np.repeat(np.arange(len(counts)), counts.shape[1])
        values = answer_entropy(counts.ravel(), problem=problem, **kwargs)
        return values.mean(), values.std() / math.sqrt(len(values))

    assert mean(many)[0] - mean(few)[0] > 0.2
    (at_few, se_few), (at_many, se_many) = mean(few, k=8), mean(many, k=8)
    assert abs(at_few - at_many) < 4 * math.hypot(se_few, se_many)


def test_estimators_are_unbiased_for_the_exact_truth():
    p, n, k = np.array([0.5, 0.3, 0.15, 0.05]), 9, 4
    counts = np.random.default_rng(2).multinomial(n, p, 20_000)
    problem = np.repeat(np.arange(len(counts)), len(p))
    for values, truth in [
        (distinct_at_k(counts.ravel(), k, problem), np.sum(1 - (1 - p) ** k)),
        (gini_simpson(counts.ravel(), problem), 1 - np.sum(p**2)),
        (pass_at_k(n, counts[:, 0], k), 1 - 0.5**k),
        (pass_hat_k(n, counts[:, 0], k), 0.5**k),
        (informative_fraction(n, counts[:, 1], k), 1 - 0.3**k - 0.7**k),
    ]:
        assert abs(values.mean() - truth) < 3 * values.std() / math.sqrt(len(values))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distinct_at_k([1, -1], 1), "counts must be whole numbers ≥ 0, got -1"),
        (lambda: distinct_at_k([2], 0), "k must be whole numbers ≥ 1, got 0"),
        (lambda: distinct_at_k([2, 2], 1, n=3), "cannot be less than the sum"),
        (lambda: distinct_at_k([2, 2], 1, problem=[0]), "one length"),
        (lambda: distinct_at_k([2], 1, problem=[1], n=[2]), "one entry a problem, got 1 for 2"),
        (lambda: answer_entropy([2], "miller"), "nearest: 'miller_madow'"),
        (lambda: hill_number([2], -1), "q must be ≥ 0, got -1"),
        (lambda: hill_number([2], float("nan")), "q must be ≥ 0, got nan"),
    ],
)
def test_bad_diversity_arguments_are_refused(call, message):
    with pytest.raises(KnobError, match=message):
        call()


def test_a_million_samples_take_well_under_a_second():
    rng = np.random.default_rng(0)
    problem = np.repeat(np.arange(62_500), 6)
    counts = rng.multinomial(16, [0.4, 0.3, 0.1, 0.1, 0.05, 0.05], 62_500).ravel()
    began = time.process_time()
    distinct_at_k(counts, 8, problem)
    answer_entropy(counts, problem=problem, k=8)
    gini_simpson(counts, problem)
    assert time.process_time() - began < 1.0


def test_many_sizes_in_one_call_stay_exact():
    # every n from 1 to 400 with half of them marked: C(n−c, 2)/C(n, 2) in whole numbers
    n = np.arange(2, 402)
    c = n // 2
    expected = [1 - math.comb(a - b, 2) / math.comb(a, 2) for a, b in zip(n.tolist(), c.tolist(), strict=True)]
    assert pass_at_k(n, c, 2) == pytest.approx(expected, abs=1e-12)


# ── tail ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_band_edges_fall_to_the_harder_band():
    # ¼ and ¾ exactly; 1 of 3 lies above ¼, 1 of 1 is all right
    assert band_of([4, 4, 4, 4, 4, 3, 1], [0, 1, 2, 3, 4, 1, 1]).tolist() == [0, 1, 2, 2, 4, 2, 4]
    assert np.isnan(band_of([0, 4], [0, 3])).tolist() == [True, False]
    with pytest.raises(KnobError, match="c=5 of n=4"):
        band_of(4, 5)


def test_band_share_leaves_out_what_has_no_band():
    assert band_share([1, 1, 6], [0, 4, np.nan]).tolist() == [0.5, 0, 0, 0, 0.5]
    assert np.isnan(band_share([0, 0], [0, 1])).all()
    assert np.isnan(band_share([], [])).all()
    assert np.isnan(representation([0, 0], [0, 1])).all()
    for weight, band in (([-1.0], [0]), ([float("nan")], [0]), ([1.0], [5]), ([1.0], [0.5]), ([1.0], [0, 1])):
        with pytest.raises(KnobError, match=r"weight must|band must"):
            band_share(weight, band)


def test_gini_of_nothing_is_unknown():
    assert math.isnan(gini([]))
    assert math.isnan(gini([0, 0]))
    assert np.isnan(lorenz([])).tolist() == [True]
    with pytest.raises(KnobError, match="accepted must be"):
        gini([1, float("nan")])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=20).filter(any))
def test_gini_is_twice_the_area_above_the_lorenz_curve(accepted):
    curve = lorenz(accepted)
    assert curve[0] == 0
    assert curve[-1] == 1
    assert (np.diff(curve) >= 0).all()
    area = np.sum((curve[1:] + curve[:-1]) / 2) / len(accepted)
    assert gini(accepted) == pytest.approx(1 - 2 * area, abs=1e-12)
    assert gini(accepted) <= 1 - 1 / len(accepted) + 1e-12


# ── calibration ───────────────────────────────────────────────────────────────────────────────────────────────


def test_proxy_gold_gap_pairs_by_problem():
    score, gold = [1.0, 1.0, 1.0, 0.5, np.nan, 0.9], [1, 1, 0, 1, 0, np.nan]
    # over samples: (0 + 0 + 1 − ½)/4; by problem: x (0 + 0 + 1)/3, y −½ alone; the last two rows lack one side
    assert proxy_gold_gap(score, gold) == pytest.approx(0.125)
    assert proxy_gold_gap(score, gold, list("xxxyyz")) == pytest.approx((1 / 3 - 1 / 2) / 2)
    assert math.isnan(proxy_gold_gap([np.nan], [1]))
    assert math.isnan(proxy_gold_gap([], []))


def test_proxy_gold_gap_refuses_what_is_no_probability():
    for score, gold in (([1.2], [1]), ([-0.1], [1]), ([0.5], [2])):
        with pytest.raises(ValueError, match=r"score must be in \[0, 1\]"):
            proxy_gold_gap(score, gold)
    with pytest.raises(KnobError, match="one length"):
        proxy_gold_gap([0.5, 0.5], [1])
    with pytest.raises(KnobError, match="one length"):
        proxy_gold_gap([0.5], [1], ["a", "b"])
