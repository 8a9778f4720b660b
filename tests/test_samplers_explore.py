"""The pool of earlier rounds, and a policy that forgets what it just said."""

import numpy as np
import pandas as pd
import pytest

from samplers_made import by_gold, drawn, scored, started, valid
from siwork.samplers import Cot, Explore
from siwork.samplers.explore import pushed, unlearning
from siwork.schema import KnobError


@pytest.fixture(scope="module")
def first():
    return started(n=20)


def remembered(part, state, *tables):
    for rows in tables:
        state = part.remember(state, rows, None)
    return state


def test_passing_answers_of_earlier_rounds_join_each_once(first):
    state, problems = first
    earlier = by_gold(state, drawn(Cot(k=16), state, problems))
    part = Explore("pool", k=1, n=100)
    rows = drawn(part, remembered(part, state, earlier, earlier), problems, seed=1)
    fresh, pool = rows[rows["hint"] == "none"], rows[rows["hint"] == "pool"]
    assert len(fresh) == 20
    passed = earlier[earlier["score"] == 1]
    known = set(zip(passed["problem"], passed["answer"], strict=True))
    now = set(zip(fresh["problem"], fresh["answer"], strict=True))
    assert sorted(zip(pool["problem"], pool["answer"], strict=True)) == sorted(known - now)
    assert set(pool["agent"]) == {"pool"}
    told = pool["prompt"].tolist(), pool["response"].tolist(), pool["finished"].to_numpy(bool)
    assert pool["logp"].to_numpy() == pytest.approx(state.policy.logp(*told))
    valid(scored(rows, np.ones(len(rows))))


def test_at_most_n_answers_join_and_chance_says_which(first):
    state, problems = first
    earlier = by_gold(state, drawn(Cot(k=32), state, problems))
    part = Explore("pool", k=1, n=1)
    known = remembered(part, state, earlier)
    pools = [drawn(part, known, problems, seed=seed).query("hint == 'pool'") for seed in range(4)]
    assert all(pool["problem"].is_unique for pool in pools)
    assert len({tuple(pool["answer"]) for pool in pools}) > 1


def test_the_pool_does_not_feed_on_itself_and_needs_scores(first):
    state, problems = first
    part = Explore("pool", k=2)
    rows = drawn(Cot(k=2), state, problems)
    pooled = scored(rows, np.ones(40)).assign(agent=pd.array(["pool"] * 40, dtype="string[pyarrow]"))
    assert remembered(part, state, pooled).learned["explore"].rows.empty
    with pytest.raises(KnobError, match=r"explore\(pool\) needs scored rows"):
        part.remember(state, scored(rows, np.full(40, np.nan), "none"), None)
    assert len(drawn(part, state, problems)) == 40


def test_an_answer_that_cannot_be_read_counts_by_its_text(first):
    state, problems = first
    rows = drawn(Cot(k=2), state, problems.iloc[:1])
    blank = scored(rows, [1, 1]).assign(
        answer=pd.array([None, None], dtype="string[pyarrow]"), response=pd.array(["1", "2"], dtype="string[pyarrow]")
    )
    assert remembered(Explore("pool"), state, blank).learned["explore"].rows["said"].tolist() == ["1", "2"]


def test_the_other_half_is_drawn_after_forgetting(first):
    state, problems = first
    before = state.policy.fingerprint()
    rows = drawn(Explore("forget", k=5, steps=2), state, problems)
    one, other = rows[rows["hint"] == "none"], rows[rows["hint"] == "forget"]
    assert (len(one), len(other)) == (60, 40)
    assert other["sample"].tolist() == [3, 4] * 20
    told = other["prompt"].tolist(), other["response"].tolist(), other["finished"].to_numpy(bool)
    assert other["logp"].to_numpy() == pytest.approx(state.policy.logp(*told))
    assert other["base_logp"].to_numpy() == pytest.approx(state.base.logp(*told))
    assert other["entropy"].isna().all()
    assert set(other["agent"]) == {"policy"}
    assert state.policy.fingerprint() == before
    valid(scored(rows, np.ones(100)))


def test_what_was_said_is_forgotten(first):
    state, problems = first
    rows = drawn(Cot(k=4), state, problems)
    told = rows["prompt"].tolist(), rows["response"].tolist(), rows["finished"].to_numpy(bool)
    twin = state.policy.copy()
    twin.train(unlearning(rows, 20, 10.0, np.random.default_rng(0)))
    assert twin.logp(*told).mean() < state.policy.logp(*told).mean() - 0.1
    again = drawn(Explore("forget", k=8, steps=20, rate=30.0), state, problems)
    halves = [set(zip(part["problem"], part["response"], strict=True)) for _, part in again.groupby("hint")]
    plain = drawn(Cot(k=8), state, problems)
    usual = [
        set(zip(part["problem"], part["response"], strict=True)) for _, part in plain.groupby(plain["sample"] >= 4)
    ]
    assert len(halves[0] & halves[1]) < 0.7 * len(usual[0] & usual[1])


def test_the_push_is_the_slope_of_its_objective():
    logp, length = np.array([-0.5, -4.0, -20.0]), np.array([3.0, 5.0, 4.0])

    def objective(x):
        return np.log(1 - np.exp(x / length)).mean()

    slope = [(objective(logp + e) - objective(logp - e)) / 2e-6 for e in 1e-6 * np.eye(3)]
    assert pushed(logp, length) == pytest.approx(slope, rel=1e-4)
    assert np.isfinite(pushed(np.zeros(2), np.ones(2))).all()


def test_two_halves_need_two_samples():
    with pytest.raises(KnobError, match=r"explore\(forget\) draws k in two halves, got k=1; nearest: 2"):
        Explore("forget", k=1)
