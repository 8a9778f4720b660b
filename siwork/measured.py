"""The measured half of a method's card: what it changed here, from the table that ships, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from siwork.schema import RunError, SchemaError, same_knobs, shipped
from siwork.schema.numbers import counted, interval, number

FILE = "measured.csv"
_ABOUT = {
    "D": "distinct_correct",
    "T": "tail_solve_rate",
    "C": "proxy_gold_gap",
}  # in short, beside pass@1, by question
_TEXTS = (
    "name", "formula", "task", "policy", "problems", "reference", "metric", "unit", "conclusion", "method", "version", "whole",
    "why",
)  # fmt: skip
COLUMNS = (
    "name", "formula", "task", "policy", "rounds", "problems", "seed", "reference", "metric", "unit", "base", "given",
    "own", "value", "low", "high", "least", "most", "seeds", "n", "level", "comparisons", "samples", "given_samples",
    "seconds", "given_seconds", "conclusion", "method", "version", "whole", "why",
)  # fmt: skip


class Card(NamedTuple):
    """A method as the catalogue has it now."""

    name: str
    formula: str
    task: str
    shows: str = ""  # letters of the questions that it is about
    whole: str = ""  # the formula with every knob written; without it defaults are not compared


def methods_measured() -> pd.DataFrame:
    """What ships: what methods of the catalogue changed against `vanilla` at equal samples.

    Returns
    -------
    DataFrame, a row a (name, metric), or one row with the reason in `why` for a method that was not measured. formula, task,
    policy, rounds, problems, seed (the first of `seeds`): what was played; reference, the formula it was compared with, empty
    for what is compared with its own round 0: `vanilla`, and how far a verifier flatters; metric, unit; base, given and own,
    means over seeds held-out: of round 0, of the reference and of the method after the last round; value, own − given, paired
    by problem and seed, low and high at a level by which the `comparisons` intervals of the method hold all at once with chance
    `level`, least and most of the seeds; n held-out problems; samples drawn and wall seconds a round with training, of both;
    conclusion, method; version of siwork; whole, the formula with every knob written.

    Raises
    ------
    RunError when the installation lacks the file.

    >>> set(methods_measured().columns) == set(COLUMNS)
    True
    """
    return _shipped().copy()


@lru_cache(maxsize=1)
def _shipped() -> pd.DataFrame:
    if path := shipped("methods", FILE):
        return from_csv(path.read_text("utf-8"))
    raise RunError(f"{FILE} is missing from this installation; install siwork again")


def as_csv(table: pd.DataFrame) -> str:
    """A table of measured methods as text, unknown left empty; `from_csv` reads it back, numbers to five digits."""
    return table.reindex(columns=list(COLUMNS)).to_csv(index=False, float_format="%.5g", lineterminator="\n")


def from_csv(text: str) -> pd.DataFrame:
    """The table that `as_csv` wrote."""
    return pd.read_csv(StringIO(text), dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False, na_values=[""])


def earlier(path: Path) -> pd.DataFrame | None:
    """The table that an earlier `siwork measure` wrote there, None for no file. Raises SchemaError for another file."""
    if not path.exists():
        return None
    try:
        table = from_csv(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())  # the parser's words end with a new line
        raise SchemaError(f"{path} cannot be read as a table ({why}); name another file with --output") from None
    if lacking := [name for name in COLUMNS if name not in table]:
        raise SchemaError(
            f"{path} is no table of siwork measure, it lacks {', '.join(lacking[:3])} …; name another with --output"
        )
    return table


def in_short(card: Card, table: pd.DataFrame | None = None) -> str:
    """What a method changed here in one line, or why that is not known.

    Parameters
    ----------
    card : the method as it is now; pass@1 is told, and what it is about
    table : measured methods, None for those that ship

    >>> in_short(Card("new", "seed · cot · sft", "add"))
    'not measured'
    """
    rows = _of(card, table)
    if why := _why(card, rows):
        return why
    wanted = ["pass@1", *(metric for letter, metric in _ABOUT.items() if letter in card.shows)]
    lines = [row for metric in wanted for row in rows if row["metric"] == metric and not pd.isna(row["value"])]
    first = rows[0]
    told = ", ".join(f"{row['metric']} {_difference(row)}{_since(row, first)}" for row in lines)
    since = "since round 0: " if pd.isna(first["reference"]) else ""
    return f"{since}{told or 'nothing that is known'}; {_cost(first)}"


def in_full(card: Card, table: pd.DataFrame | None = None) -> Iterator[str]:
    """What a method changed here, a line a fact: every metric, the cost, the setting. Parameters as those of `in_short`."""
    rows = _of(card, table)
    if why := _why(card, rows):
        yield why
        return
    first = rows[0]
    for row in rows:
        yield f"{row['metric']:<17} {_levels(row, _since(row, first))}"
    yield _cost(first, exact=True)
    beside = "its own round 0" if pd.isna(first["reference"]) else str(first["reference"])
    yield f"against {beside}, held-out, after {counted(first['rounds'], 'round')}, paired by problem and seed"
    yield f"{_setting(first)}; the intervals hold all at once with a chance of {first['level']:.0%}"


def _of(card: Card, table: pd.DataFrame | None) -> list[dict[Any, Any]]:
    found = _shipped() if table is None else table
    return found[(found["name"] == card.name).to_numpy(bool)].to_dict("records")


def _why(card: Card, rows: Sequence[Mapping[Any, Any]]) -> str:
    """Why there is nothing to tell, empty when there is something."""
    if not rows:
        return "not measured"
    first = rows[0]
    if not pd.isna(first["why"]):
        return f"not measured: {first['why']}"
    if first["formula"] != card.formula:
        return "measured with another formula"
    if card.whole and not same_knobs(first["whole"], card.whole):
        return "measured with other defaults of its knobs"
    return "" if first["task"] == card.task else "measured on another task"


def _difference(row: Mapping[Any, Any]) -> str:
    """A difference with its interval, `[none]` where there is none; of equal runs there is nothing to doubt."""
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    bare = pd.isna(low) and not value == row["least"] == row["most"] == 0
    return interval(value, low, high, sign=True) + (" [none]" if bare else "")


def _since(row: Mapping[Any, Any], first: Mapping[Any, Any]) -> str:
    """What is said of a row that has another reference than the first of its method, and how many problems have both rounds."""
    if not pd.isna(row["reference"]) or pd.isna(first["reference"]) or pd.isna(row["value"]):
        return ""
    few = f" ({row['n']:.0f} of {first['n']:.0f} problems)" if row["n"] < first["n"] else ""
    return f" since round 0{few}"


def _levels(row: Mapping[Any, Any], since: str) -> str:
    """A metric of both and its difference, or why that is unknown."""
    if pd.isna(row["value"]):
        return f"unknown: {row['method']}"
    alone = pd.isna(row["reference"])
    ends = (row["base"], row["given"], row["own"])
    base, given, own = (number(float(end), *ends) for end in ends)
    told = f"{base} → {own}" if alone else f"{given} there, {own} here, {base} in round 0"
    return f"{_difference(row)}{since}  ({told})  {row['conclusion']}"


def _cost(row: Mapping[Any, Any], exact: bool = False) -> str:
    """Samples and seconds a round, as shares of the reference's where there is one."""
    if pd.isna(row["reference"]):
        return f"{row['samples']:.0f} samples and {row['seconds']:.1f} s a round"
    shares = [row[name] / row[f"given_{name}"] for name in ("samples", "seconds")]
    told = f"{shares[0]:.2f} × samples, {shares[1]:.1f} × seconds"
    if not exact:
        return told
    samples = f"{row['samples']:.0f} and {row['given_samples']:.0f} samples"
    return f"{told} a round ({samples}, {row['seconds']:.1f} and {row['given_seconds']:.1f} s)"


def _setting(row: Mapping[Any, Any]) -> str:
    seeds = f"{counted(row['seeds'], 'seed')} from {row['seed']:.0f}"
    return f"{row['policy']} with {row['task']}, {row['problems']}, {seeds}, siwork {row['version']}"
