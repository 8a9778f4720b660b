"""Vectors of texts and what is made of them: against reference values, exact n-gram counts and naive pair loops."""

import json
import math
import random
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siwork.metrics.diversity import (
    embedding_name,
    features,
    hashed_ngrams,
    mean_cosine_distance,
    nearest_distance,
    prompt_information,
    prompt_information_se,
    separation,
    vendi_score,
    zero_rows,
)
from siwork.schema import KnobError, MissingExtra

ORACLE = json.loads((Path(__file__).parent / "golden" / "oracles" / "vendi.json").read_text(encoding="utf-8"))
CLOSE = ORACLE["tolerance"]["abs"]
CASES = [pytest.param(case, id=case["id"]) for case in ORACLE["cases"]]
ORDERS = {"0.5": 0.5, "1": 1, "2": 2, "4": 4, "inf": math.inf, "rank_q0": 0}

matrices = arrays(
    float, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
)


def units(x):
    length = np.linalg.norm(x, axis=1)
    return x[length > 0] / length[length > 0, None]


def naive_vendi(x, q):
    unit = units(x)
    share = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    share = share[share > 1e-10] / share[share > 1e-10].sum()
    if q == 1:
        return math.exp(-sum(s * math.log(s) for s in share))
    if q == math.inf:
        return 1 / share.max()
    return float((share**q).sum() ** (1 / (1 - q)))


def naive_pairs(x, keep=lambda i, j: True):
    unit = units(x)
    found = [1 - unit[i] @ unit[j] for i in range(len(unit)) for j in range(i) if keep(i, j)]
    return np.mean(found) if found else math.nan


# ── Vendi ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", CASES)
def test_vendi_and_mean_distance_match_the_reference(case):
    kernel = "K" in case["inputs"]
    x = np.array(case["inputs"]["K" if kernel else "X"])
    for key, expected in case["expected"].items():
        if key == "mean_pairwise_cosine":
            assert 1 - mean_cosine_distance(x) == pytest.approx(expected, abs=CLOSE)
        else:
            assert vendi_score(x, ORDERS[key], kernel=kernel) == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize("case", [c for c in CASES if "X" in c.values[0]["inputs"]])
def test_features_and_their_kernel_agree(case):
    unit = units(np.array(case["inputs"]["X"]))
    for q in ORDERS.values():
        assert vendi_score(unit @ unit.T, q, kernel=True) == pytest.approx(vendi_score(unit, q), abs=CLOSE)


@given(matrices, st.sampled_from([0, 0.5, 1, 1.5, 2, 4, math.inf]))
@settings(max_examples=60)
def test_vendi_is_what_the_kernel_says_and_within_bounds(x, q):
    kept = len(x) - zero_rows(x)
    found = vendi_score(x, q)
    if not kept:
        assert math.isnan(found)
        return
    assert found == pytest.approx(naive_vendi(x, q), abs=CLOSE)
    assert 1 - 1e-9 <= found <= min(kept, x.shape[1]) + 1e-9
    assert found == pytest.approx(
        vendi_score(np.tile(x[::-1] * 3, (2, 1)), q), abs=CLOSE
    )  # copies and lengths: nothing


@given(matrices)
@settings(max_examples=30)
def test_vendi_falls_with_the_order(x):
    if zero_rows(x) < len(x):
        found = [vendi_score(x, q) for q in (0, 0.5, 1, 2, 1000.0, math.inf)]
        assert all(a >= b - 1e-6 for a, b in pairwise(found))


@given(matrices, st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2, math.inf]))
@settings(max_examples=60)
def test_values_by_problem_are_those_of_each_problem(x, seed, q):
    problem = np.random.default_rng(seed).integers(0, 5, len(x))
    scores, distances = vendi_score(x, q, problem), mean_cosine_distance(x, problem)
    assert len(scores) == len(distances) == problem.max() + 1
    for g in range(len(scores)):
        assert scores[g] == pytest.approx(vendi_score(x[problem == g], q), abs=CLOSE, nan_ok=True)
        assert distances[g] == pytest.approx(naive_pairs(x[problem == g]), abs=1e-9, nan_ok=True)


def test_vendi_of_many_rows_in_either_precision_and_of_many_problems():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12_000, 50)).astype(np.float32)  # several blocks of work
    unit = units(x.astype(float))
    share = np.linalg.eigvalsh(unit.T @ unit / len(unit))
    assert vendi_score(x) == pytest.approx(math.exp(-(share * np.log(share)).sum()), abs=1e-6)
    assert vendi_score(x, 2) == pytest.approx(1 / (share**2).sum(), abs=1e-6)
    problem = rng.permutation(np.arange(12_000) // 8)
    found, apart = vendi_score(x, 1, problem), mean_cosine_distance(x, problem)
    for g in (0, 777, 1499):
        assert found[g] == pytest.approx(naive_vendi(x[problem == g].astype(float), 1), abs=1e-6)
        assert apart[g] == pytest.approx(naive_pairs(x[problem == g].astype(float)), abs=1e-9)


def test_vendi_edges():
    assert math.isnan(vendi_score(np.empty((0, 4))))
    assert math.isnan(vendi_score(np.zeros((3, 4))))
    assert vendi_score([[0.0, 5.0]]) == 1
    assert vendi_score(np.ones((4, 3), np.float32), q=0) == 1  # rounding noise is no dimension
    np.testing.assert_array_equal(vendi_score([[1.0, 0.0], [0.0, 0.0]], problem=[2, 1]), [np.nan, np.nan, 1.0])
    assert vendi_score(np.empty((0, 4)), problem=[]).shape == (0,)
    assert math.isnan(vendi_score(np.empty((0, 0)), kernel=True))
    assert vendi_score([[1.0, 2.0], [3.0, 1.0]], q=500.0) == pytest.approx(
        vendi_score([[1, 2], [3, 1]], q=math.inf), rel=0.01
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: vendi_score([[1.0]], q=-1), "q must be ≥ 0"),
        (lambda: vendi_score([[1.0]], q=math.nan), "q must be ≥ 0"),
        (lambda: vendi_score([1.0, 2.0]), r"must be \(rows, d\)"),
        (lambda: vendi_score([[1.0, math.nan]]), "finite"),
        (lambda: vendi_score([[1.0, 0.0]], kernel=True), "square"),
        (lambda: vendi_score([[1.0, 0.5], [0.1, 1.0]], kernel=True), "symmetric"),
        (lambda: vendi_score([[1.0, math.inf], [math.inf, 1.0]], kernel=True), "finite"),
        (lambda: vendi_score([[1.0, 2.0], [2.0, 1.0]], kernel=True), "positive semidefinite"),
        (lambda: vendi_score([[1.0]], kernel=True, problem=[0]), "one pool"),
        (lambda: vendi_score([[1.0]], problem=[0, 1]), "one number a row"),
        (lambda: vendi_score([[1.0]], problem=[-1]), "whole numbers"),
        (lambda: mean_cosine_distance([[math.inf, 1.0]]), "finite"),
        (lambda: nearest_distance([[1.0]], [[1.0, 2.0]]), "one d"),
        (lambda: nearest_distance([[1.0]], [[math.nan]]), "others must be finite"),
        (lambda: separation([[1.0]], [0, 1]), "one number a row"),
    ],
)
def test_what_is_no_matrix_is_refused(call, words):
    with pytest.raises(KnobError, match=words):
        call()


# ── distances ─────────────────────────────────────────────────────────────────────────────────────────────────


@given(matrices)
@settings(max_examples=60)
def test_mean_distance_is_the_mean_over_pairs(x):
    assert mean_cosine_distance(x) == pytest.approx(naive_pairs(x), abs=1e-9, nan_ok=True)


def test_mean_distance_edges():
    assert math.isnan(mean_cosine_distance([[1.0, 0.0]]))
    assert math.isnan(mean_cosine_distance([[1.0, 0.0], [0.0, 0.0]]))
    assert mean_cosine_distance([[0.3, 0.7]] * 5) == 0
    assert mean_cosine_distance([[1.0], [-2.0]]) == 2
    assert zero_rows(np.zeros((3, 2))) == 3
    assert zero_rows(np.empty((0, 2))) == 0


@given(matrices, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_nearest_distance_is_the_least(x, seed):
    y = np.random.default_rng(seed).choice([-1.0, 0.0, 2.0], (4, x.shape[1]))
    found, other = nearest_distance(x, y), units(y)
    for row, distance in zip(x, found, strict=True):
        if not row.any() or not len(other):
            assert math.isnan(distance)
        else:
            assert distance == pytest.approx((1 - other @ row / np.linalg.norm(row)).min(), abs=1e-6)
    if len(x) > zero_rows(x):
        assert np.nanmax(nearest_distance(x, x * 2)) == 0


def test_nearest_distance_over_many_blocks():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((3000, 8)).astype(np.float32), rng.standard_normal((2000, 8)).astype(np.float32)
    expected = (1 - units(x.astype(float)) @ units(y.astype(float)).T).min(1)
    np.testing.assert_allclose(nearest_distance(x, y), expected, atol=1e-6)


@given(matrices, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_separation_is_what_the_pairs_say(x, seed):
    problem = np.random.default_rng(seed).integers(0, 3, len(x))
    kept = problem[x.any(1)]
    found = separation(x, problem)
    within = [naive_pairs(x[problem == g]) for g in range(3) if (kept == g).sum() > 1]
    assert found.within == pytest.approx(np.mean(within) if within else math.nan, abs=1e-9, nan_ok=True)
    assert found.cross == pytest.approx(naive_pairs(x, lambda i, j: kept[i] != kept[j]), abs=1e-9, nan_ok=True)
    if found.within > 1e-9:
        assert found.ratio == pytest.approx(found.cross / found.within, nan_ok=True)


def test_a_template_shows_as_falling_cross_distance():
    rng = np.random.default_rng(2)
    problem, noise = np.repeat(np.arange(30), 8), 0.3 * rng.standard_normal((240, 16))
    healthy = separation(rng.standard_normal((30, 16))[problem] + noise, problem)
    template = separation(np.ones(16) + noise, problem)
    assert healthy.ratio > 5
    assert template.ratio == pytest.approx(1, abs=0.1)
    assert math.isnan(separation([[1.0, 0.0]] * 4, [0, 0, 1, 1]).ratio)


# ── features ──────────────────────────────────────────────────────────────────────────────────────────────────


def naive_ngrams(text, n):
    marked = text if n == 1 else "\0" + text.ljust(n - 2, "\0") + "\0"
    return Counter(marked[i : i + n] for i in range(len(marked) - n + 1)) if text else Counter()


def exact_cosines(texts, n):
    counts = [naive_ngrams(text, n) for text in texts]
    place = {gram: i for i, gram in enumerate(sorted(set().union(*counts)))}
    x = np.zeros((len(texts), len(place)))
    for i, count in enumerate(counts):
        for gram, value in count.items():
            x[i, place[gram]] = value
    length = np.linalg.norm(x, axis=1, keepdims=True)
    x = x / np.where(length > 0, length, 1)
    return x @ x.T


def sentences(count, length, seed):
    rng = random.Random(seed)
    words = ["".join(rng.choice("etaoinshrdlucm") for _ in range(rng.randint(2, 9))) for _ in range(800)]
    made = [" ".join(words[int(800 * rng.random() ** 3)] for _ in range(length)) for _ in range(count)]
    return [text[:length] for text in made]


@pytest.mark.parametrize(("n", "dimensions"), [(2, 256), (3, 256), (3, 1000), (5, 2048)])
def test_cosines_are_those_of_exact_counts_without_bias(n, dimensions):
    texts = sentences(120, 200, seed=n)
    x = hashed_ngrams(texts, n, dimensions).astype(float)
    error = (x @ x.T - exact_cosines(texts, n))[np.triu_indices(len(texts), 1)]
    assert abs(error.mean()) < 0.2 / math.sqrt(dimensions)
    assert error.std() < 1.1 / math.sqrt(dimensions)
    assert abs(error).max() < 6 / math.sqrt(dimensions)


@given(st.lists(st.text(max_size=12), max_size=12), st.integers(1, 5))
@settings(max_examples=60)
def test_with_many_buckets_hashing_is_exact_counting(texts, n):
    texts = ["".join(c for c in text if c != "\0") for text in texts]
    x = hashed_ngrams(texts, n, 1 << 12).astype(float)
    assert x.shape == (len(texts), 1 << 12)
    np.testing.assert_array_equal(x.any(1), [bool(text) for text in texts])
    if texts:
        error = np.abs(x @ x.T - exact_cosines(texts, n))
        assert (error < 1e-6).mean() > 0.6  # all but the few that meet in a bucket
        np.testing.assert_allclose(np.diag(x @ x.T), [float(bool(t)) for t in texts], atol=1e-6)


def test_blocks_do_not_show(monkeypatch):
    texts = [*sentences(40, 50, seed=1), "", "a", "\ud800", "žluťoučký 🐎", "", "bc"]
    module = sys.modules["siwork.metrics.diversity.features"]
    for n in (1, 2, 3, 4):
        whole = hashed_ngrams(texts, n)
        np.testing.assert_array_equal(whole, np.concatenate([hashed_ngrams([text], n) for text in texts]))
        with monkeypatch.context() as patch:
            patch.setattr(module, "_ROWS", 7)
            patch.setattr(module, "_SYMBOLS", 13)
            np.testing.assert_array_equal(hashed_ngrams(texts, n), whole)


def test_hashed_ngrams_stay_what_they_are():
    found = hashed_ngrams(["the cat sat on the mat: 3 + 4 = 7"], 3, 16)[0]
    expected = np.array([1, 0, 0, 1, 3, 0, 0, 0, 0, 1, 1, -4, 0, 1, 0, -1])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-6)
    assert found.dtype == np.float32


def test_order_of_characters_and_boundaries_count():
    a, b, c = hashed_ngrams(["abc abc", "cba cba", "abc abc!"], dimensions=4096)
    assert abs(a @ b) < 0.2 < 0.7 < a @ c < 1
    assert hashed_ngrams([]).shape == (0, 256)
    assert not hashed_ngrams(["", ""]).any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hashed_ngrams("abc"), "got one string"),
        (lambda: hashed_ngrams(["a", None]), "got None at 1"),
        (lambda: hashed_ngrams(["a"], n=0), "n must be ≥ 1"),
        (lambda: hashed_ngrams(["a"], dimensions=1), "dimensions ≥ 2"),
        (lambda: features("abc"), "got one string"),
        (lambda: features(["a"], 3), "got int"),
        (lambda: features(["a"], lambda t: [[1.0]], batch=0), "batch"),
        (lambda: features(["a", "b"], np.ones((3, 2))), "one row a text"),
        (lambda: features(["a", "b"], lambda t: [[1.0], [math.nan]]), "not finite"),
        (lambda: features(["a", "b"], lambda t: [[1.0]]), "one row a text"),
        (lambda: features(["a", "b"], lambda t: [1.0, 2.0]), "one row a text"),
        (lambda: features(["a", "b"], lambda t: [[1.0], [1.0, 2.0]]), "one vector of numbers"),
        (lambda: features(["a", "b"], lambda t: [["x"], ["y"]]), "one vector of numbers"),
        (lambda: features(["a", "bb"], lambda t: [[0.0] * len(t[0])], batch=1), "vectors of one length"),
    ],
)
def test_what_is_no_text_or_no_vector_is_refused(call, words):
    with pytest.raises(KnobError, match=words):
        call()


class Encoder:
    """Counts its calls; callable too, as torch modules are, and wrong when called."""

    max_seq_length = 128

    def __init__(self):
        self.seen = []

    def encode(self, texts):
        self.seen.append(texts)
        return np.array([[len(text), 1] for text in texts])

    def __call__(self, texts):
        raise AssertionError("encode is the way in")


def test_an_encoder_sees_each_text_once_in_batches():
    encoder = Encoder()
    found = features(["a", "bb", "a", "ccc", "bb"], encoder, batch=2)
    assert encoder.seen == [["a", "bb"], ["ccc"]]
    np.testing.assert_array_equal(found[:, 0], [1, 2, 1, 3, 2])
    assert found.dtype == np.float64
    assert embedding_name(encoder) == "Encoder, cut at 128 tokens"
    assert features([], encoder).shape == (0, 0)


def test_each_kind_of_embedding():
    texts = ["a", "b"]
    np.testing.assert_array_equal(features(texts), hashed_ngrams(texts))
    given_rows = np.ones((2, 3), np.float32)
    assert features(texts, given_rows) is given_rows
    assert features(texts, lambda t: np.ones((len(t), 3), np.float16)).dtype == np.float32
    assert embedding_name(given_rows) == "given vectors, 3 dimensions"
    assert embedding_name(len) == "len"


def test_a_named_model_is_loaded_once_and_runs_no_code_of_its_own(monkeypatch):
    loaded = []

    def load(*args, **kwargs):
        loaded.append((args, kwargs))
        return Encoder()

    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=load))
    for _ in range(2):
        np.testing.assert_array_equal(features(["a", "bb"], "a-model-of-this-test")[:, 0], [1, 2])
    assert loaded == [(("a-model-of-this-test",), {})]


def test_a_missing_package_is_named_with_its_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r"features\(embed='some'\).*pip install sentence-transformers"):
        features(["a"], "some")


# ── prompts ───────────────────────────────────────────────────────────────────────────────────────────────────


def naive_information(logp):
    size = len(logp)
    return sum(logp[i][i] - math.log(sum(math.exp(v) for v in logp[i]) / size) for i in range(size)) / size


@given(st.integers(2, 6).flatmap(lambda m: arrays(float, (m, m), elements=st.floats(-30, 0))))
@settings(max_examples=60)
def test_prompt_information_is_its_definition_and_bounded(logp):
    found = prompt_information(logp)
    assert found == pytest.approx(naive_information(logp), abs=1e-9)
    assert found <= math.log(len(logp)) + 1e-9
    size = len(logp)
    left = [naive_information(np.delete(np.delete(logp, k, 0), k, 1)) for k in range(size)] if size > 2 else []
    expected = math.sqrt((size - 1) / size * sum((v - np.mean(left)) ** 2 for v in left)) if left else math.nan
    assert prompt_information_se(logp) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_prompt_information_ends():
    assert prompt_information(np.full((5, 5), -700.0)) == pytest.approx(0)  # a template
    apart = np.full((4, 4), -math.inf)
    np.fill_diagonal(apart, -900.0)
    assert prompt_information(apart) == pytest.approx(math.log(4))
    assert math.isnan(prompt_information([[-1.0]]))
    assert math.isnan(prompt_information(np.empty((0, 0))))
    assert math.isnan(prompt_information_se(np.empty((0, 0))))
    assert math.isnan(prompt_information([[-1.0, math.nan], [-1.0, -1.0]]))
    assert math.isnan(prompt_information([[-math.inf, -math.inf], [-1.0, -1.0]]))
    with pytest.raises(KnobError, match=r"\(M, M\)"):
        prompt_information([[-1.0, -2.0]])
    with pytest.raises(KnobError, match="sign turned"):
        prompt_information_se([[1.0, -2.0], [-2.0, -1.0]])
