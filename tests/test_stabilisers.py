"""Stabilisers: what is mixed in has the share it should, and memory grows by what was accepted."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import siwork
from siwork.schema import KnobError
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


def test_real_data_when_nothing_was_accepted(state):
    _, mixed = Mix().before(state, rows(state, [0.0, 0.0]), rng())
    assert mixed["weight"].sum() > 0


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
