"""`server` beside the bare engine: one vLLM behind HTTP, another called offline, with the same requests."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import siwork
from siwork.policies.server.asking import seed_of
from siwork.schema import SiworkError
from siwork.serving import Serving
from siwork.serving.command import environment, installed

PROMPTS, SAMPLES, NEW, CONTEXT = 32, 8, 48, 256
TURNS = 13
SIZES = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6, "num_attention_heads": 4}


def bench() -> Iterator[str]:
    """Lines of the table."""
    try:
        installed()
    except SiworkError as error:
        yield f"server: not measured ({error})"
        return
    from tests.hf_made import characters, write_fresh

    with tempfile.TemporaryDirectory() as home:
        model = write_fresh(
            Path(home, "model"), characters(), **SIZES, num_key_value_heads=4, max_position_embeddings=CONTEXT
        )
        with Serving(model, context=CONTEXT) as server:
            yield _line(model, server, Path(home, "asked.json"))


def _line(model: str, server: Serving, asked: Path) -> str:
    policy: Any = siwork.policy("server", server.url, server.model, max_new=NEW)
    rng = np.random.default_rng(0)
    prompts = [f"What is {' + '.join(map(str, rng.integers(1, 99, 8)))}?" for _ in range(PROMPTS)]
    ids = [row.tolist() for row in policy.reader.prompts(prompts)]
    asked.write_text(json.dumps({"prompts": ids, "k": SAMPLES, "new": NEW, "context": CONTEXT}))

    def own(streams: np.ndarray) -> Batch:
        began = time.perf_counter()
        said = policy.sample(prompts, SAMPLES, streams=streams)
        return Batch(int(said.n_tokens.sum()), time.perf_counter() - began)

    with _offline(model, asked) as bare:
        turns = [_pair(own, bare, turn) for turn in range(TURNS + 1)][1:]
    mine, theirs = ([turn[i].speed for turn in turns] for i in (0, 1))
    share = sorted(a / b for a, b in zip(mine, theirs, strict=True))
    low, high = (share[round(q * (TURNS - 1))] for q in (0.25, 0.75))
    return (
        f"server: {PROMPTS} prompts × {SAMPLES} completions of {NEW} tokens, {_count(model):,} parameters, float32, CPU   "
        f"siwork {median(mine):,.0f} tokens/s   offline batch {median(theirs):,.0f} tokens/s   "
        f"{median(share):.2f} of it, half of {TURNS} pairs in [{low:.2f}, {high:.2f}]   (target ≥ 0.95)"
    )


class Batch(NamedTuple):
    """What one batch took."""

    tokens: int
    seconds: float

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


def _pair(own: Callable[[np.ndarray], Batch], bare: Callable[[list[int]], Batch], turn: int) -> tuple[Batch, Batch]:
    """The same requests with the same seeds, asked of both; who is first alternates."""
    streams = np.random.default_rng(turn).integers(0, 2**64, (PROMPTS, SAMPLES), dtype=np.uint64)
    seeds = [seed_of(row) % 2**62 for row in streams]
    if turn % 2:
        return own(streams), bare(seeds)
    other = bare(seeds)
    mine = own(streams)
    if abs(mine.tokens - other.tokens) > 0.02 * other.tokens:  # float32 sums in another order may change a token
        raise RuntimeError(
            f"{mine.tokens} tokens from the server, {other.tokens} from the engine: not the same requests"
        )
    return mine, other


@contextmanager
def _offline(model: str, asked: Path) -> Iterator[Any]:
    """What one offline batch takes, each time it is called with the seeds of its prompts."""
    found = installed()
    words = [found.python, str(Path(__file__).with_name("offline_vllm.py")), model, str(asked)]
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    child: Any = subprocess.Popen(words, env=environment(found.python, cpu=found.cpu), text=True, **pipe)

    def ask(seeds: list[int]) -> Batch:
        child.stdin.write(f"{json.dumps(seeds)}\n")
        child.stdin.flush()
        return Batch(**_told(child))

    try:
        _told(child)
        yield ask
    finally:
        child.stdin.close()
        child.wait(60)


def _told(child: Any) -> dict[str, Any]:
    """The next line that is meant for us; vLLM writes between them."""
    for line in child.stdout:
        if line.startswith("siwork "):
            return dict(json.loads(line.removeprefix("siwork ")))
    raise RuntimeError("the offline engine died; run tests/bench/offline_vllm.py by hand to see why")


def _count(model: str) -> int:
    from safetensors import safe_open

    with safe_open(os.path.join(model, "model.safetensors"), "np") as file:
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118
