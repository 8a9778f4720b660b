"""What was answered from outside while a round is played: kept on the disk, so that nothing is asked twice after a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import Any

FILE = "answers.jsonl"


class Journal:
    """Answers by what was asked, a JSON line each, appended and flushed at once.

    folder : made when the first answer comes; None keeps the answers in memory only

    >>> journal = Journal(None)
    >>> journal.put("a", 1)
    >>> journal.get("a"), journal.get("b")
    (1, None)
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._known = _read(folder / FILE) if folder is not None else {}

    def get(self, key: str) -> Any:
        """What was answered; None when it was not asked yet."""
        return self._known.get(key)

    def put(self, key: str, answer: Any) -> None:
        """Keep an answer, which JSON can hold. Raises OSError when the disk refuses."""
        self._known[key] = answer
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / FILE, "a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps([key, answer])}")  # on a new line, whatever a killed writer left half written


def key_of_question(question: Mapping[str, Any]) -> str:
    """A name of what is asked, the same for equal questions: SHA-256 of its JSON."""
    return sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """The answers in a file; a line that is no answer, as the last one after a crash, is passed over."""
    found: dict[str, Any] = {}
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            key, answer = json.loads(line)
        except (ValueError, TypeError):
            continue
        if isinstance(key, str):
            found[key] = answer
    return found


_open: ContextVar[Journal | None] = ContextVar("siwork_journal", default=None)


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Inside the block, answers from outside are kept in a folder, and those already there are used again."""
    token = _open.set(Journal(folder))
    try:
        yield
    finally:
        _open.reset(token)


def journal_here() -> Journal:
    """The journal of the block that this is called in; outside of any, one that remembers nothing for long."""
    return _open.get() or Journal(None)
