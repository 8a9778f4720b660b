"""`siwork serve`: a vLLM until Ctrl-C, or for as long as a command runs."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import TextIO

from siwork.schema import KnobError
from siwork.serving import Serving, ServingError

_TERMINATED = 128 + signal.SIGTERM


def serve(options: argparse.Namespace) -> int:
    """Start the server, say where it is, and stay with it. Raises as `Serving`, KnobError for a command that is not there."""
    beside = list(options.beside)
    if beside and shutil.which(beside[0]) is None:
        raise KnobError(f"there is no command {beside[0]!r}; behind -- stands what is run while the model is served")
    server = Serving(
        options.model,
        port=options.port,
        lora=options.lora,
        python=options.python,
        context=options.context,
        more=shlex.split(options.vllm),
        log=options.log,
    )
    usual = signal.signal(signal.SIGTERM, _leave)
    try:
        with server:
            _tell(server, options, sys.stderr if beside else sys.stdout)
            return _beside(beside, server) if beside else _until_stopped(server)
    except KeyboardInterrupt:
        sys.stderr.write("siwork: interrupted before vLLM was ready\n")
        return 130
    finally:
        signal.signal(signal.SIGTERM, usual)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)


def _tell(server: Serving, options: argparse.Namespace, where: TextIO) -> None:
    if options.json:
        print(
            json.dumps({"url": server.url, "model": server.model, "pid": server.pid, "log": str(server.log)}),
            flush=True,
        )
        return
    url, model = json.dumps(server.url), json.dumps(server.model, ensure_ascii=False)
    more = f", lora={options.lora}" if options.lora else ""
    print(f"{server.model} at {server.url} (log: {server.log})", file=where)
    print(f"  to sample:  server({url}, {model})", file=where)
    print(f"  to train:   server({url}, {model}, train={model}{more})", file=where, flush=True)


def _until_stopped(server: Serving) -> int:
    try:
        while server.alive:
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    raise ServingError(f"vLLM is no longer there ({server.why or 'its keeper ended'}); its words are in {server.log}")


def _beside(words: Sequence[str], server: Serving) -> int:
    """Run the command; Ctrl-C and SIGTERM are its own to answer, and the server stays until it has ended."""
    with subprocess.Popen(words, env=os.environ | {"SIWORK_SERVER": server.url}) as child:
        before = signal.signal(signal.SIGINT, lambda *_: None)  # the terminal tells the command, too
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        try:
            code = child.wait()
        finally:
            signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code
