"""ms-swift's GRPO and GKD completions: lines that each hold a whole table, a queue that may repeat rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from siwork.files.lines import Skips, document, existing, files, folders, objects
from siwork.files.values import real, said, shown
from siwork.importers.found import Collected, Found, together
from siwork.importers.identity import first_of_repeats
from siwork.importers.shared import above_zero, complete, nothing, records, run_name, step_of
from siwork.schema import ImportFormatError

_NAME = "completions.jsonl"
_TURNS = "num_turns"  # numbers, yet no reward
_OWN = frozenset(("step", "gen_step", "prompt", "completion", "advantages", "solution", "entropy"))


def read(path: Path) -> Found:
    """The completions of an output folder, of the only run version (`v0-<date>`) in it, or one file.

    Raises ImportFormatError when there is none, or several versions are.
    """
    place = _place(existing(path))
    skips, tallies = Skips(), Counter[str]()
    lines = list(_lines(place, skips, tallies))
    whole, partly = complete(together(lines))
    batch = np.repeat(np.arange(len(lines)), [line.num_rows for line in lines])
    notes = [*_unequal(tallies), *partly]
    if whole.num_rows:
        told = _evaluated(place.parent)
        whole, batch, repeated = _once(whole, batch)
        whole, held = _evaluations(whole, batch, told or frozenset())
        notes += [*_repeats(repeated), *held]
        notes += [] if told is not None else ["No trainer_state.json tells which lines are of evaluations."]
    return Found("ms-swift completions", run_name(place), whole, skips, tuple(notes))


def _place(path: Path) -> Path:
    if path.is_file():
        return path
    if files(path, r"completions\.jsonl"):
        return path / _NAME
    found = [folder for folder in folders(path, r"v\d+-.*") if (folder / _NAME).is_file()]
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found[:5])
        raise ImportFormatError(f"{path} holds {len(found)} versions of the run, {names}; name one of them")
    if not found:
        raise nothing(path, f"{_NAME}; name the trainer's output_dir, and train with log_completions=True")
    return found[0] / _NAME


def _lines(place: Path, skips: Skips, tallies: Counter[str]) -> Iterator[pa.Table]:
    """The table of each line that is one."""
    for number, one in objects(place, skips):
        prompts, responses = one.get("prompt"), one.get("completion")
        steps = one.get("step", one.get("gen_step"))
        if not (isinstance(prompts, list) and isinstance(responses, list) and isinstance(steps, list)):
            skips.add(place, number, "lists step, prompt and completion are expected")
        elif not len(prompts) == len(responses) == len(steps):
            skips.add(place, number, "step, prompt and completion differ in length")
        else:
            yield _line({**one, "step": steps}, len(prompts), (place, number), skips, tallies)


def _line(one: dict[str, Any], size: int, at: tuple[Path, int], skips: Skips, tallies: Counter[str]) -> pa.Table:
    columns = {name: value for name, value in one.items() if isinstance(value, list) and len(value) == size}
    tallies["unequal"] += sum(isinstance(value, list) for value in one.values()) - len(columns)
    own = [name for name in columns if name not in _OWN]
    rewards = [name for name in own if name != _TURNS and _are_numbers(columns[name])]
    others = [name for name in own if name not in rewards]
    part = Collected(skips)
    for i in range(size):
        step, prompt, response = step_of(one["step"][i]), said(one["prompt"][i]), said(one["completion"][i])
        if step is None or prompt is None or response is None:
            skips.add(*at, f"sample {i}: a step and texts are expected")
            continue
        row = {"round": step, "split": "train", "prompt": prompt, "response": response, **_known(columns, i)}
        part.add(row, {n: real(columns[n][i]) for n in rewards}, {n: shown(columns[n][i]) for n in others})
    return part.table()


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether a column is a reward: numbers, or nothing where a function gave none."""
    return all(value is None or isinstance(value, (bool, int, float)) for value in values) and any(
        value is not None for value in values
    )


def _known(columns: dict[str, list[Any]], i: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "solution" in columns:
        right = columns["solution"][i]
        found["target"] = None if right is None else shown(right) or str(right)
    if "advantages" in columns:
        found["advantage"] = real(columns["advantages"][i])
    if "entropy" in columns:
        found["entropy"] = above_zero(columns["entropy"][i])
    return found


# ── traps ──────────────────────────────────────────────────────────────────────────────────────────────
def _once(whole: pa.Table, batch: np.ndarray) -> tuple[pa.Table, np.ndarray, int]:
    """Without lines that the queue repeats: equal ones, and ones that the next line begins with."""
    same = whole.drop_columns([name for name in ("entropy",) if name in whole.column_names])
    keep, repeated = first_of_repeats(same, batch.tolist())
    batch, whole, same = batch[keep], whole.filter(pa.array(keep)), same.filter(pa.array(keep))
    rows = _by_line(batch, _marks(same))
    begun = [
        one
        for (one, first), (_, then) in pairwise(rows.items())
        if len(first) < len(then) and first == then[: len(first)]
    ]
    keep = ~np.isin(batch, begun)
    return whole.filter(pa.array(keep)), batch[keep], repeated + len(begun)


def _marks(table: pa.Table) -> list[str]:
    """Each row as one text, but for its place."""
    names = [name for name in table.column_names if name not in ("round", "split", "entropy")]
    return [repr(list(row.values())) for row in table.select(names).to_pylist()]


def _by_line(batch: np.ndarray, marks: list[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for line, mark in zip(batch.tolist(), marks, strict=True):
        found.setdefault(line, []).append(mark)
    return found


def _evaluated(home: Path) -> frozenset[int] | None:
    """Steps with an evaluation by the newest `trainer_state.json`; None when there is none."""
    homes = [home, *reversed(folders(home, r"checkpoint-\d+"))]
    place = next((f for each in homes if (f := each / "trainer_state.json").is_file()), None)
    if place is None:
        return None
    state = document(place)
    history = records(state.get("log_history")) if isinstance(state, dict) else []
    steps = [step_of(one.get("step")) for one in history if any(key.startswith("eval_") for key in one)]
    return frozenset(step for step in steps if step is not None)


def _evaluations(whole: pa.Table, batch: np.ndarray, told: frozenset[int]) -> tuple[pa.Table, list[str]]:
    """The last line of an evaluated step, and the second line of any step, as held out, without older rows of the queue."""
    lines = _by_line(batch, _marks(whole))
    rounds = dict(zip(batch.tolist(), whole["round"].to_pylist(), strict=True))
    last, times = {step: line for line, step in rounds.items()}, Counter(rounds.values())
    held = {line for step, line in last.items() if step in told or times[step] > 1}
    keep, before, begin = np.ones(len(batch), bool), set[str](), 0
    for line, marks in lines.items():
        if line in held:
            fresh = next((i for i, mark in enumerate(marks) if mark not in before), len(marks))
            keep[begin : begin + fresh] = False
        else:
            before = set(marks)
        begin += len(marks)
    split = pa.array(np.where(np.isin(batch, list(held)), "heldout", "train").tolist(), pa.string())
    whole = whole.set_column(whole.column_names.index("split"), "split", split).filter(pa.array(keep))
    return whole, [f"{len(held)} lines are of evaluations; they are held out."] if held else []


def _repeats(repeated: int) -> list[str]:
    if not repeated:
        return []
    return [
        f"{repeated} lines hold the rows of another one again (the trainer used its samples several times); left out."
    ]


def _unequal(tallies: Counter[str]) -> list[str]:
    if not tallies["unequal"]:
        return []
    return [f"{tallies['unequal']} columns are longer or shorter than the others of their line; they were left out."]
