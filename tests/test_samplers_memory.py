"""Own notes of earlier rounds, and small changes to the best rows."""

import numpy as np
import pandas as pd
import pytest

from samplers_made import by_gold, drawn, scored, started, valid
from siwork.samplers import Cot, Memory, Mutate
from siwork.samplers.memory import chosen
from siwork.schema import KnobError


@pytest.fixture(scope="module")
def first():
    state, problems = started(n=10)
    return state, problems, by_gold(state, drawn(Cot(k=6), state, problems))


def accepted(rows, weight):
    return rows.assign(weight=pd.array(np.asarray(weight, float), dtype="double[pyarrow]"))


def kept(part, state, *tables):
    for rows in tables:
        state = part.remember(state, rows, None)
    return state


def test_without_notes_there_are_no_rows(first):
    state, problems, judged = first
    rows = drawn(Memory(), state, problems, judged)
    assert rows.empty
    assert pd.concat([judged, rows], ignore_index=True).equals(judged)


def test_the_latest_accepted_responses_are_kept(first):
    state, _, judged = first
    rows = judged.iloc[[0, 1, 2, 0]].assign(response=pd.array(list("abca"), dtype="string[pyarrow]"))
    known = kept(Memory(n=2), state, accepted(rows, [1, 1, 0, 1])).learned["memory"].rows
    assert known["response"].tolist() == ["b", "a"]
    twice = kept(Memory(n=2), state, accepted(rows, [1, 1, 0, 1]), accepted(rows, [0, 0, 0.5, 0]))
    assert twice.learned["memory"].rows["response"].tolist() == ["a", "c"]


def test_a_note_is_of_the_same_problem_or_of_the_nearest():
    notes = pd.DataFrame(
        {
            "problem": ["a", "a", "b", "c"],
            "prompt": ["1=", "1=", "2=", "3="],
            "difficulty": [0.1, 0.1, 0.5, 0.9],
            "response": ["x", "y", "z", "w"],
        }
    )
    assert chosen(notes, {"problem": "a", "difficulty": 0.9}, 5) == ["y", "x"]
    assert chosen(notes, {"problem": "d", "difficulty": 0.75}, 1) == ["3=w"]
    assert chosen(notes, {"problem": "d", "difficulty": 0.75}, 2) == ["3=w", "2=z"]
    assert chosen(notes, {"problem": "d", "difficulty": 0.0}, 3) == ["1=x", "2=z", "3=w"]
    assert chosen(notes, {"problem": "d", "difficulty": pd.NA}, 1) == ["2=z"]


def test_notes_stand_in_the_prompt(first):
    state, problems, judged = first
    now = kept(Memory(), state, accepted(judged, judged["score"].to_numpy(float)))
    rows = drawn(Memory(k=2), now, problems, judged)
    assert len(rows) == 20
    assert set(rows["hint"]) == {"memory"}
    assert set(rows["sample"]) == {6, 7}
    notes = now.learned["memory"].rows
    lines = problems.to_dict("records")
    asked = [f"{line['prompt']}#{chosen(notes, line, 1)[0]}>" for line in lines for _ in range(2)]
    logp = state.policy.logp(asked, rows["response"].tolist(), rows["finished"].to_numpy(bool))
    assert rows["logp"].to_numpy() == pytest.approx(logp)
    valid(scored(rows, np.ones(20)))


def test_every_agent_has_its_own_notes(first):
    state, problems, judged = first
    team = state.having(members=(state.policy.copy(),))
    names = pd.array(["agent-0", "pool", "agent-0"] * 20, dtype="string[pyarrow]")
    now = kept(Memory(), team, accepted(judged, np.ones(60)).assign(agent=names))
    assert set(now.learned["memory"].rows["agent"]) == {"agent-0"}
    assert len(drawn(Memory(k=1), now.having(agent="agent-0"), problems, judged)) == 10
    assert drawn(Memory(k=1), now.having(agent="agent-1"), problems, judged).empty


def test_the_best_rows_are_changed(first):
    state, problems, judged = first
    rows = drawn(Mutate(n=2), state, problems, judged)
    passed = judged[judged["score"] == 1]
    assert len(rows) > 0
    assert (rows["problem"].value_counts() <= 2).all()
    parents = set(zip(passed["problem"], passed["sample"], strict=True))
    assert set(zip(rows["problem"], rows["parent"], strict=True)) <= parents
    old = set(zip(judged["prompt"], judged["response"], strict=True))
    new = list(zip(rows["prompt"], rows["response"], strict=True))
    assert not old & set(new)
    assert len(set(new)) == len(new)
    assert set(rows["agent"]) == set(rows["hint"]) == {"mutation"}
    assert set(rows["turn"]) == {0}
    both = pd.concat([judged, rows], ignore_index=True)
    valid(scored(both, np.ones(len(both))))


def test_the_best_are_those_with_the_highest_scores(first):
    state, problems, judged = first
    graded = scored(judged, np.arange(60) % 6 / 10)
    assert set(drawn(Mutate(n=2, on="all"), state, problems, graded)["parent"]) == {4, 5}
    assert set(drawn(Mutate(n=2), state, problems, graded)["parent"]) == {5}
    unknown = np.where(np.arange(60) % 6 == 5, np.nan, 0.1)
    assert 5 not in set(drawn(Mutate(n=6, on="all"), state, problems, scored(judged, unknown))["parent"])


def test_a_change_needs_scores(first):
    state, problems, _ = first
    with pytest.raises(KnobError, match=r"mutate needs scored rows.*write cot \+ mutate · gold"):
        drawn(Mutate(), state, problems)
    assert Mutate().asks == ("mutate",)
