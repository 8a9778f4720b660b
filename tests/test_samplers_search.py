"""Tree search: beginnings are worth what became of them, and the best ones are continued."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samplers_made import by_gold, drawn, scored, started, valid
from siwork.samplers import Cot, Search
from siwork.samplers.search import beginnings
from siwork.schema import KnobError


@pytest.fixture(scope="module")
def first():
    state, problems = started("tiny", "expr", 6)
    return state, problems, by_gold(state, drawn(Search(k=4), state, problems))


SAID = ["1+2=3;3*3=9", "1+2=3;3*3=8", "1+2=4;4*3=12", "3", "1+2=3;3*3=9;9"]
steps = st.lists(st.tuples(st.sampled_from(SAID), st.sampled_from("ab"), st.floats(0, 1) | st.none()), max_size=12)


@given(steps)
def test_a_beginning_is_worth_the_mean_of_what_passes_through_it(first, told):
    state, _, judged = first
    rows = judged.iloc[[0] * len(told)].assign(
        response=pd.array([said for said, _, _ in told], dtype="string[pyarrow]"),
        problem=pd.array([name for _, name, _ in told], dtype="string[pyarrow]"),
    )
    tree = beginnings(state, scored(rows, [np.nan if s is None else s for _, _, s in told]))
    through = defaultdict(list)
    for place, (said, name, score) in enumerate(told):
        parts = said.split(";")
        for n in range(1, len(parts)):
            if score is not None:
                through[name, ";".join(parts[:n]) + ";"].append((score, place))
    found = {(line.problem, line.begun): (line.value, line.row) for line in tree.itertuples()}
    assert found.keys() == through.keys()
    for key, values in through.items():
        assert found[key] == (pytest.approx(np.mean([s for s, _ in values])), values[0][1])


def test_the_first_level_is_whole_responses(first):
    state, problems, judged = first
    assert Search(levels=5).passes == 5
    assert set(judged["turn"]) == {0}
    pd.testing.assert_frame_equal(drawn(Search(k=4), state, problems), drawn(Cot(k=4), state, problems))


def test_the_best_beginnings_are_continued(first):
    state, problems, judged = first
    rows = drawn(Search(k=2, beam=1), state, problems, judged)
    tree = beginnings(state, judged)
    tree = tree[tree["value"] < 1]
    assert set(rows["problem"]) == set(tree["problem"])
    assert (rows.groupby("problem").size() == 2).all()
    assert set(rows["turn"]) == {0}
    assert set(rows["hint"]) == {"search"}
    said = judged.set_index(["problem", "sample"])["response"]
    for name, mine in rows.groupby("problem"):
        here = tree[tree["problem"] == name]
        best = set(here[here["value"] == here["value"].max()]["begun"])
        parent = said[name, mine["parent"].iloc[0]]
        assert any(
            parent.startswith(begun) and all(text.startswith(begun) for text in mine["response"]) for begun in best
        )
    valid(scored(pd.concat([judged, rows], ignore_index=True), np.ones(len(judged) + len(rows))))


def test_lengths_and_log_probabilities_are_of_the_whole_response(first):
    state, problems, judged = first
    rows = drawn(Search(k=2), state, problems, judged)
    told = rows["prompt"].tolist(), rows["response"].tolist(), rows["finished"].to_numpy(bool)
    assert rows["logp"].to_numpy() == pytest.approx(state.policy.logp(*told), abs=1e-4)
    assert rows["n_tokens"].tolist() == state.policy.lengths(*told[1:]).tolist()


def test_levels_go_on_from_all_rows_before(first):
    state, problems, judged = first
    second = by_gold(state, drawn(Search(k=2, beam=3), state, problems, judged))
    both = pd.concat([judged, second], ignore_index=True)
    third = drawn(Search(k=1, beam=50), state, problems, both)
    assert set(third["turn"]) == {0}
    tree = beginnings(state, both)
    assert len(third) == (tree["value"] < 1).sum()


def test_what_is_solved_is_left_alone(first):
    state, problems, judged = first
    assert drawn(Search(), state, problems, scored(judged, np.ones(len(judged)))).empty


def test_what_is_lacking_is_said(first):
    state, problems, judged = first
    with pytest.raises(KnobError, match=r"search needs scored rows, and nobody scored them; write search · gold"):
        drawn(Search(), state, problems, scored(judged, np.full(len(judged), np.nan), "none"))
    table, tasks = started(task="expr", n=4)
    rows = scored(drawn(Cot(k=4), table, tasks), np.zeros(16))
    with pytest.raises(KnobError, match="policy 'tabular' cannot continue a beginning; take tiny or hf"):
        drawn(Search(), table, tasks, rows)
    assert (Search().asks, Search().asks_policy) == (("pieces",), ("continued",))
