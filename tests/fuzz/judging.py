"""The rule: a reader gives rows with counted skips, or one error that names the place; nothing else, and soon."""

from __future__ import annotations

import codecs
import os
import signal
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from siwork import measure
from siwork.importers import FORMATS, Imported, watch
from siwork.schema import ImportFormatError, KnobError, SiworkError, check

from .inputs import Input, Shut, called, laid

PATIENCE = 20  # seconds for one input
_NEEDED = ("run", "round", "split", "problem", "sample", "prompt", "response")
_OPTIONS = ("columns", "gold", "score", "answer", "filter", "custom_id")
_NOBODY = 65534


for _name in ("utf-8-sig", "utf-16", "utf-32"):
    codecs.lookup(_name)  # loaded now: nobody may be forbidden to load anything


class Late(BaseException):
    """An input took longer than it may; no reader can catch it by mistake."""


class Verdict(NamedTuple):
    """What became of an input.

    kind : whole, skips, refused, or fault
    seconds : of the reader alone
    why : error or fault
    """

    kind: str
    seconds: float
    why: str = ""
    fault: BaseException | None = None


def judged(reader: str, given: Input, thoroughly: bool = False) -> Verdict:
    """What a reader makes of an input.

    thoroughly : also measure the rows and follow the log
    """
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder, "a", "b", "home")  # "..", which an input may name, is still its own
        home.mkdir(parents=True)
        laid(given.tree, home)
        before = time.perf_counter()
        try:
            with _watched(any(isinstance(entry, Shut) for entry in given.tree.values())):
                kind, why = _kind(reader, given, home, thoroughly)
        except (Exception, Late) as fault:
            return Verdict("fault", time.perf_counter() - before, f"{type(fault).__name__}: {fault}"[:300], fault)
        finally:
            _opened(home)
        return Verdict(kind, time.perf_counter() - before, why)


def _kind(reader: str, given: Input, home: Path, thoroughly: bool) -> tuple[str, str]:
    path, asked = called(given, home)
    try:
        found = FORMATS[reader](path, **asked)
        _see(found, thoroughly)
    except ImportFormatError as error:
        _see_error(str(error), given, home, path)
        return "refused", str(error)
    except KnobError as error:
        if not asked:
            raise AssertionError(f"nothing was asked for, and yet: {error}") from error
        return "refused", str(error)
    if thoroughly:
        _see_later(reader, path, asked, found)
    return ("skips" if found.report.skipped else "whole"), found.report.places


def _see(found: Imported, thoroughly: bool) -> None:
    """Rows that obey the schema, of which a reader makes sure itself, and a report that can be shown."""
    if not len(found.rows):
        raise AssertionError("there are no rows and no error")
    if thoroughly and not check(found.rows, needs=_NEEDED).equals(found.rows):
        raise AssertionError("rows change when they are checked again")
    str(found.report)
    found._repr_html_().encode()


def _see_error(said: str, given: Input, home: Path, path: Path) -> None:
    """An error says something, and names the path, a file below it, or an option."""
    names = {part for name in (*given.tree, given.path) for part in (*name.split("/"), name.rpartition(".")[0]) if part}
    here = {home.name, path.name, path.parent.name} | names
    shown = said.encode("utf-8", "backslashreplace").decode()
    if not any(name in said or repr(name)[1:-1] in said or name in shown for name in here if name) and not any(
        f"{option}=" in said or f"{option}:" in said for option in _OPTIONS if given.asked
    ):
        raise AssertionError(f"the error names no path: {said}")
    said.encode()


def _see_later(reader: str, path: Path, asked: dict[str, Any], found: Imported) -> None:
    try:
        measure(found.rows)
    except SiworkError as error:
        assert str(error)  # noqa: PT017
    watched = watch(path, reader, patience=0, **asked)
    watched.poll()
    if watched.imported is None or not watched.imported.rows.equals(found.rows):
        raise AssertionError("watching finds other rows")


@contextmanager
def _watched(as_nobody: bool) -> Iterator[None]:
    """Warnings are faults, and time is short; as a user without rights where that matters."""
    rights = os.geteuid()
    handler = signal.signal(signal.SIGALRM, _late)
    signal.alarm(PATIENCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if as_nobody and not rights:
                os.seteuid(_NOBODY)
            yield
    finally:
        os.seteuid(rights)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def _late(*_: object) -> None:
    raise Late(f"no answer after {PATIENCE} s")


def _opened(home: Path) -> None:
    """With rights again, so that it can be removed."""
    for folder, _, names in os.walk(home):
        for name in names:
            place = Path(folder, name)
            if stat.S_ISREG(place.lstat().st_mode):
                place.chmod(0o600)
