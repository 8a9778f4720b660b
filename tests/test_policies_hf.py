"""Models of transformers: against a plain forward pass, every kind of tokenizer, and what cannot be opened."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import siwork
from contracts.policy import plan_for, streams, texts
from hf_made import byte_pairs, pieces_of_sentences, write_fresh, write_player
from siwork.policies.hf.opening import quiet
from siwork.schema import KnobError, RunError

PROMPTS = ["What is 3 + 4?", "7", "A rather longer question, with several words in it?", "And\nlines"]
KINDS = {"bytes": byte_pairs, "chat": lambda: byte_pairs(chat=True), "sentences": pieces_of_sentences}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    for name, make in KINDS.items():
        write_fresh(home / name, make())
    write_player(home / "player")
    return home


@pytest.fixture(params=[*KINDS, "player"])
def model(request, folders):
    return siwork.policy("hf", str(folders / request.param), max_new=12)


def prompts_of(policy):
    named = Path(policy.make.model).name
    return siwork.task("countdown").problems("heldout", 4)["prompt"].tolist() if named == "player" else PROMPTS


def plainly(policy, prompt, response):
    """log π of one response by a forward pass of one row, without padding, cache or batch."""
    ids = torch.from_numpy(np.concatenate([prompt, response]))[None]
    with torch.no_grad():
        logp = policy.model(input_ids=ids).logits.double().log_softmax(-1)
    places = torch.arange(len(prompt) - 1, ids.shape[1] - 1)
    return float(logp[0, places, ids[0, len(prompt) :]].sum())


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────
def test_log_probabilities_are_those_of_a_plain_forward_pass(model):
    asked = prompts_of(model)
    out = model.sample(asked, 8, streams=streams(len(asked), 8))
    again = [p for p in asked for _ in range(8)]
    read = model.reader.prompts(again), model.reader.responses(texts(out), out.finished)
    expected = [plainly(model, *pair) for pair in zip(*read, strict=True)]
    np.testing.assert_allclose(out.logp, expected, atol=1e-4)
    np.testing.assert_allclose(model.logp(again, out.response, out.finished), expected, atol=1e-4)


def test_samples_follow_the_models_own_distribution(folders):
    policy = siwork.policy("hf", str(folders / "player"), max_new=1)
    prompt = prompts_of(policy)[:1]
    out = policy.sample(prompt, 4096, streams=streams(1, 4096))
    said, count = np.unique(texts(out), return_counts=True)
    p = np.exp(policy.logp(prompt * len(said), said, np.zeros(len(said), bool)))
    expected = p * 4096
    assert (((count - expected) ** 2 / expected)[expected > 5]).sum() < 3 * (expected > 5).sum() + 12
    assert np.abs(count / 4096 - p).max() < 0.03


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_nothing_depends_on_how_many_rows_are_worked_on_at_once(folders, rows):
    whole, parted = (siwork.policy("hf", str(folders / "bytes"), max_new=12, rows=n) for n in (0, rows))
    mine = streams(len(PROMPTS), 5)
    one, other = (policy.sample(PROMPTS, 5, streams=mine) for policy in (whole, parted))
    assert texts(one) == texts(other)
    np.testing.assert_allclose(one.logp, other.logp, atol=1e-4)


def test_what_is_said_is_what_the_chat_template_asks(folders):
    policy = siwork.policy("hf", str(folders / "chat"))
    assert policy.tokenizer.decode(policy.reader.prompts(["2 + 2?"])[0]) == "<s>user: 2 + 2?\nassistant: "
    plain = siwork.policy("hf", str(folders / "chat"), chat="never")
    assert plain.tokenizer.decode(plain.reader.prompts(["2 + 2?"])[0]) == "2 + 2?"


@pytest.mark.parametrize("kind", KINDS)
def test_a_response_is_read_back_as_it_was_written(folders, kind):
    reader = siwork.policy("hf", str(folders / kind)).reader
    said = ["7", "It is 7.", "or\n\nso", ""]
    read = reader.responses(said, np.zeros(len(said), bool))
    assert reader.decode(read) == said
    whole = reader.tokenizer.decode(np.concatenate([reader.prompts(["What is 3 + 4? "])[0], read[1]]))
    assert whole.endswith(" It is 7.")
    assert not whole.endswith("  It is 7.")
    ended = reader.responses(said, np.ones(len(said), bool))
    assert [ids[-1] for ids in ended] == [reader.ends[0]] * len(said)


def test_text_that_looks_like_a_special_token_is_text(folders):
    reader = siwork.policy("hf", str(folders / "bytes")).reader
    ids = reader.responses(["a</s>b"], np.zeros(1, bool))[0]
    assert reader.ends[0] not in ids


def test_a_stop_text_ends_a_completion_and_stays_in_it(folders):
    policy = siwork.policy("hf", str(folders / "bytes"), max_new=60, stop="s")
    out = policy.sample(PROMPTS, 16, streams=streams(len(PROMPTS), 16))
    stopped = [text for text in texts(out) if "s" in text]
    assert stopped
    assert all(text.index("s") == len(text) - 1 for text in stopped)
    asked = [p for p in PROMPTS for _ in range(16)]
    np.testing.assert_allclose(policy.logp(asked, out.response, out.finished), out.logp, atol=1e-4)


# ── adapters ───────────────────────────────────────────────────────────────────────────────────────────
def test_adapters_share_one_model_and_begin_where_it_is(folders):
    whole = siwork.policy("hf", str(folders / "player"), max_new=16)
    base = siwork.policy("hf", str(folders / "player"), max_new=16, lora=4)
    asked, row = prompts_of(whole)[:1], ["1+2"]
    before, done = whole.logp(asked, row, np.ones(1, bool)), np.ones(1, bool)
    tuned = base.copy()
    tuned.train(plan_for(asked, row, [1.0], rate=1.0, steps=3))
    assert tuned.model is base.model
    assert tuned.logp(asked, row, done) > before + 0.1
    np.testing.assert_allclose(base.logp(asked, row, done), before, atol=1e-5)


def test_an_adapter_is_loaded_by_peft(folders, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    policy = siwork.policy("hf", str(folders / "player"), max_new=16, lora=4)
    asked = prompts_of(policy)[:1]
    policy.train(plan_for(asked, ["1+2"], [1.0], rate=1.0, steps=3))
    policy.save(tmp_path)
    with quiet():
        policy_of_peft = PeftModel.from_pretrained(
            AutoModelForCausalLM.from_pretrained(folders / "player"), str(tmp_path)
        )
    ids = policy.reader.prompts(asked)[0], policy.reader.responses(["1+2"], np.ones(1, bool))[0]
    policy.model = policy_of_peft
    assert plainly(policy, *ids) == pytest.approx(float(policy.logp(asked, ["1+2"], np.ones(1, bool))[0]), abs=1e-4)


# ── training ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "more", [{}, {"checkpointing": True}, {"lora": 4}, {"lora": 4, "checkpointing": True}], ids=str
)
@pytest.mark.parametrize("constant", [True, False])
def test_a_step_in_parts_is_a_step(folders, more, constant):
    policy = siwork.policy("hf", str(folders / "bytes"), max_new=12, **more)
    asked, said = PROMPTS * 3, [f"It is {i}." for i in range(12)]
    plan = plan_for(asked, said, list(np.linspace(-1, 1, 12)), rate=3.0, steps=2)._replace(constant=constant)
    whole, parted = policy.copy(), policy.copy()
    seen = whole.train(plan)
    parted.room = type("Narrow", (), {"tokens": 40, "shrink": None, "said": True})()
    np.testing.assert_allclose(parted.train(plan), seen, atol=1e-4)
    done = np.ones(12, bool)
    parted.room = whole.room
    np.testing.assert_allclose(parted.logp(asked, said, done), whole.logp(asked, said, done), atol=2e-3)
    assert np.abs(whole.logp(asked, said, done) - policy.logp(asked, said, done)).max() > 0.01


def test_rounds_with_a_model_of_transformers(folders, tmp_path):
    policy = f'hf("{folders / "player"}", max_new=16, lora=8)'
    sizes = siwork.Sizes(train=20, heldout=20, beyond=0, samples=8)
    run = siwork.run(
        "seed · cot(k=8) · gold · correct · sft(steps=10)",
        "countdown", policy, rounds=2, problems=sizes, folder=tmp_path / "run",
    )  # fmt: skip
    table = siwork.measure(run, ["pass@1", "kl_to_base"]).query("split == 'heldout'")
    assert table[table["metric"] == "pass@1"]["value"].min() > 0.2
    apart = table[table["metric"] == "kl_to_base"]["value"].tolist()
    assert apart[0] == pytest.approx(0, abs=1e-5)
    assert apart[2] > apart[1] > 0.001
    assert len(siwork.resume(tmp_path / "run", rounds=3).rows(3)) == 20 * 8
    assert run.rounds()["policy"].nunique() == 4


# ── memory ─────────────────────────────────────────────────────────────────────────────────────────────
class Small:
    """A forward pass that has memory for so many rows."""

    def __init__(self, forward, most):
        self.forward, self.most, self.model, self.device = forward, most, forward.model, forward.device

    def __call__(self, ids, *rest, **more):
        if len(ids) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.forward(ids, *rest, **more)


def test_when_memory_runs_out_half_as_many_rows_go_on_and_it_is_said_once(folders):
    policy = siwork.policy("hf", str(folders / "bytes"), max_new=12)
    mine = streams(len(PROMPTS), 6)
    whole = policy.sample(PROMPTS, 6, streams=mine)
    policy.forward = Small(policy.forward, 3)
    with pytest.warns(UserWarning, match="half as many rows") as said:
        parted = policy.sample(PROMPTS, 6, streams=mine)
    assert len(said) == 1
    assert texts(parted) == texts(whole)
    asked = [p for p in PROMPTS for _ in range(6)]
    np.testing.assert_allclose(policy.logp(asked, whole.response, whole.finished), whole.logp, atol=1e-4)
    policy.train(plan_for(asked, texts(whole), [0.1] * 24, rate=1.0))
    policy.forward = Small(policy.forward, 0)
    with pytest.raises(RunError, match="a single row does not fit"):
        policy.sample(PROMPTS, 1, streams=streams(4, 1))


# ── bad input ──────────────────────────────────────────────────────────────────────────────────────────
def changed(folders, tmp_path, **files):
    """A copy of a model with some files changed; None deletes one."""
    shutil.copytree(folders / "bytes", tmp_path / "m")
    for name, content in files.items():
        place = tmp_path / "m" / name.replace("__", ".")
        place.unlink() if content is None else place.write_bytes(content)
    return str(tmp_path / "m")


def test_no_folder_no_model_no_weights(folders, tmp_path):
    with pytest.raises(KnobError, match="there is no folder '/nowhere/model'"):
        siwork.policy("hf", "/nowhere/model")
    with pytest.raises(KnobError, match="holds no model"):
        siwork.policy("hf", str(tmp_path))
    with pytest.raises(KnobError, match="holds no weights"):
        siwork.policy("hf", changed(folders, tmp_path, model__safetensors=None))


def test_pickles_are_not_opened(folders, tmp_path):
    path = changed(folders, tmp_path, model__safetensors=None, pytorch_model__bin=b"\x80\x04")
    with pytest.raises(KnobError, match=r"pickled \(pytorch_model\.bin\), which is never opened"):
        siwork.policy("hf", path)


def test_code_beside_a_model_is_not_run(folders, tmp_path):
    config = json.loads((folders / "bytes/config.json").read_text()) | {"auto_map": {"AutoModelForCausalLM": "evil.M"}}
    path = changed(
        folders, tmp_path, config__json=json.dumps(config).encode(), evil__py=b"open('/tmp/ran', 'w').close()"
    )
    with pytest.raises(KnobError, match="brings code of its own"):
        siwork.policy("hf", path)


def test_damaged_weights_and_hub_ids_that_are_none(folders, tmp_path):
    path = changed(folders, tmp_path, model__safetensors=b"\xff" * 200)
    with pytest.raises(KnobError, match="no model could be opened"):
        siwork.policy("hf", path)
    with pytest.raises(KnobError, match="name a model"):
        siwork.policy("hf")


def test_a_tokenizer_without_pad_pads_with_its_end_and_one_without_end_is_refused(folders, tmp_path):
    tokenizer = byte_pairs()
    tokenizer.pad_token = None
    padless = siwork.policy("hf", write_fresh(tmp_path / "padless", tokenizer), max_new=8)
    out = padless.sample(PROMPTS, 2, streams=streams(4, 2))
    again = [p for p in PROMPTS for _ in range(2)]
    np.testing.assert_allclose(padless.logp(again, out.response, out.finished), out.logp, atol=1e-4)
    tokenizer.eos_token = None
    with pytest.raises(KnobError, match="has no end token"):
        siwork.policy("hf", write_fresh(tmp_path / "endless", tokenizer))


def test_a_prompt_longer_than_the_context(folders):
    policy = siwork.policy("hf", str(folders / "bytes"), max_new=500)
    with pytest.raises(KnobError, match=r"prompt 1 has \d+ tokens and the model's context 128"):
        policy.sample(["7", "x y z " * 60], 1, streams=streams(2, 1))
    out = policy.sample(["7"], 2, streams=streams(1, 2))
    assert out.n_tokens.max() <= 127


def test_an_adapter_of_another_rank_is_refused(folders, tmp_path):
    siwork.policy("hf", str(folders / "bytes"), lora=4).save(tmp_path)
    with pytest.raises(RunError, match="of another model or rank"):
        siwork.policy("hf", str(folders / "bytes"), lora=2).load(tmp_path)


def test_a_gpu_that_is_not_there(folders):
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    with pytest.raises(KnobError, match="torch sees no GPU"):
        siwork.policy("hf", str(folders / "bytes"), device="cuda")


def test_nothing_is_printed(folders, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        siwork.policy("hf", str(folders / "bytes"), lora=2).copy()
    assert capfd.readouterr() == ("", "")


def test_a_stop_text_needs_a_tokenizer_of_plain_text(tmp_path):
    with pytest.raises(KnobError, match="does not read plain text; leave stop='-' out"):
        siwork.policy("hf", write_player(tmp_path), stop="-")
