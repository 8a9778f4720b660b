"""LoRA adapters (Hu et al. 2022, through peft): many policies on one model, of which one is worn at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from siwork.policies.hf.knobs import Hf
from siwork.policies.hf.opening import quiet
from siwork.schema import missing_extra

FILE = "adapter_model.safetensors"  # peft's own name, so that peft, vLLM and others load the folder


class Adapter:
    """The weights of one adapter; copies share the model that they are worn on.

    model : of transformers, which gets the adapter's layers; make : rank and seed
    """

    def __init__(self, model: Any, make: Hf) -> None:
        try:
            from peft import LoraConfig, get_peft_model
        except ImportError:
            raise missing_extra("hf(lora=…)", "peft", "lm") from None
        config = LoraConfig(r=make.lora, lora_alpha=2 * make.lora, target_modules="all-linear", task_type="CAUSAL_LM")
        with torch.random.fork_rng(), quiet():
            torch.manual_seed(make.seed)
            self._body = _Body(get_peft_model(model, config))
        self.weights = self._body.read()
        self._body.worn = self

    def copy(self) -> Adapter:
        """An independent adapter of the same weights on the same model."""
        twin = object.__new__(Adapter)
        twin._body, twin.weights = self._body, {name: weight.clone() for name, weight in self.weights.items()}
        return twin

    def wear(self) -> None:
        """Put the weights on the model."""
        if self._body.worn is not self:
            self._body.put(self.weights)
            self._body.worn = self

    def toward(self, other: Adapter, share: float) -> None:
        """Move the weights by `share` of the way to another adapter's of the same model."""
        self.weights = {name: weight + share * (other.weights[name] - weight) for name, weight in self.weights.items()}
        if self._body.worn is self:
            self._body.put(self.weights)

    def keep(self) -> None:
        """Take the weights as they are on the model, after training."""
        self.weights = self._body.read()

    def save(self, folder: Path) -> None:
        """Write `adapter_model.safetensors` and peft's configuration."""
        self.wear()
        with quiet():
            self._body.model.save_pretrained(folder)

    def load(self, folder: Path) -> Adapter:
        """The adapter that `save` wrote. Raises ValueError for other names or shapes, and what safetensors raises."""
        twin, found = self.copy(), load_file(folder / FILE)
        if {name: weight.shape for name, weight in found.items()} != {n: w.shape for n, w in self.weights.items()}:
            raise ValueError("it is an adapter of another model or rank")
        if not all(weight.isfinite().all() for weight in found.values()):
            raise ValueError("it holds numbers that are not finite")
        twin.weights = {name: found[name].to(weight) for name, weight in self.weights.items()}
        return twin


class _Body:
    """A model with adapter layers, and whose weights are in them."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.worn: Adapter | None = None

    def read(self) -> dict[str, Tensor]:
        from peft import get_peft_model_state_dict

        return {name: weight.detach().clone() for name, weight in get_peft_model_state_dict(self.model).items()}

    def put(self, weights: dict[str, Tensor]) -> None:
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, weights)
