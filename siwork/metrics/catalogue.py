"""The metrics that `measure` knows: from reduced rows to one value a problem, with its estimator in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from siwork.metrics.cells import Cells
from siwork.metrics.diversity import answer_entropy, distinct_at_k, gini_simpson
from siwork.metrics.intervals import UNBOUNDED, Span
from siwork.metrics.performance import pass_at_k
from siwork.schema import KnobError, nearest

SHARE = (0.0, 1.0)
_DRAWS = "exact mean over draws of k={k} samples"
_PASS = re.compile(r"pass@([1-9]\d{0,8})\Z")


class PerProblem(NamedTuple):
    """Values of one metric, one a unit, and what to say of them."""

    value: np.ndarray  # (units,), NaN leaves the mean
    how: str  # estimator in words; {k} stands for the group's k
    span: Span = UNBOUNDED  # least and greatest possible value
    lacking: str = ""  # what a problem without a value lacks, in words like `how`
    k: np.ndarray | None = None  # (groups,) draws, where the metric has them
    short: np.ndarray | None = None  # (units,) bool: too few samples, which makes the group's value unknown
    lost: np.ndarray | None = None  # (groups,) rows left out because the column is null


class Metric(NamedTuple):
    """One metric of `measure`."""

    needs: tuple[str, ...]  # row columns
    values: Callable[[Cells, np.ndarray], PerProblem] | None  # (cells, k of each group); None: a ratio of sums
    unit: str = ""
    span: tuple[float, float] = UNBOUNDED
    reads: tuple[str, ...] = ()  # further columns it looks at where rows have them


def _pass(k: int) -> Callable[[Cells, np.ndarray], PerProblem]:
    def values(cells: Cells, _: np.ndarray) -> PerProblem:
        n, c = cells.tried
        ks = np.full(cells.groups, k)
        how = "share of right samples" if k == 1 else _DRAWS
        return PerProblem(pass_at_k(n, c, k), how, SHARE, "a sample with known gold", ks, (n > 0) & (n < k))

    return values


def _distinct_correct(cells: Cells, k: np.ndarray) -> PerProblem:
    n, _ = cells.tried
    counts, unit = cells.types(cells.right)
    ks = k[cells.group]
    value = distinct_at_k(counts, ks, unit, n)
    value[cells.count(cells.right & (cells.columns["answer"] < 0)) > 0] = np.nan  # right, but which answer?
    lacking = "known gold and an answer in each right sample"
    return PerProblem(value, _DRAWS, (0.0, _most_distinct(cells, k)), lacking, k, (n > 0) & (n < ks))


def _most_distinct(cells: Cells, k: np.ndarray) -> np.ndarray:
    """Most different right answers a problem of each group can show in k draws, (groups,)."""
    most = np.zeros(cells.groups)
    np.maximum.at(most, cells.group, np.where(np.isnan(cells.solutions), np.inf, cells.solutions))
    return np.minimum(most, k)


def _solution_coverage(cells: Cells, k: np.ndarray) -> PerProblem:
    found = _distinct_correct(cells, k)
    known = np.where(cells.solutions > 0, cells.solutions, np.nan)
    short = found.short & ~np.isnan(known) if found.short is not None else None
    lacking = f"a known number of solutions, {found.lacking}"
    return found._replace(value=found.value / known, span=SHARE, lacking=lacking, short=short)


def _padded(values: np.ndarray, units: int) -> np.ndarray:
    return np.r_[values, np.full(units - len(values), np.nan)]


def _answer_entropy(cells: Cells, k: np.ndarray) -> PerProblem:
    counts, unit = cells.types(cells.plain)
    half = np.maximum((k + 1) // 2, 2)  # a round with some unreadable answers still has this many
    units = int(unit.max(initial=-1)) + 1
    value = answer_entropy(counts, problem=unit, k=half[cells.group[:units]])
    span = (0.0, np.log(half) + (half - 1) / (2 * half))
    how = "Miller–Madow, exact mean over draws of {k} answers"
    return PerProblem(_padded(value, cells.units), how, span, "{k} readable answers", half)


def _gini_simpson(cells: Cells, _: np.ndarray) -> PerProblem:
    counts, unit = cells.types(cells.plain)
    value = _padded(gini_simpson(counts, unit), cells.units)
    return PerProblem(value, "unbiased at any n", SHARE, "two readable answers")


def _unparsed_rate(cells: Cells, _: np.ndarray) -> PerProblem:
    unread = cells.columns["answer"] < 0
    value = cells.mean(unread.astype(float), cells.plain)
    if "gold" in cells.columns:
        read = cells.rows_by_group(cells.plain & ~unread) > 0
        unlogged = ~read & (cells.rows_by_group(cells.right) > 0)  # right samples, yet not one answer: none was kept
        value[unlogged[cells.group]] = np.nan
    return PerProblem(value, "share of samples", SHARE, "recorded answers")


def _row_mean(column: str, plain: bool, span: tuple[float, float]) -> Callable[[Cells, np.ndarray], PerProblem]:
    def values(cells: Cells, _: np.ndarray) -> PerProblem:
        x = cells.columns[column]
        mask = cells.plain if plain else np.ones(len(x), bool)
        lost = cells.rows_by_group(mask & ~np.isfinite(x))
        return PerProblem(
            cells.mean(x, mask), "mean of a problem's samples", span, f"a sample with known {column}", lost=lost
        )

    return values


def _proxy_gold_gap(cells: Cells, _: np.ndarray) -> PerProblem:
    gap = cells.columns["score"] - cells.columns["gold"]
    every = np.ones(len(gap), bool)
    lost = cells.rows_by_group(np.isnan(gap))
    lacking = "a sample with known score and gold"
    return PerProblem(cells.mean(gap, every), "score − gold, paired by sample", (-1.0, 1.0), lacking, lost=lost)


_POSITIVE, _NEGATIVE = (0.0, np.inf), (-np.inf, 0.0)

METRICS: dict[str, Metric] = {
    "distinct_correct": Metric(("gold", "answer"), _distinct_correct, "answers", _POSITIVE, ("n_solutions",)),
    "solution_coverage": Metric(("gold", "answer"), _solution_coverage, "", SHARE, ("n_solutions",)),
    "answer_entropy": Metric(("answer",), _answer_entropy, "nats", _POSITIVE),
    "gini_simpson": Metric(("answer",), _gini_simpson, "", SHARE),
    "unparsed_rate": Metric(("answer",), _unparsed_rate, "", SHARE, ("gold",)),
    "token_entropy": Metric(("entropy",), _row_mean("entropy", True, _POSITIVE), "nats", _POSITIVE),
    "mean_tokens": Metric(("n_tokens",), _row_mean("n_tokens", True, _POSITIVE), "tokens", _POSITIVE),
    "mean_score": Metric(("score",), _row_mean("score", False, SHARE), "", SHARE),
    "mean_gold": Metric(("gold",), _row_mean("gold", False, SHARE), "", SHARE),
    "proxy_gold_gap": Metric(("score", "gold"), _proxy_gold_gap, "", (-1.0, 1.0)),
    "accept_rate": Metric(("weight",), None, "", SHARE),
    "accepted_share": Metric(("weight", "band"), None, "", SHARE),
    "problem_share": Metric(("band",), None, "", SHARE),
    "mean_logp": Metric(("logp",), _row_mean("logp", True, _NEGATIVE), "nats", _NEGATIVE),
}
DEFAULT = ("pass@k", *METRICS)


def metric_of(name: str) -> Metric:
    """The metric of a name, `pass@8` for any whole k ≥ 1. Raises KnobError with the nearest name for an unknown one."""
    if match := _PASS.match(str(name)):
        return Metric(("gold",), _pass(int(match[1])), "", SHARE)
    if name not in METRICS:
        raise KnobError(
            f"metrics must be of {', '.join(DEFAULT)} or pass@<number>, got {name!r}; {nearest(name, DEFAULT)}"
        )
    return METRICS[name]


def span_of(name: str) -> tuple[float, float]:
    """Least and greatest possible value of a metric by its name, ±inf for one that is not known here."""
    if name.endswith("_change"):
        least, most = span_of(name.removesuffix("_change"))
        return least - most, most - least
    return metric_of(name).span if name in METRICS or _PASS.match(name) else UNBOUNDED
