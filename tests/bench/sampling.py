"""The tiny transformer beside `generate` and `Trainer` of transformers: same weights, same data, same threads."""

from __future__ import annotations

import gc
import tempfile
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import Trainer, TrainingArguments

from siwork.policies import Plan
from siwork.policies.llama import to_llama
from siwork.policies.network import NEVER
from siwork.policies.tiny import TinyPolicy, threads
from siwork.policies.tokens import END, PAD
from tests.bench.timing import in_turn, ratio

PROMPTS, LENGTH, SAMPLES, NEW = 200, 10, 16, 8
STEPS, BATCH = 60, 64
TURNS = 3
SYMBOLS = (*"0123456789", *"+-*/() =:")


def bench() -> list[str]:
    """Lines of the table."""
    policy = TinyPolicy.create(SYMBOLS, NEW, seed=0)
    rng = np.random.default_rng(0)
    prompts = ["".join(rng.choice(SYMBOLS[:10], LENGTH)) for _ in range(PROMPTS)]
    streams = rng.integers(0, 2**64, size=(PROMPTS, SAMPLES), dtype=np.uint64)
    model, _ = to_llama(policy)
    size = sum(p.numel() for p in policy.network.parameters())
    return [
        f"{size} parameters, {threads()} threads; matrix product {matmul_rate():.0f} GFLOP/s",
        *_sampling(policy, model, prompts, streams, size),
        *_scoring(policy, prompts, streams),
        *_training(policy, rng),
    ]


def matmul_rate() -> float:
    """GFLOP/s of torch's 1024 × 1024 float32 product, all threads."""
    a, b = torch.randn(2, 1024, 1024)
    return 2 * 1024**3 / median(in_turn({"product": lambda: a @ b}, times=30)["product"]) / 1e9


def _sampling(policy: TinyPolicy, model: Any, prompts: list[str], streams: np.ndarray, size: int) -> list[str]:
    """The end is never said, so that all completions are NEW tokens long for both."""
    policy = policy.copy()
    policy.network.never[END] = NEVER
    ids = torch.from_numpy(np.stack([policy.tokens.encode_prompt(text) for text in prompts]))
    n = PROMPTS * SAMPLES

    def generate() -> None:
        model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, num_return_sequences=SAMPLES,
            max_new_tokens=NEW, min_new_tokens=NEW, pad_token_id=PAD,
        )  # fmt: skip

    seconds = in_turn({"siwork": lambda: policy.sample(prompts, SAMPLES, streams=streams), "generate": generate}, TURNS)
    own, plain = median(seconds["siwork"]), median(seconds["generate"])
    used = 2 * size * (n * (NEW - 1) + PROMPTS * (LENGTH + 1)) / own / 1e9  # the last token is not read
    return [
        f"{n} completions of {NEW} tokens   siwork {own:.3f} s ({n / own:.0f}/s, {used:.0f} GFLOP/s)   "
        f"generate {plain:.3f} s ({n / plain:.0f}/s)   {ratio(seconds, 'generate', 'siwork'):.1f} times as fast   (target ≥ 3)"
    ]


def _scoring(policy: TinyPolicy, prompts: list[str], streams: np.ndarray) -> list[str]:
    out = policy.sample(prompts, SAMPLES, streams=streams)
    asked = np.repeat(np.array(prompts, object), SAMPLES)
    seconds = in_turn({"logp": lambda: policy.logp(asked, out.response, out.finished)})["logp"]
    return [f"log-probabilities of {len(asked)} rows   {median(seconds):.3f} s"]


def _training(policy: TinyPolicy, rng: np.random.Generator) -> list[str]:
    """STEPS steps of BATCH rows of LENGTH + NEW tokens, likelihood of the response."""
    n = STEPS * BATCH
    texts = ["".join(row) for row in rng.choice(SYMBOLS[:10], (n, LENGTH + NEW - 2))]
    asked, said = [text[:LENGTH] for text in texts], [text[LENGTH:] for text in texts]
    batches = list(np.arange(n).reshape(STEPS, BATCH))
    plan = Plan(asked, said, np.ones(n, bool), batches, lambda logp, index: np.full(len(index), 1 / len(index)), 1.0)
    heads = [policy.tokens.encode_prompt(text).tolist() for text in asked]
    bodies = [[*policy.tokens.encode(text).tolist(), END] for text in said]
    rows = [{"input_ids": h + b, "labels": [-100] * len(h) + b} for h, b in zip(heads, bodies, strict=True)]

    def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        return {name: torch.tensor([row[name] for row in batch]) for name in ("input_ids", "labels")}

    def trainer() -> None:
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder, max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=1e-3, report_to=[],
                save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True,
            )  # fmt: skip
            Trainer(model=to_llama(policy)[0], args=arguments, train_dataset=rows, data_collator=collate).train()
        gc.collect()

    seconds = in_turn({"siwork": lambda: policy.copy().train(plan), "Trainer": trainer}, TURNS)
    return [
        f"{STEPS} steps of {BATCH} rows of {LENGTH + NEW} tokens   siwork {median(seconds['siwork']):.2f} s   "
        f"Trainer {median(seconds['Trainer']):.2f} s   {ratio(seconds, 'Trainer', 'siwork'):.1f} times as fast"
    ]
