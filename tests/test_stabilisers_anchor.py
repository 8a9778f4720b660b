"""Anchors: terms whose coefficients are derivatives, rejected sides of the past, and the own majority as label."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import siwork
from siwork.policies import Plan
from siwork.recipes import Recipe
from siwork.recipes.playing import Play, lots_of
from siwork.schema import KnobError
from siwork.slots import State
from siwork.stabilisers import Anchor, Mix
from siwork.updates import Pref, Sft

logps = arrays(float, 8, elements=st.floats(-20, -0.1))
reals = arrays(float, 8, elements=st.floats(-3, 3))
INDEX = np.arange(8)


def rng(seed=0):
    return np.random.default_rng(seed)


def slope(objective, logp, step=1e-6):
    moves = np.eye(len(logp)) * step
    return np.array([(objective(logp + m) - objective(logp - m)) / (2 * step) for m in moves])


class Told:
    """A base policy with known log-probabilities."""

    def __init__(self, values):
        self.values = values

    def logp(self, prompts, responses, finished):
        return self.values


def plan(coefficients, constant=False):
    return Plan(["p"] * 8, ["r"] * 8, np.ones(8, bool), [INDEX], coefficients, 1.0, constant)


# ── terms of the objective ─────────────────────────────────────────────────────────────────────────────
@given(logps, reals, st.floats(0, 3))
def test_nll_adds_the_likelihood_of_chosen_sides(logp, shift, strength):
    pref, reference = Pref(), logp + shift
    shaped = Anchor("nll", strength).shape(plan(lambda x, i: pref.coefficients(x, reference[i])), None)
    whole = lambda x: pref.objective(x, reference) + strength * x[0::2].mean()  # noqa: E731
    assert shaped.coefficients(logp, INDEX) == pytest.approx(slope(whole, logp), abs=1e-5)


def test_nll_leaves_what_is_pushed_away_alone():
    shaped = Anchor("nll").shape(plan(lambda x, i: np.array([0.5, -0.5, 0.0, 0.25]), True), None)
    assert shaped.coefficients(np.zeros(4), INDEX[:4]).tolist() == [1.0, -0.5, 0.0, 0.75]
    assert shaped.constant
    down = Anchor("nll").shape(plan(lambda x, i: -np.ones(3)), None)
    assert down.coefficients(np.zeros(3), INDEX[:3]).tolist() == [-1.0] * 3


@given(logps, reals, arrays(float, 8, elements=st.floats(0.01, 5)), st.floats(0, 3))
def test_kl_adds_the_squared_log_ratio(logp, shift, weight, strength):
    base = logp + shift
    state = State(None, None, Told(base))
    shaped = Anchor("kl", strength).shape(plan(lambda x, i: Sft.coefficients(weight[i]), True), state)
    assert not shaped.constant
    whole = lambda x: Sft.objective(x, weight) - strength * np.mean((x - base) ** 2) / 2  # noqa: E731
    assert shaped.coefficients(logp, INDEX) == pytest.approx(slope(whole, logp), abs=1e-5)


def test_kl_takes_the_rows_of_the_batch():
    shaped = Anchor("kl").shape(plan(lambda x, i: np.zeros(len(i))), State(None, None, Told(np.arange(8.0))))
    # base 3 and 5, policy 0: -(0 - 3)/2 and -(0 - 5)/2
    assert shaped.coefficients(np.zeros(2), np.array([3, 5])).tolist() == [1.5, 2.5]


@pytest.mark.parametrize("kind", ["past", "conf"])
def test_other_kinds_leave_the_plan(kind):
    made = plan(lambda x, i: x)
    assert Anchor(kind).shape(made, None) is made


@pytest.fixture(scope="module")
def start():
    task = siwork.task("countdown", numbers=3)
    policy = siwork.policy("tabular", task)
    problems = task.problems("train", 20)
    policy.register(problems)
    return State(task, policy, policy), problems


def test_a_strong_kl_keeps_the_policy_near_the_base(start):
    state, problems = start
    moved = []
    for line in ("", " · anchor(kl, strength=20)"):
        rows, after = Play(Recipe.read(f"cot(k=8) · gold · correct · sft{line}"), problems, lots_of(rng())).round(state)
        texts = rows["prompt"].tolist(), rows["response"].tolist(), np.ones(len(rows), bool)
        moved.append(np.abs(after.policy.logp(*texts) - state.base.logp(*texts)).mean())
    assert moved[1] < 0.5 * moved[0]


# ── rejected sides of the past ─────────────────────────────────────────────────────────────────────────
def text(values):
    return pd.array(list(values), pd.ArrowDtype(pa.string()))


def pairs(response, score=(1.0, 0.0, 1.0, 0.0)):
    made = pd.DataFrame(
        {
            "problem": text("aabb"),
            "response": text(response),
            "side": text(["chosen", "rejected", "chosen", "rejected"]),
            "taught": text([None] * 4),
        }
    )
    return made.assign(
        finished=pd.array([True] * 4, pd.ArrowDtype(pa.bool_())),
        n_tokens=pd.array([2] * 4, pd.ArrowDtype(pa.int64())),
        score=pd.array(score, pd.ArrowDtype(pa.float64())),
    )


def test_rejected_sides_come_from_the_first_round():
    anchor, state = Anchor("past"), State(None, None, None)
    first = pairs(["r", "old", "s", "t"], [1.0, 0.0, 1.0, None])
    same, train = anchor.before(state, first, rng())
    assert same is state
    assert train is first
    state = anchor.after(state, first)
    state = anchor.after(state, pairs(["r", "newer", "s", "newer"]))  # the first round alone counts
    now = pairs(["u", "v", "w", "x"]).assign(n_tokens=pd.array([9] * 4, pd.ArrowDtype(pa.int64())))
    now["taught"] = text(["U", "V", "W", "X"])
    _, train = anchor.before(state, now, rng())
    assert train["response"].tolist() == ["u", "old", "w", "x"]  # problem b failed nowhere in the first round
    assert train["n_tokens"].tolist() == [9, 2, 9, 9]
    assert train["taught"].isna().tolist() == [False, True, False, False]
    assert (train.dtypes == now.dtypes).all()
    assert now["response"].tolist() == ["u", "v", "w", "x"]


def test_the_past_is_kept_with_the_round(start, tmp_path):
    state, problems = start
    play = Play(Recipe.read("cot(k=8) · gold · pairs · pref(steps=2) · anchor(past)"), problems, lots_of(rng()))
    rows, after = play.round(state)
    assert len(after.learned["anchor"].rows) == (rows["score"] == 0).sum()
    after.save(tmp_path)
    again = state.load(tmp_path).learned["anchor"].rows
    pd.testing.assert_frame_equal(again, after.learned["anchor"].rows)
    told = [play.recipe.stabiliser[0].before(s, rows, rng(3))[1] for s in (after, state.load(tmp_path))]
    pd.testing.assert_frame_equal(*told)


# ── its own majority ───────────────────────────────────────────────────────────────────────────────────
def voted(**columns):
    n = len(columns["answer"])
    base = {"agent": text(["policy"] * n), "hint": text(["none"] * n), "problem": text("a" * n)}
    columns["answer"] = text(columns["answer"])
    return pd.DataFrame(base | columns)


def test_conf_mixes_weight_and_majority_by_hand():
    rows = voted(answer=["x", "x", "y", None], weight=[0.0, 1.0, 1.0, 2.0])
    _, train = Anchor("conf", 0.25).before(State(None, None, None), rows, rng())
    assert train["weight"].tolist() == [0.25, 1.0, 0.75, 1.5]


def test_only_the_policys_own_answers_vote():
    rows = voted(answer=["x", "y", "y", "x"], weight=[0.0] * 4)
    rows["agent"] = text(["policy", "teacher", "policy", "policy"])
    rows["hint"] = text(["none", "none", "answer", "none"])
    _, train = Anchor("conf").before(State(None, None, None), rows, rng())
    assert train["weight"].tolist() == [1.0, 0.0, 0.0, 1.0]


def test_a_tie_goes_to_one_of_the_tied():
    rows = voted(answer=["x", "y"], weight=[0.0, 0.0])
    seen = {tuple(Anchor("conf").before(State(None, None, None), rows, rng(s))[1]["weight"]) for s in range(30)}
    assert seen == {(0.0, 1.0), (1.0, 0.0)}


def test_conf_beside_mixed_rows(start):
    state, problems = start
    rows, _ = Play(Recipe.read("cot(k=4) · gold · correct"), problems, lots_of(rng())).round(state)
    _, mixed = Mix().before(state, rows, rng())
    _, train = Anchor("conf", 0.5).before(state, mixed, rng())
    further = slice(len(rows), None)
    assert train["weight"].iloc[further].to_numpy() == pytest.approx(mixed["weight"].iloc[further].to_numpy() / 2)


def test_the_share_of_conf_is_at_most_one():
    with pytest.raises(KnobError, match=r"a share, 0 … 1, got 2; nearest: 1"):
        Anchor("conf", 2.0)
    assert Anchor("nll", 2.0).strength == 2.0
