"""What richer rows show: revisions over turns, executed steps, preference pairs, behaviours in the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from siwork.metrics.calibration import self_correction
from siwork.metrics.catalogue.collapse import log_ratio
from siwork.metrics.catalogue.kinds import POSITIVE, SHARE, Estimate, Metric, PerProblem, Ratio, Whole, unknown
from siwork.metrics.catalogue.text import of_each
from siwork.metrics.cells import Cells
from siwork.metrics.intervals import UNBOUNDED
from siwork.metrics.study import Study
from siwork.metrics.texts import Sampled
from siwork.metrics.uncertainty import jackknife_interval
from siwork.schema import SchemaError

_JACKKNIFE = 20
_CHANGE = (-1.0, 1.0)
_UNPAIRED = "revisions left out whose own gold, or first attempt with known gold, is not there"

# Gandhi et al. 2025 (arXiv:2503.01307) name the four habits; the word lists are ours
BEHAVIOURS = {
    "verification": r"\b(?:check|verify|double-check|confirm|make sure|plug(?:ging)? .{0,20}back)",
    "backtracking": r"\b(?:wait|instead|try again|start over|go back|that (?:is|was) wrong|doesn't work|does not work)\b",
    "subgoals": r"\b(?:first|step \d+|next|then we|the goal is|we need to)\b",
    "backward_chaining": r"\b(?:work(?:ing)? backwards?|to (?:get|reach|obtain)|starting from the (?:target|answer))\b",
}


class Revised(NamedTuple):
    """Rows of turn 1 with the rows they revise."""

    before: np.ndarray  # (pairs,) places of rows of turn 0
    after: np.ndarray  # (pairs,) places of rows of turn 1


def _revised(cells: Cells) -> Revised:
    """Pairs of a first attempt and its first revision, both with known gold; samples are numbered anew in each round."""
    turn, sample, gold, parent = (cells.columns[name] for name in ("turn", "sample", "gold", "parent"))
    known, place = ~np.isnan(gold), cells.unit
    if "round" in cells.columns:
        place = place + cells.units * pd.factorize(cells.columns["round"])[0]
    first = np.flatnonzero((turn == 0) & known)
    then = np.flatnonzero((turn == 1) & known & ~np.isnan(parent))
    code, numbers = pd.factorize(np.r_[sample[first], parent[then]])
    key, wanted = np.split(np.r_[place[first], place[then]] * len(numbers) + code, [len(first)])
    if not len(key):
        return Revised(first, first)
    order = np.argsort(key)
    at = order[np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)]
    found = key[at] == wanted
    return Revised(first[at[found]], then[found])


def _after(before: float | None, value: str, how: str, lacking: str) -> Callable[[Study], Ratio]:
    """A ratio over revisions whose first attempt was right (1), wrong (0) or either (None)."""

    def make(study: Study) -> Ratio:
        cells = study.cells
        pairs, gold = _revised(cells), cells.columns["gold"]
        old, new = gold[pairs.before], gold[pairs.after]
        mask = np.ones(len(old), bool) if before is None else old == before
        x = {"right": new, "change": new - old, "differs": _differs(cells, pairs)}[value]
        unit = cells.unit[pairs.after[mask]]
        part = np.bincount(unit, x[mask], cells.units)
        whole = np.bincount(unit, minlength=cells.units).astype(float)
        revisions = cells.rows_by_group(cells.columns["turn"] == 1)
        lost = revisions - np.bincount(cells.group[cells.unit[pairs.after]], minlength=cells.groups)
        return Ratio(part, whole, how, lacking, _CHANGE if value == "change" else SHARE, lost=lost, out=_UNPAIRED)

    return make


def _differs(cells: Cells, pairs: Revised) -> np.ndarray:
    answer = cells.columns.get("answer")
    if answer is None:
        return np.zeros(len(pairs.after))
    return (answer[pairs.before] != answer[pairs.after]).astype(float)


def _rss(study: Study) -> Whole:
    cells = study.cells
    pairs, gold = _revised(cells), cells.columns["gold"]
    group = cells.group[cells.unit[pairs.after]]

    def one(g: int) -> Estimate:
        here = group == g
        old, new, unit = gold[pairs.before[here]], gold[pairs.after[here]], cells.unit[pairs.after[here]]
        n = len(np.unique(unit))
        value = self_correction(old, new).rss if n else np.nan
        lost = int((cells.columns["turn"][study.part(g).rows] == 1).sum()) - len(old)
        how = "relative self-correction score, pooled over samples" + (f"; {lost} {_UNPAIRED}" if lost else "")
        if np.isnan(value):
            return unknown("revisions of right and of wrong first attempts are needed", n)
        if n < _JACKKNIFE:
            return Estimate(value, np.nan, np.nan, n, f"{how}; fewer than {_JACKKNIFE} problems, so no interval")
        found = jackknife_interval(lambda k: self_correction(old[k], new[k]).rss, unit, _JACKKNIFE, study.level)
        return Estimate(value, found.low, found.high, n, f"{how}; delete-group jackknife over problems")

    return Whole([one(g) for g in range(cells.groups)])


class Steps(NamedTuple):
    """Executed steps of the plain rows that have them."""

    rows: np.ndarray  # (n,) places of plain rows with at least one step
    size: np.ndarray  # (n,) steps
    right: np.ndarray  # (n,) right steps
    first: np.ndarray  # (n,) place of the first wrong step, = size where none is wrong
    lost: np.ndarray  # (groups,) plain rows whose steps are unknown


def _steps(cells: Cells) -> Steps:
    """Raises SchemaError for a step that is neither right nor wrong."""
    written = cells.texts["steps"]
    rows = np.flatnonzero(cells.plain & pc.greater(pc.utf8_length(written), 0).fill_null(False).to_numpy())
    steps = written.take(rows).to_pylist()
    odd = next((s for s in steps if s.strip("01")), None)
    if odd is not None:
        raise SchemaError(f"rows: column 'steps' must hold 1 for a right and 0 for a wrong step, got {odd[:20]!r}")
    first = [s.find("0") if "0" in s else len(s) for s in steps]
    size, right, place = (np.array(x, np.int64) for x in ([*map(len, steps)], [s.count("1") for s in steps], first))
    return Steps(rows, size, right, place, cells.rows_by_group(cells.plain & written.is_null().to_numpy()))


def _step_ratio(
    part: Callable[[Steps], np.ndarray], whole: Callable[[Steps], np.ndarray], how: str
) -> Callable[[Study], Ratio]:
    def make(study: Study) -> Ratio:
        cells = study.cells
        steps = _steps(cells)
        sums = [np.bincount(cells.unit[steps.rows], f(steps).astype(float), cells.units) for f in (part, whole)]
        return Ratio(sums[0], sums[1], how, "executed steps of this kind", lost=steps.lost)

    return make


def _steps_to_error(study: Study) -> PerProblem:
    cells, steps = study.cells, _steps(study.cells)
    unit = cells.unit[steps.rows]
    n = np.bincount(unit, minlength=cells.units)
    mean = np.divide(np.bincount(unit, steps.first, cells.units), n, out=np.full(cells.units, np.nan), where=n > 0)
    how = "right steps before the first wrong one, or all"
    return PerProblem(mean, how, POSITIVE, "a sample with executed steps", lost=steps.lost)


_AMONG = {
    "reason": "executed steps and a right answer",
    "found": "executed steps, one of them wrong",
    "alarm": "executed steps, all of them right",
}


def _row_share(of: str) -> Callable[[Study], Ratio]:
    """Shares of rows with steps: right answers with a wrong step, errors found, alarms without an error."""

    def make(study: Study) -> Ratio:
        cells, steps = study.cells, _steps(study.cells)
        wrong, lost = steps.first < steps.size, steps.lost
        if of == "reason":
            gold = cells.columns["gold"][steps.rows]
            among, hit = gold == 1, wrong
            lost = lost + np.bincount(cells.group[cells.unit[steps.rows[np.isnan(gold)]]], minlength=cells.groups)
        else:
            claimed = cells.columns["claimed_error"][steps.rows]
            among = wrong if of == "found" else ~wrong
            hit = claimed == steps.first if of == "found" else ~np.isnan(claimed)
        unit = cells.unit[steps.rows]
        part, whole = (np.bincount(unit, x.astype(float), cells.units) for x in (among & hit, among))
        return Ratio(part, whole, "share of rows with executed steps", _AMONG[of], lost=lost)

    return make


def _of_side(side: str, drift: bool) -> Callable[[Study], PerProblem]:
    def make(study: Study) -> PerProblem:
        cells = study.cells
        x = log_ratio(cells) if drift else cells.columns["logp"]
        mask = _is(cells, "side", side)
        how = "logp − base_logp" if drift else "logp"
        lacking, lost = f"a {side} response with known {how}", cells.rows_by_group(mask & ~np.isfinite(x))
        return PerProblem(cells.mean(x, mask), f"{how} of {side} responses", (-np.inf, np.inf), lacking, lost=lost)

    return make


def _is(cells: Cells, column: str, value: str) -> np.ndarray:
    return np.asarray(cells.texts[column].to_pylist(), dtype=object) == value


def _pair_gap(study: Study) -> PerProblem:
    cells, score = study.cells, study.cells.columns["score"]
    sides = [_is(cells, "side", side) for side in ("chosen", "rejected")]
    chosen, rejected = (cells.mean(score, side) for side in sides)
    lost = cells.rows_by_group((sides[0] | sides[1]) & np.isnan(score))
    return PerProblem(chosen - rejected, "score of chosen − of rejected", _CHANGE, "a scored pair", lost=lost)


def _shows(pattern: str) -> Callable[[Sampled], np.ndarray]:
    found = re.compile(pattern, re.IGNORECASE)
    return lambda texts: np.array([float(bool(found.search(text[:20_000]))) for text in texts.text])


_TURNS, _ROUND = ("turn", "parent", "sample", "gold"), ("round",)
_SIDES = ("pair", "side")

METRICS: dict[str, Metric] = {
    "confidence_level": Metric(
        _TURNS, _after(1.0, "right", "right after / right before", "a revised right attempt"), "right answers kept ↑", "", SHARE,
        _ROUND,
    ),
    "critique_score": Metric(
        _TURNS, _after(0.0, "right", "right after / wrong before", "a revised wrong attempt"), "wrong answers mended ↑", "", SHARE,
        _ROUND,
    ),
    "revision_gain": Metric(
        _TURNS, _after(None, "change", "right after − right before", "a revised attempt"), "what a revision adds ↑", "", _CHANGE,
        _ROUND,
    ),
    "feedback_uptake": Metric(
        (*_TURNS, "answer"), _after(0.0, "differs", "answer changed / wrong before", "a revised wrong attempt"),
        "wrong answers that the revision changed ↑", "", SHARE, _ROUND,
    ),
    "rss": Metric(
        _TURNS, _rss, "relative self-correction score, ½ is no better than sampling again ↑", "", UNBOUNDED, _ROUND
    ),
    "step_accuracy": Metric(
        ("steps",), _step_ratio(lambda s: s.right, lambda s: s.size, "right steps / steps"), "right steps ↑", "", SHARE
    ),
    "step_accuracy_clean": Metric(
        ("steps",),
        _step_ratio(lambda s: s.first, lambda s: np.minimum(s.first + 1, s.size), "right / steps without an earlier error"),
        "right steps while nothing was wrong before ↑", "", SHARE,
    ),
    "step_accuracy_after_error": Metric(
        ("steps",),
        _step_ratio(lambda s: s.right - s.first, lambda s: np.maximum(s.size - s.first - 1, 0), "right / steps after an error"),
        "right steps after an own error: falls by self-conditioning ↑", "", SHARE,
    ),
    "steps_to_error": Metric(("steps",), _steps_to_error, "how far it gets ↑", "steps", POSITIVE),
    "wrong_reason_rate": Metric(
        ("steps", "gold"), _row_share("reason"), "right answers with a wrong step ↓", "", SHARE
    ),
    "error_found_rate": Metric(
        ("steps", "claimed_error"), _row_share("found"), "wrong responses whose first error the verifier names ↑", "", SHARE
    ),
    "false_alarm_rate": Metric(
        ("steps", "claimed_error"), _row_share("alarm"), "flawless responses in which it names an error ↓", "", SHARE
    ),
    "chosen_logp": Metric((*_SIDES, "logp"), _of_side("chosen", False), "likelihood of chosen responses ↕", "nats"),
    "rejected_logp": Metric((*_SIDES, "logp"), _of_side("rejected", False), "likelihood of rejected responses ↕", "nats"),
    "chosen_drift": Metric(
        (*_SIDES, "logp", "base_logp"), _of_side("chosen", True), "chosen responses against round 0 ↕", "nats"
    ),
    "rejected_drift": Metric(
        (*_SIDES, "logp", "base_logp"), _of_side("rejected", True), "rejected responses against round 0 ↕", "nats"
    ),
    "pair_score_gap": Metric((*_SIDES, "score"), _pair_gap, "how far the sides of a pair are apart ↑", "", _CHANGE),
    **{
        f"behaviour_{name}": Metric(
            ("response",), of_each(_shows(pattern), "responses with its words"), f"{name} in words ↕", "", SHARE,
            ("sample", "round"),
        )
        for name, pattern in BEHAVIOURS.items()
    },
}  # fmt: skip
