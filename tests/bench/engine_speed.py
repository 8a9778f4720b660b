"""Run by a Python that has vLLM: completions a second of a warm engine on a model folder.

python engine_speed.py MODEL_FOLDER PROMPTS.json SAMPLES TOKENS TURNS
"""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    """Prints one JSON list: seconds of each turn."""
    from vllm import LLM, SamplingParams

    folder, prompts_file, samples, tokens, turns = sys.argv[1:6]
    with open(prompts_file) as file:
        prompts = [{"prompt_token_ids": ids} for ids in json.load(file)]
    engine = LLM(
        model=folder, skip_tokenizer_init=True, dtype="float32", enforce_eager=True, max_model_len=64, seed=0,
        max_num_seqs=1024, enable_prefix_caching=True,
    )  # fmt: skip
    wish = SamplingParams(n=int(samples), max_tokens=int(tokens), ignore_eos=True, temperature=1.0, detokenize=False)
    seconds = []
    for _ in range(int(turns) + 1):
        began = time.perf_counter()
        engine.generate(prompts, wish, use_tqdm=False)
        seconds.append(time.perf_counter() - began)
    print(json.dumps(seconds[1:]))


if __name__ == "__main__":
    main()
