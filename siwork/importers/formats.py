"""Every format that siwork reads, by the name that the command line and `watch` know it by."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from siwork.importers.evaluations import from_inspect, from_lighteval, from_lm_eval, from_openai_batch, from_table
from siwork.importers.imported import Imported
from siwork.importers.readers import from_rows, from_trl, from_verl
from siwork.importers.trainers import (
    from_areal,
    from_nemo_rl,
    from_open_instruct,
    from_skyrl,
    from_swift,
    from_verifiers,
)


class Format(NamedTuple):
    """A format: its reader, and what it reads."""

    read: Callable[..., Imported]
    what: str


KINDS = {
    "trl": Format(from_trl, "TRL's GRPO completions with `trainer_state.json`"),
    "verl": Format(from_verl, "verl's rollout and validation dumps, trainer v0 and v1"),
    "lm-eval": Format(from_lm_eval, "lm-evaluation-harness `--log_samples`"),
    "inspect": Format(from_inspect, "Inspect `.eval` and `.json`, with `pip install 'siwork[inspect]'`"),
    "verifiers": Format(from_verifiers, "verifiers and prime-rl traces, and the older `results.jsonl`"),
    "swift": Format(from_swift, "ms-swift's `completions.jsonl`"),
    "open-instruct": Format(from_open_instruct, "open-instruct's rollout traces"),
    "skyrl": Format(from_skyrl, "SkyRL's dumped evaluations"),
    "areal": Format(from_areal, "AReaL's trajectories"),
    "nemo-rl": Format(from_nemo_rl, "NeMo-RL's train and validation files"),
    "lighteval": Format(from_lighteval, "lighteval `--save-details`"),
    "openai-batch": Format(from_openai_batch, "OpenAI-style batch output"),
    "table": Format(from_table, "any CSV, JSON lines, Parquet or `datasets` folder, with a map of columns"),
    "rows": Format(from_rows, "what `siwork.callbacks.TRLCallback` writes"),
}
FORMATS: dict[str, Callable[..., Imported]] = {name: kind.read for name, kind in KINDS.items()}


def markdown() -> str:
    """The formats as the table of the README.

    >>> markdown().splitlines()[2][:40]
    "| `trl` | `from_trl` | TRL's GRPO comple"
    """
    head = ["| format | reader | what it reads |", "|---|---|---|"]
    return "\n".join([*head, *(f"| `{name}` | `{kind.read.__name__}` | {kind.what} |" for name, kind in KINDS.items())])
