"""`hf` beside transformers and TRL themselves: sampling beside `generate`, training beside a loop by hand and SFTTrainer."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import siwork
from siwork.policies import Plan
from siwork.policies.hf.knobs import Hf
from siwork.policies.hf.policy import HFPolicy
from siwork.policies.llama import write_llama
from tests.bench.timing import in_turn, ratio

PROMPTS, SAMPLES, NEW = 64, 8, 48
BATCHES = (16, 64, 128, 512)  # completions at once that `generate` is tried with
STEPS, ROWS = 10, 16
TURNS = 3
WORDS, BODY = 8000, 60  # tokens of the vocabulary, of a training response


def bench() -> Iterator[str]:
    """Lines of the table."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as home:
        yield from _sampling(f"{home}/player")
    yield from _training()


# ── sampling ───────────────────────────────────────────────────────────────────────────────────────────
def _sampling(home: str) -> Iterator[str]:
    """A policy that knows a task, whose completions end at lengths of their own."""
    import os

    task = siwork.task("expr")
    os.makedirs(home)
    write_llama(siwork.policy("tiny", task), home)
    policy = siwork.policy("hf", home, max_new=NEW)
    prompts = task.problems("heldout", PROMPTS)["prompt"].tolist()
    streams = np.random.default_rng(0).integers(0, 2**64, (PROMPTS, SAMPLES), dtype=np.uint64)
    jobs = {"siwork": lambda: policy.sample(prompts, SAMPLES, streams=streams)}
    jobs |= {f"generate by {size}": partial(_generate, policy, prompts, size) for size in BATCHES}
    seconds = in_turn(jobs, TURNS)
    best = min(jobs.keys() - {"siwork"}, key=lambda name: median(seconds[name]))
    said = int(policy.sample(prompts, SAMPLES, streams=streams).n_tokens.sum())
    count = sum(weight.numel() for weight in policy.model.parameters())
    yield (
        f"hf: {PROMPTS * SAMPLES} completions, {said:,} tokens, {count:,} parameters, {policy.model.device}   "
        f"siwork {median(seconds['siwork']):.2f} s ({said / median(seconds['siwork']):,.0f} tokens/s)   "
        f"{best} {median(seconds[best]):.2f} s   {ratio(seconds, best, 'siwork'):.2f} times as fast   (target ≥ 1)"
    )


def _generate(policy: HFPolicy, prompts: list[str], size: int) -> None:
    tokenizer = policy.tokenizer
    tokenizer.padding_side = "left"
    for start in range(0, len(prompts), size // SAMPLES):
        asked = tokenizer(prompts[start : start + size // SAMPLES], padding=True, return_tensors="pt")
        found = policy.model.generate(
            **{name: asked[name] for name in ("input_ids", "attention_mask")},
            do_sample=True, top_k=0, num_return_sequences=SAMPLES, max_new_tokens=NEW, pad_token_id=0,
        )  # fmt: skip
        tokenizer.batch_decode(found[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)


# ── training ───────────────────────────────────────────────────────────────────────────────────────────
class _Numbers:
    """A reader whose texts are numbers of tokens, so that nothing but the step is timed."""

    def prompts(self, texts: list[str]) -> list[np.ndarray]:
        return [np.array(text.split(), np.int64) for text in texts]

    def responses(self, texts: list[str], finished: np.ndarray) -> list[np.ndarray]:
        return [np.array([*text.split(), "1"], np.int64) for text in texts]


def _model() -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6, "num_attention_heads": 8}
    return LlamaForCausalLM(LlamaConfig(vocab_size=WORDS, pad_token_id=0, eos_token_id=1, **sizes)).eval()


def _policy() -> HFPolicy:
    """A policy of that model without a tokenizer of its own."""
    with tempfile.TemporaryDirectory() as home:
        write_llama(siwork.policy("tiny", "add"), home)
        policy = siwork.policy("hf", home)
    return _with_model(policy, _model())


def _with_model(policy: HFPolicy, model: Any) -> HFPolicy:
    made = HFPolicy(Hf("made here"), model, policy.tokenizer)
    made.reader = _Numbers()  # type: ignore[assignment]
    return made


def _training() -> Iterator[str]:
    rng = np.random.default_rng(0)
    n, policy = STEPS * ROWS, _policy()
    heads = rng.integers(2, WORDS, (n, 20))
    bodies = [rng.integers(2, WORDS, size) for size in rng.integers(BODY // 2, BODY, n)]
    batches = list(np.arange(n).reshape(STEPS, ROWS))
    asked, said = ([" ".join(map(str, row)) for row in rows] for rows in (heads, bodies))
    even = lambda logp, index: np.full(len(index), 1 / len(index))  # noqa: E731
    plan = Plan(asked, said, np.ones(n, bool), batches, even, 1.0, constant=True)
    rows = [np.concatenate([head, body, [1]]) for head, body in zip(heads, bodies, strict=True)]
    jobs = {
        "siwork": lambda: policy.train(plan),
        "by hand": partial(_by_hand, _model(), rows, batches),
        "SFTTrainer": partial(_sft_trainer, rows),
    }
    seconds = in_turn(jobs, TURNS)
    count = sum(weight.numel() for weight in policy.model.parameters())
    own = {name: median(values) / STEPS for name, values in seconds.items()}
    yield (
        f"hf: step of {ROWS} rows of {np.mean([len(row) for row in rows]):.0f} tokens, {count:,} parameters, "
        f"{policy.model.device}   siwork {own['siwork']:.3f} s   by hand {own['by hand']:.3f} s   "
        f"SFTTrainer {own['SFTTrainer']:.3f} s"
    )
    yield (
        f"   siwork takes {1 / ratio(seconds, 'by hand', 'siwork'):.2f} of the time by hand (target ≤ 1.05), SFTTrainer "
        f"{ratio(seconds, 'SFTTrainer', 'siwork'):.2f} of siwork's (target > 1)"
    )


def _by_hand(model: Any, rows: list[np.ndarray], batches: list[np.ndarray]) -> None:
    """The plainest loop: padded on the right, the loss of transformers, AdamW fused."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0, fused=True)
    for batch in batches:
        own = [torch.from_numpy(rows[i]) for i in batch]
        ids = torch.nn.utils.rnn.pad_sequence(own, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in own], batch_first=True)
        labels = ids.masked_fill(mask == 0, -100)
        labels[:, :20] = -100
        optimiser.zero_grad(set_to_none=True)
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()


def _sft_trainer(rows: list[np.ndarray]) -> None:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    data = Dataset.from_list(
        [{"input_ids": row.tolist(), "completion_mask": [0] * 20 + [1] * (len(row) - 20)} for row in rows]
    )
    with tempfile.TemporaryDirectory() as home:
        settings = SFTConfig(
            home, max_steps=STEPS, per_device_train_batch_size=ROWS, report_to="none", save_strategy="no", use_cpu=True,
            logging_strategy="no", disable_tqdm=True, bf16=False, gradient_checkpointing=False, learning_rate=1e-4,
        )  # fmt: skip
        tokenizer = _policy().tokenizer
        SFTTrainer(_model(), settings, train_dataset=data, processing_class=tokenizer).train()
