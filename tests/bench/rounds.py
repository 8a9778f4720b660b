"""A whole round beside the same round written plainly with `generate` and `Trainer` of transformers."""

from __future__ import annotations

import tempfile
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import Trainer, TrainingArguments

from siwork.policies import policy
from siwork.policies.llama import to_llama
from siwork.policies.tiny import TinyPolicy
from siwork.policies.tokens import END, PAD
from siwork.recipes import Recipe
from siwork.rollouts import rollout
from siwork.slots import State, silent
from siwork.tasks import task
from tests.bench.timing import in_turn, ratio

TRAIN, HELDOUT, SAMPLES, STEPS, BATCH = 300, 100, 16, 60, 64


def bench() -> list[str]:
    """Lines of the table."""
    kind = task("countdown")
    base = policy("tiny", kind)
    assert isinstance(base, TinyPolicy)
    train, held = kind.problems("train", TRAIN), kind.problems("heldout", HELDOUT)
    recipe = Recipe.read(f"seed · cot(k={SAMPLES}) · gold · correct · sft(steps={STEPS}, batch={BATCH})")

    def siwork_round() -> None:
        state, rng = State(kind, base, base), np.random.default_rng(0)
        rollout(state, held, SAMPLES, rng, silent)
        rows, state = recipe.play(state, train, rng)
        rows.assign(gold=kind.check(rows))

    def plain_round() -> None:
        model, _ = to_llama(base)
        _generate(model, base, held["prompt"].tolist())
        prompts = train["prompt"].tolist()
        texts = _generate(model, base, prompts)
        pairs = [(p, t) for p, group in zip(prompts, texts, strict=True) for t in group if kind.is_right(p, t)]
        _fit(model, base, pairs)

    seconds = in_turn({"siwork": siwork_round, "plain": plain_round}, times=3)
    own, plain = median(seconds["siwork"]), median(seconds["plain"])
    gain = ratio(seconds, "plain", "siwork")
    return [
        f"a round: {TRAIN} + {HELDOUT} problems × {SAMPLES}, {STEPS} steps of {BATCH}   siwork {own:.2f} s, "
        f"generate + Trainer {plain:.2f} s   {gain:.1f} times as fast   (target ≥ 2)"
    ]


def _generate(model: Any, base: TinyPolicy, prompts: list[str]) -> list[list[str]]:
    """SAMPLES completions of each prompt, prompts of one length in a batch, as `generate` is meant to be used."""
    coded = [base.tokens.encode_prompt(prompt) for prompt in prompts]
    texts: list[list[str]] = [[] for _ in prompts]
    for length in sorted({len(ids) for ids in coded}):
        places = [i for i, ids in enumerate(coded) if len(ids) == length]
        ids = torch.tensor([list(coded[i]) for i in places])
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, num_return_sequences=SAMPLES,
            max_new_tokens=base.max_new, eos_token_id=END, pad_token_id=PAD,
        )  # fmt: skip
        for row, new in enumerate(out[:, length:].tolist()):
            texts[places[row // SAMPLES]].append(base.tokens.decode(new))
    return texts


def _fit(model: Any, base: TinyPolicy, pairs: list[tuple[str, str]]) -> None:
    """STEPS optimiser steps of the Trainer on the right answers, the prompt left out of the loss."""
    examples = []
    for prompt, text in pairs:
        head = list(base.tokens.encode_prompt(prompt))
        body = [*base.tokens.encode(text), END]
        examples.append((head + body, [-100] * len(head) + body))

    def collate(batch: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
        width = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([ids + [PAD] * (width - len(ids)) for ids, _ in batch])
        labels = torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in batch])
        return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": labels}

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=1e-3, report_to=[],
            save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True, remove_unused_columns=False,
        )  # fmt: skip
        Trainer(model=model, args=arguments, train_dataset=examples, data_collator=collate).train()
