"""JSON in a run folder: written strictly (no NaN, one line an event), read tolerantly but checked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from siwork.schema import RunError

_LARGEST = 16_000_000  # bytes of a JSON file that is read


def now() -> str:
    """The present instant in UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NumPy scalars and arrays become numbers and lists, NaN and infinity null.

    Raises RunError for anything else.

    >>> import numpy as np
    >>> plain({"loss": float("nan"), "n": np.int64(3), "by": (1, 2)})
    {'loss': None, 'n': 3, 'by': [1, 2]}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    kind = type(value).__name__
    raise RunError(f"a run's JSON files hold text, numbers, truth values, lists and dicts, got {kind}: pass str(it)")


def to_json(value: Mapping[str, Any], indent: int | None = 2) -> bytes:
    """JSON bytes with a line end; a lone surrogate is written as its escape. Raises RunError as `plain` does."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return (text + "\n").encode("utf-8", "backslashreplace")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises RunError that names file and line, OSError when it cannot be opened."""
    with open(path, "rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise RunError(f"{path} is larger than {_LARGEST} bytes; no file of this name is written that large")
    return parsed(data, path)


def parsed(data: bytes, path: Path, line: int = 1) -> dict[str, Any]:
    """The JSON object in `data`, which begins on that line of the file. Raises RunError."""
    try:
        found = json.loads(data.decode())
    except json.JSONDecodeError as error:
        fault = f"line {line + error.lineno - 1}, character {error.colno}: {error.msg}"
    except UnicodeDecodeError as error:
        fault = f"line {line + data[: error.start].count(bytes([10]))}: not UTF-8"
    except RecursionError:
        fault = f"line {line}: nested too deeply"
    except ValueError as error:
        fault = f"line {line}: {error}"
    else:
        if isinstance(found, dict):
            return found
        fault = f"line {line}: expected an object {{…}}, got {type(found).__name__}"
    raise RunError(f"{path} is broken, {fault}; mend it or take the file from a copy of the run")


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON line: all of it or nothing. Raises OSError."""
    data = to_json(value, indent=None)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        before = os.fstat(handle).st_size
        try:
            while data:
                data = data[os.write(handle, data) :]
        except OSError:
            os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)


def cut_torn_line(path: Path) -> None:
    """Drop an unfinished last line, which a killed writer may leave. Raises OSError."""
    if not path.exists():
        return
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        keep = end
        while keep:
            start = max(keep - 65536, 0)
            file.seek(start)
            newline = file.read(keep - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        if keep < end:
            file.truncate(keep)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; an unfinished last line is left out. Raises RunError naming the line."""
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    return [parsed(line, path, number) for number, line in enumerate(lines[:-1], 1) if line.strip()]


def tail(path: Path) -> str:
    """The last 4 kB of a text file, stripped. Raises OSError."""
    with open(path, "rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - 4096, 0))
        return file.read().decode(errors="replace").strip()
