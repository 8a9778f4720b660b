"""Verifiers that go by the task's rules: what is sound, what is repaired, and where the first wrong step stands."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from contracts.verifier import VerifierContract, rng
from siwork.recipes import Recipe
from siwork.recipes.playing import Play, lots_of
from siwork.rollouts import rollout
from siwork.slots import State, silent
from siwork.verifiers import Critic, Exec


@pytest.fixture(scope="module")
def state():
    task = siwork.task("expr")
    policy = siwork.policy("tabular", task)
    policy.register(task.problems("train", 12))
    return State(task, policy, policy)


@pytest.fixture(scope="module")
def rows(state):
    return rollout(state, state.task.problems("train", 12), 8, rng(), silent)


class TestExecKeepsTheContract(VerifierContract):
    @pytest.fixture
    def verifier(self):
        return Exec()


class TestCriticKeepsTheContract(TestExecKeepsTheContract):
    @pytest.fixture
    def verifier(self):
        return Critic(miss=0.3, false=0.2)


# ── exec ───────────────────────────────────────────────────────────────────────────────────────────────
def test_sound_is_what_the_task_says(state, rows):
    expected = [state.task.is_sound(*pair) for pair in zip(rows["prompt"], rows["response"], strict=True)]
    assert set(expected) == {True, False}
    assert Exec().score(state, rows, rng()).tolist() == expected


@pytest.mark.parametrize("name", ["expr", "countdown", "grammar"])
def test_what_is_sound_is_right(name):
    task = siwork.task(name)
    policy = siwork.policy("tabular", task)
    start = State(task, policy, policy)
    drawn = rollout(start, task.problems("train", 6), 6, rng(), silent)
    sound = Exec().score(start, drawn, rng()) == 1.0
    assert task.check(drawn)[sound].all()


def test_a_full_corrector_repairs_all_that_fails_and_can_be(state, rows):
    failed = rows[Exec().score(state, rows, rng()) == 0.0]
    wrong = ~state.task.check(failed).to_numpy(bool)  # what is right by luck is left as it is
    failed = failed[wrong & failed["response"].str.contains("=").to_numpy(bool)]  # a bare value is beyond repair
    new = Exec(corrector=1.0).amend(state, rows, rng())
    assert new["parent"].tolist() == failed["sample"].tolist()
    assert Exec().score(state, new, rng()).tolist() == [1.0] * len(new)
    assert new["problem"].tolist() == failed["problem"].tolist()
    assert set(new["agent"]) == {"corrector"}
    assert set(new["hint"]) == {"repair"}
    assert set(new["turn"]) == {0}
    assert new["answer"].tolist() == state.task.answers(new).tolist()
    assert new["logp"].to_numpy(float) == pytest.approx(
        state.policy.logp(new["prompt"].tolist(), new["response"].tolist(), np.ones(len(new), bool))
    )
    both = pd.concat([rows, new], ignore_index=True)
    assert not both.duplicated(["problem", "sample"]).any()
    assert (both.dtypes == rows.dtypes).all()


def test_the_corrector_hits_its_rate_and_the_same_rows_in_any_order(state):
    table = rollout(state, state.task.problems("train", 12), 400, rng(), silent)
    can = Exec(corrector=1.0).amend(state, table, rng(3))
    some = Exec(corrector=0.3).amend(state, table, rng(3))
    # about 2 000 rows: standard error about 0.01, four of them 0.04
    assert len(some) / len(can) == pytest.approx(0.3, abs=0.04)
    order = rng(1).permutation(len(table))
    moved = Exec(corrector=0.3).amend(state, table.iloc[order].reset_index(drop=True), rng(3))
    told = ["problem", "parent", "response"]
    assert sorted(moved[told].itertuples(index=False)) == sorted(some[told].itertuples(index=False))


def test_without_a_corrector_nothing_is_amended(state, rows):
    assert Exec().amend(state, rows, rng()) is None
    assert Exec(corrector=1.0).amend(state, rows.iloc[:0], rng()) is None
    sound = rows[Exec().score(state, rows, rng()) == 1.0]
    assert Exec(corrector=1.0).amend(state, sound, rng()) is None
    assert (Exec().asks, Exec(corrector=0.1).asks) == (("is_sound",), ("is_sound", "repair"))


def test_a_round_trains_on_what_was_repaired(state):
    recipe = Recipe.read("seed · cot(k=4) · exec(corrector=1.0) · correct · sft(steps=2)")
    assert recipe.label_free
    played, _ = Play(recipe, state.task.problems("train", 12), lots_of(rng())).round(state)
    repaired = played[(played["hint"] == "repair").to_numpy(bool)]
    assert len(repaired)
    assert (repaired["weight"] == repaired["score"]).all()
    assert repaired["weight"].sum() > 0


# ── critic ─────────────────────────────────────────────────────────────────────────────────────────────
class Marked:
    """A task whose responses are their own marks."""

    @staticmethod
    def steps(table):
        return table["response"].where(table["response"] != "", None)


def marked(texts):
    return pd.DataFrame({"problem": "a", "sample": range(len(texts)), "response": list(texts)})


BLIND = State(Marked(), None, None)


def test_shares_before_the_first_wrong_step_by_hand():
    table = marked(["1111", "1101", "0111", "", "10"])
    assert Critic().score(BLIND, table, rng()).tolist() == [1.0, 0.5, 0.0, 0.0, 0.5]
    np.testing.assert_array_equal(Critic().claims(BLIND, table, rng()), [np.nan, 2, 0, np.nan, 1])


@given(st.lists(st.text("01", max_size=6), min_size=1, max_size=12), st.integers(0, 5))
def test_the_extremes_of_its_rates(texts, seed):
    table = marked(texts)
    blind = [1.0 if text else 0.0 for text in texts]
    assert Critic(miss=1.0).score(BLIND, table, rng(seed)).tolist() == blind
    harsh = Critic(miss=0.0, false=1.0).score(BLIND, table, rng(seed))
    assert harsh.tolist() == [0.0] * len(texts)


@given(st.lists(st.text("01", max_size=6), min_size=1, max_size=12), st.floats(0, 1), st.floats(0, 1))
def test_score_and_claim_tell_the_same_place(texts, miss, false):
    table, critic = marked(texts), Critic(miss=miss, false=false)
    score, claim = critic.score(BLIND, table, rng()), critic.claims(BLIND, table, rng())
    for text, share, place in zip(texts, score, claim, strict=True):
        if text:
            assert share == (1.0 if np.isnan(place) else place / len(text))


def test_it_hits_its_rates():
    # 20 000 rows each, first steps 1 and 0: standard error at most 0.0034, four of them 0.014
    table = marked(["1", "0"] * 20_000)
    score = Critic(miss=0.2, false=0.3).score(BLIND, table, rng())
    assert 1 - score[0::2].mean() == pytest.approx(0.3, abs=0.014)
    assert score[1::2].mean() == pytest.approx(0.2, abs=0.014)
