"""Debates and teachers: who reads whom, and whose numbers stand in the rows."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from samplers_made import drawn, scored, started, valid
from siwork.samplers import Cot, Roles
from siwork.samplers.roles import heard
from siwork.schema import KnobError


@pytest.fixture(scope="module")
def first():
    state, problems = started(n=10)
    return state, problems, drawn(Cot(k=6), state, problems)


def told(rows, said, agents=None):
    """The first rows with those answers; the response is the answer and its place."""
    answers = pd.array(said, dtype="string[pyarrow]")
    texts = [f"{answer}/{i}" for i, answer in enumerate(said)]
    rows = rows.iloc[: len(said)].assign(answer=answers, response=pd.array(texts, dtype="string[pyarrow]"))
    return rows if agents is None else rows.assign(agent=pd.array(agents, dtype="string[pyarrow]"))


answers = st.lists(st.sampled_from(["x", "y", "z", None]), min_size=1, max_size=6)


@given(answers, st.integers(0, 9))
def test_of_one_agent_each_half_reads_the_majority_of_the_other(first, said, seed):
    state, _, rows = first
    mine, notes = heard(told(rows, said), state, np.random.default_rng(seed))
    found = dict(zip(mine["sample"], notes, strict=True))
    for i in range(len(said)):
        other = [answer for j, answer in enumerate(said) if j % 2 != i % 2 and answer is not None]
        assert (i in found) == bool(other)
        if other:
            answer, place = found[i].split("/")
            assert Counter(other)[answer] == max(Counter(other).values())
            assert said[int(place)] == answer
            assert int(place) % 2 != i % 2


@given(answers, st.data())
def test_of_a_population_each_agent_reads_the_majority_of_the_others(first, said, data):
    state, _, rows = first
    names = ["agent-0", "agent-1", "agent-2", "teacher"]
    agents = data.draw(st.lists(st.sampled_from(names), min_size=len(said), max_size=len(said)))
    mine, notes = heard(told(rows, said, agents), state.having(agent="agent-1"), np.random.default_rng(0))
    other = [a for a, name in zip(said, agents, strict=True) if a is not None and name in ("agent-0", "agent-2")]
    assert len(mine) == len(notes) == (agents.count("agent-1") if other else 0)
    assert all(Counter(other)[note.split("/")[0]] == max(Counter(other).values()) for note in notes)


def test_every_attempt_is_followed_by_one_that_has_read(first):
    state, problems, judged = first
    rows = drawn(Roles("debate"), state, problems, judged)
    mine, notes = heard(judged, state, np.random.default_rng(0))
    assert rows["parent"].tolist() == mine["sample"].tolist()
    assert set(rows["hint"]) == {"debate"}
    assert set(rows["turn"]) == {1}
    asked = [f"{prompt}#{note}>" for prompt, note in zip(mine["prompt"], notes, strict=True)]
    logp = state.policy.logp(asked, rows["response"].tolist(), rows["finished"].to_numpy(bool))
    assert rows["logp"].to_numpy() == pytest.approx(logp)
    both = pd.concat([judged, rows], ignore_index=True)
    valid(scored(both, np.ones(len(both))))


def test_a_population_debates_in_one_round(first):
    state, problems, _ = first
    team = state.having(members=(state.policy.copy(), state.policy.copy()))
    rows, _ = siwork.recipes.Recipe.read("seed · cot(k=2) + roles(debate) · vote · sft(steps=2)").play(
        team, problems, np.random.default_rng(0)
    )
    valid(rows)
    assert rows.groupby(["agent", "turn"]).size().to_dict() == {
        (f"agent-{i}", turn): 20 for i in range(3) for turn in (0, 1)
    }
    by_key = rows.set_index(["problem", "sample"])["agent"]
    second = rows[rows["turn"] == 1]
    assert [by_key[key] for key in zip(second["problem"], second["parent"], strict=True)] == second["agent"].tolist()


def test_a_teacher_writes_and_the_student_scores(first):
    state, problems, judged = first
    teacher = siwork.policy("tabular", state.task, skill=8.0)
    teacher.register(problems)
    rows = drawn(Roles("teacher", k=3, by="tabular(skill=8.0)"), state, problems, judged)
    assert rows["sample"].tolist() == [6, 7, 8] * 10
    assert set(rows["agent"]) == set(rows["hint"]) == {"teacher"}
    assert state.task.check(rows).mean() > 0.9 > state.task.check(judged).mean()
    said = rows["prompt"].tolist(), rows["response"].tolist(), rows["finished"].to_numpy(bool)
    assert rows["logp"].to_numpy() == pytest.approx(state.policy.logp(*said))
    assert rows["base_logp"].to_numpy() == pytest.approx(state.base.logp(*said))
    assert rows["entropy"].isna().all()
    plainly = drawn(Cot(k=3), state.having(policy=teacher), problems)
    assert rows["response"].tolist() == plainly["response"].tolist()
    valid(scored(pd.concat([judged, rows], ignore_index=True), np.ones(90)))


def test_a_population_asks_its_teacher_once(first):
    state, problems, judged = first
    rows = drawn(Roles("teacher", k=2), state.having(agent="agent-0"), problems, judged)
    both = pd.concat([judged, rows], ignore_index=True)
    assert len(rows) == 20
    assert drawn(Roles("teacher", k=2), state.having(agent="agent-1"), problems, both).empty


def test_what_cannot_be_is_said(first):
    state, problems, _ = first
    with pytest.raises(KnobError, match=r"roles\(debate\) needs first attempts before it; write cot"):
        drawn(Roles(), state, problems)
    with pytest.raises(KnobError, match=r"knob 'by' is self, base or a policy such as hf\(\"path\"\), got 'tabula'"):
        Roles("teacher", by="tabula")
    with pytest.raises(KnobError, match="the teacher is another policy, got by=self"):
        Roles("teacher", by="self")
