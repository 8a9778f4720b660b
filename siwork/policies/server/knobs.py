"""What is chosen of a served model, known without the packages that ask it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from siwork.schema import Knobbed, KnobError, format_call, knob, missing_extra

if TYPE_CHECKING:
    from siwork.policies.server.policy import ServerPolicy
    from siwork.policies.server.trained import TrainedServerPolicy
    from siwork.tasks import Task

_OURS = ("model", "prompt", "messages", "n", "seed", "logprobs", "stream", "temperature", "top_p", "max_tokens", "stop")


@dataclass(frozen=True)
class Server(Knobbed):
    """A model behind an OpenAI-compatible server, and how it is asked.

    >>> str(Server("http://127.0.0.1:8000", "base", max_new=512))
    'server("http://127.0.0.1:8000", base, max_new=512)'
    """

    name: ClassVar[str] = "server"
    any_task: ClassVar[bool] = True
    sentence: ClassVar[str] = "A model behind an OpenAI-compatible server, such as vLLM."

    url: str = knob("", "Address of the server, as http://127.0.0.1:8000.", shown=True)
    model: str = knob("", "Name of the model as the server has it.", shown=True)
    train: str = knob(
        "", "Folder or hub id of the same model, which is trained here and handed over; empty only samples."
    )
    lora: int = knob(0, "Rank of the LoRA adapter that is trained; 0 trains all weights.", low=0, high=4096)
    tokenizer: str = knob(
        "",
        "Folder or hub id of its tokenizer; empty takes the one of `train`, or where the server says the model lies.",
    )
    max_new: int = knob(256, "Most tokens of a completion, the end token counted.", low=1, unit="tokens")
    stop: str = knob("", "Text that ends a completion beside the end token; it is kept. Empty for none.")
    route: str = knob(
        "auto",
        "Whether prompts go into the chat template; auto takes it where the model has one.",
        choices=("auto", "chat", "completions"),
    )
    seeds: str = knob(
        "prompt",
        "What has a seed of its own: a prompt with all its completions (quick), or every completion.",
        choices=("prompt", "completion"),
    )
    key: str = knob("", "Name of the environment variable that holds the API key; empty sends none.")
    concurrency: int = knob(64, "Most requests under way at once.", low=1, high=4096, unit="requests")
    timeout: float = knob(600.0, "Longest wait for one answer.", low=0.1, unit="s")
    patience: float = knob(
        120.0, "How long a request that fails is tried again, as while a server restarts.", low=0.0, unit="s"
    )
    extra: str = knob("", "Further fields of every request, as a JSON object; for what only this server knows.")
    dtype: str = knob(
        "auto", "Precision of the forward pass in training, as of hf.", choices=("auto", "float32", "bfloat16")
    )
    device: str = knob("auto", "Where it is trained, as of hf.", choices=("auto", "cpu", "cuda"))
    checkpointing: bool = knob(False, "Whether activations are computed again in training, to save memory.")
    seed: int = knob(0, "Seed of a fresh adapter.", low=0, high=2**32 - 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.url:
            object.__setattr__(self, "url", _address(self.url))
        if (self.key and not re.fullmatch(r"[A-Za-z_]\w{0,99}", self.key)) or self.key.startswith(("sk-", "sk_")):
            raise KnobError(
                "server: knob 'key' is the name of an environment variable, such as OPENAI_API_KEY, and what was given is "
                "none; put the key into the environment and its name here"
            )
        _ = self.further

    def __str__(self) -> str:
        return format_call(self)

    @property
    def further(self) -> dict[str, Any]:
        """The fields of `extra`. Raises KnobError when they are no JSON object, or siwork's own."""
        try:
            fields = json.loads(self.extra or "{}")
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise KnobError(
                f"server: knob 'extra' must be a JSON object such as '{{\"top_k\": 20}}', got {self.extra!r}"
            )
        if own := sorted(set(fields) & set(_OURS)):
            raise KnobError(f"server: {own[0]!r} cannot stand in extra, since siwork sets it; leave it out")
        return fields

    @property
    def secret(self) -> str:
        """The API key; empty when none is named. Raises KnobError when its variable is not set, or the way is open."""
        if not self.key:
            return ""
        if not os.environ.get(self.key):
            raise KnobError(f"server: the environment variable {self.key} is not set; export it, or leave key= out")
        if self.url.startswith("http:") and not self.is_local:
            raise KnobError(f"server: the API key would travel unencrypted to {self.url}; take an https address")
        return os.environ[self.key]

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return _is_loopback(urlsplit(self.url).hostname or "")

    def build_for(self, task: Task | None = None) -> ServerPolicy | TrainedServerPolicy:
        """The policy of round 0.

        Raises KnobError for a model or key that the server does not have, RunError when it cannot be reached,
        MissingExtra without httpx, or what training or a tokenizer needs.
        """
        if not self.url or not self.model:
            raise KnobError(
                'server: name an address and a model, as server("http://127.0.0.1:8000", "base"); '
                "`siwork serve MODEL` starts one"
            )
        if not self.train and self.lora:
            raise KnobError("server: lora= is of training; name the folder of the model as train=, too")
        try:
            return self._kind().open(self)
        except ModuleNotFoundError as error:
            package = str(error.name).split(".")[0]
            raise missing_extra("policy 'server'", package, "server" if package == "httpx" else "lm") from None

    def _kind(self) -> type[ServerPolicy] | type[TrainedServerPolicy]:
        if self.train:
            from siwork.policies.server.trained import TrainedServerPolicy

            return TrainedServerPolicy
        from siwork.policies.server.policy import ServerPolicy

        return ServerPolicy

    def restore(self, task: Task | None, folder: Path) -> ServerPolicy | TrainedServerPolicy:
        """The policy with the parameters that `save` wrote into a folder. Raises as `build_for`, RunError when damaged."""
        return self.build_for(task).load(folder)


def _address(text: str) -> str:
    """The address without a last slash and /v1. Raises KnobError for what is none, or holds a password."""
    try:
        parts = urlsplit(text.strip())
        hidden, host, _ = parts.username or parts.password or parts.query, parts.hostname, parts.port
    except ValueError:
        hidden, host, parts = None, None, urlsplit("")
    if hidden:
        raise KnobError(
            "server: the address may hold no user, password or query; keys come from the environment: key=NAME"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise KnobError(f"server: an address such as http://127.0.0.1:8000 is expected, got {text!r}")
    return re.sub(r"(/v1)?/*$", "", f"{parts.scheme}://{parts.netloc}{parts.path}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
