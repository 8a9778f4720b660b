"""Verifier against truth over all problems: score and gold of every row that has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from siwork.metrics.calibration import (
    auroc_influence,
    auroc_pairs,
    average_precision,
    brier_decomposition,
    ece,
    ece2_interval,
    ece_floor,
    kappa,
    mce,
    smooth_ece,
)
from siwork.metrics.calibration.brier import Brier
from siwork.metrics.catalogue.functionals import linear_limits
from siwork.metrics.catalogue.kinds import (
    POSITIVE,
    SHARE,
    Estimate,
    Metric,
    PerProblem,
    Ratio,
    Whole,
    left_out,
    row_mean,
    unknown,
)
from siwork.metrics.intervals import UNBOUNDED, divide
from siwork.metrics.study import BINS, Study

THRESHOLD = 0.5  # a score of at least this accepts
BOTH = "a sample with known score and gold"
TWO = "a bin with scored samples of two problems, of known gold,"
_CLASS = 20  # effective number of problems behind the right, and behind the wrong, that an interval needs
_MCE_COUNT = 20  # samples that a bin needs: one sample alone is a gap of nearly 1
_LEAST = 2.220446049250313e-16  # log loss clips scores here, as scikit-learn does


def _proxy_gold_gap(kept: bool) -> Callable[[Study], PerProblem]:
    def make(study: Study) -> PerProblem:
        cells = study.cells
        gap = cells.columns["score"] - cells.columns["gold"]
        mask = cells.columns["weight"] > 0 if kept else np.ones(len(gap), bool)
        lost = cells.rows_by_group(mask & np.isnan(gap))
        value = cells.mean(gap, mask)
        how, few = "score − gold, paired by sample", _few_make_it(study, value)
        return PerProblem(value, how, (-1.0, 1.0), BOTH, lost=lost, barred=few)

    return make


def _few_make_it(study: Study, value: np.ndarray) -> np.ndarray:
    """Whether less than a quarter of a group's problems, in effect, make the size of its values, (groups,) bool."""
    cells, size = study.cells, np.nan_to_num(np.abs(value))
    one, two = (np.bincount(cells.group, size**power, cells.groups) for power in (1, 2))
    known = np.bincount(cells.group[~np.isnan(value)], minlength=cells.groups)
    return np.asarray((two > 0) & (one**2 < two * known / 4))


def _confusion(of: str, among: str) -> Callable[[Study], Ratio]:
    """Share of the rows that are `of` among those that are `among`: accepted, rejected, right, wrong, kept."""

    def make(study: Study) -> Ratio:
        cells, gold = study.cells, study.cells.columns["gold"]
        known = ~np.isnan(gold)
        accepted = cells.columns["score"] >= THRESHOLD if "score" in cells.columns else known  # unscored is rejected
        is_ = {"accepted": accepted, "rejected": ~accepted, "right": gold == 1, "wrong": gold == 0}
        if "weight" in cells.columns:
            is_["kept"] = cells.columns["weight"] > 0
        whole, lacking = is_[among] & known, f"known gold and is {among}"
        if among != "kept":  # a round without any score has no verifier, which would seem to reject all
            scored = cells.rows_by_group(~np.isnan(cells.columns["score"])) > 0
            whole, lacking = whole & scored[cells.group[cells.unit]], f"{lacking}, in a round that has scores"
        how = f"{of} / {among}" + ("" if among == "kept" else f", accepted is score ≥ {THRESHOLD}")
        lost = cells.rows_by_group(~known)
        part = cells.count(whole & is_[of]).astype(float)
        return Ratio(part, cells.count(whole).astype(float), how, lacking, lost=lost)

    return make


def _row_ratio(value: Callable[[np.ndarray, np.ndarray], np.ndarray], how: str, span: Any) -> Callable[[Study], Ratio]:
    """Mean over samples of a function of score and gold."""

    def make(study: Study) -> Ratio:
        cells = study.cells
        score, gold = cells.columns["score"], cells.columns["gold"]
        known = ~np.isnan(score + gold)
        x = np.where(known, value(np.where(known, score, 0.5), np.where(known, gold, 0.0)), 0.0)
        whole = cells.count(known).astype(float)
        return Ratio(cells.sum(x, known), whole, how, "known score and gold", span, lost=cells.rows_by_group(~known))

    return make


def _log_loss(s: np.ndarray, y: np.ndarray) -> np.ndarray:
    p = np.clip(s, _LEAST, 1 - _LEAST)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


def _auroc_within(study: Study) -> Ratio:
    cells = study.cells
    unscored = np.isnan(cells.columns["score"] + cells.columns["gold"])
    known, lost = np.flatnonzero(~unscored), cells.rows_by_group(unscored)
    units, code = np.unique(cells.unit[known], return_inverse=True)
    good, pairs = np.zeros(cells.units), np.zeros(cells.units)
    good[units], pairs[units] = auroc_pairs(cells.columns["score"][known], cells.columns["gold"][known], code)
    how = "pairs of one problem ranked right, ties half / pairs"
    return Ratio(good, pairs, how, "known gold and a scored sample of the other truth in its problem", lost=lost)


class Known(NamedTuple):
    """The rows of a group that have score and gold."""

    score: np.ndarray
    gold: np.ndarray
    problem: np.ndarray
    n: int  # problems
    lost: str  # rows left out, in words


def _known(study: Study, g: int) -> Known:
    every = study.part(g)
    part = every.where(~np.isnan(every.column("score") + every.column("gold")))
    lost = left_out(len(every.rows), every)
    return Known(part.column("score"), part.column("gold"), part.problem, len(np.unique(part.problem)), lost)


def _functional(
    function: Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]],
    how: str,
    needs: str,
    span: tuple[float, float] = SHARE,
) -> Callable[[Study], Whole]:
    """A functional of score and gold with its influence values: (score, gold) → value and (n,), mean 0."""

    def one(study: Study, g: int) -> Estimate:
        score, gold, problem, n, lost = _known(study, g)
        value, influence = function(score, gold) if n else (np.nan, score)
        if np.isnan(value):
            return unknown(f"{needs} is needed", n)
        if value in span:
            return Estimate(value, np.nan, np.nan, n, f"{how}; separated, so no interval{lost}")
        held, few = _held(gold, np.unique(problem, return_inverse=True)[1], n)
        parts = np.bincount(np.unique(problem, return_inverse=True)[1], influence / (1 - held), n) / len(score)
        low, high, kind = linear_limits(value, parts, study.level, span)
        if few < _CLASS:
            low, high, kind = (
                np.nan,
                np.nan,
                f"no interval: right or wrong samples of less than {_CLASS} problems, in effect",
            )
        return Estimate(value, low, high, n, f"{how}; {kind}{lost}")

    return lambda study: Whole([one(study, g) for g in range(study.cells.groups)])


def _held(gold: np.ndarray, code: np.ndarray, n: int) -> tuple[np.ndarray, float]:
    """Of the samples of its truth, the share that the problem of each sample holds (at most ½); and the effective number of
    problems, 1/Σ share², behind the truth that has fewer."""
    shares = [divide(np.bincount(code, gold == truth, n), np.full(n, np.sum(gold == truth))) for truth in (0, 1)]
    own = np.where(gold == 1, shares[1][code], shares[0][code])
    return np.minimum(own, 0.5), min(float(1 / np.nansum(share**2)) if np.nansum(share) else 0.0 for share in shares)


def _average_precision(score: np.ndarray, gold: np.ndarray) -> tuple[float, np.ndarray]:
    """`average_precision` and its influence: a sample moves the precision at every right sample that scores no more."""
    value = average_precision(score, gold)
    if np.isnan(value):
        return value, score
    order, right = np.sort(score), np.sort(score[gold == 1])
    above = len(order) - np.searchsorted(order, right, "left")
    precision = (len(right) - np.searchsorted(right, right, "left")) / above
    upto = np.searchsorted(right, score, "right")
    weight, held = (np.r_[0.0, np.cumsum(x)][upto] for x in (1 / above, precision / above))
    own = np.where(gold == 1, precision[np.maximum(upto, 1) - 1] - value, 0.0)
    return value, (gold * weight - held + own) * (len(score) / len(right))


def _kappa(score: np.ndarray, gold: np.ndarray) -> tuple[float, np.ndarray]:
    """Cohen's kappa of verdict and truth, and its influence; biased down by 0.01 at 10 to 20 problems."""
    verdict = (score >= THRESHOLD).astype(float)
    value = float(kappa(verdict.astype(int), gold.astype(int)))
    accepted, right, agree = verdict.mean(), gold.mean(), verdict == gold
    chance = accepted * right + (1 - accepted) * (1 - right)
    moved = (verdict - accepted) * (2 * right - 1) + (gold - right) * (2 * accepted - 1)
    if not chance < 1:
        return float("nan"), score
    room = 1 - chance
    return value, (agree - agree.mean()) / room - (1 - agree.mean()) * moved / room**2


def _skill(score: np.ndarray, gold: np.ndarray) -> tuple[float, np.ndarray]:
    """Brier skill, and its influence; biased down by 0.01 at 50 problems, several times that at 10."""
    square, right = (score - gold) ** 2, gold.mean()
    open_ = float(right * (1 - right))
    if not open_ > 0:
        return float("nan"), score
    pull = square.mean() * (1 - 2 * right) * (gold - right) / open_**2 - (square - square.mean()) / open_
    return float(brier_decomposition(score, gold).skill), pull


def _bins(study: Study, g: int) -> dict[str, Any]:
    edges = study.common[g].edges
    return {"bins": BINS, "by": "auto"} if edges is None else {"bins": BINS, "edges": edges}


def _bin_words(study: Study, g: int) -> str:
    if study.common[g].edges is None:
        return "one bin a score"
    return f"{BINS} bins of equal mass in the first round with more than {BINS} scores"


def _binned(
    function: Callable[..., float], note: str, clustered: bool = False, needs: str = BOTH
) -> Callable[[Study], Whole]:
    """A functional of binned scores that has no interval of its own."""

    def one(study: Study, g: int) -> Estimate:
        score, gold, problem, n, lost = _known(study, g)
        more = {"problem": problem} if clustered else {}
        value = float(function(score, gold, **more, **_bins(study, g)))
        if np.isnan(value):
            return unknown(f"{needs} is needed", n)
        bins = "" if function is _smooth else f"{_bin_words(study, g)}, "
        return Estimate(value, np.nan, np.nan, n, f"{bins}{len(score)} samples; {note}{lost}")

    return lambda study: Whole([one(study, g) for g in range(study.cells.groups)])


def _ece2(study: Study) -> Whole:
    def one(g: int) -> Estimate:
        score, gold, problem, _, lost = _known(study, g)
        found = ece2_interval(score, gold, problem, level=study.level, **_bins(study, g))
        if np.isnan(found.value):
            return unknown(f"{TWO} is needed", found.n)
        kind = "bound: not clearly above 0, at most this" if found.bound else "linearised t of the root over problems"
        if np.isnan(found.low):
            kind = "no interval: too few problems"
        words = f"{_bin_words(study, g)}, debiased for samples of one problem; {kind}{lost}"
        return Estimate(found.value, found.low, found.high, found.n, words)

    return Whole([one(g) for g in range(study.cells.groups)])


def _smooth(score: np.ndarray, gold: np.ndarray, **_: Any) -> float:
    return float(smooth_ece(score, gold))


def _murphy(of: Callable[[Brier], float]) -> Callable[[Study], Whole]:
    return _binned(
        lambda s, y, **more: of(brier_decomposition(s, y, corrected=True, **more)),
        "Murphy, corrected for independent samples, so biased up where those of one problem are alike: no interval",
        needs="a second sample with known score and gold",
    )


_SG = ("score", "gold")


def _sg(
    make: Callable[[Study], Any], meaning: str, span: Any = SHARE, unit: str = "", reads: tuple[str, ...] = ()
) -> Metric:
    return Metric(_SG, make, meaning, unit, span, reads)


METRICS: dict[str, Metric] = {
    "mean_score": Metric(("score",), row_mean("score", False, SHARE), "the verifier's mean score", "", SHARE),
    "proxy_gold_gap": _sg(_proxy_gold_gap(False), "how far the verifier flatters ↓", (-1.0, 1.0)),
    "proxy_gold_gap_kept": Metric(
        (*_SG, "weight"), _proxy_gold_gap(True), "how far it flatters what was kept ↓", "", (-1.0, 1.0)
    ),
    "precision": _sg(_confusion("right", "accepted"), "right among accepted ↑"),
    "recall": _sg(_confusion("accepted", "right"), "accepted among right ↑"),
    "false_positive_rate": _sg(_confusion("accepted", "wrong"), "accepted among wrong: poisons the data ↓"),
    "false_negative_rate": _sg(_confusion("rejected", "right"), "rejected among right: narrows the tail ↓"),
    "kept_precision": Metric(
        ("gold", "weight"), _confusion("right", "kept"), "right among the training data ↑", "", SHARE, (), True
    ),
    "auroc_within": _sg(_auroc_within, "skill at choosing among the samples of a problem ↑"),
    "auroc": _sg(
        _functional(auroc_influence, "pooled over problems", "right and wrong scored samples"),
        "ranking over all samples; mixes in which problems are hard ↑",
    ),
    "average_precision": _sg(
        _functional(_average_precision, "step form", "a right scored sample"), "ranking of the right ↑"
    ),
    "ece": _sg(_binned(ece, "biased up, read it beside ece_floor: no interval"), "calibration error of the score ↓"),
    "ece_floor": _sg(
        _binned(ece_floor, "an expectation, so no interval", True, TWO), "the ECE that a calibrated verifier would show"
    ),
    "ece2_debiased": _sg(_ece2, "squared calibration error, 0 is calibrated ↓", (-1.0, 1.0)),
    "mce": _sg(
        _binned(
            lambda s, y, **more: mce(s, y, min_count=_MCE_COUNT, **more),
            "biased up: no interval",
            needs=f"a bin of {_MCE_COUNT} samples with known score and gold",
        ),
        "largest calibration gap of a bin of 20 samples ↓",
    ),
    "smooth_ece": _sg(_binned(_smooth, "without bins, biased up: no interval"), "calibration error without bins ↓"),
    "brier": _sg(_row_ratio(lambda s, y: (s - y) ** 2, "mean (score − gold)²", SHARE), "squared error of the score ↓"),
    "log_loss": _sg(_row_ratio(_log_loss, "mean log loss", POSITIVE), "log loss of the score ↓", POSITIVE, "nats"),
    "brier_reliability": _sg(
        _murphy(lambda found: found.reliability),
        "miscalibration part of the Brier score ↓",
        (-1.0, 1.0),
    ),
    "brier_resolution": _sg(
        _murphy(lambda found: found.resolution),
        "what the score knows, in Brier units ↑",
        (-1.0, 1.0),
    ),
    "brier_skill": _sg(
        _functional(_skill, "1 − Brier / uncertainty", "a right and a wrong sample", UNBOUNDED),
        "Brier score against the base rate ↑",
        (-np.inf, 1.0),
    ),
    "kappa": _sg(
        _functional(
            _kappa, f"Cohen, accepted is score ≥ {THRESHOLD}", "a sample of another verdict or truth", (-1.0, 1.0)
        ),
        "agreement beyond chance ↑",
        (-1.0, 1.0),
    ),
}
