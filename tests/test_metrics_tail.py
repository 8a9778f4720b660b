"""Concentration, turnover and cost of the tail: against reference values, enumeration and simulation."""

import json
import math
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.metrics.tail import (
    balance_score,
    band_of,
    coverage_by_band,
    effective_problems,
    flips,
    gini,
    gini_floor,
    head_tail_ratio,
    kl_from_uniform,
    log_head_tail,
    rank_tail,
    rarefied_coverage,
    samples_per_success,
    top_share,
    transitions,
    turnover,
    weighted_head_tail,
    zipf_exponent,
)
from siwork.schema import KnobError

ORACLES = Path(__file__).parent / "golden" / "oracles"
NAN = float("nan")


def oracle(name):
    data = json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(c, data["tolerance"]["abs"], id=c["id"]) for c in data["cases"]]


def near(value, tolerance):
    value = {None: NAN, "inf": math.inf}.get(value, value) if not isinstance(value, list) else value
    return pytest.approx(value, abs=tolerance, nan_ok=True)


# ── concentration ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("case", "tolerance"), oracle("difficulty_bins"))
def test_head_and_tail(case, tolerance):
    inputs, expected = case["inputs"], case["expected"]
    accepted, band = inputs["accepted"], band_of(inputs["n_select"], inputs["c_select"])
    assert head_tail_ratio(accepted, band) == near(expected["head_tail_ratio"], tolerance)
    assert log_head_tail(accepted, band) == near(expected["log_head_tail_ratio_plus_half"], tolerance)
    assert weighted_head_tail(accepted, band) == near(expected["representation_weighted_head_tail"], tolerance)
    coverage = [NAN] * 5
    for each in expected["bins"]:
        coverage[each["bin"]] = each["coverage"]
    assert coverage_by_band(accepted, band).tolist() == near([NAN if x is None else x for x in coverage], tolerance)


def test_head_and_tail_at_the_ends():
    assert head_tail_ratio([2], [4]) == math.inf
    assert math.isnan(head_tail_ratio([2], [2]))
    assert math.isnan(head_tail_ratio([], []))
    assert head_tail_ratio([2, 3, 9], [0, 4, NAN]) == 1.5  # an unknown band is left out
    assert log_head_tail([0, 0], [0, 4]) == 0.0
    assert weighted_head_tail([1, 1, 0, 3], [0, 1, 1, 4]) == pytest.approx(4.5)  # 3 a problem against 2/3
    assert math.isnan(weighted_head_tail([1], [0]))
    assert math.isnan(weighted_head_tail([1], [4]))
    assert np.isnan(coverage_by_band([], [])).all()


@pytest.mark.parametrize(("case", "tolerance"), oracle("gini"))
def test_concentration(case, tolerance):
    accepted, expected = case["inputs"]["accepted_per_problem"], case["expected"]
    assert effective_problems(accepted) == near(expected["effective_problems_exp_entropy"], tolerance)
    assert effective_problems(accepted, order=2) == near(expected["effective_problems_inv_simpson"], tolerance)
    assert kl_from_uniform(accepted) == near(expected["kl_from_uniform_nats"], tolerance)
    assert top_share(accepted) == near(expected["top20pct_share"], tolerance)
    if sum(accepted):
        assert rarefied_coverage(accepted, sum(accepted)) == near(expected["coverage_ge1"], tolerance)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any))
def test_concentration_stays_in_its_bounds(accepted):
    size = len(accepted)
    first, second = effective_problems(accepted), effective_problems(accepted, order=2)
    assert 1 - 1e-12 <= second <= first + 1e-9 <= size + 1e-8
    assert 0 <= kl_from_uniform(accepted) <= math.log(size) + 1e-12
    assert top_share(accepted, 1.0) == 1.0
    assert 0.2 - 1e-12 <= top_share(accepted) <= 1
    assert effective_problems([*accepted, 0]) == pytest.approx(first)


def test_concentration_of_nothing_is_unknown():
    for accepted in ([], [0, 0]):
        for function in (effective_problems, kl_from_uniform, top_share):
            assert math.isnan(function(accepted))
    assert math.isnan(gini_floor([4, 4], [0, 0]))
    assert math.isnan(gini_floor([], []))
    assert math.isnan(rarefied_coverage([], 1))
    assert math.isnan(rarefied_coverage([1, 1], 3))


def test_top_share_counts_whole_problems():
    # ⌈0.1 · 30⌉ is 3, though 0.1 · 30 is a little more in floating point
    assert top_share([1] * 30, 0.1) == pytest.approx(3 / 30)
    assert top_share([1] * 31, 0.1) == pytest.approx(4 / 31)


def test_balance_score():
    assert np.array_equal(balance_score([8, 12, 4, 2, 0, 0], [8, 16, 8, 2, 5, 0])[:5], [1, 0.75, 0.25, 0.25, 0])
    assert np.isnan(balance_score([0], [0])).all()
    assert balance_score(3, 4, target=2) == 0.75


@pytest.mark.parametrize(("tries", "p", "floor"), [(8, 0.1, 0.55), (8, 0.5, 0.20), (64, 0.1, 0.21), (64, 0.5, 0.07)])
def test_gini_floor_of_chance(tries, p, floor):
    accepted = np.random.default_rng(0).binomial(tries, p, 4000)
    assert gini_floor(np.full(4000, tries), accepted) == pytest.approx(floor, abs=0.006)
    assert gini_floor(np.full(4000, tries), accepted) == pytest.approx(gini(accepted), abs=0.01)


@pytest.mark.parametrize(
    ("tries", "total"), [([1, 2, 3], 3), ([2, 2, 2], 1), ([4, 0, 1], 2), ([3, 3], 6), ([5], 2), ([1] * 6, 3)]
)
def test_gini_floor_equals_enumeration(tries, total):
    owner = np.repeat(np.arange(len(tries)), tries)
    every = [np.bincount(owner[list(draw)], minlength=len(tries)) for draw in combinations(range(len(owner)), total)]
    assert gini_floor(tries, every[0]) == pytest.approx(np.mean([gini(x) for x in every]), abs=1e-12)


def test_gini_floor_of_many_different_tries_is_simulated():
    rng = np.random.default_rng(1)
    tries = rng.integers(0, 400, 90)
    accepted = rng.binomial(tries, 0.3)
    exact = gini_floor(tries // 50 * 50, rng.binomial(tries // 50 * 50, 0.3))
    assert gini_floor(tries, accepted) == pytest.approx(gini(accepted), abs=0.01)
    assert gini_floor(tries, accepted) == gini_floor(tries, accepted)
    assert gini_floor(tries, accepted) == pytest.approx(exact, abs=0.05)  # much the same tries, counted exactly


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(any), st.data())
def test_rarefied_coverage_equals_enumeration(accepted, data):
    owner = np.repeat(np.arange(len(accepted)), accepted)
    draws = data.draw(st.integers(1, len(owner)))
    found = [len(set(draw)) for draw in combinations(owner.tolist(), draws)]
    assert rarefied_coverage(accepted, draws) == pytest.approx(np.mean(found) / len(accepted), abs=1e-12)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (head_tail_ratio, ([-1], [0]), "weight must be a flat array of finite numbers"),
        (log_head_tail, ([1], [7]), "band must have one of"),
        (weighted_head_tail, ([NAN], [0]), "weight must be a flat array"),
        (top_share, ([1], 0), r"share is a share of the problems and must lie in \(0, 1\], got 0"),
        (effective_problems, ([1], 3), "order must be 1"),
        (kl_from_uniform, ([-1],), "accepted must be a flat array"),
        (coverage_by_band, ([-1], [0]), "accepted must be a flat array"),
        (coverage_by_band, ([1, 1], [0]), "band must have one of"),
        (balance_score, ([3], [2]), "got c=3 of n=2"),
        (balance_score, ([1], [2], 0), "target must be > 0, got 0"),
        (gini_floor, ([1], [2]), "got c=2 of n=1"),
        (rarefied_coverage, ([1.5], 1), "accepted must be whole"),
        (rarefied_coverage, ([1], 0), "k must be whole numbers ≥ 1"),
        (transitions, (1, [2], 1, [0]), "got c=2 of n=1"),
        (transitions, (1, [1, 0], 1, [1, 0, 0]), "both rounds must have the same problems"),
        (flips, ([1, 0], [1]), "of one length"),
        (flips, ([1], [0.5]), "must hold 1"),
        (samples_per_success, (1, [2], [0]), "got c=2 of n=1"),
        (samples_per_success, (1, [1], [9]), "band must have one of"),
        (rank_tail, ([1], -1), "rank must be whole"),
        (rank_tail, ([-1], 1), "counts must be a flat array"),
        (zipf_exponent, ([0.5],), "counts must be whole"),
    ],
)
def test_bad_values_are_refused(function, arguments, message):
    with pytest.raises(KnobError, match=message):
        function(*arguments)


# ── turnover ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("case", "tolerance"), oracle("turnover"))
def test_transitions(case, tolerance):
    inputs, expected = case["inputs"], case["expected"]
    got = transitions(inputs["n0"], inputs["c0"], inputs["n1"], inputs["c1"])
    assert (got.kept, got.gained, got.lost, got.never) == tuple(
        expected[name] for name in ("retained", "newly_solved", "forgotten", "unsolved_both")
    )
    assert got.expected_gained == near(expected["expected_newly_solved_if_no_change"], tolerance)
    assert got.expected_lost == near(expected["expected_forgotten_if_no_change"], tolerance)
    assert got.excess_gained == near(got.gained - got.expected_gained, tolerance)
    assert (got.problems, got.left_out) == (len(inputs["c0"]), 0)


problems = st.integers(0, 3).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(problems, problems), min_size=1, max_size=3))
def test_transitions_equal_relabelling(table):
    """Null by brute force: every way to deal a problem's samples to the two rounds."""
    live = [((n0, c0), (n1, c1)) for (n0, c0), (n1, c1) in table if n0 and n1]
    deals = []
    for (n0, c0), (n1, c1) in live:
        samples = [1] * (c0 + c1) + [0] * (n0 + n1 - c0 - c1)
        firsts = [sum(samples[i] for i in draw) for draw in combinations(range(n0 + n1), n0)]
        deals.append([(first == 0 < c0 + c1, first == c0 + c1 > 0) for first in firsts])
    gains, losses = ([[deal[i] for deal in each] for each in deals] for i in (0, 1))
    (n0, c0), (n1, c1) = (np.array([pair[i] for pair in table]).T for i in (0, 1))
    got = transitions(n0, c0, n1, c1)
    assert (got.problems, got.left_out) == (len(live), len(table) - len(live))
    assert got.kept + got.gained + got.lost + got.never == len(live)
    if not live:
        assert np.isnan(got[4:10]).all()
        return
    for chances, seen, expected, p in (
        (gains, got.gained, got.expected_gained, got.p_gained),
        (losses, got.lost, got.expected_lost, got.p_lost),
    ):
        rates = [np.mean(each) for each in chances]
        assert expected == pytest.approx(sum(rates), abs=1e-12)
        tail = sum(
            np.prod([rate if hit else 1 - rate for rate, hit in zip(rates, hits, strict=True)])
            for hits in product((0, 1), repeat=len(rates))
            if sum(hits) >= seen
        )
        assert p == pytest.approx(tail, abs=1e-12)


def test_refined_normal_is_near_the_exact_tail(monkeypatch):
    rng = np.random.default_rng(2)
    p = rng.beta(0.6, 0.8, 3000)
    c0, c1 = rng.binomial(8, p), rng.binomial(8, p)
    exact = transitions(8, c0, 8, c1)
    monkeypatch.setattr(turnover, "_EXACT", 0)
    close = transitions(8, c0, 8, c1)
    assert close.p_gained == pytest.approx(exact.p_gained, abs=5e-4)
    assert close.p_lost == pytest.approx(exact.p_lost, abs=5e-4)
    assert close[:8] == exact[:8]
    assert 0 < exact.p_gained < 1


def test_tail_of_chances_at_their_ends():
    assert turnover._upper_tail(np.array([1.0, 0.0, 1.0]), 2) == 1.0
    assert turnover._upper_tail(np.array([1.0, 0.0, 0.5]), 2) == 0.5
    assert turnover._upper_tail(np.array([0.0, 0.5]), 2) == 0.0


def test_no_change_gives_no_alarm():
    rng = np.random.default_rng(3)
    p = rng.beta(0.6, 0.8, 400)
    found = [transitions(8, rng.binomial(8, p), 8, rng.binomial(8, p)) for _ in range(200)]
    assert np.mean([x.gained for x in found]) == pytest.approx(np.mean([x.expected_gained for x in found]), rel=0.05)
    for values in ([x.p_gained for x in found], [x.p_lost for x in found]):
        assert 0.005 < np.mean(np.array(values) < 0.05) < 0.1
    changed = transitions(8, rng.binomial(8, p), 8, rng.binomial(8, np.sqrt(p)))
    assert changed.p_gained < 1e-4
    assert changed.excess_lost < 0


def test_transitions_of_one_number_for_all():
    assert transitions(1, [0, 1, 0, 1], 1, [1, 0, 0, 1])[:4] == (1, 1, 1, 1)
    got = transitions(np.array([0, 2]), np.array([0, 1]), 2, np.array([1, 1]))
    assert (got.problems, got.left_out, got.kept) == (1, 1, 1)
    empty = transitions([], [], [], [])
    assert empty[:4] == (0, 0, 0, 0)
    assert np.isnan(empty[4:10]).all()


def test_flips():
    assert flips([1, 1, 0, 0, 0, NAN], [True, False, True, False, False, 1]) == (1, 1, 1, 2, 1)
    assert flips([], []) == (0, 0, 0, 0, 0)


# ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_samples_per_success():
    got = samples_per_success([8, 8, 4, 0, 2], [0, 2, 4, 0, 1], [0, 1, 4, 4, NAN])
    assert np.array_equal(got, [NAN, 4.0, NAN, NAN, 1.0], equal_nan=True)
    assert np.isnan(samples_per_success([], [], [])).all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any), st.integers(0, 9))
def test_rank_tail_equals_a_sorted_sum(counts, rank):
    beyond = sorted(counts, reverse=True)[rank:]
    assert rank_tail(counts, rank) == pytest.approx(sum(beyond) / sum(counts))
    assert rank_tail(counts, 0) == 1.0


def test_rank_tail_of_nothing_is_unknown():
    assert math.isnan(rank_tail([], 1))
    assert math.isnan(rank_tail([0, 0], 1))
    assert rank_tail([3], 1) == 0.0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0, 3.5])
def test_zipf_exponent_of_an_exact_law(exponent):
    counts = np.round(1e12 * np.arange(1, 8.0) ** -exponent).astype(int)
    assert zipf_exponent(counts[::-1]) == pytest.approx(exponent, abs=1e-6)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=8))
def test_zipf_exponent_is_the_maximum(counts):
    x, rank = np.sort(counts)[::-1], np.arange(1, len(counts) + 1.0)

    def likelihood(a):
        return float(x @ (-a * np.log(rank)) - x.sum() * np.log((rank**-a).sum()))

    best = zipf_exponent(counts)
    assert best >= 0
    for step in (-1e-3, 1e-3):
        assert likelihood(max(best + step, 0.0)) <= likelihood(best) + 1e-9


def test_zipf_exponent_at_the_ends():
    assert zipf_exponent([10**15, 1]) == pytest.approx(math.log2(10**15), abs=1e-9)  # p(2)/p(1) = 2^(−a)
    assert zipf_exponent([4, 4, 4]) == 0.0
    for counts in ([], [0, 0], [7], [7, 0]):
        assert math.isnan(zipf_exponent(counts))
