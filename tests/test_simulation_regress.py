"""Self-distillation of linear regression: closed forms against trained students, exact fractions and known limits."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar

from siwork.schema import KnobError
from siwork.simulation.regress import (
    Noised,
    Separation,
    best_imitation,
    distillation_ratio,
    imitation_table,
    ratio_table,
    sampled_risk,
    trained,
)
from siwork.simulation.spectral import (
    KINDS,
    Design,
    best_risks,
    best_shares,
    best_xi,
    design,
    distilled_shares,
    reaching_xi,
    ridge_shares,
    risk,
    turning_variance,
)

real = st.floats(-3.0, 3.0)
weights = st.lists(st.floats(-2.0, 2.5), max_size=5)
ridges = st.floats(0.05, 20.0)


@st.composite
def designs(draw, least=0.05):
    d = draw(st.integers(1, 5))
    s = [draw(st.floats(0.3, 5.0)) for _ in range(d)]
    return design(s, [draw(real) for _ in range(d)], draw(st.floats(least, 4.0)))


@st.composite
def separate(draw):
    """Designs whose singular values are told apart easily."""
    d = draw(st.integers(2, 6))
    gaps = np.array([draw(st.floats(0.05, 0.5)) for _ in range(d)])
    return design(np.cumsum(gaps)[::-1], [draw(real) for _ in range(d)], draw(st.floats(0.1, 4.0)))


def bases(of, seed=0, n=9):
    """An X with those singular values, and θ*, in random bases."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(rows, len(of.s))))[0] for rows in (len(of.s), n))
    return (left * of.s) @ right.T, left, rng


@given(designs(), ridges, weights)
@settings(deadline=None)
def test_students_trained_in_a_row_leave_the_shares_of_the_closed_form(of, ridge, xi):
    x, left, rng = bases(of)
    y = rng.normal(size=9)
    least_squares = left.T @ np.linalg.lstsq(x.T, y, rcond=None)[0]
    found = left.T @ trained(x, y, ridge, xi)
    np.testing.assert_allclose(found, distilled_shares(of, ridge, xi) * least_squares, rtol=1e-8, atol=1e-9)


@given(designs(), ridges, weights)
def test_shares_are_a_preconditioner_times_ridge(of, ridge, xi):
    c = ridge_shares(of, ridge)
    last_first = np.cumprod(xi[::-1])
    each = last_first - np.r_[last_first[1:], 0.0] if xi else np.zeros(0)
    preconditioner = 1 - each.sum() + sum((w * c ** (i + 1) for i, w in enumerate(each)), np.zeros(len(c)))
    np.testing.assert_allclose(distilled_shares(of, ridge, xi), preconditioner * c, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("xi", [[], [0.7], [2.5], [1.5, -0.4, 0.9]], ids=str)
def test_risks_of_sampled_labels_are_the_expected_ones(kind, xi):
    of = design([3.0, 2.0, 1.0, 0.4], [1.0, -0.5, 2.0, 0.3], 0.8)
    mean, error = sampled_risk(of, 1.7, xi, np.random.default_rng(5), draws=20_000, kind=kind)
    expected = float(risk(of, distilled_shares(of, 1.7, xi), kind))
    assert error < 0.02 * expected
    assert abs(mean - expected) < 4 * error


def test_without_noise_sampled_labels_have_one_risk():
    of = design([2.0, 1.0], [1.0, -1.0], 0.0)
    mean, error = sampled_risk(of, 1.0, [0.5], np.random.default_rng(0), draws=3)
    assert mean == pytest.approx(float(risk(of, distilled_shares(of, 1.0, [0.5]))))
    assert error < 1e-12


@given(designs(least=0.0), ridges, st.floats(-4.0, 4.0), st.sampled_from(KINDS))
def test_risk_is_exactly_a_quadratic_in_xi(of, ridge, start, kind):
    risks = np.array([float(risk(of, distilled_shares(of, ridge, [start + i]), kind)) for i in range(4)])
    assert abs(np.diff(risks, 3)[0]) <= 1e-11 * max(risks.max(), 1e-3)


@given(designs(), ridges, st.sampled_from(KINDS), st.floats(0.01, 2.0))
def test_no_other_xi_has_a_lower_risk(of, ridge, kind, off):
    best = best_xi(of, ridge, kind)
    least, *other = (float(risk(of, distilled_shares(of, ridge, [best + d]), kind)) for d in (0.0, off, -off))
    assert least < min(other)
    assert other[0] == pytest.approx(other[1], rel=1e-6, abs=1e-9)  # a parabola is even about its least


@given(designs(), ridges, st.sampled_from(KINDS))
def test_xi_rises_from_below_0_through_1_with_the_noise(of, ridge, kind):
    assume(np.abs(of.theta).max() > 0.01)
    turn = turning_variance(of, ridge, kind)
    noises = turn * np.array([0.0, 0.3, 0.999, 1.001, 3.0, 1e7])
    found = [best_xi(of._replace(variance=float(noise)), ridge, kind) for noise in noises]
    assert found[0] < 0
    assert (np.diff(found) > 0).all()
    assert found[2] < 1 < found[3]
    assert best_xi(of._replace(variance=turn), ridge, kind) == pytest.approx(1.0)
    c, w = ridge_shares(of, ridge), np.ones(len(of.s)) if kind == "prediction" else of.s**-2.0
    v = c * (1 - c)
    assert found[-1] == pytest.approx((w * v * c).sum() / (w * v * v).sum(), rel=1e-3)


@given(designs(), st.sampled_from(KINDS), ridges)
def test_the_sign_of_xi_says_on_which_side_of_the_best_ridge_the_teacher_is(of, kind, ridge):
    slope = [float(risk(of, ridge_shares(of, ridge * (1 + h)), kind)) for h in (-1e-5, 1e-5)]
    assume(abs(slope[1] - slope[0]) > 1e-8 * slope[0])
    assert (best_xi(of, ridge, kind) > 0) == (slope[1] < slope[0])


def test_a_teacher_of_the_best_ridge_gains_nothing_from_one_step_with_that_ridge():
    of = design([3.0, 2.0, 1.0], [1.0, -0.5, 0.7], 1.3)
    found = minimize_scalar(
        lambda u: float(risk(of, ridge_shares(of, np.exp(u)))), (0.0, 0.5), bounds=(-3, 4), options={"xatol": 1e-12}
    )
    assert abs(best_xi(of, float(np.exp(found.x)))) < 1e-4
    assert best_risks(of, [1])[0] < found.fun - 1e-3  # another ridge and another ξ do


@given(designs(), ridges, st.lists(st.floats(-1.0, 2.0), min_size=5, max_size=5), st.sampled_from(KINDS))
def test_no_shares_have_less_risk_than_the_best(of, ridge, shares, kind):
    least = float(risk(of, best_shares(of), kind))
    assert least <= float(risk(of, np.array(shares[: len(of.s)]), kind)) + 1e-12
    assert least <= float(risk(of, ridge_shares(of, ridge), kind)) + 1e-12


@given(separate())
@settings(deadline=None, max_examples=30)
def test_more_steps_never_raise_the_least_risk_and_enough_of_them_reach_every_direction(of):
    d = len(of.s)
    risks = best_risks(of, range(d + 3))
    assert (np.diff(risks) <= 0).all()
    np.testing.assert_allclose(risks[d:], float(risk(of, best_shares(of))), rtol=1e-12)
    assert (risks >= float(risk(of, best_shares(of))) * (1 - 1e-12)).all()


@given(separate(), ridges, weights)
@settings(deadline=None, max_examples=40)
def test_no_ridge_and_no_weights_beat_the_least_risk_of_as_many_steps(of, ridge, xi):
    assert best_risks(of, [len(xi)])[0] <= float(risk(of, distilled_shares(of, ridge, xi))) * (1 + 1e-7)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_least_risk_is_what_a_search_over_ridge_and_weights_finds(steps):
    of = design([2.0, 1.2, 0.5], [0.2, 1.0, 2.0], 1.0)  # here the best λ is finite

    def lost(z):
        return float(risk(of, distilled_shares(of, float(np.exp(z[0])), z[1:])))

    starts = [np.r_[u, np.full(steps, w)] for u in (-2.0, 0.0, 2.0) for w in (-0.5, 0.5, 2.0)]
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000, "maxfev": 4000}
    found = min(minimize(lost, z, method="Nelder-Mead", options=options).fun for z in starts)
    assert best_risks(of, [steps])[0] == pytest.approx(found, rel=1e-5)


@given(separate(), st.floats(0.1, 10.0), st.floats(0.1, 10.0))
@settings(deadline=None, max_examples=30)
def test_units_of_labels_and_of_inputs_do_not_matter(of, label, inputs):
    labels = Design(of.s, of.theta * label, of.variance * label**2)
    other = Design(of.s * inputs, of.theta / inputs, of.variance)
    steps = [0, 1, 2]
    np.testing.assert_allclose(best_risks(labels, steps), best_risks(of, steps) * label**2, rtol=1e-7)
    np.testing.assert_allclose(best_risks(other, steps), best_risks(of, steps), rtol=1e-7)
    assert best_xi(labels, 1.0) == pytest.approx(best_xi(of, 1.0), rel=1e-8, abs=1e-10)
    assert best_xi(other, inputs**2, "estimation") == pytest.approx(best_xi(of, 1.0, "estimation"), rel=1e-8, abs=1e-10)


def exact_limit(of, steps):
    """Least risk as λ → ∞ in fractions: shares t, t², …, t^steps times anything, weighted least squares; σ² is 1."""
    t, signal = ([Fraction(float(v)) for v in values] for values in (of.squares, of.signal))
    powers = [[v ** (k + 1) for v in t] for k in range(steps)]
    gram = [[sum((s + 1) * p * q for s, p, q in zip(signal, a, b, strict=True)) for b in powers] for a in powers]
    right = [sum(s * p for s, p in zip(signal, a, strict=True)) for a in powers]
    rows = [[*row, end] for row, end in zip(gram, right, strict=True)]
    for i in range(steps):
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for j in set(range(steps)) - {i}:
            rows[j] = [v - rows[j][i] * u for v, u in zip(rows[j], rows[i], strict=True)]
    return float(sum(signal) - sum(row[-1] * end for row, end in zip(rows, right, strict=True)))


@pytest.mark.parametrize("spread", [1e-4, 1e-2, 0.5])
def test_near_singular_values_and_many_steps_do_no_harm(spread):
    of = Separation(d=9, spread=spread).draw(3)
    for steps, found in zip(range(2, 8), best_risks(of, range(2, 8)), strict=True):
        assert found == pytest.approx(exact_limit(of, steps), rel=1e-6), steps


def test_the_weights_that_reach_every_direction_do_when_students_are_trained():
    of = design([2.0, 1.5, 1.0], [3.0, 0.0, 0.0], 1.0)
    xi = reaching_xi(of, 0.5)
    np.testing.assert_allclose(distilled_shares(of, 0.5, xi), [36 / 37, 0, 0], atol=1e-10)
    mean, error = sampled_risk(of, 0.5, xi, np.random.default_rng(1), draws=20_000)
    assert abs(mean - 36 / 37) < 4 * error


@given(st.integers(2, 12), st.integers(0, 12), st.integers(0, 50), st.floats(1e-2, 1e6), st.floats(1e-3, 0.9))
@settings(deadline=None, max_examples=30)
def test_the_ratio_lies_between_1_and_its_limit_and_that_below_d(d, steps, seed, signal, spread):
    ratio = distillation_ratio(d, steps, seed, signal, spread)
    limit = Separation(d=d, signal=signal).limit
    assert 1 - 1e-9 <= ratio <= limit * (1 + 1e-6)
    assert limit <= d


@pytest.mark.parametrize("d", [5, 10, 20, 50, 100])
def test_the_ratio_tends_to_d_as_the_signal_grows(d):
    weak, middle, strong = (distillation_ratio(d, d, 0, signal) for signal in (1.0, 1e3, 1e7))
    assert weak < middle < strong
    assert strong == pytest.approx(d, rel=1e-3)
    assert distillation_ratio(d, d, 0, 1.0, spread=1e-4) == pytest.approx(2 * d / (1 + d), rel=1e-3)  # by hand


def test_few_steps_gain_the_square_of_their_number_and_one_hardly_anything():
    found = [distillation_ratio(100, steps, 0, 1e6, spread=1e-3) for steps in (1, 2, 3, 4)]
    by_hand = [1.0]  # of d even places the first has leverage Σ (2j+1) Π (d−1)…(d−j) / ((d+1)…(d+j)) / d
    for j in (1, 2, 3):
        by_hand.append(by_hand[-1] + (2 * j + 1) * np.prod([(100 - i) / (100 + i) for i in range(1, j + 1)]))
    np.testing.assert_allclose(found, by_hand, rtol=0.02)
    assert found[0] < 1.01


@pytest.mark.parametrize("seed", range(5))
def test_xi_passes_1_where_noise_is_far_above_what_ridge_is_tuned_for(seed):
    clean, tuned, some, half = (best_imitation(noise, seed) for noise in (0.0, 0.1, 0.3, 0.5))
    assert clean < -1
    assert abs(tuned) < 0.6
    assert 1 < some < half


def test_noise_is_a_share_of_the_variance_of_the_labels():
    world = Noised(noise=0.3, n=40, d=7)
    of = world.draw(2)
    assert of.variance / (of.variance + of.signal.sum() / 40) == pytest.approx(0.3)
    assert (of.s == Noised(noise=0.0, n=40, d=7).draw(2).s).all()
    assert world.ridge(2) == pytest.approx(7 * of.signal.sum() / 40 / 9)


def test_ridge_is_tuned_for_the_mean_over_directions_of_theta():
    world, rng = Noised(noise=0.1, n=30, d=4), np.random.default_rng(0)
    of, ridge = world.draw(0), world.ridge(0)
    even = of._replace(theta=np.full(4, 0.5))  # E θ_j² = 1/4 over directions
    slopes = [float(risk(even, ridge_shares(even, ridge * (1 + h)), "estimation")) for h in (-0.01, 0.0, 0.01)]
    assert slopes[1] < min(slopes[0], slopes[2])
    thetas = rng.normal(size=(20_000, 4))
    thetas /= np.linalg.norm(thetas, axis=1, keepdims=True)
    np.testing.assert_allclose(np.square(thetas).mean(axis=0), 0.25, atol=0.01)


def test_tables_hold_what_the_functions_say():
    table = ratio_table([5, 8], [1, 2, 8], [0, 3], signal=500.0)
    assert len(table) == 2 * (2 + 3)
    for row in table.itertuples():
        assert row.ratio == pytest.approx(distillation_ratio(row.d, row.steps, row.seed, 500.0), rel=1e-8)
        assert row.limit == pytest.approx(row.d * 501 / (500 + row.d))
    found = imitation_table([0.0, 0.4], [1], xi=[-1.0, 0.0, 1.0, 2.0])
    for noise, part in found.groupby("noise"):
        fitted = np.polynomial.Polynomial.fit(part["xi"], part["ratio"], 2).convert().coef
        assert part["best"].iloc[0] == pytest.approx(best_imitation(noise, 1))
        assert -fitted[1] / (2 * fitted[2]) == pytest.approx(best_imitation(noise, 1))
        assert part["ratio"].iloc[1] == 1


EVEN = design([1.0, 0.5], [1.0, 1.0], 1.0)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: design([1.0], [1.0, 2.0], 1.0), "as long as each other"),
        (lambda: design([], [], 1.0), "as long as each other"),
        (lambda: design([1.0, 0.0], [1.0, 1.0], 1.0), "s must be > 0, got 0"),
        (lambda: design([1.0], [np.nan], 1.0), "finite"),
        (lambda: design([1.0], [1.0], -0.5), "variance must be ≥ 0, got -0.5; nearest: 0"),
        (lambda: ridge_shares(EVEN, 0.0), "ridge must be a finite number > 0, got 0.0"),
        (lambda: risk(EVEN, np.ones(2), "predicton"), "nearest: 'prediction'"),
        (lambda: best_xi(design([1.0], [0.0], 0.0), 1.0), "must not both be 0"),
        (lambda: best_risks(EVEN._replace(variance=0.0), [1]), "without noise"),
        (lambda: best_risks(EVEN, [-1]), "steps must be whole numbers ≥ 0"),
        (lambda: best_risks(EVEN, []), "steps must be whole numbers ≥ 0"),
        (lambda: best_risks(EVEN, [1.5]), "steps must be whole numbers ≥ 0"),
        (lambda: best_risks(design([1.0, 1.0 + 1e-12], [1.0, 1.0], 1.0), [1]), "make them equal"),
        (lambda: reaching_xi(Separation(d=12, spread=0.01).draw(0), 1.0), "this near to each other"),
        (lambda: distillation_ratio(1, 1, 0), "knob 'd' must be in 2 … 200, got 1; nearest: 2"),
        (lambda: distillation_ratio(5, 1, -1), "seed must be ≥ 0, got -1; nearest: 0"),
        (lambda: best_imitation(1.0, 0), "knob 'noise' must be in 0 … 0.99, got 1.0"),
        (lambda: Noised(n=10, d=20), "knob 'd' must be at most n = 10, got 20; nearest: 10"),
        (lambda: ratio_table([], [1], [0]), "ds must name at least one number"),
        (lambda: imitation_table([0.1], [0], xi=[]), "xi must name at least one number"),
        (lambda: sampled_risk(EVEN, 1.0, [], np.random.default_rng(0), draws=1), "draws must be ≥ 2"),
    ],
)
def test_what_cannot_be_is_said(ask, sentence):
    with pytest.raises(KnobError, match=sentence):
        ask()


def test_directions_of_equal_singular_values_share_one_share():
    of = design([1.0, 0.5, 1.0], [2.0, 0.0, 0.0], 1.0)
    risks = best_risks(of, [0, 1, 2, 3])
    assert risks[2] == risks[3] == pytest.approx(4 / 3)  # (1 − f)² · 4 + 2 f² is least at f = 2/3
    assert risks[1] > 4 / 3 > float(risk(of, best_shares(of)))
    many = design(np.repeat([1.0, 0.5], 20), np.repeat([0.2, 0.0], 20), 1.0)
    few = design([1.0, 0.5], [np.sqrt(20) * 0.2, 0.0], 20.0)  # as one direction of the summed noise
    np.testing.assert_allclose(best_risks(many, [0, 1, 2]), best_risks(few, [0, 1, 2]))
