"""Agents that debate, and a teacher: who hears what, and what the rows say of it."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

import siwork
from siwork.recipes import Recipe
from siwork.samplers import Cot, Roles
from siwork.samplers.agents import _heard
from siwork.schema import KnobError, check
from siwork.slots import State, silent

TASK = siwork.task("expr", depth=2)


@pytest.fixture(scope="module")
def state():
    policy = siwork.policy("tiny", TASK)
    return State(TASK, policy, policy)


@pytest.fixture(scope="module")
def problems():
    return TASK.problems("train", 6)


def rng(seed=0):
    return np.random.default_rng(seed)


def spoken(agents, answers, problem="p"):
    """First attempts by hand: who said which answer, in the response `r<place>`."""
    n = len(agents)
    table = {"problem": [problem] * n, "sample": range(n), "agent": agents, "answer": answers}
    return pd.DataFrame(table | {"response": [f"r{i}" for i in range(n)]})


def test_an_agent_hears_the_others_commonest_answer_and_not_its_own():
    # agent-0 says 7 three times, the others 5, 5, 7: it hears 5, in the words of the first who said so
    first = spoken(["agent-0"] * 3 + ["agent-1", "agent-2", "agent-2"], ["7", "7", "7", "5", "5", "7"])
    parents, notes = _heard(first, "agent-0")
    assert notes == ["r3"] * 3
    assert parents["sample"].tolist() == [0, 1, 2]
    # agent-2 hears 7 four times against 5 once
    assert _heard(first, "agent-2")[1] == ["r0", "r0"]


def test_one_agent_alone_hears_its_other_half():
    first = spoken(["policy"] * 4, ["1", "2", "1", "3"])
    assert _heard(first, "policy")[1] == ["r1", "r0", "r1", "r0"]  # a tie of 2 and 3 goes to the first


def test_who_hears_nobody_has_no_second_turn():
    first = spoken(["policy"] * 3, ["1", None, "2"])  # the odd half gave no answer
    parents, notes = _heard(first, "policy")
    assert parents["sample"].tolist() == [1]
    assert notes == ["r0"]


def test_the_second_turn_is_asked_with_the_note(state, problems):
    first = Cot(k=4).sample(state, problems, None, rng(), silent)
    rows = Roles(k=2).sample(state, problems, first, rng(1), silent)
    check(rows.assign(run="r", round=0), needs=["problem", "sample", "parent", "hint", "turn"])
    assert set(rows["hint"]) == {"debate"}
    assert set(rows["turn"]) == {1}
    assert rows["prompt"].isin(problems["prompt"]).all()
    assert not rows.duplicated(["problem", "sample"]).any()
    assert rows["sample"].min() >= 4
    heard = Counter(zip(rows["problem"], rows["parent"], strict=True))
    assert set(heard.values()) == {2}
    parents, notes = _heard(first, "policy")
    told = dict(zip(zip(parents["problem"], parents["sample"], strict=True), notes, strict=True))
    heard = [TASK.answer("", told[key]) for key in zip(rows["problem"], rows["parent"], strict=True)]
    followed = np.mean(rows["answer"].fillna("").to_numpy(object) == np.array(heard, object))
    both = first.merge(first, on="problem")
    agreed = np.mean(both["answer_x"].fillna("").to_numpy(object) == both["answer_y"].fillna("?").to_numpy(object))
    assert followed > agreed  # a model that was taught to use a note says what stands there more often than not


def test_a_debate_needs_a_first_turn(state, problems):
    with pytest.raises(KnobError, match=r"is a second turn; write cot \+ roles\(debate\)"):
        Roles().sample(state, problems, None, rng(), silent)


def test_a_teacher_writes_and_the_policy_scores(state, problems):
    teacher = "tabular(skill=8.0)"
    rows = Roles("teacher", k=3, by=teacher).sample(state, problems, None, rng(), silent)
    check(rows.assign(run="r", round=0), needs=["problem", "sample", "hint"])
    assert set(rows["agent"]) == {"teacher"}
    assert rows["entropy"].isna().all()
    assert TASK.check(rows).mean() > 0.9  # the teacher is nearly always right
    scored = state.policy.logp(rows["prompt"].tolist(), rows["response"].tolist(), rows["finished"].to_numpy(bool))
    assert rows["logp"].to_numpy(float) == pytest.approx(np.minimum(scored, 0), abs=1e-6)


def test_what_a_teacher_says_is_learned(tmp_path):
    sizes = siwork.Sizes(train=20, heldout=4, beyond=0, samples=2)
    formula = 'seed · roles(teacher, k=4, by="tabular(skill=8.0)") · sft(steps=20)'
    assert Recipe.read(formula).label_free
    run = siwork.run(formula, "countdown(numbers=3)", "tiny", rounds=2, problems=sizes, folder=tmp_path / "r")
    rows = run.rows()
    by_round = rows[rows["agent"] == "teacher"].groupby("round")["logp"].mean()
    assert by_round[1] > by_round[0] + 0.5  # nats a response, of the same few problems


def test_an_unknown_teacher_is_a_sentence():
    with pytest.raises(KnobError, match=r"roles: knob 'by' is self, base or a policy such as hf"):
        Roles("teacher", by="tinny")


def test_the_policy_cannot_teach_itself():
    with pytest.raises(KnobError, match="the teacher is another policy, got by=self"):
        Roles("teacher", by="self")


def test_a_population_has_one_teacher(state, problems):
    first = Roles("teacher", k=2).sample(state.having(agent="agent-0"), problems, None, rng(), silent)
    again = Roles("teacher", k=2).sample(state.having(agent="agent-1"), problems, first, rng(), silent)
    assert len(first) > 0
    assert again.empty
