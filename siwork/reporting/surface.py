"""What a loop makes of a verifier's errors: the end of runs behind each pair of rates, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from siwork.metrics import measure, over_seeds
from siwork.reporting.ablation import last_round
from siwork.schema import KnobError, RunError
from siwork.store import Run, Runs

ACCURACY, HARD = "pass@1", "tail_share"  # held-out after the last update, and in the data of the last update
_COLUMNS = ["run", "round", "split", "problem", "sample", "hint", "turn", "gold", "weight", "band"]
_KEPT = [
    "fp",
    "fn",
    "link",
    "metric",
    "round",
    "split",
    "value",
    "low",
    "high",
    "n",
    "seeds",
    "unit",
    "least",
    "most",
    "method",
]


def surface_table(
    cells: Mapping[tuple[float, float], Sequence[Run]], *, link: str = "flat", level: float = 0.95
) -> pd.DataFrame:
    """The end of the runs behind each pair of error rates: held-out accuracy, and the share of hard problems in the data.

    Parameters
    ----------
    cells : runs, one a seed, by their rates of false accepts and of false rejects, 0 … 1 each
    link : how the rates hang on difficulty, for the table; "flat" or "difficulty"
    level : coverage of the interval of each cell for itself

    Returns
    -------
    DataFrame, a row a cell and metric: fp, fn, link; metric, `pass@1` of the last round, held-out, or `tail_share` of the last
    round that trained, the share of accepted rows from bands 0 and 1; round, split, value with low and high over seeds (over
    problems where there is one), n (seeds, or problems), seeds, unit, least and most of the seeds, method. Null where nothing was
    accepted.

    Raises
    ------
    KnobError without cells or runs; Unfinished when a run has not all its rounds; RunError when runs have different numbers of
    rounds, none, or cannot be read.
    """
    place = {run.name: rates for rates, runs in cells.items() for run in runs}
    if not place:
        raise KnobError("a surface needs runs of at least one pair of rates, got none; play some with: siwork surface")
    runs = [run for own in cells.values() for run in own]
    r = last_round(runs)
    if r < 1:
        raise RunError(f"a surface needs runs of at least one update, {runs[0].name} has none; play one round or more")
    wanted = [(ACCURACY, "heldout", r), (HARD, "train", r - 1)]
    parts = [_cells(runs, place, *each, level) for each in wanted]
    return pd.concat(parts, ignore_index=True).assign(link=link)[_KEPT]


def _cells(
    runs: Sequence[Run], place: Mapping[str, tuple[float, float]], metric: str, split: str, r: int, level: float
) -> pd.DataFrame:
    """One metric of all cells."""
    there = runs[0].columns()
    rows = Runs(runs).rows([r], [name for name in _COLUMNS if name in there], split)
    own = measure(rows, [metric], level=level)
    names = {rates: f"{rates}" for rates in dict.fromkeys(place.values())}
    group = {run: names[rates] for run, rates in place.items()}
    if len(place) == len(names):
        found = own.assign(least=own["value"], most=own["value"], run=own["run"].map(group))
    else:
        found = over_seeds(own, level, group)
    rates = {name: rates for rates, name in names.items()}
    fp, fn = ([rates[name][side] for name in found["run"]] for side in (0, 1))
    seeds = [sum(each == rates[name] for each in place.values()) for name in found["run"]]
    return pd.DataFrame(found.assign(fp=fp, fn=fn, seeds=seeds))
