"""The logs of verl: `python data/logs/make_verl.py` trains the toy against the true check in verl's own trainer, three times.

Needs the packages of requirements-verl.txt. The loop, the data loader, the reward manager, the advantages, the policy loss, the
validation and the files are verl's (trainer v0). Its workers know no CPU, so the model's two ends, sampling and update, are
here in the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from toy import LENGTH, SAMPLES, TRAIN, base, blank, pair_of, problems, prompt_of, right, tokenizer
from transformers import set_seed
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
from verl.trainer.ppo.core_algos import get_policy_loss_fn
from verl.trainer.ppo.ray_trainer import RayPPOTrainer, Role
from verl.utils.config import omega_conf_to_dataclass

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
STEPS, EVERY = 10, 2  # updates, and updates between two validations


def compute_score(data_source: str, solution_str: str, ground_truth: str, **_: Any) -> dict[str, Any]:
    """The true check, in the form in which verl's own ones answer."""
    true, pair = right(int(ground_truth), solution_str), pair_of(solution_str)
    return {"score": float(true), "acc": true, "pred": "{}+{}".format(*pair) if pair else "[INVALID]"}


class Trainer(RayPPOTrainer):
    """verl's trainer with a model in the same process."""

    def begin(self, model: Any, rate: float) -> None:
        """Take the place of `init_workers`."""
        self.model, self.optimiser = model, torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
        self.actor = omega_conf_to_dataclass(self.config.actor_rollout_ref.actor)
        self.manager = NaiveRewardManager(self.config, self.tokenizer, compute_score)
        self.actor_rollout_wg, self.async_rollout_manager = SimpleNamespace(), self
        self.checkpoint_manager = SimpleNamespace(update_weights=_nothing, sleep_replicas=_nothing)

    def generate_sequences(self, asked: DataProto) -> DataProto:
        """One sampled response a row, with its reward, as verl's agent loop hands them back."""
        told = dict(asked.non_tensor_batch)
        texts = [self.tokenizer.apply_chat_template(list(one), tokenize=False) for one in told["raw_prompt"]]
        prompt = self.tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
        ids = self._sampled(prompt)
        parts = self._parts(ids, prompt["input_ids"].shape[1], prompt["attention_mask"])
        return self._rewarded(DataProto.from_dict(parts, non_tensors=told))

    def _parts(self, ids: torch.Tensor, size: int, before: torch.Tensor) -> dict[str, torch.Tensor]:
        """Prompts and responses under verl's names; a response ends with its first end token."""
        ends = ids[:, size:] == self.tokenizer.eos_token_id
        mask = (ends.cumsum(1) - ends.long() == 0).long()
        seen = torch.cat([before, mask], 1)
        return {
            "prompts": ids[:, :size],
            "responses": ids[:, size:],
            "response_mask": mask,
            "input_ids": ids,
            "attention_mask": seen,
            "position_ids": (seen.cumsum(1) - 1).clamp(min=0),
        }

    def _sampled(self, prompt: Any) -> torch.Tensor:
        """Prompts and responses, filled up to the length."""
        with torch.no_grad():
            ids = self.model.generate(
                input_ids=prompt["input_ids"],
                attention_mask=prompt["attention_mask"],
                do_sample=True,
                top_k=0,
                max_new_tokens=LENGTH,
            )
        fill = prompt["input_ids"].shape[1] + LENGTH - ids.shape[1]
        return torch.nn.functional.pad(ids, (0, fill), value=self.tokenizer.pad_token_id)

    def _rewarded(self, said: DataProto) -> DataProto:
        """With rewards of verl's reward manager."""

        async def judged() -> list[dict[str, Any]]:
            return [await self.manager.run_single(said[i : i + 1]) for i in range(len(said))]

        found = self.manager.loop.run_until_complete(judged())
        said.batch["rm_scores"] = self.manager.assemble_rm_scores(said, [one["reward_score"] for one in found])
        extra = [one["reward_extra_info"] for one in found]
        told = {key: np.array([one[key] for one in extra]) for key in extra[0]}
        told["multi_modal_inputs"] = np.array([{}] * len(said), object)
        return DataProto(said.batch, told, {"reward_extra_keys": list(extra[0]), "timing": {}})

    def _compute_old_log_prob(self, batch: DataProto) -> tuple[DataProto, float]:
        with torch.no_grad():
            logp, entropy = self._logs(batch)
        return DataProto.from_dict({"old_log_probs": logp, "entropys": entropy}), 0.0

    def _update_actor(self, batch: DataProto) -> DataProto:
        """Mini-batch after mini-batch, as the settings have them."""
        size, told = self.actor.ppo_mini_batch_size * SAMPLES, []
        for _ in range(self.actor.ppo_epochs):
            told += [self._step(batch[part]) for part in torch.randperm(len(batch)).split(size)]
        losses, norms = zip(*told, strict=True)
        return DataProto(meta_info={"metrics": {"actor/pg_loss": list(losses), "actor/grad_norm": list(norms)}})

    def _step(self, batch: DataProto) -> tuple[float, float]:
        """One step of the optimiser with verl's policy loss."""
        known, (logp, _) = batch.batch, self._logs(batch)
        parts = known["old_log_probs"], logp, known["advantages"], known["response_mask"]
        loss, _ = get_policy_loss_fn("vanilla")(*parts, loss_agg_mode=self.actor.loss_agg_mode, config=self.actor)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.actor.grad_clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.item(), norm.item()

    def _logs(self, batch: DataProto) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability and entropy of each token of the responses."""
        known = {key: batch.batch[key] for key in ("input_ids", "attention_mask", "position_ids")}
        said = batch.batch["responses"]
        logs = self.model(**known).logits[:, -said.shape[1] - 1 : -1].log_softmax(-1)
        return logs.gather(2, said[:, :, None])[:, :, 0], -(logs.exp() * logs).sum(-1)


def _nothing(*_: Any) -> None:
    """No weights travel where there is one model."""


def settings(home: Path, out: Path, seed: int) -> DictConfig:
    """verl's settings: all problems in every batch, nothing beside the files."""
    wish = {
        "data.train_files": home / "train.parquet",
        "data.val_files": home / "heldout.parquet",
        "data.train_batch_size": TRAIN,
        "data.seed": seed,
        "data.dataloader_num_workers": 0,
        "data.validation_shuffle": False,
        "data.filter_overlong_prompts": False,
        "algorithm.adv_estimator": "grpo",
        "actor_rollout_ref.rollout.name": "vllm",
        "actor_rollout_ref.rollout.n": SAMPLES,
        "actor_rollout_ref.rollout.val_kwargs.n": SAMPLES,
        "actor_rollout_ref.rollout.val_kwargs.do_sample": True,
        "actor_rollout_ref.rollout.agent.num_workers": 1,
        "actor_rollout_ref.actor.ppo_mini_batch_size": TRAIN // 4,
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": TRAIN * SAMPLES,
        "trainer.logger": "[console]",
        "trainer.device": "cpu",
        "trainer.balance_batch": False,
        "trainer.resume_mode": "disable",
        "trainer.save_freq": -1,
        "trainer.test_freq": EVERY,
        "trainer.total_epochs": STEPS,
        "trainer.rollout_data_dir": out / "rollout",
        "trainer.validation_data_dir": out / "validation",
    }
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", [f"{key}={value}" for key, value in wish.items()])


def written(home: Path) -> None:
    """The problems as verl's data sets."""
    for name, numbers in zip(("train", "heldout"), problems(), strict=True):
        rows = [
            {
                "data_source": "split",
                "prompt": [{"role": "user", "content": prompt_of(n)}],
                "reward_model": {"style": "rule", "ground_truth": str(n)},
                "extra_info": {"index": i, "split": name},
            }
            for i, n in enumerate(numbers)
        ]
        pd.DataFrame(rows).to_parquet(home / f"{name}.parquet")


def train(out: Path, start: dict[str, torch.Tensor], seed: int, rate: float) -> None:
    """One training."""
    with tempfile.TemporaryDirectory() as name:
        written(Path(name))
        config = settings(Path(name), out.resolve(), seed)
        pool = SimpleNamespace(get_n_gpus=lambda: 1)
        trainer = Trainer(config, tokenizer(), {Role.ActorRollout: None}, pool)
    set_seed(seed)
    model = blank()
    model.load_state_dict(start)
    set_seed(seed)
    trainer.begin(model, rate)
    trainer.fit()


def main() -> None:
    """Train all seeds anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "verl")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="learning rate")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    wish = parser.parse_args()
    torch.set_num_threads(1)
    asyncio.set_event_loop(asyncio.new_event_loop())
    start = base().state_dict()
    for seed in wish.seeds:
        shutil.rmtree(wish.out / f"seed{seed}", ignore_errors=True)
        train(wish.out / f"seed{seed}", start, seed, wish.rate)


if __name__ == "__main__":
    main()
