"""Selectors: weights are never negative, rows never leave, and row order does not matter where there is no luck."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.recipes import Recipe
from siwork.selectors import Balance, Best, Correct, Divsel, Pairs, Weight
from siwork.slots import Selection


def table(problem, score, answer=None):
    answer = answer or [f"a{i}" for i in range(len(problem))]
    made = pd.DataFrame({"problem": problem, "score": score, "answer": answer, "response": answer})
    return made.astype({"problem": "string[pyarrow]", "score": "double[pyarrow]", "answer": "string[pyarrow]"})


def fresh(rows):
    n = len(rows)
    return Selection(np.ones(n), np.full(n, -1), np.zeros(n, int))


def select(part, rows, seed=0):
    return part.select(rows, fresh(rows), np.random.default_rng(seed))


def test_correct_keeps_what_passes_and_never_the_unscored():
    rows = table(["a", "a", "a"], [1.0, 0.4, None])
    assert select(Correct(), rows).weight.tolist() == [1.0, 0.0, 0.0]
    assert select(Correct(threshold=0.4), rows).weight.tolist() == [1.0, 1.0, 0.0]


def test_best_takes_the_highest_of_each_problem():
    rows = table(["a", "a", "b", "b"], [0.2, 0.9, 0.1, None])
    assert select(Best(), rows).weight.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_best_breaks_ties_at_random():
    rows = table(["a", "a"], [1.0, 1.0])
    assert {tuple(select(Best(), rows, seed).weight) for seed in range(20)} == {(1.0, 0.0), (0.0, 1.0)}


def test_balance_caps_each_problem():
    rows = table(["a"] * 5 + ["b"], [1.0] * 6)
    weight = select(Balance(cap=2), rows).weight
    assert (weight[:5].sum(), weight[5]) == (2.0, 1.0)


def test_divsel_keeps_one_row_an_answer():
    rows = table(["a", "a", "a", "b"], [1.0] * 4, ["x", "x", "y", "x"])
    weight = select(Divsel(), rows).weight
    assert (weight[:2].sum(), weight[2], weight[3]) == (1.0, 1.0, 1.0)
    assert select(Divsel(n=1), rows).weight.sum() == 2.0


def test_weight_is_the_score_to_a_power():
    assert select(Weight(power=2.0), table(["a", "a"], [0.5, None])).weight.tolist() == [0.25, 0.0]


def test_pairs_match_right_with_wrong_within_a_problem():
    rows = table(["a", "a", "a", "b", "b"], [1.0, 0.0, 0.0, 1.0, 1.0])
    chosen = select(Pairs(), rows)
    assert chosen.pair[0] == 0
    assert sorted(chosen.pair[1:3].tolist()) == [-1, 0]  # one of the two wrong rows
    assert chosen.pair[3:].tolist() == [-1, -1]  # problem b has nothing wrong to pair with
    assert chosen.weight.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_pairs_leave_an_earlier_selection_alone():
    rows = table(["a", "a", "a"], [1.0, 1.0, 0.0])
    kept = Recipe.read("cot · gold · correct + pairs(n=1) · sft + pref").select(rows, np.random.default_rng(0))
    assert kept["weight"].tolist() == [1.0, 1.0, 0.0]
    assert kept["side"].notna().sum() == 2


def test_pairs_leave_a_selection_alone_that_kept_everything():
    rows = table(["a", "a"], [1.0, 1.0])
    for formula in ("cot · gold · correct + pairs · sft + pref", "cot · gold · divsel + pairs · sft + pref"):
        assert Recipe.read(formula).select(rows, np.random.default_rng(0))["weight"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("divsel", ["divsel", "divsel(by=text)", "divsel(by=farthest)"])
def test_repetitions_are_not_rejected_again_and_again(divsel):
    rows = table(["a"] * 9, [1.0] * 4 + [0.0] * 5, ["1", "2", "3", "4", "w", "w", "w", "w", "v"])
    made = Recipe.read(f"cot · gold · {divsel} + pairs · pref").select(rows, np.random.default_rng(0))
    rejected = made.loc[made["side"] == "rejected", "response"].tolist()
    assert sorted(rejected) == ["v", "w"]
    after = Recipe.read(f"cot · gold · correct + {divsel} + pairs · pref").select(rows, np.random.default_rng(0))
    assert (after["side"] == "rejected").sum() == 4  # what failed had not been looked at for repetition


parts = st.sampled_from([Correct(), Best(n=2), Balance(cap=2), Divsel(), Divsel(n=1), Weight(), Pairs(n=2)])
rows_drawn = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 0.3, 0.5, 1.0, None]), st.sampled_from(["x", "y", None])),
    max_size=30,
)


@given(parts, rows_drawn, st.integers(0, 5))
def test_properties_of_every_selector(part, drawn, seed):
    rows = table([d[0] for d in drawn], [d[1] for d in drawn], [d[2] for d in drawn] or None)
    rows["response"] = [f"r{i}" for i in range(len(rows))]
    chosen = select(part, rows, seed)
    assert chosen.weight.shape == chosen.pair.shape == chosen.side.shape == (len(rows),)
    assert (chosen.weight >= 0).all()
    assert ((chosen.pair >= 0) == (chosen.side != 0)).all()
    numbers, sizes = np.unique(chosen.pair[chosen.pair >= 0], return_counts=True)
    assert (sizes == 2).all()
    for number in numbers:
        mates = np.flatnonzero(chosen.pair == number)
        assert set(chosen.side[mates]) == {1, -1}
        assert rows["problem"].iloc[mates].nunique() == 1


@given(rows_drawn, st.randoms())
def test_correct_and_weight_do_not_depend_on_row_order(drawn, luck):
    rows = table([d[0] for d in drawn], [d[1] for d in drawn])
    order = list(range(len(rows)))
    luck.shuffle(order)
    for part in (Correct(), Weight()):
        assert select(part, rows.iloc[order]).weight.tolist() == select(part, rows).weight[order].tolist()


@pytest.mark.parametrize("part", [Correct(), Best(), Balance(), Divsel(), Weight(), Pairs()])
def test_no_rows_are_no_trouble(part):
    assert len(select(part, table([], [])).weight) == 0
