"""Stabilisers: what is mixed in has the share it should, and memory grows by what was accepted."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import siwork
from siwork.recipes import Recipe
from siwork.schema import KnobError, RecipeError
from siwork.slots import State
from siwork.stabilisers import Mix, Reset


@pytest.fixture(scope="module")
def state():
    task = siwork.task("countdown", numbers=3)
    policy = siwork.policy("tabular", task)
    return State(task, policy, policy)


def rows(state, weight):
    prompts = state.task.problems("train", len(weight))["prompt"].tolist()
    made = pd.DataFrame({"prompt": prompts, "response": "1", "finished": True, "n_tokens": 2, "weight": weight})
    return made.astype({"prompt": pd.ArrowDtype(pa.string()), "response": pd.ArrowDtype(pa.string())})


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_real_data_hold_their_share_of_the_weight(state, share):
    train = rows(state, [1.0, 2.0, 0.0, 1.0])
    _, mixed = Mix(share=share).before(state, train, rng())
    real = mixed.iloc[len(train) :]
    assert real["weight"].sum() / mixed["weight"].sum() == pytest.approx(share)
    assert state.task.check(real).all()
    own = mixed.iloc[: len(train)]
    assert own["prompt"].tolist() == train["prompt"].tolist()
    assert own["weight"].tolist() == train["weight"].tolist()


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_real_data_are_a_share_of_the_round_when_it_accepted_nothing(state, share):
    _, mixed = Mix(share=share).before(state, rows(state, [0.0] * 20), rng())
    assert len(mixed) == 20 + 20 * share
    assert (mixed["weight"].iloc[20:] > 0).all()


def test_real_data_need_a_prompt(state):
    with pytest.raises(KnobError, match="needs training problems"):
        Mix().before(state, rows(state, [1.0]).iloc[:0], rng())


def test_replay_takes_from_earlier_rounds_only(state):
    mix, train = Mix(kind="replay", share=0.5), rows(state, [1.0, 0.0, 1.0])
    _, first = mix.before(state, train, rng())
    assert first is train
    later = mix.after(state, train)
    assert len(later.memory) == 2
    _, second = mix.before(later, train, rng())
    assert second["weight"].iloc[3:].sum() == pytest.approx(2.0)
    assert set(second["prompt"].iloc[3:]) <= set(train["prompt"].iloc[[0, 2]])


def paired(state, n=4):
    """n problems with a chosen, a rejected and an unused row each."""
    made = rows(state, np.tile([1.0, 0.0, 0.0], n))
    pair = [number for i in range(n) for number in (i, i, None)]
    side = ["chosen", "rejected", None] * n
    made["response"] = pd.array([f"{i}" for i in range(3 * n)], dtype=made["response"].dtype)
    return made.assign(pair=pd.array(pair, pd.ArrowDtype(pa.int64())), side=pd.array(side, pd.ArrowDtype(pa.string())))


@pytest.mark.parametrize(("kind", "further"), [("replay", 4), ("accumulate", 4)])
def test_pairs_of_earlier_rounds_come_back_whole(state, kind, further):
    mix, train = Mix(kind=kind, share=0.5), paired(state)
    later = mix.after(state, train)
    assert len(later.memory) == 8
    _, mixed = mix.before(later, train, rng())
    added = mixed.iloc[len(train) :]
    assert added["pair"].min() == 4
    assert added["pair"].nunique() == further
    assert added.groupby("pair")["side"].agg(sorted).tolist() == [["chosen", "rejected"]] * further
    for _, both in added.groupby("pair"):
        chosen, rejected = (int(both.loc[both["side"] == side, "response"].iloc[0]) for side in ("chosen", "rejected"))
        assert rejected == chosen + 1
    assert added["weight"].sum() == pytest.approx(4.0)


def test_pairs_of_several_rounds_keep_apart(state):
    mix, train = Mix(kind="accumulate"), paired(state)
    later = mix.after(mix.after(state, train), train)
    assert later.memory["pair"].nunique() == 8


def test_replayed_pairs_are_trained_on(state):
    problems, formula = state.task.problems("train", 12), "cot(k=8) · gold · pairs · pref(steps=8)"
    ends = {}
    for end in ("", " · mix(replay, share=0.8)"):
        played = state.having(policy=state.base.copy())
        for r in range(2):
            _, played = Recipe.read(formula + end).play(played, problems, np.random.default_rng(r))
        ends[end] = played.policy.fingerprint()
    assert len(set(ends.values())) == 2


def test_what_was_taught_is_remembered_as_it_was(state):
    mix = Mix(kind="accumulate")
    words = {"taught": "2*3=6;", "asked": "a note"}
    train = rows(state, [1.0, 1.0]).assign(
        **{name: pd.array([text, None], pd.ArrowDtype(pa.string())) for name, text in words.items()}
    )
    added = mix.before(mix.after(state, train), train, rng())[1].iloc[2:]
    for name, text in words.items():
        assert added[name].isna().tolist() == [False, True]
        assert added[name].iloc[0] == text


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (
            "cot · gold · pg · mix(real)",
            r"mix\(real\) adds texts without scores, and pg in .* does not train on them; add sft",
        ),
        ("cot · gold · pairs · pref · mix(real)", "and pref in .* does not train on them; add sft, or take anchor"),
        ("cot · gold · neg(kind=nft) · mix(replay)", "and neg in .* does not train on them; add sft or pref"),
    ],
)
def test_an_update_that_would_not_train_on_it_is_refused(formula, words):
    with pytest.raises(RecipeError, match=words):
        Recipe.read(formula)


def test_accumulate_keeps_everything_that_was_accepted(state):
    mix, train = Mix(kind="accumulate"), rows(state, [1.0, 0.0, 1.0])
    later = mix.after(mix.after(state, train), train)
    _, mixed = mix.before(later, train, rng())
    assert len(mixed) == 3 + 4


def test_reset_starts_from_a_copy_of_the_base(state):
    moved = state.having(policy=siwork.policy("tabular", state.task, skill=1.0))
    started, _ = Reset().before(moved, rows(state, [1.0]), rng())
    assert started.policy.fingerprint() == state.base.fingerprint()
    assert started.policy is not state.base
