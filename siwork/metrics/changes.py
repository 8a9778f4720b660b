"""Change: a metric of two rounds, paired by problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from siwork.metrics.blocks import lack
from siwork.metrics.catalogue import PerProblem, metric_of
from siwork.metrics.cells import Cells, reduce_rows
from siwork.metrics.measure import draws_of, frames, tidy, wished
from siwork.metrics.uncertainty import Interval, paired_t
from siwork.schema import KnobError


def round_difference(
    rows: Any,
    metric: str,
    first: int,
    last: int,
    level: float = 0.95,
    k: int | None = None,
    problems: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """How much a metric changed from one round to another, paired by problem.

    Never compare two rounds by whether their intervals overlap. For several runs `over_seeds(round_difference(...))` has
    the interval over seeds, the one for claims about a method.

    Parameters
    ----------
    rows : row table or run, of one run or several
    metric : pass@<number> or another mean over problems, such as distinct_correct, answer_entropy, solution_coverage
    first, last : rounds; the value is last − first
    level : coverage of the interval
    k : draws for the metrics that have them; None is the smallest number of plain samples a problem in the two rounds
    problems : problem table with n_solutions, for solution_coverage (a run brings its own)

    Returns
    -------
    Metric table, one row a (run, split): metric `<metric>_change`, round = last, n = pairs; null where a round has none.

    Raises
    ------
    KnobError for a metric that is unknown or no mean over problems, or equal rounds; SchemaError as `measure`.

    >>> rows = pd.DataFrame({"run": "a", "round": [0, 0, 1, 1], "split": "train", "problem": list("xyxy"), "gold": [0, 0, 1, 0]})
    >>> round_difference(rows.astype({"gold": bool}), "pass@1", 0, 1)["value"].tolist()
    [0.5]
    """
    if metric == "pass@k":
        raise KnobError("pass@k is a family of metrics; name one of it, such as pass@8")
    wish = wished(rows, [metric], ("round",), level, k, problems)
    if metric_of(metric).values is None:
        raise KnobError(f"only means over problems can be paired by problem, {metric!r} is a ratio of sums; try pass@1")
    if first == last:
        raise KnobError(f"first and last must be two rounds, got {first} twice")
    columns = ["run", "round", "split", "problem", "hint", "turn", *wish.columns]
    parts = [rows[[c for c in columns if c in rows]]] if isinstance(rows, pd.DataFrame) else frames(rows, columns)
    tables = [table[table["round"].isin([first, last])] if "round" in table else table for table in parts]
    if not tables:
        return tidy([], ("round",), [])
    cells = reduce_rows(pd.concat(tables), ("round",), wish.columns, wish.problems)
    reason, values = lack(cells, metric), metric_of(metric).values
    per = None if reason or values is None else values(cells, draws_of(cells, wish.k, {}))
    changes = [_change(cells, per, reason, place, (first, last), wish.level) for place in dict.fromkeys(cells.places())]
    table = pd.DataFrame(changes, columns=["run", "split", "value", "low", "high", "n", "method", "k"])
    table = table.assign(round=last, metric=f"{metric}_change", unit=metric_of(metric).unit, band=np.nan)
    return tidy([table], ("round",), [f"{metric}_change"])


def _change(
    cells: Cells, per: PerProblem | None, reason: str, place: tuple[str, str], rounds: tuple[int, int], level: float
) -> tuple[Any, ...]:
    """run, split, value, low, high, n, method and k of one (run, split)."""
    run, split = place
    here = (cells.keys["run"] == run) & (cells.keys["split"] == split)
    groups = [np.flatnonzero((here & (cells.keys["round"] == r)).to_numpy(bool)) for r in rounds]
    for r, group in zip(rounds, groups, strict=True):
        reason = reason or ("" if len(group) else f"round {r} has no rows of this split")
    if reason or per is None:
        return run, split, np.nan, np.nan, np.nan, 0, reason, np.nan
    k = np.nan if per.k is None else per.k[groups[0][0]]
    units = [cells.group == group[0] for group in groups]
    short = 0 if per.short is None else max(int((per.short & unit).sum()) for unit in units)
    if short:
        reason = f"{short} problems of a round have fewer than k={k} samples with known gold; ask for a smaller k"
        return run, split, np.nan, np.nan, np.nan, 0, reason, k
    before, after = (_by_problem(cells, per.value, unit) for unit in units)
    width = max(float(np.max(per.span[1]) - np.min(per.span[0])), 0.0)
    found = paired_t(before, after, level, (-width, width))
    problems = len(np.unique(cells.problem[units[0] | units[1]]))
    return run, split, found.value, found.low, found.high, found.n, _words(per, found, problems, rounds, k), k


def _by_problem(cells: Cells, values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Values of some units by problem code, NaN for the problems they do not hold."""
    spread = np.full(len(cells.names), np.nan)
    spread[cells.problem[unit]] = values[unit]
    return spread


def _words(per: PerProblem, found: Interval, problems: int, rounds: tuple[int, int], k: float) -> str:
    lacking = per.lacking.format(k=k)
    if not found.n:
        return f"no problem has a value in both rounds: {lacking} is needed"
    kind = "paired t over problems" if np.isfinite(found.low) else "no interval: one pair, or all differences equal"
    words = f"round {rounds[1]} − round {rounds[0]}, {per.how.format(k=k)}; {kind}"
    if found.n < problems:
        words += f"; {problems - found.n} of {problems} problems left out for lack of {lacking} in both rounds"
    return words + ("; few_problems" if found.n < 10 else "")
