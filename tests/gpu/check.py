"""hf samples, scores and trains on a GPU as it does on the CPU: a model made on the spot, whole and with an adapter.

The CPU's float32 numbers are the reference. Both play the same completions under the same streams of chance.
"""

from __future__ import annotations

import logging
import math
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import siwork
from siwork.policies import Plan
from siwork.policies.hf.opening import quiet
from siwork.policies.llama import write_llama

PROMPTS, SAMPLES, NEW = 32, 8, 48
STEPS, ROWS = 8, 16
SIZES = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "head_dim": 32,
}
LIMITS = {"float32": 1e-3, "bfloat16": 5e-2}  # nats a token; bfloat16 keeps 8 bits of a number
NOT_RUN = "torch sees no GPU, so the GPU path of hf was not run; a CUDA build of torch on a machine with one runs it"
HEAD = f"{'weights':<9}{'precision':<11}{'tokens/s':>10}{'s/step':>9}{'peak GB':>9}{'same':>7}{'scored':>11}{'trained':>11}"


class Played(NamedTuple):
    """What one device said and learnt, and how long it took."""

    responses: list[str]
    n_tokens: np.ndarray  # (n,) of them
    finished: np.ndarray  # (n,) bool
    logp: np.ndarray  # (n,) nats, of the reference's responses
    curve: np.ndarray  # (STEPS,) nats, mean log-probability before each step
    tokens_per_second: float
    seconds_per_step: float
    peak: float  # GB, NaN off a GPU


def main(device: str = "cuda") -> int:
    """Print the table; 0 when all is within the limits, or there is no GPU, 1 otherwise."""
    if device == "cuda" and not torch.cuda.is_available():
        print(NOT_RUN)
        return 0
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    print(torch.cuda.get_device_name() if device == "cuda" else "CPU", f"· torch {torch.__version__}\n{HEAD}")
    with tempfile.TemporaryDirectory() as home:
        fine = [within for lora in (0, 8) for within in _compared(_model(Path(home)), device, lora)]
    print("same: equal completions; scored, trained: largest distance from the CPU's float32, in nats a token")
    return 0 if all(fine) else 1


def _model(home: Path) -> str:
    """The words of a task's player in a wider model with fresh weights, which says them at random."""
    from transformers import LlamaConfig, LlamaForCausalLM

    write_llama(siwork.policy("tiny", "expr"), home)
    torch.manual_seed(0)
    with quiet():
        LlamaForCausalLM(LlamaConfig.from_pretrained(home, **SIZES)).save_pretrained(home)
    return str(home)


def _compared(folder: str, device: str, lora: int) -> list[bool]:
    reference = _play(folder, "cpu", "float32", lora, None)
    return [_line(reference, _play(folder, device, kind, lora, reference), kind, lora) for kind in LIMITS]


def _line(reference: Played, played: Played, kind: str, lora: int) -> bool:
    length = reference.n_tokens
    scored = float(np.max(np.abs(played.logp - reference.logp) / length))
    trained = float(np.max(np.abs(played.curve - reference.curve)) / length.mean())
    same = np.mean([a == b for a, b in zip(played.responses, reference.responses, strict=True)])
    within = max(scored, trained) <= LIMITS[kind]
    peak = "—" if math.isnan(played.peak) else f"{played.peak:.2f}"
    print(
        f"{f'LoRA {lora}' if lora else 'all':<9}{kind:<11}{played.tokens_per_second:>10,.0f}"
        f"{played.seconds_per_step:>9.3f}{peak:>9}{same:>7.0%}{scored:>11.1e}{trained:>11.1e}"
        f"{'' if within else f'   beyond {LIMITS[kind]:g}'}",
        flush=True,
    )
    return bool(within)


def _play(folder: str, device: str, kind: str, lora: int, reference: Played | None) -> Played:
    policy: Any = siwork.policy("hf", folder, lora=lora, device=device, dtype=kind, max_new=NEW)
    prompts = siwork.task("expr").problems("heldout", PROMPTS)["prompt"].tolist()
    streams = np.random.default_rng(0).integers(0, 2**64, (PROMPTS, SAMPLES), dtype=np.uint64)
    policy.sample(prompts[:2], SAMPLES, streams=streams[:2])  # the first call loads kernels
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    drawn, sampling = _timed(device, lambda: policy.sample(prompts, SAMPLES, streams=streams))
    said = list(drawn.response.to_pylist())
    responses, done = (reference.responses, reference.finished) if reference else (said, drawn.finished)
    asked = np.repeat(prompts, SAMPLES).tolist()
    logp = policy.logp(asked, responses, done)
    batches = [np.arange(i * ROWS, (i + 1) * ROWS) % len(responses) for i in range(STEPS)]
    plan = Plan(asked, responses, done, batches, lambda logp, index: np.full(len(index), 1 / len(index)), 1.0, True)
    curve, training = _timed(device, lambda: policy.train(plan))
    peak = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else math.nan
    return Played(
        said, drawn.n_tokens, drawn.finished, logp, curve, drawn.n_tokens.sum() / sampling, training / STEPS, peak
    )


def _timed(device: str, job: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    found = job()
    if device == "cuda":
        torch.cuda.synchronize()
    return found, time.perf_counter() - began
