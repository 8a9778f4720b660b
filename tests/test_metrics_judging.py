"""Judges at work: ranking, acceptance, gaps, hacking, preference, revision, agreement; references, naive code, sums by hand."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, cohen_kappa_score, roc_auc_score

from siwork.metrics.calibration import (
    acceptance,
    auroc,
    auroc_influence,
    auroc_pairs,
    auroc_within,
    average_precision,
    best_of_n_kl,
    fleiss_kappa,
    gv_gap,
    gv_gap_relative,
    hacking_index,
    independent_baseline,
    kappa,
    krippendorff_alpha,
    marginals,
    no_accept,
    overoptimisation,
    peak_k,
    performance_gap_recovered,
    precision_gain,
    proxy_gold_gap,
    raw_agreement,
    self_correction,
    self_preference,
    top_precision,
    verdicts,
    vote_reliability,
)
from siwork.metrics.uncertainty import influence_se, paired_t
from siwork.schema import KnobError

ORACLES = Path(__file__).parent / "golden" / "oracles"
NAN = float("nan")
ANY = st.one_of(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0, np.inf]), st.floats(-5, 5))


def oracle(name, keep=lambda case: True):
    data = json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))
    cases = [
        pytest.param(c["inputs"], c["expected"], data["tolerance"]["abs"], id=c["id"]) for c in data["cases"] if keep(c)
    ]
    assert cases
    return cases


def agree(got, expected, tolerance=1e-12):
    expected = np.array([NAN if e is None else e for e in np.atleast_1d(np.asarray(expected, object))], float)
    np.testing.assert_allclose(np.atleast_1d(got), expected, rtol=0, atol=tolerance, equal_nan=True)


@st.composite
def judged(draw, least=0, problems=4, scores=ANY):
    n = draw(st.integers(least, 24))
    s = draw(st.lists(scores, min_size=n, max_size=n))
    y = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    p = draw(st.lists(st.integers(0, problems - 1), min_size=n, max_size=n))
    return np.array(s, float), np.array(y, float), np.array(p, int)


# ── ranking ───────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60)
@given(judged())
def test_ranking_equals_all_pairs_and_scikit_learn(data):
    s, y, p = data
    pairs = [
        (a, b, g) for a, x, g in zip(s, y, p, strict=True) for b, z, h in zip(s, y, p, strict=True) if x > z and g == h
    ]
    wins = [(a > b) + (a == b) / 2 for a, b, _ in pairs]
    assert auroc_within(s, y, p) == pytest.approx(np.mean(wins), nan_ok=True) if pairs else True
    concordant, count = auroc_pairs(s, y, p)
    assert (concordant.sum(), count.sum()) == (pytest.approx(sum(wins)), len(pairs))
    means = [np.mean([w for w, (_, _, g) in zip(wins, pairs, strict=True) if g == k]) for k in {g for _, _, g in pairs}]
    got = auroc_within(s, y, p, "problems")
    assert got == pytest.approx(np.mean(means)) if means else math.isnan(got)
    value, influence = auroc_influence(s, y)
    if 0 < y.sum() < len(y):
        finite = np.clip(s, -9, 9)
        assert auroc(s, y) == pytest.approx(roc_auc_score(y, finite), abs=1e-12)
        assert value == pytest.approx(auroc(s, y), abs=1e-12)
        assert abs(influence.sum()) < 1e-9
        assert auroc(-s, y) == pytest.approx(1 - value, abs=1e-12)
    else:
        assert math.isnan(auroc(s, y))
        assert math.isnan(value)
        assert np.isnan(influence).all()
    if y.any():
        expected = average_precision_score(y, np.clip(s, -9, 9))
        assert average_precision(s, y) == pytest.approx(expected, abs=1e-12)
        assert precision_gain(s, y) == pytest.approx(expected / y.mean(), abs=1e-12)
    else:
        assert math.isnan(average_precision(s, y))
        assert math.isnan(precision_gain(s, y))


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("auroc_se"))
def test_clustered_error_of_auroc(inputs, expected, tolerance):
    s, y, p = (np.array(inputs[name], float) for name in ("score", "label", "group"))
    value, influence = auroc_influence(s, y)
    agree(value, expected["auroc"], tolerance)
    agree(influence_se(influence, p), expected["se_cluster"], tolerance)
    # samples that leave move neither the value nor the error
    value, influence = auroc_influence(np.r_[s, NAN, 0.3], np.r_[y, 1, NAN])
    agree(value, expected["auroc"], tolerance)
    agree(influence_se(influence, np.r_[p, 0, 0]), expected["se_cluster"], tolerance)


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("stratified_auroc"))
def test_auroc_within_problems(inputs, expected, tolerance):
    s, y = (np.array(inputs[name], float) for name in ("score", "label"))
    p = np.repeat(np.arange(len(s)), s.shape[1])
    agree(auroc(s.ravel(), y.ravel()), expected["pooled_auroc"], tolerance)
    agree(auroc_within(s.ravel(), y.ravel(), p), expected["within_problem_auroc_pair_weighted"], tolerance)
    agree(auroc_within(s.ravel(), y.ravel(), p, "problems"), expected["within_problem_auroc_mean"], tolerance)
    assert (auroc_pairs(s.ravel(), y.ravel(), p)[1] > 0).sum() == expected["n_problems_used"]


def test_pooled_auroc_of_a_judge_that_knows_only_difficulty():
    y = np.repeat([[0, 0, 0, 1], [1, 1, 1, 0]], 5, axis=0).ravel()
    s, p = np.repeat([0.2, 0.8], 20), np.repeat(np.arange(10), 4)
    assert auroc(s, y) == 0.75
    assert auroc_within(s, y, p) == 0.5
    with pytest.raises(KnobError, match="weights must be pairs or problems"):
        auroc_within(s, y, p, "pair")
    assert auroc_pairs([0.1, 0.2], [0, 1], [0, 3])[1].tolist() == [0, 0, 0, 0]


# ── acceptance and gaps ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("brier_auc"))
def test_acceptance_of_all_samples(inputs, expected, tolerance):
    for threshold in (0.5, 0.8):
        found = acceptance(inputs["score"], inputs["label"], threshold=threshold)
        counts = verdicts(inputs["score"], inputs["label"], threshold=threshold)
        want = expected[f"at_{threshold}"]
        agree(found[:5], [want[name] for name in ("accept_rate", "precision", "recall", "fpr", "fnr")], tolerance)
        agree(counts[:4], [want[name] for name in ("tp", "fp", "fn", "tn")])


@pytest.mark.parametrize(
    ("inputs", "expected", "tolerance"), oracle("edge_policy", lambda c: c["id"].startswith("accept"))
)
def test_edge_policy_of_acceptance(inputs, expected, tolerance):
    score = [NAN if x == "NaN" else x for x in inputs["score"]]
    found = acceptance(score, inputs["label"], threshold=inputs["threshold"])._asdict()
    for name, value in expected.items():
        if name != "accepted":
            agree(found[name], value, tolerance)
    assert (found["n"], found["unscored"]) == (len(score), np.isnan(score).sum())


def test_acceptance_by_group_counts_the_unknown():
    found = acceptance([0.9, 0.9, NAN, 0.1, 0.7], [1, NAN, 1, NAN, 0], [0, 0, 0, 2, 2], 0.5)
    agree(found.accept_rate, [2 / 3, NAN, 0.5])
    agree(found.precision, [1.0, NAN, 0.0])
    agree(found.recall, [0.5, NAN, NAN])
    agree(found.fpr, [NAN, NAN, 1.0])
    assert (found.n.tolist(), found.unscored.tolist(), found.unknown.tolist()) == ([3, 0, 2], [1, 0, 0], [1, 0, 1])
    assert acceptance([], []).n == 0
    assert math.isnan(acceptance([], []).accept_rate)
    with pytest.raises(KnobError, match="threshold must be a number"):
        acceptance([0.5], [1], threshold=NAN)
    with pytest.raises(KnobError, match="gold must be 0, 1"):
        acceptance([0.5], [0.5])


@settings(max_examples=40)
@given(judged(), ANY)
def test_verdicts_count_every_sample_once(data, threshold):
    s, y, p = data
    s[::5], y[::7] = np.nan, np.nan
    counts = verdicts(s, y, p, threshold)
    for g in set(p.tolist()):
        here = list(zip(s[p == g], y[p == g], strict=True))
        want = [
            sum((a >= threshold) == yes and b == truth for a, b in here)
            for yes, truth in product((True, False), (1, 0))
        ]
        assert [c[g] for c in counts[:4]] == want
        assert sum(c[g] for c in counts[:6]) == len(here)
        assert counts.unscored[g] == sum(np.isnan(a) for a, _ in here)


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("gv_gap"))
def test_generation_verification_gap(inputs, expected, tolerance):
    s, y = np.array(inputs["score"]), np.array(inputs["label"])
    p, threshold = np.repeat(np.arange(len(s)), s.shape[1]), inputs["threshold"]
    gap = gv_gap(s.ravel(), y.ravel(), p, threshold)
    relative = gv_gap_relative(s.ravel(), y.ravel(), p, threshold)
    agree(gap.mean(), expected["gap"], tolerance)
    agree(np.nanmean(relative), expected["gap_rel_mean_of_ratios"], tolerance)
    agree(gap.mean() / (1 - y.mean()), expected["gap_rel_ratio_of_means"], tolerance)
    assert no_accept(s.ravel(), y.ravel(), p, threshold) == expected["problems_with_no_accept"]
    agree(acceptance(s.ravel(), y.ravel(), threshold=threshold).precision, expected["micro_precision"], tolerance)
    for g in range(len(s)):
        assert gv_gap(s[g], y[g], threshold=threshold) == gap[g]


def test_gap_edges():
    agree(gv_gap([0.9, 0.9, 0.2], [NAN, 1, 0], [0, 2, 2]), [NAN, NAN, 0.5])
    agree(gv_gap_relative([0.9, 0.1], [1, 1]), NAN)
    assert math.isnan(gv_gap([], []))
    assert no_accept([], []) == 0
    assert gv_gap([], [], []).shape == (0,)


@settings(max_examples=40)
@given(judged(least=1, problems=3), st.sampled_from([0.01, 0.25, 0.5, 1.0]))
def test_top_precision_splits_ties_evenly(data, share):
    s, y, p = data
    s[::6] = np.nan
    found = top_precision(s, y, p, share)
    for g in set(p.tolist()):
        here = sorted(zip(np.where(np.isnan(s), -np.inf, s)[p == g], np.isnan(s)[p == g], y[p == g], strict=True))
        rank = [(a, not unscored) for a, unscored, _ in here]
        size = math.ceil(share * len(here))
        taken = 0.0
        for key in set(rank):
            above, tied = sum(r > key for r in rank), [t for r, (_, _, t) in zip(rank, here, strict=True) if r == key]
            taken += np.mean(tied) * min(max(size - above, 0), len(tied))
        assert found[g] == pytest.approx(taken / size, abs=1e-12)


def test_top_precision_edges():
    assert top_precision([0.9, 0.9, 0.1, 0.1], [1, 0, 0, 0]) == 0.5
    assert top_precision(np.arange(100.0), np.arange(100) >= 93, share=0.07) == 1.0
    agree(top_precision([0.5, NAN], [NAN, 1], [0, 2]), [NAN, NAN, 1.0])
    for share in (0.0, 1.5, NAN):
        with pytest.raises(KnobError, match="share must lie in"):
            top_precision([0.5], [1], share=share)


def test_performance_gap_recovered_by_hand():
    weak, student, ceiling = np.array([0.2, 0.4, 0.3]), np.array([0.5, 0.5, 0.2]), np.array([0.8, 0.9, 0.7])
    found = performance_gap_recovered(weak, student, ceiling)
    assert found.value == pytest.approx(0.3 / 1.5)
    rest = (student - weak) - found.value * (ceiling - weak)
    # ratio of means: SE = sd(rest)/sqrt(G)/mean gap, t_2 = 4.30265
    half = 4.302652729911275 * rest.std(ddof=1) / math.sqrt(3) / 0.5
    agree([found.low, found.high], [found.value - half, found.value + half], 1e-9)
    assert performance_gap_recovered([*weak, NAN], [*student, 1], [*ceiling, 1]) == found
    for ceiling in (weak, weak - 0.1):
        assert math.isnan(performance_gap_recovered(weak, student, ceiling).value)
    one = performance_gap_recovered([0.0], [0.5], [1.0])
    assert one.value == 0.5
    assert math.isnan(one.low)
    assert performance_gap_recovered([], [], []).n == 0
    with pytest.raises(KnobError, match="of one length"):
        performance_gap_recovered([0.1], [0.1], [0.1, 0.2])
    with pytest.raises(KnobError, match="level"):
        performance_gap_recovered(weak, student, ceiling, level=1)


# ── proxy against gold ────────────────────────────────────────────────────────────────────────────────────────


def test_hacking_is_alarmed_only_by_score_up_and_truth_down():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.3, 0.6, 50)
    up, down = base + rng.uniform(0.1, 0.3, 50), base - rng.uniform(0.1, 0.3, 50)
    assert hacking_index(base, base, up, down).alarm
    assert not hacking_index(base, base, up, up).alarm
    assert not hacking_index(base, base, base, down).alarm
    assert not hacking_index(base, base, down, down).alarm
    found = hacking_index(base, base, up, down)
    assert found.index == paired_t(base - base, up - down)
    assert found.score == paired_t(base, up)
    assert found.gold == paired_t(base, down)
    gone = hacking_index([*base, NAN], [*base, 0.1], [*up, 0.2], [*down, 0.3])
    assert gone == found
    assert not hacking_index([0.5], [0.5], [0.9], [0.1]).alarm
    assert math.isnan(hacking_index([], [], [], []).index.value)
    with pytest.raises(KnobError, match=r"must lie in \[0, 1\]"):
        hacking_index([2.0], [0.5], [0.5], [0.5])
    with pytest.raises(KnobError, match="of one length"):
        hacking_index([0.5], [0.5], [0.5], [0.5, 0.5])


@pytest.mark.parametrize(
    ("inputs", "expected", "tolerance"), oracle("recursion_theory", lambda c: c["id"].startswith("bonkl"))
)
def test_kl_of_best_of_n(inputs, expected, tolerance):
    agree(best_of_n_kl(inputs["n"]), expected["kl_continuous"], 1e-8)
    agree(best_of_n_kl(inputs["n"], inputs["binary_accept_prob"]), expected["kl_exact_binary_score"], 1e-8)


@given(st.integers(1, 200), st.floats(1e-6, 1 - 1e-6))
def test_kl_of_two_scores_stays_below_both_bounds(n, p):
    kl = best_of_n_kl(n, p)
    assert 0 <= kl <= min(best_of_n_kl(n), -math.log(p)) + 1e-9
    best = 1 - (1 - p) ** n
    if n * p > 1e-3 and best < 1:
        assert kl == pytest.approx(best * math.log(best / p) + (1 - best) * math.log((1 - best) / (1 - p)), abs=1e-9)


def test_kl_edges():
    agree(best_of_n_kl(5, [0.0, 1.0, NAN]), [0.0, 0.0, NAN])
    assert best_of_n_kl([[1], [4]], [0.2, 0.5, 0.7]).shape == (2, 3)
    with pytest.raises(KnobError, match="n must be whole numbers ≥ 1"):
        best_of_n_kl(0)
    with pytest.raises(KnobError, match=r"accept must lie in \[0, 1\], got 1.5"):
        best_of_n_kl(2, 1.5)


def test_overoptimisation_by_hand():
    # the judge loves one wrong sample in each problem
    score, gold = np.tile([0.9, 0.5, 0.2, 0.1], 12), np.tile([0, 1, 1, 0], 12)
    problem = np.repeat([f"p{i}" for i in range(12)], 4)
    table = overoptimisation(score, gold, problem, [1, 2, 4, 5])
    agree(table["gold"], [1 / 2, 1 / 2, 0.0, NAN])  # of 6 pairs 3 hold the loved one, 2 have a right best
    agree(table["score"], [0.425, (3 * 0.9 + 2 * 0.5 + 0.2) / 6, 0.9, NAN])
    agree(table["kl"], best_of_n_kl([1, 2, 4, 5]))
    assert table["below_k"].tolist() == [0, 0, 0, 12]
    assert table["problems"].tolist() == [12] * 4
    assert table.loc[3, ["low", "high", "score_low", "score_high"]].isna().all()
    assert (table["low"][:3] <= table["gold"][:3]).all()
    best = peak_k(score, gold, problem, [4, 2, 1, 5])
    assert best[:3] == (1.0, 1.0, 1.0)
    assert peak_k(score, gold, problem, [4, 5]).value == 4
    assert math.isnan(peak_k(score, gold, problem, [5]).value)
    assert math.isnan(peak_k(score[:4], gold[:4], problem[:4], [1, 2]).low)
    dropped = overoptimisation([*score, NAN], [*gold, 1], [*problem, "p0"], [1, 4])
    assert dropped["gold"].tolist() == [0.5, 0.0]
    assert overoptimisation([], [], [], [1])["gold"].isna().all()
    with pytest.raises(KnobError, match="ks must be whole numbers ≥ 1"):
        overoptimisation(score, gold, problem, [0])
    with pytest.raises(KnobError, match="finite"):
        peak_k([np.inf], [1], [0], [1])


def test_peak_of_a_judge_that_ranks_rightly_is_the_largest_k():
    rng = np.random.default_rng(0)
    gold = (rng.random(400) < 0.4).astype(float)
    found = peak_k(gold + rng.random(400), gold, np.repeat(np.arange(40), 10), [1, 2, 4, 8])
    assert found == (8.0, 8.0, 8.0, 40)


def test_gap_of_proxy_keeps_its_labels():
    assert proxy_gold_gap([0.9, 0.5, 0.5, 0.3], [1, 0, 1, NAN], list("aabb")) == pytest.approx((0.2 - 0.5) / 2)


# ── preference and revision ───────────────────────────────────────────────────────────────────────────────────


def test_self_preference_holds_truth_fixed():
    rng = np.random.default_rng(0)
    own, gold = np.tile([1, 1, 0, 0], 100), rng.random(400) < np.tile([0.8, 0.8, 0.3, 0.3], 100)
    problem = np.repeat(np.arange(100), 4)
    fair = self_preference(gold * 0.6 + 0.2 + 0.1 * rng.random(400), gold, own, problem)
    assert fair.low < 0 < fair.high
    bias = self_preference(gold * 0.6 + 0.1 * own + 0.05 * rng.random(400), gold, own, problem)
    assert bias.low < 0.1 < bias.high
    assert bias.n == 100
    assert bias.low > 0.05


def test_self_preference_by_hand():
    score, gold, own, problem = [0.9, 0.4, 0.6, 0.2, 0.8, 0.1], [1, 0, 1, 0, 1, 0], [1, 1, 0, 0, 1, 0], list("aaaabb")
    found = self_preference(score, gold, own, problem)
    value = (0.85 - 0.6) / 2 + (0.4 - 0.15) / 2
    assert found.value == pytest.approx(value)
    # a: ½·(0.9−0.85)/2 − ½·(0.2−0.15)/2 = 0, b: ½(0.8−0.85)/2 − ½(0.1−0.15)/2 = 0; so nothing varies
    assert found.n == 2
    assert self_preference([*score, 0.7, NAN], [*gold, 1, 1], [*own, 1, 1], [*problem, "c", "a"]) == found
    wide = self_preference([0.9, 0.4, 0.6, 0.2, 0.7, 0.3], gold, own, problem)
    # mean 0.8, 0.4, 0.6, 0.25; a: ½·0.1/2 − ½·(−0.05)/2, b minus that; t_1 = 12.7062
    half = 12.706204736174698 * math.sqrt(2 * 2 * 0.0375**2)
    agree([wide.low, wide.high], [wide.value - half, wide.value + half])
    assert math.isnan(self_preference([0.5, 0.5], [1, 1], [1, 0], [0, 0]).value)
    assert self_preference([], [], [], []).n == 0
    for own in ([2, 0], [NAN, 0], [1]):
        with pytest.raises(KnobError, match="own must say 0 or 1"):
            self_preference([0.5, 0.5], [1, 1], own, [0, 0])


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("self_correction"))
def test_self_correction(inputs, expected, tolerance):
    first, second = np.array(inputs["correct1"]), np.array(inputs["correct2"])
    for found in (self_correction(first, second), self_correction(first.ravel(), second.ravel())):
        assert set(found._asdict()) == set(expected)
        for name, value in expected.items():
            agree(getattr(found, name), value, tolerance)


PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 1.0, NAN]), st.sampled_from([0.0, 1.0, NAN])), max_size=20)


@given(PAIRS)
def test_second_accuracy_is_kept_plus_mended(pairs):
    found = self_correction([a for a, _ in pairs], [b for _, b in pairs])
    known = [(a, b) for a, b in pairs if not math.isnan(a + b)]
    if not known:
        assert all(math.isnan(x) for x in found)
        return
    kept, mended = (0.0 if math.isnan(x) else x for x in found[2:4])
    assert found.acc2 == pytest.approx(found.acc1 * kept + (1 - found.acc1) * mended, abs=1e-12)
    assert found.acc2 == pytest.approx(np.mean([b for _, b in known]))
    assert found.delta == pytest.approx(found.delta_i_to_c - found.delta_c_to_i, abs=1e-12)


def test_baseline_of_an_independent_second_sample_is_all_ordered_pairs():
    n, c = [4, 3, 1, 0], [1, 3, 1, 0]
    pairs = [
        (a, b, 1 / (size - 1))
        for size, right in zip(n, c, strict=True)
        for i, a in enumerate([1] * right + [0] * (size - right))
        for j, b in enumerate([1] * right + [0] * (size - right))
        if i != j
    ]
    found = independent_baseline(n, c)
    for first, value in ((1, found.confidence_level), (0, found.critique_score)):
        here = [(b, w) for a, b, w in pairs if a == first]
        assert value == pytest.approx(sum(b * w for b, w in here) / sum(w for _, w in here))
    assert all(math.isnan(x) for x in independent_baseline([1], [1]))
    with pytest.raises(KnobError):
        independent_baseline([1], [2])
    with pytest.raises(KnobError, match="of one shape"):
        self_correction([1], [1, 0])


# ── agreement ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("agreement"))
def test_agreement_of_packages(inputs, expected, tolerance):
    a, b = inputs["rater_a"], inputs["rater_b"]
    agree(kappa(a, b), expected["cohen_kappa_ab"], tolerance)
    agree(raw_agreement(a, b), expected["raw_agreement_ab"], tolerance)
    if "rater_c" in inputs:
        three = [a, b, inputs["rater_c"]]
        agree(kappa(a, b, "quadratic"), expected["cohen_kappa_ab_quadratic"], tolerance)
        agree(krippendorff_alpha(three), expected["krippendorff_nominal_abc"], tolerance)
        agree(krippendorff_alpha(inputs["with_missing"]), expected["krippendorff_nominal_missing"], tolerance)
        agree(fleiss_kappa(three), expected["fleiss_kappa_abc"], tolerance)
        words = [["abcd"[x] for x in rater] for rater in three]
        agree(kappa(*words[:2], "quadratic"), expected["cohen_kappa_ab_quadratic"], tolerance)
        agree(krippendorff_alpha(words), expected["krippendorff_nominal_abc"], tolerance)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=20))
def test_kappa_equals_scikit_learn(pairs):
    a, b = zip(*pairs, strict=True)
    if len(set(a) | set(b)) > 1:
        for weights in (None, "linear", "quadratic"):
            assert kappa(a, b, weights) == pytest.approx(cohen_kappa_score(a, b, weights=weights), abs=1e-12)
    else:
        assert math.isnan(kappa(a, b))


def test_agreement_edges():
    assert marginals(["x", "y", None], ["x", "x", "y"]).values.tolist() == [["x", 0.5, 1.0], ["y", 0.5, 0.0]]
    for function in (kappa, raw_agreement):
        assert math.isnan(function([], []))
        assert math.isnan(function([None], [1]))
        with pytest.raises(KnobError, match="of one length"):
            function([1], [1, 2])
    with pytest.raises(KnobError, match="nearest: 'linear'"):
        kappa([1], [1], "lineal")
    assert math.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    assert math.isnan(krippendorff_alpha([[1, None], [None, 1]]))
    assert math.isnan(fleiss_kappa([[1, 0]]))
    assert math.isnan(fleiss_kappa([[1, 1], [1, 1]]))
    assert fleiss_kappa([[1, 0, 1], [1, 0, None]]) == 1.0
    assert krippendorff_alpha(np.array([[1.0, 0.0, NAN], [1.0, 0.0, 1.0]])) == 1.0
    for function in (krippendorff_alpha, fleiss_kappa):
        for ratings in ([], [[1, 2], [1]]):
            with pytest.raises(KnobError, match="ratings must be"):
                function(ratings)


def test_votes_by_hand():
    answer = ["4", "4", "5", None, "7", "8", "8", "7", None]
    found = vote_reliability(answer, [0, 0, 0, 0, 1, 1, 1, 1, 2], ["4", "8", "1", "2"])
    agree(found.share, [2 / 3, 0.5, NAN, NAN])
    agree(found.right, [1.0, 0.5, NAN, NAN])
    assert found.answer.tolist() == ["4", "7", None, None]
    numbers = vote_reliability([4, 4, NAN, 2], [0, 0, 0, 1], [4, NAN])
    agree(numbers.share, [1.0, 1.0])
    agree(numbers.right, [1.0, NAN])
    assert vote_reliability([4.0], [0], [-2.0]).right.tolist() == [0.0]
    assert vote_reliability([], [], []).share.shape == (0,)
    assert vote_reliability(["4", "4.0"], [0, 0], ["4"]).share.tolist() == [0.5]  # labels are not read as numbers
    with pytest.raises(KnobError, match="of one kind, got '4' and 4"):
        vote_reliability(["4"], [0], [4])
    with pytest.raises(KnobError, match="below the 1 right answers"):
        vote_reliability([4], [1], [4])


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "c", None])), max_size=20))
def test_votes_equal_counting(rows):
    answer, problem = [a for _, a in rows], [p for p, _ in rows]
    found = vote_reliability(answer, problem, ["a", "b", None])
    for g, gold in enumerate(["a", "b", None]):
        cast = [a for p, a in rows if p == g and a is not None]
        counts = {a: cast.count(a) for a in cast}
        top = [a for a in counts if counts[a] == max(counts.values())]
        assert found.answer[g] == (top[0] if cast else None)
        agree(found.share[g], max(counts.values()) / len(cast) if cast else None)
        agree(found.right[g], (gold in top) / len(top) if cast and gold else None)
