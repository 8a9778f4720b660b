"""Votes, best of k, cover and crossing curves: against reference values, enumeration and other code."""

import json
import math
from fractions import Fraction
from itertools import combinations, product
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln

from siwork.metrics.performance import (
    best_of_k,
    beta_fit,
    cover_at,
    crossover_interval,
    crossover_k,
    maj_at_k,
    pass_at_k,
    pass_at_least,
    pass_hat_k,
    solve_rate_variance,
    votes,
)
from siwork.schema import KnobError

ORACLES = Path(__file__).parent / "golden" / "oracles"
NAN = float("nan")


def oracle(name, keep=lambda case: True):
    data = json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))
    cases = [pytest.param(c, data["tolerance"]["abs"], id=c["id"]) for c in data["cases"] if keep(c)]
    assert cases
    return cases


# ── majority vote ─────────────────────────────────────────────────────────────────────────────────────────────


def vote_by_enumeration(answers, gold, k):
    won = []
    for draw in combinations(answers, k):
        cast = [a for a in draw if a is not None]
        most = max((cast.count(a) for a in cast), default=0)
        leaders = {a for a in cast if cast.count(a) == most}
        won.append((gold in leaders) / max(len(leaders), 1))
    return np.mean(won)


def vote_by_fractions(right, wrong, blank, k):
    """The same sum in whole numbers, with the power of z kept as a second exponent."""
    total = Fraction(0)
    for m in range(1, min(right, k) + 1):
        terms = {(v, 0): comb(blank, v) for v in range(min(blank, k - m) + 1)}
        for x in wrong:
            grown = {}
            for (degree, ties), ways in terms.items():
                for v in range(min(x, m, k - m - degree) + 1):
                    place = (degree + v, ties + (v == m))
                    grown[place] = grown.get(place, 0) + ways * comb(x, v)
            terms = grown
        total += comb(right, m) * sum(Fraction(w, t + 1) for (d, t), w in terms.items() if d == k - m)
    return float(total / comb(right + sum(wrong) + blank, k))


@pytest.mark.parametrize(("case", "tolerance"), oracle("maj_at_k"))
def test_maj_at_k(case, tolerance):
    answers = case["inputs"]["answers"]
    for k in case["inputs"]["k"]:
        got = maj_at_k(answers, np.zeros(len(answers), int), [case["inputs"]["correct"]], k)
        assert got[0] == pytest.approx(case["expected"][str(k)]["maj_at_k"], abs=tolerance)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=8), st.data())
def test_maj_at_k_equals_enumeration(answers, data):
    k = data.draw(st.integers(1, len(answers)))
    expected = vote_by_enumeration(answers, "a", k)
    assert maj_at_k(answers, [0] * len(answers), ["a"], k)[0] == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize(
    ("right", "wrong", "blank", "k"),
    [
        (20, [20, 12, 6, 2, 1, 1], 2, 32),
        (9, [9] * 6, 1, 40),
        (2, [1] * 60, 2, 30),
        (30, [34], 0, 63),
        (5, [], 59, 20),
        (100, [120, 60, 19, 1], 0, 9),  # n ≥ 256: beyond the table of binomials
        (3, [290], 7, 6),
    ],
)
def test_maj_at_k_of_many_samples_is_exact(right, wrong, blank, k):
    answers = [0] * right + [1 + a for a, x in enumerate(wrong) for _ in range(x)] + [None] * blank
    got = maj_at_k(answers, [0] * len(answers), [0], k)[0]
    assert got == pytest.approx(vote_by_fractions(right, wrong, blank, k), rel=1e-11, abs=1e-13)


def test_maj_at_k_beyond_64_draws_is_near_and_repeatable():
    counts = (30, [28, 12], 3)
    answers = np.array(["r"] * 30 + ["w"] * 28 + ["v"] * 12 + [None] * 3, object)
    first = maj_at_k(answers, np.zeros(73, int), ["r"], 66)[0]
    # 2000 subsets: standard error at most 0.0112
    assert first == pytest.approx(vote_by_fractions(*counts, 66), abs=0.045)
    assert maj_at_k(answers[::-1], np.zeros(73, int), ["r"], 66)[0] == first
    assert maj_at_k(answers, np.zeros(73, int), ["r"], 73)[0] == 1.0  # k = n is one vote, exact


def test_maj_at_k_by_subsets_agrees_with_the_polynomial():
    rng = np.random.default_rng(5)
    rows = np.c_[np.sort(rng.integers(0, 6, (12, 4)))[:, ::-1], rng.integers(1, 7, 12), rng.integers(0, 3, 12)]
    exact = votes._over_patterns(rows[:, :4], rows[:, 4], rows[:, 5], 5)
    drawn = [votes._drawn_vote(row, 5) for row in rows]
    assert drawn == pytest.approx(exact, abs=0.045)
    assert not np.array_equal(drawn, exact)


def test_maj_at_k_of_many_problems_is_that_of_each():
    rng = np.random.default_rng(0)
    n = rng.integers(0, 13, 60)
    problem = np.repeat(np.arange(60), n)
    answer = rng.choice(np.array(["1", "2", "3", "7", None], object), len(problem))
    gold = rng.choice(np.array(["1", "2", "nobody", None], object), 60)
    shuffled = rng.permutation(len(problem))
    ks = rng.integers(1, 7, 60)
    got = maj_at_k(answer[shuffled], problem[shuffled], gold, ks)
    for i in range(60):
        mine = list(answer[problem == i])
        if gold[i] is None or ks[i] > n[i]:
            assert np.isnan(got[i])
        else:
            assert got[i] == pytest.approx(vote_by_enumeration(mine, gold[i], ks[i]), abs=1e-13)
    same_k = maj_at_k(answer, problem, gold, 4)
    assert np.array_equal(same_k, maj_at_k(answer, problem, gold, np.full(60, 4)), equal_nan=True)


def test_maj_at_k_reads_any_labels():
    zero = [0, 0, 0]
    assert maj_at_k([1, 1, 2], zero, [1], 3)[0] == 1.0
    assert maj_at_k(np.array([1.0, NAN, NAN]), zero, np.array([1]), 3)[0] == 1.0  # no vote is not a wrong vote
    assert maj_at_k([2**70, None, 3], zero, [2**70], 2)[0] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert maj_at_k(["nan", NAN, None], zero, ["nan"], 1)[0] == pytest.approx(1 / 3)
    assert maj_at_k([("a", 1), ("b", 2), ("a", 1)], zero, [("a", 1)], 3)[0] == 1.0
    assert maj_at_k(pd.Series(["x", None, "x"]), zero, pd.Series(["x"]), 1)[0] == pytest.approx(2 / 3)
    assert maj_at_k(np.array(["x", "y"]), [0, 0], np.array(["x"]), 2)[0] == 0.5


def test_maj_at_k_without_votes_or_samples():
    assert maj_at_k([None, None], [0, 0], ["x"], 2)[0] == 0.0
    assert maj_at_k(["y", "y"], [0, 0], ["x"], 1)[0] == 0.0
    assert np.isnan(maj_at_k(["x"], [1], ["x", None, "x"], 1)).all()  # no sample, unknown, no sample
    assert np.isnan(maj_at_k([], [], ["x"], 1)).all()
    assert maj_at_k([], [], [], 1).shape == (0,)


def test_maj_at_k_falls_where_a_wrong_answer_leads():
    answers = ["r"] * 3 + ["w"] * 5
    curve = [maj_at_k(answers, [0] * 8, ["r"], k)[0] for k in range(1, 9)]
    assert curve[0] == pytest.approx(3 / 8)
    assert curve[-1] == 0.0
    assert (np.diff(curve[::2]) < 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], [0], ["a"], 0), "k must be whole numbers ≥ 1"),
        ((["a"], [0], ["a"], [1, 2]), r"one for each of the 1 problems, got shape \(2,\)"),
        ((["a"], [1], ["a"], 1), "below the 1 gold answers"),
        ((["a"], [-1], ["a"], 1), "problem must be whole numbers ≥ 0"),
        ((["a", "b"], [0], ["a"], 1), "of one length"),
        ((np.array([["a"]]), [0], ["a"], 1), "labels must be flat"),
        (([1, 2], [0, 0], ["1"], 1), "must be of one kind, got 1 and '1'"),
    ],
)
def test_bad_votes_are_refused(arguments, message):
    with pytest.raises(KnobError, match=message):
        maj_at_k(*arguments)


# ── best of k ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("case", "tolerance"), oracle("best_of_n"))
def test_best_of_k(case, tolerance):
    score, gold = np.array(case["inputs"]["proxy"]), np.array(case["inputs"]["gold"])
    problem = np.zeros(len(score), int)
    for k in case["inputs"]["k"]:
        expected = case["expected"][str(k)]
        assert best_of_k(score, gold, problem, k)[0] == pytest.approx(expected["gold"], abs=tolerance)
        assert best_of_k(score, score, problem, k)[0] == pytest.approx(expected["proxy"], abs=tolerance)
    assert case["expected"]["k_gt_N"] is None
    assert np.isnan(best_of_k(score, gold, problem, len(score) + 1)[0])


scores = st.sampled_from([-math.inf, -1.5, 0.0, 0.25, math.inf, NAN])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(scores, st.sampled_from([-2.0, 0.0, 1.0])), min_size=1, max_size=7), st.data())
def test_best_of_k_equals_enumeration(samples, data):
    k = data.draw(st.integers(1, len(samples)))
    ranked = [(s, y) if not math.isnan(s) else (None, y) for s, y in samples]
    picked = []
    for draw in combinations(ranked, k):
        scored = [s for s, _ in draw if s is not None]
        best = max(scored) if scored else None
        picked.append(np.mean([y for s, y in draw if s == best]))
    score, gold = np.array(samples).T
    assert best_of_k(score, gold, np.zeros(len(score), int), k)[0] == pytest.approx(np.mean(picked), abs=1e-13)


def test_best_of_k_of_many_problems_is_that_of_each():
    rng = np.random.default_rng(1)
    for n in (np.full(40, 6), rng.integers(0, 9, 40)):
        problem = np.repeat(np.arange(40), n)
        score, gold = rng.integers(0, 4, len(problem)) / 4, rng.normal(size=len(problem))
        ks = rng.integers(1, 6, 40)
        shuffled = rng.permutation(len(problem))
        for order in (slice(None), shuffled):
            got = best_of_k(score[order], gold[order], problem[order], ks)
            for i in range(40):
                mine = problem == i
                if ks[i] > n[i]:
                    assert np.isnan(got[i])
                else:
                    alone = best_of_k(score[mine], gold[mine], np.zeros(n[i], int), ks[i])[0]
                    assert got[i] == pytest.approx(alone, abs=1e-13)


def test_best_of_k_ends_are_exact():
    rng = np.random.default_rng(2)
    score, zero = rng.random(50), np.zeros(50, int)
    gold = (rng.random(50) < 0.5).astype(float)
    assert best_of_k(score, gold, zero, 1)[0] == pytest.approx(gold.mean(), abs=1e-14)
    assert best_of_k(score, gold, zero, 50)[0] == gold[score.argmax()]
    assert best_of_k(score, np.ones(50), zero, 7)[0] == 1.0
    assert best_of_k(np.full(50, NAN), gold, zero, 7)[0] == pytest.approx(gold.mean(), abs=1e-14)
    # a perfect judge finds a right sample whenever one is drawn
    assert best_of_k(gold, gold, zero, 7)[0] == pytest.approx(pass_at_k(50, int(gold.sum()), 7), abs=1e-13)


def test_best_of_k_is_unknown_where_truth_is():
    got = best_of_k([1, 2, 1, 2], [NAN, 1, 0, 1], [0, 0, 2, 2], 1)
    assert np.isnan(got[:2]).all()  # an unknown gold; no sample
    assert got[2] == 0.5
    assert best_of_k([], [], [], 1).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [1.0], [0], 0), "k must be whole numbers ≥ 1"),
        (([1.0], [1.0, 0.0], [0], 1), "of one length"),
        (([1.0], [math.inf], [0], 1), "gold must be finite"),
        (([1.0], [1.0], [0.5], 1), "problem must be whole"),
        (([1.0, 1.0], [1.0, 0.0], [0, 1], [1]), "k must be one number, or one for each of the 2 problems"),
    ],
)
def test_bad_samples_are_refused(arguments, message):
    with pytest.raises(KnobError, match=message):
        best_of_k(*arguments)


# ── cover, spread of solve rates ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("case", "tolerance"), oracle("pass_at_k", lambda c: c["kind"] == "table"))
def test_cover_at(case, tolerance):
    n, c = case["inputs"]["n"], case["inputs"]["c"]
    for tau, value in case["expected"]["cover_at_tau_plugin"].items():
        assert cover_at(n, c, float(tau)) == pytest.approx(value, abs=tolerance)


def test_cover_at_holds_its_bound_and_leaves_empty_problems():
    assert cover_at([10, 10, 0], [3, 2, 0], 0.3) == 0.5  # 3 of 10 is at 0.3
    assert cover_at(10, [0, 10], 0.0) == 1.0
    assert math.isnan(cover_at([0, 0], [0, 0], 0.5))
    assert math.isnan(cover_at([], [], 0.5, "beta"))
    assert math.isnan(cover_at(8, [8, 8], 0.5, "beta"))


def test_cover_by_beta_corrects_the_plug_in():
    rng = np.random.default_rng(3)
    p = rng.beta(0.6, 0.8, 8000)
    c = rng.binomial(16, p)
    for tau in (0.25, 0.5, 0.75):
        truth = (p >= tau).mean()
        assert cover_at(16, c, tau, "beta") == pytest.approx(truth, abs=0.01)
        assert abs(cover_at(16, c, tau) - truth) > 0.015


def test_pass_at_k_is_the_integral_of_cover():
    n, c, k = np.full(6, 8), np.array([0, 1, 3, 4, 7, 8]), 5
    alpha, beta = beta_fit(n, c)
    u, weight = np.polynomial.legendre.leggauss(40)
    u, weight = (u + 1) / 2, weight / 2
    tau = u**4  # cover is steep near 0
    cover = np.array([cover_at(n, c, t, "beta") for t in tau])
    area = np.sum(weight * 4 * u**3 * k * (1 - tau) ** (k - 1) * cover)
    none = np.exp(betaln(alpha + c, beta + n - c + k) - betaln(alpha + c, beta + n - c))  # mean of (1 − p)^k
    assert area == pytest.approx(1 - none.mean(), abs=1e-6)


def test_beta_fit_is_the_maximum():
    rng = np.random.default_rng(4)
    n = rng.integers(1, 20, 300)
    c = rng.binomial(n, rng.beta(2.0, 0.7, 300))
    alpha, beta = beta_fit(np.r_[n, 0], np.r_[c, 0])

    def likelihood(a, b):
        return stats.betabinom.logpmf(c, n, a, b).sum()

    best = likelihood(alpha, beta)
    for a, b in product((0.999, 1.0, 1.001), repeat=2):
        assert likelihood(alpha * a, beta * b) <= best + 1e-9
    assert (alpha, beta) == pytest.approx((2.0, 0.7), rel=0.35)


@pytest.mark.parametrize(
    ("n", "c"),
    [
        ([], []),
        ([1, 1, 1], [0, 1, 1]),  # one sample a problem says nothing of spread
        (8, [0, 0, 0]),
        (8, [8, 8]),
        (8, [0, 8, 8]),  # all or nothing
        (8, [4, 4, 4, 4]),  # less spread than binomial
        (8, [3]),
    ],
)
def test_beta_fit_is_unknown_at_the_edge(n, c):
    assert np.isnan(beta_fit(n, c)).all()


def test_solve_rate_variance_is_unbiased():
    # p is 0.2 or 0.9 with equal odds, three samples, two problems: the mean over all outcomes is Var(p) = 0.1225
    mass = {x: np.mean([stats.binom.pmf(x, 3, p) for p in (0.2, 0.9)]) for x in range(4)}
    mean = sum(mass[a] * mass[b] * solve_rate_variance(3, [a, b]) for a, b in product(mass, mass))
    assert mean == pytest.approx(0.1225, abs=1e-12)
    assert solve_rate_variance(4, [2, 2]) == pytest.approx(-1 / 12)  # unbiased values can be negative
    assert math.isnan(solve_rate_variance([4, 1], [2, 1]))
    assert math.isnan(solve_rate_variance([], []))


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))), st.data())
def test_pass_at_least_equals_enumeration(sizes, data):
    n, c, k = sizes
    s = data.draw(st.integers(1, k))
    drawn = [sum(draw) >= s for draw in combinations([1] * c + [0] * (n - c), k)]
    assert pass_at_least(n, c, k, s) == pytest.approx(np.mean(drawn), abs=1e-12)


def test_pass_at_least_meets_its_ends():
    c = np.arange(1001)
    assert np.array_equal(pass_at_least(1000, c, 30, 1), pass_at_k(1000, c, 30))
    assert np.array_equal(pass_at_least(1000, c, 30, 30), pass_hat_k(1000, c, 30))
    assert pass_at_least(1000, c, 30, 7) == pytest.approx(stats.hypergeom.sf(6, 1000, c, 30), abs=1e-11)
    tail = np.array([pass_at_least(1000, c, 30, s) for s in range(1, 31)])
    assert (np.diff(tail, axis=0) <= 1e-11).all()
    assert pass_at_least([4, 9, 9], [4, 9, 0], [3, 3, 3], 2).tolist() == [1.0, 1.0, 0.0]
    assert np.isnan(pass_at_least([2, 0], [1, 0], 3, 2)).all()
    assert pass_at_least([], [], 3, 2).shape == (0,)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (cover_at, (4, [1], 1.5), r"tau is a solve rate and must lie in \[0, 1\], got 1.5"),
        (cover_at, (4, [1], 0.5, "plugin"), "nearest: 'plug_in'"),
        (cover_at, (4, [5], 0.5), "got c=5 of n=4"),
        (beta_fit, (4, [5]), "got c=5 of n=4"),
        (solve_rate_variance, (4, [-1]), "c must be whole numbers ≥ 0"),
        (pass_at_least, (4, [1], 2, 3), "got s=3 of k=2"),
        (pass_at_least, (4, [1], 2, 0), "s must be whole numbers ≥ 1"),
        (crossover_k, (4, [1], [5]), "got c=5 of n=4"),
        (crossover_interval, (4, [1], [2], 1.5), "level must lie between 0 and 1"),
        (crossover_interval, (4, [1], [2], 0.9, 0), "draws ≥ 1"),
    ],
)
def test_bad_curves_are_refused(function, arguments, message):
    with pytest.raises(KnobError, match=message):
        function(*arguments)


# ── crossing ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("case", "tolerance"), oracle("pass_at_k", lambda c: c["kind"] == "pair"))
def test_crossover_k(case, tolerance):
    inputs = case["inputs"]
    n, before, after = inputs["n"], inputs["c_round0"], inputs["c_roundt"]
    assert crossover_k(n, before, after) == case["expected"]["crossover_k"]
    found = crossover_interval(n, before, after, draws=300)
    assert found.low <= found.k <= found.high
    assert found.k == case["expected"]["crossover_k"]
    assert 0.9 < found.reached <= 1


@given(st.lists(st.tuples(st.integers(1, 6), st.data()), min_size=1, max_size=5))
def test_crossover_k_equals_the_curves(problems):
    n = np.array([size for size, _ in problems])
    before, after = (np.array([data.draw(st.integers(0, size)) for size, data in problems]) for _ in range(2))
    curves = [[pass_at_k(n, c, k).mean() for k in range(1, n.min() + 1)] for c in (before, after)]
    below = [k for k, (a, b) in enumerate(zip(*curves, strict=True), start=1) if b < a - 1e-12]
    got = crossover_k(n, before, after)
    assert got == below[0] if below else math.isnan(got)


def test_equal_curves_do_not_cross():
    rng = np.random.default_rng(6)
    c = rng.integers(0, 17, 500)
    # the same numbers in another order: the means differ by rounding alone
    assert math.isnan(crossover_k(16, c, rng.permutation(c)))
    assert math.isnan(crossover_k(4, [1, 2], [1, 2]))
    assert math.isnan(crossover_k([0, 0], [0, 0], [0, 0]))
    assert crossover_k([4, 0], [2, 0], [1, 0]) == 1.0  # a problem without samples leaves


def test_crossover_interval_is_censored():
    better = crossover_interval(8, [1] * 30, [2] * 30, draws=50)
    assert math.isnan(better.k)
    assert (better.low, better.high, better.reached) == (math.inf, math.inf, 0.0)
    worse = crossover_interval(8, [2] * 30, [1] * 30, draws=50)
    assert worse == (1.0, 1.0, 1.0, 1.0)
    alone = crossover_interval(8, [2], [1])
    assert alone.k == 1.0
    assert np.isnan(alone[1:]).all()
    assert np.isnan(crossover_interval([], [], [])).all()
