"""A server for the length of a `with`."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from siwork.schema import KnobError
from siwork.serving import keeper
from siwork.serving.command import HOST, ServingError, checked, command, environment, installed

_PAUSES = (1.0, 4.0, 16.0)  # seconds before each new start
_LONGEST = 30.0  # seconds that ending may take before it is forced


class Serving:
    """A vLLM that serves one model on this machine, from the entry of a `with` to its end.

    It listens on 127.0.0.1 only; its development routes are open, so that a policy can hand it new weights, and whoever
    has an account on this machine can use them. When it dies it is started again on the same port, three times at most,
    with the weights of its first start. It ends with all its processes when the `with` ends, and when this process is
    interrupted, terminated or killed.

    Parameters
    ----------
    model : folder or hub id; also the name by which requests name it
    port : 0 takes a free one
    lora : greatest rank of adapters that it takes while it runs, 0 for none
    python : the Python that has vLLM; None takes SIWORK_VLLM_PYTHON, else this one
    context : most tokens of a prompt and its completion, None for the model's own number
    more : further options of vLLM's, as on its command line
    log : file that takes its words; None makes a temporary one, which is kept when the server failed
    seconds : how long it may take until it is ready

    Raises KnobError for what cannot work and MissingExtra without vLLM, both before anything is started; entering raises
    ServingError when the server dies at its start or is not ready in time.

    >>> Serving("./nowhere")
    Traceback (most recent call last):
    siwork.schema.errors.KnobError: there is no folder './nowhere'; name that of a model, with its config.json, or a hub id
    """

    def __init__(
        self,
        model: str | Path,
        *,
        port: int = 0,
        lora: int = 0,
        python: str | Path | None = None,
        context: int | None = None,
        more: Sequence[str] = (),
        log: str | Path | None = None,
        seconds: float = 1200.0,
    ) -> None:
        self.model = str(model)
        checked(self.model, port, lora, context, more)
        self._found, self._lora, self._context, self._more = installed(python), lora, context, tuple(more)
        self._port, self._seconds, self._named = port, seconds, log
        self._keeper: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self.url, self.pid, self.restarts, self.why = "", 0, 0, ""
        self.log: Path | None = None

    def __enter__(self) -> Serving:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether the server is there, or being started again."""
        self._listen(0.0)
        return self._keeper is not None and self._keeper.poll() is None and not self.why

    def start(self) -> Serving:
        """Start it and wait until it is ready. Raises KnobError for a port in use, ServingError when it does not come up."""
        if self._keeper is not None:
            raise ServingError(f"this server is running already, at {self.url}; call stop() first")
        port = free_port(self._port)
        self.url, self.why, self.restarts, self._rest = f"http://{HOST}:{port}", "", 0, b""
        self.log = _log_file(self._named)
        try:
            self._keep(port)
            self._wait()
        except ServingError:
            self._end()
            raise
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it with all its processes; the temporary log goes unless the server had failed."""
        if self._keeper is None:
            return
        self._listen(0.0)
        self._end()
        if self.log is not None and self._named is None and not self.why:
            self.log.unlink(missing_ok=True)

    def _keep(self, port: int) -> None:
        words = command(self._found, self.model, port, self._lora, self._context, self._more)
        spec = {
            "command": words,
            "env": environment(self._found.python, self._lora, self._found.cpu),
            "port": port,
            "log": str(self.log),
            "seconds": self._seconds,
            "pauses": _PAUSES,
        }
        # of its own session, so that Ctrl-C does not reach it before us
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", keeper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._keeper.stdin is not None
        with suppress(BrokenPipeError):
            self._keeper.stdin.write(json.dumps(spec).encode() + b"\n")
            self._keeper.stdin.flush()

    def _wait(self) -> None:
        while "ready" not in (heard := self._listen(0.5)):
            if "over" in heard or self._keeper is None or self._keeper.poll() is not None:
                self.why = self.why or "its keeper was killed"
                raise ServingError(f"vLLM did not start: {self.why}; its words are in {self.log}")

    def _listen(self, seconds: float) -> list[str]:
        """What the keeper told meanwhile, waiting so long for the first word."""
        if self._keeper is None or self._keeper.stdout is None:
            return []
        pipe, stop = self._keeper.stdout.fileno(), time.monotonic() + seconds
        while select.select([pipe], [], [], max(0.0, stop - time.monotonic()))[0]:
            read = os.read(pipe, 65536)
            self._rest += read
            if not read or self._rest.endswith(b"\n"):
                break
        *whole, self._rest = self._rest.split(b"\n")
        return [self._note(json.loads(line)) for line in whole]

    def _note(self, news: dict[str, Any]) -> str:
        self.pid = news.get("pid", self.pid)
        if news["event"] == "died":
            self.restarts += 1
        if news["event"] == "over":
            self.why = news["why"]
        return str(news["event"])

    def _end(self) -> None:
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        with suppress(BrokenPipeError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(_LONGEST)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        if self._keeper.returncode and self.pid:  # it was killed, so nobody has ended the server
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._keeper.stdout.close()
        self._keeper = None


def free_port(port: int = 0) -> int:
    """The port if it is free, or any free one for 0. Raises KnobError for one in use."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just left is free
        try:
            s.bind((HOST, port))
        except OSError as error:
            what = "in use" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
            raise KnobError(f"port {port} is {what}; name another one, or 0 for a free one") from None
        return int(s.getsockname()[1])


def _log_file(named: str | Path | None) -> Path:
    if named is None:
        handle, path = mkstemp(prefix="siwork-vllm-", suffix=".log")
        os.close(handle)
        return Path(path)
    place = Path(named).expanduser().absolute()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    except OSError as error:
        raise KnobError(f"the log {named} cannot be written ({error.strerror}); name another file") from None
    return place
