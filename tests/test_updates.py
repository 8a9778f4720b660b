"""Coefficients are the exact derivatives of the objectives that the updates name."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import siwork
from siwork.recipes import Recipe
from siwork.recipes.playing import Play, lots_of
from siwork.schema import KnobError
from siwork.slots import State
from siwork.updates import Neg, Pg, Pref, Sft
from siwork.updates.plans import batches_of


def slope(objective, logp, step=1e-6):
    """Central finite differences of objective(logp) (b,)."""
    moves = np.eye(len(logp)) * step
    return np.array([(objective(logp + m) - objective(logp - m)) / (2 * step) for m in moves])


logps = arrays(float, 8, elements=st.floats(-20, -0.1))
reals = arrays(float, 8, elements=st.floats(-3, 3))


@given(logps, arrays(float, 8, elements=st.floats(0.01, 5)))
def test_sft(logp, weight):
    expected = slope(lambda x: Sft.objective(x, weight), logp)
    assert Sft.coefficients(weight) == pytest.approx(expected, abs=1e-6)


@given(logps, arrays(float, 8, elements=st.floats(-0.6, 0.6)), reals, st.floats(0.05, 0.5))
def test_pg(logp, move, advantage, clip):
    pg, old = Pg(clip=clip), logp - move
    ratio = np.exp(move)
    smooth = (np.abs(ratio - 1 - clip) > 1e-4) & (np.abs(ratio - 1 + clip) > 1e-4)  # J has a kink at the clip
    expected = slope(lambda x: pg.objective(x, old, advantage), logp)
    assert pg.coefficients(logp, old, advantage)[smooth] == pytest.approx(expected[smooth], abs=1e-5)


@given(logps, arrays(float, 8, elements=st.floats(-0.1, 0.1)), reals, arrays(float, 8, elements=st.floats(0.01, 5)))
def test_pg_by_weight(logp, move, advantage, weight):
    pg, old = Pg(), logp - move
    expected = slope(lambda x: pg.objective(x, old, advantage, weight), logp)
    assert pg.coefficients(logp, old, advantage, weight) == pytest.approx(expected, abs=1e-5)
    alike = pg.coefficients(logp, old, advantage, np.full(8, 0.25))
    assert alike == pytest.approx(pg.coefficients(logp, old, advantage))


@given(logps, reals, st.floats(0.01, 5))
def test_pref(logp, shift, beta):
    pref, reference = Pref(beta=beta), logp + shift
    expected = slope(lambda x: pref.objective(x, reference), logp)
    assert pref.coefficients(logp, reference) == pytest.approx(expected, abs=1e-5)


@given(logps, st.floats(0, 3))
def test_neg(logp, alpha):
    neg, length = Neg(alpha=alpha), np.arange(1.0, 9.0)
    expected = slope(lambda x: neg.objective(x, length), logp)
    assert neg.coefficients(logp, length) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_neg_is_bounded_for_certain_responses():
    # q is capped at 1 - 1e-3, so the coefficient of one row of length 1 is -0.999 / 0.001 = -999
    assert Neg().coefficients(np.array([0.0]), np.array([1.0])) == pytest.approx([-999.0])


@given(
    logps, st.lists(st.booleans(), min_size=8, max_size=8), st.floats(0.05, 0.95), st.floats(0, 3), st.floats(0.01, 1)
)
def test_nft(logp, right, share, alpha, floor):
    neg, right, share = Neg(kind="nft", alpha=alpha, floor=floor), np.array(right), np.full(8, share)
    old = logp + np.linspace(-2, 2, 8)  # ratios on both sides of where the logarithm becomes its tangent
    expected = slope(lambda x: neg.aware_objective(x, old, right, share), logp)
    assert neg.aware_coefficients(logp, old, right, share) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_nft_by_hand():
    # one in four right, R = 1: omega = sqrt(3); right: sqrt(3)/2; failed: rest 1, -sqrt(3) (1/4)/(3/4) / 2
    right, share = np.array([True, False]), np.full(2, 0.25)
    found = Neg(kind="nft").aware_coefficients(np.zeros(2), np.zeros(2), right, share)
    assert found == pytest.approx([np.sqrt(3) / 2, -np.sqrt(3) / 6])
    # on policy the right ones' pull is what the three failed ones push, as for the advantages of a group
    whole = Neg(kind="nft").aware_coefficients(np.zeros(4), np.zeros(4), np.arange(4) == 0, np.full(4, 0.25))
    assert whole.sum() == pytest.approx(0.0)
    assert whole * 4 == pytest.approx(Pg().advantage(np.array([1.0, 0, 0, 0]), np.zeros(4, int)))


def test_nft_trains_on_problems_with_both_kinds_of_rows():
    table = rows(problem=list("aabbc"), score=[1.0, 0.0, 1.0, 1.0, 0.0])
    made = Neg(kind="nft", steps=2).plan(Told(), table, np.random.default_rng(0))
    assert len(made.prompt) == 2
    assert made.coefficients(np.full(2, -1.0), np.arange(2)) == pytest.approx([0.5, -0.5])
    assert Neg(kind="nft").plan(Told(), table.iloc[2:], np.random.default_rng(0)) is None


class Told:
    """A state whose policy gives everything log-probability -1."""

    @property
    def policy(self):
        return self

    @staticmethod
    def logp(prompts, responses, finished):
        return np.full(len(prompts), -1.0)


def test_extrapolation_by_hand():
    task = siwork.task("countdown", numbers=3)
    problems = task.problems("train", 6)
    before, trained = (siwork.policy("tabular", task) for _ in range(2))
    for each in (before, trained):
        each.register(problems)
    recipe = Recipe.read("cot(k=8) · gold · correct · sft + neg(kind=extrapolate, w=0.5)")
    play = Play(recipe, problems, lots_of(np.random.default_rng(0)))
    _, after = play.round(State(task, before, before))
    plain = Play(Recipe.read("cot(k=8) · gold · correct · sft"), problems, lots_of(np.random.default_rng(0)))
    _, one = plain.round(State(task, before, before))
    for name, start in before.parameters().items():
        expected = start - 0.5 * (one.policy.parameters()[name] - start)
        assert after.policy.parameters()[name] == pytest.approx(expected, abs=1e-9)
    assert before.fingerprint() == trained.fingerprint()
    assert (Neg().asks_policy, Neg(kind="extrapolate").asks_policy) == ((), ("toward",))


def test_a_policy_that_cannot_be_moved_says_so():
    with pytest.raises(KnobError, match="needs a policy that moves toward another, and still does not"):
        Neg(kind="extrapolate").move(None, SimpleNamespace(name="still"))
    Neg().move(None, SimpleNamespace(name="still"))


@given(logps, reals, arrays(float, 4, elements=st.floats(0, 3)))
def test_weighted_pairs(logp, shift, weight):
    pref, reference = Pref(beta=0.5), logp + shift
    expected = slope(lambda x: pref.objective(x, reference, weight), logp)
    assert pref.coefficients(logp, reference, weight) == pytest.approx(expected, abs=1e-5)


def test_a_pair_counts_as_much_as_its_chosen_row_weighs():
    table = rows(pair=[1, 0, 1, 0], side=["rejected", "chosen", "chosen", "rejected"], weight=[9.0, 0.5, 2.0, 9.0])
    plain, weighted = (
        Pref(beta=0.2, weighted=weighted, steps=1).plan(Told(), table, np.random.default_rng(0))
        for weighted in (False, True)
    )
    logp, index = np.full(4, -1.0), np.arange(4)
    assert plain.coefficients(logp, index) == pytest.approx([0.05, -0.05, 0.05, -0.05])
    assert weighted.coefficients(logp, index) == pytest.approx([0.025, -0.025, 0.1, -0.1])


def test_advantage_by_hand():
    # group 0: scores 1, 0 -> mean 1/2, sd 1/2 -> +1, -1; group 1: both 1 -> dead
    score, group = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1])
    assert Pg().advantage(score, group).tolist() == [1.0, -1.0, 0.0, 0.0]
    assert Pg(scale="none").advantage(score, group).tolist() == [0.5, -0.5, 0.0, 0.0]


def test_pref_by_hand():
    # margin 0: sigma(0) = 1/2, one pair -> +-beta/2
    assert Pref(beta=0.2).coefficients(np.array([-1.0, -2.0]), np.array([-1.0, -2.0])).tolist() == [0.1, -0.1]


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(2, 20), st.integers(0, 30), st.sampled_from([1, 2]))
def test_batches_use_every_unit_evenly(units, size, steps, width):
    table = np.arange(units * width).reshape(units, width)
    batches = batches_of(table, size, steps, np.random.default_rng(0))
    assert len(batches) == steps
    drawn = np.bincount(np.concatenate([*batches, []]).astype(int), minlength=units * width)
    assert drawn.max() - drawn.min() <= 1
    assert all(len(b) == max(1, min(size // width, units)) * width for b in batches)
    if width == 2:
        assert all((b[1::2] == b[0::2] + 1).all() for b in batches)


def rows(**columns):
    n = len(next(iter(columns.values())))
    base = {
        "prompt": ["p:"] * n,
        "response": ["r"] * n,
        "finished": [True] * n,
        "n_tokens": [2] * n,
        "pair": [pd.NA] * n,
    }
    return pd.DataFrame(base | {"problem": ["a"] * n, "side": [None] * n, "weight": [1.0] * n} | columns)


@pytest.mark.parametrize(
    ("update", "table"),
    [
        (Sft(), rows(weight=[0.0, 0.0])),
        (Pg(), rows(score=[1.0, 1.0])),
        (Pref(), rows(score=[1.0, 0.0])),
        (Neg(), rows(score=[1.0, 1.0])),
        (Neg(kind="nft"), rows(score=[1.0, 1.0])),
        (Neg(kind="extrapolate"), rows(score=[1.0, 0.0])),
    ],
)
def test_nothing_to_train_on_is_no_plan(update, table):
    assert update.plan(None, table, np.random.default_rng(0)) is None
