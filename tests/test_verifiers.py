"""Verifiers on hand-made rows: scores worked out beside them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from contracts.verifier import VerifierContract
from siwork.rollouts import rollout
from siwork.slots import State, silent
from siwork.verifiers import Gold, Noisy, Vote


def rows(problem, answer, difficulty=0.5):
    made = pd.DataFrame({"problem": list(problem), "answer": answer, "difficulty": difficulty})
    return made.astype({"answer": "string[pyarrow]"})


class Key:
    """A task whose truth is: the answer is 'r'."""

    @staticmethod
    def check(table):
        return (table["answer"] == "r").fillna(False).astype("bool[pyarrow]")


STATE = SimpleNamespace(task=Key())


def rng(seed=0):
    return np.random.default_rng(seed)


def test_vote_shares_by_hand():
    # problem a: x x y and one unreadable -> 2/3, 2/3, 1/3, 0; problem b: one answer -> 1
    table = rows("aaaab", ["x", "x", "y", None, "x"])
    assert Vote().score(STATE, table, rng()) == pytest.approx([2 / 3, 2 / 3, 1 / 3, 0.0, 1.0])
    assert Vote(count="majority").score(STATE, table, rng()).tolist() == [1.0, 1.0, 0.0, 0.0, 1.0]


def test_a_tie_goes_to_one_of_the_tied_at_random():
    table = rows("aa", ["x", "y"])
    seen = {tuple(Vote(count="majority").score(STATE, table, rng(s))) for s in range(30)}
    assert seen == {(1.0, 0.0), (0.0, 1.0)}


def test_ballots_weigh_by_their_agents_agreement_with_itself():
    # problem a: agent 0 says x x y -> 2/3; agent 1 says y z (one unreadable) -> 1/2.
    # x: 2 * 2/3 = 4/3, y: 2/3 + 1/2 = 7/6, z: 1/2, together 3; problem b: agent 1 alone
    table = rows("aaaaaab", ["x", "x", "y", "y", "z", None, "q"])
    table["agent"] = ["agent-0"] * 3 + ["agent-1"] * 4
    weighed = [4 / 9, 4 / 9, 7 / 18, 7 / 18, 1 / 6, 0.0, 1.0]
    assert Vote(by="agent").score(STATE, table, rng()) == pytest.approx(weighed)
    majority = Vote(count="majority", by="agent")
    assert all(majority.score(STATE, table, rng(s)).tolist() == [1, 1, 0, 0, 0, 0, 1] for s in range(9))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", None])), min_size=1, max_size=20))
def test_one_agent_alone_votes_as_ever(drawn):
    table = rows([d[0] for d in drawn], [d[1] for d in drawn])
    table["agent"] = "policy"
    for count in ("share", "majority"):
        one, other = (Vote(count=count, by=by).score(STATE, table, rng()) for by in ("one", "agent"))
        assert one == pytest.approx(other, abs=1e-12)


def test_agents_that_agree_break_no_tie_of_equal_votes():
    table = rows("aaaa", ["x", "x", "y", "y"])
    table["agent"] = ["agent-0", "agent-0", "agent-1", "agent-1"]
    seen = {tuple(Vote(count="majority", by="agent").score(STATE, table, rng(s))) for s in range(30)}
    assert seen == {(1.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0)}


@pytest.mark.parametrize("count", ["share", "majority"])
def test_nothing_readable_scores_nothing(count):
    assert Vote(count=count).score(STATE, rows("ab", [None, None]), rng()).tolist() == [0.0, 0.0]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "r", None])), min_size=1, max_size=30),
    st.randoms(),
)
def test_vote_does_not_depend_on_row_order(drawn, luck):
    order = list(range(len(drawn)))
    luck.shuffle(order)
    table = rows([d[0] for d in drawn], [d[1] for d in drawn])
    moved = Vote().score(STATE, table.iloc[order].reset_index(drop=True), rng())
    assert moved.tolist() == Vote().score(STATE, table, rng())[order].tolist()


def test_vote_reads_no_truth():
    blind = SimpleNamespace(task=None)
    assert Vote().score(blind, rows("a", ["x"]), rng()).tolist() == [1.0]


@given(st.lists(st.sampled_from(["r", "x", None]), min_size=1, max_size=20), st.integers(0, 9))
def test_noise_free_noisy_is_gold(answers, seed):
    table = rows("a" * len(answers), answers)
    noisy = Noisy(fp=0.0, fn=0.0).score(STATE, table, rng(seed))
    assert noisy.tolist() == Gold().score(STATE, table, rng()).tolist()


def test_noisy_hits_its_rates():
    # 20 000 rows each: standard error at most 0.0033, four of them 0.013
    table = rows("a" * 40_000, ["r", "x"] * 20_000)
    score = Noisy(fp=0.2, fn=0.3).score(STATE, table, rng())
    assert score[1::2].mean() == pytest.approx(0.2, abs=0.013)
    assert 1 - score[0::2].mean() == pytest.approx(0.3, abs=0.013)


@pytest.mark.parametrize(("rate", "mean"), [(0.3, 0.3), (0.5, 0.5), (0.8, 1 - 1 / 3.2), (1.0, 0.75)])
def test_noise_linked_to_difficulty_has_the_mean_that_the_docstring_says(rate, mean):
    # 40 000 rows of uniform difficulty: standard error at most 0.0025, four of them 0.01
    table = rows("a" * 40_000, ["r"] * 40_000, ((np.arange(40_000) + 0.5) / 40_000).tolist())
    rejected = 1 - Noisy(fp=0.0, fn=rate, link="difficulty").score(STATE, table, rng())
    assert rejected.mean() == pytest.approx(mean, abs=0.01)


def test_noise_linked_to_difficulty_hits_the_hard_ones():
    # rate 2 * difficulty * 0.3: 0.06 at 0.1 and 0.54 at 0.9
    table = rows("a" * 40_000, ["r"] * 40_000, [0.1, 0.9] * 20_000)
    rejected = 1 - Noisy(fp=0.0, fn=0.3, link="difficulty").score(STATE, table, rng())
    assert rejected[0::2].mean() == pytest.approx(0.06, abs=0.008)
    assert rejected[1::2].mean() == pytest.approx(0.54, abs=0.015)


class TestGoldKeepsTheContract(VerifierContract):
    @pytest.fixture
    def verifier(self):
        return Gold()

    @pytest.fixture
    def state(self):
        task = siwork.task("countdown")
        policy = siwork.policy("tabular", task)
        policy.register(task.problems("train", 6))
        return State(task, policy, policy)

    @pytest.fixture
    def rows(self, state):
        return rollout(state, state.task.problems("train", 6), 5, rng(), silent)


class TestVoteKeepsTheContract(TestGoldKeepsTheContract):
    @pytest.fixture
    def verifier(self):
        return Vote()
