"""`measure`: rows in, tidy metric table out."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.metrics.blocks import blocks_of, frame
from siwork.metrics.catalogue import CHANGE, DEFAULT, metric_of
from siwork.metrics.cells import reduce_rows
from siwork.metrics.draws import whole
from siwork.metrics.intervals import checked_level
from siwork.metrics.metric_table import MetricTable
from siwork.metrics.packs import packed, together
from siwork.metrics.since import First, changes_since
from siwork.metrics.study import Common, Place, Study, commons
from siwork.schema import METRICS, SPLITS, KnobError, SchemaError, check

_INT, _REAL = pd.ArrowDtype(pa.int64()), pd.ArrowDtype(pa.float64())
_OWN = ("metric", "value", "low", "high", "n", "unit", "method", "k", "se")  # columns of the metric table
_MOST_DRAWS = 999_999_999  # what the name of a metric can hold


class Wish(NamedTuple):
    """What is measured of rows, and how."""

    names: list[str]
    by: tuple[str, ...]
    level: float
    k: int | None
    problems: pd.DataFrame | None
    embed: Any

    @property
    def columns(self) -> list[str]:
        """Row columns that the metrics read beside the keys."""
        metrics = [metric_of(name) for name in self.names]
        return sorted({column for metric in metrics for column in (*metric.needs, *metric.reads)})

    @property
    def levels(self) -> list[str]:
        """The metrics that are no changes."""
        return [name for name in self.names if not name.endswith(CHANGE)]

    @property
    def changes(self) -> list[str]:
        """The changes since the first round."""
        return [name for name in self.names if name.endswith(CHANGE)]

    @property
    def ground(self) -> frozenset[str]:
        """Columns from which all rounds have one ground: the length of texts, score bins, the first round's answers."""
        metrics = [metric_of(name) for name in self.names]
        return frozenset(name for metric in metrics for name in metric.ground if name in {*metric.needs, *metric.reads})

    @property
    def commons(self) -> list[str]:
        """Of these, the columns that say on which ground rounds compare."""
        return [name for name in self.columns if name in {"round", "sample", "weight", *self.ground}]


def measure(
    rows: Any,
    metrics: Sequence[str] | None = None,
    by: Sequence[str] = ("round",),
    level: float = 0.95,
    k: int | None = None,
    problems: pd.DataFrame | None = None,
    embed: Any = None,
) -> pd.DataFrame:
    """The metrics of every round with their intervals, and how they changed since the first round.

    First attempts without a hint (turn 0, hint 'none') count for performance, diversity, texts, lengths and steps; every
    row for mean_gold, the verifier, revisions and preference pairs; train rows alone for the tail of the training data.
    Rounds of a (run, split) compare on one ground: one k, the smallest number of plain samples a problem (answer_entropy:
    half of it), one length of texts, one number of bytes, one set of score bins. A round whose problems are not those of
    the first round says so in `method`.

    `<metric>_change` is the change since the first round of the (run, split), paired by problem, in every later round: value
    and interval as of `round_difference` at the common k, n the pairs (of a ratio the problems of either round), "no problem
    differs" in `method` where every difference is 0. It exists for means and ratios over problems; `pass@k_change` is that
    of pass@K, K the common k, and named so. Of the first round only the values of its problems are held.

    Parameters
    ----------
    rows : row table, or an object with `iter_rows()` (Run, Runs), which is read one round at a time,
        a small run at once
    metrics : names, which `siwork metrics` lists, and their changes; `pass@k` is pass@1, 2, 4, … up to k, pass@<number> one
        of them; None is `siwork.metrics.catalogue.DEFAULT`: levels of every family, and the changes of those that tell
        whether a loop goes wrong, which leave where `by` is not ("round",)
    by : columns measured apart, beside run and split; () pools the rounds; by hint or turn, every row counts
    level : coverage of the intervals, between 0 and 1
    k : draws, instead of the smallest number; with fewer samples the value is null
    problems : problem table with n_solutions, for solution_coverage (a run brings its own)
    embed : what makes vectors of responses: a callable, an object with `encode`, the name of a sentence-transformers
        model; None is hashed character n-grams

    Returns
    -------
    DataFrame of schema METRICS with `band`, `k` and the columns of `by`; unknown is null, the reason is in `method`. Rows
    that lack what a metric needs leave it and are counted there; a log-probability of −∞ counts as unknown. `se` is the
    standard error of a change, also where too few problems differ for an interval; the level is in `attrs["level"]`.

    Raises
    ------
    SchemaError for a missing key column, a bad value, or two rows that share a key; KnobError for a bad metric, level, k,
    problems, embed or `by`, a change of what is no mean or ratio over problems, and one asked for where `by` is not
    ("round",).

    >>> rows = pd.DataFrame({"run": "a", "round": 0, "split": "train", "problem": list("xxyy"), "gold": [True, False] * 2})
    >>> measure(rows, ["pass@k"])[["metric", "value", "n"]].values.tolist()
    [['pass@1', 0.5, 2], ['pass@2', 1.0, 2]]
    """
    wish = wished(rows, metrics, by, level, k, problems, embed)
    if isinstance(rows, pd.DataFrame):
        parts = [_measured(rows, wish, {}, {})]
    elif "round" in wish.by and (small := together(frames(rows, [*wish.by, *wish.columns]))) is not None:
        parts = [_measured(small, wish, {}, {})]
    elif "round" in wish.by:
        sizes = _shared(packed(frames(rows, [*wish.by, *wish.commons])), wish)
        one = partial(_measured, wish=wish, shared=sizes, held={})
        parts = list(map(one, packed(frames(rows, [*wish.by, *wish.columns]))))  # map lets rows go before it reads on
    else:
        tables = list(frames(rows, [*wish.by, *wish.columns]))
        parts = [_measured(pd.concat(tables, ignore_index=True), wish, {}, {})] if tables else []
    return tidy(parts, wish.by, wish.names, wish.level)


def wished(
    rows: Any,
    metrics: Sequence[str] | None,
    by: Sequence[str],
    level: float,
    k: int | None,
    problems: pd.DataFrame | None,
    embed: Any = None,
) -> Wish:
    """The arguments of `measure`, checked. Raises KnobError."""
    names = _listed("metrics", DEFAULT if metrics is None else metrics, "['pass@1', 'answer_entropy']")
    if not names:
        raise KnobError("metrics is a list of names such as ['pass@1', 'answer_entropy'], got an empty one")
    for name in names:
        metric_of(name)
    apart = [name for name in _listed("by", by, "('round',)") if name not in ("run", "split")]
    taken = [name for name in apart if name in _OWN]
    if taken:
        raise KnobError(f"by names columns of the rows, got {taken[0]!r}, a column of the metric table; rename it")
    if apart != ["round"]:
        names = _without_changes(names, by, asked=metrics is not None)
    if not isinstance(level, int | float | np.number):
        raise KnobError(f"level must lie between 0 and 1, got {level!r}; 0.95 is usual")
    if not (problems is None or isinstance(problems, pd.DataFrame)):
        raise KnobError(f"problems must be a table with n_solutions, got {type(problems).__name__}; see run.problems()")
    known = _own_problems(rows) if problems is None else problems
    return Wish(names, tuple(apart), checked_level(level), None if k is None else _drawn(k), known, embed)


def _without_changes(names: list[str], by: Sequence[str], asked: bool) -> list[str]:
    """The levels among the names. Raises KnobError where a change was asked for."""
    changes = [name for name in names if name.endswith(CHANGE)]
    if changes and asked:
        raise KnobError(
            f"{changes[0]!r} is a change since the first round, which needs by=('round',), got {tuple(by)!r}; "
            "measure it apart, or name the levels alone"
        )
    return [name for name in names if name not in changes]


def _drawn(k: Any) -> int:
    """k itself. Raises KnobError when it is not one whole number that can be drawn."""
    if not isinstance(k, int | float | np.number):
        raise KnobError(f"k must be one whole number ≥ 1, got {k!r}; None takes the smallest number of samples")
    draws = int(whole("k", k, 1))
    if draws > _MOST_DRAWS:
        raise KnobError(f"k must be at most {_MOST_DRAWS}, got {draws}; k above the samples of a problem gives null")
    return draws


def _listed(argument: str, names: Any, example: str) -> list[str]:
    """The names without repetition. Raises KnobError for what is no list of texts."""
    if isinstance(names, str) or not np.iterable(names):
        raise KnobError(f"{argument} is a list of names such as {example}, got {names!r}; put it in a list")
    found = list(names)
    odd = [name for name in found if not isinstance(name, str)]
    if odd:
        raise KnobError(f"{argument} is a list of names such as {example}, got {odd[0]!r} among them")
    return list(dict.fromkeys(found))


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
    own = ["weight" if name == "kept" else name for name in columns]
    read = list(dict.fromkeys(["run", "split", "problem", "hint", "turn", *own]))
    if callable(getattr(source, "columns", None)):
        there = set(source.columns())
        return iter(source.iter_rows(columns=[name for name in read if name in there]))
    if "columns" in inspect.signature(source.iter_rows).parameters:
        return iter(source.iter_rows(columns=read))
    return (table[[name for name in read if name in table.columns]] for table in source.iter_rows())


def _shared(tables: Iterable[pd.DataFrame], wish: Wish) -> dict[Place, Common]:
    """The common ground of all rounds of each (run, split)."""
    found: dict[Place, Common] = {}
    for table in tables:
        for place, own in commons(reduce_rows(table, wish.by, wish.commons), wish.k, wish.ground).items():
            found[place] = found[place].with_later(own) if place in found else own
        del table  # not held while the next one is read
    return found


def study_of(rows: pd.DataFrame, wish: Wish, shared: dict[Place, Common], by: Sequence[str] | None = None) -> Study:
    """Rows that hold whole groups, reduced, on the common ground given, else on their own."""
    cells = reduce_rows(rows, wish.by if by is None else by, wish.columns, wish.problems)
    common = shared or commons(cells, wish.k, wish.ground)
    return Study(cells, tuple(common.get(place, Common()) for place in cells.places()), wish.level, wish.embed)


def _measured(rows: pd.DataFrame, wish: Wish, shared: dict[Place, Common], held: dict[Place, First]) -> pd.DataFrame:
    """The metric table of rows that hold whole groups, without the schema's types."""
    study = study_of(rows, wish, shared)
    banded = [name for name in wish.levels if metric_of(name).banded and "band" in wish.by]
    others = [name for name in wish.levels if name not in banded]
    parts = [_table(study, others), changes_since(study, wish.changes, held)]
    if banded:  # a metric by band is measured over all bands
        whole_groups = study_of(rows, wish, shared, [name for name in wish.by if name != "band"])
        parts.append(_table(whole_groups, banded))
    return pd.concat(parts, ignore_index=True)


def _table(study: Study, names: Sequence[str]) -> pd.DataFrame:
    found = [(name, block) for name in names for block in blocks_of(study, name)]
    return frame(study.cells, [block for name, block in found if name == block.name or block.name not in names])


def tidy(parts: Sequence[pd.DataFrame], by: Sequence[str], names: Sequence[str], level: float) -> pd.DataFrame:
    """One table with the schema's types, ordered by run, round, other columns of `by`, split, and the order of names.

    Its `attrs["level"]` is the level.
    """
    others = [name for name in by if name not in ("round", "band")]
    shown = ["run", "round", "split", *others, "band", *(column.name for column in METRICS[3:]), "k", "se"]
    table = pd.concat([pd.DataFrame(columns=shown, dtype=object), *parts], ignore_index=True)
    rank = table["split"].map({split: i for i, split in enumerate(SPLITS)})
    place = [_place(metric, names) for metric in table["metric"]]
    order = ["run", "round", *others, "_rank", "_place", "k", "band"]
    table = table.assign(_rank=rank, _place=place).sort_values(order, kind="stable", ignore_index=True)[shown]
    table = MetricTable(check(table.astype({"band": _INT, "k": _INT, "se": _REAL}), table="metrics"))
    table.attrs["level"] = level
    return table


def _place(metric: str, names: Sequence[str]) -> int:
    family = f"pass@k{CHANGE}" if metric.endswith(CHANGE) else "pass@k"
    return names.index(metric if metric in names else family)
