"""Maps from score to P(right): against independent optima, their order, and what they do where little is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from siwork.metrics.calibration import brier, log_loss
from siwork.recalibration import METHODS, recalibration
from siwork.schema import KnobError

SCORE = st.floats(0, 1)
PAIRS = st.lists(st.tuples(SCORE, st.booleans()), min_size=2, max_size=40)


def drawn(n=400, seed=0, bend=2.0):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return score, (rng.random(n) < score**bend).astype(float)


@given(PAIRS)
def test_isotonic_rises_and_is_never_worse_than_the_score_on_its_own_samples(pairs):
    score, gold = np.array(pairs, float).T
    fitted = recalibration(score, gold, "isotonic")
    assert (np.diff(fitted.apply(np.linspace(0, 1, 50))) >= -1e-12).all()
    assert brier(fitted.apply(score), gold) <= brier(score, gold) + 1e-12


@given(PAIRS)
def test_every_map_gives_probabilities_and_keeps_what_is_unscored(pairs):
    score, gold = np.array(pairs, float).T
    for method in METHODS:
        found = recalibration(score, gold, method).apply([[0.0, 0.3], [1.0, np.nan]])
        assert found.shape == (2, 2)
        assert np.isnan(found[1, 1])
        assert ((found.ravel()[:3] >= 0) & (found.ravel()[:3] <= 1)).all()


@given(PAIRS, st.lists(SCORE, min_size=2, max_size=20))
def test_temperature_keeps_the_order_and_one_half(pairs, others):
    score, gold = np.array(pairs, float).T
    fitted = recalibration(score, gold, "temperature")
    assert (np.diff(fitted.apply(np.sort(others))) >= 0).all()
    assert fitted.apply(0.5) == 0.5
    assert 1 / 20 - 1e-9 <= fitted.temperature <= 20 + 1e-9


@given(PAIRS, st.randoms())
def test_the_order_of_samples_changes_nothing(pairs, luck):
    moved = list(pairs)
    luck.shuffle(moved)
    at = np.linspace(0, 1, 11)
    for method in METHODS:
        one, other = (recalibration(*np.array(each, float).T, method).apply(at) for each in (pairs, moved))
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_platt_is_that_of_scikit_learn(seed):
    score, gold = drawn(seed=seed)
    fitted = recalibration(score, gold, "platt")
    other = _SigmoidCalibration().fit(logit(score), gold)  # p = 1/(1 + exp(a x + b))
    assert (fitted.slope, fitted.offset) == pytest.approx((-other.a_, -other.b_), abs=1e-4)
    np.testing.assert_allclose(fitted.apply(score), other.predict(logit(score)), atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_platt_and_temperature_are_the_optimum_that_another_search_finds(seed):
    score, gold = drawn(60, seed)
    right, wrong = gold.sum(), 60 - gold.sum()
    target = np.where(gold == 1, (right + 1) / (right + 2), 1 / (wrong + 2))

    def loss(x, t):
        p = expit(x)
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))

    how = {"method": "BFGS", "options": {"gtol": 1e-7}}
    platt = minimize(lambda ab: loss(ab[0] * logit(score) + ab[1], target), [1.0, 0.0], **how)
    fitted = recalibration(score, gold, "platt")
    assert (fitted.slope, fitted.offset) == pytest.approx(tuple(platt.x), abs=1e-4)
    sharp = minimize(lambda u: loss(u[0] * logit(score), gold), [1.0], **how)
    assert 1 / recalibration(score, gold, "temperature").temperature == pytest.approx(sharp.x[0], abs=1e-4)


def test_isotonic_is_that_of_scikit_learn():
    score, gold = drawn()
    other = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(score, gold)
    at = np.linspace(0, 1, 101)
    np.testing.assert_allclose(recalibration(score, gold, "isotonic").apply(at), other.predict(at), atol=1e-12)


def test_a_known_temperature_and_a_known_line_are_found_again():
    rng = np.random.default_rng(1)
    odds = 2 * rng.standard_normal(200_000)  # standard error of a slope about 0.004
    gold = rng.random(200_000) < expit(odds)
    assert recalibration(expit(3 * odds), gold, "temperature").temperature == pytest.approx(3, abs=0.05)
    fitted = recalibration(expit(2 * odds + 1), gold, "platt")  # odds = (x − 1)/2
    assert (fitted.slope, fitted.offset) == pytest.approx((0.5, -0.5), abs=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_maps_mend_a_score_that_promises_too_much_on_other_samples(method):
    rng = np.random.default_rng(2)
    odds = rng.standard_normal(4000)
    gold, score = (rng.random(4000) < expit(odds)).astype(float), expit(4 * odds)
    fitted = recalibration(score[:2000], gold[:2000], method)
    assert log_loss(fitted.apply(score[2000:]), gold[2000:]) < log_loss(score[2000:], gold[2000:]) - 0.1


# ── where little is known ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("gold", "share"), [([1, 1, 1], 1.0), ([0, 0, 0], 0.0)])
def test_labels_of_one_class(gold, share):
    score = [0.2, 0.7, 0.9]
    assert recalibration(score, gold, "isotonic").apply([0.1, 0.95]).tolist() == [share, share]
    smoothed = 4 / 5 if share else 1 / 5  # (3 + 1)/(3 + 2), 1/(3 + 2)
    assert recalibration(score, gold, "platt").apply([0.1, 0.95]) == pytest.approx([smoothed] * 2)
    assert recalibration(score, gold, "temperature").apply([0.1, 0.95]) == pytest.approx([0.1, 0.95])


def test_scores_all_equal():
    assert recalibration([0.8] * 4, [1, 0, 0, 0], "isotonic").apply([0.1, 0.8]).tolist() == [0.25, 0.25]
    fitted = recalibration([0.8] * 4, [1, 0, 0, 0], "platt")
    mean = (2 / 3 + 3 * (1 / 5)) / 4  # targets (1 + 1)/(1 + 2) and 1/(3 + 2)
    assert fitted.slope == 1
    assert fitted.apply(0.8) == pytest.approx(mean)
    assert recalibration([0.8] * 4, [1, 1, 1, 0], "temperature").apply(0.8) == pytest.approx(0.75, abs=1e-6)
    assert recalibration([0.5] * 4, [1, 1, 1, 0], "temperature").temperature == 1


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_exactly_0_and_1_are_mapped(method):
    found = recalibration([0, 1, 1, 0, 1], [0, 1, 1, 0, 0], method).apply([0.0, 1.0])
    assert np.isfinite(found).all()
    assert found[0] < found[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (([0.5], [1], "platt"), "at least 2 samples"),
        (([0.5, np.nan], [1, 0], "isotonic"), "at least 2 samples"),
        (([0.5, 0.6], [1, np.nan], "temperature"), "at least 2 samples"),
        (([0.5, 1.2], [1, 0], "platt"), "score must be in [0, 1], got 1.2"),
        (([0.5, 0.2], [1, 0.5], "platt"), "gold must be 0, 1 or NaN"),
        (([0.5, 0.2], [1], "platt"), "of one length, got (2,) and (1,)"),
        (([0.5, 0.2], [1, 0], "plat"), "got 'plat'; nearest: 'platt'"),
    ],
)
def test_what_cannot_be_fitted_is_one_sentence(given, words):
    with pytest.raises(KnobError) as caught:
        recalibration(*given)
    assert words in str(caught.value)


def test_a_map_refuses_what_is_no_probability():
    with pytest.raises(KnobError, match=r"score must be in \[0, 1\], got -0.1"):
        recalibration([0.2, 0.8], [0, 1], "isotonic").apply([-0.1])
