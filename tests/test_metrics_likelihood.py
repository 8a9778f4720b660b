"""Likelihood, distances between policies, lengths and MAUVE: against reference values and sums by hand."""

import json
import math
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.metrics.collapse import (
    bits_per_byte,
    js_divergence,
    kl_divergence,
    kl_estimate,
    length_stats,
    mauve,
    perplexity,
    total_variation,
)
from siwork.schema import KnobError, MissingExtra

ORACLES = Path(__file__).parent / "golden" / "oracles"


def oracle(name, keep=lambda case: True):
    data = json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))
    cases = [pytest.param(c, data["tolerance"], id=c["id"]) for c in data["cases"] if keep(c)]
    assert cases
    return cases


def near(expected, tolerance):
    return pytest.approx(math.inf if expected == "inf" else expected, abs=tolerance.get("abs", 0), rel=tolerance["rel"])


# ── perplexity ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("case", "tolerance"), oracle("perplexity"))
def test_perplexity_and_bits_match_the_reference(case, tolerance):
    texts, expected = case["inputs"]["token_logprobs"], case["expected"]
    logp, n = [sum(text) for text in texts], [len(text) for text in texts]
    assert perplexity(logp, n) == near(expected["perplexity_token_weighted"], tolerance)
    assert math.log(perplexity(logp, n)) == near(expected["nll_per_token"], tolerance)
    assert bits_per_byte(logp, case["inputs"]["n_bytes"]) == near(expected["bits_per_byte"], tolerance)
    each = perplexity(logp, n, problem=np.arange(len(n)))
    assert each.mean() == near(expected["perplexity_mean_of_sequences"], tolerance)
    assert (np.log(each) * n).mean() == near(expected["mean_sequence_nll"], tolerance)


@given(st.lists(st.tuples(st.floats(-500, 0), st.integers(0, 20), st.integers(0, 3)), min_size=1, max_size=12))
@settings(max_examples=60)
def test_values_by_problem_are_those_of_each_problem(rows):
    logp, n, problem = (np.array(column) for column in zip(*rows, strict=True))
    for function in (perplexity, bits_per_byte):
        found = function(logp, n, problem)
        assert len(found) == problem.max() + 1
        for g, value in enumerate(found):
            mine = problem == g
            assert value == pytest.approx(function(logp[mine], n[mine]), rel=1e-9, nan_ok=True)
            assert math.isnan(value) == (n[mine].sum() == 0)


def test_perplexity_edges():
    assert math.isnan(perplexity([], []))
    assert math.isnan(perplexity([0.0], [0]))
    assert perplexity([0.0, 0.0], [1, 3]) == 1
    assert perplexity([1e-9], [1]) == 1
    assert perplexity([-math.inf, -1.0], [1, 1]) == math.inf
    assert perplexity([-1e6], [1]) == math.inf
    assert math.isnan(bits_per_byte([-1.0], [0]))
    assert perplexity([math.nan, -2.0], [100, 2]) == pytest.approx(math.e)  # unknown: out of both sums
    assert math.isnan(perplexity([math.nan], [3]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: perplexity([2.0], [1]), "sign turned"),
        (lambda: perplexity([-2.0], [1.5]), "n_tokens must be whole"),
        (lambda: bits_per_byte([-2.0], [-1]), "n_bytes must be whole"),
        (lambda: perplexity([-2.0], [1, 2]), "one length"),
        (lambda: perplexity([-2.0], [1], [0, 1]), "one length"),
        (lambda: kl_estimate([-2.0], [-1.0], "k4"), "kind must be k1, k2 or k3, got 'k4'"),
        (lambda: kl_estimate([-2.0], [3.0]), "base_logp must be log-probabilities"),
        (lambda: kl_estimate([-2.0], [-1.0, -1.0]), "one shape"),
        (lambda: kl_estimate([-math.inf], [-1.0]), "finite"),
        (lambda: kl_divergence([0.5, 0.6], [0.5, 0.5]), "sum to 1 over the last axis, got 1.1"),
        (lambda: js_divergence([0.5, 0.5], [1.5, -0.5]), "q must be probabilities .* got -0.5"),
        (lambda: total_variation([0.5, math.nan], [0.5, 0.5]), "p must be probabilities"),
        (lambda: total_variation([], []), "p must be probabilities"),
        (lambda: total_variation(1.0, 1.0), "p must be probabilities"),
        (lambda: js_divergence([0.5, 0.5], [0.2, 0.3, 0.5]), "one vocabulary, got 2 and 3"),
    ],
)
def test_what_is_no_likelihood_is_refused(call, words):
    with pytest.raises(KnobError, match=words):
        call()


# ── divergences ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("case", "tolerance"), oracle("kl_js", lambda c: "p" in c["inputs"]))
def test_divergences_match_the_reference(case, tolerance):
    p, q, expected = np.array(case["inputs"]["p"]), np.array(case["inputs"]["q"]), case["expected"]
    assert kl_divergence(p, q) == near(expected["kl_p_q_nats"], tolerance)
    assert kl_divergence(q, p) == near(expected["kl_q_p_nats"], tolerance)
    assert js_divergence(p, q) == near(expected["js_divergence_nats"], tolerance)
    assert js_divergence(p, q) / math.log(2) == near(expected["js_divergence_bits"], tolerance)
    assert total_variation(p, q) == near(expected["tv"], tolerance)
    even = np.full(len(p), 1 / len(p))
    assert math.log(len(p)) - kl_divergence(p, even) == near(expected["entropy_p_nats"], tolerance)


distributions = st.lists(st.sampled_from([0, 1, 2, 5, 100]), min_size=4, max_size=4).filter(any)


@given(distributions, distributions)
@settings(max_examples=60)
def test_divergences_keep_their_bounds_and_inequalities(a, b):
    p, q = np.array(a) / sum(a), np.array(b) / sum(b)
    js, tv, kl = js_divergence(p, q), total_variation(p, q), kl_divergence(p, q)
    assert js == pytest.approx(js_divergence(q, p), abs=1e-12)
    assert 0 <= js <= math.log(2)
    assert tv**2 / 2 - 1e-12 <= js <= tv * math.log(2) + 1e-12  # Pinsker on the middle; Lin 1991
    assert kl >= 2 * tv**2 - 1e-9
    assert (kl == math.inf) == bool(((p > 0) & (q == 0)).any())
    assert js_divergence(p, p) == total_variation(p, p) == kl_divergence(p, p) == 0
    both = js_divergence(np.stack([p, q]), q)
    assert both.shape == (2,)
    assert both[0] == js


def test_divergences_of_many_positions_and_of_none():
    p = np.random.default_rng(0).dirichlet(np.ones(5), (3, 4))
    assert kl_divergence(p, p[:1]).shape == (3, 4)
    assert total_variation(np.empty((0, 5)), p[0, 0]).shape == (0,)
    assert total_variation(p.astype(np.float32), p).max() < 1e-6
    assert js_divergence([1.0, 0.0], [0.0, 1.0]) == math.log(2)


# ── KL from samples ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("case", "tolerance"), oracle("kl_js", lambda c: "logp" in c["inputs"]))
def test_kl_estimates_match_the_reference(case, tolerance):
    # there the samples are of q and r = p/q, so q is the policy and p its base
    for kind, expected in case["expected"].items():
        assert kl_estimate(case["inputs"]["logq"], case["inputs"]["logp"], kind).mean() == near(expected, tolerance)


def test_kl_estimates_have_the_exact_mean():
    p, q = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.3, 0.1])  # all outcomes, weighted by the policy
    for kind in ("k1", "k3"):
        assert p @ kl_estimate(np.log(p), np.log(q), kind) == pytest.approx(kl_divergence(p, q))
    assert p @ kl_estimate(np.log(p), np.log(q), "k2") == pytest.approx(p @ np.log(p / q) ** 2 / 2)


@given(st.lists(st.tuples(st.floats(-1e5, 0), st.floats(-1e5, 0)), min_size=1, max_size=8))
@settings(max_examples=60)
def test_k2_and_k3_are_not_negative_and_equal_policies_are_at_zero(rows):
    now, base = np.array(rows).T
    assert (kl_estimate(now, base, "k2") >= 0).all()
    assert (kl_estimate(now, base, "k3") >= 0).all()
    for kind in ("k1", "k2", "k3"):
        assert (kl_estimate(now, now, kind) == 0).all()


def test_kl_estimate_edges():
    for kind in ("k1", "k2", "k3"):
        found = kl_estimate([-1.0, math.nan, -1.0], [-math.inf, -1.0, math.nan], kind)
        np.testing.assert_array_equal(found, [math.inf, math.nan, math.nan])
        assert kl_estimate([], [], kind).shape == (0,)
    assert kl_estimate([-1e6], [0.0], "k3") == [math.inf]


# ── lengths ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_lengths_by_truth():
    found = length_stats([1, 0, 5, 9, 16], [1, 0, 1, 1, 0], [0, 0, 1, 1, math.nan])
    assert list(found.index) == ["all", "right", "wrong"]
    assert list(found.columns) == ["n", "q05", "q25", "median", "q75", "q95", "mean", "unfinished", "empty"]
    assert found["n"].tolist() == [5, 2, 2]
    assert found.loc["all"].tolist() == pytest.approx([5, 0.2, 1, 5, 9, 14.6, 6.2, 0.4, 0.4])
    assert found.loc["right"].tolist() == pytest.approx([2, 5.2, 6, 7, 8, 8.8, 7, 0, 0])
    assert found.loc["wrong", "empty"] == 1  # the end token alone, and cut before the first


def test_lengths_without_truth_or_samples():
    assert list(length_stats([3], [True]).index) == ["all"]
    none = length_stats([], [], [])
    assert none["n"].tolist() == [0, 0, 0]
    assert none.drop(columns="n").isna().all(axis=None)
    one = length_stats([4], [True], [1])
    assert one.loc["right"].tolist() == [1, 4, 4, 4, 4, 4, 4, 0, 0]
    assert one.loc["wrong"].drop("n").isna().all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: length_stats([1.5], [True]), "n_tokens must be whole"),
        (lambda: length_stats([math.nan], [True]), "n_tokens must be whole"),
        (lambda: length_stats([1], [True, False]), "one length"),
        (lambda: length_stats([1], [True], [0, 1]), "one length"),
        (lambda: length_stats([1], [0.5]), "finished must be 0 or 1"),
        (lambda: length_stats([1], [math.nan]), "finished must be 0 or 1"),
        (lambda: length_stats([1], [True], [0.5]), "gold 0, 1 or NaN"),
    ],
)
def test_what_is_no_length_is_refused(call, words):
    with pytest.raises(KnobError, match=words):
        call()


# ── MAUVE ─────────────────────────────────────────────────────────────────────────────────────────────────────


def vectors(n, shift=0.0, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 8)) + shift


def test_mauve_is_unknown_below_500_vectors_with_or_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "mauve", None)
    found = mauve(vectors(499), vectors(600))
    assert found.n == 499
    assert math.isnan(found.mean)
    assert math.isnan(found.spread)


def test_mauve_names_its_missing_package_with_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "mauve", None)
    with pytest.raises(MissingExtra, match="pip install mauve-text faiss-cpu"):
        mauve(vectors(500), vectors(500))


def test_mauve_runs_every_seed_with_fixed_buckets(monkeypatch):
    calls = []

    def compute(**given):
        calls.append((given["seed"], given["num_buckets"], len(given["p_features"]), len(given["q_features"])))
        return SimpleNamespace(mauve=0.5 + given["seed"] / 10)

    monkeypatch.setitem(sys.modules, "mauve", SimpleNamespace(compute_mauve=compute))
    found = mauve(vectors(520), vectors(900), seeds=3)
    assert calls == [(0, 52, 520, 900), (1, 52, 520, 900), (2, 52, 520, 900)]
    assert found == pytest.approx((0.6, 0.1, 520))


@pytest.mark.skipif(
    find_spec("mauve") is None, reason="needs the packages mauve-text and faiss-cpu, which are optional"
)
def test_mauve_of_the_package_tells_near_from_far():
    near_by, far = mauve(vectors(500), vectors(500, seed=1), 2), mauve(vectors(500), vectors(500, shift=4.0), 2)
    assert 0 < far.mean < 0.1 < 0.8 < near_by.mean <= 1
    assert near_by == mauve(vectors(500), vectors(500, seed=1), 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mauve(vectors(3), [[1.0]]), "one d, got 8 and 1"),
        (lambda: mauve([1.0], [[1.0]]), "finite matrix"),
        (lambda: mauve([[math.nan]], [[1.0]]), "finite matrix"),
        (lambda: mauve([[1.0]], [[1.0]], seeds=1), "seeds must be whole numbers ≥ 2"),
    ],
)
def test_what_is_no_set_of_vectors_is_refused(call, words):
    with pytest.raises(KnobError, match=words):
        call()
