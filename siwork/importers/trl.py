"""TRL's GRPO completions: one Parquet file a logged step, a queue that may repeat rows, evaluations in between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from siwork.files.lines import Skips, document, existing, files, folders, number_in
from siwork.files.parquets import numbers_of, table_of, values_of
from siwork.files.values import said, shown, whole
from siwork.importers.found import OTHER, REWARD, Found, together
from siwork.importers.identity import first_of_repeats
from siwork.schema import ImportFormatError

_FILE = r"completions_\d+\.parquet"
_OWN = ("step", "prompt", "completion", "advantage")
_EVAL = "eval_"


class _State(NamedTuple):
    """What `trainer_state.json` tells."""

    every: int | None  # steps between two logs
    evaluated: frozenset[int]  # steps with an evaluation
    told: bool


def read(path: Path) -> Found:
    """The completions below an output folder, or a folder of completions, or one file.

    Raises ImportFormatError when there is none, or a file lacks prompt or completion.
    """
    places = _places(path)
    skips = Skips()
    parts = [(place, part) for place in places for part in [_part(place, skips)] if part is not None]
    state = _state(path, skips)
    steps = [_step(place, part) for place, part in parts]
    tables = [_renamed(part, step, skips) for (_, part), step in zip(parts, steps, strict=True)]
    batch = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    whole = together(tables)
    if not whole.num_rows:
        return Found("TRL GRPO completions", _run(path), whole, skips)
    keep, repeated = first_of_repeats(whole, batch.tolist())
    whole, batch = whole.filter(pa.array(keep)), batch[keep]
    whole, notes = _evaluations(whole, batch, steps, state)
    notes += [_repeats(repeated, len(tables))] if repeated else []
    notes += _sparse(sorted(set(steps)), state, repeated)
    return Found("TRL GRPO completions", _run(path), whole, skips, tuple(notes))


def _places(path: Path) -> list[Path]:
    if existing(path).is_file():
        return [path]
    found = [place for home in (path / "completions", path) if home.is_dir() for place in files(home, _FILE)]
    if not found:
        raise ImportFormatError(
            f"{path} holds no completions_<step>.parquet, nor does a folder completions in it; name the trainer's output_dir, "
            "and train with log_completions=True (TRL 0.28 or later writes files)"
        )
    return found


def _run(path: Path) -> str:
    home = path.parent if path.is_file() else path
    return (home.parent if home.name == "completions" else home).resolve().name


def _part(place: Path, skips: Skips) -> pa.Table | None:
    """One file, None when it cannot be read."""
    table = table_of(place, skips)
    if table is None:
        return None
    lacking = [name for name in ("prompt", "completion") if name not in table.column_names]
    if lacking:
        raise ImportFormatError(
            f"{place} lacks the column {lacking[0]!r}, it has {', '.join(table.column_names[:8])}; TRL's completions have "
            "step, prompt, completion, a column a reward, advantage"
        )
    return table


def _step(place: Path, part: pa.Table) -> int:
    """The step of a file: its column, unless a reward function of that name has replaced it, else the file's name."""
    column = part["step"] if "step" in part.column_names else None
    if column is not None and pa.types.is_integer(column.type) and len(column.unique()) == 1:
        return max(whole(column[0].as_py()) or 0, 0)
    return number_in(place.stem) or 0


def _renamed(part: pa.Table, step: int, skips: Skips) -> pa.Table:
    """The columns under the names that all readers use."""
    size = part.num_rows
    columns: dict[str, Any] = {
        "round": pa.array(np.full(size, step), pa.int64()),
        "split": pa.array(["train"] * size, pa.string()),
        "prompt": _texts(part["prompt"]),
        "response": _texts(part["completion"]),
    }
    if "advantage" in part.column_names and pa.types.is_floating(part["advantage"].type):
        columns["advantage"] = numbers_of(part["advantage"])
    for name in part.column_names:
        if name not in _OWN and skips.keeps(name):
            columns |= _other(name, part[name])
        elif name not in _OWN:
            skips.beyond += part.num_rows
    return pa.table(columns)


def _other(name: str, column: pa.ChunkedArray) -> dict[str, Any]:
    """A reward, which is a number, or another column that was logged, as text."""
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return {f"{REWARD}{name}": numbers_of(column)}
    return {f"{OTHER}{name}": pa.array([shown(value) for value in values_of(column)], pa.string())}


def _texts(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    return pa.array([said(value) for value in values_of(column)], pa.string())


# ── traps ──────────────────────────────────────────────────────────────────────────────────────────────
def _state(path: Path, skips: Skips) -> _State:
    """From the newest `trainer_state.json`, beside the completions or in the last checkpoint."""
    home = path.parent if path.is_file() else path
    home = home.parent if home.name == "completions" else home
    places = [home / "trainer_state.json", *(f / "trainer_state.json" for f in reversed(_checkpoints(home)))]
    for place in places:
        if place.is_file():
            try:
                return _told(document(place))
            except ImportFormatError as error:
                skips.add(place, 0, str(error))
    return _State(None, frozenset(), False)


def _checkpoints(home: Path) -> list[Path]:
    return folders(home, r"checkpoint-\d+") if home.is_dir() else []


def _told(state: Any) -> _State:
    entries = state.get("log_history") if isinstance(state, dict) else None
    history = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    evaluated = [one.get("step") for one in history if any(str(key).startswith(_EVAL) for key in one)]
    every = state.get("logging_steps") if isinstance(state, dict) else None
    steps = frozenset(step for step in evaluated if isinstance(step, int))
    return _State(every if isinstance(every, int) else None, steps, bool(history))


def _evaluations(whole: pa.Table, batch: np.ndarray, steps: Sequence[int], state: _State) -> tuple[pa.Table, list[str]]:
    """Rows of evaluations as held out: in the file of an evaluated step, all that no earlier file holds."""
    if not state.evaluated:
        lacks = "" if state.told else "No trainer_state.json tells whether files of evaluations are among them."
        return whole, [lacks] if lacks else []
    step = np.array(steps)[batch]
    marks = _marks(whole)
    keep, last = np.ones(len(step), bool), set[Any]()  # marks of the training rows before
    for each in dict.fromkeys(batch.tolist()):
        rows = np.flatnonzero(batch == each)
        if step[rows[0]] in state.evaluated:
            fresh = next((i for i, row in enumerate(rows) if marks[row] not in last), len(rows))
            keep[rows[:fresh]] = False  # older training rows that the evaluation has not pushed out of the queue
        else:
            last = {marks[row] for row in rows}
    split = np.where(np.isin(step, list(state.evaluated)), "heldout", "train").tolist()
    there = sorted(set(step.tolist()) & state.evaluated)
    whole = whole.set_column(whole.column_names.index("split"), "split", pa.array(split, pa.string()))
    words = f"Step{'s' * (len(there) > 1)} {_few(there)}: an evaluation's rows stand where training rows were; they are held out."
    return whole.filter(pa.array(keep)), [words] if there else []


def _marks(whole: pa.Table) -> list[str]:
    """Each row as one text, but for its place."""
    names = [name for name in whole.column_names if name not in ("round", "split")]
    return [repr(list(row.values())) for row in whole.select(names).to_pylist()]


def _repeats(repeated: int, all_files: int) -> str:
    return (
        f"{repeated} of {all_files} files hold the rows of an earlier one again (the trainer used its samples several times); "
        "they were left out."
    )


def _sparse(steps: Sequence[int], state: _State, repeated: int) -> list[str]:
    """Steps of which nothing was kept."""
    gap = state.every or (min(np.diff(steps).tolist(), default=1) if len(steps) > 1 and not repeated else 1)
    if gap <= 1:
        return []
    return [f"Logged every {gap} steps: only the last generation batch before each log is on the disk."]


def _few(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps[:6])) + (" …" if len(steps) > 6 else "")
