"""An OpenAI-compatible server on loopback that fails as it is told to, for what a healthy server never does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

import siwork

TASK = siwork.task("countdown", numbers=3)
Fault = tuple[int, Any] | None  # status and body; status 0 breaks the connection


class Served(ThreadingHTTPServer):
    """Answers with candidates of a task, the same for the same prompt and seed.

    fault : called with the number of the question, its route and body; what it gives is answered instead
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fault: Callable[[int, str, dict[str, Any]], Fault] = lambda number, route, body: None
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.heads: list[dict[str, str]] = []
        self.models = [{"id": "base", "owned_by": "somebody"}]
        self.pause = 0.0
        self.tells_logprobs, self.takes_n = True, True
        self.present = self.most = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Bodies of the questions for completions."""
        return [body for route, body in self.seen if "completions" in route and body.get("max_tokens") != 1]

    def answer(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a good server says."""
        prompt = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        count = body.get("n", 1) if self.takes_n else 1
        said = [self._one(prompt, body.get("seed", 0) + i, "chat" in route, i) for i in range(count)]
        return {"choices": said[::-1], "usage": {"completion_tokens": sum(6 for _ in said)}}

    def _one(self, prompt: str, seed: int, chat: bool, index: int) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        text = str(rng.choice(TASK.candidates(prompt, np.random.default_rng(0)))) if "=" in prompt else "1"
        numbers = (-rng.random(6)).tolist()
        likely = {" Yes": -1.0, "Yes": -2.0, "No": -1.5, "Y": -3.0, "": -0.5, "Maybe": -0.1}
        one: dict[str, Any] = {"index": index, "finish_reason": "stop"}
        told: dict[str, Any] = {"token_logprobs": numbers, "top_logprobs": [likely]}
        if chat:
            told = {"content": [{"token": "x", "logprob": x} for x in numbers]}
            told["content"][0]["top_logprobs"] = [{"token": name, "logprob": x} for name, x in likely.items()]
        one |= {"message": {"content": text}} if chat else {"text": text}
        return one | ({"logprobs": told} if self.tells_logprobs else {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Served

    def do_GET(self) -> None:
        self._say(200, {"data": self.server.models}) if self.path == "/v1/models" else self._say(404, {"error": "none"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            number = len(server.seen)
            server.seen.append((self.path, body))
            server.heads.append(dict(self.headers))
            server.present += 1
            server.most = max(server.most, server.present)
        time.sleep(server.pause)
        fault = server.fault(number, self.path, body)
        with server.lock:
            server.present -= 1
        if fault is None:
            self._say(200, server.answer(self.path, body))
        elif fault[0]:
            self._say(*fault)
        else:
            self.close_connection = True

    def _say(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Silence."""


@contextmanager
def serving(port: int = 0) -> Iterator[Served]:
    """A server for as long as the block lasts."""
    server = Served(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
