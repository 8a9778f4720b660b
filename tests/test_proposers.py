"""Which problems a round works on: schedules by difficulty and by the frontier of what is solved."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samplers_made import by_gold, drawn, scored, started
from siwork.proposers import Curric
from siwork.samplers import Cot, Hint
from siwork.schema import KnobError
from siwork.slots import Learned


@pytest.fixture(scope="module")
def first():
    return started(n=40)


def proposed(part, state, problems, seed=0):
    return part.propose(state, problems, np.random.default_rng(seed))


def test_the_schedule_lets_harder_problems_in_round_by_round(first):
    state, problems = first
    part = Curric(start=0.25, step=0.25)
    for r, limit in enumerate([0.25, 0.5, 0.75, 1.0, 1.25]):
        found = proposed(part, state.having(round=r), problems)
        assert found["problem"].tolist() == problems[problems["difficulty"] <= limit]["problem"].tolist()
    assert len(found) == 40


def test_no_round_is_without_problems(first):
    state, problems = first
    easiest = problems.sort_values("difficulty")["problem"].tolist()
    assert proposed(Curric(start=0.0), state, problems)["problem"].tolist() == easiest[:1]
    assert set(proposed(Curric(start=0.0, n=3), state, problems)["problem"]) == set(easiest[:3])


def test_n_are_drawn_at_random(first):
    state, problems = first
    part = Curric(start=1.0, n=7)
    one, same, other = (proposed(part, state, problems, seed)["problem"].tolist() for seed in (0, 0, 1))
    assert one == same != other
    assert len(set(one)) == 7


def test_unknown_difficulty_is_said(first):
    state, problems = first
    unknown = problems.assign(difficulty=pd.array([None] * 40, dtype="double[pyarrow]"))
    with pytest.raises(KnobError, match=r"curric\(difficulty\) needs the difficulty.*curric\(frontier\)"):
        proposed(Curric(), state, unknown)
    assert len(proposed(Curric("frontier"), state, unknown)) == 40


def test_rates_are_those_of_scored_first_attempts_when_last_tried(first):
    state, problems = first
    part = Curric("frontier")
    rows = drawn(Cot(k=4), state, problems.iloc[:2])
    hinted = drawn(Hint(k=2), state, problems.iloc[:2], rows)
    score = [0.5, 0.4, np.nan, 1, 0, 0, 0, 0.49] + [1.0] * 4
    state = part.remember(state, scored(pd.concat([rows, hinted], ignore_index=True), score), None)
    assert state.learned["curric"].rows["rate"].tolist() == [2 / 3, 0.0]
    again = scored(drawn(Cot(k=2), state, problems.iloc[[1]]), [1, 0])
    known = part.remember(state.having(round=1), again, None).learned["curric"].rows
    assert dict(zip(known["problem"], known["rate"], strict=True)) == {"train/0": 2 / 3, "train/1": 0.5}
    assert known["round"].tolist() == [0, 1]


@given(st.lists(st.none() | st.floats(0, 1), min_size=40, max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_the_frontier_is_what_lies_between_and_what_is_untried(first, rates, a, b):
    state, problems = first
    low, high = min(a, b), max(a, b)
    told = [(name, rate) for name, rate in zip(problems["problem"], rates, strict=True) if rate is not None]
    known = pd.DataFrame(told, columns=["problem", "rate"])
    found = proposed(
        Curric("frontier", low=low, high=high), state.having(learned={"curric": Learned(known, {})}), problems
    )
    wanted = [
        name for name, rate in zip(problems["problem"], rates, strict=True) if rate is None or low <= rate <= high
    ]
    if wanted:
        assert found["problem"].tolist() == wanted
    else:
        away = {name: max(low - rate, rate - high) for name, rate in told}
        assert [away[name] for name in found["problem"]] == [min(away.values())]


def test_a_frontier_the_wrong_way_round_is_said():
    with pytest.raises(KnobError, match=r"low must be at most high, got 0\.8 and 0\.2"):
        Curric("frontier", low=0.8, high=0.2)


def test_by_difficulty_nothing_is_kept(first):
    state, problems = first
    rows = by_gold(state, drawn(Cot(k=1), state, problems))
    assert Curric().remember(state, rows, None) is state
