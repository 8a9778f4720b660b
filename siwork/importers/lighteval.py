"""lighteval's details (`--save-details`, 0.11 and later): one Parquet file a task and date, below one folder a model."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from siwork.files.lines import Skips, below, counted, existing
from siwork.files.parquets import BROKEN, short
from siwork.files.values import real, said, shown, text
from siwork.importers.checkpoints import Place, newest, place_of, rounds_of
from siwork.importers.found import Collected, Found, together
from siwork.schema import ImportFormatError

KIND = "lighteval details"
_FILE = r"details_.+\.parquet"
_DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?")
_ADDRESS = re.compile(r"<function (\S+) at 0x[0-9a-f]+>")
_TAKEN = ["doc", "metric", "model_response.input", "model_response.text", "model_response.text_post_processed"]
_OLD = (
    "These look like details of lighteval before 0.11: read them with from_table, "
    "columns={'prompt': 'full_prompt', 'response': 'predictions'}."
)
_AGGREGATED = (
    "Metrics of lighteval are of a question, not of a sample, and what is right is not stored: truth is unknown. "
    "Pass gold=, as gold=lambda row: row['response'].strip() == row['target']."
)


def read(path: Path) -> Found:
    """The samples below an `output_dir`, its folder `details`, a model's folder, a date's, or one file.

    Raises ImportFormatError when there are none, or the columns are those of lighteval before 0.11.
    """
    places, notes = newest(_places(path))
    rounds, how = rounds_of([place.model for place in places], "the model's folder")
    skips, tallies = Skips(), Counter[str]()
    table = together([_part(place, rounds[place.model], skips, tallies) for place in places])
    if not table.num_rows and tallies["no text"]:
        raise ImportFormatError(
            f"{path} holds log-probabilities of choices and no sampled text; name a generative task"
        )
    return Found(KIND, _run(path), table, skips, (how, *notes, _AGGREGATED, *_told(tallies)))


def _places(path: Path) -> list[Place]:
    found = [path] if existing(path).is_file() else below(path, _FILE, 6)
    if not found:
        raise ImportFormatError(f"{path} holds no details_<task>_<date>.parquet; run lighteval with --save-details")
    return [place_of(each, _model(each, path), "details") for each in found]


def _model(file: Path, path: Path) -> str:
    """The folders between the details and the date, which are the model's name."""
    home = file.resolve().parent
    home = home.parent if _DATED.fullmatch(home.name) else home
    parts = home.parts
    after = len(parts) - 1 - parts[::-1].index("details") if "details" in parts else None
    if after is not None and after + 1 < len(parts):
        return "/".join(parts[after + 1 :])
    top = (path.parent if path.is_file() else path).resolve()
    return home.relative_to(top).as_posix().strip(".") or home.name if home.is_relative_to(top) else home.name


def _run(path: Path) -> str:
    home = (path.parent if path.is_file() else path).resolve()
    return home.parent.name if home.name == "details" or _DATED.fullmatch(home.name) else home.name


# ── rows ───────────────────────────────────────────────────────────────────────────────────────────────
def _part(place: Place, round: int, skips: Skips, tallies: Counter[str]) -> pa.Table:
    part = Collected(skips)
    for number, row in _rows(place.path, skips):
        doc, response = _struct(row.get("doc")), _struct(row.get("model_response"))
        samples = response.get("text")
        prompt = said(doc.get("query")) or said(response.get("input"))
        if isinstance(samples, list) and not samples:
            tallies["no text"] += 1
        elif prompt is None or not isinstance(samples, list) or not all(isinstance(each, str) for each in samples):
            skips.add(place.path, number, "doc.query and model_response.text, a list of texts, are expected")
        else:
            plain = {"round": round, "split": "heldout", "prompt": prompt, **_asked(doc, place.task, tallies)}
            _add(part, plain, samples, response.get("text_post_processed"), _struct(row.get("metric")))
    return part.table()


def _rows(path: Path, skips: Skips) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file with their numbers, from 1; a file that cannot be read is counted."""
    number = 0
    try:
        file = pq.ParquetFile(path)
        _see_columns(path, file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=1024, columns=_TAKEN):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except BROKEN as error:
        skips.add(path, number, f"no Parquet file to its end ({short(error)})")


def _see_columns(path: Path, names: list[str]) -> None:
    if "doc" in names and "model_response" in names:
        return
    old = "full_prompt" in names or "predictions" in names
    raise ImportFormatError(
        f"{path} lacks the columns doc and model_response, it has {', '.join(map(str, names[:8]))}. "
        + (_OLD if old else "Details of lighteval 0.11 or later are expected.")
    )


def _struct(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _asked(doc: dict[str, Any], task: str, tallies: Counter[str]) -> dict[str, Any]:
    """Problem and right answer; ids are the rows of the task's data set, not those of the file."""
    number, name = shown(doc.get("id")), text(doc.get("task_name")) or task
    target = _target(doc.get("choices"), doc.get("gold_index"))
    tallies["no target"] += target is None
    return {"key": None if number is None else f"{name}/{number}", "target": target}


def _target(choices: Any, gold: Any) -> str | None:
    """The right choice; several as a JSON list; None where the index points nowhere."""
    indices = gold if isinstance(gold, list) else [gold]
    if not isinstance(choices, list) or not all(type(i) is int and 0 <= i < len(choices) for i in indices):
        return None
    right = [shown(choices[i]) for i in indices]
    return right[0] if len(right) == 1 else json.dumps(right, ensure_ascii=False) if right else None


def _add(part: Collected, plain: dict[str, Any], samples: list[str], processed: Any, metric: dict[str, Any]) -> None:
    alone = len(samples) == 1
    rewards = {_named(name): value for name in metric for value in [real(metric[name])]} if alone else {}
    later = processed if isinstance(processed, list) and len(processed) == len(samples) else samples
    for i, (sample, after) in enumerate(zip(samples, later, strict=True)):
        others = {"post_processed": text(after)} if later != samples else {}
        part.add({**plain, "response": text(sample), "sample": i}, rewards, others)


def _named(metric: str) -> str:
    """A metric's name without the address of a function, which differs from run to run.

    >>> _named("avg@n:f=<function sc at 0x7f6b40c32de0>")
    'avg@n:f=sc'
    """
    return _ADDRESS.sub(r"\1", text(metric) or "")


def _told(tallies: Counter[str]) -> list[str]:
    return counted(
        tallies,
        {
            "no text": "{} questions have no sampled text (log-probabilities of choices); they were left out.",
            "no target": "{} questions have no choice at their gold_index; their right answer is unknown.",
        },
    )
