"""Diversity of answers: right ones, all of them, and those of several agents."""

from __future__ import annotations

import numpy as np

from siwork.metrics.again import found_again
from siwork.metrics.catalogue.kinds import (
    FEW,
    NEGATIVE,
    OF_K,
    POSITIVE,
    SHARE,
    Metric,
    PerProblem,
    Whole,
    row_mean,
    unknown,
)
from siwork.metrics.diversity import answer_entropy, chao1, coverage, distinct_at_k, gini_simpson
from siwork.metrics.intervals import divide
from siwork.metrics.study import Study

READABLE = "{k} readable answers"


def _padded(values: np.ndarray, units: int) -> np.ndarray:
    return np.r_[values, np.full(units - len(values), np.nan)]


def _distinct_correct(study: Study) -> PerProblem:
    cells = study.cells
    n, _ = cells.tried
    counts, unit = cells.types(cells.right)
    ks = study.k[cells.group]
    value = distinct_at_k(counts, ks, unit, n)
    value[cells.count(cells.right & (cells.columns["answer"] < 0)) > 0] = np.nan  # right, but which answer?
    lacking = "known gold and an answer in each right sample"
    short = (n > 0) & (n < ks)
    return PerProblem(value, OF_K, (0.0, _most_distinct(study)), lacking, study.k, short, cells.unjudged)


def _most_distinct(study: Study) -> np.ndarray:
    """Most different right answers a problem of each group can show in k draws, (groups,)."""
    most = np.zeros(study.cells.groups)
    solutions = np.maximum(study.cells.solutions, _found(study))
    np.maximum.at(most, study.cells.group, np.where(np.isnan(solutions), np.inf, solutions))
    return np.minimum(most, study.k)


def _found(study: Study) -> np.ndarray:
    """Different right answers of each unit, (units,)."""
    return np.bincount(study.cells.types(study.cells.right)[1], minlength=study.cells.units)


def _solution_coverage(study: Study) -> PerProblem:
    found, solutions = _distinct_correct(study), study.cells.solutions
    known = np.where((solutions > 0) & (solutions >= _found(study)), solutions, np.nan)
    short = found.short & ~np.isnan(known) if found.short is not None else None
    lacking = f"a known number of solutions, no less than were found, {found.lacking}"
    return found._replace(value=found.value / known, span=SHARE, lacking=lacking, short=short)


def _distinct_answers(study: Study) -> PerProblem:
    cells = study.cells
    counts, unit = cells.types(cells.plain)
    ks = study.k[cells.group]
    n = cells.count(cells.plain)
    value = distinct_at_k(counts, ks, unit, n)
    value[(n > 0) & (np.bincount(unit, minlength=cells.units) == 0)] = np.nan
    short = (n > 0) & (n < ks)
    return PerProblem(value, OF_K, (0.0, study.k), "a readable answer", study.k, short, drawn="samples")


def _answer_entropy(study: Study) -> PerProblem:
    cells = study.cells
    counts, unit = cells.types(cells.plain)
    half = np.maximum((study.k + 1) // 2, 2)  # a round with some unreadable answers still has this many
    units = int(unit.max(initial=-1)) + 1
    value = answer_entropy(counts, problem=unit, k=half[cells.group[:units]])
    span = (0.0, np.log(half) + (half - 1) / (2 * half))
    how = "Miller–Madow, exact mean over draws of {k} answers"
    return PerProblem(_padded(value, cells.units), how, span, READABLE, half)


def _gini_simpson(study: Study) -> PerProblem:
    counts, unit = study.cells.types(study.cells.plain)
    value = _padded(gini_simpson(counts, unit), study.cells.units)
    return PerProblem(value, "unbiased at any n", SHARE, "two readable answers", fewest=100)


def _right_variety(study: Study) -> PerProblem:
    cells = study.cells
    counts, unit = cells.types(cells.right)
    value = _padded(gini_simpson(counts, unit), cells.units)
    value[cells.count(cells.right & (cells.columns["answer"] < 0)) > 0] = np.nan  # right, but which answer?
    how, lacking = "right samples, unbiased at any n", "two right samples, with an answer in each right one"
    return PerProblem(value, how, SHARE, lacking, lost=cells.unjudged, fewest=FEW)


def _support_kept(study: Study) -> PerProblem | Whole:
    """A problem's answers of the first round found again; there, each sample among the others."""
    cells = study.cells
    if "round" not in cells.keys:
        return Whole([unknown("rounds are not told apart; put 'round' into `by`")] * cells.groups)
    draws = np.maximum(study.k // 2, 1)
    value = found_again(cells, study.firsts, draws)
    how = "answers of the first round among {k} draws, one left out there, exact mean over draws"
    lacking = "more than {k} readable answers in the first round, or {k} in this one"
    return PerProblem(value, how, SHARE, lacking, draws)


def _chao1(study: Study) -> PerProblem:
    counts, unit = study.cells.types(study.cells.plain)
    value = _padded(chao1(counts, unit), study.cells.units)
    return PerProblem(value, "bias-corrected, a lower bound; unstable below 20 samples", POSITIVE, "a readable answer")


def _answer_coverage(study: Study) -> PerProblem:
    counts, unit = study.cells.types(study.cells.plain)
    value = _padded(coverage(counts, unit), study.cells.units)
    return PerProblem(value, "Chao–Jost", SHARE, "a readable answer", fewest=FEW)


def _mode_share(study: Study) -> PerProblem:
    """Share of a problem's commonest answers that are the answer commonest so in its group; ties are split."""
    cells = study.cells
    ballots = cells.ballots(cells.plain)
    top = ballots.commonest(cells.units)
    unit, answer = ballots.unit[top], ballots.answer[top]
    weight = 1.0 / np.bincount(unit, minlength=cells.units)[unit]
    key, string = np.unique(cells.group[unit] * (int(answer.max(initial=0)) + 1) + answer, return_inverse=True)
    often = np.bincount(string, weight, len(key))
    group = np.zeros(len(key), np.int64)
    group[string] = cells.group[unit]
    most = np.zeros(cells.groups)
    np.maximum.at(most, group, often)
    mode = often > most[group] - 1e-9
    modes = np.bincount(group[mode], minlength=cells.groups)
    value = np.full(cells.units, np.nan)
    value[unit] = 0.0
    np.add.at(value, unit, weight * mode[string] / modes[cells.group[unit]])
    next_ = np.where(modes > 1, most, 0.0)
    np.maximum.at(next_, group[~mode], often[~mode])
    unclear = most - next_ <= np.sqrt(most + next_)  # the one that leads by chance leads by too much
    how = "problems whose commonest answer is the one string, ties split"
    return PerProblem(value, how, SHARE, "a readable answer", barred=unclear, why="no answer leads clearly")


def _agent_disagreement(study: Study) -> PerProblem:
    """P(answers differ | two agents) − P(answers differ | one agent), unbiased, from counts of pairs."""
    cells = study.cells
    rows = np.flatnonzero(cells.plain & (cells.columns["answer"] >= 0))
    agent = cells.texts["agent"].take(rows).to_pandas().factorize()[0]
    unit, answer = cells.unit[rows], cells.columns["answer"][rows]
    every, own = _pairs(unit, answer, cells.units), _pairs(_code(unit, agent), answer, cells.units, unit)
    across = [a - b for a, b in zip(every, own, strict=True)]
    value = divide(across[1], across[0]) * -1.0 + divide(own[1], own[0])
    return PerProblem(value, "of two agents − of one agent, unbiased", (-1.0, 1.0), "two answers each of two agents")


def _code(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a * (int(b.max(initial=0)) + 1) + b


def _pairs(
    group: np.ndarray, answer: np.ndarray, units: int, unit: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows within a group, and those with equal answers, summed by unit, (units,) each."""
    unit = group if unit is None else unit
    sums = []
    for code in (group, _code(group, answer)):
        _, first, size = np.unique(code, return_index=True, return_counts=True)
        sums.append(np.bincount(unit[first], size * (size - 1.0) / 2.0, units))
    return sums[0], sums[1]


METRICS: dict[str, Metric] = {
    "distinct_correct": Metric(
        ("gold", "answer"),
        _distinct_correct,
        "different right answers in k samples ↑",
        "answers",
        POSITIVE,
        ("n_solutions",),
    ),
    "solution_coverage": Metric(
        ("gold", "answer"),
        _solution_coverage,
        "share of all right answers found in k samples ↑",
        "",
        SHARE,
        ("n_solutions",),
    ),
    "distinct_answers": Metric(("answer",), _distinct_answers, "different answers in k samples ↑", "answers", POSITIVE),
    "answer_entropy": Metric(("answer",), _answer_entropy, "entropy of a problem's answers ↕", "nats", POSITIVE),
    "gini_simpson": Metric(("answer",), _gini_simpson, "chance that two samples give different answers ↑", "", SHARE),
    "right_variety": Metric(
        ("gold", "answer"), _right_variety, "chance that two right samples give different answers ↑", "", SHARE
    ),
    "support_kept": Metric(
        ("answer",),
        _support_kept,
        "answers of the first round found again in k // 2 draws ↑",
        "",
        SHARE,
        ground=("answer",),
    ),
    "chao1": Metric(("answer",), _chao1, "answers there are, seen or not (lower bound) ↑", "answers", POSITIVE),
    "answer_coverage": Metric(("answer",), _answer_coverage, "mass of the answers that were seen ↕", "", SHARE),
    "mode_share": Metric(("answer",), _mode_share, "problems that share one commonest answer ↓", "", SHARE),
    "agent_disagreement": Metric(
        ("answer", "agent"),
        _agent_disagreement,
        "how much more two agents differ than one with itself ↑",
        "",
        (-1.0, 1.0),
    ),
    "token_entropy": Metric(
        ("entropy",), row_mean("entropy", True, POSITIVE), "mean next-token entropy ↕", "nats", POSITIVE
    ),
    "mean_logp": Metric(
        ("logp",), row_mean("logp", True, NEGATIVE), "log-probability of a response ↕", "nats", NEGATIVE
    ),
}
