"""`measure`: rows in, tidy metric table out."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.metrics.blocks import BAND_SHARES, blocks_of, frame
from siwork.metrics.catalogue import DEFAULT, metric_of
from siwork.metrics.cells import Cells, reduce_rows
from siwork.metrics.draws import whole
from siwork.metrics.intervals import checked_level
from siwork.schema import METRICS, SPLITS, KnobError, SchemaError, check

_INT = pd.ArrowDtype(pa.int64())
_SOLUTIONS = "n_solutions"  # a column of problems, which rows may carry too


class Wish(NamedTuple):
    """What is measured of rows, and how."""

    names: list[str]
    by: tuple[str, ...]
    level: float
    k: int | None
    problems: pd.DataFrame | None

    @property
    def columns(self) -> list[str]:
        """Row columns that the metrics read beside the keys."""
        metrics = [metric_of(_first(name)) for name in self.names]
        return sorted({column for metric in metrics for column in (*metric.needs, *metric.reads)})


def measure(
    rows: Any,
    metrics: Sequence[str] | None = None,
    by: Sequence[str] = ("round",),
    level: float = 0.95,
    k: int | None = None,
    problems: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every metric of every round with its interval: plain samples (turn 0, hint 'none') for performance, diversity and text;
    all rows for mean_score, mean_gold, proxy_gold_gap; train rows for accept_rate, accepted_share, problem_share.

    Rounds of a (run, split) compare at one k, the smallest number of plain samples a problem; answer_entropy at half.

    Parameters
    ----------
    rows : row table, or an object with `iter_rows()` (Run, Runs), which is read one round at a time
    metrics : names; `pass@k` is pass@1, 2, 4, … up to k, pass@<number> one of them; None is all there are
    by : columns measured apart, beside run and split; () pools the rounds
    level : coverage of the intervals, between 0 and 1
    k : draws, instead of the smallest number; with fewer samples the value is null
    problems : problem table with n_solutions, for solution_coverage (a run brings its own)

    Returns
    -------
    DataFrame of schema METRICS with `band`, `k` and the columns of `by`; unknown is null, the reason is in `method`.

    Raises
    ------
    SchemaError for a missing key column or a bad value; KnobError for a bad metric, level, k or `by`.

    >>> rows = pd.DataFrame({"run": "a", "round": 0, "split": "train", "problem": list("xxyy"), "gold": [True, False] * 2})
    >>> measure(rows, ["pass@k"])[["metric", "value", "n"]].values.tolist()
    [['pass@1', 0.5, 2], ['pass@2', 1.0, 2]]
    """
    wish = wished(rows, metrics, by, level, k, problems)
    if isinstance(rows, pd.DataFrame):
        parts = [_measured(rows, wish, {})]
    elif "round" in wish.by:
        sizes = {} if k is not None else _least(frames(rows, wish.by), wish.by)
        parts = [_measured(table, wish, sizes) for table in frames(rows, [*wish.by, *wish.columns])]
    else:
        tables = list(frames(rows, [*wish.by, *wish.columns]))
        parts = [_measured(pd.concat(tables, ignore_index=True), wish, {})] if tables else []
    return tidy(parts, wish.by, wish.names)


def wished(
    rows: Any,
    metrics: Sequence[str] | None,
    by: Sequence[str],
    level: float,
    k: int | None,
    problems: pd.DataFrame | None,
) -> Wish:
    """The arguments of `measure`, checked. Raises KnobError."""
    if isinstance(metrics, str) or (metrics is not None and not len(metrics)):
        raise KnobError(f"metrics is a list of names such as ['pass@1', 'answer_entropy'], got {metrics!r}")
    if isinstance(by, str):
        raise KnobError(f"by is a tuple of columns such as ('round',), got {by!r}; write ({by!r},)")
    names = list(dict.fromkeys(DEFAULT if metrics is None else metrics))
    for name in names:
        metric_of(_first(name))
    apart = tuple(name for name in dict.fromkeys(by) if name not in ("run", "split"))
    draws = None if k is None else int(whole("k", k, 1))
    return Wish(names, apart, checked_level(level), draws, _own_problems(rows) if problems is None else problems)


def _first(name: str) -> str:
    return "pass@1" if name == "pass@k" else name


def _own_problems(source: Any) -> pd.DataFrame | None:
    """The problem table of a run, or of several with a column `run`; None for a row table."""
    if isinstance(source, pd.DataFrame):
        return None
    if callable(getattr(source, "problems", None)):
        table: pd.DataFrame = source.problems()
        return table
    runs = [each for each in source if callable(getattr(each, "problems", None))] if np.iterable(source) else []
    return pd.concat([each.problems().assign(run=each.name) for each in runs]) if runs else None


def frames(source: Any, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The row tables of a run, with the key columns and the columns named as far as they belong to a row.

    Raises SchemaError for what is neither a row table nor an object with `iter_rows()`.
    """
    if not callable(getattr(source, "iter_rows", None)):
        raise SchemaError(f"a row table or a run is needed, got {type(source).__name__}; Run(folder) opens a folder")
    read = list(dict.fromkeys(["run", "split", "problem", "hint", "turn", *columns]))
    try:
        choose = "columns" in inspect.signature(source.iter_rows).parameters
        tables = iter(source.iter_rows(columns=[c for c in read if c != _SOLUTIONS]) if choose else source.iter_rows())
        first = next(tables, None)
    except SchemaError:  # the run lacks one of the columns: take what there is
        tables = iter(source.iter_rows())
        first = next(tables, None)
    for table in () if first is None else chain([first], tables):
        yield table[[name for name in read if name in table.columns]]


def _least(tables: Iterable[pd.DataFrame], by: Sequence[str]) -> dict[tuple[str, str], int]:
    """Smallest number of plain samples of a problem, by (run, split)."""
    least: dict[tuple[str, str], int] = {}
    for table in tables:
        for place, size in reduce_rows(table, by).least_samples().items():
            least[place] = min(size, least.get(place, size))
    return least


def _measured(rows: pd.DataFrame, wish: Wish, sizes: dict[tuple[str, str], int]) -> pd.DataFrame:
    """The metric table of rows that hold whole groups, without the schema's types."""
    cells = reduce_rows(rows, wish.by, wish.columns, wish.problems)
    ks, whole_groups = draws_of(cells, wish.k, sizes), cells
    if "band" in wish.by and set(BAND_SHARES) & set(wish.names):
        whole_groups = reduce_rows(rows, [name for name in wish.by if name != "band"], wish.columns)
    parts = []
    for own, shares in ((cells, False), (whole_groups, True)):
        names = [name for name in wish.names if (name in BAND_SHARES) == shares]
        found = [(name, block) for name in names for block in blocks_of(own, name, ks, wish.level)]
        parts.append(frame(own, [block for name, block in found if name == block.name or block.name not in names]))
    return pd.concat(parts, ignore_index=True)


def draws_of(cells: Cells, k: int | None, sizes: dict[tuple[str, str], int]) -> np.ndarray:
    """k (groups,): as asked, else the smallest number of plain samples of the (run, split), at least 1."""
    if k is not None:
        return np.full(cells.groups, k)
    least = sizes or cells.least_samples()
    return np.array([least.get(place, 1) for place in cells.places()], np.int64)


def tidy(parts: Sequence[pd.DataFrame], by: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """One table with the schema's types, ordered by run, round, other columns of `by`, split, and the order of names."""
    others = [name for name in by if name not in ("round", "band")]
    shown = ["run", "round", "split", *others, "band", *(column.name for column in METRICS[3:]), "k"]
    table = pd.concat([pd.DataFrame(columns=shown, dtype=object), *parts], ignore_index=True)
    rank = table["split"].map({split: i for i, split in enumerate(SPLITS)})
    place = [_place(metric, names) for metric in table["metric"]]
    order = ["run", "round", *others, "_rank", "_place", "k", "band"]
    table = table.assign(_rank=rank, _place=place).sort_values(order, kind="stable", ignore_index=True)[shown]
    return check(table.astype({"band": _INT, "k": _INT}), table="metrics")


def _place(metric: str, names: Sequence[str]) -> int:
    return names.index(metric if metric in names else "pass@k")
