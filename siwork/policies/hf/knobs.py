"""What is chosen of a model of transformers, known without torch, which is loaded when the policy is built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from siwork.schema import Knobbed, KnobError, format_call, knob

if TYPE_CHECKING:
    from siwork.policies.hf.policy import HFPolicy
    from siwork.tasks import Task


@dataclass(frozen=True)
class Hf(Knobbed):
    """A causal language model of transformers and how it is run.

    >>> str(Hf("models/base", lora=8))
    'hf("models/base", lora=8)'
    """

    name: ClassVar[str] = "hf"
    any_task: ClassVar[bool] = True  # it needs no task to be made
    sentence: ClassVar[str] = "A causal language model of transformers, by local path or hub id."

    model: str = knob("", "Folder or hub id of the model and its tokenizer.", shown=True)
    lora: int = knob(0, "Rank of the LoRA adapter that is trained; 0 trains all weights.", low=0, high=4096)
    max_new: int = knob(256, "Most tokens of a completion, the end token counted.", low=1, unit="tokens")
    stop: str = knob("", "Text that ends a completion beside the end token; it is kept. Empty for none.")
    chat: str = knob("auto", "Whether prompts go into the tokenizer's chat template.", choices=("auto", "never"))
    dtype: str = knob(
        "auto",
        "Precision of the forward pass; auto is bfloat16 on a GPU that has it, else float32.",
        choices=("auto", "float32", "bfloat16"),
    )
    device: str = knob("auto", "Where it runs; auto takes a GPU when there is one.", choices=("auto", "cpu", "cuda"))
    rows: int = knob(0, "Completions sampled at once; 0 fits them to the memory.", low=0, unit="rows")
    checkpointing: bool = knob(False, "Whether activations are computed again in training, to save memory.")
    remote_code: bool = knob(False, "Whether code that lies beside the model may run; only for models you trust.")
    seed: int = knob(0, "Seed of a fresh adapter.", low=0, high=2**32 - 1)

    def __str__(self) -> str:
        return format_call(self)

    def build_for(self, task: Task | None = None) -> HFPolicy:
        """The policy of round 0; it is the same for every task.

        Raises KnobError for a model that cannot be had, MissingExtra without the packages of siwork[lm].
        """
        from siwork.policies.hf.policy import HFPolicy

        if not self.model:
            raise KnobError('hf: name a model, as hf("path/to/model") or policy("hf", "path/to/model")')
        return HFPolicy.open(self)

    def restore(self, task: Task | None, folder: Path) -> HFPolicy:
        """The policy with the parameters that `save` wrote into a folder. Raises RunError when they are damaged."""
        return self.build_for(task).load(folder)
