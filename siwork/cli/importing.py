"""`siwork import` and `siwork watch`, and what other commands take from another framework's log."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from siwork.cli.diagnose import CODES, shown
from siwork.diagnosis import diagnose
from siwork.importers import FORMATS, Imported, watch
from siwork.importers.imported import Asked, Score
from siwork.metrics import measure
from siwork.schema import KnobError, nearest
from siwork.store.atomic import atomic_write


def imported(options: argparse.Namespace) -> int:
    """`siwork import`: say what a log can and cannot tell; with an output, write its rows as Parquet. Raises as the readers."""
    found = read(options.path, options)
    if options.output is not None:
        _write(found, options.output)
    if options.json:
        print(json.dumps(_facts(found, options.output), ensure_ascii=False, indent=2, allow_nan=False))
        return 0
    print(shown(str(found)))
    if options.output is not None:
        print(f"{options.output}: {len(found.rows):,} rows. See what they say with: siwork diagnose {options.output}")
    return 0


def watched(options: argparse.Namespace) -> int:
    """`siwork watch`: follow a log, a paragraph whenever rounds are added; the status of `siwork diagnose` at the end.

    Raises KnobError for an unknown format, ImportFormatError when there is nothing at the path.
    """
    log = watch(options.path, _format(options), patience=options.every, **_asked(options))
    state, last = "unknown", time.monotonic()
    try:
        while options.quiet is None or time.monotonic() - last < options.quiet:
            if log.poll() and log.imported is not None:
                state, last = _say(log.imported), time.monotonic()
            time.sleep(min(options.every, 0.2))
    except KeyboardInterrupt:
        print()
    return CODES[state]


def _say(found: Imported) -> str:
    """The state of what was read, in a line, and what is not fine or unknown; the worst state."""
    diagnosis = diagnose(measure(found.rows))
    rounds = found.rows["round"]
    print(
        f"{time.strftime('%H:%M:%S')}  rounds {rounds.min()} to {rounds.max()}, {len(rounds):,} completions: {diagnosis.state}"
    )
    for verdict in diagnosis:
        if verdict.state in ("watch", "alarm"):
            print(shown(f"  {verdict.state:<6} {verdict.name} since round {verdict.since}"), flush=True)
    if found.report.skipped:
        print(shown(f"  skipped {found.report.places}"), flush=True)
    return diagnosis.state


def read(path: Path, options: argparse.Namespace) -> Imported:
    """A log as `--from`, `--gold`, `--answer`, `--score` and `--name` say. Raises KnobError for an unknown format."""
    return FORMATS[_format(options)](path, **_columns(options), **_asked(options))


def _format(options: argparse.Namespace) -> str:
    if options.format not in FORMATS:
        raise KnobError(
            f"--from must be a format that siwork reads, got {options.format!r}; {nearest(options.format, FORMATS)}"
        )
    return str(options.format)


def _asked(options: argparse.Namespace) -> Asked:
    return Asked(run=options.name, gold=options.gold, answer=options.answer, score=_score(options.score))


def _columns(options: argparse.Namespace) -> dict[str, dict[str, str]]:
    """The map of columns, for the one format that takes one. Raises KnobError for words of another shape."""
    if options.columns is None:
        return {}
    pairs = [words.partition("=") for words in options.columns.split(",")]
    if options.format != "table" or not all(ours and theirs for ours, _, theirs in pairs):
        raise KnobError(f"--columns is OURS=THEIRS,OURS=THEIRS… with --from table, got {options.columns!r}")
    return {"columns": {ours: theirs for ours, _, theirs in pairs}}


def _score(words: str | None) -> Score | None:
    """`correctness`, or `correctness:-1:1`, which is scaled to 0 … 1."""
    if words is None or ":" not in words:
        return words
    name, *ends = words.rsplit(":", 2)
    try:
        low, high = (float(end) for end in ends)
    except ValueError:
        raise KnobError(f"--score is NAME or NAME:LOW:HIGH, got {words!r}; correctness:-1:1, for example") from None
    return name, low, high


def _write(found: Imported, output: Path) -> None:
    """Rows without an index; a file that is there already is replaced only when the new one is whole."""
    if output.suffix.lower() != ".parquet":
        raise KnobError(
            f"--output must end in .parquet, got {output.name!r}; nearest: {output.with_suffix('.parquet').name!r}"
        )
    atomic_write(output, found.rows.to_parquet(index=False))


def _facts(found: Imported, output: Path | None) -> dict[str, Any]:
    report = found.report
    return {
        "run": report.run,
        "kind": report.kind,
        "rows": len(found.rows),
        "written": None if output is None else str(output),
        "capabilities": [one._asdict() for one in report.capabilities],
        "notes": list(report.notes),
        "missing": {name: list(columns) for name, columns in report.missing.items()},
        "skipped": report.skipped,
        "places": report.places if report.skipped else None,
    }
