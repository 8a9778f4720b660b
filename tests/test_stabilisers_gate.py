"""The gate and the population: what is refused, what is kept, who is trained on what."""

import numpy as np
import pandas as pd
import pytest

import siwork
from broken_off import whole_and_broken
from contracts.verifier import Silent
from siwork.loop import Sizes
from siwork.recipes import Recipe
from siwork.recipes.playing import Play, lots_of, of_agent
from siwork.slots import Learned, State
from siwork.stabilisers import Gate, Pop

SMALL = Sizes(train=10, heldout=4, beyond=0, samples=4)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def start():
    task = siwork.task("countdown", numbers=3)
    problems = task.problems("train", 20)
    policy = siwork.policy("tabular", task)
    policy.register(problems)
    return State(task, policy, policy), problems


def play(start, formula, seed=0, state=None):
    return Play(Recipe.read(formula), start[1], lots_of(rng(seed))).round(state or start[0])


def decision(state):
    return state.learned["gate"].rows.iloc[-1]


# ── gate ───────────────────────────────────────────────────────────────────────────────────────────────
def test_a_better_policy_passes_and_a_worse_one_does_not(start):
    state, problems = start
    better = siwork.policy("tabular", state.task, skill=2.0)
    better.register(problems)
    trial = Play(Recipe.read("cot · gold"), problems, lots_of(rng())).trial
    learnt, new = {"x": Learned(problems, {})}, state.having(policy=better, memory=problems, tuned={"temperature": 1.2})
    taken = Gate().settle(state, new.having(learned=learnt), problems, trial, rng())
    assert taken.policy is better
    assert set(taken.learned) == {"x", "gate"}
    old = state.having(policy=better)
    refused = Gate().settle(old, new.having(policy=state.policy, learned=learnt), problems, trial, rng())
    assert refused.policy is better
    assert set(refused.learned) == {"gate"}
    assert (refused.memory is problems, refused.tuned) == (True, {"temperature": 1.2})
    assert [decision(s)["accepted"] for s in (taken, refused)] == [True, False]


def test_the_compared_scores_by_hand(start):
    state, problems = start
    trial = Play(Recipe.read("cot · gold"), problems, lots_of(rng())).trial
    better = siwork.policy("tabular", state.task, skill=2.0)
    better.register(problems)
    told = decision(Gate(problems=20, k=16).settle(state, state.having(policy=better), problems, trial, rng(5)))
    luck = rng(5)
    luck.permutation(20)
    seed = int(luck.integers(2**63))
    rows = [trial(state.having(policy=p), problems, 16, rng(seed)) for p in (state.policy, better)]
    assert told["score_before"] == pytest.approx(float(rows[0]["score"].mean()))
    assert told["score_after"] == pytest.approx(float(rows[1]["score"].mean()))
    said = rows[1]["prompt"].tolist(), rows[1]["response"].tolist(), np.ones(len(rows[1]), bool)
    moved = np.abs(better.logp(*said) - state.policy.logp(*said)) / rows[1]["n_tokens"].to_numpy(float)
    assert told["drift"] == pytest.approx(moved.mean())


def test_the_same_policy_scores_the_same_and_needs_no_margin(start):
    state, problems = start
    trial = Play(Recipe.read("cot · gold"), problems, lots_of(rng())).trial
    twin = state.having(policy=state.policy.copy())
    for margin, accepted in ((0.0, True), (0.01, False)):
        told = decision(Gate(margin=margin).settle(state, twin, problems, trial, rng()))
        assert told["score_before"] == told["score_after"]
        assert told["drift"] == 0.0
        assert told["accepted"] == accepted


def test_a_bound_on_drift_refuses_what_pays(start):
    line = "cot(k=8) · gold · correct · sft · gate(margin=-1, drift={})"
    _, near = play(start, line.format(50))
    _, far = play(start, line.format(1e-6))
    assert decision(near)["accepted"]
    assert not decision(far)["accepted"]
    assert decision(far)["drift"] == decision(near)["drift"] > 1e-6
    assert far.policy is start[0].policy
    assert near.policy is not start[0].policy


def test_without_scores_there_is_nothing_to_refuse_by(start):
    _, after = play(start, "cot(k=4) · sft(steps=2) · gate(margin=1, drift=100)")
    assert decision(after)["accepted"]
    assert pd.isna(decision(after)["score_after"])


def test_a_whole_population_is_refused_together(start):
    state, _ = start
    begun = state.having(members=(state.policy.copy(),))
    _, after = play(start, "cot(k=4) · gold · correct · sft(steps=2) · gate(margin=1)", state=begun)
    assert (after.policy is begun.policy, after.members) == (True, begun.members)


def test_refused_rounds_are_the_same_after_a_break(tmp_path):
    formula = "seed · cot(k=4) · gold · correct · sft(steps=4) · gate(margin=0.02, problems=6, k=4)"
    whole, broken = whole_and_broken(tmp_path, formula, rounds=3, problems=SMALL)
    same = ["problem", "sample", "response", "score", "weight"]
    pd.testing.assert_frame_equal(whole.rows()[same], broken.rows()[same])
    notes = [pd.read_parquet(run.state_path(2) / "learned-gate.parquet") for run in (whole, broken)]
    pd.testing.assert_frame_equal(*notes)
    assert notes[0]["round"].tolist() == [0, 1, 2]


def test_whatever_reads_no_truth_plays_without_it():
    task = siwork.task("expr", depth=2)
    policy = siwork.policy("tabular", task)
    problems = task.problems("train", 8)
    recipe = Recipe.read(
        "cot(k=3) · exec(corrector=0.5) + critic + vote(by=agent) · correct + splice(cut) + weight(by=entropy) "
        "· sft(steps=2) + neg(kind=nft, steps=2) "
        "· adapt(problems=4, k=2) + anchor(kl) + pop(n=2) + gate(problems=4, k=2, drift=9)"
    )
    assert recipe.label_free
    rows, after = Play(recipe, problems, lots_of(rng())).round(State(Silent(task), policy, policy))
    assert len(rows) > 2 * 3 * 8  # with what was repaired
    assert set(after.learned) == {"gate"}


# ── population ─────────────────────────────────────────────────────────────────────────────────────────
def test_each_agent_is_trained_on_its_own_rows(start):
    rows, after = play(start, "cot(k=4) · gold · correct · sft(steps=5) · pop(n=2)")
    assert rows["agent"].value_counts().to_dict() == {"agent-0": 80, "agent-1": 80}
    assert not rows.duplicated(["problem", "sample"]).any()
    assert len(after.members) == 1
    assert after.policy.fingerprint() != after.members[0].fingerprint() != start[0].policy.fingerprint()
    assert start[0].members == ()


def test_shared_rows_train_everybody(start):
    state, _ = start
    begun = Pop(n=2).begin(state, start[1], None, rng())
    rows, _ = play(start, "cot(k=2) · gold", state=begun)
    _, own = Pop(n=2).before(begun, rows, rng())
    _, shared = Pop(n=2, shared=True).before(begun, rows, rng())
    assert own is rows
    assert [len(of_agent(own, name)) for name in begun.agents] == [40, 40]
    assert [len(of_agent(shared, name)) for name in begun.agents] == [80, 80]
    teacher = rows.assign(agent=rows["agent"].mask(rows["sample"] == 0, "teacher"))
    assert set(Pop(shared=True).before(begun, teacher, rng())[1]["agent"]) == {"teacher", "population"}


def test_a_population_that_there_is_stays(start):
    state, problems = start
    begun = Pop(n=4).begin(state, problems, None, rng())
    assert len(begun.members) == 3
    assert Pop(n=2).begin(begun, problems, None, rng()) is begun
    assert Pop(n=1).begin(state, problems, None, rng()).members == ()


def test_one_alone_is_nobody_special(start):
    alone, _ = play(start, "cot(k=4) · gold · correct · sft(steps=5) · pop(n=1)")
    plain, _ = play(start, "cot(k=4) · gold · correct · sft(steps=5)")
    pd.testing.assert_frame_equal(alone, plain)


def test_a_population_is_the_same_after_a_break(tmp_path):
    formula = "seed · cot(k=3) · vote · correct · sft(steps=4) · pop(n=2)"
    whole, broken = whole_and_broken(tmp_path, formula, rounds=2, problems=SMALL)
    same = ["problem", "sample", "agent", "response", "score", "weight"]
    pd.testing.assert_frame_equal(whole.rows()[same], broken.rows()[same])
