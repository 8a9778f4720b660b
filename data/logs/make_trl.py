"""The logs of TRL: `python data/logs/make_trl.py` trains a toy against a flawed judge, three times, and leaves what TRL wrote.

The name is not trl.py, which would hide the package of that name from the script itself.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from toy import LENGTH, SAMPLES, TRAIN, base, blank, judged, problems, prompt_of, right, tokenizer
from transformers import set_seed
from trl import GRPOConfig, GRPOTrainer

from siwork.callbacks import TRLCallback

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
STEPS = 12
RECORDED = 0  # the seed that the callback records as well


def judge(completions: list[str], number: list[int], **_: Any) -> list[float]:
    """What is trained on."""
    return [float(judged(n, said)) for n, said in zip(number, completions, strict=True)]


def correct(completions: list[str], number: list[int], **_: Any) -> list[float]:
    """What is only logged: its weight is 0."""
    return [float(right(n, said)) for n, said in zip(number, completions, strict=True)]


def settings(folder: Path, seed: int, rate: float) -> GRPOConfig:
    """All problems in every batch, one update a batch, sampling as the model is."""
    return GRPOConfig(
        output_dir=str(folder),
        seed=seed,
        max_steps=STEPS,
        learning_rate=rate,
        lr_scheduler_type="constant",
        per_device_train_batch_size=TRAIN * SAMPLES,
        num_generations=SAMPLES,
        max_completion_length=LENGTH,
        reward_weights=[1.0, 0.0],
        beta=0.0,
        log_completions=True,
        num_completions_to_print=0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
    )


def train(folder: Path, rows: Path | None, start: dict[str, torch.Tensor], seed: int, rate: float) -> None:
    """One training; `rows` is the folder of the callback."""
    data = Dataset.from_list([{"prompt": prompt_of(n), "number": n, "id": f"split-{n}"} for n in problems()[0]])
    set_seed(seed)
    model = blank()
    model.load_state_dict(start)
    trainer = GRPOTrainer(model, [judge, correct], settings(folder, seed, rate), data, processing_class=tokenizer())
    if rows is not None:
        trainer.add_callback(TRLCallback(trainer, rows, problem="id", target="number"))
    trainer.train()
    trainer.save_state()


def main() -> None:
    """Train all seeds anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    wish = parser.parse_args()
    torch.set_num_threads(1)
    start = base().state_dict()
    for seed in wish.seeds:
        folder, rows = (wish.out / kind / f"seed{seed}" for kind in ("trl", "trl_rows"))
        for old in (folder, rows):
            shutil.rmtree(old, ignore_errors=True)
        train(folder, rows if seed == RECORDED else None, start, seed, wish.rate)


if __name__ == "__main__":
    main()
