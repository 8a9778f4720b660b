"""Calibration: bins, errors, smooth error, Brier, ranking, transport; reference values, naive code, hand-worked sums."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from siwork.metrics.calibration import (
    ace,
    auroc,
    auroc_influence,
    auroc_pairs,
    auroc_within,
    average_precision,
    binned,
    brier,
    brier_decomposition,
    calibrated_p,
    confident_errors,
    ece,
    ece2_debiased,
    ece2_interval,
    ece_floor,
    isotonic_map,
    log_loss,
    mass_edges,
    mce,
    reliability,
    rmsce,
    smooth_ece,
    smooth_ece_floor,
    transport,
)
from siwork.metrics.calibration.quadratic import quadratic_tail
from siwork.metrics.intervals import grouped_ratio
from siwork.metrics.uncertainty import wilson
from siwork.schema import KnobError

ORACLES = Path(__file__).parent / "golden" / "oracles"
NAN = float("nan")


def oracle(name, keep=lambda case: True):
    data = json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))
    tolerance = data["tolerance"].get("abs", data["tolerance"].get("abs_exact"))
    cases = [pytest.param(c["inputs"], c["expected"], tolerance, id=c["id"]) for c in data["cases"] if keep(c)]
    assert cases
    return cases


def agree(got, expected, tolerance=1e-12):
    expected = np.array([NAN if e is None else e for e in np.atleast_1d(np.asarray(expected, object))], float)
    np.testing.assert_allclose(np.atleast_1d(got), expected, rtol=0, atol=tolerance, equal_nan=True)


SHARES = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), st.floats(0, 1))


@st.composite
def judged(draw, least=0, problems=4, scores=SHARES):
    n = draw(st.integers(least, 30))
    s = draw(st.lists(scores, min_size=n, max_size=n))
    y = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    p = draw(st.lists(st.integers(0, problems - 1), min_size=n, max_size=n))
    return np.array(s, float), np.array(y, float), np.array(p, int)


# ── bins ──────────────────────────────────────────────────────────────────────────────────────────────────────


def naive_bins(s, bins, by):
    if by == "auto":
        by = "value" if len(set(s)) <= bins else "mass"
    if by == "value":
        return [sorted(set(s)).index(x) for x in s]
    if by == "mass":
        return [sorted(s).index(x) * bins // len(s) for x in s]
    edges = np.linspace(0, 1, bins + 1)
    return [max(b for b in range(bins) if edges[b] <= x) for x in s]


@settings(max_examples=60)
@given(judged(), st.integers(1, 12), st.sampled_from(["auto", "value", "mass", "width"]))
def test_bins_are_those_of_the_definition(data, bins, by):
    assert binned(data[0], bins, by).tolist() == naive_bins(data[0].tolist(), bins, by)


@given(judged(), st.integers(1, 12), st.sampled_from(["auto", "mass", "value"]))
def test_edges_give_the_same_bins_again(data, bins, by):
    s = data[0]
    edges = mass_edges(s, bins, by)
    assert (np.diff(edges) > 0).all()
    codes = np.unique(binned(s, bins, by), return_inverse=True)[1]
    assert binned(s, edges=edges).tolist() == codes.tolist()


def test_bins_of_many_samples_are_those_of_few():
    s = np.random.default_rng(0).random(6000).round(3)
    for by in ("mass", "width"):
        whole = binned(s, 10, by)
        edges = mass_edges(s, 10, by)
        assert whole.tolist() == [c for i in range(0, 6000, 1000) for c in binned(s[i : i + 1000], edges=edges)]
    assert binned(np.round(s, 1), 11).tolist() == np.rint(s.round(1) * 10).astype(int).tolist()
    assert len(set(binned(s, 20, "value").tolist())) == len(set(s.tolist()))


def test_bins_of_odd_scores():
    assert binned([0.3, NAN, 0.1]).tolist() == [1, -1, 0]
    assert binned([-np.inf, 5.0, np.inf, 5.0], 2, "mass").tolist() == [0, 0, 1, 0]
    assert binned([]).tolist() == []
    assert mass_edges([]).tolist() == [0.0, 1.0]
    assert mass_edges([0.0, 1.0], 10, "auto").tolist() == [0.0, 1.0, np.nextafter(1.0, 2.0)]
    assert mass_edges([-2.0, NAN, 4.0], 2).tolist() == [-np.inf, 4.0, np.inf]
    assert mass_edges([-2.0, np.inf], 2).tolist() == [-np.inf, np.inf]
    assert mass_edges([0.4], 4, "width").tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "masss"}, "nearest: 'mass'"),
        ({"bins": 0}, "whole number ≥ 1, got 0"),
        ({"bins": 2.5}, "whole number ≥ 1, got 2.5"),
        ({"edges": [0.0, 0.5, 0.5, 1.0]}, "rising"),
        ({"edges": [0.0, 0.5]}, r"hold all scores, got 0\.\.0\.5"),
    ],
)
def test_bad_bins_are_refused(options, message):
    for function in (binned, lambda s, **o: ece(s, np.zeros(len(s)), **o)):
        with pytest.raises(KnobError, match=message):
            function([0.1, 0.9], **options)
    with pytest.raises(KnobError, match="flat"):
        binned([[0.1]])


def test_reliability_table_by_hand():
    score, gold, problem = [0.2, 0.2, 0.2, 0.2, 0.9, 0.9, NAN], [0, 1, 0, 0, 1, 1, 1], list("aabbccd")
    table = reliability(score, gold, problem)
    assert table.columns.tolist() == ["bin", "least", "greatest", "count", "problems", "score", "gold", "low", "high"]
    assert table["count"].tolist() == [4, 2]
    assert table["problems"].tolist() == [2, 1]
    assert table["gold"].tolist() == [0.25, 1.0]
    assert table[["low", "high"]].isna().all(axis=None)  # two problems and one are too few for an interval
    rng = np.random.default_rng(0)
    gold, problem = rng.integers(0, 2, 240), np.arange(240) // 4
    many = reliability(np.full(240, 0.4), gold, problem).iloc[0]
    c = np.bincount(problem, gold)
    known = grouped_ratio(c, np.full(60, 4.0), np.zeros(60, np.int64), 1)
    agree(many[["low", "high"]], (known.low[0], known.high[0]))
    assert many["low"] < many["gold"] < many["high"]
    alone = reliability(np.full(60, 0.4), np.arange(60) % 2)
    agree(alone[["low", "high"]].iloc[0], wilson(30, 60))
    assert len(reliability([], [])) == 0


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("calibration_error"))
def test_calibration_error_of_packages(inputs, expected, tolerance):
    s, y, bins = inputs["score"], inputs["label"], inputs["n_bins"]
    wide, mass = {"bins": bins, "by": "width"}, {"bins": bins, "by": "mass"}
    table = reliability(s, y, **wide)
    held = np.array(expected["bins"]["count"]) > 0
    for name, column in (("count", 1), ("sum_score", table["score"]), ("sum_label", table["gold"])):
        agree(table["count"] * column, np.array(expected["bins"][name])[held], tolerance)
    agree(ece(s, y, **wide), expected["ece"], tolerance)
    agree(mce(s, y, **wide), expected["mce"], tolerance)
    agree(rmsce(s, y, **wide), expected["rmsce"], tolerance)
    agree(ace(s, y, **wide), expected["ace_unweighted_equal_width"], tolerance)
    agree(ece_floor(s, y, **wide), expected["null_floor_ece"], tolerance)
    agree(ece2_debiased(s, y, **wide), expected["ece2_debiased_equal_width"], tolerance)
    agree(ece(s, y, **mass), expected["ece_equal_mass_ties_together"], tolerance)
    agree(ace(s, y, bins), expected["ace_equal_mass_ties_together"], tolerance)
    agree(ece2_debiased(s, y, **mass), expected["ece2_debiased_equal_mass"], tolerance)
    if "ece_by_unique_score" in expected:
        agree(ece(s, y), expected["ece_by_unique_score"], tolerance)
        agree(ece2_debiased(s, y), expected["ece2_debiased_by_unique_score"], tolerance)


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("calibration_clustered"))
def test_debiased_error_over_problems(inputs, expected, tolerance):
    s, y, p = (inputs[name] for name in ("score", "label", "group"))
    how = {"bins": inputs["n_bins"], "by": "width"}
    agree(ece(s, y, **how), expected["ece"], tolerance)
    agree(ece2_debiased(s, y, **how), expected["ece2_debiased_iid"], tolerance)
    agree(ece2_debiased(s, y, p, **how), expected["ece2_debiased_cluster"], tolerance)
    agree(ece_floor(s, y, p, **how), expected["cluster_floor_ece"], tolerance)
    found = calibrated_p(s, y, p, **how)
    agree(found.statistic, expected["ece2_plugin"], tolerance)
    agree(found.share, expected["share_of_samples_in_bins_used"], tolerance)
    assert 0 < found.p <= 1
    problems = [b["n_groups"] for b in expected["bins"] if b]
    assert reliability(s, y, p, **how)["problems"].tolist() == problems


def naive_ece2(s, y, p, codes):
    total, value, plug = len(s), 0.0, 0.0
    for b in set(codes):
        here = codes == b
        r, whose = (s - y)[here], p[here]
        held = len(set(whose))
        if held < 2:
            continue
        gap = r.mean()
        variance = held / (held - 1) * sum((r[whose == g] - gap).sum() ** 2 for g in set(whose)) / len(r) ** 2
        value, plug = value + len(r) / total * (gap**2 - variance), plug + len(r) / total * gap**2
    return value, plug


@settings(max_examples=60)
@given(judged(least=2), st.integers(1, 6))
def test_debiased_error_equals_the_loop_over_bins_and_problems(data, bins):
    s, y, p = data
    codes = binned(s, bins)
    value, plug = naive_ece2(s, y, p, codes)
    found, test = ece2_debiased(s, y, p, bins), calibrated_p(s, y, p, bins)
    if test.bins == 0:
        assert math.isnan(found)
        assert math.isnan(test.p)
    else:
        agree(found, value)
        agree(test.statistic, plug)
        assert math.isnan(test.p) or 0 <= test.p <= 1
        order = np.random.default_rng(0).permutation(len(s))
        agree(ece2_debiased(s[order], y[order], p[order] * 7 - 3, bins), value)  # any labels, any order


def test_interval_of_the_debiased_error_stands_where_the_variance_puts_it():
    rng = np.random.default_rng(5)
    p = np.repeat(np.arange(60), 4)
    s = rng.random(240).round(1)
    y = (rng.random(240) < s**3).astype(float)  # scores far too high
    found = ece2_interval(s, y, p, bins=4)
    codes = binned(s, 4)
    value, plug = naive_ece2(s, y, p, codes)
    assert not found.bound
    agree([found.value, found.n], [value, 60])
    gap = np.array([(s - y)[codes == b].mean() for b in codes])
    share = 2 * gap * (s - y - gap) + gap**2 - plug  # what each sample adds
    u = np.bincount(p, share) / len(s)
    spread = 60 / 59 * np.sum(u**2)
    bins = np.unique(codes)
    rest = np.array([[(s - y - gap)[(p == g) & (codes == b)].sum() for b in bins] for g in range(60)])
    held = np.array([len(np.unique(p[codes == b])) for b in bins])
    size = np.array([(codes == b).sum() for b in bins])
    covariance = (rest * np.sqrt(held / (held - 1)) / size).T @ (rest * np.sqrt(held / (held - 1)) / size)
    root = np.sqrt(size / len(s))
    noise = 2 * np.sum((root[:, None] * covariance * root) ** 2)
    variance = max(spread - noise, spread / 2)
    for end in (found.low, found.high):  # both are equally many standard errors of their own away
        step = abs(end - value) / np.sqrt(noise + (variance - noise) / value * end)
        assert 2.0 < step < 2.0 * 1.1


def test_a_small_calibration_error_has_a_bound_only():
    rng = np.random.default_rng(8)
    p = np.repeat(np.arange(40), 4)
    s = rng.choice([0.2, 0.5, 0.8], 160)
    found = ece2_interval(s, (rng.random(160) < s).astype(float), p)
    assert found.bound
    assert found.low == min(found.value, 0)
    assert 0 < found.high < 0.1
    none = ece2_interval([0.5], [1], [0])
    assert math.isnan(none.value)
    assert none.n == 1
    few = ece2_interval(s[:16], np.zeros(16), p[:16])
    assert few.n == 4
    assert math.isnan(few.low)


def test_a_calibrated_judge_passes_and_another_does_not():
    rng = np.random.default_rng(0)
    s = rng.random((300, 8))
    common = rng.random((300, 1))
    y = (norm.cdf(0.8 * norm.ppf(common) + 0.6 * rng.standard_normal((300, 8))) < s).astype(float)
    p = np.repeat(np.arange(300), 8)
    s, y = s.ravel(), y.ravel()
    assert calibrated_p(s, y, p).p > 0.05
    assert calibrated_p(s**2, y, p).p < 1e-6
    assert ece2_interval(s, y, p).low < 0 < ece2_interval(s, y, p).high
    truth = 1 / 5 - 2 / 4 + 1 / 3  # ∫ (s² − s)² ds, nearly constant within ten bins
    found = ece2_interval(s**2, y, p)
    assert found.low < truth < found.high
    assert found.low > 0.01
    # several samples a problem: the independent form leaves bias, the floor of independent samples is too low
    assert ece2_debiased(s, y, p) < ece2_debiased(s, y)
    alike, same = np.repeat(s[::8], 8), np.repeat(y[::8], 8)
    assert ece_floor(alike, same, p) == pytest.approx(math.sqrt(8) * ece_floor(alike, same), rel=0.15)
    assert calibrated_p([1.0, 1.0, 0.0, 0.0], [1, 1, 0, 0], [0, 1, 0, 1]).p == 1.0  # no gap to test
    assert math.isnan(calibrated_p([1.0, 1.0], [0, 0], [0, 1]).p)


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_tail_of_a_weighted_sum_of_squares(size):
    for p in (0.999, 0.9, 0.5, 0.05, 1e-4, 1e-12):
        got = quadratic_tail(chi2.isf(p, size), np.ones(size), np.eye(size))
        assert got == pytest.approx(p, rel=1e-6)
    weight = np.array([0.5, 0.3, 0.2])
    covariance = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 0.1]])
    z = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, 200_000)
    for value in (0.1, 1.0, 4.0):
        assert quadratic_tail(value, weight, covariance) == pytest.approx(np.mean(z**2 @ weight >= value), abs=0.004)
    assert quadratic_tail(0.0, weight, covariance) == 1.0
    assert math.isnan(quadratic_tail(1.0, weight, np.zeros((3, 3))))


# ── smooth error ──────────────────────────────────────────────────────────────────────────────────────────────


def naive_smooth(s, y, sigma):
    t = np.linspace(0, 1, 4001)[:, None]
    kernel = sum(norm.pdf(t, s + 2 * k, sigma) + norm.pdf(t, -s + 2 * k, sigma) for k in range(-2, 3))
    return np.trapezoid(np.abs((kernel * (s - y)).mean(axis=1)), dx=1 / 4000)


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("smooth_ece"))
def test_smooth_error_of_the_exact_integral(inputs, expected, tolerance):
    s, y = inputs["score"], inputs["label"]
    for name, value in expected.items():
        if name.startswith("sigma_"):
            agree(smooth_ece(s, y, float(name[6:])), value, tolerance)
    agree(smooth_ece(s, y), expected["smece_fixed_point"], tolerance)
    agree(smooth_ece(s, y, smooth_ece(s, y)), smooth_ece(s, y), 1e-8)


@settings(max_examples=15)
@given(judged(least=1), st.sampled_from([0.03, 0.1, 0.5]))
def test_smooth_error_equals_the_integral(data, sigma):
    s, y, _ = data
    agree(smooth_ece(s, y, sigma), naive_smooth(s, y, sigma), 1e-3)


def test_smooth_error_of_simple_judges():
    assert smooth_ece([0.0, 1.0], [0, 1]) == 0.0
    assert smooth_ece([1.0, 1.0], [0, 0]) == pytest.approx(1.0, abs=1e-6)
    assert math.isnan(smooth_ece([], []))
    assert math.isnan(smooth_ece_floor([NAN], [1]))
    # scores uniform, independent samples: 0.053, 0.030, 0.014
    for n, floor in ((200, 0.053), (1000, 0.030), (10_000, 0.014)):
        s = (np.arange(n) + 0.5) / n
        assert smooth_ece_floor(s, np.zeros(n)) == pytest.approx(floor, abs=0.003)
    for bandwidth in (0.0, -1.0, NAN):
        with pytest.raises(KnobError, match="bandwidth must be above 0"):
            smooth_ece([0.5], [1], bandwidth)
    with pytest.raises(KnobError, match="draws must be"):
        smooth_ece_floor([0.5], [1], draws=0)


# ── Brier ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("brier_auc"))
def test_proper_scores_and_ranks_of_scikit_learn(inputs, expected, tolerance):
    s, y = inputs["score"], inputs["label"]
    agree(brier(s, y), expected["brier_score"], tolerance)
    agree(log_loss(s, y), expected["log_loss_sklearn"], tolerance)
    agree(auroc(s, y), expected["auroc"], tolerance)
    agree(average_precision(s, y), expected["average_precision"], tolerance)
    parts = expected["decomposition_10_equal_width"]
    found = brier_decomposition(s, y, by="width")
    agree(found[:6], [parts[k] for k in ("brier", "reliability", "resolution", "uncertainty", "wbv", "wbc")], tolerance)
    found = brier_decomposition(s, y, by="width", corrected=True)
    agree(found[1:4], [parts[f"{k}_bc"] for k in ("reliability", "resolution", "uncertainty")], tolerance)


@settings(max_examples=60)
@given(judged(least=2), st.integers(1, 8), st.sampled_from(["auto", "value", "mass", "width"]), st.booleans())
def test_brier_is_the_sum_of_its_parts(data, bins, by, corrected):
    s, y, _ = data
    whole, rel, res, unc, wbv, wbc, skill = brier_decomposition(s, y, bins, by, corrected)
    assert whole == pytest.approx(rel - res + unc + wbv - wbc, abs=1e-12)
    assert whole == brier(s, y)
    if by == "value":
        assert abs(wbv) + abs(wbc) < 1e-12
    assert math.isnan(skill) == (unc == 0)


def test_brier_edges():
    assert all(math.isnan(x) for x in brier_decomposition([], []))
    one = brier_decomposition([0.5], [1], corrected=True)
    assert one.brier == 0.25
    assert all(math.isnan(x) for x in one[1:])
    assert log_loss([0.0], [1]) == pytest.approx(36.04, abs=0.01)
    assert confident_errors([0.0, 1.0, 0.5, NAN], [1, 1, 0, 1]) == pytest.approx(1 / 3)
    for function in (brier, log_loss, confident_errors):
        assert math.isnan(function([NAN], [1]))


# ── edges that hold for all ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("inputs", "expected", "tolerance"), oracle("edge_policy", lambda c: "n_bins" in c["inputs"]))
def test_edge_policy_of_calibration(inputs, expected, tolerance):
    s, y = [NAN if x == "NaN" else x for x in inputs["score"]], inputs["label"]
    if isinstance(expected, str):
        for function in (
            ece,
            mce,
            ace,
            rmsce,
            ece_floor,
            ece2_debiased,
            smooth_ece,
            brier,
            log_loss,
            brier_decomposition,
        ):
            with pytest.raises(ValueError, match=r"score must be in \[0, 1\], got 1.2"):
                function(s, y)
        assert auroc(s, y) == 1.0
        return
    parts = brier_decomposition(s, y)
    found = {
        "ece": ece(s, y),
        "brier": brier(s, y),
        "auroc": auroc(s, y),
        "average_precision": average_precision(s, y),
        "log_loss": log_loss(s, y),
        "resolution": parts.resolution,
        "uncertainty": parts.uncertainty,
        "n_scored": reliability(s, y)["count"].sum(),
        "n_unscored": np.isnan(s).sum(),
    }
    for name, value in expected.items():
        agree(found[name], value, tolerance)


def test_nothing_known_is_nan_everywhere():
    for s, y in (([], []), ([NAN], [1]), ([0.5], [NAN])):
        for function in (ece, mce, ace, rmsce, ece_floor, ece2_debiased, auroc, average_precision):
            assert math.isnan(function(s, y))
        assert math.isnan(ece2_debiased(s, y, [0] * len(s)))
        assert math.isnan(calibrated_p(s, y).share)
        assert math.isnan(auroc_within(s, y, [0] * len(s)))
    assert math.isnan(mce([0.5], [1], min_count=2))
    assert math.isnan(ece_floor([0.5], [1], ["a"]))
    assert calibrated_p([0.5], [1], ["a"])[2:] == (0.0, 0)


def test_unknown_samples_change_nothing():
    s, y, p = np.array([0.2, 0.9, 0.2, 0.9]), np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1])
    more = np.r_[s, NAN, 0.7], np.r_[y, 1, NAN], np.r_[p, 0, 1]
    for function in (
        ece,
        mce,
        ace,
        rmsce,
        ece_floor,
        ece2_debiased,
        smooth_ece,
        brier,
        log_loss,
        auroc,
        average_precision,
    ):
        assert function(*more[:2]) == function(s, y)
    for function in (ece_floor, ece2_debiased, auroc_within):
        assert function(*more) == function(s, y, p)


def test_bad_inputs_are_refused():
    for function in (ece, smooth_ece, brier, auroc, average_precision, auroc_influence):
        with pytest.raises(KnobError, match="gold must be 0, 1 or NaN where unknown, got 2"):
            function([0.5], [2])
        with pytest.raises(KnobError, match="of one length"):
            function([0.5], [1, 0])
    with pytest.raises(KnobError, match="missing label"):
        reliability([0.5, 0.2], [1, 0], ["a", None])
    with pytest.raises(KnobError, match="of one length"):
        ece2_debiased([0.5, 0.2], [1, 0], ["a"])
    with pytest.raises(KnobError, match="whole numbers"):
        auroc_pairs([0.5, 0.2], [1, 0], [0.5, 1])
    for level in (0, 1, NAN):
        for function in (reliability, ece2_interval):
            with pytest.raises(KnobError, match="level"):
                function([0.5, 0.2], [1, 0], [0, 1], level=level)


# ── transport ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_isotonic_map_pools_weighs_and_stays_in_range():
    # 1 and 2 violate, so they pool; problem weights make b's two samples count ½ each
    found = isotonic_map([0.0, 1.0, 2.0, 2.0], [0, 1, 0, 1], ["a", "b", "c", "b"])
    agree(found([0.0, 1.0, 2.0]), [0.0, 0.5, 0.5])
    agree(found([-np.inf, np.inf, NAN]), [0.0, 0.5, NAN])
    assert np.isnan(isotonic_map([], [])([0.3, 0.4])).all()
    with pytest.raises(KnobError, match="finite"):
        isotonic_map([np.inf], [1])


@given(judged(least=1, scores=st.floats(-3, 3)))
def test_isotonic_map_rises_and_is_calibrated_where_it_was_fitted(data):
    s, y, _ = data
    fitted = isotonic_map(s, y)
    mapped = fitted(np.sort(s))
    assert (np.diff(mapped) >= -1e-12).all()
    assert fitted(s).mean() == pytest.approx(y.mean(), abs=1e-9)


def rounds(seed, problems=150, samples=6, harder=0.0, lifted=0.0):
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((problems, 1))
    made = []
    for shift, lift in ((0.0, 0.0), (harder, lifted)):
        s = rng.standard_normal((problems, samples)) - shift
        noise = 0.7 * common + 0.71 * rng.standard_normal((problems, samples))
        made += [(s + lift).ravel(), (norm.cdf(noise) < 1 / (1 + np.exp(-1.5 * s))).astype(float).ravel()]
    return (*made, *[np.repeat(np.arange(problems), samples)] * 2)


def test_an_unchanged_judge_passes_also_where_the_policy_moved():
    for harder in (0.0, 0.7):
        found = [transport(*rounds(seed, harder=harder), seed=seed) for seed in range(12)]
        assert sum(f.p < 0.05 for f in found) <= 3
        assert sum(f.gap_low <= 0 <= f.gap_high for f in found) >= 9
        assert 0 < sum(f.ece2 < 0 for f in found) < len(found)  # around 0
        assert all(f.n == 150 and f.share == 1.0 for f in found)


def test_a_judge_that_came_to_flatter_is_found():
    found = transport(*rounds(0, lifted=0.5))
    assert found.p < 0.001
    assert found.gap_low > 0.02
    assert found.ece2 > 0
    s0, y0, s1, y1, p, _ = rounds(0, lifted=0.5)
    apart = transport(s0, y0, s1, y1, p, p + 1000)  # no problem in common
    assert apart.n == 300
    assert apart.gap_low > 0
    assert apart.gap_high - apart.gap_low > found.gap_high - found.gap_low


def test_transport_gap_by_hand():
    score, gold, problem = [0.2, 0.8] * 30, [0, 1] * 30, [f"p{i // 2}" for i in range(60)]
    same = transport(score, gold, score, gold, problem, problem)
    assert (same.ece2, same.gap, same.p, same.share) == (0.0, 0.0, 1.0, 1.0)
    # mapped scores are 0 and 1; the later judge gives 0.8 to as many wrong samples as right ones
    late = transport(score, gold, [0.8] * 60, gold, problem, problem)
    assert late.gap == pytest.approx(0.5, abs=1e-12)
    assert late.share == 1.0
    none = transport([], [], [], [], [], [])
    assert math.isnan(none.p)
    assert math.isnan(none.share)
    one = transport([0.5], [1], [0.5], [0], [0], [0])
    assert math.isnan(one.ece2)
    assert one.n == 1
    two = transport([0.5] * 2, [1, 0], [0.5, 0.9], [0, 0], [0, 1], [0, 0])
    assert (two.n, two.share) == (2, 0.0)  # the later round has one problem
    assert math.isnan(two.p)


def test_transport_refuses_what_it_cannot_map():
    with pytest.raises(KnobError, match="finite"):
        transport([np.inf], [1], [0.5], [0], [0], [0])
    with pytest.raises(KnobError, match="of one length"):
        transport([0.5], [1], [0.5], [0, 1], [0], [0])
    with pytest.raises(KnobError, match="level"):
        transport([0.5], [1], [0.5], [0], [0], [0], level=2)
