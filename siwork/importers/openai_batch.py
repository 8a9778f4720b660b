"""Batch output of OpenAI, vLLM and other servers: lines of responses, and lines of requests that hold the prompts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from siwork.files.lines import Skips, counted, existing, files, objects
from siwork.files.values import real, said, text, whole
from siwork.importers.checkpoints import rounds_of
from siwork.importers.found import Collected, Found, together
from siwork.importers.shared import complete
from siwork.schema import ImportFormatError, KnobError

KIND = "OpenAI-style batch"
_PARTS = ("round", "problem", "sample")


class _Request(NamedTuple):
    """What was asked."""

    prompt: str
    temperature: float | None


def read(output: Path, input: Path | None = None, custom_id: str | None = None) -> Found:
    """The responses of one output file, or of a folder of them, joined with their requests.

    input : file or folder of the requests; without it prompts are unknown
    custom_id : regular expression with the groups round, problem and sample, or some of them, for ids that hold them

    Raises ImportFormatError when there is no response; KnobError for an expression that cannot be read.
    """
    pattern = _pattern(custom_id)
    skips, tallies = Skips(), Counter[str]()
    asked = None if input is None else _requests(_places(input), skips, tallies)
    places = _places(output)
    rounds, how = rounds_of([place.stem for place in places], "the file", last=False)
    batch = _Batch(asked, pattern, skips, tallies, set())
    parts = [_part(place, rounds[place.stem], batch) for place in places]
    tallies["silent"] = len(asked.keys() - batch.answered) if asked is not None else 0
    table, partly = complete(together(parts))
    notes = [] if pattern and "round" in pattern.groupindex else [how]
    return Found(KIND, _run(output), table, skips, (*notes, *partly, *_told(tallies, asked is None)))


def _places(path: Path) -> list[Path]:
    if existing(path).is_file():
        return [path]
    found = files(path, r".+\.jsonl")
    if not found:
        raise ImportFormatError(f"{path} holds no .jsonl file; name the batch's output file, or a folder of them")
    return found


def _pattern(custom_id: str | None) -> re.Pattern[str] | None:
    if custom_id is None:
        return None
    try:
        found = re.compile(custom_id)
    except re.error as error:
        raise KnobError(f"custom_id must be a regular expression, got {custom_id!r} ({error})") from None
    if not found.groupindex or not set(found.groupindex) <= set(_PARTS):
        raise KnobError(f"custom_id needs groups named {', '.join(_PARTS)}, as (?P<round>\\d+), got {custom_id!r}")
    return found


def _run(path: Path) -> str:
    return (path.resolve().stem) if path.is_file() else path.resolve().name


class _Batch(NamedTuple):
    """What is needed to read a line of output."""

    asked: dict[str, _Request] | None
    pattern: re.Pattern[str] | None
    skips: Skips
    tallies: Counter[str]
    answered: set[str]


# ── requests ───────────────────────────────────────────────────────────────────────────────────────────
def _requests(places: list[Path], skips: Skips, tallies: Counter[str]) -> dict[str, _Request]:
    found: dict[str, _Request] = {}
    for place in places:
        for number, one in objects(place, skips):
            name, request = text(one.get("custom_id")), _request(one.get("body"))
            if name is None or request is None:
                skips.add(place, number, "custom_id and a body with messages, a prompt or an input are expected")
                continue
            tallies["asked twice"] += found.setdefault(name, request) != request
    return found


def _request(body: Any) -> _Request | None:
    if not isinstance(body, dict):
        return None
    prompt = next((said(body[name]) for name in ("messages", "prompt", "input") if body.get(name) is not None), None)
    value = real(body.get("temperature", 1.0))
    return None if prompt is None else _Request(prompt, value if value is not None and value >= 0 else None)


# ── responses ──────────────────────────────────────────────────────────────────────────────────────────
def _part(place: Path, round: int, batch: _Batch) -> pa.Table:
    part = Collected(batch.skips)
    seen: set[tuple[str, str]] = set()
    for number, one in objects(place, batch.skips):
        name, (body, why) = text(one.get("custom_id")), _body(one)
        known, lack = _known(name, batch)
        if name is None or body is None or lack:
            batch.skips.add(place, number, why or lack)
            continue
        batch.answered.add(name)
        mark = (name, str(body.get("id")))
        if mark in seen and body.get("id") is not None:
            batch.tallies["again"] += 1
            continue
        seen.add(mark)
        for i, row in enumerate(_choices(body)):
            if row["response"] is None:
                batch.skips.add(place, number, f"choice {i} holds no text")
            else:
                part.add({"round": round, "split": "heldout", **row, **known})
    return part.table()


def _known(name: str | None, batch: _Batch) -> tuple[dict[str, Any], str]:
    """What the request and the id tell of a response, or what they lack.

    Without a request an id stands for its problem, unless the expression finds the problem in it.
    """
    request = batch.asked.get(name or "") if batch.asked is not None else None
    if name is None:
        return {}, "a custom_id is expected"
    if batch.asked is not None and request is None:
        return {}, f"custom_id {name[:60]!r} is not in the input file"
    encoded = _encoded(name, batch.pattern)
    if encoded is None:
        return {}, f"custom_id {name[:60]!r} does not fit the expression"
    if request is None:
        return {"prompt": "", "key": name, "logp": None, **encoded}, ""
    sure = {} if request.temperature == 1.0 else {"logp": None}  # of another temperature, it is another quantity
    return {"prompt": request.prompt, "temperature": request.temperature, **sure, **encoded}, ""


def _body(one: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """What the server said, or why there is nothing."""
    error, response = one.get("error"), one.get("response")
    if not isinstance(response, dict):
        code = error.get("code") or error.get("message") if isinstance(error, dict) else error
        return None, f"the request failed ({str(text(code) or 'no response')[:80]})"
    status, body = response.get("status_code", 200), response.get("body")
    if status != 200:
        return None, f"the request failed (status {str(status)[:20]})"
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list) or not body["choices"]:
        return None, "a response with body.choices is expected"
    return body, ""


def _encoded(name: str, pattern: re.Pattern[str] | None) -> dict[str, Any] | None:
    """Round, problem and sample in an id; None where it does not fit."""
    if pattern is None:
        return {}
    match = pattern.search(name)
    if match is None:
        return None
    groups = {part: value for part, value in match.groupdict().items() if value is not None}
    numbers = [groups[part] for part in ("round", "sample") if part in groups]
    if not all(value.isascii() and value.isdigit() and len(value) < 19 for value in numbers):
        return None
    found: dict[str, Any] = {part: int(groups[part]) for part in ("round", "sample") if part in groups}
    return found | ({"key": groups["problem"]} if "problem" in groups else {})


def _choices(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The samples of a response; the number of tokens is that of all of them, so it is known of a single one only."""
    choices = [choice for choice in body["choices"] if isinstance(choice, dict)]
    usage = body.get("usage")
    used = whole(usage.get("completion_tokens")) if isinstance(usage, dict) and len(choices) == 1 else None
    for i, choice in enumerate(choices):
        index = whole(choice.get("index"))
        yield {
            "response": _response(choice),
            "sample": index if index is not None and index >= 0 else i,
            "n_tokens": used if used is not None and used >= 0 else None,
            "logp": _logp(choice),
            **_end(choice),
        }


def _response(choice: dict[str, Any]) -> str | None:
    message = choice.get("message")
    found = message.get("content") if isinstance(message, dict) else choice.get("text")
    return said([message]) if isinstance(found, list) else text(found)


def _end(choice: dict[str, Any]) -> dict[str, bool | None]:
    reason = choice.get("finish_reason")
    return {"finished": True if reason == "stop" else False if reason == "length" else None}


def _logp(choice: dict[str, Any]) -> float | None:
    """The sum of the log-probabilities of all tokens, None where one is missing or above 0."""
    found = choice.get("logprobs")
    tokens = found.get("content") if isinstance(found, dict) else None
    told = tokens if isinstance(tokens, list) else []
    values = [real(one.get("logprob")) if isinstance(one, dict) else None for one in told]
    if not values or any(value is None or value > 1e-6 for value in values):
        return None
    return real(sum(value for value in values if value is not None))


def _told(tallies: Counter[str], blind: bool) -> list[str]:
    notes = (
        ["Prompts are in the input file only, pass input=; until then each custom_id is a problem."] if blind else []
    )
    return notes + counted(
        tallies,
        {
            "silent": "{} requests of the input have no response in the output.",
            "again": "{} lines repeat a response that was there before; they were left out.",
            "asked twice": "{} lines of the input use the custom_id of another request; the first one was believed.",
        },
    )
