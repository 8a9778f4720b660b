"""What the readers of trainers' logs share: places on the disk, fields of fields, lists of one number a token."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from siwork.files.lines import folders
from siwork.files.pickles import refuse_pickle
from siwork.files.values import real, whole
from siwork.schema import ImportFormatError

_THROUGHOUT = ("agent",)  # columns that may not be null
_NOTHING = ("advantage", "entropy", "logp", "target", "key", "n_tokens", "finished", "temperature")
# columns that say nothing when they are null in every row
_CERTAIN = 1e-6  # nats above 0 that rounding may leave in a log-probability


# ── places ─────────────────────────────────────────────────────────────────────────────────────────────
def nothing(path: Path, expected: str) -> ImportFormatError:
    """The error for a folder without logs. Raises one of its own when the folder holds pickled files."""
    refuse_pickle(path)
    return ImportFormatError(f"{path} holds no {expected}")


def below(home: Path, names: Collection[str], depth: int) -> list[Path]:
    """Folders and files of these names at most so deep below a folder; nothing is looked for inside of what was found.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     (Path(home) / "a" / "rollout" / "rollout").mkdir(parents=True)
    ...     [str(found.relative_to(home)) for found in below(Path(home), ["rollout"], 2)]
    ['a/rollout']
    """
    found = [place for name in names if (place := home / name).is_dir() or place.is_file()]  # no pipe, which would wait
    if depth < 2 or found:
        return found
    return [place for folder in folders(home, r"[^.].*") for place in below(folder, names, depth - 1)]


def run_name(path: Path) -> str:
    """What to call the run of a folder, or of a file in it."""
    return (path.parent if path.is_file() else path).resolve().name


# ── values ─────────────────────────────────────────────────────────────────────────────────────────────
def field(one: Any, *names: str) -> Any:
    """A field of a field of an object, None where any of them is none.

    >>> field({"agent": {"name": "solver"}}, "agent", "name"), field({"agent": 3}, "agent", "name")
    ('solver', None)
    """
    for name in names:
        one = one.get(name) if isinstance(one, dict) else None
    return one


def records(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def step_of(value: Any) -> int | None:
    """A step: a whole number from 0, also written as text.

    >>> step_of(3), step_of("12"), step_of(-1), step_of("1e3")
    (3, 12, None, None)
    """
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    found = whole(value)
    return found if found is not None and found >= 0 else None


def token_ids(value: Any) -> list[int] | None:
    """Token ids; None for anything else than a list of whole numbers from 0.

    >>> token_ids([3, 1]), token_ids([3, -1]), token_ids("31")
    ([3, 1], None, None)
    """
    if not isinstance(value, list):
        return None
    found = [one for one in value if isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 2**63]
    return found if len(found) == len(value) else None


def numbers(value: Any) -> list[float] | None:
    """A list of finite numbers; None when it is no list, or one of them is none.

    >>> numbers([0.5, True]), numbers([0.5, None]), numbers(0.5)
    ([0.5, 1.0], None, None)
    """
    found = [real(one) for one in value] if isinstance(value, list) else [None]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None


def log_probability(value: Any, size: int) -> float | None:
    """The log-probability of a completion of so many tokens: the sum over them, in nats.

    value : list of one log-probability a token; None is given back when it is anything else, or of another length

    >>> log_probability([-0.5, -0.25], 2), log_probability([-0.5], 2), log_probability([0.5], 1)
    (-0.75, None, None)
    """
    found = numbers(value)
    if found is None or len(found) != size or any(one > _CERTAIN for one in found):
        return None
    summed = total(found)
    return None if summed is None else min(summed, 0.0)


def total(values: Sequence[float]) -> float | None:
    """The sum; None where it is too large for a number."""
    try:
        return real(math.fsum(values))
    except OverflowError:
        return None


def mean(values: Sequence[float] | None) -> float | None:
    """The mean; None of nothing, and where the sum is too large for a number."""
    summed = total(values) if values else None
    return None if summed is None or not values else summed / len(values)


def above_zero(value: Any) -> float | None:
    """A number that is not below 0, None for anything else."""
    found = real(value)
    return found if found is not None and found >= 0 else None


# ── columns ────────────────────────────────────────────────────────────────────────────────────────────
def complete(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The table without columns that a row table has for every row or not at all, and what is said of them.

    Columns that are null in every row go, too, so that nothing unknown is read as 0.

    >>> complete(pa.table({"agent": ["a", None]}))[1]
    ['agent is known of 1 of 2 completions only; it was left out.']
    """
    partly = [name for name in _THROUGHOUT if name in table.column_names and table[name].null_count]
    known = {name: table.num_rows - table[name].null_count for name in partly}
    said = [
        f"{name} is known of {known[name]:,} of {table.num_rows:,} completions only; it was left out."
        for name in partly
        if known[name]
    ]
    empty = [name for name in _NOTHING if name in table.column_names and table[name].null_count == table.num_rows]
    return table.drop_columns([*partly, *empty]), said
