"""A whole batch asked of a server: what is known already is not asked again, what comes in is kept at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from siwork.policies.chance import Chance, scramble
from siwork.policies.journals import Journal, key_of_question
from siwork.policies.server.client import Client, Model, Question, Refused
from siwork.policies.server.saying import Said, Way
from siwork.schema import KnobError, RunError

_SETTLED = 1.0  # s between two looks at whose answers they are


class Asked(NamedTuple):
    """k completions of each of n prompts."""

    way: Way
    model: Model
    name: str  # of the model that is asked, an adapter's where one is served
    prompts: Sequence[str]
    read: Sequence[Any]  # the prompts as they are sent: texts, or token numbers
    streams: np.ndarray  # (n, k) uint64
    chance: Chance
    mark: str = ""  # of the weights that are asked, where they change under one name
    sure: Callable[[], bool] | None = None  # whether the server still has them; None where nothing changes them


class Stale(Exception):
    """The server has other weights than those that are to be asked: it was started again, or another run gave it some."""


class _Part(NamedTuple):
    """One request: some completions of a prompt."""

    prompt: int
    columns: np.ndarray  # of its streams


def ask(client: Client, asked: Asked, journal: Journal, tell: Callable[[float], None] | None = None) -> list[Said]:
    """The n · k completions, those of a prompt side by side.

    Raises
    ------
    KnobError : a prompt leaves no room for a completion
    RunError : the server stays away
    Stale : it lost the weights on the way; what it said before is kept
    """
    n, k = asked.streams.shape
    batch = _Batch(client, asked, journal, tell)
    for i in range(n):
        columns = np.arange(k)
        for part in np.array_split(columns, k) if client.make.seeds == "completion" and k else [columns]:
            if len(part):
                batch.want(_Part(i, part))
    batch.play()
    return [said for row in batch.found for said in row if said is not None]


class _Batch:
    """What is asked, what came, and what is missing."""

    def __init__(self, client: Client, asked: Asked, journal: Journal, tell: Callable[[float], None] | None) -> None:
        self.client, self.asked, self.journal, self.tell = client, asked, journal, tell
        n, k = asked.streams.shape
        self.found: list[list[Said | None]] = [[None] * k for _ in range(n)]
        self.parts: list[_Part] = []
        self.keys: list[str] = []
        self.questions: list[Question] = []
        self.done = 0
        self.held: list[tuple[str, list[Any]]] = []  # answers that are kept once it is sure whose they are
        self.settled = monotonic()

    def want(self, part: _Part) -> Question | None:
        """Take a part from the journal, or note it as missing; the question that is to be asked."""
        question, asked = self._question(part), self.asked
        weights = [asked.way.make.model, asked.mark]  # whatever name they go by now
        body = {**(question.body or {}), "model": weights}
        key = key_of_question({"route": question.route, "body": body})
        known = self.journal.get(key)
        if known is not None and len(known) == len(part.columns):
            self._keep(part, [Said(*one) for one in known])
            return None
        self.parts.append(part)
        self.keys.append(key)
        self.questions.append(question)
        return question

    def play(self) -> None:
        """Ask for all that is missing. Raises as `ask`, and as `Client.sentence` for what the server refuses."""
        try:
            self.client.ask_all(list(self.questions), self._came)
        except Refused as refused:
            if refused.status == 404 and self.asked.sure is not None:  # an adapter that a new start has forgotten
                raise Stale from None
            longest = max((self.asked.prompts[part.prompt] for part in self.parts), key=len, default="")
            raise self.client.sentence(refused, longest) from None
        self._settle()
        if self.tell is not None:
            self.tell(1.0)

    def _settle(self) -> None:
        """Keep what came in, if it came from the right weights. Raises Stale."""
        if self.held and self.asked.sure is not None and not self.asked.sure():
            raise Stale
        for key, answer in self.held:
            self.journal.put(key, answer)
        self.held, self.settled = [], monotonic()

    def _came(self, place: int, answer: Any) -> list[Question]:
        part, said = self.parts[place], self.asked.way.read(answer, self.asked.chance)
        wanted = len(part.columns)
        said = said[:1] * wanted if self.asked.chance.temperature == 0 else said
        if len(said) < wanted:  # a server that gives one however many are wanted: ask for each
            alone = [self.want(_Part(part.prompt, part.columns[j : j + 1])) for j in range(wanted)]
            return [question for question in alone if question is not None]
        self.held.append((self.keys[place], [list(one) for one in said[:wanted]]))
        self._keep(part, said[:wanted])
        if self.asked.sure is None or monotonic() - self.settled > _SETTLED:
            self._settle()
        return []

    def _keep(self, part: _Part, said: Sequence[Said]) -> None:
        for column, one in zip(part.columns, said, strict=True):
            self.found[part.prompt][column] = one
        self.done += len(said)
        if self.tell is not None and self.done < self.asked.streams.size:
            self.tell(self.done / self.asked.streams.size)

    def _question(self, part: _Part) -> Question:
        asked = self.asked
        read, most = asked.read[part.prompt], self.client.make.max_new
        if asked.model.context is not None and not isinstance(read, str):
            most = min(most, asked.model.context - len(read))
        if most < 1:
            raise KnobError(
                f"server: prompt {part.prompt} has {len(read):,} tokens and the model's context {asked.model.context:,}, which "
                "leaves none for a completion; shorten the prompt, or serve the model with a longer context"
            )
        seed = seed_of(asked.streams[part.prompt, part.columns])
        return asked.way.question(read, len(part.columns), seed, asked.chance, most, asked.name)


def seed_of(streams: np.ndarray) -> int:
    """One number of all the streams (k,) of a request."""
    mixed = np.uint64(0)
    for stream in streams.astype(np.uint64):
        mixed = scramble(np.array([mixed ^ stream], np.uint64))[0]
    return int(mixed)


def score(client: Client, name: str, prompts: Sequence[np.ndarray], responses: Sequence[np.ndarray]) -> np.ndarray:
    """log π of responses given as token numbers (n,), nats at temperature 1, by a vLLM.

    Raises KnobError where prompt and response do not fit into the context, RunError as `ask`.
    """
    found = np.zeros(len(responses))
    rows = [i for i, ids in enumerate(responses) if len(ids)]
    questions = [_score_question(name, prompts[i], responses[i]) for i in rows]

    def came(place: int, answer: Any) -> None:
        i = rows[place]
        found[i] = _prompt_log_probability(client, answer, prompts[i], responses[i])

    try:
        client.ask_all(questions, came)
    except Refused as refused:
        raise client.sentence(refused) from None
    return found


def _score_question(name: str, prompt: np.ndarray, response: np.ndarray) -> Question:
    ids = [*map(int, prompt), *map(int, response)]
    body = {"model": name, "prompt": ids, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
    return Question("/v1/completions", body)


def _prompt_log_probability(client: Client, answer: Any, prompt: np.ndarray, response: np.ndarray) -> float:
    try:
        told = answer["choices"][0]["prompt_logprobs"][len(prompt) : len(prompt) + len(response)]
        return float(sum(place[str(int(token))]["logprob"] for place, token in zip(told, response, strict=True)))
    except (KeyError, IndexError, TypeError, ValueError):
        raise RunError(
            f"{client.make.url} tells no log-probabilities of a given text; a vLLM is expected there"
        ) from None
