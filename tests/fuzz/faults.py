"""Faults: told apart by where they arise, made small, and kept as files."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from .inputs import Input, laid
from .judging import judged

KEPT = Path(".fuzz")  # where inputs with faults go
_SECONDS = 20.0  # that making one input smaller may take

Mark = tuple[str, str]


def mark_of(fault: BaseException) -> Mark:
    """What tells one fault from another: its kind, and the last place in siwork that it went through."""
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if "/siwork/" in frame.filename] or frames
    return type(fault).__name__, f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def smaller(reader: str, given: Input, mark: Mark) -> Input:
    """The input with as little in it as still shows the fault."""
    until = time.monotonic() + _SECONDS
    again = True
    while again and time.monotonic() < until:
        again = False
        for less in _less(given):
            verdict = judged(reader, less)
            if verdict.fault is not None and mark_of(verdict.fault) == mark:
                given, again = less, True
                break
            if time.monotonic() > until:
                break
    return given


def _less(given: Input) -> Iterator[Input]:
    """Inputs with a file less, or with a part of a file less, large parts first."""
    for name in given.tree:
        yield given._replace(tree={key: entry for key, entry in given.tree.items() if key != name})
    for name, entry in given.tree.items():
        for shorter in _shorter(entry) if isinstance(entry, bytes) else ():
            yield given._replace(tree={**given.tree, name: shorter})


def _shorter(content: bytes) -> Iterator[bytes]:
    pieces = content.splitlines(keepends=True)
    pieces = pieces if len(pieces) > 1 else [content[i : i + 1] for i in range(len(content))]
    size = len(pieces)
    while size := size // 2:
        for at in range(0, len(pieces), size):
            yield b"".join(pieces[:at] + pieces[at + size :])


def kept(reader: str, name: str, given: Input, fault: BaseException) -> Path:
    """A folder with the input and what it did."""
    home = KEPT / name.replace("/", "-")
    laid(given.tree, home / "input")
    said = "".join(traceback.format_exception(fault))
    home.mkdir(parents=True, exist_ok=True)
    called = f"{reader} of {given.path!r:.200}, {given.asked!r}"
    about = f"{name}\n{called}\n{given.tree!r:.1500}\n\n{said[-6000:]}"
    (home / "about.txt").write_text(about, errors="backslashreplace")
    return home
