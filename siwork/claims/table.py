"""The table of verdicts that ships: a row a part of a claim, made by `siwork claims`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from siwork.claims.catalogue import CLAIMS
from siwork.claims.claim import Claim
from siwork.recipes import recipe_of
from siwork.schema import SchemaError, same_knobs
from siwork.schema.shipped import shipped

if TYPE_CHECKING:
    from siwork.claims.playing import Judgement

COLUMNS = [
    "claim", "verdict", "part", "number", "rule", "either", "claimed", "line", "worth",
    "value", "low", "high", "smallest", "largest", "seeds", "level",
    "part_verdict", "why", "task", "rounds", "problems", "ran_on", "samples", "seconds", "mark", "version", "whole",
]  # fmt: skip


def table_of(found: Iterable[Judgement]) -> pd.DataFrame:
    """The table of verdicts, a row a part. `samples` are those a run of each arm drew to train on."""
    return pd.concat([_rows(each) for each in found], ignore_index=True)[COLUMNS]


def _rows(found: Judgement) -> pd.DataFrame:
    from importlib.metadata import version

    claim = found.claim
    samples = ", ".join(f"{name} {count:.0f}" for name, count in found.samples.items())
    about: dict[str, Any] = {"claim": claim.name, "verdict": found.verdict, "task": claim.task, "rounds": claim.rounds}
    about |= {"problems": str(claim.sizes) if claim.arms else "", "ran_on": " ".join(map(str, found.seeds))}
    about |= {"samples": samples, "seconds": round(found.seconds), "mark": claim.mark, "version": version("siwork")}
    about |= {"whole": whole_of(claim)}
    return found.parts.rename(columns={"verdict": "part_verdict"}).assign(**about)


def whole_of(claim: Claim) -> str:
    """The formulas of the arms with every knob written, those at their default, too.

    >>> whole_of(CLAIMS["repetition"]).split("; ")[1]
    'usual = seed(n=0) · cot(k=16, temperature=1.0, top_p=1.0) · sft(steps=60, batch=64, rate=1.0)'
    """
    return "; ".join(f"{name} = {recipe_of(arm.recipe).whole}" for name, arm in claim.arms.items())


def merged(old: pd.DataFrame | None, new: pd.DataFrame) -> pd.DataFrame:
    """The rows of `new`, and those of `old` for claims that `new` does not have, in the order of the catalogue."""
    kept = new if old is None else pd.concat([old[~old["claim"].isin(new["claim"])], new], ignore_index=True)
    order = {name: i for i, name in enumerate(CLAIMS)}
    return kept.sort_values(["claim", "part"], key=lambda x: x.map(order) if x.name == "claim" else x, kind="stable")


def written(table: pd.DataFrame) -> str:
    """The table as CSV, numbers with six digits."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def read_verdicts(path: Path) -> pd.DataFrame:
    """A table that `siwork claims` wrote. Raises SchemaError for another file."""
    text = dict.fromkeys(["why", "either", "samples", "problems", "ran_on", "task", "version", "whole"], str)
    try:
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={name: [""] for name in _REAL})
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())  # the parser's words end with a new line
        raise SchemaError(f"{path} cannot be read as a table ({why}); name another file with --output") from None
    if lacking := [name for name in COLUMNS if name not in table]:
        raise SchemaError(
            f"{path} is no table of verdicts, it lacks {', '.join(lacking[:3])} …; name another file with --output"
        )
    return table[COLUMNS]


_REAL = ["value", "low", "high", "smallest", "largest"]


def shipped_verdicts() -> pd.DataFrame:
    """The table that ships: what `siwork claims` found, with seeds 0 to 4.

    Returns
    -------
    DataFrame, a row a part of a claim: claim, verdict of the claim, part, number and rule in words, either (of parts with the
    same word one is enough), value (mean over seeds), low and high at `level` (Bonferroni over the parts of the claim),
    smallest and largest of the seeds, seeds, part_verdict, why there is no interval; task, rounds, problems, ran_on (the
    seeds), samples drawn to train on by arm (texts that somebody wrote for it are none), seconds, mark (of what was played and
    the rule), version, and whole, the formulas of the arms with every knob written.

    >>> sorted(set(shipped_verdicts()["verdict"])) <= ["does not hold here", "holds", "undecided"]
    True
    """
    path = shipped("claims", "verdicts.csv")
    return pd.DataFrame(columns=COLUMNS) if path is None else read_verdicts(path)


def stale(table: pd.DataFrame) -> list[str]:
    """Claims whose rule or setting, defaults of knobs among it, is no longer that of the table."""
    rows = table.drop_duplicates("claim").to_dict("records")
    return [
        str(row["claim"]) for row in rows if row["claim"] not in CLAIMS or not _as_played(CLAIMS[row["claim"]], row)
    ]


def _as_played(claim: Claim, row: Mapping[Hashable, Any]) -> bool:
    if claim.mark != row["mark"]:
        return False
    formulas = [
        dict(arm.split(" = ", 1) for arm in text.split("; ")) for text in (row["whole"], whole_of(claim)) if text
    ]
    return not formulas or all(same_knobs(then, formulas[1][name]) for name, then in formulas[0].items())


def verdicts(table: pd.DataFrame, names: Sequence[str] = ()) -> dict[str, str]:
    """The verdict of each claim of a table, of those names or all."""
    first = table.drop_duplicates("claim").set_index("claim")["verdict"]
    return {str(name): str(verdict) for name, verdict in first.items() if not names or name in names}
