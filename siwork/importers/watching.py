"""`watch`: a log that is still being written, read again when its files have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

from siwork.files.lines import existing
from siwork.importers.formats import FORMATS
from siwork.importers.imported import Asked, Imported
from siwork.schema import ImportFormatError, KnobError, nearest

_DEPTH, _MOST = 6, 20_000  # folders below each other, and files, that are looked at
_SHARE = 5.0  # times the last reading took that pass before the next one

Mark = tuple[tuple[str, int, int], ...]  # path, time and size of each file


def watch(path: str | Path, kind: str, *, patience: float = 1.0, **asked: Unpack[Asked]) -> Watched:
    """Follow a log that another framework is writing.

    Parameters
    ----------
    path : what the reader of that format takes
    kind : the format, a name of `siwork.importers.FORMATS`
    patience : seconds between two looks at the disk, at least
    asked : run, gold, answer, score, as for the reader

    Returns
    -------
    Watched, whose `poll` reads what is new. `siwork_widgets.Lab(watched)` draws it live.

    Raises
    ------
    KnobError for an unknown format, ImportFormatError when there is nothing at the path.
    """
    if kind not in FORMATS:
        raise KnobError(f"kind must be a format that siwork reads, got {kind!r}; {nearest(kind, FORMATS)}")
    return Watched(existing(Path(path)), kind, patience, asked)


class Watched:
    """A log and the last that could be read of it.

    Half of a file, a file that is being replaced or a last line without its end keep nothing from being shown: what could be
    read stays, `fault` says what could not, and the next look reads again.
    """

    def __init__(self, path: Path, kind: str, patience: float, asked: Asked) -> None:
        self.path, self.kind, self.patience, self.asked = path, kind, patience, asked
        self.imported: Imported | None = None  # None until a completion is there
        self.fault = ""
        self._mark: Mark = ()
        self._read: Mark | None = None  # what was there when it was read last
        self._looked = self._until = -float("inf")

    @property
    def rows(self) -> Any:
        """The rows that could be read last. Raises ImportFormatError while there are none."""
        if self.imported is None:
            self.poll()
        if self.imported is None:
            raise ImportFormatError(
                self.fault or f"no completion was written to {self.path} yet; wait for the first one"
            )
        return self.imported.rows

    def mark(self) -> Mark:
        """What tells one state of the log from a later one; looks at the disk when its patience allows it.

        A log that takes long to read is looked at less often: five times as long as that passes in between.
        """
        now = time.monotonic()
        if now - self._looked >= self.patience and now >= self._until:
            self._looked, self._mark = now, tuple(_files(self.path))
        return self._mark

    def poll(self) -> bool:
        """Read again when files have changed; whether anything new could be read."""
        mark = self.mark()
        if mark == self._read:
            return False
        began = time.monotonic()
        try:
            self.imported, self.fault = FORMATS[self.kind](self.path, **self.asked), ""
        except ImportFormatError as error:
            self.fault = str(error)
        self._read = mark
        self._until = time.monotonic() + _SHARE * (time.monotonic() - began)
        return not self.fault


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    """Every file below a path, links left out."""
    if path.is_file():
        yield _told(path)
        return
    left = _MOST
    for home, inside, names in os.walk(path):
        inside[:] = sorted(inside) if len(Path(home).relative_to(path).parts) < _DEPTH else []
        for name in sorted(names)[:left]:
            yield _told(Path(home, name))
        left -= len(names)
        if left <= 0:
            return


def _told(place: Path) -> tuple[str, int, int]:
    try:
        about = place.lstat()
    except OSError:  # replaced meanwhile
        return str(place), 0, 0
    return str(place), about.st_mtime_ns, about.st_size
