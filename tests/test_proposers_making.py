"""Problems that the model writes: real prompts of the task, none held out, the same for the same luck."""

import numpy as np
import pandas as pd
import pytest

import siwork
from siwork.proposers import Selfgen
from siwork.schema import KnobError, RecipeError, check
from siwork.slots import State
from siwork.tasks import task_of
from siwork.tasks.base import is_held_out

TASKS = ["countdown(numbers=3)", "expr", "add", "grammar"]


def opened(text, n=30):
    task = task_of(text)
    policy = siwork.policy("tiny", task)
    return State(task, policy, policy, round=2), task.problems("train", n)


def proposed(text, seed=0, **knobs):
    state, problems = opened(text)
    return Selfgen(**{"steps": 80, **knobs}).propose(state, problems, np.random.default_rng(seed))


@pytest.mark.parametrize("ground", ["nothing", "doc"])
@pytest.mark.parametrize("text", TASKS)
def test_what_it_writes_are_problems(text, ground):
    made = proposed(text, ground=ground, n=20)
    check(made, table="problems")
    task = task_of(text)
    assert 5 <= len(made) <= 20
    assert made["prompt"].is_unique
    assert not made["prompt"].map(is_held_out).any()
    assert made["problem"].tolist() == [f"made/2/{i}" for i in range(len(made))]
    for row in made.itertuples():
        assert task.item(row.prompt) is not None
        assert task.is_right(row.prompt, task.write(row.prompt, np.random.default_rng(0)))


def test_the_same_luck_writes_the_same():
    pd.testing.assert_frame_equal(proposed("expr"), proposed("expr"))
    assert proposed("expr")["prompt"].tolist() != proposed("expr", seed=1)["prompt"].tolist()


def test_a_page_begins_the_prompts():
    # leaves of a page are 1 … 9, so no prompt begins with a bracket, as many do that are begun by the model
    assert not proposed("expr", ground="doc")["prompt"].str.startswith("(").any()
    assert proposed("expr", ground="nothing")["prompt"].str.startswith("(").any()


def test_a_model_that_was_taught_nothing_writes_nothing():
    state, problems = opened("countdown(numbers=3)")
    with pytest.raises(KnobError, match=r"wrote no problem of countdown in 3 tries; raise steps or tries"):
        Selfgen(steps=1, tries=1, n=3).propose(state, problems, np.random.default_rng(0))


def test_a_run_plays_with_them_and_is_measured(tmp_path):
    sizes = siwork.Sizes(train=20, heldout=10, beyond=0, samples=4)
    run = siwork.run(
        "selfgen(steps=60) · cot(k=4) · exec · correct · sft(steps=4)",
        "expr",
        "tiny",
        rounds=2,
        problems=sizes,
        folder=tmp_path / "r",
    )
    rows = run.rows()
    train = rows[rows["split"] == "train"]
    assert train["problem"].str.startswith("made/").all()
    table = siwork.measure(run)
    assert table.loc[table["metric"] == "tail_share", "value"].notna().any()
    assert siwork.diagnose(table)


def test_a_policy_that_lists_candidates_cannot_write(tmp_path):
    with pytest.raises(
        RecipeError, match="needs a policy that writes any text, not candidates of a task, and tabular does not"
    ):
        siwork.run("selfgen · cot · sft", "expr", "tabular", rounds=1, problems=8, folder=tmp_path / "r")
