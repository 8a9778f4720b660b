"""Policies behind real servers: what they say, what they are given, and whose completions they give."""

from __future__ import annotations

import gc
import os
import signal

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaForCausalLM

import siwork
from contracts.policy import OfCountdown, PolicyContract, streams, texts
from hf_made import write_player
from servers.conftest import CONTEXT, RANK, asked
from siwork.loop import Sizes
from siwork.policies import Plan
from siwork.policies.server.client import Question
from siwork.policies.server.saying import Way
from siwork.policies.server.trained import TrainedServerPolicy
from siwork.schema import KnobError, RunError
from siwork.serving import Serving

TASK = siwork.task("countdown", numbers=3)
PROMPTS = TASK.problems("train", 6)["prompt"].tolist()
SMALL = Sizes(train=8, heldout=4, beyond=0, samples=3)
LEARNS = "seed · cot(k=4) · gold · correct · sft(steps=12, rate=3.0)"


@pytest.fixture(scope="session")
def plain(needs_vllm, player):
    """A vLLM without room for adapters, which on a CPU is the one that scores given texts."""
    with Serving(player, context=CONTEXT) as server:
        yield server


@pytest.fixture
def untouched(plain, player):
    """That server with the weights it was started with."""
    if asked(f"{plain.url}/weight_info")["weight_version"] != "default":
        asked(f"{plain.url}/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": player}})
        asked(f"{plain.url}/reset_prefix_cache", {})
        asked(f"{plain.url}/update_weight_version", {"new_version": "default"})
    return plain


def of(server, **knobs):
    return siwork.policy("server", server.url, server.model, **{"max_new": 16, **knobs})


def forward(model, ids, n_prompt):
    """log π of the tokens after the first `n_prompt`, by a plain pass of transformers."""
    with torch.inference_mode():
        log_p = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return sum(float(log_p[i - 1, ids[i]]) for i in range(n_prompt, len(ids)))


def moved(policy, prompts, response="1", steps=8):
    """A copy that was trained towards one response."""
    other, rows = policy.copy(), np.arange(len(prompts))
    even = lambda logp, index: np.full(len(index), 1 / len(index))  # noqa: E731
    other.train(Plan(prompts, [response] * len(prompts), np.ones(len(prompts), bool), [rows] * steps, even, 3.0))
    return other


# ── the contract of all policies ───────────────────────────────────────────────────────────────────────
class TestWhole(OfCountdown, PolicyContract):
    """All weights handed over; every completion has a seed of its own."""

    tolerance = 1e-4

    @pytest.fixture
    def policy(self, plain):
        return of(plain, train=plain.model, seeds="completion", concurrency=256)


class TestAdapter(OfCountdown):
    """An adapter handed over: that part of the contract in which the server has a say."""

    tolerance, rate = 1e-4, PolicyContract.rate

    @pytest.fixture
    def policy(self, vllm):
        return of(vllm, train=vllm.model, lora=4, seeds="completion", concurrency=256)

    _row = PolicyContract._row
    test_k = PolicyContract.test_sample_gives_k_completions_a_prompt
    test_company = PolicyContract.test_a_completion_does_not_depend_on_its_company
    test_stream = PolicyContract.test_a_completion_depends_on_its_own_stream_only
    test_copy = PolicyContract.test_a_copy_is_independent
    test_load = PolicyContract.test_save_then_load_is_identity


# ── what is said ───────────────────────────────────────────────────────────────────────────────────────
def test_probabilities_are_those_of_a_plain_pass(untouched, player):
    out = of(untouched).sample(PROMPTS, 8, streams=streams(6, 8))
    model, tokenizer = LlamaForCausalLM.from_pretrained(player).eval(), AutoTokenizer.from_pretrained(player)
    own = []
    for i, (text, done) in enumerate(zip(texts(out), out.finished, strict=True)):
        head = tokenizer(PROMPTS[i // 8])["input_ids"]
        tail = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id] * bool(done)
        assert len(tail) == out.n_tokens[i]
        own.append(forward(model, head + tail, len(head)))
    np.testing.assert_allclose(out.logp, own, atol=1e-4)
    again = of(untouched).logp(np.repeat(np.array(PROMPTS, object), 8), out.response, out.finished)
    np.testing.assert_allclose(again, own, atol=1e-4)
    assert np.isnan(out.entropy).all()


@pytest.mark.parametrize("seeds", ["prompt", "completion"])
def test_completions_are_drawn_from_the_model(untouched, player, seeds):
    k, local = 300 if seeds == "prompt" else 100, siwork.policy("hf", player, max_new=16)
    out = of(untouched, seeds=seeds).sample(PROMPTS[:2], k, streams=streams(2, k, 5))
    for i in range(2):
        said = np.array(texts(out)[i * k : (i + 1) * k], object)
        likely, count = np.unique(said, return_counts=True)
        p = np.exp(local.logp([PROMPTS[i]] * len(likely), likely, np.ones(len(likely), bool)))
        off = (count - k * p) / np.sqrt(k * p * (1 - p))
        assert np.abs(off[p > 0.03]).max() < 4  # standard deviations of a binomial count
        assert len(likely) > 3


def test_equal_seeds_say_the_same_and_others_do_not(untouched):
    first, again, other = (of(untouched).sample(PROMPTS, 8, streams=streams(6, 8, seed)) for seed in (0, 0, 1))
    assert texts(first) == texts(again) != texts(other)
    said = np.array(texts(first), object).reshape(6, 8)
    assert max(len(set(row)) for row in said) > 2  # the completions of a prompt differ


def test_chances_of_given_words_are_those_of_the_model(untouched, player):
    local = siwork.policy("hf", player, max_new=16)
    options = ["1", "(", "9"]
    own = local.chances(PROMPTS, options)
    np.testing.assert_allclose(of(untouched).chances(PROMPTS, options), own, atol=1e-4)
    by_text = of(untouched)
    by_text.reader, by_text.way = None, Way(by_text.make, vllm=True, chat=False)
    np.testing.assert_allclose(by_text.chances(PROMPTS, options), own, atol=1e-3)  # the 20 likeliest tokens


def test_temperature_and_stop_text_are_minded(untouched):
    greedy = of(untouched).sample(PROMPTS, 4, temperature=0.0, streams=streams(6, 4))
    assert all(len(set(texts(greedy)[i * 4 : i * 4 + 4])) == 1 for i in range(6))
    ended = of(untouched, stop="-").sample(PROMPTS, 8, streams=streams(6, 8))
    cut = [text for text in texts(ended) if "-" in text]
    assert cut
    assert all(text.endswith("-") and text.count("-") == 1 for text in cut)
    local = siwork.policy("hf", untouched.model, max_new=16)
    by_end = ended.finished & ~np.array([text.endswith("-") for text in texts(ended)])
    own = local.logp(np.repeat(np.array(PROMPTS, object), 8), ended.response, by_end)
    np.testing.assert_allclose(own, ended.logp, atol=1e-4)


def test_the_chat_route_says_the_same_as_the_template(untouched, player):
    by_text = of(untouched, route="chat")
    by_text.reader, by_text.way = None, Way(by_text.make, vllm=True, chat=True)
    by_tokens = of(untouched, route="chat")
    first, second = (p.sample(PROMPTS, 4, streams=streams(6, 4)) for p in (by_text, by_tokens))
    assert texts(first) == texts(second)
    same = np.abs(first.logp - second.logp) < 1e-5
    assert same.mean() > 0.9  # the rest is read back in other tokens, which only token numbers tell


def test_what_does_not_fit_is_a_sentence(untouched):
    with pytest.raises(KnobError, match=r"prompt 1 has \d+ tokens and the model's context 512"):
        of(untouched).sample([PROMPTS[0], PROMPTS[0] * 80], 1, streams=streams(2, 1))
    long = of(untouched)
    long.reader, long.way = None, Way(long.make, vllm=True, chat=False)  # as where no tokenizer is known
    with pytest.raises(KnobError, match="do not fit into the model's context") as error:
        long.sample([PROMPTS[0] * 80], 1, streams=streams(1, 1))
    assert "\n" not in str(error.value)
    short = of(untouched, max_new=400).sample([PROMPTS[0] * 50], 1, streams=streams(1, 1))
    assert short.n_tokens[0] <= 400


def test_a_model_that_it_does_not_have_is_a_sentence(untouched):
    with pytest.raises(KnobError, match="has no model 'bass'; "):
        siwork.policy("server", untouched.url, "bass")


def test_weights_that_a_run_left_there_are_named(untouched):
    other = moved(of(untouched, train=untouched.model), PROMPTS)
    started = of(untouched).fingerprint()
    other.delivery.hand(other.local)
    with pytest.warns(UserWarning, match=f"has weights that a run handed over .{other.fingerprint()}."):
        left = of(untouched)
    assert left.fingerprint() != started


# ── weights ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("lora", [0, 4])
def test_every_round_samples_from_its_own_policy(vllm, player, lora, tmp_path, monkeypatch):
    heard = []
    scored = TrainedServerPolicy._scored

    def listening(self, prompts, said):
        heard.append((self.fingerprint(), prompts, said))
        return scored(self, prompts, said)

    monkeypatch.setattr(TrainedServerPolicy, "_scored", listening)
    run = siwork.run(LEARNS, TASK, of(vllm, train=player, lora=lora), rounds=2, problems=SMALL, folder=tmp_path / "run")
    states = [run.base_path, *(run.state_path(r) for r in range(2))]
    models = [_with_weights(player, folder, lora) for folder in states]
    assert [mark for mark, _, _ in heard] == [run.rounds()["policy"][r] for r in (0, 0, 1, 1, 2)]
    for call, r in zip(heard, (0, 0, 1, 1, 2), strict=True):
        _, prompts, said = call
        told = np.array([one.logp for one in said])
        own, before = (
            np.array(
                [
                    forward(models[m], [*ids.tolist(), *one.tokens], len(ids))
                    for ids, one in zip(prompts, said, strict=True)
                ]
            )
            for m in (r, max(r - 1, 0))
        )
        np.testing.assert_allclose(told, own, atol=2e-3)  # the server's own word, by the weights of its round
        assert r == 0 or np.abs(told - before).max() > 0.05  # and not those of the round before


def _with_weights(player, folder, lora):
    """The model of a round by transformers and peft alone."""
    if not lora:
        source = folder if any(folder.glob("*.safetensors")) else player
        return LlamaForCausalLM.from_pretrained(source).eval()
    model, found = LlamaForCausalLM.from_pretrained(player), load_file(folder / "adapter_model.safetensors")
    for name in {name.rsplit(".lora_", 1)[0] for name in found}:
        a, b = (found[f"{name}.lora_{part}.weight"] for part in "AB")
        layer = model.get_submodule(name.removeprefix("base_model.model."))
        layer.weight.data += 2.0 * b @ a  # alpha / r = 2
    return model.eval()


@pytest.mark.parametrize("lora", [0, 4])
def test_a_long_prompt_keeps_nothing_of_the_old_weights(vllm, lora):
    policy = of(vllm, train=vllm.model, lora=lora)
    long = [PROMPTS[0] * 40] * 2  # longer than a block of the prefix cache
    before = policy.sample(long, 4, streams=streams(2, 4))
    other = moved(policy, long)
    after = other.sample(long, 4, streams=streams(2, 4))  # checks the server's words against its own
    assert set(texts(after)) == {"1"} != set(texts(before))
    assert texts(policy.sample(long, 4, streams=streams(2, 4))) == texts(before)


def test_adapters_do_not_pile_up(vllm):
    def there():
        return {model["id"] for model in asked(f"{vllm.url}/v1/models")["data"]}

    policy, before = of(vllm, train=vllm.model, lora=4), there()
    for _ in range(4):
        policy = moved(policy, PROMPTS, steps=1)
        policy.sample(PROMPTS[:1], 1, streams=streams(1, 1))
    assert len(there() - before) == 2


def test_an_adapter_is_nobody_elses(vllm):
    """Equal adapters of two policies, the first gone: vLLM would look for its folder, and die."""
    first = of(vllm, train=vllm.model, lora=4)
    said = texts(first.sample(PROMPTS, 2, streams=streams(6, 2)))
    del first
    gc.collect()
    whole = moved(of(vllm, train=vllm.model), PROMPTS)
    whole.sample(PROMPTS, 2, streams=streams(6, 2))  # new weights empty vLLM's store of adapters
    again = of(vllm, train=vllm.model, lora=4)
    assert texts(again.sample(PROMPTS, 2, streams=streams(6, 2))) == said
    assert vllm.alive
    assert vllm.restarts == 0


def test_another_run_that_hands_over_weights_meanwhile_is_noticed(plain, monkeypatch):
    mine = of(plain, train=plain.model, seeds="completion")
    theirs = moved(of(plain, train=plain.model), PROMPTS)
    read, meddled = Way.read, []

    def meddling(self, answer, chance):
        if not meddled:
            meddled.append(1)
            theirs.delivery.hand(theirs.local)
        return read(self, answer, chance)

    monkeypatch.setattr(Way, "read", meddling)
    monkeypatch.setattr("siwork.policies.server.asking._SETTLED", 0.0)
    out = mine.sample(PROMPTS, 4, streams=streams(6, 4))
    assert meddled
    monkeypatch.undo()
    assert texts(out) == texts(mine.sample(PROMPTS, 4, streams=streams(6, 4)))
    monkeypatch.setattr(Way, "read", lambda self, *rest: (meddled.clear(), meddling(self, *rest))[1])
    with pytest.raises(RunError, match="lost the weights it was given 4 times"):
        mine.sample(PROMPTS, 4, streams=streams(6, 4, 1))


def test_a_server_of_another_model_is_found_out(vllm, tmp_path):
    other = write_player(tmp_path / "other", "countdown(numbers=3)")
    model = LlamaForCausalLM.from_pretrained(other)
    torch.manual_seed(0)
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    model.save_pretrained(other)
    with pytest.raises(RunError, match=r"gives its completions other probabilities .* nats a token apart"):
        of(vllm, train=other, lora=4).sample(PROMPTS, 2, streams=streams(6, 2))


def test_an_adapter_that_has_no_room_is_a_sentence(vllm, plain):
    with pytest.raises(RunError, match=rf"does not take new weights .*siwork serve .* --lora {4 * RANK}"):
        of(vllm, train=vllm.model, lora=4 * RANK).sample(PROMPTS, 2, streams=streams(6, 2))
    with pytest.raises(RunError, match=r"does not take new weights .*/v1/load_lora_adapter, 404"):
        of(plain, train=plain.model, lora=4).sample(PROMPTS, 2, streams=streams(6, 2))


def test_a_run_goes_on_when_its_server_is_killed_and_started_again(plain, player, tmp_path, monkeypatch):
    sizes = Sizes(train=20, heldout=8, beyond=0, samples=5)
    made = lambda: of(plain, train=player, seeds="completion", concurrency=4)  # noqa: E731
    whole = siwork.run(LEARNS, TASK, made(), rounds=1, problems=sizes, folder=tmp_path / "whole").rows()
    seen = []
    ask_one = type(made().client)._sent

    async def counting(self, http, question: Question):
        if question.route == "/v1/completions":
            seen.append(1)
            if len(seen) == 60:
                for process in psutil.Process(plain.pid).children(recursive=True):
                    os.kill(process.pid, signal.SIGKILL)
        return await ask_one(self, http, question)

    monkeypatch.setattr("siwork.policies.server.client.Client._sent", counting)
    run = siwork.run(LEARNS, TASK, made(), rounds=1, problems=sizes, folder=tmp_path / "run")
    rows = run.rows()
    assert plain.alive
    assert plain.restarts == 1
    assert len(seen) < 60 + 40 + 80 + 40  # what was settled before the end was not asked again
    same = (rows["response"] == whole["response"]).mean()
    assert same > 0.97  # a batch of another shape may round a draw the other way
    assert rows.groupby("round")["logp"].count().tolist() == whole.groupby("round")["logp"].count().tolist()


# ── another server ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("route", ["completions", "chat", "auto"])
def test_transformers_serve_is_asked_one_by_one(transformers_server, route, tmp_path):
    server = transformers_server
    drawn = '{"generation_config": "{\\"do_sample\\": true, \\"eos_token_id\\": 1, \\"pad_token_id\\": 0}"}'
    policy = siwork.policy("server", server.url, server.model, route=route, max_new=12, concurrency=4, extra=drawn)
    out = policy.sample(PROMPTS[:3], 3, streams=streams(3, 3))
    assert len(out.response) == 9
    assert all(texts(out))
    assert np.isnan(out.logp).all()
    assert (out.n_tokens > 0).all()
    if route == "auto":
        run = siwork.run(
            "seed · cot(k=2) · gold · correct", TASK, policy, rounds=0, problems=SMALL, folder=tmp_path / "r"
        )
        rows = siwork.check(run.rows())
        assert rows["logp"].isna().all()
        assert 0 < rows["gold"].mean() < 1
