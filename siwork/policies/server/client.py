"""Requests to a server: many at once, tried again while it is away, and every refusal one sentence."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import httpx

from siwork.policies.server.knobs import Server
from siwork.schema import KnobError, RunError, nearest

_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # statuses after which a later try may succeed
FINAL = (429, 503)  # for what a server that is well refuses with 500
_LONGEST_PAUSE = 15.0  # s
_Result = TypeVar("_Result")


class Question(NamedTuple):
    """One request."""

    route: str
    body: Mapping[str, Any] | None = None  # None asks by GET
    again: tuple[int, ...] = _AGAIN


class Refused(Exception):
    """The server said no, and would again: status and its words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class Client:
    """Asks one server; connections are kept during a call only, so that a client can be copied and forgotten.

    make : address, key, concurrency, timeout and patience
    """

    def __init__(self, make: Server) -> None:
        self.make, self._secret = make, make.secret

    def ask(self, question: Question, *, once: bool = False) -> Any:
        """The answer to one request, parsed JSON or text.

        once : whether it is not tried again. Raises as `ask_all`.
        """
        found: list[Any] = []
        self.ask_all([question], lambda _, answer: found.append(answer), patience=0.0 if once else None)
        return found[0]

    def ask_all(
        self,
        questions: list[Question],
        on_answer: Callable[[int, Any], list[Question] | None],
        *,
        patience: float | None = None,
    ) -> None:
        """Ask many at once, at most `concurrency` under way.

        on_answer : called with the place of a question and its answer as soon as it comes; may give further questions,
            which are asked behind the others and have the places after them
        patience : s, how long a failing request is tried again; None takes the knob

        Raises
        ------
        Refused : the server says no to a question; the first such ends the others
        RunError : the server cannot be reached, or keeps failing
        """
        wait = self.make.patience if patience is None else patience
        _finished(self._all(deque(enumerate(questions)), on_answer, wait))

    async def _all(self, waiting: deque[tuple[int, Question]], on_answer: Any, patience: float) -> None:
        asked, workers = len(waiting), 0

        async def work(http: httpx.AsyncClient, group: asyncio.TaskGroup) -> None:
            nonlocal asked, workers
            while waiting:
                place, question = waiting.popleft()
                answer = await self._one(http, question, patience)
                for further in on_answer(place, answer) or ():
                    waiting.append((asked, further))
                    asked += 1
                hire(http, group)
            workers -= 1

        def hire(http: httpx.AsyncClient, group: asyncio.TaskGroup) -> None:
            nonlocal workers
            for _ in range(min(self.make.concurrency - workers, len(waiting))):
                workers += 1
                group.create_task(work(http, group))

        try:
            async with self._http() as http, asyncio.TaskGroup() as group:
                hire(http, group)
        except BaseExceptionGroup as several:
            raise _first(several) from None

    def _http(self) -> httpx.AsyncClient:
        most = self.make.concurrency
        return httpx.AsyncClient(
            limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
            timeout=httpx.Timeout(self.make.timeout, connect=min(10.0, self.make.timeout), pool=None),
            headers={"Authorization": f"Bearer {self._secret}"} if self._secret else {},
            trust_env=not self.make.is_local,  # a proxy is never asked for this machine
        )

    async def _one(self, http: httpx.AsyncClient, question: Question, patience: float) -> Any:
        """One answer; a request that fails is tried again after 0.5, 1, 2 … s, until patience is at its end."""
        since, pause = None, 0.5
        while True:
            try:
                reply = await self._sent(http, question)
                if reply.status_code not in question.again:
                    return self._read(reply)
                trouble = f"it answered {reply.status_code}: {self._clean(_words(reply))}"
            except httpx.TimeoutException as error:
                trouble = f"no answer within {self.make.timeout:g} s ({type(error).__name__})"
            except httpx.TransportError as error:
                trouble = self._clean(str(error)) or type(error).__name__
            since = monotonic() if since is None else since
            if monotonic() - since + pause > patience:
                raise self.away(trouble)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # so that many do not come back in step
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _sent(self, http: httpx.AsyncClient, question: Question) -> httpx.Response:
        url = f"{self.make.url}{question.route}"
        return await (http.get(url) if question.body is None else http.post(url, json=question.body))

    def _read(self, reply: httpx.Response) -> Any:
        if reply.status_code >= 300:
            raise Refused(reply.status_code, self._clean(_words(reply)))
        if not reply.headers.get("content-type", "").startswith("application/json"):
            return reply.text
        try:
            return reply.json()
        except (ValueError, RecursionError):
            raise RunError(f"{self.make.url} said what is no JSON; is it an OpenAI-compatible server?") from None

    def away(self, trouble: str) -> RunError:
        """The error for a server that cannot be reached."""
        return RunError(
            f"the server at {self.make.url} gives no answer ({trouble}); see that it runs there (`siwork serve MODEL` starts "
            "a vLLM), then resume: completions that were finished are kept"
        )

    def _clean(self, words: str) -> str:
        """A server's words in one short line, without the key."""
        words = words.replace(self._secret, "…") if self._secret else words
        words = re.sub(r"\b(sk|pk|key)-[\w*-]{4,}", "…", words)  # servers repeat a wrong key in part
        return re.sub(r"[\s\x00-\x1f\x7f]+", " ", words).strip()[:300]

    def sentence(self, refused: Refused, prompt: str = "") -> KnobError | RunError:
        """What a refusal means for the user.

        prompt : the one that was asked, for its name in the sentence
        """
        make, said = self.make, refused.words
        if refused.status in (401, 403):
            held = (
                f"the key in {make.key}"
                if make.key
                else "a request without a key; put one into the environment: key=NAME"
            )
            return KnobError(f"server: {make.url} refuses {held} ({refused.status}: {said})")
        if refused.status == 404:
            return KnobError(
                f"server: {make.url} has no model {make.model!r}, or not this route ({said}){self._others()}"
            )
        if re.search(r"context|too long|maximum.{0,20}length|max_model_len|max_tokens", said, re.IGNORECASE):
            shown = f" {prompt[:60]!r}…" if len(prompt) > 60 else f" {prompt!r}" if prompt else ""
            return KnobError(
                f"server: a prompt{shown} and max_new={make.max_new} do not fit into the model's context ({said}); shorten the "
                "prompt, or take a smaller max_new or a longer context"
            )
        return RunError(f"server: {make.url} refuses a request ({refused.status}: {said})")

    def _others(self) -> str:
        try:
            listed = served(self.ask(Question("/v1/models", again=FINAL), once=True))
        except (Refused, RunError):
            return ""
        return f"; {nearest(self.make.model, [model.name for model in listed])}" if listed else ""


class Model(NamedTuple):
    """A model that a server has."""

    name: str
    owner: str = ""
    root: str = ""  # where it lies, as vLLM tells
    context: int | None = None  # tokens of prompt and completion, as vLLM tells


def served(listing: Any) -> list[Model]:
    """The models in the answer of /v1/models; what is none is passed over."""
    found = listing.get("data") if isinstance(listing, dict) else None
    rows = [row for row in found if isinstance(row, dict) and isinstance(row.get("id"), str)] if found else []
    return [
        Model(
            row["id"],
            str(row.get("owned_by") or ""),
            str(row.get("root") or ""),
            row["max_model_len"] if isinstance(row.get("max_model_len"), int) else None,
        )
        for row in rows
    ]


def _words(reply: httpx.Response) -> str:
    """What an error answer says: the message in its JSON, else its text."""
    try:
        said = json.loads(reply.text[:100_000])
    except (ValueError, RecursionError):
        return reply.text[:1000]
    for name in ("error", "detail", "message"):
        if isinstance(said, dict) and said.get(name):
            said = said[name]
    return said if isinstance(said, str) else json.dumps(said)


def _finished(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end; in a thread of its own where a loop already runs, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = several
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
