"""What is trained on in place of the responses: cut, joined, shortened, replaced."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from siwork.recipes import Recipe
from siwork.recipes.playing import Play, lots_of
from siwork.schema import KnobError
from siwork.selectors import Correct, Pairs, Splice
from siwork.selectors.splice import pieces, steps_before
from siwork.slots import Selection, State
from siwork.updates import texts_of


def table(problem, response, score, critic=None):
    made = pd.DataFrame({"problem": list(problem), "response": response, "score": score})
    if critic is not None:
        made["score_critic"] = critic
    return made.astype({"problem": "string[pyarrow]", "response": "string[pyarrow]", "score": "double[pyarrow]"})


def select(part, rows, chosen=None, seed=0):
    return part.select(rows, chosen or Selection.all(len(rows)), np.random.default_rng(seed))


@given(st.text(";ab", max_size=12), st.sampled_from([";", "", "ab"]))
def test_pieces_join_to_the_text_and_end_with_the_mark(text, mark):
    parts = pieces(text, mark)
    assert "".join(parts) == text
    assert all(parts)
    assert all(part.endswith(mark) for part in parts[:-1])


@given(st.text("01", min_size=1, max_size=12), st.booleans())
def test_the_place_of_the_error_is_read_from_the_share(marks, answered):
    first = marks.find("0") if "0" in marks else len(marks)
    if first < len(marks):
        assert steps_before(first / len(marks), len(marks) + answered) == first


# ── cut ────────────────────────────────────────────────────────────────────────────────────────────────
def test_cut_by_hand():
    rows = table("aaaa", ["1;2;3", "1;x;3", "x;2;3", "1;2;x;7"], [1.0, 0.0, 0.0, 0.0], [1.0, 1 / 3, 0.0, 2 / 3])
    chosen = select(Splice("cut"), rows, select(Correct(), rows))
    assert chosen.weight.tolist() == [1.0, 1.0, 0.0, 1.0]
    assert chosen.taught == [None, "1;", None, "1;2;"]
    kept = rows.assign(prompt="p", finished=True, taught=chosen.taught)
    _, said, finished = texts_of(kept)
    assert said.to_pylist() == ["1;2;3", "1;", "x;2;3", "1;2;"]
    assert finished.tolist() == [True, False, True, False]


def test_the_rejected_side_of_a_pair_ends_with_the_wrong_step():
    rows = table("aa", ["1;2;3", "1;x;3"], [1.0, 0.0], [1.0, 1 / 3])
    chosen = select(Splice("cut"), rows, select(Pairs(), rows))
    assert chosen.taught == [None, "1;x;"]
    assert chosen.weight.tolist() == [1.0, 0.0]


def test_cut_needs_a_critic_and_says_so():
    with pytest.raises(KnobError, match="reads 'score_critic', and the rows have none; write gold"):
        select(Splice("cut"), table("a", ["1"], [0.0]))
    assert select(Splice("cut", by="score"), table("a", ["1;x"], [0.5])).taught == ["1;"]


def test_an_unscored_row_stays_as_it_is():
    chosen = select(Splice("cut", by="score"), table("a", ["1;x"], [None]))
    assert (chosen.taught, chosen.weight.tolist()) == ([None], [1.0])


def test_a_round_cuts_where_the_first_step_went_wrong():
    task = siwork.task("expr")
    policy = siwork.policy("tabular", task)
    recipe = Recipe.read("seed · cot(k=8) · gold + critic · correct + splice(cut) · sft(steps=2)")
    problems = task.problems("train", 10)
    policy.register(problems)
    rows, _ = Play(recipe, problems, lots_of(np.random.default_rng(0))).round(State(task, policy, policy))
    cut = rows[rows["taught"].notna().to_numpy(bool)]
    assert len(cut)
    for prompt, said, kept in zip(cut["prompt"], cut["response"], cut["taught"], strict=True):
        assert said.startswith(kept)
        marks = task.executed(prompt, said)
        assert len(pieces(kept, ";")) == marks.index("0")
        assert task.executed(prompt, kept) == marks[: marks.index("0")]


# ── join ───────────────────────────────────────────────────────────────────────────────────────────────
def test_join_by_hand():
    rows = table("aabb", ["1;2", "x;y;z", "3", "4"], [1.0, 0.0, 1.0, 1.0])
    assert select(Splice("join"), rows).taught == ["x;1;2", None, None, None]
    assert select(Splice("join", n=2), rows).taught == ["x;y;1;2", None, None, None]
    assert select(Splice("join", n=9, sign="<"), rows).taught == ["x;y;z;<1;2", None, None, None]
    assert select(Splice("join"), rows).weight.tolist() == [1.0] * 4


def test_join_draws_among_the_wrong_ones():
    rows = table("aaaa", ["r", "x", "y", ""], [1.0, 0.0, 0.0, 0.0])
    assert {select(Splice("join"), rows, seed=s).taught[0] for s in range(30)} == {"x;r", "y;r"}


# ── shorten and swap ───────────────────────────────────────────────────────────────────────────────────
def test_the_shortest_right_response_takes_the_weight():
    rows = table("aaab", ["333", "22", "1", "4444"], [1.0, 1.0, 0.0, 1.0])
    chosen = select(Splice("shorten"), rows, select(Correct(), rows))
    assert chosen.weight.tolist() == [0.0, 2.0, 0.0, 1.0]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text("x", max_size=3), st.sampled_from([0.0, 1.0])), max_size=12))
def test_shorten_keeps_the_weight_of_each_problem(drawn):
    rows = table([d[0] for d in drawn], [d[1] for d in drawn], [d[2] for d in drawn])
    before = select(Correct(), rows)
    after = select(Splice("shorten"), rows, before)
    for name in "ab":
        own = (rows["problem"] == name).to_numpy(bool)
        assert after.weight[own].sum() == before.weight[own].sum()
        kept = own & (after.weight > 0)
        assert kept.sum() <= 1
        if kept.any():
            least = min(len(d[1]) for d in drawn if d[0] == name and d[2])
            assert len(rows["response"][kept].iloc[0]) == least


def test_a_repaired_row_takes_the_place_of_its_parent():
    rows = table("aaab", ["x", "y", "z", "x"], [0.0] * 4)
    rows = rows.assign(
        sample=[0, 1, 2, 0],
        hint=["none", "none", "repair", "none"],
        parent=pd.array([None, None, 0, None], pd.ArrowDtype(pa.int64())),
    )
    assert select(Splice("swap"), rows).weight.tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("kind", ["cut", "join", "shorten", "swap"])
def test_no_rows_are_no_trouble(kind):
    rows = table([], [], [], []).assign(sample=[], hint=[], parent=[])
    assert len(select(Splice(kind), rows).weight) == 0


def test_what_a_kind_reads():
    assert Splice("cut").needs == ("response", "score_critic")
    assert Splice("cut", by="score").needs == Splice("join").needs == ("response", "score")
    assert Splice("swap").needs == ("hint", "parent", "sample")
