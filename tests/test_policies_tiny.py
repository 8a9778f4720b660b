"""Files, copies, marks; base weights; the same network as a Llama of transformers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from siwork.policies import Plan
from siwork.policies.llama import to_llama
from siwork.policies.network import Network
from siwork.policies.pretrain import examples, pretrain
from siwork.policies.tiny import FILE, Shape, Tiny, TinyPolicy, use_threads
from siwork.policies.tokens import BEGIN, END, PAD
from siwork.schema import KnobError, RunError
from siwork.tasks.base import is_held_out
from tests.tiny_made import SMALL, Learnt, Reverse, small, streams


@pytest.fixture(autouse=True)
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    use_threads(None)
    torch.set_num_threads(before)


# ── sizes ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_standard_shape_has_150_thousand_parameters():
    # a layer: 3·64·64 + 64·64 + 3·64·176 + 2·64 = 50 304; three of them, the last norm 64, 2 · 20 · 64 of tokens
    assert sum(p.numel() for p in Network(Shape(), 20).parameters()) == 3 * 50_304 + 64 + 2 * 20 * 64


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"heads": 3}, "multiple of 2 × heads = 6, got 64; nearest: 66"),
        ({"width": 0}, "width"),
        ({"layers": 99}, "layers"),
    ],
)
def test_impossible_shapes_are_refused(knobs, message):
    with pytest.raises(KnobError, match=message):
        Shape(**knobs)


def test_marks_of_hints_are_added_where_they_lack():
    assert TinyPolicy.create(("a", ">"), 3, SMALL).tokens.vocabulary == ("a", ">", "#")


# ── files ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_policy_comes_back_from_its_file_alone(tmp_path):
    policy = small(1, vocabulary=("é", "1", "12", "2"))
    policy.origin["task"] = "none"
    policy.save(tmp_path)
    found = TinyPolicy.read(tmp_path / FILE)
    assert (found.shape, found.max_new, found.origin) == (policy.shape, policy.max_new, policy.origin)
    assert found.tokens.vocabulary == policy.tokens.vocabulary
    assert found.fingerprint() == policy.fingerprint() == policy.load(tmp_path).fingerprint()
    keys = streams(2, 9)
    one, other = (p.sample(["é1", "2"], 9, streams=keys) for p in (policy, found))
    assert one.response.to_pylist() == other.response.to_pylist()
    assert one.logp.tolist() == other.logp.tolist()


def test_a_mark_is_12_hexadecimal_digits_of_the_weights():
    one, other = small(1), small(2)
    assert len(one.fingerprint()) == 12
    assert int(one.fingerprint(), 16) >= 0
    assert one.fingerprint() == small(1).fingerprint() != other.fingerprint()
    other.network.load_state_dict(one.network.state_dict())
    assert one.fingerprint() == other.fingerprint()


def test_a_copy_goes_its_own_way():
    policy = small(3)
    twin, before = policy.copy(), policy.fingerprint()
    assert (twin.fingerprint(), str(twin), twin.max_new) == (before, str(policy), policy.max_new)
    twin.train(Plan(["a"], ["b"], np.array([True]), [np.array([0])], lambda logp, index: np.ones(1), 1.0))
    assert policy.fingerprint() == before != twin.fingerprint()


def _damage(path: Path, how: str) -> None:
    tensors, about = load_file(path), {"siwork": json.dumps({"policy": "tiny"})}
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif how == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(2000))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "another's":
        save_file(tensors, path)
    elif how == "no shape":
        save_file(tensors, path, about)
    else:
        _spoil(path, how)


def _spoil(path: Path, how: str) -> None:
    tensors, policy = load_file(path), TinyPolicy.read(path)
    text = {"policy": "tiny", "shape": {"width": 16, "layers": 2, "heads": 2, "hidden": 24}, "origin": {}}
    text |= {"max_new": policy.max_new, "vocabulary": list(policy.tokens.vocabulary)}
    if how == "a weight is not a number":
        tensors["qkv"][0, 0, 0] = float("nan")
    elif how == "a weight is missing":
        del tensors["head"]
    elif how == "half precision":
        tensors["head"] = tensors["head"].half()
    elif how == "another width":
        text["shape"]["width"] = 32
    elif how == "impossible width":
        text["shape"]["width"] = 10**9
    elif how == "one token too few":
        text["vocabulary"].pop()
    elif how == "max_new is text":
        text["max_new"] = "many"
    save_file(tensors, path, {"siwork": json.dumps(text)})


@pytest.mark.parametrize(
    "how",
    ["missing", "cut", "noise", "empty", "another's", "no shape", "a weight is not a number", "a weight is missing",
     "half precision", "another width", "impossible width", "one token too few", "max_new is text"],
)  # fmt: skip
def test_a_damaged_file_is_a_run_error_that_names_it(how, tmp_path):
    policy = small()
    policy.save(tmp_path)
    _damage(tmp_path / FILE, how)
    with pytest.raises(RunError, match=r"policy\.safetensors holds no readable tiny policy"):
        policy.load(tmp_path)


def test_the_spoiling_itself_is_harmless(tmp_path):
    small().save(tmp_path)
    _spoil(tmp_path / FILE, "nothing")
    assert TinyPolicy.read(tmp_path / FILE).fingerprint() == small().fingerprint()


def test_another_vocabulary_is_refused(tmp_path):
    small(vocabulary=("x", "y")).save(tmp_path)
    with pytest.raises(RunError, match="another vocabulary"):
        small().load(tmp_path)
    with pytest.raises(RunError, match="another vocabulary than reverse"):
        Tiny().restore(Reverse(), tmp_path)


# ── where it starts ────────────────────────────────────────────────────────────────────────────────────────
def test_a_fresh_start_depends_on_its_seed_only():
    task = Reverse()
    one, same, other = (Tiny(start="fresh", seed=seed).build_for(task) for seed in (1, 1, 2))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert one.max_new == task.max_tokens


def test_a_task_without_weights_says_how_to_make_them():
    with pytest.raises(RunError, match=r"no weights ship for task 'reverse'; make them with `siwork pretrain 'reverse"):
        Tiny().build_for(Reverse())


def test_a_restored_policy_has_the_weights_of_the_folder_and_the_length_of_the_task(tmp_path):
    policy = Tiny(start="fresh", seed=4).build_for(Reverse(digits=3))
    policy.save(tmp_path)
    found = Tiny().restore(Reverse(digits=5), tmp_path)
    assert (found.fingerprint(), found.max_new, str(found)) == (policy.fingerprint(), 7, "tiny")


# ── base weights ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("task", "held_out"), [(Reverse(), False), (Learnt(), True)])
def test_only_what_is_memorised_is_taught_held_out_prompts(task, held_out):
    taught = examples(task, 300, 0, hint_share=0.0)
    assert any(is_held_out(prompt) for prompt in taught.prompt) == held_out
    assert all(task.is_right(*pair) for pair in zip(*taught, strict=True))


def test_hints_and_harder_prompts_have_their_shares():
    taught = examples(Reverse(digits=2), 2000, 0, hint_share=0.3, beyond_share=0.1)
    hinted = [prompt for prompt in taught.prompt if "#" in prompt]
    beyond = [prompt for prompt in taught.prompt if len(prompt.partition("=")[0]) == 3]
    assert abs(len(hinted) / 2000 - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 2000)
    assert abs(len(beyond) / 2000 - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 2000)
    assert {prompt.rpartition("#")[2][:-1] == said for prompt, said in zip(*taught, strict=True) if "#" in prompt} == {
        True,
        False,  # a first digit is no answer
    }
    assert examples(Reverse(), 50, 0, hint_share=0.0, beyond_share=0.0).prompt[0].endswith("=")


def test_a_task_with_nothing_to_teach_is_said():
    class HeldOut(Reverse):
        name = "held_out"

        def draw(self, rng, *, beyond=False):
            return super().draw(rng)._replace(prompt="16=")

    assert is_held_out("16=")
    with pytest.raises(KnobError, match="gave 0 prompts that may be taught, 5 were asked"):
        examples(HeldOut(), 5, 0)


def test_pretraining_learns_the_task_and_its_hints(tmp_path):
    task = Reverse(digits=2)
    shares = []
    policy, losses = pretrain(
        task, Shape(width=32, layers=2, heads=4, hidden=64), steps=350, batch=64, rate=6e-3, tell=shares.append
    )
    assert losses[:10].mean() > 2
    assert losses[-20:].mean() < 0.4
    assert shares[-1] == 1.0
    held = task.problems("heldout", 20)
    out = policy.sample(held["prompt"].tolist(), 8, streams=streams(20, 8))
    right = [task.is_right(p, r) for p, r in zip(np.repeat(held["prompt"], 8), out.response.to_pylist(), strict=True)]
    assert np.mean(right) > 0.6  # by chance 1 in 100
    policy.save(tmp_path)
    origin = TinyPolicy.read(tmp_path / FILE).origin
    assert (origin["task"], origin["steps"], origin["seed"]) == ("reverse(digits=2)", "350", "0")
    assert {"command", "siwork", "rate", "shape"} < set(origin)


def test_pretraining_is_the_same_again_and_on_any_number_of_threads():
    marks = set()
    for threads in (1, 2, 1):
        use_threads(threads)
        policy, losses = pretrain(Reverse(), SMALL, steps=6, batch=40, pool=100)
        marks.add((policy.fingerprint(), losses.tobytes()))
    assert len(marks) == 1
    other, _ = pretrain(Reverse(), SMALL, steps=6, batch=40, pool=100, seed=1)
    assert other.fingerprint() not in {mark for mark, _ in marks}


@pytest.mark.parametrize(
    "knobs", [{"steps": 0}, {"batch": 0}, {"pool": 0}, {"hint_share": 1.2}, {"beyond_share": -0.1}]
)
def test_pretraining_refuses_impossible_numbers(knobs):
    name = next(iter(knobs))
    with pytest.raises(KnobError, match=rf"{name} must be in .* nearest"):
        pretrain(Reverse(), SMALL, **knobs)


# ── Llama ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("shape", [SMALL, Shape(width=24, layers=1, heads=1, hidden=8), Shape()])
def test_llama_has_the_same_logits(shape):
    policy = small(2, shape=shape)
    model, config = to_llama(policy)
    assert (config.vocab_size, config.eos_token_id, config.pad_token_id) == (len(policy.tokens), END, PAD)
    ids = torch.randint(1, len(policy.tokens), (5, 40), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, theirs = policy.network.logits(policy.network(ids)), model(input_ids=ids).logits
    said = [i for i in range(len(policy.tokens)) if i not in (PAD, BEGIN)]
    torch.testing.assert_close(ours[..., said], theirs[..., said], atol=1e-4, rtol=1e-4)


def test_llama_says_what_the_policy_says_at_temperature_0():
    policy = small(5, max_new=10)
    policy.network.head.data[[PAD, BEGIN]] *= 30  # what must not be said would be said
    model, _ = to_llama(policy)
    out = policy.sample(["abcd"], 1, streams=streams(1, 1), temperature=0)
    ids = torch.from_numpy(policy.tokens.encode_prompt("abcd"))[None]
    said = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=10)
    assert policy.tokens.decode(said[0, ids.shape[1] :].tolist()) == out.response[0].as_py()


def test_the_llama_is_a_copy():
    policy = small()
    model, _ = to_llama(policy)
    before = policy.fingerprint()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert policy.fingerprint() == before
