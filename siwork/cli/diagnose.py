"""`siwork diagnose`: verdicts on runs, for people and for programs."""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from siwork.cli.rounds import found_runs
from siwork.diagnosis import Bounds, Diagnosis, Verdict, diagnose
from siwork.metrics import measure
from siwork.reporting.states import MARKS, deciding, rates, since
from siwork.schema import RunError, SchemaError
from siwork.store import Run

CODES = {"fine": 0, "watch": 1, "alarm": 2, "unknown": 3}
_FILES = (".parquet", ".csv", ".jsonl")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_NAMES = 24  # columns of a terminal that a verdict's name takes


class Source(NamedTuple):
    """What was diagnosed: a run folder, or a file of rows."""

    path: Path
    table: pd.DataFrame  # metric table of one run or several
    siblings: tuple[str, ...]  # equal for runs that differ in the seed only
    played: bool  # a run that can be forked

    @property
    def runs(self) -> list[str]:
        """Names of the runs in it."""
        return [str(name) for name in self.table["run"].unique()]


def diagnosed(options: argparse.Namespace) -> int:
    """`siwork diagnose`: 2 an alarm, 1 something to watch, 0 fine, 3 nothing known.

    Raises as `measure` and `siwork.diagnosis.diagnose`; RunError for two runs of one name.
    """
    bounds = Bounds(error=options.error)
    sources = [source for path in options.folders for source in _sources(path, options)]
    _refuse_twins(sources)
    diagnosis = Diagnosis(verdict for own in _siblings(sources) for verdict in diagnose(own, bounds))
    places = {run: source for source in sources for run in source.runs}
    if options.json:
        runs = [_facts(own, places[run]) for run, own in by_run(diagnosis).items()]
        print(json.dumps(runs, ensure_ascii=False, indent=2, allow_nan=False))
    else:
        print(shown("\n\n".join("\n".join(_told(own, places[run])) for run, own in by_run(diagnosis).items())))
    return CODES[diagnosis.state]


def _sources(path: Path, options: argparse.Namespace) -> Iterator[Source]:
    """What a path holds; a foreign log where `--from` says so, its report first."""
    if options.format is None:
        yield from sources_of(path)
        return
    from siwork.cli.importing import read

    found = read(path, options)
    if not options.json:
        print(shown(str(found)) + "\n")
    yield Source(path, measure(found.rows), (str(path),), False)


def _siblings(sources: Sequence[Source]) -> Iterator[pd.DataFrame]:
    """The metric tables of siblings together, so that seeds that disagree are seen."""
    for key in dict.fromkeys(source.siblings for source in sources):
        tables = [source.table for source in sources if source.siblings == key]
        whole = pd.concat(tables, ignore_index=True)
        whole.attrs["level"] = tables[0].attrs["level"]
        yield whole


def sources_of(path: Path) -> Iterator[Source]:
    """The measured runs of a run folder, a folder of run folders, or a file of rows. Raises SchemaError, RunError, Foreign."""
    if path.suffix.lower() in _FILES and path.is_file():
        yield Source(path, measure(read_rows(path)), (str(path),), False)
        return
    if path.is_file():
        raise SchemaError(f"{path} is no table of rows; name a file that ends in {', '.join(_FILES)}, or a run folder")
    for run in found_runs([path]):
        if not run.rounds_done:
            raise RunError(
                f"no round is finished in {run.folder}; wait for the first one, or: siwork resume {run.folder}"
            )
        key = (run.recipe, run.task, run.policy, str(run.manifest.get("problems")))
        yield Source(run.folder, measure(run), key, True)


def read_rows(path: Path) -> pd.DataFrame:
    """A file of rows as a row table; text stays text, and nothing in it is evaluated.

    path : Parquet; CSV, in which an empty field of a column that is no text is null; or JSON lines

    Raises
    ------
    SchemaError when it cannot be read as such a table.
    """
    from siwork.cli.rowfiles import DAMAGE, READERS

    try:
        rows = READERS[path.suffix.lower()](path)
    except DAMAGE as error:
        raise SchemaError(f"{path} cannot be read as a table of rows ({_first(error)}); write it anew") from None
    if rows.empty:
        raise SchemaError(f"{path} holds no row; a row table has one row a completion")
    return rows


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _refuse_twins(sources: Sequence[Source]) -> None:
    seen: dict[str, Path] = {}
    for source in sources:
        for run in source.runs:
            if run in seen:
                raise RunError(
                    f"two runs are called {run!r}: {seen[run]} and {source.path}; leave one out, or rename it"
                )
            seen[run] = source.path


def by_run(diagnosis: Diagnosis) -> dict[str, Diagnosis]:
    """The verdicts of each run."""
    return {run: Diagnosis(v for v in diagnosis if v.run == run) for run in diagnosis.runs}


def shown(text: str) -> str:
    """Text that cannot steer a terminal: control characters are written out."""
    return _CONTROL.sub(lambda mark: f"⟨U+{ord(mark[0]):04X}⟩", text)


def _told(diagnosis: Diagnosis, source: Source) -> Iterator[str]:
    """One run in lines."""
    run, good = diagnosis.runs[0], diagnosis[0].last_good
    yield f"{run}: {diagnosis.state}, last good round {'none' if good is None else good}"
    order = sorted(diagnosis, key=lambda v: ("alarm", "watch", "unknown", "fine").index(v.state))
    for verdict in order:
        yield from _lines(verdict)
    command = back(diagnosis, source)
    if command:
        yield f"  Go back to the last good round with: {command}"


def _lines(verdict: Verdict) -> Iterator[str]:
    about = deciding(verdict) if verdict.state == "fine" else since([verdict])  # the sentences below hold the numbers
    yield f"  {MARKS[verdict.state]} {verdict.state:<7}  {verdict.name:<{_NAMES}}{about}".rstrip()
    if verdict.state != "fine":
        yield from wrapped(verdict.why)
        yield from wrapped(rates(verdict))


def wrapped(words: str, indent: int = 13) -> list[str]:
    """Words in lines that fit the terminal."""
    width = max(60, min(shutil.get_terminal_size().columns, 120))
    return textwrap.wrap(words, width, initial_indent=" " * indent, subsequent_indent=" " * indent)


def back(diagnosis: Diagnosis, source: Source) -> str | None:
    """The command that goes back to the last good round of an alarmed run; None where there is none to go to."""
    verdict = diagnosis[0]
    if diagnosis.state != "alarm" or not source.played or verdict.last_good is None:
        return None
    if verdict.last_good >= Run(source.path).rounds_done - 1:  # the alarm dates no harm to the model
        return None
    return shlex.join(["siwork", "fork", str(source.path), f"{source.path}-again", "--at", str(verdict.last_good)])


def _facts(diagnosis: Diagnosis, source: Source) -> dict[str, Any]:
    first = diagnosis[0]
    return {
        "run": first.run,
        "path": str(source.path),
        "state": diagnosis.state,
        "last_good": first.last_good,
        "fork": back(diagnosis, source),
        "verdicts": [facts(verdict) for verdict in diagnosis],
    }


def facts(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON holds it: null for what is unknown, no evidence."""
    names = ("name", "state", "since", "metric", "split", "round", "value", "low", "high", "bound", "unit", "n")
    texts = ("seen", "means", "advice", "source")
    found = {name: getattr(verdict, name) for name in (*names, *texts)}
    found["rates"] = None if verdict.rates is None else verdict.rates._asdict()
    return plain(found)


def plain(value: Any) -> Any:
    """A nested value with None for NaN and infinity, and plain Python numbers.

    >>> plain({"a": [float("nan"), 1.0]})
    {'a': [None, 1.0]}
    """
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
