"""Which rows count: the rows that a metric of the catalogue is computed from, as a mask.

`measure` leaves rows out in two steps: a row that lacks what the metric needs, and a problem that has no value. The first is
written down here, row by row as `siwork.metrics.catalogue` does it; the second is read off the metric itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from siwork.metrics.blocks import made_of
from siwork.metrics.catalogue import FAMILIES, metric_of, text, traces
from siwork.metrics.catalogue.calibration import THRESHOLD
from siwork.metrics.catalogue.kinds import Made, PerProblem, Ratio, Whole
from siwork.metrics.catalogue.traces import _is, _revised, _steps
from siwork.metrics.cells import Cells
from siwork.metrics.study import Study

Mask = np.ndarray  # (rows,) bool

# first attempts without a hint count, but of these metrics every row
_FIRST = {"dead_groups", "vote_share", "vote_right", "band_solve_rate", "tail_solve_rate", "samples_per_success"}
_EVERY = {
    *FAMILIES["calibration"],
    *FAMILIES["tail"],
    "mean_gold",
    "samples_drawn",
    "samples_kept",
    "tokens_drawn",
} - _FIRST
_ACCEPTED = {
    *("accepted_share", "tail_share", "log_head_tail", "balance_score", "kept_precision", "proxy_gold_gap_kept"),
    "samples_kept",
}
_KNOWN: dict[str, tuple[str, ...]] = {  # columns that a row must have, where it is not all that the metric needs
    **dict.fromkeys(("distinct_correct", "solution_coverage", "balance_score", "right_variety"), ("gold",)),
    **dict.fromkeys(("precision", "recall", "false_positive_rate", "false_negative_rate"), ("gold",)),
    **dict.fromkeys(("gv_gap", "gv_gap_relative", "top_precision"), ("gold",)),
    **dict.fromkeys(("distinct_answers", "unparsed_rate"), ()),
}
_ONLY: dict[str, Callable[[dict[str, np.ndarray]], Mask]] = {  # of these rows, those that the metric is about
    "precision": lambda of: of["score"] >= THRESHOLD,
    "recall": lambda of: of["gold"] == 1,
    "false_positive_rate": lambda of: of["gold"] == 0,
    "false_negative_rate": lambda of: of["gold"] == 1,
    "right_variety": lambda of: of["gold"] == 1,
    "right_tokens": lambda of: of["gold"] == 1,
    "log_head_tail": lambda of: of["band"] != 2,
    "perplexity": lambda of: of["n_tokens"] > 0,
    "base_perplexity": lambda of: of["n_tokens"] > 0,
}
_BEFORE = {"confidence_level": 1.0, "critique_score": 0.0, "feedback_uptake": 0.0}  # truth of the first attempt
_REVISED = {*_BEFORE, "revision_gain", "rss"}
_SIDES = {"chosen_logp": ("chosen",), "rejected_logp": ("rejected",), "chosen_drift": ("chosen",)} | {
    "rejected_drift": ("rejected",),
    "pair_score_gap": ("chosen", "rejected"),
}


def counting(study: Study, name: str, band: int | None = None) -> tuple[Mask, np.ndarray]:
    """The rows that count for a metric, and the problems that have a value.

    Parameters
    ----------
    study : reduced rows, which have every column that the metric needs
    name : a metric of the catalogue, no change
    band : of a metric by band, the band; None is all of them

    Returns
    -------
    bool arrays (rows,) and (units,); a number is computed from the rows that count of the problems that have a value.
    """
    made = made_of(study, name)
    one = made if not isinstance(made, list) else None if band is None else made[band]
    return _rows(study, name, one), _units(study.cells, one)


def _units(cells: Cells, made: Made | None) -> np.ndarray:
    if isinstance(made, PerProblem):
        return ~np.isnan(made.value)
    return made.whole > 0 if isinstance(made, Ratio) else np.ones(cells.units, bool)


def _rows(study: Study, name: str, made: Made | None) -> Mask:
    cells = study.cells
    if name in text.METRICS or name.startswith("behaviour_"):
        return _at(cells, _texts(study, made))
    if name in _REVISED:
        return _at(cells, _revisions(cells, _BEFORE.get(name)))
    if name in traces.METRICS and "steps" in metric_of(name).needs:
        return _at(cells, _stepped(cells, name))
    found = _known(cells, name)
    if name in _SIDES:
        return found & np.logical_or.reduce([_is(cells, "side", side) for side in _SIDES[name]])
    if name not in _EVERY:
        found = found & cells.plain
    if name in _ACCEPTED:
        found = found & (cells.columns["weight"] > 0)
    return found & _ONLY[name](cells.columns) if name in _ONLY else found


def _known(cells: Cells, name: str) -> Mask:
    """Rows that have what the metric needs of a row."""
    needs = ("gold",) if name.startswith(("maj@", "best@")) else _KNOWN.get(name, metric_of(name).needs)
    found = np.ones(len(cells.unit), bool)
    for column in [column for column in needs if column in cells.columns and column != "pair"]:
        values = cells.columns[column]
        found &= values >= 0 if column == "answer" else np.isfinite(values)
    return found


def _at(cells: Cells, places: np.ndarray) -> Mask:
    found = np.zeros(len(cells.unit), bool)
    found[places] = True
    return found


def _texts(study: Study, made: Made | None) -> np.ndarray:
    """Places of the sampled responses; of a pool over problems, those in it."""
    if not isinstance(made, Whole):
        return study.texts.rows
    pools = [text.pool_of(study, g)[0] for g in range(study.cells.groups)]
    return study.texts.rows[np.concatenate([np.zeros(0, np.int64), *pools])]


def _revisions(cells: Cells, before: float | None) -> np.ndarray:
    pairs = _revised(cells)
    own = np.ones(len(pairs.before), bool) if before is None else cells.columns["gold"][pairs.before] == before
    return np.r_[pairs.before[own], pairs.after[own]]


def _stepped(cells: Cells, name: str) -> np.ndarray:
    steps = _steps(cells)
    wrong = steps.first < steps.size
    of = {"error_found_rate": wrong, "false_alarm_rate": ~wrong}
    if name == "wrong_reason_rate":
        of[name] = cells.columns["gold"][steps.rows] == 1
    return steps.rows[of.get(name, np.ones(len(wrong), bool))]
