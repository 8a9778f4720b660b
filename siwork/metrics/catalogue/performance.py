"""Performance: the pass@k family, votes, best of k, groups with something to learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from siwork.metrics.catalogue.kinds import FEW, OF_K, SHARE, Metric, PerProblem, row_mean
from siwork.metrics.draws import whole
from siwork.metrics.performance import (
    best_of_k,
    informative_fraction,
    maj_at_k,
    pass_at_k,
    pass_at_least,
    pass_hat_k,
    pass_spread,
)
from siwork.metrics.study import Study

KNOWN = "a sample with known gold"


def of_counts(
    function: Callable[..., np.ndarray], k: int | None, *more: float, span: tuple[float, float] = SHARE, fewest: int = 0
) -> Callable[[Study], PerProblem]:
    """A function (n, c, k) of a problem's counts, at k or at the group's own k."""

    def make(study: Study) -> PerProblem:
        n, c = study.cells.tried
        ks = study.k if k is None else np.full(study.cells.groups, k)
        own = ks[study.cells.group]
        how = "share of right samples" if function is pass_at_k and k == 1 else OF_K
        value, short = function(n, c, own, *more), (n > 0) & (n < own)
        return PerProblem(value, how, span, KNOWN, ks, short, study.cells.unjudged, fewest=fewest)

    return make


def _maj(k: int | None) -> Callable[[Study], PerProblem]:
    def make(study: Study) -> PerProblem:
        cells = study.cells
        ks = study.k if k is None else np.full(cells.groups, k)
        n, _ = cells.tried
        value = _votes(study, ks)
        how = "chance that the plurality of {k} samples is right, ties split, exact mean over draws"
        short = (n > 0) & (n < ks[cells.group])
        return PerProblem(value, how, SHARE, "known gold and recorded answers", ks, short, cells.unjudged)

    return make


def _votes(study: Study, ks: np.ndarray) -> np.ndarray:
    """Chance of a right plurality, (units,): summed over a problem's right answers where it has several."""
    cells = study.cells
    rows = np.flatnonzero(cells.judged)
    answer, unit = cells.columns["answer"][rows], cells.unit[rows]
    right = cells.right[rows] & (answer >= 0)
    pairs = np.unique(np.c_[unit[right], answer[right]], axis=0) if right.any() else np.zeros((0, 2), np.int64)
    n, c = cells.tried
    value = np.where(n > 0, 0.0, np.nan)
    value[(c > 0) & (np.bincount(pairs[:, 0], minlength=cells.units) == 0)] = np.nan  # right, but which answer?
    nth = np.arange(len(pairs)) - np.searchsorted(pairs[:, 0], pairs[:, 0])
    for turn in range(int(nth.max(initial=-1)) + 1):
        units, gold = pairs[nth == turn].T
        place = np.full(cells.units, -1)
        place[units] = np.arange(len(units))
        own = place[unit] >= 0
        votes = np.where(answer[own] < 0, np.nan, answer[own].astype(float))
        value[units] += maj_at_k(votes, place[unit[own]], gold.astype(float), ks[cells.group[units]])
    return np.where(n < ks[cells.group], np.nan, value)


def _best(k: int | None) -> Callable[[Study], PerProblem]:
    def make(study: Study) -> PerProblem:
        cells = study.cells
        ks = study.k if k is None else np.full(cells.groups, k)
        rows = np.flatnonzero(cells.judged)
        units, code = np.unique(cells.unit[rows], return_inverse=True)
        value = np.full(cells.units, np.nan)
        score, gold = cells.columns["score"][rows], cells.columns["gold"][rows]
        value[units] = best_of_k(score, gold, code, ks[cells.group[units]])
        n, _ = cells.tried
        how = "truth of the best scored of {k} samples, ties split, exact mean over draws"
        return PerProblem(value, how, SHARE, KNOWN, ks, (n > 0) & (n < ks[cells.group]), cells.unjudged)

    return make


def _at_least(k: int | None, s: int) -> Callable[[Study], PerProblem]:
    return of_counts(pass_at_least, k, s)


def _family(function: Callable[..., np.ndarray], meaning: str, fewest: int = 0) -> Callable[[int | None], Metric]:
    return lambda k: Metric(("gold",), of_counts(function, k, fewest=fewest), meaning, "", SHARE)


FAMILIES: dict[str, Callable[[int | None], Metric]] = {
    "pass@": _family(pass_at_k, "chance that k samples hold a right one ↑"),
    "pass^": _family(pass_hat_k, "chance that k samples are all right ↑"),
    "spread@": _family(pass_spread, "pass@k − pass@1: room for selection ↕", FEW),
    "informative@": _family(informative_fraction, "groups of k samples with right and wrong ones ↕"),
    "maj@": lambda k: Metric(("gold", "answer"), _maj(k), "chance that the vote of k samples is right ↑", "", SHARE),
    "best@": lambda k: Metric(("gold", "score"), _best(k), "truth of the best scored of k samples ↑", "", SHARE),
}


def at_least(k: int, s: int) -> Metric:
    """pass@k-s. Raises KnobError when s is below 1."""
    return Metric(
        ("gold",), _at_least(k, int(whole("s", s, 1))), "chance that k samples hold at least s right ones ↑", "", SHARE
    )


METRICS: dict[str, Metric] = {
    "unparsed_rate": Metric(
        ("answer",), lambda study: _unparsed(study), "samples whose answer cannot be read ↓", "", SHARE, ("gold",)
    ),
    "mean_gold": Metric(("gold",), row_mean("gold", False, SHARE), "right samples, every row counted ↑", "", SHARE),
}


def _unparsed(study: Study) -> PerProblem:
    cells = study.cells
    unread = cells.columns["answer"] < 0
    value = cells.mean(unread.astype(float), cells.plain)
    if "gold" in cells.columns:
        read = cells.rows_by_group(cells.plain & ~unread) > 0
        unlogged = ~read & (cells.rows_by_group(cells.right) > 0)  # right samples, yet not one answer: none was kept
        value[unlogged[cells.group]] = np.nan
    return PerProblem(value, "share of samples", SHARE, "recorded answers")
