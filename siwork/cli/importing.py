"""`siwork import`, and what other commands take from another framework's log."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from siwork.cli.diagnose import shown
from siwork.importers import FORMATS, Imported
from siwork.importers.imported import Asked, Score
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


def read(path: Path, options: argparse.Namespace) -> Imported:
    """A log as `--from`, `--gold`, `--answer`, `--score` and `--name` say. Raises KnobError for an unknown format."""
    if options.format not in FORMATS:
        raise KnobError(
            f"--from must be a format that siwork reads, got {options.format!r}; {nearest(options.format, FORMATS)}"
        )
    asked = Asked(run=options.name, gold=options.gold, answer=options.answer, score=_score(options.score))
    return FORMATS[options.format](path, **asked)


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
