"""vLLM's own offline batch call, in the interpreter that has vLLM: a model's folder and a file of questions as arguments.

It says a first line when it is ready, then answers each line on its standard input, the seeds of the prompts, with the
tokens and seconds of one batch.
"""

from __future__ import annotations

import json
import sys
import time


def main(folder: str, questions: str) -> None:
    """Serve until the standard input ends."""
    from vllm import LLM, SamplingParams

    with open(questions) as file:
        asked = json.load(file)
    shape = {"max_model_len": asked["context"], "enforce_eager": True, "enable_chunked_prefill": False}
    engine = LLM(folder, dtype="float32", generation_config="vllm", **shape)
    prompts = [{"prompt_token_ids": ids} for ids in asked["prompts"]]
    for line in _turns():
        same = {"n": asked["k"], "temperature": 1.0, "max_tokens": asked["new"], "logprobs": 0}
        how = [SamplingParams(**same, seed=seed) for seed in json.loads(line)]
        began = time.perf_counter()
        found = engine.generate(prompts, how, use_tqdm=False)
        seconds = time.perf_counter() - began
        tokens = sum(len(one.token_ids) for row in found for one in row.outputs)
        print("siwork " + json.dumps({"seconds": seconds, "tokens": tokens}), flush=True)


def _turns():
    print("siwork {}", flush=True)
    yield from sys.stdin


if __name__ == "__main__":
    main(*sys.argv[1:])
