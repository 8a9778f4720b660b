"""Coefficients are the exact derivatives of the objectives that the updates name."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siwork.updates import Neg, Pg, Pref, Sft
from siwork.updates.coefficients import _batches


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
    batches = _batches(table, size, steps, np.random.default_rng(0))
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
    ],
)
def test_nothing_to_train_on_is_no_plan(update, table):
    assert update.plan(None, table, np.random.default_rng(0)) is None
