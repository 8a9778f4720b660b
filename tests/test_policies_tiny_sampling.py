"""A completion depends on its prompt and its stream, on nothing else; what is recorded of it is true."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.policies import sampling
from siwork.policies.chance import Chance
from siwork.policies.sampling import Decoder, choose
from siwork.policies.tiny import TinyPolicy, threads, use_threads
from siwork.policies.tokens import BEGIN, END, PAD
from siwork.schema import KnobError
from tests.tiny_made import SMALL, small, streams

PROMPTS = ["abca", "d", "", "ab", "bbbbbbbbbbbbbbbbbbbb", "ab#c>", "dcba"]


@pytest.fixture(autouse=True)
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    use_threads(None)
    torch.set_num_threads(before)


def same(one, other, rows=slice(None)):
    """Equal texts and lengths, log-probabilities and entropies to 1e-5."""
    assert one.response.to_pylist() == np.array(other.response.to_pylist(), object)[rows].tolist()
    assert one.n_tokens.tolist() == other.n_tokens[rows].tolist()
    assert one.finished.tolist() == other.finished[rows].tolist()
    np.testing.assert_allclose(one.logp, other.logp[rows], atol=1e-5)
    np.testing.assert_allclose(one.entropy, other.entropy[rows], atol=1e-5)


# ── chance ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_token_is_where_the_distribution_function_passes_u():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2])).expand(6, 3)
    u = torch.tensor([0.0, 0.49, 0.51, 0.79, 0.81, 1 - 2**-53], dtype=torch.float64)
    token, logp, entropy = choose(logits, u, Chance(1.0, 1.0))
    assert token.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(logp.exp(), [0.5, 0.5, 0.3, 0.3, 0.2, 0.2], rtol=1e-6)
    np.testing.assert_allclose(entropy, [1.0296530] * 6, rtol=1e-6)  # −½ln½ − 0.3 ln 0.3 − 0.2 ln 0.2


def test_a_nucleus_holds_the_fewest_tokens_with_its_share():
    logits = torch.log(torch.tensor([0.2, 0.5, 0.3])).expand(4, 3)
    u = torch.tensor([0.0, 0.62, 0.63, 0.999], dtype=torch.float64)
    # 0.5 is less than 0.6, 0.5 + 0.3 is not: two tokens, 0.5/0.8 = 0.625 and 0.375
    token, logp, _ = choose(logits, u, Chance(1.0, 0.6))
    assert token.tolist() == [1, 1, 2, 2]
    np.testing.assert_allclose(logp.exp(), [0.5, 0.5, 0.3, 0.3], rtol=1e-6)  # of the whole distribution
    assert choose(logits, u, Chance(1.0, 1e-9))[0].tolist() == [1, 1, 1, 1]


def test_temperature_sharpens_and_zero_takes_the_likeliest():
    logits = torch.log(torch.tensor([0.2, 0.8])).expand(3, 2)
    u = torch.tensor([0.05, 0.07, 0.5], dtype=torch.float64)
    # at ½ the odds are squared: 0.04 : 0.64, so the first token has 1/17 = 0.0588
    assert choose(logits, u, Chance(0.5, 1.0))[0].tolist() == [0, 1, 1]
    assert choose(logits, u, Chance(0.0, 1.0))[0].tolist() == [1, 1, 1]


def test_first_tokens_are_as_frequent_as_their_probabilities():
    policy, n = small(3), 20_000
    out = policy.sample(["ab"], n, streams=streams(1, n))
    ids = torch.tensor([policy.tokens.encode_prompt("ab").tolist()])
    p = policy.network.logits(policy.network(ids)[0, -1]).softmax(-1).detach().numpy()
    first = np.array([(text[:1] or "end") for text in out.response.to_pylist()])
    for token, name in [(END, "end"), *((policy.tokens.encode(x)[0], x) for x in policy.tokens.vocabulary)]:
        seen = (first == name).mean()
        assert abs(seen - p[token]) < 5 * np.sqrt(p[token] * (1 - p[token]) / n) + 1e-9


def test_pad_and_begin_are_never_said():
    policy = small(1)
    policy.network.head.data[[PAD, BEGIN]] = 50.0
    logits = policy.network.logits(torch.randn(20, SMALL.width))
    assert (logits.softmax(-1)[:, [PAD, BEGIN]] == 0).all()
    out = policy.sample(["ab", "c"], 200, streams=streams(2, 200))
    np.testing.assert_allclose(out.logp, policy.logp(["ab"] * 200 + ["c"] * 200, out.response, out.finished), atol=1e-4)


# ── what is recorded ───────────────────────────────────────────────────────────────────────────────────────
def test_lengths_ends_and_entropies_are_those_of_the_text():
    policy = small(2)
    out = policy.sample(PROMPTS, 30, streams=streams(len(PROMPTS), 30))
    texts = out.response.to_pylist()
    assert 0 < out.finished.mean() < 1
    for i, text in enumerate(texts):
        assert out.n_tokens[i] == len(text) + out.finished[i] <= policy.max_new
        assert out.finished[i] or out.n_tokens[i] == policy.max_new
    for i in range(0, len(texts), 19):  # token by token, without any memory
        ids = [*policy.tokens.encode_prompt(PROMPTS[i // 30])]
        said = [*policy.tokens.encode(texts[i]), *[END] * bool(out.finished[i])]
        logp, entropy = 0.0, 0.0
        for token in said:
            logits = policy.network.logits(policy.network(torch.tensor([ids]))[0, -1]).detach().double().numpy()
            p = np.exp(logits - np.logaddexp.reduce(logits))
            logp, entropy = logp + np.log(p[token]), entropy - (p * np.log(p + 1e-300)).sum()
            ids.append(token)
        assert out.logp[i] == pytest.approx(logp, abs=1e-4)
        assert out.entropy[i] == pytest.approx(entropy / len(said), abs=1e-4)


def test_sampled_log_probabilities_are_those_of_scoring():
    policy = small(4, max_new=40)
    out = policy.sample(PROMPTS, 40, streams=streams(len(PROMPTS), 40), temperature=1.3, top_p=0.9)
    scored = policy.logp(np.repeat(PROMPTS, 40), out.response, out.finished)
    np.testing.assert_allclose(out.logp, scored, atol=1e-4)


def test_tokens_that_run_together_get_the_probability_of_the_text_as_it_is_read():
    policy = small(5, vocabulary=("1", "2", "12", "+"))
    out = policy.sample(["1+", "2"], 100, streams=streams(2, 100))
    scored = policy.logp(["1+"] * 100 + ["2"] * 100, out.response, out.finished)
    np.testing.assert_allclose(out.logp, scored, atol=1e-4)
    counted = np.array([len(policy.tokens.encode(text)) for text in out.response.to_pylist()]) + out.finished
    assert (counted < out.n_tokens).any()  # some "1" "2" were said, and are read as "12"


# ── nothing else matters ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("rows", [1, 3, 17, 10_000])
def test_the_size_of_the_pieces_changes_nothing(rows, monkeypatch):
    policy, keys = small(6, max_new=12), streams(len(PROMPTS), 11)
    whole = policy.sample(PROMPTS, 11, streams=keys)
    monkeypatch.setattr(sampling, "ROWS", rows)
    same(policy.sample(PROMPTS, 11, streams=keys), whole)


@given(st.permutations(range(len(PROMPTS))), st.integers(1, len(PROMPTS)), st.integers(1, 5))
@settings(max_examples=15)
def test_order_and_neighbours_change_nothing(order, n, k):
    policy, keys = small(7), streams(len(PROMPTS), 5)
    whole = policy.sample(PROMPTS, 5, streams=keys)
    chosen = order[:n]
    some = policy.sample([PROMPTS[i] for i in chosen], k, streams=keys[chosen][:, :k])
    same(some, whole, [i * 5 + j for i in chosen for j in range(k)])


def test_a_prompt_that_is_asked_twice_is_answered_by_its_streams():
    policy, keys = small(8), streams(4, 6)
    keys[3] = keys[0]
    out = policy.sample(["ab", "c", "ab", "ab"], 6, streams=keys)
    texts = out.response.to_pylist()
    assert texts[:6] == texts[18:] != texts[12:18]


def test_threads_change_no_bit():
    policy, keys = small(9, max_new=30), streams(60, 20)
    prompts = [p * (1 + i % 3) for i, p in enumerate(["ab", "dca", "b"] * 20)]
    found = []
    for n in (1, 2, 3):
        use_threads(n)
        out = policy.sample(prompts, 20, streams=keys)
        found.append([out.response.to_pylist(), out.n_tokens.tolist(), out.logp.tolist(), out.entropy.tolist()])
        found[-1].append(policy.logp(np.repeat(prompts, 20), out.response, out.finished).tolist())
    assert found[0] == found[1] == found[2]


def test_the_callers_torch_threads_are_left_alone():
    torch.set_num_threads(2)
    use_threads(3)
    small().sample(["a"], 2, streams=streams(1, 2))
    assert torch.get_num_threads() == 2
    assert threads() == 3
    use_threads(None)
    assert threads() == 2
    with pytest.raises(KnobError, match="at least 1, got 0"):
        use_threads(0)


def test_finished_completions_are_taken_out_and_the_others_go_on(monkeypatch):
    policy, keys = small(10, max_new=25), streams(8, 16)
    policy.network.head.data.mul_(0.3)  # the end is one token of seven, about as likely as the others
    prompts = ["a", "bc", "d", "abc", "cc", "b", "ad", "da"]
    kept = []
    keep = Decoder.keep
    monkeypatch.setattr(Decoder, "keep", lambda self, p, c: (kept.append(tuple(c.shape)), keep(self, p, c))[1])
    out = policy.sample(prompts, 16, streams=keys)
    assert len(kept) >= 3  # few completions are long
    assert kept == sorted(kept, reverse=True)
    monkeypatch.setattr(sampling, "_PAYS", 0.0)
    taken = len(kept)
    same(policy.sample(prompts, 16, streams=keys), out)
    assert len(kept) == taken


def test_the_share_done_rises_to_one(monkeypatch):
    monkeypatch.setattr(sampling, "ROWS", 4)
    shares = []
    small().sample(PROMPTS, 3, streams=streams(len(PROMPTS), 3), tell=shares.append)
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_error_in_tell_ends_the_sampling(monkeypatch):
    monkeypatch.setattr(sampling, "ROWS", 2)

    def stop(share):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        small().sample(PROMPTS, 3, streams=streams(len(PROMPTS), 3), tell=stop)


@pytest.mark.parametrize(("n", "k"), [(0, 3), (2, 0), (0, 0)])
def test_nothing_asked_gives_nothing(n, k):
    out = small().sample(["a", "b"][:n], k, streams=streams(n, k))
    assert out.response.to_pylist() == []
    assert [len(values) for values in out[1:]] == [0, 0, 0, 0]


def test_one_new_token_is_enough():
    out = small(max_new=1).sample(["a", "bb"], 50, streams=streams(2, 50))
    assert set(out.n_tokens.tolist()) == {1}
    assert all(len(text) + done == 1 for text, done in zip(out.response.to_pylist(), out.finished, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"streams": streams(1, 3)}, r"streams must be \(prompts, k\) = \(2, 3\), got \(1, 3\)"),
        ({"temperature": -0.1}, "temperature must be ≥ 0"),
        ({"temperature": float("nan")}, "temperature must be ≥ 0"),
        ({"top_p": 0.0}, r"top_p must be in \(0, 1\], got 0.0"),
        ({"top_p": 1.5}, "nearest: 1"),
        ({"prompts": ["a", "x"]}, "no token begins with 'x'"),
    ],
)
def test_what_cannot_be_sampled_is_said(change, message):
    arguments = {"prompts": ["a", "b"], "k": 3, "streams": streams(2, 3), **change}
    with pytest.raises(KnobError, match=message):
        small().sample(arguments.pop("prompts"), arguments.pop("k"), **arguments)


def test_max_new_below_one_is_refused():
    with pytest.raises(KnobError, match="max_new must be at least 1, got 0"):
        TinyPolicy.create(("a",), 0)
