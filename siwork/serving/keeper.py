"""The process between us and vLLM: it starts the server, starts it again when it dies, and ends it when we are gone.

It runs as a file of its own, with the standard library only. One JSON line on its standard input says what to start; the
end of that input, or another parent than at first, means that nobody wants the server any more. It tells on its standard
output, a JSON line at each change, where the server is.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_LOOK = 0.2  # seconds between two looks
_GRACE = 10.0  # seconds that the processes have to end by themselves
_CALM = 600.0  # seconds of good service after which earlier deaths are forgotten
_DEATH_OF_PARENT = 1  # PR_SET_PDEATHSIG, linux/prctl.h
_HEAD = re.compile(r"^\(\w[\w-]* pid=\d+\)\s*|^(?:ERROR|WARNING|INFO) [\d\- :]+ \[[^]]*\]\s*")
_EMPTY = ("See root cause above", "initialization failed", "ResourceWarning")  # lines that only say that others say why


class Keeper:
    """One server and its fate; `spec` holds command, env, port, log, seconds and pauses."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec, self.parent = spec, os.getppid()
        self.tidy, self.ended = _dies_with_parent(), False
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _end(self, *_: object) -> None:
        self.ended = True

    def run(self) -> None:
        """Serve until nobody wants it, or it has died too often."""
        deaths, again = 0, True
        while again:
            served, why = self._life(deaths > 0)
            if self.ended:
                return
            deaths = 1 if served > _CALM else deaths + 1
            again = self._mourn(deaths, why, ran=served >= 0 or deaths > 1) and not self.ended

    def _life(self, again: bool) -> tuple[float, str]:
        """One start to its end: the seconds of service, -1 for none, and why it ended."""
        self._start()
        try:
            served = self._serve(again)
            return served, "" if self.ended else self._why()
        finally:
            end(self.child)

    def _mourn(self, deaths: int, why: str, ran: bool) -> bool:
        """Tell of a death, and pause; whether the server shall be started again."""
        most = len(self.spec["pauses"])
        if ran and deaths <= most:
            say(f"vLLM died ({why}); it is started again, {deaths} of {most}, with the weights of its first start")
            tell(event="died", why=why)
            return not self._unwanted(self.spec["pauses"][deaths - 1])
        if ran:
            say(f"vLLM died once more ({why}) and is not started again; its words are in {self.spec['log']}")
        tell(event="over", why=why)  # one that never ran would not run the next time either
        return False

    def _start(self) -> None:
        with open(self.spec["log"], "ab") as log:
            self.mark, self.late = log.tell(), False
            self.child = subprocess.Popen(
                self.spec["command"],
                env=self.spec["env"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self.tidy,
            )
        tell(event="started", pid=self.child.pid)

    def _serve(self, again: bool) -> float:
        """Wait until the server dies or is not wanted; the seconds that it was ready, -1 when it never was."""
        began, ready = time.monotonic(), None
        while not self._unwanted(_LOOK):
            if self.child.poll() is not None:
                break
            if ready is None and healthy(self.spec["port"]):
                ready = time.monotonic()
                tell(event="ready", pid=self.child.pid)
                if again:
                    say("vLLM is ready again")
            if ready is None and time.monotonic() - began > self.spec["seconds"]:
                self.late = True
                break
        return -1.0 if ready is None else time.monotonic() - ready

    def _why(self) -> str:
        if self.late:
            return f"it was not ready within {self.spec['seconds']:g} s"
        code = self.child.poll()
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return reason(Path(self.spec["log"]), self.mark) or f"exit status {code}"

    def _unwanted(self, seconds: float) -> bool:
        """Wait so long; whether the parent is gone or wants no more."""
        stop = time.monotonic() + seconds
        while not self.ended:
            left = stop - time.monotonic()
            heard = select.select([0], [], [], max(0.0, min(left, _LOOK)))[0]
            if os.getppid() != self.parent or (heard and not os.read(0, 1)):
                self.ended = True
            elif left <= 0:
                return False
        return True


def _dies_with_parent() -> Callable[[], None] | None:
    """What makes a child end when this process is killed, where the system can do that."""
    if not sys.platform.startswith("linux"):
        return None
    system, us = ctypes.CDLL(None), os.getpid()

    def ask() -> None:
        system.prctl(_DEATH_OF_PARENT, signal.SIGTERM)
        if os.getppid() != us:  # it happened before we asked
            os._exit(1)

    return ask


def healthy(port: int) -> bool:
    """Whether the server on this machine says that it is ready; no proxy is asked."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        line.request("GET", "/health")
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def end(child: subprocess.Popen[bytes]) -> None:
    """End a server and all processes of its group; those that linger are killed."""
    _signal_group(child.pid, signal.SIGTERM)
    stop = time.monotonic() + _GRACE
    while time.monotonic() < stop and (child.poll() is None or _signal_group(child.pid, 0)):
        time.sleep(0.05)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _signal_group(group: int, number: int) -> bool:
    """Whether there was anybody to signal."""
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only the dead are left
        os.killpg(group, number)
        return True
    return False


def reason(log: Path, since: int = 0) -> str:
    """The one line of a log that tells why the server died: the last that names an error, without its head.

    since : byte at which the words of this start begin
    """
    with log.open("rb") as words:
        words.seek(since)
        lines = [_bare(line) for line in words.read().decode("utf-8", "replace").splitlines()]
    named = [i for i, line in enumerate(lines) if re.search(r"Error\b", line) and not any(e in line for e in _EMPTY)]
    if not named:
        return _short(next((line for line in reversed(lines) if line.strip()), ""))
    found = lines[named[-1]]
    below = found.rstrip().endswith(("ModelConfig", ":")) or "validation error" in found  # pydantic's reason is there
    if below:
        found += " " + " ".join(line.strip() for line in lines[named[-1] + 1 : named[-1] + 2])
    return _short(found)


def _short(line: str) -> str:
    return textwrap.shorten(line, 300, placeholder=" …")


def _bare(line: str) -> str:
    while (shorter := _HEAD.sub("", line, count=1)) != line:
        line = shorter
    return line


def tell(**news: Any) -> None:
    """A line to the parent, which may be gone."""
    with suppress(OSError):
        os.write(1, json.dumps(news).encode() + b"\n")


def say(sentence: str) -> None:
    """A line for people."""
    with suppress(OSError):
        os.write(2, f"siwork: {sentence}\n".encode())


if __name__ == "__main__":
    with open(0, "rb", buffering=0, closefd=False) as words:  # nothing is read ahead, so that the end is seen
        wanted = json.loads(words.readline())
    Keeper(wanted).run()
