"""What a metric of `measure` gives back: values a problem, a ratio of sums, or estimates of whole groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from siwork.metrics.cells import Part
from siwork.metrics.intervals import UNBOUNDED, Span
from siwork.metrics.study import Study

SHARE = (0.0, 1.0)
POSITIVE, NEGATIVE = (0.0, np.inf), (-np.inf, 0.0)
NULLS = "rows with null left out"
FEW = 25  # problems below which intervals of values that are no shares hold the truth too often or too rarely
OF_K = "exact mean over draws of k={k} samples"


class PerProblem(NamedTuple):
    """A mean over problems: values of one metric, one a unit, and what to say of them."""

    value: np.ndarray  # (units,), NaN leaves the mean
    how: str  # estimator in words; {k} stands for the group's k
    span: Span = UNBOUNDED  # least and greatest possible value
    lacking: str = ""  # what a problem without a value lacks, in words like `how`
    k: np.ndarray | None = None  # (groups,) draws, where the metric has them
    short: np.ndarray | None = None  # (units,) bool: too few samples, which makes the group's value unknown
    lost: np.ndarray | None = None  # (groups,) rows left out
    out: str = NULLS  # which rows these are
    among: np.ndarray | None = None  # (units,) bool: problems the metric is about; None is all
    drawn: str = "samples with known gold"  # what `short` lacks
    notes: Sequence[str] = ()  # (groups,) more words on the estimator of each group
    fewest: int = 0  # problems that an interval needs; 0 is 5 for shares, `FEW` for other values
    barred: np.ndarray | None = None  # (groups,) bool: no interval, whose reason is `why`
    why: str = "too few problems make the value"


class Ratio(NamedTuple):
    """A ratio of sums over problems, Σ part / Σ whole."""

    part: np.ndarray  # (units,)
    whole: np.ndarray  # (units,) ≥ 0
    how: str
    lacking: str  # what a group without a value lacks
    span: tuple[float, float] = SHARE
    shape: Callable[[np.ndarray], np.ndarray] | None = None  # monotone function applied to value and interval
    lost: np.ndarray | None = None  # (groups,) rows left out
    out: str = NULLS  # which rows these are
    fewest: int = 0  # as in PerProblem


class Estimate(NamedTuple):
    """One group's value."""

    value: float
    low: float
    high: float
    n: int
    method: str  # estimator and interval, or the reason why the value is unknown


class Whole(NamedTuple):
    """Estimates of the groups as they are."""

    estimates: Sequence[Estimate]  # (groups,)
    k: np.ndarray | None = None


Made = PerProblem | Ratio | Whole


class Metric(NamedTuple):
    """One metric of `measure`."""

    needs: tuple[str, ...]  # row columns
    make: Callable[[Study], Any]  # → PerProblem, Ratio or Whole; a list of five, one a band, where `banded`
    meaning: str  # one line: what is measured, and which way is better
    unit: str = ""
    span: tuple[float, float] = UNBOUNDED
    reads: tuple[str, ...] = ()  # further columns it looks at where rows have them
    train: bool = False  # of train rows only
    banded: bool = False
    ground: tuple[str, ...] = ("response", "score")  # of the columns, those whose common ground it stands on


def fewest_of(made: PerProblem | Ratio) -> int:
    """Problems that an interval of this needs."""
    share = np.ndim(made.span[0]) == np.ndim(made.span[1]) == 0 and tuple(made.span) == SHARE
    return made.fewest or (5 if share and (isinstance(made, PerProblem) or made.shape is None) else FEW)


def unknown(reason: str, n: int = 0) -> Estimate:
    """An estimate that is not known."""
    return Estimate(np.nan, np.nan, np.nan, n, reason)


def left_out(rows: int, part: Part) -> str:
    """How many of the rows of a group have no score or no known gold, in words; nothing where all have both."""
    lost = rows - int((~np.isnan(part.column("score") + part.column("gold"))).sum())
    return f"; {lost} {NULLS}" if lost else ""


def exact(value: float, n: int, how: str) -> Estimate:
    """A number that is counted, not estimated: it has no interval."""
    return Estimate(value, np.nan, np.nan, n, f"{how}; counted, so no interval")


def each_group(study: Study, function: Callable[[Part], Estimate]) -> Whole:
    """One estimate a group, from its rows."""
    return Whole([function(study.part(g)) for g in range(study.cells.groups)])


def row_mean(column: str, plain: bool, span: tuple[float, float]) -> Callable[[Study], PerProblem]:
    """Mean over problems of the mean of a problem's samples."""

    def make(study: Study) -> PerProblem:
        cells, x = study.cells, study.cells.columns[column]
        mask = cells.plain if plain else np.ones(len(x), bool)
        lost = cells.rows_by_group(mask & ~np.isfinite(x))
        lacking = f"a sample with known {column}"
        return PerProblem(cells.mean(x, mask), "mean of a problem's samples", span, lacking, lost=lost)

    return make
