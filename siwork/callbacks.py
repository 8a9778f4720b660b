"""`TRLCallback`: what TRL's own files lack, logged while it trains: ids, log-probabilities, entropies, ends, every batch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from siwork.files.lines import files, number_in
from siwork.files.values import real, said, shown
from siwork.importers.found import Collected
from siwork.importers.identity import normalised, problem_id
from siwork.importers.rows import FILE
from siwork.schema import KnobError, missing_extra, nearest

try:
    from transformers import TrainerCallback
except ImportError:  # pragma: no cover
    raise missing_extra("siwork.callbacks", "transformers", "trl") from None

_ROW = "siwork_row"  # name of the tensor that travels with a batch through TRL's shuffling


class TRLCallback(TrainerCallback):
    """Log every generation batch of a GRPOTrainer, one Parquet file each; `siwork.from_rows(folder)` reads them.

    `trainer.add_callback(TRLCallback(trainer, "log"))` before `trainer.train()`. A row has the id of its prompt, its sample
    index, tokens, whether it ended, the log-probability of the whole response and its mean token entropy (nats), every
    reward by name, unweighted, and the advantage. Round is the number of optimiser steps before the batch was sampled, so round
    0 is the base policy; batches of an evaluation are held out.

    Log-probability and entropy are those that TRL computes for its loss, so they cost nothing; they are null where the policy
    was updated between sampling and loss (a second optimiser step on one batch) and where the sampling temperature is not 1.
    A folder that holds batches already is added to: a resumed training goes on in it.

    Parameters
    ----------
    trainer : a GRPOTrainer, TRL 1.0 or later
    folder : where the files go, made when it is not there
    problem : column of the data set that holds a stable id of the problem; None takes the prompt's text
    target : column of the data set that holds the right answer; None takes none

    Raises
    ------
    KnobError when the trainer has not the parts of a GRPOTrainer.
    """

    def __init__(
        self, trainer: Any, folder: str | Path, *, problem: str | None = None, target: str | None = None
    ) -> None:
        lacking = [name for name in _PARTS if not hasattr(trainer, name)]
        if lacking:
            raise KnobError(
                f"trainer must be a GRPOTrainer of TRL 1.0 or later, got {type(trainer).__name__} without {lacking[0]}; "
                "other trainers: write rows with the columns that siwork.from_table reads"
            )
        self.folder, self._problem, self._target = Path(folder), problem, target
        self.folder.mkdir(parents=True, exist_ok=True)
        self._trainer, self._batch, self._next = trainer, _Batch(), 0
        there = [number_in(place.stem.rpartition("_")[0]) or 0 for place in files(self.folder, FILE)]
        self._number = max(there, default=-1) + 1  # of the next file
        self._scored: tuple[Any, ...] = ()
        self._seen: tuple[Any, Any] | None = None  # rows and mask of the loss that is being computed
        for name in _PARTS:
            setattr(trainer, name, _Wrapped(getattr(trainer, name), getattr(self, f"_on{name}")))

    # ── what TRL does, seen from outside ───────────────────────────────────────────────────────────────
    def _on_calculate_rewards(self, original: Any, inputs: Any, prompts: Any, completions: Any, ids: Any) -> Any:
        found = original(inputs, prompts, completions, ids)
        self._scored = (inputs, prompts, completions, ids, found)
        return found

    def _on_generate_and_score_completions(self, original: Any, inputs: Any) -> Any:
        output = original(inputs)
        self._write()
        self._batch = self._begun(output)
        output[_ROW] = _numbered(output["advantages"], self._batch.first)
        self._next += len(self._batch.rows)
        return output

    def _on_compute_loss(self, original: Any, model: Any, inputs: Any) -> Any:
        self._seen = (inputs.get(_ROW), inputs["completion_mask"])
        try:
            return original(model, inputs)
        finally:
            self._seen = None

    def _on_get_per_token_logps_and_entropies(self, original: Any, *args: Any, **more: Any) -> Any:
        found = original(*args, **more)
        if self._seen is not None and found[1] is not None:
            self._take(*self._seen, found[0], found[1])
        return found

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Write the last batch."""
        self._write()

    # ── a batch ────────────────────────────────────────────────────────────────────────────────────────
    def _begun(self, output: Mapping[str, Any]) -> _Batch:
        inputs, prompts, completions, ids, rewards = self._scored
        trainer, size = self._trainer, len(prompts)
        first = trainer.accelerator.process_index * size  # rewards are gathered over processes, texts are not
        values = rewards[first : first + size].tolist()
        ends = set(trainer.eos_token_ids)
        split = "train" if trainer.model.training else "heldout"
        batch = _Batch(trainer.state.global_step, trainer.temperature == 1.0, self._next)
        advantages = output["advantages"].tolist()
        for i, one in enumerate(inputs):
            prompt, own = said(prompts[i]) or "", list(ids[i])
            row = {"round": batch.step, "split": split, "prompt": prompt, "response": said(completions[i]) or ""}
            row |= {"key": self._key(one, prompt), "n_tokens": len(own), "finished": bool(own) and own[-1] in ends}
            row |= {"temperature": float(trainer.temperature), "advantage": real(advantages[i])}
            row |= {} if self._target is None else {"target": shown(one.get(self._target))}
            batch.rows.append((row, dict(zip(trainer.reward_func_names, map(real, values[i]), strict=True))))
        return batch

    def _key(self, one: Mapping[str, Any], prompt: str) -> str:
        if self._problem is None:
            return problem_id(normalised(prompt))
        if (found := shown(one.get(self._problem))) is None:
            raise KnobError(
                f"problem={self._problem!r}: the data set has no such column, or null in it; {nearest(self._problem, one)}"
            )
        return found

    def _take(self, rows: Any, mask: Any, logps: Any, entropies: Any) -> None:
        """Sums over the tokens of each response, taken once, while the policy is still the one that sampled it."""
        batch = self._batch
        if rows is None or not batch.plain or self._trainer.state.global_step != batch.step:
            return
        kept = mask.to(logps.dtype)
        sums = (logps.detach() * kept).sum(1).tolist(), (entropies.detach() * kept).sum(1).tolist()
        for row, logp, entropy, size in zip(rows.tolist(), *sums, mask.sum(1).tolist(), strict=True):
            batch.known.setdefault(row - batch.first, (min(logp, 0.0), entropy / size if size else None))

    def _write(self) -> None:
        """The present batch as a file, whole or not at all."""
        if not self._batch.rows:
            return
        part = Collected()
        for i, (row, rewards) in enumerate(self._batch.rows):
            logp, entropy = self._batch.known.get(i, (None, None))
            part.add({**row, "logp": logp, "entropy": entropy}, rewards)
        rank = self._trainer.accelerator.process_index
        place = self.folder / f"generations_{self._number:06d}_{rank}.parquet"
        _written(part.table(), place)
        self._number, self._batch = self._number + 1, _Batch()


class _Batch:
    """One generation batch on its way."""

    def __init__(self, step: int = 0, plain: bool = False, first: int = 0) -> None:
        self.first = first  # number of its first row, counted over the whole training: batches may overlap
        self.step = step  # optimiser steps before it was sampled
        self.plain = plain  # sampled at temperature 1
        self.rows: list[tuple[dict[str, Any], dict[str, float | None]]] = []
        self.known: dict[int, tuple[float, float | None]] = {}  # log-probability and entropy by row


class _Wrapped:
    """A method of a trainer that is watched."""

    def __init__(self, original: Any, watcher: Any) -> None:
        self._original, self._watcher = original, watcher

    def __call__(self, *args: Any, **more: Any) -> Any:
        return self._watcher(self._original, *args, **more)


_PARTS = (
    "_calculate_rewards",
    "_generate_and_score_completions",
    "_compute_loss",
    "_get_per_token_logps_and_entropies",
)


def _numbered(like: Any, first: int) -> Any:
    """Row numbers where the other tensors are."""
    import torch

    return torch.arange(first, first + len(like), device=like.device)


def _written(table: pa.Table, place: Path) -> None:
    draft = place.with_suffix(".draft")
    pq.write_table(table, draft)
    draft.rename(place)


__all__ = ["TRLCallback"]
