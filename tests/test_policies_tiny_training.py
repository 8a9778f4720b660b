"""One training function: the gradient is Σ c ∇ log π, a step is AdamW's, and the same plan gives the same weights."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.policies import Plan, training
from siwork.policies.threads import Workers
from siwork.policies.tiny import STANDARD_RATE, Shape, use_threads
from siwork.policies.training import BETAS, Adam, Ascent, log_likelihood, score
from siwork.schema import KnobError
from tests.tiny_made import small, streams

PROMPTS = ["ab", "c", "", "ab", "dcba"]
RESPONSES = ["abc", "", "d", "abc", "cdcdc"]
FINISHED = np.array([True, True, False, False, True])
COEFFICIENTS = np.array([0.5, -1.0, 2.0, 0.0, 0.25])


@pytest.fixture(autouse=True)
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    use_threads(None)
    torch.set_num_threads(before)


def rows_of(policy):
    return policy.tokens.rows(pa.array(PROMPTS), pa.array(RESPONSES), FINISHED)


def plan(batches, coefficients, rate=1.0):
    return Plan(PROMPTS, RESPONSES, FINISHED, [np.array(b) for b in batches], coefficients, rate)


def evenly(logp, index):
    return np.full(len(index), 1 / len(index))


# ── scoring ────────────────────────────────────────────────────────────────────────────────────────────────
def test_log_probability_is_the_sum_over_the_response_and_its_end():
    policy = small(1)
    for prompt, response, finished, found in zip(
        PROMPTS, RESPONSES, FINISHED, policy.logp(PROMPTS, RESPONSES, FINISHED), strict=True
    ):
        ids = [*policy.tokens.encode_prompt(prompt), *policy.tokens.encode(response), *[1] * bool(finished)]
        begin = len(policy.tokens.encode_prompt(prompt))
        logits = policy.network.logits(policy.network(torch.tensor([ids]))[0]).log_softmax(-1).detach()
        expected = sum(float(logits[i - 1, ids[i]]) for i in range(begin, len(ids)))
        assert found == pytest.approx(expected, abs=1e-5)


def test_an_empty_unfinished_response_is_certain():
    assert small().logp(["ab", ""], ["", ""], np.array([False, False])).tolist() == [0.0, 0.0]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.sampled_from([1, 7, 20, 1000]))
@settings(max_examples=20)
def test_scores_depend_on_their_own_row_only(chosen, tokens):
    policy, before = small(2), training._TOKENS
    alone = np.array([policy.logp([PROMPTS[i]], [RESPONSES[i]], FINISHED[[i]])[0] for i in range(5)])
    training._TOKENS = tokens
    try:
        found = policy.logp([PROMPTS[i] for i in chosen], [RESPONSES[i] for i in chosen], FINISHED[chosen])
    finally:
        training._TOKENS = before
    np.testing.assert_allclose(found, alone[chosen], atol=1e-5)


def test_batches_of_scores_hold_a_bounded_number_of_padded_tokens(monkeypatch):
    monkeypatch.setattr(training, "_TOKENS", 20)
    length = np.array([3, 5, 5, 6, 9, 30, 31])
    cut = training._by_tokens(np.arange(7), length)
    # 3 × 5 = 15, then 6 × 4 = 24 is too much; 2 × 9 = 18; a long row stands alone
    assert [batch.tolist() for batch in cut] == [[0, 1, 2], [3, 4], [5], [6]]


def test_texts_of_any_kind_are_scored_alike():
    policy = small()
    listed = policy.logp(PROMPTS, RESPONSES, FINISHED)
    assert policy.logp(np.array(PROMPTS, object), pa.array(RESPONSES), FINISHED.tolist()).tolist() == listed.tolist()
    assert policy.logp([], [], np.zeros(0, bool)).tolist() == []


def test_what_cannot_be_scored_is_said():
    policy = small()
    with pytest.raises(KnobError, match="no token begins with '!', character 2 of a text"):
        policy.logp(["a"], ["b!"], np.array([True]))
    with pytest.raises(KnobError, match="equally many, got 1, 2, 1"):
        policy.logp(["a"], ["b", "c"], np.array([True]))


# ── the gradient ───────────────────────────────────────────────────────────────────────────────────────────
def gradient(policy, coefficients, index, part=None):
    with Workers() as workers:
        ascent = Ascent(policy.network, rows_of(policy), 1.0, workers)
        ascent.climb(np.array(index), lambda logp, rows: coefficients[rows])
    return [weight.grad.clone() for weight in ascent.weights]


@pytest.mark.parametrize(("part", "held"), [(32, 32), (2, 32), (2, 1)])
def test_the_gradient_is_the_sum_over_the_rows(part, held, monkeypatch):
    monkeypatch.setattr(training, "PART", part)
    monkeypatch.setattr(training, "_HELD", held)
    policy, index = small(3), [0, 1, 2, 4, 0]
    policy.network.double()
    expected = [torch.zeros_like(weight) for weight in policy.network.parameters()]
    for i in index:
        logp = log_likelihood(policy.network, rows_of(policy), np.array([i]))[0]
        for sum_, value in zip(expected, torch.autograd.grad(logp, list(policy.network.parameters())), strict=True):
            sum_ -= COEFFICIENTS[i] * value
    for found, value in zip(gradient(policy, COEFFICIENTS, index), expected, strict=True):
        torch.testing.assert_close(found, value, atol=1e-10, rtol=1e-8)


def test_the_gradient_is_that_of_finite_differences():
    policy, rng = small(4), np.random.default_rng(0)
    policy.network.double()
    index, step = np.arange(5), 1e-6
    found = gradient(policy, COEFFICIENTS, index)
    for weight, slope in zip(policy.network.parameters(), found, strict=True):
        for place in rng.choice(weight.numel(), 3, replace=False):
            values = []
            for side in (step, -step):
                weight.data.view(-1)[place] += side
                logp = log_likelihood(policy.network, rows_of(policy), index).detach().numpy()
                values.append(-COEFFICIENTS @ logp)
                weight.data.view(-1)[place] -= side
            assert float(slope.view(-1)[place]) == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-6)


# ── steps ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_coefficients_are_asked_for_with_the_present_log_probabilities():
    policy, asked = small(5), []
    before = policy.logp(PROMPTS, RESPONSES, FINISHED)

    def coefficients(logp, index):
        asked.append((logp, index))
        return np.ones(len(index))

    seen = policy.train(plan([[3, 0], [1]], coefficients))
    assert [index.tolist() for _, index in asked] == [[3, 0], [1]]
    assert asked[0][0].dtype == np.float64
    np.testing.assert_allclose(asked[0][0], before[[3, 0]], atol=1e-5)
    np.testing.assert_allclose(seen, [asked[0][0].mean(), asked[1][0].mean()])
    assert asked[1][0][0] != pytest.approx(before[1], abs=1e-3)  # the first step moved it


@pytest.mark.parametrize(("sign", "width"), [(1, 16), (-1, 16), (1, 32)])
def test_the_first_step_of_adam_moves_each_weight_by_the_rate(sign, width):
    policy = small(6, shape=Shape(width=width, layers=1, heads=2, hidden=24))
    before = [weight.detach().clone() for weight in policy.network.parameters()]
    policy.train(plan([[0, 4]], lambda logp, index: np.full(2, sign / 2), rate=0.1))
    moved = torch.cat(
        [(w.detach() - b).flatten().abs() for w, b in zip(policy.network.parameters(), before, strict=True)]
    )
    rate = 0.1 * STANDARD_RATE * 64 / width
    assert float(moved.max()) == pytest.approx(rate, rel=1e-2)
    assert float(moved.median()) == pytest.approx(rate, rel=1e-2)


def test_training_raises_what_has_positive_coefficients_and_lowers_the_others():
    policy, sign = small(7), np.array([1.0, -1.0, 1.0, 1.0, -1.0])
    before = policy.logp(PROMPTS, RESPONSES, FINISHED)
    policy.train(plan([range(5)] * 5, lambda logp, index: sign[index] / 5, rate=1.0))
    assert ((policy.logp(PROMPTS, RESPONSES, FINISHED) - before) * sign > 0).all()


def test_sft_learns_a_response_by_heart():
    policy = small(8)
    seen = policy.train(plan([[0, 4]] * 60, evenly, rate=13.0))
    assert seen[0] < -5
    out = policy.sample(["ab", "dcba"], 20, streams=streams(2, 20))
    assert sum(text == want for text, want in zip(out.response.to_pylist(), ["abc"] * 20 + ["cdcdc"] * 20)) >= 36  # noqa: B905


@pytest.mark.parametrize(("value", "rate"), [(0.0, 1.0), (1.0, 0.0)])
def test_no_coefficient_or_no_rate_moves_nothing(value, rate):
    policy = small(9)
    before = policy.fingerprint()
    policy.train(plan([[0, 1], [2]], lambda logp, index: np.full(len(index), value), rate))
    assert policy.fingerprint() == before
    assert policy.train(plan([], evenly)).tolist() == []
    assert policy.fingerprint() == before


def test_the_same_plan_gives_the_same_bits_on_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(training, "PART", 2)
    marks, rng = set(), np.random.default_rng(0)
    batches = [rng.integers(0, 5, 9) for _ in range(10)]
    for n in (1, 2, 3, 2):
        use_threads(n)
        policy = small(10)
        policy.train(plan(batches, evenly))
        marks.add(policy.fingerprint())
    assert len(marks) == 1


def test_the_optimiser_starts_afresh_in_every_call():
    once, twice = small(11), small(11)
    once.train(plan([[0], [4]], evenly))
    twice.train(plan([[0]], evenly))
    twice.train(plan([[4]], evenly))
    assert once.fingerprint() != twice.fingerprint()


def test_the_share_done_is_told_after_each_step():
    shares = []
    small().train(plan([[0], [1], [2], [3]], evenly), tell=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("batches", "coefficients", "message"),
    [
        ([[0, 1]], lambda logp, index: np.array([1.0, np.nan]), "coefficients must be 2 finite numbers"),
        ([[0, 1]], lambda logp, index: np.ones(3), "coefficients must be 2 finite numbers"),
        ([[]], evenly, "a batch must hold at least one row"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_said_and_nothing_moves(batches, coefficients, message):
    policy = small()
    before = policy.fingerprint()
    with pytest.raises(KnobError, match=message):
        policy.train(plan(batches, coefficients))
    assert policy.fingerprint() == before


def test_training_on_strange_text_is_refused():
    with pytest.raises(KnobError, match="no token begins with 'é'"):
        small().train(Plan(["a"], ["é"], np.array([True]), [np.array([0])], evenly, 1.0))


def test_scores_of_many_rows_come_back_in_their_order():
    policy = small(12)
    rows = policy.tokens.rows(
        pa.array(["a", "abcd"] * 40), pa.array(["b" * (i % 7) for i in range(80)]), np.ones(80, bool)
    )
    found = score(policy.network, rows)
    expected = [float(log_likelihood(policy.network, rows, np.array([i]))[0].detach()) for i in range(80)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_adam_is_that_of_torch():
    torch.manual_seed(0)
    own = [torch.nn.Parameter(torch.randn(3, 4)), torch.nn.Parameter(torch.randn(5))]
    theirs = [torch.nn.Parameter(weight.detach().clone()) for weight in own]
    mine = Adam(own, 0.01)
    reference = torch.optim.AdamW(theirs, lr=0.01, betas=BETAS, weight_decay=0.0)
    for _ in range(20):
        for weight, other in zip(own, theirs, strict=True):
            weight.grad = torch.randn_like(weight)
            other.grad = weight.grad.clone()
        mine.step()
        reference.step()
    for weight, other in zip(own, theirs, strict=True):
        torch.testing.assert_close(weight, other, rtol=1e-6, atol=1e-7)


def test_training_does_not_load_the_compiler_of_torch():
    code = (
        "import sys, numpy as np; from siwork.policies import Plan; from siwork.policies.tiny import TinyPolicy\n"
        "policy = TinyPolicy.create(('1', '2'), 3)\n"
        "plan = Plan(['1'], ['2'], np.ones(1, bool), [np.arange(1)], lambda logp, index: np.ones(1), 1.0)\n"
        "policy.train(plan); print({'torch._dynamo', 'sympy'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
