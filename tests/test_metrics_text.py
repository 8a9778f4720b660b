"""Tokens, n-grams, BLEU, compression, overlap and lexical diversity: against reference values and naive code."""

import gzip
import json
import lzma
import math
from collections import Counter
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.metrics.diversity import bleu as bleu_module
from siwork.metrics.diversity import (
    compression_ratio,
    distinct_n,
    distinct_n_texts,
    ead,
    hdd,
    homogenization,
    mattr,
    mtld,
    pairwise_bleu,
    pattr,
    self_bleu,
    self_bleu_texts,
    self_repetition,
    ttr,
)
from siwork.metrics.pools import before, distinct
from siwork.metrics.tokens import WORD, Tokens, coded_lines, cut, gram_orders, ngrams, tokens_of, words
from siwork.schema import KnobError

ORACLES = Path(__file__).parent / "golden" / "oracles"
NAN = float("nan")

few = settings(max_examples=60, deadline=None)
token_lists = st.lists(st.lists(st.integers(0, 3), max_size=9), max_size=7)
sequences = st.lists(st.integers(0, 12), max_size=80)
pooled = st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 3), max_size=8)), max_size=12)


def oracle(name):
    data = json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))
    assert data["cases"]
    return [pytest.param(case, id=case["id"]) for case in data["cases"]]


def agree(got, expected, tolerance=1e-12):
    expected = np.array([NAN if e is None else e for e in np.atleast_1d(np.asarray(expected, object))], float)
    np.testing.assert_allclose(np.atleast_1d(got), expected, rtol=0, atol=tolerance, equal_nan=True)


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else NAN


def grams(tokens, n):
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def by_problem(texts, metric):
    """What `metric` gives for the texts of each problem, naively."""
    groups = 1 + max((problem for problem, _ in texts), default=-1)
    return [metric([text for problem, text in texts if problem == g]) for g in range(groups)]


def split(texts):
    return [text for _, text in texts], np.array([problem for problem, _ in texts], np.int64)


# ── tokens ────────────────────────────────────────────────────────────────────────────────────────────────────


@few
@given(st.lists(st.text(alphabet="ab \t\n\x1c\u3000é.,", max_size=12), max_size=8))
def test_words_are_those_of_str_split(texts):
    found = words(texts)
    expected = [text.split() for text in texts]
    assert found.lengths.tolist() == [len(text) for text in expected]
    flat = [word for text in expected for word in text]
    names = list(dict.fromkeys(flat))
    assert [names[i] for i in found.ids] == flat
    assert found.ids.dtype == found.ends.dtype == np.int64


def test_words_by_pattern_keep_punctuation_apart():
    found = words(["x=7, so x = 7.", ""], WORD)
    assert found.ids.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 5]
    assert found.lengths.tolist() == [9, 0]


@pytest.mark.parametrize("texts", [["a b", "b"], pa.array(["a b", "b"]), pa.chunked_array([["a b"], ["b"]])])
def test_words_of_lists_and_arrow_arrays(texts):
    assert words(texts).ids.tolist() == [0, 1, 1]
    assert tokens_of(texts).ids.tolist() == [0, 1, 1]


def test_more_texts_than_are_split_at_a_time():
    found = words([f"a {i % 7}" for i in range(5000)])
    assert (found.texts, len(found.ids), found.ids.max()) == (5000, 10000, 7)


def test_text_that_is_no_text_is_an_error():
    with pytest.raises(KnobError, match=r"wrap it: \[text\]"):
        words("a b")
    with pytest.raises(KnobError, match=r"wrap it: \[text\]"):
        tokens_of("a b")
    with pytest.raises(KnobError, match="NoneType"):
        words(["a", None])
    with pytest.raises(KnobError, match="regular expression"):
        words(["a"], "(")


def test_tokens_of_what_is_at_hand():
    tokens = Tokens(np.array([1, 2]), np.array([2]))
    assert tokens_of(tokens) is tokens
    assert tokens_of([]).texts == 0
    assert tokens_of([[], []]).lengths.tolist() == [0, 0]
    for given_ids in ([[7, 8], [7]], [np.array([7, 8]), np.array([7], np.int32)], pa.array([[7, 8], [7]])):
        assert tokens_of(given_ids).ids.tolist() == [7, 8, 7]
    assert tokens_of([np.array([]), np.array([3])]).ids.tolist() == [3]
    assert tokens_of([["x", "y"], ["x"]]).ids.tolist() == [0, 1, 0]


@pytest.mark.parametrize("x", [[1, 2], [[1.5]], [["a", 1]], [[True]], ["a", [1]], np.array([1, 2]), [["a"], "b"]])
def test_tokens_of_other_things_is_an_error(x):
    with pytest.raises(KnobError, match=r"wrap a single text|all int or all str"):
        tokens_of(x)


@few
@given(token_lists, st.data())
def test_take_and_cut(texts, data):
    tokens = tokens_of(texts)
    index = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=6)) if texts else []
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), bool)

    def lists(found):
        return [found.ids[i:j].tolist() for i, j in zip(found.starts, found.ends, strict=True)]

    assert lists(tokens) == texts
    assert lists(tokens.take(index)) == [texts[i] for i in index]
    assert lists(tokens.take(mask)) == [text for text, keep in zip(texts, mask, strict=True) if keep]
    assert lists(tokens.take(slice(1, 3))) == texts[1:3]
    assert lists(cut(tokens, 2)) == [text[:2] for text in texts]
    assert tokens.text_of().tolist() == [i for i, text in enumerate(texts) for _ in text]


def test_cut_to_no_length():
    assert cut(words(["a b", "c"]), 0).lengths.tolist() == [0, 0]
    with pytest.raises(KnobError, match="length"):
        cut(words(["a"]), -1)


@few
@given(token_lists, st.integers(1, 5))
def test_ngrams_are_equal_where_the_tokens_are_and_cross_no_border(texts, n):
    hashes, text = ngrams(tokens_of(texts), n)
    expected = [(i, gram) for i, ids in enumerate(texts) for gram in grams(ids, n)]
    assert text.tolist() == [i for i, _ in expected]
    assert len(set(zip(hashes.tolist(), (gram for _, gram in expected), strict=True))) == len(set(hashes.tolist()))
    assert len(set(hashes.tolist())) == len({gram for _, gram in expected})
    assert hashes.dtype == np.uint64


def test_ngrams_of_one_length_in_a_row_equal_those_alone():
    tokens = words(["a b c a b", "c a"])
    for n, (hashes, text) in enumerate(gram_orders(tokens, 3), 1):
        alone = ngrams(tokens, n)
        assert hashes.tolist() == alone[0].tolist()
        assert text.tolist() == alone[1].tolist()
    for bad in (0, 1.5, -1):
        with pytest.raises(KnobError, match="n must be whole"):
            ngrams(tokens, bad)


def test_hashes_of_many_ngrams_do_not_meet_and_fill_all_bits():
    ids = np.random.default_rng(0).integers(0, 300, 200_000)
    hashes, _ = ngrams(Tokens(ids, np.array([len(ids)])), 3)
    exact = (ids[:-2] * 300 + ids[1:-1]) * 300 + ids[2:]
    assert len(np.unique_values(hashes)) == len(np.unique_values(exact))
    ones = [(hashes >> np.uint64(bit) & np.uint64(1)).mean() for bit in range(64)]
    assert max(abs(np.array(ones) - 0.5)) < 0.01


@few
@given(sequences)
def test_before_is_the_nearest_earlier_equal(ids):
    expected = [max((j for j in range(i) if ids[j] == ids[i]), default=-1) for i in range(len(ids))]
    assert before(np.array(ids, np.int64)).tolist() == expected
    wide = np.array(ids, np.int64) * (1 << 59) - (1 << 62)  # too wide to be packed beside their places
    assert before(wide).tolist() == expected


@few
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=30), st.booleans())
def test_distinct_in_groups(pairs, rising):
    pairs = sorted(pairs) if rising else pairs
    group = np.array([g for g, _ in pairs], np.int64)
    hashes, _ = ngrams(tokens_of([[i for _, i in pairs]]), 1)
    assert distinct(hashes, group, 5).tolist() == [len({i for g, i in pairs if g == k}) for k in range(5)]


def test_distinct_in_groups_of_several_blocks():
    rng = np.random.default_rng(1)
    group = np.sort(rng.integers(0, 40, 200_000))
    ids = rng.integers(0, 3000, 200_000)
    expected = [len(np.unique_values(ids[group == g])) for g in range(40)]
    assert distinct(ngrams(Tokens(ids, np.array([len(ids)])), 1)[0], group, 40).tolist() == expected


def test_lines():
    assert coded_lines(["a\r\n\n b\na ", ""]).ids.tolist() == [0, 1, 0]
    with pytest.raises(KnobError, match="single str"):
        coded_lines("a")


# ── distinct n-grams ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", oracle("distinct_n"))
def test_distinct_n_and_ead_of_the_reference(case):
    tokens = words(case["inputs"]["texts"])
    for n in range(1, 5):
        expected = case["expected"][str(n)]
        agree(distinct_n(tokens, n), expected["distinct_n_corpus"])
        agree(distinct_n_texts(tokens, n), expected["distinct_n_mean_over_texts"])
        agree(ead(tokens, n, 1000), expected["ead_V1000"])
        agree(ead(tokens, n, 50257), expected["ead_V50257"], 5e-12)  # 1 − (1 − 1/V)^C leaves 12 digits of 16
        assert len(ngrams(tokens, n)[0]) == expected["total"]


def naive_distinct(texts, n):
    found = [gram for text in texts for gram in grams(text, n)]
    return len(set(found)) / len(found) if found else NAN


@few
@given(pooled, st.integers(1, 3))
def test_distinct_n_within_problems(texts, n):
    tokens, problem = split(texts)
    agree(distinct_n(tokens, n, problem), by_problem(texts, lambda pool: naive_distinct(pool, n)))
    agree(distinct_n(tokens, n), naive_distinct(tokens, n))

    def of_texts(pool):
        return mean(naive_distinct([text], n) for text in pool if len(text) >= n)

    agree(distinct_n_texts(tokens, n, problem), by_problem(texts, of_texts))


def test_ead_of_one_word_and_of_nothing():
    assert ead(["a a a"], 1, vocabulary=1) == 1.0
    assert math.isnan(ead(["a"], 2, vocabulary=1))
    assert math.isnan(ead([], 1, vocabulary=10))
    agree(ead(["a b", "a"], 1, 10, problem=[0, 1]), [2 / (10 * (1 - 0.9**2)), 1.0])
    with pytest.raises(KnobError, match="vocabulary"):
        ead(["a"], 1, vocabulary=0)


def naive_self_repetition(texts, n):
    holders = Counter(gram for text in texts for gram in set(grams(text, n)))
    return mean(math.log(1 + sum(holders[gram] - 1 for gram in set(grams(text, n)))) for text in texts)


@few
@given(pooled, st.integers(1, 3))
def test_self_repetition_is_the_naive_one(texts, n):
    tokens, problem = split(texts)
    agree(self_repetition(tokens, n), naive_self_repetition(tokens, n))
    agree(self_repetition(tokens, n, problem), by_problem(texts, lambda pool: naive_self_repetition(pool, n)))


@pytest.mark.parametrize("case", oracle("homogenization"))
def test_homogenization_and_self_repetition_of_the_reference(case):
    texts = case["inputs"]["texts"]
    agree(homogenization(texts), case["expected"]["homogenization_rougeL"], 1e-10)
    agree(self_repetition(texts), case["expected"]["self_repetition_4"], 1e-10)


@pytest.mark.parametrize("metric", [distinct_n, distinct_n_texts, self_repetition, self_bleu, pairwise_bleu])
def test_pools_that_do_not_fit_are_an_error(metric):
    with pytest.raises(KnobError, match="one entry a text"):
        metric(["a", "b"], problem=[0])
    with pytest.raises(KnobError, match="problem must be whole"):
        metric(["a", "b"], problem=[0, -1])
    assert metric([], problem=[]).shape == (0,)
    assert math.isnan(metric([]))


# ── BLEU ──────────────────────────────────────────────────────────────────────────────────────────────────────


def naive_bleu(text, references, order):
    if not text:
        return 0.0
    log_p = 0.0
    for n in range(1, order + 1):
        count = Counter(grams(text, n))
        most = Counter()
        for reference in references:
            most |= Counter(grams(reference, n))
        matched = sum((count & most).values())
        if n == 1 and not matched:
            return 0.0
        log_p += math.log((matched or 0.1) / max(1, sum(count.values())))
    closest = min((len(reference) for reference in references), key=lambda r: (abs(r - len(text)), r))
    brevity = 0.0 if len(text) > closest else 1 - closest / len(text)
    return math.exp(log_p / order + brevity)


def naive_self_bleu(texts, order):
    if len(texts) < 2:
        return [NAN] * len(texts)
    return [naive_bleu(text, texts[:i] + texts[i + 1 :], order) for i, text in enumerate(texts)]


def naive_pairwise(texts, order):
    return mean(naive_bleu(a, [b], order) for a, b in permutations(texts, 2))


@pytest.mark.parametrize("case", oracle("self_bleu"))
def test_bleu_of_the_reference(case):
    tokens, expected = words(case["inputs"]["texts"]), case["expected"]
    agree(self_bleu(tokens), expected["self_bleu4_nltk_method1"], 1e-10)
    if "per_text_nltk_method1" in expected:
        agree(self_bleu_texts(tokens), expected["per_text_nltk_method1"], 1e-10)
        agree(self_bleu(tokens, 2), expected["self_bleu2_nltk_method1"], 1e-10)
        first = tokens.take(slice(15))
        agree(pairwise_bleu(first), expected["pairwise_bleu4_nltk_method1_first15"], 1e-10)


@few
@given(pooled, st.integers(1, 4))
def test_bleu_is_the_naive_one(texts, order):
    tokens, problem = split(texts)
    agree(self_bleu_texts(tokens, order), naive_self_bleu(tokens, order) or [])
    agree(self_bleu(tokens, order), mean(naive_self_bleu(tokens, order)))
    agree(self_bleu(tokens, order, problem), by_problem(texts, lambda pool: mean(naive_self_bleu(pool, order))))
    agree(pairwise_bleu(tokens, order), naive_pairwise(tokens, order))
    agree(pairwise_bleu(tokens, order, problem), by_problem(texts, lambda pool: naive_pairwise(pool, order)))


@given(pooled, st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_pairs_scored_in_blocks_are_the_same(texts, pairs):
    tokens, problem = split(texts)
    whole = pairwise_bleu(tokens, 3, problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bleu_module, "_PAIRS", pairs)
        agree(pairwise_bleu(tokens, 3, problem), whole)


def test_bleu_of_texts_of_the_order_of_a_run():
    rng = np.random.default_rng(2)
    texts = [rng.geometric(0.2, rng.integers(0, 25)).tolist() for _ in range(40)]
    agree(self_bleu_texts(texts), naive_self_bleu(texts, 4), 1e-12)
    agree(pairwise_bleu(texts), naive_pairwise(texts, 4), 1e-12)


def test_a_closest_reference_on_both_sides_is_the_shorter():
    assert self_bleu_texts([[1, 2], [1, 2, 3], [1, 2, 3, 4]], 1)[1] == 1.0
    agree(self_bleu_texts([[1], [1, 2, 3], [1, 2, 3, 4, 5]], 1), [math.exp(-2), 1.0, 3 / 5])


def test_bleu_of_no_order_is_an_error():
    for metric in (self_bleu, self_bleu_texts, pairwise_bleu):
        with pytest.raises(KnobError, match="n must be whole"):
            metric(["a b", "a"], 0)


# ── compression ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", oracle("compression_ratio"))
def test_compression_of_the_reference(case):
    for name, separator in (("newline", "\n"), ("space", " ")):
        texts, expected = case["inputs"]["texts"], case["expected"][name]
        assert compression_ratio(texts, separator) == pytest.approx(expected["cr_gzip9"], rel=0.01)
        assert compression_ratio(texts, separator, "xz") == pytest.approx(expected["cr_xz6"], rel=0.01)


@few
@given(st.lists(st.text(alphabet="aé漢\U0001f600 ", max_size=6), max_size=6), st.integers(0, 40))
def test_compression_at_a_budget_is_that_of_the_first_bytes(texts, budget):
    data = "--".join(texts).encode()[:budget] if any(texts) else b""
    expected = len(data) / len(gzip.compress(data, 9, mtime=0)) if data else NAN
    agree(compression_ratio(texts, "--", budget=budget), expected)


def test_compression_sees_far_copies_with_xz_only():
    block = "".join(map(chr, np.random.default_rng(0).integers(97, 123, 60_000)))
    assert compression_ratio([block] * 5, codec="xz") > 2 * compression_ratio([block] * 5)
    data = "\n".join([block] * 5).encode()
    assert compression_ratio([block] * 5, codec="xz") == len(data) / len(lzma.compress(data, preset=6))


def test_compression_of_nothing_and_of_odd_things():
    for texts in ([], [""], ["", "", ""]):
        assert math.isnan(compression_ratio(texts))
    assert compression_ratio(["a\ud800"]) > 0  # half a surrogate pair, as byte-level models can write
    with pytest.raises(KnobError, match="valid: gzip, xz"):
        compression_ratio(["a"], codec="brotli")
    with pytest.raises(KnobError, match="budget"):
        compression_ratio(["a"], budget=-1)
    with pytest.raises(KnobError, match="wrap it"):
        compression_ratio("a")


# ── overlap ───────────────────────────────────────────────────────────────────────────────────────────────────


def naive_lcs(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if x == y else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


def naive_homogenization(texts):
    return mean(2 * naive_lcs(a, b) / (len(a) + len(b)) if a and b else 0.0 for a, b in combinations(texts, 2))


@few
@given(pooled)
def test_homogenization_is_the_naive_one(texts):
    tokens, problem = split(texts)
    written = [" ".join(map(str, text)) for text in tokens]
    agree(homogenization(written), naive_homogenization(tokens))
    agree(homogenization(written, problem), by_problem(texts, naive_homogenization))


def test_homogenization_of_long_texts():
    rng = np.random.default_rng(3)
    texts = [rng.integers(0, 20, size).tolist() for size in (70, 3, 130, 64, 63, 65)]
    agree(homogenization([" ".join(map(str, text)) for text in texts]), naive_homogenization(texts))


def test_homogenization_reads_words_in_lower_case():
    assert homogenization(["It's 7!", "it s 7"]) == 1.0
    assert homogenization(["é", "é"]) == 0.0
    assert math.isnan(homogenization(["a"]))
    with pytest.raises(KnobError, match="wrap it"):
        homogenization("a")


# ── lexical diversity ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", oracle("lexical_diversity"))
def test_lexical_diversity_of_the_reference(case):
    tokens, expected = case["inputs"]["tokens"], case["expected"]
    agree(mtld(tokens), expected["mtld"], 1e-9)
    agree(hdd(tokens), expected["hdd"], 1e-9)
    agree(mattr(tokens), expected["mattr50"], 1e-9)
    agree(ttr(tokens), expected["ttr"], 1e-9)


def naive_mtld(tokens, threshold, minimum):
    def length(tokens):
        factors, run = 0.0, []
        for i, token in enumerate(tokens):
            run.append(token)
            ratio = len(set(run)) / len(run)
            if i == len(tokens) - 1:
                factors += (1 - ratio) / (1 - threshold)
            elif ratio < threshold and len(run) >= minimum:
                factors, run = factors + 1, []
        return len(tokens) / factors if factors else NAN

    return (length(tokens) + length(tokens[::-1])) / 2


@few
@given(sequences, st.sampled_from([0.3, 0.5, 0.72, 0.9]), st.integers(1, 12))
def test_mtld_is_the_naive_one(tokens, threshold, minimum):
    agree(mtld(tokens, threshold, minimum), naive_mtld(tokens, threshold, minimum), 1e-9)


@few
@given(sequences, st.integers(1, 60))
def test_windows_and_draws_are_the_naive_ones(tokens, size):
    windows = [tokens[i : i + size] for i in range(max(len(tokens) - size, 0) + 1)]
    agree(mattr(tokens, size), mean(len(set(window)) / len(window) for window in windows) if tokens else NAN)
    n = len(tokens)
    seen = [1 - math.comb(n - x, size) / math.comb(n, size) for x in Counter(tokens).values()] if size <= n else [NAN]
    agree(hdd(tokens, size), sum(seen) / size, 1e-9)


def test_hdd_is_the_mean_over_all_draws():
    tokens = [0, 0, 0, 1, 1, 2]
    agree(hdd(tokens, 3), mean(len(set(drawn)) / 3 for drawn in combinations(tokens, 3)))


def test_pattr_penalises_length_on_both_sides():
    assert pattr(list("abac"), 4) == ttr(list("abac")) == 0.75
    assert pattr(list("abac"), 2) == pattr(list("abac"), 6) == 0.5
    with pytest.raises(KnobError, match="target"):
        pattr(["a"], -1)


def test_lexical_diversity_of_nothing_and_of_odd_things():
    for value in (ttr([]), pattr([], 3), hdd([]), mattr([]), mtld([]), mtld(["a", "b"]), hdd(["a"] * 41)):
        assert math.isnan(value)
    assert ttr(words(["a b", "a"])) == ttr(np.array([5, 9, 5])) == ttr(["a", "b", "a"])
    for metric in (ttr, hdd, mattr, mtld, lambda x: pattr(x, 1)):
        with pytest.raises(KnobError, match="split it"):
            metric("a b")
    for threshold in (0, 1, NAN):
        with pytest.raises(KnobError, match="threshold"):
            mtld(["a"], threshold)
    for bad in (lambda: mattr(["a"], 0), lambda: hdd(["a"], 0), lambda: mtld(["a"], 0.72, 0)):
        with pytest.raises(KnobError, match="whole numbers ≥ 1"):
            bad()
