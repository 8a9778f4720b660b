"""Where a tiny policy starts: its knobs, known without torch, which is loaded when a policy is built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from siwork.schema import Knobbed, RunError, format_call, knob, shipped
from siwork.tasks import Synthetic, Task, synthetic

if TYPE_CHECKING:
    from siwork.policies.tiny import TinyPolicy

FILE = "policy.safetensors"


@dataclass(frozen=True)
class Tiny(Knobbed):
    """Where a tiny policy starts; `build_for(task)` gives it for a task.

    >>> str(Tiny(start="fresh", seed=1))
    'tiny(start=fresh, seed=1)'
    """

    name: ClassVar[str] = "tiny"
    any_task: ClassVar[bool] = False
    sentence: ClassVar[str] = "A small transformer, trained and sampled here."

    start: str = knob(
        "base", "Weights at first: those that ship for the task, or fresh ones.", choices=("base", "fresh")
    )
    seed: int = knob(0, "Seed of fresh weights.", low=0, high=2**32 - 1)
    weights: str = knob("", "File of base weights that `siwork pretrain` made; empty takes those that ship.")

    def __str__(self) -> str:
        return format_call(self)

    def build_for(self, task: Task) -> TinyPolicy:
        """The policy that a task starts from.

        Raises RunError when no weights ship for it, or a file cannot be read; KnobError for a task without a vocabulary.
        """
        played = synthetic(task, f"policy {self.name!r}")
        from siwork.policies.tiny import TinyPolicy

        if self.start == "fresh":
            return TinyPolicy.create(played.vocabulary, played.max_tokens, seed=self.seed)
        return self._of(played, Path(self.weights) if self.weights else _shipped(played))

    def restore(self, task: Task, folder: Path) -> TinyPolicy:
        """The policy of a task with the parameters that `save` wrote into a folder. Raises RunError as `load`."""
        return self._of(synthetic(task, f"policy {self.name!r}"), Path(folder) / FILE)

    def _of(self, task: Synthetic, path: Path) -> TinyPolicy:
        from siwork.policies.tiny import TinyPolicy

        policy = TinyPolicy.read(path)
        if policy.tokens.vocabulary[: len(task.vocabulary)] != task.vocabulary:
            raise RunError(
                f"{path} has another vocabulary than {task}; make new weights with: siwork pretrain '{task}'"
            )
        policy.make, policy.max_new = self, task.max_tokens
        return policy


def _shipped(task: Synthetic) -> Path:
    """Weights that ship for a task."""
    if path := shipped("base", f"{task.name}.safetensors"):
        return path
    raise RunError(
        f"no weights ship for task {task.name!r}; make them with `siwork pretrain '{task}'`, or take tiny(start=fresh)"
    )
