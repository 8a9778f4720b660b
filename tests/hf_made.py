"""Models of transformers made on the spot: a Llama that can play a task, and small ones with every kind of tokenizer."""

from __future__ import annotations

from pathlib import Path

import siwork
from siwork.policies.llama import write_llama


def write_player(folder: Path, task: str = "countdown") -> str:
    """The base policy of a task as a Llama of transformers; its folder."""
    write_llama(siwork.policy("tiny", task), folder)
    return str(folder)
