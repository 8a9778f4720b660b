"""open-instruct's rollout traces: shards of lines with token ids and no text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from siwork.files.lines import Skips, counted, existing, files, objects
from siwork.files.values import real, shown, text
from siwork.importers.found import Collected, Found, together
from siwork.importers.identity import problem_id
from siwork.importers.shared import complete, log_probability, nothing, step_of, token_ids
from siwork.schema import ImportFormatError, KnobError

Decode = Callable[[list[int]], str]
_FILE = re.compile(r"(.+)_rollouts_\d+\.jsonl")


def read(path: Path, decode: Decode | None = None) -> Found:
    """The shards of a folder (`rollouts_save_path`), which must be of one run, or one shard.

    decode : text of a list of token ids, as a tokenizer's `decode`; None writes the ids themselves, with spaces between

    Raises ImportFormatError when there is none, or several runs are; KnobError when decode is no function, or gives no text.
    """
    if decode is not None and not callable(decode):
        raise KnobError(
            f"decode must be a function of a list of token ids, got {type(decode).__name__}; pass tokenizer.decode"
        )
    places, run = _places(existing(path))
    skips, tallies, seen = Skips(), Counter[str](), set[tuple[int, int]]()
    table, partly = complete(together(_part(place, decode, skips, tallies, seen) for place in places))
    notes = (*_told(tallies, decode), *partly)
    return Found("open-instruct rollouts", run, table, skips, notes, score="reward")


def _places(path: Path) -> tuple[list[Path], str]:
    """The shards, and the run that their names begin with."""
    found = [path] if path.is_file() else files(path, _FILE.pattern)
    runs = sorted({match[1] for place in found if (match := _FILE.fullmatch(place.name))})
    if len(runs) > 1:
        raise ImportFormatError(
            f"{path} holds shards of {len(runs)} runs, {', '.join(runs[:5])}; move those of one into a folder of its own"
        )
    if not found:
        raise nothing(
            path, "<run>_rollouts_<shard>.jsonl; train with save_traces and name the folder rollouts_save_path"
        )
    return found, runs[0] if runs else path.stem


def _part(
    place: Path, decode: Decode | None, skips: Skips, tallies: Counter[str], seen: set[tuple[int, int]]
) -> pa.Table:
    part = Collected(skips)
    for number, one in objects(place, skips):
        step, asked, given = (
            step_of(one.get("step")),
            token_ids(one.get("prompt_tokens")),
            token_ids(one.get("response_tokens")),
        )
        if step is None or asked is None or given is None:
            skips.add(
                place, number, "step, prompt_tokens and response_tokens are expected, a number and lists of token ids"
            )
            continue
        right = token_ids(one.get("ground_truth"))
        prompt, response = _said(asked, decode), _said(given, decode)
        target = None if right is None else _said(right, decode)
        if prompt is None or response is None:
            skips.add(place, number, "decode refuses the token ids")
            continue
        row = {"round": step, "split": "train", "prompt": prompt, "response": response, "target": target}
        key = problem_id(_written(asked), None if right is None else _written(right))
        part.add({**row, "key": key, **_known(one, len(given))}, {"reward": real(one.get("reward"))}, _others(one))
        tallies["tools"] += bool(one.get("request_info"))
        mark = (step, step_of(one.get("sample_idx")) or 0)
        tallies["again"] += "sample_idx" in one and mark in seen
        seen.add(mark)
    return part.table()


def _written(ids: list[int]) -> str:
    return " ".join(map(str, ids))


def _said(ids: list[int], decode: Decode | None) -> str | None:
    """The text of token ids; None where the given function fails on them."""
    if decode is None:
        return _written(ids)
    try:
        found = decode(ids)
    except Exception:  # ids come from the file and the function from the user: either may be at odds with the other
        return None
    if not isinstance(found, str):
        raise KnobError(f"decode must give text, got {type(found).__name__}; pass tokenizer.decode")
    return text(found)


def _known(one: dict[str, Any], size: int) -> dict[str, Any]:
    reason = one.get("finish_reason")
    return {
        "n_tokens": size,
        "logp": log_probability(one.get("logprobs"), size),
        "finished": reason == "stop" if isinstance(reason, str) else None,
        "advantage": real(one.get("advantage")),
    }


def _others(one: dict[str, Any]) -> dict[str, str | None]:
    return {name: shown(one[name]) for name in ("dataset", "finish_reason") if name in one}


def _told(tallies: Counter[str], decode: Decode | None) -> list[str]:
    notes = []
    if decode is None:
        notes.append(
            "The log holds token ids and no text: prompts, responses and targets are ids with spaces between. "
            "Pass decode=tokenizer.decode to read them."
        )
    return notes + counted(
        tallies,
        {
            "tools": "{} completions called tools; their tokens are in the responses.",
            "again": "{} rows have the step and sample number of an earlier one, as after a restart; all are kept.",
        },
    )
