"""Tail: where the training data come from, and how unequally problems are served. Train rows only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from siwork.metrics.catalogue.functionals import linear_limits
from siwork.metrics.catalogue.kinds import (
    NULLS,
    POSITIVE,
    SHARE,
    Estimate,
    Made,
    Metric,
    PerProblem,
    Ratio,
    Whole,
    unknown,
)
from siwork.metrics.cells import Part
from siwork.metrics.draws import none_drawn
from siwork.metrics.intervals import UNBOUNDED, divide
from siwork.metrics.study import Study
from siwork.metrics.tail import balance_score, gini, gini_floor, kl_from_uniform, top_share
from siwork.schema import BANDS

_NO_BAND = "rows without a band left out"

_FEWEST = 50  # problems that the interval of a functional of the accepted needs
_SERVED = 16  # effective number of problems, exp(entropy), that the accepted must stem from


def _accept_rate(study: Study) -> Ratio:
    cells, weight = study.cells, study.cells.columns["weight"]
    rows = cells.count(np.ones(len(weight), bool)).astype(float)
    return Ratio(cells.count(weight > 0).astype(float), rows, "rows with weight > 0 / rows", "a row")


def _rows_with_band(study: Study) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each group with and without a band, (groups,) each."""
    banded = ~np.isnan(study.cells.columns["band"])
    return study.cells.rows_by_group(banded), study.cells.rows_by_group(~banded)


def _accepted_share(study: Study) -> list[Made]:
    cells, weight, band = study.cells, study.cells.columns["weight"], study.cells.columns["band"]
    whole, lost = cells.sum(weight, ~np.isnan(band)), _rows_with_band(study)[1]
    how, lacking = "weight in the band / weight", "weight > 0 and a band"
    return [Ratio(cells.sum(weight, band == b), whole, how, lacking, SHARE, None, lost, _NO_BAND) for b in BANDS]


def _problem_share(study: Study) -> list[Made]:
    cells, band = study.cells, study.cells.columns["band"]
    banded, lost = cells.count(~np.isnan(band)) > 0, _rows_with_band(study)[1]
    how = "problems of the band / problems"
    values = [np.where(banded, cells.count(band == b) > 0, np.nan) for b in BANDS]
    return [PerProblem(value, how, SHARE, "a band", lost=lost, out=_NO_BAND) for value in values]


def _in_bands(
    values: Callable[[Study], np.ndarray], how: str, span: tuple[float, float]
) -> Callable[[Study], list[Made]]:
    """The mean of a value of the problems of each band."""

    def make(study: Study) -> list[Made]:
        cells, band = study.cells, study.cells.columns["band"]
        value, lost = values(study), _rows_with_band(study)[1]
        among = [cells.count(band == b) > 0 for b in BANDS]
        each = [np.where(m, value, np.nan) for m in among]
        return [
            PerProblem(x, how, span, "a value", lost=lost, out=_NO_BAND, among=m)
            for x, m in zip(each, among, strict=True)
        ]

    return make


def _served(study: Study) -> np.ndarray:
    return (study.cells.count(study.cells.columns["weight"] > 0) > 0).astype(float)


def _solve_rate(study: Study) -> np.ndarray:
    n, c = study.cells.tried
    return divide(c.astype(float), n)


def _tail(study: Study) -> np.ndarray:
    """Problems of bands 0 and 1, (units,) bool."""
    return study.cells.count(study.cells.columns["band"] <= 1) > 0


def _tail_share(study: Study) -> Ratio:
    cells, weight, band = study.cells, study.cells.columns["weight"], study.cells.columns["band"]
    whole, lost = cells.sum(weight, ~np.isnan(band)), _rows_with_band(study)[1]
    how, lacking = "weight in bands 0, 1 / weight", "weight > 0 and a band"
    return Ratio(cells.sum(weight, band <= 1), whole, how, lacking, SHARE, None, lost, _NO_BAND)


def _of_tail(values: Callable[[Study], np.ndarray], how: str, lacking: str) -> Callable[[Study], PerProblem]:
    """The mean of a value of the problems of bands 0 and 1."""

    def make(study: Study) -> PerProblem:
        among, lost = _tail(study), _rows_with_band(study)[1]
        value = np.where(among, values(study), np.nan)
        return PerProblem(value, f"{how}, bands 0, 1", SHARE, lacking, lost=lost, out=_NO_BAND, among=among)

    return make


def _cost(study: Study) -> list[Made]:
    """Samples a right one costs: the share of right samples, turned over; biased up where few are right."""
    cells, band = study.cells, study.cells.columns["band"]
    lost = cells.rows_by_group(cells.plain & (np.isnan(band) | ~cells.judged))
    made: list[Made] = []
    for b in BANDS:
        n, c = (cells.count(mask & (band == b)).astype(float) for mask in (cells.judged, cells.right))
        made.append(Ratio(c, n, "samples / right samples", "a right answer", SHARE, _turned, lost))
    return made


def _turned(x: np.ndarray) -> np.ndarray:
    return np.divide(1.0, x, out=np.full(np.shape(x), np.nan), where=x > 0)


def _accepted(part: Part) -> np.ndarray:
    return np.bincount(part.problem, part.column("weight") > 0, part.problems)


def _of_accepted(
    function: Callable[[np.ndarray], float],
    influence: Callable[[np.ndarray, float], np.ndarray],
    how: str,
    skew: float = 0.25,
) -> Callable[[Study], Whole]:
    """A functional of the accepted samples of all problems, linearised by its influence: (accepted, value) → (problems,)."""

    def one(study: Study, g: int) -> Estimate:
        accepted = _accepted(study.part(g))
        value, n = function(accepted), len(accepted)
        if np.isnan(value):
            return unknown("no row has weight > 0", n)
        low, high, kind = linear_limits(value, influence(accepted, value) / n, study.level, UNBOUNDED, _FEWEST, skew)
        if n * np.exp(-kl_from_uniform(accepted)) < _SERVED:
            low, high, kind = (
                np.nan,
                np.nan,
                f"no interval: the accepted stem from less than {_SERVED} problems, in effect",
            )
        return Estimate(value, low, high, n, f"{how}; {kind}")

    return lambda study: Whole([one(study, g) for g in range(study.cells.groups)])


def _gini_influence(x: np.ndarray, value: float) -> np.ndarray:
    """Of E|x − x'|/(2 E x)."""
    mean, order = x.mean(), np.sort(x)
    below = np.searchsorted(order, x, "right")
    sums = np.r_[0.0, np.cumsum(order)]
    apart = (x * (2 * below - len(x)) - 2 * sums[below] + sums[-1]) / len(x)  # mean |x − x'| over the others
    return np.asarray((apart - 2 * value * mean - value * (x - mean)) / mean)


def _top_influence(x: np.ndarray, value: float, share: float = 0.2) -> np.ndarray:
    """Of the share of the sum that the best served hold."""
    mean, least = x.mean(), np.sort(x)[-int(np.ceil(share * len(x) - 1e-9))]
    over = np.maximum(x - least, 0.0)
    return np.asarray((over - over.mean() - value * (x - mean)) / mean)


def _kl_influence(x: np.ndarray, value: float) -> np.ndarray:
    """Of E[x log x]/E x − log E x."""
    mean = x.mean()
    own = np.where(x > 0, x * np.log(np.maximum(x, 1e-300)), 0.0)
    return np.asarray((own - own.mean() - (own.mean() / mean + 1) * (x - mean)) / mean)


def _gini_floor(study: Study) -> Whole:
    def one(part: Part) -> Estimate:
        accepted = _accepted(part)
        tries = np.bincount(part.problem, minlength=part.problems)
        how = "Gini if every problem had the same chance of acceptance; an expectation, so no interval"
        floor = gini_floor(tries, accepted)
        return unknown("no row has weight > 0") if np.isnan(floor) else Estimate(floor, np.nan, np.nan, len(tries), how)

    return Whole([one(study.part(g)) for g in range(study.cells.groups)])


def _head_tail(study: Study) -> Whole:
    """log((head + ½)/(tail + ½)) of the weights, linearised over problems."""

    def one(part: Part) -> Estimate:
        weight, band = part.column("weight"), part.column("band")
        n = len(np.unique(part.problem))
        head, tail = (np.bincount(part.problem, weight * mask, part.problems) for mask in (band >= 3, band <= 1))
        if not (head.sum() + tail.sum()) > 0:
            return unknown("no row of head or tail has weight > 0", n)
        value = float(np.log((head.sum() + 0.5) / (tail.sum() + 0.5)))
        lost = int(((weight > 0) & np.isnan(band)).sum())
        how = "log((weight of bands 3, 4 + ½)/(weight of bands 0, 1 + ½))" + (f"; {lost} {NULLS}" if lost else "")
        if min((head > 0).sum(), (tail > 0).sum()) < 5:
            return Estimate(
                value, np.nan, np.nan, n, f"{how}; fewer than 5 accepted problems at one end, so no interval"
            )
        parts = head / (head.sum() + 0.5) - tail / (tail.sum() + 0.5)
        low, high, kind = linear_limits(value, parts - parts.mean(), study.level, UNBOUNDED, _FEWEST)
        return Estimate(value, low, high, n, f"{how}; {kind}")

    return Whole([one(study.part(g)) for g in range(study.cells.groups)])


def _balance(study: Study) -> PerProblem:
    """B-STaR's balance score from the right answers that were kept."""
    cells, gold = study.cells, study.cells.columns["gold"]
    kept = cells.columns["weight"] > 0
    known, right = kept & ~np.isnan(gold), kept & (gold == 1)
    m = cells.count(known)
    types, unit = cells.types(right)
    u = np.bincount(unit, types > 0, cells.units).astype(np.int64)
    unread = cells.count(right & (cells.columns["answer"] < 0)) > 0  # right, but which answer?
    value = np.where((m > 0) & ~unread, balance_score(u, m), np.nan)
    how = "min(different right kept / 8, 1) · different right kept / kept"
    lacking = "a kept sample with known gold, and an answer in each right one"
    return PerProblem(value, how, SHARE, lacking, lost=cells.rows_by_group(kept & ~known))


def _covered(study: Study) -> PerProblem:
    """Chance that a draw of k rows of a problem holds a kept one."""
    cells = study.cells
    n = cells.count(np.ones(len(cells.unit), bool))
    kept = cells.count(cells.columns["weight"] > 0)
    own = study.k[cells.group]
    value = 1.0 - none_drawn(n, kept, own)
    how = "problems with a kept one among {k} rows, exact mean over draws"
    return PerProblem(value, how, SHARE, "a row", study.k, n < own, drawn="rows")


_WEIGHT, _BAND = ("weight",), ("weight", "band")

METRICS: dict[str, Metric] = {
    "accept_rate": Metric(_WEIGHT, _accept_rate, "rows that the update used", "", SHARE, train=True),
    "accepted_share": Metric(_BAND, _accepted_share, "share of the training data by band", "", SHARE, (), True, True),
    "problem_share": Metric(("band",), _problem_share, "share of the problems by band", "", SHARE, (), True, True),
    "accepted_coverage": Metric(
        _BAND,
        _in_bands(_served, "problems with a row of weight > 0", SHARE),
        "problems of a band that give training data ↑",
        "",
        SHARE,
        (),
        True,
        True,
    ),
    "band_solve_rate": Metric(
        ("gold", "band"),
        _in_bands(_solve_rate, "share of right samples", SHARE),
        "pass@1 of a band ↑",
        "",
        SHARE,
        (),
        False,
        True,
    ),
    "tail_share": Metric(_BAND, _tail_share, "share of the training data from bands 0 and 1 ↑", "", SHARE, train=True),
    "tail_coverage": Metric(
        _BAND,
        _of_tail(_served, "problems with a row of weight > 0", "a row"),
        "problems of bands 0 and 1 that give training data ↑",
        "",
        SHARE,
        train=True,
    ),
    "tail_solve_rate": Metric(
        ("gold", "band"),
        _of_tail(_solve_rate, "share of right samples", "a sample with known gold"),
        "pass@1 of bands 0 and 1 ↑",
        "",
        SHARE,
    ),
    "samples_per_success": Metric(
        ("gold", "band"), _cost, "samples that a right one costs, by band ↓", "samples", POSITIVE, (), False, True
    ),
    "accepted_gini": Metric(
        _WEIGHT,
        _of_accepted(gini, _gini_influence, "over all problems, those with none included"),
        "inequality of accepted samples over problems ↓",
        "",
        SHARE,
        (),
        True,
    ),
    "accepted_gini_floor": Metric(_WEIGHT, _gini_floor, "the Gini that chance alone gives", "", SHARE, (), True),
    "top_fifth_share": Metric(
        _WEIGHT,
        _of_accepted(lambda x: top_share(x, 0.2), _top_influence, "top 20 % of problems", 0.2),
        "share of accepted samples of the best served fifth ↓",
        "",
        SHARE,
        (),
        True,
    ),
    "kl_from_uniform": Metric(
        _WEIGHT,
        _of_accepted(kl_from_uniform, _kl_influence, "log problems − entropy of the accepted shares"),
        "distance of the accepted shares from equal ↓",
        "nats",
        POSITIVE,
        (),
        True,
    ),
    "log_head_tail": Metric(
        _BAND, _head_tail, "accepted head against accepted tail ↓", "", (-np.inf, np.inf), (), True
    ),
    "balance_score": Metric(
        ("weight", "gold", "answer"),
        _balance,
        "enough different right samples kept, and few wrong ↑",
        "",
        SHARE,
        (),
        True,
    ),
    "accepted_reach": Metric(_WEIGHT, _covered, "problems that give training data, at equal n ↑", "", SHARE, (), True),
}
