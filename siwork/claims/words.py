"""A claim in words: what is claimed, what is played, the rule; and what came of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pandas as pd

from siwork.claims.catalogue import CLAIMS
from siwork.claims.claim import Claim
from siwork.claims.deciding import FAILS, HOLDS, OPEN
from siwork.schema.numbers import counted, interval

_WIDTH = 118  # characters of a line


def asked(claim: Claim) -> Iterator[str]:
    """What is claimed, what is played, and the rule, as lines.

    >>> from siwork.claims import CLAIMS
    >>> print(next(asked(CLAIMS["exploration"])).split(":")[0])
    exploration
    """
    yield from _wrapped(f"{claim.name}: {claim.says}", 0)
    yield from _wrapped(f"from {claim.source}; in short: {claim.stated}", 2)
    if claim.arms:
        yield f"  {claim.task} · {counted(claim.rounds, 'round')} · {claim.sizes}"
        yield from _wrapped(f"the setting was chosen on {claim.chosen}", 2)
    for name, arm in claim.arms.items():
        yield f"  {name:<12} {arm.recipe}{f' ({arm.apart})' if arm.apart else ''}"
    yield from _wrapped(f"to bear in mind: {claim.because}", 2)
    yield "  The rule:"
    for i, part in enumerate(claim.parts, 1):
        either = f" (one of “{part.either}” is enough)" if part.either else ""
        yield f"  {i:>2}  {part.number}: {part.rule}{either}"


def told(table: pd.DataFrame) -> Iterator[str]:
    """What came of one claim, its rows of a table of verdicts, as lines."""
    first = table.iloc[0]
    yield "  What came of it:"
    for row in table.to_dict("records"):
        why = f" ({row['why']})" if row["why"] else ""
        numbers = interval(row["value"], row["low"], row["high"], sign=True)
        yield f"  {row['part']:>2}  {numbers:<28} {row['part_verdict']}{why}"
    yield f"  {first['claim']}: {first['verdict']} · seeds {first['ran_on']} · {first['seconds']:.0f} s"
    yield f"  intervals over seeds, each at {first['level']:.1%}: all {len(table)} hold at once at 95 %"


def markdown(table: pd.DataFrame) -> str:
    """The verdicts of a table in Markdown, a line a claim; the README holds it word for word."""
    head = ["| name | claim | here | parts | asked of | from |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_line(claim, table) for claim in CLAIMS.values())])


def _line(claim: Claim, table: pd.DataFrame) -> str:
    rows = table[table["claim"] == claim.name]
    if rows.empty:
        return f"| `{claim.name}` | {claim.says} | not asked yet | | `{claim.task}` | {claim.source} |"
    where = f"`{claim.task}`, {counted(claim.rounds, 'round')}, " if claim.arms else ""
    seeds = counted(len(str(rows["ran_on"].iloc[0]).split()), "seed")
    verdict = f"**{rows['verdict'].iloc[0]}** | {_parts(rows['part_verdict'])}"
    return f"| `{claim.name}` | {claim.says} | {verdict} | {where}{seeds} | {claim.source} |"


def _parts(verdicts: pd.Series) -> str:
    """How many parts of a rule came out how.

    >>> _parts(pd.Series(["holds", "undecided", "holds"]))
    '2 of 3 hold, 1 open'
    """
    counts = verdicts.value_counts()
    words = {HOLDS: f"of {len(verdicts)} hold", FAILS: "ruled out", OPEN: "open"}
    return ", ".join(f"{counts.get(each, 0)} {word}" for each, word in words.items() if each in counts or each == HOLDS)


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent or 2))
