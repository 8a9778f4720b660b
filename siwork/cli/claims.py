"""`siwork claims`: the rule first, then the runs, then the verdict."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from siwork.claims import CLAIMS, Claim
from siwork.claims.table import merged, read_verdicts, shipped_verdicts, table_of, verdicts, written
from siwork.claims.words import asked, markdown, told
from siwork.cli.options import at_least
from siwork.schema import KnobError, nearest


def claims(options: argparse.Namespace) -> int:
    """Ask claims, print what came of each, and write the table. Raises KnobError for a name that is none, and as `lay_out`."""
    chosen = _chosen(options.names)
    if options.markdown:
        print(markdown(shipped_verdicts()))
        return 0
    if options.list:
        print("\n".join(_listed(chosen)))
        return 0
    if options.rule:
        print("\n\n".join("\n".join(asked(claim)) for claim in chosen))
        return 0
    _check(options)
    for claim in chosen:
        if not _ask(claim, options):
            return 1
    return 0


def _chosen(names: Sequence[str]) -> list[Claim]:
    """The claims of these names, or all. Raises KnobError."""
    for name in names:
        if name not in CLAIMS:
            raise KnobError(f"no claim is called {name!r}; {nearest(name, CLAIMS)}; see: siwork claims --list")
    return [CLAIMS[name] for name in names or CLAIMS]


def _check(options: argparse.Namespace) -> None:
    """Raises KnobError for numbers that cannot be, and for a table that is no .csv; SchemaError for another one there."""
    at_least(options, seeds=2, seed=0, at_once=1)
    if options.output.suffix != ".csv":
        raise KnobError(
            f"--output must end in .csv, got {options.output.name!r}; nearest: {options.output.stem + '.csv'!r}"
        )
    _earlier(options.output)


def _earlier(path: Path) -> pd.DataFrame | None:
    return read_verdicts(path) if path.exists() else None


def _ask(claim: Claim, options: argparse.Namespace) -> bool:
    """Play and judge one claim; False when it was stopped or failed."""
    from siwork.claims.playing import judge, lay_out
    from siwork.cli.progress import follow_together
    from siwork.reporting.page import save
    from siwork.sweep import Sweep

    print("\n".join(asked(claim)), flush=True)
    seeds = range(options.seed, options.seed + options.seeds)
    played = lay_out(claim, seeds, options.folder)
    if played.folders and not follow_together(Sweep(played.in_order, at_once=options.at_once)):
        return False
    table = table_of([judge(played, seeds)])
    print("\n".join(told(table)) + "\n", flush=True)
    whole = merged(_earlier(options.output), table)
    save(written(whole), options.output)
    return True


def _listed(chosen: Sequence[Claim]) -> Iterable[str]:
    known = verdicts(shipped_verdicts())
    width = max(map(len, CLAIMS))
    for claim in chosen:
        yield f"{claim.name:<{width}}  {known.get(claim.name, 'not asked yet'):<20} {claim.says}"
