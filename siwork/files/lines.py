"""Reading what others wrote: JSON lines and folders of files, never more than one line at a time, and never an unpickling."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from siwork.files.pickles import refuse_pickle
from siwork.files.values import text
from siwork.schema import ImportFormatError

LONGEST = 1 << 26  # bytes of a line; a longer one is counted and passed over
_TOLD = 20  # skipped places that are told one by one
MOST_COLUMNS = 1000  # rewards and other columns of one log; values of further ones are counted and left out
_DECODER = json.JSONDecoder()
_DIGITS = re.compile(r"(\d+)")


class Skip(NamedTuple):
    """One place that could not be read."""

    file: str
    line: int  # from 1; 0 for the whole file
    why: str


class Skips:
    """What could not be read: how much in all, and the first places.

    >>> skips = Skips()
    >>> skips.add(Path("1.jsonl"), 3, "no JSON object")
    >>> str(skips)
    '1 place could not be read: 1.jsonl line 3: no JSON object'
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Skip] = []
        self.beyond = 0  # values of columns that are one too many
        self._columns: set[str] = set()

    def add(self, path: Path, line: int, why: str) -> None:
        """Count one more place."""
        self.count += 1
        if len(self.first) < _TOLD:
            self.first.append(Skip(text(path.name) or "", line, text(why) or ""))

    def keeps(self, column: str) -> bool:
        """Whether a column of the log is kept: a log in which every line has names of its own would have a million of them."""
        if column not in self._columns and len(self._columns) < MOST_COLUMNS:
            self._columns.add(column)
        return column in self._columns

    def __str__(self) -> str:
        if not self.count:
            return "nothing was skipped"
        told = "; ".join(f"{file}{f' line {line}' if line else ''}: {why}" for file, line, why in self.first[:3])
        more = f"; and {self.count - 3} more" if self.count > 3 else ""
        return f"{self.count} place{'s' * (self.count > 1)} could not be read: {told}{more}"


def objects(path: Path, skips: Skips) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file of lines with their line numbers, from 1; whatever is none is counted.

    A last line without an end that cannot be read is one that is being written: it is counted as such.

    Raises
    ------
    ImportFormatError when the system refuses the file.
    """
    for number, line in _lines(path, skips):
        found, why = _object(line)
        if found is not None:
            yield number, found
        elif why:
            skips.add(path, number, why if line.endswith(b"\n") else f"unfinished last line ({why})")


def _lines(path: Path, skips: Skips) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                if len(line) < LONGEST or line.endswith(b"\n"):
                    yield number, line
                    continue
                while line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST)
                skips.add(path, number, f"the line is longer than {LONGEST >> 20} MiB")
    except OSError as error:
        raise ImportFormatError(f"{path} cannot be read: {error.strerror}; make it readable and try again") from None


def _object(line: bytes) -> tuple[dict[str, Any] | None, str]:
    """The object of a line, or why there is none; neither for an empty line."""
    if not line.strip():
        return None, ""
    try:
        found = _parsed(line)
    except RecursionError:
        return None, "nested too deeply"
    except ValueError as error:
        return None, f"no JSON ({str(error)[:80]})"
    if not isinstance(found, dict):
        return None, f"a JSON object is expected, got {type(found).__name__}"
    return found, ""


def _parsed(line: bytes) -> Any:
    """What `json.loads` gives, at half its time: it guesses an encoding and looks for spaces at every line."""
    try:
        text = line.decode()
        found, end = _DECODER.raw_decode(text)
        if text[end:] in ("", "\n", "\r\n"):
            return found
    except ValueError:
        pass
    return json.loads(line)


def document(path: Path) -> Any:
    """The content of a small JSON file. Raises ImportFormatError when it is none, or larger than 64 MiB."""
    try:
        if path.stat().st_size > LONGEST:
            raise ImportFormatError(f"{path} is larger than {LONGEST >> 20} MiB, too large for a file of its kind")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ImportFormatError(f"{path} cannot be read: {error.strerror}; make it readable and try again") from None
    except (ValueError, RecursionError) as error:
        raise ImportFormatError(f"{path} is no JSON file ({str(error)[:80]}); copy it anew") from None


def existing(path: Path) -> Path:
    """The path itself. Raises ImportFormatError when nothing is there, with what stands beside it, or a pickled file is."""
    if not _holds(path.exists):
        beside = sorted(each.name for each in path.parent.iterdir())[:8] if _holds(path.parent.is_dir) else []
        raise ImportFormatError(f"{path} does not exist" + (f"; beside it: {', '.join(beside)}" if beside else ""))
    if path.is_file():
        refuse_pickle(path)
    return path


def files(folder: Path, pattern: str) -> list[Path]:
    """The regular files of one folder whose whole name fits a regular expression, numbers in their order.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("10.jsonl", "9.jsonl", "9.jsonl.tmp"):
    ...         _ = (Path(home) / name).write_text("")
    ...     [path.name for path in files(Path(home), r"\\d+\\.jsonl")]
    ['9.jsonl', '10.jsonl']
    """
    return [folder / entry.name for entry in _entries(folder, pattern) if _holds(entry.is_file)]


def folders(folder: Path, pattern: str) -> list[Path]:
    """The folders directly in one folder whose whole name fits, numbers in their order; links are not followed."""
    return [folder / entry.name for entry in _entries(folder, pattern) if entry.is_dir(follow_symlinks=False)]


def below(folder: Path, pattern: str, depth: int) -> list[Path]:
    """The regular files at most so many folders deep whose whole name fits, numbers in order; no link to a folder is followed.

    Raises ImportFormatError when the folder cannot be listed.
    """
    deeper = folders(folder, r"(?s).*") if depth else []
    return [*files(folder, pattern), *(place for each in deeper for place in below(each, pattern, depth - 1))]


def _entries(folder: Path, pattern: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            fitting = [entry for entry in entries if re.fullmatch(pattern, entry.name)]
    except OSError as error:
        raise ImportFormatError(f"{folder} cannot be listed: {error.strerror}; name a folder of logs") from None
    return sorted(fitting, key=lambda entry: natural(entry.name))


def _holds(question: Callable[[], bool]) -> bool:
    """The answer; no where the system refuses one, as for a link that leads to itself."""
    try:
        return question()
    except (OSError, ValueError):  # a name that no file can have
        return False


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names with their numbers by size.

    >>> sorted(["step_10", "step_9", "all"], key=natural)
    ['all', 'step_9', 'step_10']
    """
    parts = _DIGITS.split(name)
    return [(0, int(part), "") if i % 2 and len(part) < 19 else (1, 0, part) for i, part in enumerate(parts)]


def number_in(name: str) -> int | None:
    """The last whole number in a name, None where there is none.

    >>> number_in("global_step_40_evals"), number_in("ckpt")
    (40, None)
    """
    found = [part for part in _DIGITS.findall(name) if len(part) < 19]
    return int(found[-1]) if found else None


def counted(tallies: Mapping[str, int], sentences: Mapping[str, str]) -> list[str]:
    """The sentences whose number is not 0, with it in its place.

    >>> counted({"late": 2, "odd": 0}, {"late": "{} came late.", "odd": "{} are odd."})
    ['2 came late.']
    """
    return [words.format(f"{tallies[name]:,}") for name, words in sentences.items() if tallies.get(name)]
