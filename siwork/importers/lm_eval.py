"""lm-evaluation-harness with `--log_samples`: one file of lines a task and date, in one folder a model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from siwork.files.lines import Skips, below, counted, existing, objects
from siwork.files.values import real, said, shown, text, truth
from siwork.importers.checkpoints import Place, newest, place_of, rounds_of
from siwork.importers.found import Collected, Found, together
from siwork.importers.shared import complete
from siwork.schema import ImportFormatError, KnobError, nearest

KIND = "lm-evaluation-harness samples"
_FILE = r"samples_.+\.jsonl"
_KNOWN = ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics")
_OWN = frozenset((*_KNOWN, "doc_hash", "prompt_hash", "target_hash"))
_METRIC = "exact_match"


class _Doc(NamedTuple):
    """One line: the samples of a question, and what one filter made of them."""

    key: str
    prompt: str
    target: str | None
    temperature: float | None
    samples: list[str]
    filtered: list[str | None] | None  # one a sample, None where the filter left fewer
    metrics: dict[str, float]


def read(path: Path, filter: str | None = None) -> Found:
    """The samples of one file, of a model's folder, or of a folder of such.

    filter : the filter whose lines are read; None takes one that keeps a value for each sample, else the first

    Raises ImportFormatError when there are none, or only multiple choice; KnobError when no line is of that filter.
    """
    places, notes = newest(_places(path))
    rounds, how = rounds_of([place.model for place in places], "the model's folder")
    skips, tallies, judged = Skips(), Counter[str](), []
    tables = []
    for place in places:
        docs = _by_filter(place, skips, tallies)
        name = _chosen(docs, filter, place)
        if name is not None:
            table, words = _table(docs[name], rounds[place.model], skips)
            tables.append(table)
            judged += [f"Filter {name!r}: {each}" for each in words]
            judged += _others(docs, name)
    table, partly = complete(together(tables))
    if not table.num_rows and tallies["choice"]:
        raise ImportFormatError(
            f"{path} holds log-probabilities of given choices and no sampled text; name the samples of a task that "
            "generates (output_type: generate_until)"
        )
    return Found(KIND, _run(path), table, skips, (how, *notes, *dict.fromkeys(judged), *partly, *_told(tallies)))


def _places(path: Path) -> list[Place]:
    if existing(path).is_file():
        return [place_of(path, path.resolve().parent.name, "samples")]
    found = below(path, _FILE, 3)
    if not found:
        raise ImportFormatError(
            f"{path} holds no samples_<task>_<date>.jsonl; name the output_path of lm_eval, run with --log_samples"
        )
    own = path.resolve().name
    return [place_of(each, each.parent.relative_to(path).as_posix().strip(".") or own, "samples") for each in found]


def _run(path: Path) -> str:
    return (path.parent if path.is_file() else path).resolve().name


# ── lines ──────────────────────────────────────────────────────────────────────────────────────────────
def _by_filter(place: Place, skips: Skips, tallies: Counter[str]) -> dict[str, list[_Doc]]:
    """The lines of a file by their filter; a line that was appended twice is taken once."""
    found: dict[str, list[_Doc]] = {}
    seen: set[int] = set()
    for number, one in objects(place.path, skips):
        if _chooses(one):
            tallies["choice"] += 1
            continue
        doc = _doc(one, place.task, tallies)
        if doc is None:
            skips.add(place.path, number, "doc_id, arguments with a prompt and resps as lists of texts are expected")
            continue
        name = text(one.get("filter")) or "none"
        mark = hash((name, doc.key, *doc.samples))
        if mark in seen:
            tallies["again"] += 1
            continue
        seen.add(mark)
        found.setdefault(name, []).append(doc)
    return found


def _chooses(one: dict[str, Any]) -> bool:
    """Whether a line is of given texts and their log-probabilities, not of sampled ones."""
    resps = one.get("resps")
    if not isinstance(resps, list) or not resps:
        return False
    first = resps[0]
    arguments = _arguments(one)
    scored = len(arguments) > 1 and isinstance(arguments[1], str)
    return scored or len(resps) > 1 or (isinstance(first, list) and bool(first) and isinstance(first[0], list))


def _arguments(one: dict[str, Any]) -> list[Any]:
    """What the model was asked: prompt and settings of the first request, as both versions of the format have them."""
    found = one.get("arguments")
    requests = list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else []
    request = requests[0] if requests else None
    if isinstance(request, dict):
        return [request.get("arg_0"), request.get("arg_1")]
    return list(request) if isinstance(request, list) else []


def _doc(one: dict[str, Any], task: str, tallies: Counter[str]) -> _Doc | None:
    prompt, samples = _prompt(_arguments(one)[:1]), one.get("resps")
    samples = samples[0] if isinstance(samples, list) and samples else None
    number = shown(one.get("doc_id"))
    if prompt is None or number is None or not isinstance(samples, list) or not samples:
        return None
    if not all(isinstance(each, str) for each in samples):
        return None
    mark = text(one.get("doc_hash"))
    return _Doc(
        "/".join((task, number, *([mark[:12]] if mark else []))),
        prompt,
        shown(one.get("target")),
        _temperature(_arguments(one)[1:2]),
        [text(each) or "" for each in samples],
        _filtered(one.get("filtered_resps"), len(samples)),
        _metrics(one),
    )


def _prompt(found: Any) -> str | None:
    """The prompt: a text, also a message list as JSON, which models behind a server are asked with."""
    while isinstance(found, list) and len(found) == 1 and not isinstance(found[0], dict):
        found = found[0]
    if isinstance(found, str) and found.startswith('[{"'):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            return text(found)
    return said(found)


def _temperature(settings: Sequence[Any]) -> float | None:
    """Sampling temperature; 0 where nothing was sampled."""
    if not settings or not isinstance(settings[0], dict):
        return None
    value = real(settings[0].get("temperature"))
    value = 0.0 if settings[0].get("do_sample") is False else value
    return value if value is not None and value >= 0 else None


def _filtered(found: Any, size: int) -> list[str | None] | None:
    """What a filter made of each sample, None where it made fewer of them."""
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    return [shown(each) for each in found] if isinstance(found, list) and len(found) == size else None


def _metrics(one: dict[str, Any]) -> dict[str, float]:
    """Metrics of a line; each is a key of its own."""
    return {
        text(name) or "": value for name in one if name not in _OWN for value in [real(one[name])] if value is not None
    }


# ── filters and truth ──────────────────────────────────────────────────────────────────────────────────
def _chosen(docs: dict[str, list[_Doc]], asked: str | None, place: Place) -> str | None:
    if asked is not None and docs and asked not in docs:
        raise KnobError(f"filter={asked!r}: {place.path.name} has no such filter; {nearest(asked, docs)}")
    if asked is not None:
        return asked if docs else None
    each = [name for name, found in docs.items() if all(doc.filtered is not None for doc in found)]
    return next(iter([*each, *docs]), None)


def _others(docs: dict[str, list[_Doc]], name: str) -> list[str]:
    rest = ", ".join(repr(each) for each in docs if each != name)
    words = f"The lines of filter {name!r} were read; those of {rest} repeat the same samples (filter= names another)."
    return [words] if rest else []


def _table(docs: Sequence[_Doc], round: int, skips: Skips) -> tuple[pa.Table, list[str]]:
    """The samples of one file under one filter."""
    part = Collected(skips)
    rebuilt, words = _rebuilt(docs)
    for doc in docs:
        alone = len(doc.samples) == 1
        for i, sample in enumerate(doc.samples):
            row: dict[str, Any] = {"round": round, "split": "heldout", "prompt": doc.prompt, "response": sample}
            row |= {"key": doc.key, "sample": i, "target": doc.target, "temperature": doc.temperature}
            value = doc.filtered[i] if doc.filtered is not None else None
            row |= {"answer": value, "gold": _truth(doc, value, rebuilt)}
            part.add(row, doc.metrics if alone else {})
    return part.table(), words


def _truth(doc: _Doc, value: str | None, rebuilt: bool) -> bool | None:
    if len(doc.samples) == 1 and _METRIC in doc.metrics:
        return truth(doc.metrics[_METRIC])
    return value == doc.target if rebuilt and value is not None and doc.target is not None else None


def _rebuilt(docs: Sequence[_Doc]) -> tuple[bool, list[str]]:
    """Whether `filtered == target` is the truth of each sample, and what is said of it.

    It is where the filter keeps a value for each sample and the log's own exact_match is the mean of the equalities; without
    that metric, where some value equals its target.
    """
    several = [doc for doc in docs if len(doc.samples) > 1]
    if not several:
        words = f"one sample a question, so {_METRIC} is its truth."
        return False, [words] if any(_METRIC in doc.metrics for doc in docs) else []
    names = ", ".join(sorted({name for doc in several for name in doc.metrics})) or "the metric"
    ask = "truth of the samples is unknown. Pass gold=, as gold=lambda row: row['response'].strip() == row['target']."
    if any(doc.filtered is None for doc in several):
        return False, [f"{names} belongs to the one response that the filter leaves, not to each sample; {ask}"]
    agree = all(abs(doc.metrics[_METRIC] - _share(doc)) < 1e-6 for doc in several if _METRIC in doc.metrics)
    if agree and any(_METRIC in doc.metrics or _share(doc) for doc in several):
        return True, ["a sample is right where its filtered value is the target."]
    return False, [f"{names} is not the share of filtered values that are the target; {ask}"]


def _share(doc: _Doc) -> float:
    values = doc.filtered or []
    return sum(value == doc.target for value in values) / max(len(values), 1)


def _told(tallies: Counter[str]) -> list[str]:
    return counted(
        tallies,
        {
            "choice": "{} lines are of multiple choice or given texts: no sampled text, left out.",
            "again": "{} lines stand twice with one filter, as the file was appended to; they were taken once.",
        },
    )
