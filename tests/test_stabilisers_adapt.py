"""The balance score against brute force, and what a trial tunes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from broken_off import whole_and_broken
from siwork.loop import Sizes
from siwork.recipes import Recipe
from siwork.recipes.playing import Play, lots_of
from siwork.slots import State
from siwork.stabilisers import Adapt
from siwork.stabilisers.adapt import TEMPERATURES, THRESHOLDS, balance


def rng(seed=0):
    return np.random.default_rng(seed)


def judged(drawn):
    """Rows of (problem, response, score, score of a further verifier)."""
    made = pd.DataFrame(drawn, columns=["problem", "response", "score", "score_gold"])
    return made.astype({"problem": "string[pyarrow]", "response": "string[pyarrow]", "score": "double[pyarrow]"})


def test_balance_by_hand():
    # p: 3 selected, right ones x, x and y -> u = 2: min(2/4, 1) · 2/3 = 1/3; q: 1 selected and right: 1/4 · 1; s: none
    rows = judged(
        [
            ("p", "x", 0.9, 1),
            ("p", "x", 0.9, 1),
            ("p", "y", 0.8, 1),
            ("p", "z", 0.2, 1),
            ("q", "x", 0.7, 1),
            ("s", "x", None, 1),
        ]
    )
    assert balance(rows, 0.5, 4) == pytest.approx((1 / 3 + 1 / 4 + 0) / 3)
    assert balance(rows, 0.1, 1) == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert balance(rows.drop(columns="score_gold"), 0.85, 2) == pytest.approx((1 / 2 * 1 / 2 + 0 + 0) / 3)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("pq"), st.sampled_from("xyz"), st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from([0.0, 1.0])
        ),
        min_size=1,
        max_size=25,
    ),
    st.integers(1, 4),
    st.sampled_from(THRESHOLDS),
)
def test_balance_against_brute_force(drawn, target, threshold):
    expected = []
    for name in {d[0] for d in drawn}:
        selected = [d for d in drawn if d[0] == name and d[2] >= threshold]
        unique = len({d[1] for d in selected if d[3] == 1.0})
        expected.append(min(unique / target, 1) * unique / len(selected) if selected else 0.0)
    assert balance(judged(drawn), threshold, target) == pytest.approx(np.mean(expected))


class Trial:
    """Completions whose balance peaks at a temperature and a threshold that are known."""

    def __init__(self, heat=1.2, bound=0.7):
        self.heat, self.bound, self.asked = heat, bound, []

    def __call__(self, state, problems, k, rng, temperature=1.0):
        self.asked.append((temperature, problems["problem"].tolist(), rng.bit_generator.state["state"]["state"]))
        right = 4 if temperature == self.heat else 2
        lines = [(p, f"{i}", self.bound, 1.0) for p in problems["problem"] for i in range(right)]
        return judged(lines + [(p, "w", self.bound - 0.1, 0.0) for p in problems["problem"]])


PROBLEMS = pd.DataFrame({"problem": [f"p{i}" for i in range(9)]})


def test_the_best_pair_is_taken():
    state, trial = State(None, None, None), Trial()
    tuned = Adapt(problems=5, k=8).begin(state, PROBLEMS, trial, rng())
    assert dict(tuned.tuned) == {"temperature": 1.2, "threshold": 0.7}
    assert [a[0] for a in trial.asked] == list(TEMPERATURES)
    assert len({tuple(a[1]) for a in trial.asked}) == len({a[2] for a in trial.asked}) == 1
    assert len(trial.asked[0][1]) == 5


@pytest.mark.parametrize(("of", "expected"), [("temperature", {"temperature": 1.2}), ("threshold", {"threshold": 0.7})])
def test_the_other_one_is_left_alone(of, expected):
    kept = {"temperature": 0.8} if of == "threshold" else {}
    trial = Trial()
    tuned = Adapt(of=of).begin(State(None, None, None, tuned={"other": 2.0, **kept}), PROBLEMS, trial, rng())
    assert dict(tuned.tuned) == {"other": 2.0, **kept, **expected}
    assert [a[0] for a in trial.asked] == (list(TEMPERATURES) if of == "temperature" else [0.8])


def test_equals_leave_things_where_they_are():
    class Flat(Trial):
        def __call__(self, *args, **knobs):
            return judged([("p", "x", 1.0, 1.0)])

    assert dict(Adapt().begin(State(None, None, None), PROBLEMS, Flat(), rng()).tuned) == {
        "temperature": 1.0,
        "threshold": 0.5,
    }
    moved = State(None, None, None, tuned={"temperature": 1.4, "threshold": 0.9})
    assert dict(Adapt().begin(moved, PROBLEMS, Flat(), rng()).tuned) == dict(moved.tuned)


def test_the_round_samples_and_selects_as_tuned():
    task = siwork.task("countdown", numbers=3)
    policy = siwork.policy("tabular", task)
    problems = task.problems("train", 12)
    policy.register(problems)
    recipe = Recipe.read("cot(k=4) · conf + gold · correct · sft(steps=2) · adapt(problems=6, k=4)")
    rows, after = Play(recipe, problems, lots_of(rng())).round(State(task, policy, policy))
    assert set(after.tuned) == {"temperature", "threshold"}
    assert set(rows["temperature"]) == {after.tuned["temperature"]}
    assert (rows["weight"] > 0).tolist() == (rows["score"] >= after.tuned["threshold"]).tolist()


def test_a_tuned_run_is_the_same_after_a_break(tmp_path):
    formula = "seed · cot(k=3) · gold · correct · sft(steps=4) · adapt(problems=4, k=4)"
    sizes = Sizes(train=8, heldout=4, beyond=0, samples=4)
    whole, broken = whole_and_broken(tmp_path, formula, rounds=2, problems=sizes)
    same = ["problem", "sample", "response", "temperature", "weight"]
    pd.testing.assert_frame_equal(whole.rows()[same], broken.rows()[same])
    assert [run.round_info(1)["tuned"] for run in (whole, broken)] == [whole.round_info(1)["tuned"]] * 2
