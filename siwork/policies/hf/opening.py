"""Opening a model and its tokenizer: what cannot be used is one clear sentence."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from siwork.policies.hf.knobs import Hf
from siwork.schema import KnobError

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def open_model(make: Hf) -> tuple[Any, Any]:
    """Model and tokenizer of the knobs, the model on its device and in eval mode.

    Raises KnobError for a folder without a model, weights that are pickles only, code that wants to run, a tokenizer
    without an end token, or a device that is not there.
    """
    place = Path(make.model).expanduser()
    source = str(place) if place.exists() else make.model
    if place.exists() or make.model.startswith((".", "/", "~")):
        _see_folder(place, make)
    device = device_of(make)
    with quiet():
        tokenizer = _tried(make, AutoTokenizer, source)
        model = _tried(make, AutoModelForCausalLM, source, dtype=_weights_type(make, device), use_safetensors=True)
    if tokenizer.eos_token_id is None:
        raise KnobError(
            f"hf: the tokenizer of {make.model!r} has no end token, so no completion would ever end; "
            "set eos_token in its tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # pads are masked, so which token they are does not matter
    _still(model)
    return model.to(device).eval(), tokenizer


def _see_folder(place: Path, make: Hf) -> None:
    if not place.is_dir():
        raise KnobError(f"hf: there is no folder {make.model!r}; name that of a model, with its config.json")
    try:
        config = json.loads((place / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise KnobError(f"hf: {make.model!r} holds no model: a config.json that can be read is expected") from None
    if "auto_map" in config and not make.remote_code:
        raise KnobError(
            f"hf: {make.model!r} brings code of its own, which is not run; read it, and pass remote_code=true to trust it"
        )
    if not any(place.glob("*.safetensors")):
        pickled = [found.name for kind in _PICKLES for found in sorted(place.glob(kind))]
        if pickled:
            raise KnobError(
                f"hf: the weights of {make.model!r} are pickled ({pickled[0]}), which is never opened, as it could run "
                "anything; where you trust it, load it with transformers and save_pretrained it as safetensors"
            )
        raise KnobError(f"hf: {make.model!r} holds no weights: a .safetensors file is expected")


def _tried(make: Hf, kind: Any, source: str, **more: Any) -> Any:
    """From the folder or the hub; whatever goes wrong there is a sentence."""
    try:
        return kind.from_pretrained(source, trust_remote_code=make.remote_code, **more)
    except Exception as error:  # transformers raises OSError, ValueError, KeyError, ImportError and safetensors' own
        what = "tokenizer" if kind is AutoTokenizer else "model"
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise KnobError(
            f"hf: no {what} could be opened as {make.model!r} ({first}); name a folder with config.json, tokenizer and "
            ".safetensors, or the hub id of a causal language model"
        ) from None


def device_of(make: Hf) -> torch.device:
    """Where the model runs. Raises KnobError for a GPU that is not there."""
    there = torch.cuda.is_available()
    if make.device == "cuda" and not there:
        raise KnobError("hf: device=cuda, but torch sees no GPU; take device=auto, or install a CUDA build of torch")
    return torch.device("cuda" if make.device == "cuda" or (make.device == "auto" and there) else "cpu")


def precision_of(make: Hf, device: torch.device) -> torch.dtype:
    """Precision of the forward pass."""
    if make.dtype != "auto":
        return torch.bfloat16 if make.dtype == "bfloat16" else torch.float32
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def _weights_type(make: Hf, device: torch.device) -> torch.dtype:
    """Weights that are trained stay in float32: bfloat16 would swallow small steps."""
    return precision_of(make, device) if make.lora else torch.float32


def _still(model: Any) -> None:
    """No dropout, in training neither: the log-probability of a response is one number."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0


@contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars, advice, and what peft and transformers tell each other."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
