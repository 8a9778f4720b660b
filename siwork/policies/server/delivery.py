"""New weights for a vLLM on this machine: whole checkpoints read again in place, or LoRA adapters beside the model.

Whole: the folder is written, `reload_weights` reads it, and the prefix cache, which holds keys and values of the old
weights, is emptied. The server remembers the weights' fingerprint, which is asked before its answers are kept. An adapter
has its fingerprint in its name, so no other can answer, and vLLM's prefix cache keeps adapters apart.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any
from weakref import finalize

from siwork.policies.server.client import FINAL, Client, Question, Refused, served
from siwork.schema import KnobError, RunError

_FIRST = ("default", "")  # what the server says of the weights it was started with
_NOBODY = "changing"
_KEPT = 2  # adapters that stay on the server: of this round, and of the one before


class Delivery:
    """What a server was given, and how it is given more. Raises KnobError for a server on another machine.

    client : of the server
    """

    def __init__(self, client: Client) -> None:
        self.client, self.make = client, client.make
        if not self.make.is_local:
            raise KnobError(
                f"server: weights are handed over through this machine's disk, and {self.make.url} is another machine; train "
                "where the server runs, or leave train= out"
            )
        self._adapters: OrderedDict[str, Path] = OrderedDict()
        self._token = token_hex(
            4
        )  # vLLM dies when it reads an adapter again whose folder is gone: each has its own name
        self._counts = True  # whether the server remembers which weights it has
        self._held = ""  # what it was given last, for a server that does not remember

    def hand(self, local: Any) -> str:
        """Give the server the weights of a local policy, if it has others; the name under which they answer.

        local : HFPolicy. Raises RunError when the server does not take them.
        """
        mark = local.fingerprint()
        if local.adapter:
            if not self.holds(local):  # a run that trained all weights was here
                place = Path(self.make.train).expanduser()
                self._reload(str(place.absolute()) if place.exists() else self.make.train, _FIRST[0])
            return self._adapter(local, f"siwork-{mark}-{self._token}")
        if not self.holds(local):
            with TemporaryDirectory(prefix="siwork-weights-") as folder:
                local.save(Path(folder))
                self._reload(folder, mark)
        return self.make.model

    def holds(self, local: Any) -> bool:
        """Whether the server has the weights of a local policy; an adapter needs those that the server was started with."""
        return self._has() in _FIRST if local.adapter else self._has() == local.fingerprint()

    # ── whole checkpoints ──────────────────────────────────────────────────────────────────────────────
    def _has(self) -> str:
        """Fingerprint of the weights that the server has; empty for those that it was started with."""
        if self._counts:
            try:
                return str(self.client.ask(Question("/weight_info"))["weight_version"])
            except Refused:  # an older vLLM
                self._counts = False
            except (KeyError, TypeError):
                raise self._no() from None
        return self._held

    def _reload(self, source: str, mark: str) -> None:
        """Order: a crash on the way leaves weights that say they are nobody's."""
        self._has()  # finds out whether the server remembers
        if self._counts:
            self._post("/update_weight_version", {"new_version": _NOBODY})
        self._post("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": source}})
        self._post("/reset_prefix_cache", {})
        if self._counts:
            self._post("/update_weight_version", {"new_version": mark})
        self._held = mark

    @cached_property
    def _home(self) -> Path:
        """Where adapters lie until this process ends."""
        home = mkdtemp(prefix="siwork-adapters-")
        finalize(self, rmtree, home, ignore_errors=True)
        return Path(home)

    # ── adapters ───────────────────────────────────────────────────────────────────────────────────────
    def _adapter(self, local: Any, name: str) -> str:
        folder = self._home / name  # stays as long as the adapter does: vLLM may read it again
        if name not in self._adapters:
            folder.mkdir(exist_ok=True)
            local.save(folder)
        if not self._lists(name):
            self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        self._adapters[name] = folder
        self._adapters.move_to_end(name)
        while len(self._adapters) > _KEPT:
            old, gone = self._adapters.popitem(last=False)
            with suppress(Refused):  # a server that was started again has forgotten it
                self.client.ask(Question("/v1/unload_lora_adapter", {"lora_name": old}, FINAL))
            rmtree(gone, ignore_errors=True)
        return name

    def _lists(self, name: str) -> bool:
        return any(model.name == name for model in served(self.client.ask(Question("/v1/models"))))

    def _post(self, route: str, body: dict[str, Any]) -> None:
        try:
            self.client.ask(Question(route, body, FINAL))
        except Refused as refused:
            raise self._no(f"{route}, {refused.status}: {refused.words}") from None

    def _no(self, why: str = "no weight version") -> RunError:
        wanted = f" --lora {self.make.lora}" if self.make.lora else ""
        return RunError(
            f"the server at {self.make.url} does not take new weights ({why}); start it with: siwork serve "
            f"{self.make.train}{wanted}"
        )
