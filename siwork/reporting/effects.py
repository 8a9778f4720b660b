"""What a method changed against another one, or since its base: the rows of the table that `siwork measure` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from siwork.metrics import measure, over_seeds, round_difference
from siwork.metrics.catalogue import metric_of
from siwork.reporting.ablation import ablation_table, last_round
from siwork.reporting.contrasts import conclusion
from siwork.reporting.differences import pooled
from siwork.schema import KnobError
from siwork.store import Run

CALIBRATION = "proxy_gold_gap"  # of a verifier, so it compares with the method's own round 0 alone
_SPLIT = "heldout"
_NUMBERS = ("value", "low", "high", "least", "most")


def metrics_of(runs: Sequence[Run], calibration: bool = False) -> list[str]:
    """What is compared: pass@1, pass@k of the largest k that all held-out problems have, and how wide and deep it solves.

    calibration : whether how far the verifier flatters is compared, too

    Raises Unfinished, RunError for a run without a first round.
    """
    k = min(int(run.rows([0], ["problem"], _SPLIT)["problem"].value_counts().min()) for run in runs)
    names = dict.fromkeys(("pass@1", f"pass@{k}", "distinct_correct", "tail_solve_rate"))
    return [*names, *([CALIBRATION] if calibration else [])]


def effect_of(given: Sequence[Run], own: Sequence[Run], metrics: Sequence[str], level: float = 0.95) -> pd.DataFrame:
    """The last round of some runs against that of others, held-out, paired by problem and by seed.

    How far the verifier flatters is told of the method's own verifier, so it is compared with its own round 0; the other side is
    judged by another verifier.

    Parameters
    ----------
    given, own : runs of the two sides, one a seed, on the same problems
    metrics : as in `ablation_table`
    level : chance that all intervals of the table hold the truth at once

    Returns
    -------
    DataFrame, a row a metric: metric, unit; base (round 0 of `own`), given and own (last round), means over seeds; value, the
    difference own − given, low, high (Bonferroni over the metrics that are known), least and most of the seeds; seeds, n
    (held-out problems); level, comparisons; conclusion, method.

    Raises as `ablation_table`.
    """
    beside = [name for name in metrics if name != CALIBRATION]
    since = [name for name in metrics if name == CALIBRATION and np.isfinite(_levels(own, 0, [name])).all()]
    table = ablation_table({"given": given, "own": own}, metrics=beside, level=level, further=len(since))
    told = table.rename(columns={"other": "own", "problems": "n"}).assign(base=_levels(own, 0, beside))
    known = int(table.attrs["comparisons"])
    own_change = change_of(own, [name for name in metrics if name == CALIBRATION], level, known - len(since))
    return pd.concat([told.reindex(columns=_COLUMNS), own_change], ignore_index=True).assign(
        level=level, comparisons=known
    )


def change_of(runs: Sequence[Run], metrics: Sequence[str], level: float = 0.95, further: int = 0) -> pd.DataFrame:
    """The last round of some runs against their own round 0, held-out, paired by problem, over seeds.

    Parameters and result as those of `effect_of`; given is base, further are intervals beside these that shall hold with them.

    Raises Unfinished, RunError.
    """
    last = last_round(runs)
    if not metrics:
        return pd.DataFrame(columns=_COLUMNS)
    ends = {r: _levels(runs, r, metrics) for r in (0, last)}
    known = int(np.isfinite(ends[0] - ends[last]).sum()) + further
    strict = 1 - (1 - level) / max(known, 1)
    rows = [_change(runs, metric, last, strict) for metric in metrics]
    table = pd.DataFrame(rows).assign(base=ends[0], given=ends[0], own=ends[last], level=level, comparisons=known)
    return table[_COLUMNS]


_COLUMNS = [
    "metric", "unit", "base", "given", "own", *_NUMBERS, "seeds", "n", "level", "comparisons", "conclusion", "method",
]  # fmt: skip


def _levels(runs: Sequence[Run], r: int, metrics: Sequence[str]) -> np.ndarray:
    """Mean over the runs of each metric in a round, held-out; NaN where it is unknown."""
    rows = pd.concat([run.rows([r], None, _SPLIT) for run in runs], ignore_index=True)
    table = over_seeds(measure(rows, list(metrics), problems=_problems(runs)))
    return table.set_index("metric")["value"].reindex(list(metrics)).to_numpy(float, na_value=np.nan)


def _problems(runs: Sequence[Run]) -> pd.DataFrame:
    return pd.concat([run.problems().assign(run=run.name) for run in runs], ignore_index=True)


def _change(runs: Sequence[Run], metric: str, last: int, level: float) -> dict[str, Any]:
    """The columns of one metric that are its own."""
    about: dict[str, Any] = {"metric": metric, "unit": metric_of(metric).unit, "seeds": len(runs)}
    try:
        tables = [
            round_difference(run.rows([0, last], None, _SPLIT), metric, 0, last, level, problems=_problems([run]))
            for run in runs
        ]
    except KnobError as error:
        return about | dict.fromkeys(_NUMBERS, np.nan) | {"n": 0, "conclusion": str(error), "method": str(error)}
    row = {str(name): value for name, value in pooled(tables, level).iloc[0].items()}
    numbers = {name: np.nan if pd.isna(row[name]) else float(row[name]) for name in _NUMBERS}
    words = conclusion(metric, row, "it")[1]
    words = words.partition(":")[0] if metric == CALIBRATION else words  # may move to 0 from either side
    told = {"n": int(row["problems"]), "conclusion": words, "method": row["method"]}
    return about | numbers | told
