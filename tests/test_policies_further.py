"""What some policies have beyond the protocol: responses that begin as given, lengths, and steps toward another policy."""

import numpy as np
import pyarrow as pa
import pytest

import siwork
from contracts.policy import plan_for, streams, texts
from hf_made import write_player

TASK = siwork.task("countdown", numbers=3)
PROMPTS = TASK.problems("train", 6)["prompt"].tolist()


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    return write_player(tmp_path_factory.mktemp("player"), "countdown")


@pytest.fixture(params=["tabular", "tiny", "hf", "adapter"])
def policy(request, player):
    """Every kind of policy that has weights of its own."""
    if request.param in ("tabular", "tiny"):
        return siwork.policy(request.param, TASK)
    return siwork.policy("hf", player, max_new=16, lora=4 if request.param == "adapter" else 0)


@pytest.fixture
def writer(policy):
    """One that writes token by token."""
    if getattr(policy, "whole_only", False):
        assert not hasattr(policy, "continued")
        policy = siwork.policy("tiny", TASK)
    return policy


def test_nothing_begun_is_a_plain_sample(writer):
    plain = writer.sample(PROMPTS, 4, streams=streams(6, 4))
    begun = writer.continued(PROMPTS, [""] * 6, 4, streams=streams(6, 4))
    assert texts(begun) == texts(plain)
    assert begun.n_tokens.tolist() == plain.n_tokens.tolist()
    assert begun.finished.tolist() == plain.finished.tolist()
    assert begun.logp == pytest.approx(plain.logp, abs=1e-4)


def test_a_beginning_is_continued_as_the_policy_would_have(writer):
    # the chance of a second token after a first, by counting continuations, against the exact quotient of probabilities
    prompt, first = PROMPTS[0], texts(writer.sample(PROMPTS[:1], 1, streams=streams(1, 1)))[0][:1]
    drawn = writer.continued([prompt], [first], 3000, streams=streams(1, 3000, seed=1))
    said = texts(drawn)
    assert all(text.startswith(first) for text in said)
    assert drawn.logp == pytest.approx(writer.logp([prompt] * 3000, said, drawn.finished), abs=1e-4)
    assert np.isnan(drawn.entropy).all()
    common = max(set(said), key=said.count)
    one = np.zeros(1, bool)
    exact = np.exp(writer.logp([prompt], [common], ~one) - writer.logp([prompt], [first], one))[0]
    share = said.count(common) / 3000
    assert abs(share - exact) < 4.5 * np.sqrt(exact * (1 - exact) / 3000) + 1e-3


def test_lengths_are_those_of_samples(policy):
    drawn = policy.sample(PROMPTS, 5, streams=streams(6, 5))
    assert policy.lengths(drawn.response, drawn.finished).tolist() == drawn.n_tokens.tolist()


def trained(policy):
    """A copy that has learned, and samples of it that the first one can score."""
    other = policy.copy()
    drawn = policy.sample(PROMPTS, 3, streams=streams(6, 3))
    asked = [prompt for prompt in PROMPTS for _ in range(3)]
    other.train(plan_for(asked, texts(drawn), [1.0] * 18, rate=3.0, steps=3))
    return other, asked, pa.array(texts(drawn)), drawn.finished


def test_the_whole_way_leads_to_the_other_and_none_leads_nowhere(policy):
    other, asked, said, done = trained(policy)
    there, here = policy.copy(), policy.copy()
    there.toward(other, 1.0)
    here.toward(other, 0.0)
    assert there.logp(asked, said, done) == pytest.approx(other.logp(asked, said, done), abs=1e-4)
    assert here.logp(asked, said, done) == pytest.approx(policy.logp(asked, said, done), abs=1e-6)


def test_away_and_back_is_where_it_was(policy):
    other, asked, said, done = trained(policy)
    away = policy.copy()
    away.toward(other, -1.0)  # p − (o − p) = 2p − o
    moved = away.logp(asked, said, done)
    assert np.abs(moved - policy.logp(asked, said, done)).max() > 1e-3
    away.toward(other, 0.5)  # (2p − o) + ½ (o − 2p + o) = p
    assert away.logp(asked, said, done) == pytest.approx(policy.logp(asked, said, done), abs=1e-4)


def test_a_policy_that_met_more_problems_steps_toward_one_that_did_not():
    policy = siwork.policy("tabular", TASK)
    early = policy.copy()
    other, asked, said, done = trained(policy)
    other.toward(early, 1.0)  # the early one never saw a problem
    assert other.logp(asked, said, done) == pytest.approx(early.logp(asked, said, done), abs=1e-9)


def test_a_wrong_attempt_in_the_prompt_is_repeated_more_often_and_a_right_one_helps():
    policy = siwork.policy("tabular", TASK)
    drawn = policy.sample(PROMPTS[:1], 200, streams=streams(1, 200))
    prompt, said = PROMPTS[0], sorted(set(texts(drawn)))
    for right in (True, False):
        note = next(text for text in said if TASK.is_right(prompt, text) == right)
        chance = [policy.distribution(text).probabilities for text in (prompt, f"{prompt}#{note}>")]
        place = policy.distribution(prompt).responses.index(note)
        assert chance[1][place] > chance[0][place]
