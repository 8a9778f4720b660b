"""What `TRLCallback` adds to a step of a real GRPO training: it is taken off and put on again, step by step."""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from siwork.callbacks import _PARTS, TRLCallback

PAIRS, WARM, TOKENS, BATCH = 30, 2, 24, 16
WORDS = ["<pad>", "<eos>", "<bos>", *map(str, range(1000)), "plus", "is"]


class Switch(TrainerCallback):
    """Takes the callback's wraps off for every other step, and keeps the seconds of each step."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._wraps = {name: getattr(trainer, name) for name in _PARTS}
        self._own = 0.0
        self.seconds: list[float] = []
        self.own: list[float] = []  # spent in the callback and not in what it wraps
        for wrap in self._wraps.values():
            wrap._watcher = self._timed(wrap._watcher)

    def _timed(self, watcher: Any) -> Any:
        def timed(original: Any, *args: Any, **more: Any) -> Any:
            inner = 0.0

            def watched(*given: Any, **named: Any) -> Any:
                nonlocal inner
                began, before = time.perf_counter(), self._own
                found = original(*given, **named)
                inner += time.perf_counter() - began - (self._own - before)  # wraps inside of it count for themselves
                return found

            began, before = time.perf_counter(), self._own
            found = watcher(watched, *args, **more)
            self._own += time.perf_counter() - began - inner - (self._own - before)
            return found

        return timed

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Wraps on at the inner two of four steps, so that neither kind always comes first."""
        for name, wrap in self._wraps.items():
            setattr(self._trainer, name, wrap if _on(state.global_step) else wrap._original)
        self._own, self._began = 0.0, time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keep the time."""
        self.seconds.append(time.perf_counter() - self._began)
        self.own.append(self._own)


def _on(step: int) -> bool:
    return step % 4 in (1, 2)


def tokenizer() -> Any:
    """Words of a small vocabulary."""
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<pad>"))
    made.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>")


def model() -> Any:
    """A small language model, yet one whose steps take some hundred milliseconds."""
    shape = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 4}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(WORDS), max_position_embeddings=128, **shape, **ids))


def right(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """Whether the sum is said."""
    sums = [str(sum(int(word) for word in prompt.split() if word.isdigit())) for prompt in prompts]
    return [float(one in said.split()) for one, said in zip(sums, completions, strict=True)]


def trained(home: Path) -> Switch:
    """The times of a training whose responses are all of one length, so that steps are alike."""
    data = Dataset.from_list([{"prompt": f"{a} plus {a + 1} is", "id": f"q{a}", "sum": 2 * a + 1} for a in range(64)])
    settings = {
        "output_dir": str(home / "out"), "max_steps": 2 * (PAIRS + WARM), "per_device_train_batch_size": BATCH,
        "num_generations": 8, "max_completion_length": TOKENS, "generation_kwargs": {"min_new_tokens": TOKENS},
        "report_to": "none", "use_cpu": True, "logging_steps": 10**6, "save_strategy": "no", "seed": 0, "bf16": False,
        "disable_tqdm": True,
    }  # fmt: skip
    trainer = GRPOTrainer(model(), [right], GRPOConfig(**settings), data, processing_class=tokenizer())
    trainer.add_callback(TRLCallback(trainer, home / "rows", problem="id", target="sum"))
    switch = Switch(trainer)
    trainer.add_callback(switch)
    trainer.train()
    return switch


def main() -> None:
    """Print the figures as JSON, and nothing of what the trainer says."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as home, redirect_stdout(StringIO()):
        switch = trained(Path(home))
    timed = list(enumerate(zip(switch.seconds, switch.own, strict=True)))[2 * WARM :]
    without = [seconds for step, (seconds, _) in timed if not _on(step)]
    with_it = [seconds for step, (seconds, _) in timed if _on(step)]
    more = [(b / a - 1) * 100 for a, b in zip(without, with_it, strict=True)]
    own = [100 * own / seconds for step, (seconds, own) in timed if _on(step)]
    told = {"step": median(without), "pairs": len(more), "percent": median(more), "own": median(own)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
