"""One vLLM and one `transformers serve` for the whole folder, both on a player of countdown, both on 127.0.0.1 only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from hf_made import write_player
from siwork.schema import SiworkError
from siwork.serving import Serving
from siwork.serving.command import ASKED, installed
from siwork.serving.keeper import healthy
from siwork.serving.server import free_port

NEEDS = f"needs vLLM: name a Python that has it in {ASKED}, as `make test` does (Linux only)"
TASK, CONTEXT, RANK = "countdown(numbers=3)", 512, 8
# the content as it is, and the mark behind which an answer begins: a chat of one message is a plain completion
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<begin>{% endif %}"
_direct = build_opener(ProxyHandler({}))


class Served(NamedTuple):
    """A server's address and the model that it serves, a folder and its name in requests."""

    url: str
    model: str


def asked(url: str, body: dict[str, object] | None = None) -> object:
    """The answer to GET, or to POST with a body: JSON, or text where it is none."""
    data = None if body is None else json.dumps(body).encode()
    with _direct.open(Request(url, data, {"Content-Type": "application/json"}), timeout=60) as answer:
        text = answer.read().decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.fixture(scope="session")
def player(tmp_path_factory):
    """The folder of a Llama that plays countdown with three numbers, with a chat template that adds nothing."""
    folder = Path(write_player(tmp_path_factory.mktemp("player"), TASK))
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": TEMPLATE}))
    return str(folder)


@pytest.fixture(scope="session")
def needs_vllm():
    """Skips where there is no vLLM."""
    try:
        installed()
    except SiworkError as error:
        if os.environ.get(ASKED):
            pytest.fail(f"{ASKED} is set, but {error}")
        pytest.skip(NEEDS)


@pytest.fixture(scope="session")
def vllm(needs_vllm, player):
    """One vLLM on the player for all tests: adapters up to rank 8, weights that can be exchanged."""
    with Serving(player, lora=RANK, context=CONTEXT) as server:
        yield server


@pytest.fixture(scope="session")
def transformers_server(player, tmp_path_factory):
    """`transformers serve` on the player, which is the one model that it answers for."""
    missing = [name for name in ("openai", "fastapi", "uvicorn", "pydantic", "accelerate") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs transformers[serving], of which {', '.join(missing)} is not installed")
    port, log = free_port(), tmp_path_factory.mktemp("transformers") / "server.log"
    words = [Path(sys.executable).with_name("transformers"), "serve", player, "--host", "127.0.0.1", "--device", "cpu"]
    with log.open("wb") as out:
        server = subprocess.Popen([*map(str, words), "--port", str(port)], stdout=out, stderr=out)
    try:
        stop = time.monotonic() + 120
        while not healthy(port):
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < stop, log.read_text()[-2000:]
            time.sleep(0.2)
        yield Served(f"http://127.0.0.1:{port}", player)
    finally:
        server.terminate()
        server.wait(30)
