"""Inspect's logs (`.eval` and `.json`), read by inspect_ai itself: one file an evaluation."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from siwork.files.lines import Skips, below, counted, existing
from siwork.files.values import real, said, shown, text, whole
from siwork.importers.archives import see_depth, see_members
from siwork.importers.checkpoints import step_in
from siwork.importers.depths import TooDeep
from siwork.importers.found import Collected, Found, together
from siwork.importers.shared import complete
from siwork.schema import ImportFormatError, missing_extra

KIND = "Inspect logs"
_FILE = r".+\.(eval|json)"
_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_FIELDS = ("round", "step", "global_step", "iteration", "checkpoint")
_DEEP = 4  # levels of a score that is a dict of dicts
_LARGEST = 1 << 31  # bytes of a .json log
_LARGE = {"messages", "events", "store"}  # of a sample; most of a log, and nothing that is asked for here
_NO_FILE = "no log that inspect_ai can read"


class _Log(NamedTuple):
    """One evaluation."""

    path: Path
    log: Any

    @property
    def created(self) -> float:
        try:
            moment = datetime.fromisoformat(str(self.log.eval.created))
        except ValueError:
            return 0.0
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read(path: Path) -> Found:
    """The samples of one log, or of all logs in a folder.

    Raises MissingExtra without inspect_ai; ImportFormatError when there is no log, or an archive would fill the memory.
    """
    try:
        from inspect_ai.log import read_eval_log
    except ImportError:
        raise missing_extra("from_inspect", "inspect-ai", "inspect") from None
    skips, tallies = Skips(), Counter[str]()
    logs = [one for place in _places(path) for one in [_log(place, read_eval_log, skips)] if one is not None]
    logs, notes = _retried(logs)
    rounds, how = _rounds(logs)
    judged: dict[str, set[str]] = {}
    parts = [_part(one, r, skips, tallies, judged) for one, r in zip(logs, rounds, strict=True)]
    table, partly = complete(together(parts))
    told = (*how, *notes, *partly, *_told(tallies), *_graded(judged))
    return Found(KIND, _run(path), table, skips, told)


def _places(path: Path) -> list[Path]:
    if existing(path).is_file():
        return [path]
    found = below(path, _FILE, 4)
    if not found:
        raise ImportFormatError(f"{path} holds no .eval or .json log; name the log_dir of Inspect")
    return found


def _run(path: Path) -> str:
    return (path.parent if path.is_file() else path).resolve().name


def _log(place: Path, reader: Any, skips: Skips) -> _Log | None:
    """One log, None when it cannot be read: a run that was stopped leaves half of one."""
    try:
        if place.suffix == ".eval":
            see_members(place)
        elif place.stat().st_size > _LARGEST:
            raise ImportFormatError(f"{place} is larger than {_LARGEST >> 30} GiB; write it as .eval")
        else:
            see_depth(place)
        log = reader(str(place.resolve()), resolve_attachments=True, exclude_fields=_LARGE)
    except ImportFormatError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, TooDeep) as error:
        skips.add(place, 0, f"{_NO_FILE} ({str(error).splitlines()[0][:80] if str(error) else type(error).__name__})")
        return None
    except Exception as error:  # the reader promises no kind of error for foreign content
        skips.add(place, 0, f"{_NO_FILE} ({type(error).__name__})")
        return None
    return _Log(place, log)


def _retried(logs: Sequence[_Log]) -> tuple[list[_Log], list[str]]:
    """The newest log of each task id, in the order in which they were begun; a retry writes a file of its own."""
    chosen: dict[str, _Log] = {}
    for one in sorted(logs, key=lambda each: (each.created, each.path.name)):
        chosen[str(one.log.eval.task_id or one.path.name)] = one
    fewer = len(logs) - len(chosen)
    words = f"{fewer} logs are earlier tries of evaluations that were tried again; the last try was read."
    ordered = sorted(chosen.values(), key=lambda each: (each.created, each.path.name))
    return ordered, [words] if fewer else []


# ── rounds ─────────────────────────────────────────────────────────────────────────────────────────────
def _rounds(logs: Sequence[_Log]) -> tuple[list[int], list[str]]:
    """The round of each log: what all of them name, else the order in which the models were first evaluated."""
    for words, look in (
        ("eval.metadata", lambda log: _field(log.eval.metadata)),
        ("the tags", lambda log: _tag(log.eval.tags)),
        ("the task's arguments", lambda log: _field(log.eval.task_args)),
        ("the model's name", lambda log: step_in(str(log.eval.model))),
    ):
        found = [look(one.log) for one in logs]
        known = [each for each in found if each is not None]
        if known and len(known) == len(found):
            return known, [f"Round is the number in {words}."]
    models = list(dict.fromkeys(str(one.log.eval.model) for one in logs))
    single = len(models) < 2
    order = [i if single else models.index(str(one.log.eval.model)) for i, one in enumerate(logs)]
    what = "the logs" if single else "the models"
    return order, [f"No log names a round: {what} are counted in the order of creation."] if logs else []


def _field(found: Any) -> int | None:
    """The round in a mapping, by the names that are in use."""
    for name in _FIELDS if isinstance(found, Mapping) else ():
        value = found.get(name)
        number = whole(value) if not isinstance(value, str) else int(value) if _digits(value) else step_in(value)
        if number is not None and number >= 0:
            return number
    return None


def _digits(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 19


def _tag(tags: Any) -> int | None:
    steps = [step_in(str(tag)) for tag in tags or []]
    return next((step for step in steps if step is not None), None)


# ── samples ────────────────────────────────────────────────────────────────────────────────────────────
def _part(one: _Log, round: int, skips: Skips, tallies: Counter[str], judged: dict[str, set[str]]) -> pa.Table:
    part = Collected(skips)
    tallies["unfinished"] += one.log.status != "success"
    task = str(one.log.eval.task)
    for number, sample in enumerate(one.log.samples or [], 1):
        if sample.error is not None or not sample.output.choices:
            tallies["failed"] += 1
            continue
        prompt, response = _said(sample.input), text(sample.output.completion)
        if prompt is None or response is None:
            skips.add(one.path, number, "an input and a completion are expected as texts")
            continue
        plain = {"round": round, "split": "heldout", "prompt": prompt, "response": response}
        key = f"{task}/{shown(sample.id)}"
        rewards, answer = _scores(sample.scores or {}, judged)
        last = {"key": key, "sample": max(sample.epoch - 1, 0), "target": _target(sample.target), "answer": answer}
        part.add({**plain, **last, **_ended(sample.output, one.log.eval)}, rewards)
    return part.table()


def _said(found: Any) -> str | None:
    if isinstance(found, str):
        return text(found)
    return said([{"role": each.role, "content": each.text} for each in found])


def _target(found: Any) -> str | None:
    """The right answer; several as one text, a line each."""
    return text(found) if isinstance(found, str) else "\n".join(text(each) or "" for each in found)


def _ended(output: Any, task: Any) -> dict[str, Any]:
    """Whether the response ended by itself, its tokens, and the temperature that was asked for."""
    reason = output.choices[0].stop_reason
    tokens = output.usage.output_tokens if output.usage is not None else None
    warm = real(getattr(getattr(task, "model_generate_config", None), "temperature", None))
    return {
        "finished": True if reason == "stop" else False if reason in ("max_tokens", "model_length") else None,
        "n_tokens": tokens if tokens is not None and tokens >= 0 else None,
        "temperature": warm if warm is not None and warm >= 0 else None,
    }


def _scores(scores: Mapping[str, Any], judged: dict[str, set[str]]) -> tuple[dict[str, float | None], str | None]:
    """Raw rewards by scorer, and the answer, where all scorers that read one read the same."""
    rewards: dict[str, float | None] = {}
    for name, score in scores.items():
        for key, value in _flat(text(name) or "", score.value):
            grade = isinstance(value, str) and value in _GRADES
            judged.setdefault(key, set()).add(str(value) if grade else "number")
            rewards[key] = _GRADES[value] if grade else real(value)
    answers = {text(score.answer) for score in scores.values() if score.answer is not None}
    return rewards, next(iter(answers)) if len(answers) == 1 else None


def _flat(name: str, value: Any, depth: int = 0) -> list[tuple[str, Any]]:
    """A score as named values: a dict by its keys, a list by its places; deeper ones than a few levels are left out."""
    if depth > _DEEP:
        return []
    if isinstance(value, Mapping):
        return [one for key, each in value.items() for one in _flat(f"{name}_{text(str(key))}", each, depth + 1)]
    if isinstance(value, (list, tuple)):
        return [one for i, each in enumerate(value) for one in _flat(f"{name}_{i}", each, depth + 1)]
    return [(name, value)]


def _graded(judged: dict[str, set[str]]) -> list[str]:
    exact = [name for name, values in judged.items() if values <= {"C", "I"}]
    others = [name for name in judged if name not in exact]
    ask = f"; gold={exact[0]!r} says that it is the truth" if len(exact) == 1 else ""
    notes = [f"Scorers that grade C and I only: {', '.join(exact)}{ask}."] if exact else []
    return notes + ([f"Scorers of other values, which are opinions: {', '.join(others)}."] if others else [])


def _told(tallies: Counter[str]) -> list[str]:
    return counted(
        tallies,
        {
            "failed": "{} samples ended in an error or without an output; they were left out, so problems have unequal numbers.",
            "unfinished": "{} logs are of evaluations that did not end well; their samples so far were read.",
        },
    )
