"""What exchanging one slot does: every alternative against the recipe as given, paired by problem and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics import measure, over_seeds, run_difference
from siwork.metrics.catalogue import metric_of
from siwork.metrics.intervals import checked_level
from siwork.reporting.contrasts import conclusion, real
from siwork.reporting.differences import Pairs, Side, paired, pooled
from siwork.schema import KnobError, RunError, Unfinished
from siwork.store import Run

QUESTIONS = {  # the main metrics of each question; pass@k is that of the largest k
    "pass@1": "performance",
    "pass@k": "performance",
    "distinct_correct": "diversity",
    "answer_entropy": "diversity",
    "tail_solve_rate": "tail",
    "proxy_gold_gap": "verifier",
    "kl_to_base": "collapse",
}
_SPLIT = "heldout"
_NONE = dict.fromkeys(("value", "low", "high", "low_alone", "high_alone", "least", "most"), float("nan"))


class _Last(NamedTuple):
    """The last round of all runs, by name of the run."""

    round: int
    rows: dict[str, pd.DataFrame]
    problems: dict[str, pd.DataFrame]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> _Last:
        """Read the runs. Raises Unfinished, RunError."""
        r = last_round(runs)
        rows = {run.name: run.rows([r], None, _SPLIT) for run in runs}
        return cls(r, rows, {run.name: run.problems().assign(run=run.name) for run in runs})

    def differences(self, metric: str, pairs: Pairs, level: float) -> list[pd.DataFrame]:
        """`run_difference` of each pair. Raises as it does."""
        names = [(a.name, b.name) for a, b in pairs.runs]
        return [
            run_difference(self._joined(self.rows, pair), metric, *pair, level, None, self._joined(self.problems, pair))
            for pair in names
        ]

    def levels(self, metrics: Sequence[str], arm: Mapping[str, str]) -> dict[tuple[str, str], float]:
        """Mean over the runs of each arm and metric; `arm` names that of each run."""
        table = measure(self._joined(self.rows, arm), list(metrics), problems=self._joined(self.problems, arm))
        means = over_seeds(table, group=arm).dropna(subset=["value"])
        return {(row["run"], row["metric"]): float(row["value"]) for row in means.to_dict("records")}

    @staticmethod
    def _joined(tables: Mapping[str, pd.DataFrame], names: Iterable[str]) -> pd.DataFrame:
        return pd.concat([tables[name] for name in names], ignore_index=True)


def ablation_table(
    arms: Mapping[str, Sequence[Run]], *, metrics: Sequence[str] | None = None, level: float = 0.95, further: int = 0
) -> pd.DataFrame:
    """The last round of every alternative against that of the recipe as given, held-out, paired by problem and by seed.

    Parameters
    ----------
    arms : runs by name of the arm, one a seed, the recipe as given first; all had the same problems
    metrics : names, of metrics that are means or ratios over problems; None takes those of QUESTIONS
    level : chance that all intervals of the table hold the truth at once
    further : intervals beside the table that shall hold with it

    Returns
    -------
    DataFrame, a row an alternative and metric: arm, formula, metric, question, unit, round, split; given and other (means over
    seeds); value, the difference other − given, with low and high by Bonferroni: at level 1 − (1 − level)/m, where m is the
    number of differences that are known and the further ones; low_alone and high_alone at `level`; least and most of the seeds;
    seeds, problems; conclusion in words, drawn from low and high; method. Over seeds where there are several, else over
    problems. `attrs` hold level, comparisons (m) and given.

    Raises
    ------
    KnobError for fewer than two arms or a level outside (0, 1); Unfinished when a run has not all its rounds; RunError when
    arms do not pair, or a run cannot be read.
    """
    checked_level(level)
    if len(arms) < 2:
        raise KnobError(f"an ablation needs an alternative beside the recipe as given, got {list(arms)}; add one")
    given, *others = arms
    last = _Last.of([run for runs in arms.values() for run in runs])
    pairs = {name: _pairs(given, name, arms) for name in others}
    wanted = _named(last) if metrics is None else {name: QUESTIONS.get(name, "") for name in metrics}
    found = {(name, metric): _differences(last, metric, pairs[name], level) for name in others for metric in wanted}
    known = sum(each.known for each in found.values()) + further
    strict = 1 - (1 - level) / max(known, 1)
    levels = last.levels(list(wanted), {run.name: name for name, runs in arms.items() for run in runs})
    lines = []
    for (name, metric), each in found.items():
        about: dict[str, Any] = {
            "arm": name,
            "formula": arms[name][0].recipe,
            "metric": metric,
            "question": wanted[metric],
        }
        about |= {"unit": metric_of(metric).unit, "round": last.round, "split": _SPLIT}
        ends = {"given": levels.get((given, metric), np.nan), "other": levels.get((name, metric), np.nan)}
        lines.append(about | ends | each.at(strict))
    table = pd.DataFrame(lines)[_COLUMNS]
    table.attrs = {"level": level, "comparisons": known, "given": given}
    return table


_COLUMNS = [
    "arm", "formula", "metric", "question", "unit", "round", "split", "given", "other", "value", "low", "high",
    "low_alone", "high_alone", "least", "most", "seeds", "problems", "conclusion", "method",
]  # fmt: skip


def last_round(runs: Sequence[Run]) -> int:
    """The closing round of runs that are finished. Raises Unfinished when one is not, RunError for different numbers of rounds."""
    for run in runs:
        if run.rounds_done <= run.rounds_wanted:
            raise Unfinished(
                f"{run.name} has {run.rounds_done} of {run.rounds_wanted + 1} rounds; go on with: siwork resume {run.folder}"
            )
    rounds = sorted({run.rounds_wanted for run in runs})
    if len(rounds) > 1:
        raise RunError(
            f"all runs must have the same number of rounds, got {', '.join(map(str, rounds))}; resume the shorter ones"
        )
    return rounds[0]


def _pairs(given: str, name: str, arms: Mapping[str, Sequence[Run]]) -> Pairs:
    """The pairs of the recipe as given and an alternative. Raises RunError when there is none."""
    found = paired(Side(given, tuple(arms[given])), Side(name, tuple(arms[name])), _SPLIT)
    if found.why:
        raise RunError(f"A is {given} and B is {name}. {found.why}")
    return found


def _named(last: _Last) -> dict[str, str]:
    """The metrics of QUESTIONS, pass@k by the largest k that all problems have."""
    k = min(int(rows["problem"].value_counts().min()) for rows in last.rows.values())
    names = {f"pass@{k}" if name == "pass@k" else name: question for name, question in QUESTIONS.items()}
    return {"pass@1": QUESTIONS["pass@1"]} | names


class _Differences(NamedTuple):
    """The differences of a metric pair by pair, or why there are none, at the level that each has alone."""

    metric: str
    tables: list[pd.DataFrame]
    why: str
    alone: dict[str, Any]
    again: Callable[[float], list[pd.DataFrame]]  # the same at another level

    @property
    def known(self) -> bool:
        return bool(self.alone) and not np.isnan(real(self.alone, "value"))

    def at(self, strict: float) -> dict[str, Any]:
        """The columns of the difference, its interval at the stricter level."""
        if not self.known:
            why = self.why or str(self.alone["method"])
            return _NONE | {"seeds": len(self.tables), "problems": 0, "conclusion": why, "method": why}
        # over seeds, the level of each seed's own interval does not matter
        row = _row(pooled(self.tables if len(self.tables) > 1 else self.again(strict), strict))
        ends = {f"{name}_alone": real(self.alone, name) for name in ("low", "high")}
        numbers = {name: real(row, name) for name in ("value", "low", "high", "least", "most")}
        counts = {name: int(row[name]) for name in ("seeds", "problems")}
        return numbers | ends | counts | {"conclusion": conclusion(self.metric, row, "it")[1], "method": row["method"]}


def _differences(last: _Last, metric: str, pairs: Pairs, level: float) -> _Differences:
    again = partial(last.differences, metric, pairs)
    try:
        tables = again(level)
    except KnobError as error:
        return _Differences(metric, [], str(error), {}, again)
    return _Differences(metric, tables, "", _row(pooled(tables, level)), again)


def _row(table: pd.DataFrame) -> dict[str, Any]:
    return {str(name): value for name, value in table.iloc[0].items()}
