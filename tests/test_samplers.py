"""Samplers: a completion becomes a row; hints go to those that failed."""

import numpy as np
import pandas as pd
import pytest

import siwork
from siwork.proposers import Seed
from siwork.rollouts import rollout
from siwork.samplers import Cot, Hint
from siwork.schema import KnobError
from siwork.slots import State, silent


@pytest.fixture(scope="module")
def state():
    task = siwork.task("countdown", numbers=3)
    policy = siwork.policy("tabular", task)
    return State(task, policy, policy)


@pytest.fixture(scope="module")
def problems(state):
    table = state.task.problems("train", 12)
    state.policy.register(table)
    return table


def test_rows_stand_by_problem_and_are_numbered(state, problems):
    rows = rollout(state, problems, 3, np.random.default_rng(0), silent, temperature=0.7)
    assert len(rows) == 36
    assert rows["problem"].tolist() == np.repeat(problems["problem"], 3).tolist()
    assert rows["sample"].tolist() == [0, 1, 2] * 12
    assert rows["band"].tolist() == np.repeat(problems["band"], 3).tolist()
    assert set(rows["temperature"]) == {0.7}
    assert "gold" not in rows
    answers = [state.task.answer(p, r) for p, r in zip(rows["prompt"], rows["response"], strict=True)]
    assert rows["answer"].fillna("?").tolist() == [a or "?" for a in answers]


def test_base_logp_is_that_of_the_base(state, problems):
    moved = siwork.policy("tabular", state.task, skill=1.0)
    moved.register(problems)
    rows = rollout(state.having(policy=moved), problems, 4, np.random.default_rng(0), silent)
    base = state.base.logp(rows["prompt"].tolist(), rows["response"].tolist(), rows["finished"].to_numpy(bool))
    assert rows["base_logp"].to_numpy() == pytest.approx(base)
    assert not np.allclose(rows["logp"], rows["base_logp"])


def test_the_same_generator_gives_the_same_rows(state, problems):
    one, other = (Cot(k=4).sample(state, problems, None, np.random.default_rng(5), silent) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)


def test_hints_go_to_problems_that_failed(state, problems):
    rows = Cot(k=2).sample(state, problems, None, np.random.default_rng(1), silent)
    judged = rows.assign(score=(rows["problem"] == "train/3").astype("double[pyarrow]"))
    hinted = Hint(on="fail", k=3).sample(state, problems, judged, np.random.default_rng(2), silent)
    assert set(hinted["problem"]) == set(problems["problem"]) - {"train/3"}
    assert set(hinted["sample"]) == {2, 3, 4}
    assert set(hinted["hint"]) == {"answer"}
    assert not hinted["prompt"].str.contains("#").any()
    rate = state.task.check(hinted).mean(), state.task.check(rows).mean()
    assert rate[0] > rate[1]


def test_no_hint_is_given_when_nothing_failed(state, problems):
    rows = Cot(k=2).sample(state, problems, None, np.random.default_rng(1), silent)
    passed = rows.assign(score=np.ones(len(rows)))
    hinted = Hint(on="fail").sample(
        state.having(policy=state.base.copy()), problems, passed, np.random.default_rng(2), silent
    )
    assert len(hinted) == 0
    assert hinted.dtypes.equals(rows.dtypes)


def test_hint_on_fail_needs_scores(state, problems):
    with pytest.raises(KnobError, match="needs a sampler before it and a verifier"):
        Hint(on="fail").sample(state, problems, None, np.random.default_rng(0), silent)


def test_an_unknown_hint_names_those_there_are(state, problems):
    with pytest.raises(KnobError, match="nearest: 'answer'"):
        Hint(kind="answr").sample(state, problems, None, np.random.default_rng(0), silent)


def test_seed_takes_all_or_some_in_order(problems):
    assert Seed().propose(None, problems, np.random.default_rng(0)).equals(problems)
    some = Seed(n=5).propose(None, problems, np.random.default_rng(0))
    assert len(some) == 5
    assert some.index.is_monotonic_increasing
    assert not some.equals(Seed(n=5).propose(None, problems, np.random.default_rng(1)))
