"""What a verifier adds to each problem, what the votes of its samples say, and whether it favours its own texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from siwork.metrics.calibration import gv_gap, gv_gap_relative, self_preference, top_precision
from siwork.metrics.catalogue.calibration import BOTH, THRESHOLD
from siwork.metrics.catalogue.kinds import (
    FEW,
    SHARE,
    Estimate,
    Metric,
    PerProblem,
    Whole,
    each_group,
    left_out,
    unknown,
)
from siwork.metrics.cells import Part
from siwork.metrics.intervals import divide
from siwork.metrics.study import Study


def _per_problem(
    function: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    how: str,
    span: Any,
    lacking: str,
    fewest: int = 0,
) -> Callable[[Study], PerProblem]:
    """(score, gold, problem) → (problems,), over rows with known gold."""

    def make(study: Study) -> PerProblem:
        cells = study.cells
        rows = np.flatnonzero(~np.isnan(cells.columns["gold"]))
        units, code = np.unique(cells.unit[rows], return_inverse=True)
        value = np.full(cells.units, np.nan)
        value[units] = function(cells.columns["score"][rows], cells.columns["gold"][rows], code)
        lost = cells.rows_by_group(np.isnan(cells.columns["gold"]))
        return PerProblem(value, how, span, lacking, lost=lost, fewest=fewest)

    return make


def _dead(study: Study) -> PerProblem:
    """1 for a problem whose scored plain samples have one score: an update relative to the group learns nothing from it."""
    cells, score = study.cells, study.cells.columns["score"]
    scored = cells.plain & ~np.isnan(score)
    least, most = np.full(cells.units, np.inf), np.full(cells.units, -np.inf)
    np.minimum.at(least, cells.unit[scored], score[scored])
    np.maximum.at(most, cells.unit[scored], score[scored])
    several = cells.count(scored) > 1
    spread = np.subtract(most, least, out=np.full(cells.units, np.nan), where=several)
    value = np.where(several, spread <= _ONE_SCORE, np.nan)
    lost = cells.rows_by_group(cells.plain & ~scored)
    return PerProblem(value, "problems whose samples have one score", SHARE, "two scored samples", lost=lost)


def _vote(right: bool) -> Callable[[Study], PerProblem]:
    """The vote of all samples of a problem: the share of the commonest answer, or whether that is right."""

    def make(study: Study) -> PerProblem:
        cells = study.cells
        mask = cells.judged if right else cells.plain
        ballots = cells.ballots(mask)
        top = ballots.commonest(cells.units)
        votes, tops = (np.bincount(ballots.unit, x, cells.units) for x in (ballots.votes, top))
        if right:  # a problem may have several right answers, and several commonest ones
            value = divide(np.bincount(ballots.unit, top & ballots.right, cells.units), tops)
            how = "the commonest answer is right, ties split"
        else:
            value = divide(divide(np.bincount(ballots.unit, ballots.votes * top, cells.units), tops), votes)
            how = "share of votes for the commonest answer"
        notes = [f"n={n} samples or more" if n else "" for n in _least(study, cells.count(mask))]
        lacking, lost = "a vote" + (" and known gold" if right else ""), cells.unjudged if right else None
        return PerProblem(value, how, SHARE, lacking, lost=lost, notes=notes, fewest=0 if right else FEW)

    return make


def _least(study: Study, n: np.ndarray) -> list[int]:
    """Least number of samples of a problem that has any, (groups,); 0 without one."""
    cells, most = study.cells, int(n.max(initial=0)) + 1
    least = np.full(cells.groups, most)
    np.minimum.at(least, cells.group[n > 0], n[n > 0])
    return np.where(least < most, least, 0).tolist()


def _self_preference(study: Study) -> Whole:
    def one(part: Part) -> Estimate:
        own = _names(part, "agent") == _names(part, "verifier")
        found = self_preference(part.column("score"), part.column("gold"), own, part.problem, study.level)
        if np.isnan(found.value):
            return unknown("scored right and wrong texts of the verifier and of others are needed", found.n)
        words = "score of own − of others' texts at equal truth; linearised t over problems"
        out = part.problems - found.n
        if found.n < FEW:
            found = found._replace(low=np.nan, high=np.nan)
            words = f"score of own − of others' texts at equal truth; no interval: fewer than {FEW} problems"
        words += f"; {out} of {part.problems} problems left out for lack of texts of both" if out else ""
        return Estimate(found.value, found.low, found.high, found.n, words + left_out(len(part.rows), part))

    return each_group(study, one)


def _names(part: Part, column: str) -> np.ndarray:
    return np.asarray(part.cells.texts[column].take(part.rows).to_pylist(), dtype=object)


_SG = ("score", "gold")
_ONE_SCORE = 1e-12  # scores no further apart are one: sums of floats in another order

METRICS: dict[str, Metric] = {
    "dead_groups": Metric(
        ("score",),
        _dead,
        "problems whose samples all have one score: nothing to learn from them ↓",
        "",
        SHARE,
        ground=(),
    ),
    "gv_gap": Metric(
        _SG,
        _per_problem(lambda s, y, p: gv_gap(s, y, p, THRESHOLD), "accepted − all, 0 where none is", (-1.0, 1.0), BOTH),
        "what the verifier adds to generation ↑",
        "",
        (-1.0, 1.0),
    ),
    "gv_gap_relative": Metric(
        _SG,
        _per_problem(
            lambda s, y, p: gv_gap_relative(s, y, p, THRESHOLD), "gap / headroom", (-np.inf, 1.0), "a wrong sample", 100
        ),
        "what the verifier adds, by headroom ↑",
        "",
        (-np.inf, 1.0),
    ),
    "top_precision": Metric(
        _SG,
        _per_problem(lambda s, y, p: top_precision(s, y, p, 0.25), "top quarter by score, ties split", SHARE, BOTH),
        "right among the best scored quarter ↑",
        "",
        SHARE,
    ),
    "vote_share": Metric(("answer",), _vote(False), "votes for the commonest answer ↕", "", SHARE),
    "vote_right": Metric(("answer", "gold"), _vote(True), "problems whose commonest answer is right ↑", "", SHARE),
    "self_preference": Metric(
        (*_SG, "agent", "verifier"),
        _self_preference,
        "favour for own texts at equal truth ↓",
        "",
        (-1.0, 1.0),
    ),
}
