"""Altered problems: paraphrases that stay the same problem, and failures that solve another one."""

import numpy as np
import pandas as pd
import pytest

from samplers_made import by_gold, drawn, scored, started, valid
from siwork.proposers import Vary
from siwork.recipes import Recipe
from siwork.samplers import Cot
from siwork.schema import KnobError
from siwork.tasks.base import is_held_out


@pytest.fixture(scope="module")
def first():
    return started(n=40)


def proposed(part, state, problems, seed=0):
    return part.propose(state, problems, np.random.default_rng(seed))


def amended(part, state, rows, seed=0):
    return part.amend(state, rows, np.random.default_rng(seed))


def test_a_share_of_the_problems_is_asked_in_other_words(first):
    state, problems = first
    found = proposed(Vary(share=0.25), state, problems)
    changed = (found["prompt"] != problems["prompt"]).to_numpy(bool)
    assert 0 < changed.sum() <= 10
    assert found.drop(columns="prompt").equals(problems.drop(columns="prompt"))
    for own, other in zip(problems["prompt"], found["prompt"], strict=True):
        assert state.task.solutions(own) == state.task.solutions(other)
        assert not is_held_out(other)


def test_both_forms_share_an_id_and_a_vote(first):
    state, problems = first
    found = proposed(Vary(both=True), state, problems)
    forms = found.groupby("problem", sort=False)["prompt"].agg(lambda texts: tuple(texts)).astype(object)
    assert forms.index.tolist() == problems["problem"].tolist()
    assert (forms.str[0].to_numpy() == problems["prompt"].to_numpy()).all()
    assert 30 < (forms.str.len() == 2).sum() <= 40
    rows = drawn(Cot(k=3), state, found)
    assert rows.groupby("problem")["sample"].agg(list)["train/0"] == list(range(3 * len(forms["train/0"])))
    valid(scored(rows, np.zeros(len(rows))))


def test_a_paraphrase_is_as_hard_as_its_problem(first):
    state, problems = first
    found = proposed(Vary(), state, problems)
    told = state.policy.weights.told()
    assert [told.get(prompt, 0.5) for prompt in found["prompt"]] == problems["difficulty"].tolist()


def test_failures_become_rows_of_the_problems_they_solve(first):
    state, problems = first
    rows = by_gold(state, drawn(Cot(k=8), state, problems))
    made = amended(Vary("hindsight", n=3), state.having(round=2), rows)
    assert len(made)
    assert made["problem"].str.startswith("hindsight/2/").all()
    assert state.task.check(made).all()
    assert not any(map(is_held_out, made["prompt"]))
    assert (made.groupby("problem")["prompt"].nunique() == 1).all()
    failed = rows[rows["score"] == 0]
    solved = {(state.task.relabel(p, r), r): q for p, r, q in failed[["prompt", "response", "problem"]].to_numpy()}
    of = pd.Series([solved[told] for told in zip(made["prompt"], made["response"], strict=True)])
    assert of.value_counts().max() <= 3
    valid(scored(made, np.ones(len(made))))


def test_rows_in_hindsight_are_as_likely_as_under_their_new_prompt(first):
    state, problems = first
    moved = state.policy.copy()
    moved.weights.skill += 1.0
    now = state.having(policy=moved)
    made = amended(Vary("hindsight"), now, by_gold(now, drawn(Cot(k=8), now, problems)))
    told = made["prompt"].tolist(), made["response"].tolist(), made["finished"].to_numpy(bool)
    assert made["logp"].to_numpy() == pytest.approx(moved.logp(*told))
    assert made["base_logp"].to_numpy() == pytest.approx(state.base.logp(*told))
    assert made["entropy"].isna().all()
    assert set(made["agent"]) == {"policy"}


def test_of_a_population_every_agent_scores_its_own_words(first):
    state, problems = first
    other = state.policy.copy()
    other.weights.skill -= 1.0
    team = state.having(members=(other,))
    rows = [
        by_gold(s, drawn(Cot(k=6), s, problems)) for s in (team.having(agent="agent-0"), team.having(agent="agent-1"))
    ]
    made = amended(Vary("hindsight"), team, pd.concat(rows, ignore_index=True))
    assert set(made["agent"]) == {"agent-0", "agent-1"}
    for name, policy in team.agents.items():
        own = made[made["agent"] == name]
        told = own["prompt"].tolist(), own["response"].tolist(), own["finished"].to_numpy(bool)
        assert own["logp"].to_numpy() == pytest.approx(policy.logp(*told))


def test_where_all_is_right_there_is_no_hindsight(first):
    state, problems = first
    rows = drawn(Cot(k=2), state, problems)
    assert amended(Vary("hindsight"), state, scored(rows, np.ones(80))).empty
    assert amended(Vary(), state, scored(rows, np.zeros(80))) is None


def test_a_round_judges_and_trains_on_them(first):
    state, problems = first
    rows, _ = Recipe.read("vary(hindsight, n=2) · cot(k=4) · gold · correct · sft(steps=2)").play(
        state, problems, np.random.default_rng(0)
    )
    kept = rows[rows["hint"] == "hindsight"]
    assert len(kept)
    assert (kept["score"] == 1).all()
    assert (kept["weight"] == 1).all()


def test_a_task_that_has_no_other_words_says_so():
    state, problems = started(task="grammar", n=4)
    with pytest.raises(KnobError, match="has no 'paraphrase'"):
        proposed(Vary(), state, problems)
    assert Vary().asks == ("paraphrase",)
    assert Vary("hindsight").asks == ("relabel", "item")
