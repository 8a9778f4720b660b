"""Over seeds: what sibling runs say together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.metrics.catalogue import span_of
from siwork.metrics.intervals import Moments, divide, moments, student_t
from siwork.metrics.metric_table import MetricTable
from siwork.schema import METRICS, KnobError, SchemaError, check, nearest

_SPREAD = ("least", "most", "between", "within", "ratio", "conclusion")
_VALUES = ("run", "value", "low", "high", "n", "unit", "method", "k", "se", *_SPREAD)
_CHANGE = "_change"


def over_seeds(table: pd.DataFrame, level: float = 0.95, group: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Pool sibling runs: the mean over runs, with the interval over seeds.

    A seed is one chain of rounds, so its rounds are not independent: each round is pooled by itself, and a change is taken
    within each seed (`round_difference`) before it is pooled. A claim about a *method* rests on seeds, never on the interval
    over problems of one run.

    Parameters
    ----------
    table : metric table of `measure` or `round_difference`, one row a run and whatever else it is measured by
    level : coverage, between 0 and 1
    group : run → name of its group; None pools all runs as 'all runs'

    Returns
    -------
    Metric table: run = the group's name, value = mean over the runs that have one, n = how many have; low and high =
    mean ± t_{n−1} · sd/√n (S=3: t = 4.30), clipped to what the metric can be. No interval, with the reason in `method`, for
    one run or equal ones; null where runs were measured at different k. Further columns:
    least, most : range over runs
    between : standard deviation between runs, null for fewer than two
    within : standard error inside a run, root mean square over runs. Of a run it is the longer half of its interval over
        t_{n−1}, n its problems, the interval read as one of coverage `level`; null when any run with a value lacks one
    ratio : between²/within². Above 1, seeds differ by more than the error inside a run explains. Below 1 proves nothing
        where all seeds have the same problems: these are in `within`, yet do not differ between seeds
    conclusion : of a `_change`: "rises" or "falls" where the interval leaves out 0 and all runs have that sign, else "do not
        conclude" (one run alone, or no interval, too); empty for a level

    Raises
    ------
    SchemaError when a run occurs twice in one place or a column is missing; KnobError for a bad level or an unnamed run.

    >>> row = {"round": 0, "split": "heldout", "metric": "pass@1", "low": 0, "high": 1, "n": 9, "unit": "", "method": ""}
    >>> table = pd.DataFrame([row | {"run": f"s{i}", "value": x} for i, x in enumerate((0.4, 0.5, 0.6))])
    >>> over_seeds(table)[["value", "low", "high", "n", "least", "between"]].round(3).values.tolist()
    [[0.5, 0.252, 0.748, 3, 0.4, 0.1]]
    """
    table = check(table, needs=[column.name for column in METRICS], table="metrics").reset_index(drop=True)
    keys = [name for name in table.columns if name not in _VALUES]
    pooled = table[keys].assign(run=_groups(table["run"], group))
    code = pooled.groupby(["run", *keys], dropna=False, sort=False).ngroup().to_numpy()
    _check_once(table, code)
    cells, first = int(code.max(initial=-1)) + 1, np.flatnonzero(~pd.Series(code).duplicated().to_numpy())
    values = table["value"].to_numpy(float, na_value=np.nan)
    known = ~np.isnan(values)
    found = moments(values[known], code[known], cells, level)
    least, most = _ends(values[known], code[known], cells)
    low_k, high_k = _draws(table, code, cells)
    mixed = np.nan_to_num(high_k - low_k) > 0
    out = _pooled(pooled.iloc[first].reset_index(drop=True), found, table["unit"].iloc[first], mixed)
    total = np.bincount(code, minlength=cells)
    method = [_words(found, total, mixed, table["method"].iloc[at], g) for g, at in enumerate(first)]
    seen = np.where(mixed, np.nan, 1.0)
    spread = {name: x * seen for name, x in _spread(table, code, known, found, level).items()}
    ends = {"least": least * seen, "most": most * seen, **spread}
    out = out.assign(method=np.array(method, dtype=object), **{name: _real(x) for name, x in ends.items()})
    out["conclusion"] = _conclusions(out)
    if "k" in table:
        out["k"] = _real(low_k * seen).astype(pd.ArrowDtype(pa.int64()))
    shown = [name for name in dict.fromkeys([*table.columns, *_SPREAD]) if name != "se"]  # `within` has it
    told = MetricTable(check(out[shown], table="metrics"))
    told.attrs = table.attrs | {"level": level}
    return told


def _groups(runs: pd.Series, group: Mapping[str, str] | None) -> np.ndarray:
    if group is None:
        return np.full(len(runs), "all runs", dtype=object)
    for run in runs.unique():
        if run not in group:
            raise KnobError(f"group must name every run, {run!r} is not in it; {nearest(str(run), group)}")
    return np.array([group[run] for run in runs], dtype=object)


def _check_once(table: pd.DataFrame, code: np.ndarray) -> None:
    twice = pd.DataFrame({"run": table["run"], "code": code}).duplicated()
    if twice.any():
        row = table[twice.to_numpy()].iloc[0]
        raise SchemaError(
            f"run {row['run']!r} has {row['metric']!r} twice for round {row['round']}, split {row['split']}; a run counts "
            "once: drop the repeated rows, or give sibling runs different names"
        )


def _real(values: np.ndarray) -> pd.Series:
    """Arrow numbers with null for NaN."""
    return pd.Series(
        pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(values, pa.float64(), from_pandas=True)]))
    )


def _spread(
    table: pd.DataFrame, code: np.ndarray, known: np.ndarray, found: Moments, level: float
) -> dict[str, np.ndarray]:
    """Standard deviation between runs, standard error within them, and the ratio of the variances, (cells,) each."""
    value, low, high, n = (
        table[name].to_numpy(float, na_value=np.nan)[known] for name in ("value", "low", "high", "n")
    )
    cells, own = len(found.n), code[known]
    square = np.bincount(own, (value - found.value[own]) ** 2, cells)
    between = np.where(found.equal, 0.0, np.sqrt(divide(square, found.n - 1.0)))
    error = np.maximum(high - value, value - low) / student_t(n, level)  # NaN stays: the run's error is unknown
    within = np.sqrt(divide(np.bincount(own, error**2, cells), found.n.astype(float)))
    return {"between": between, "within": within, "ratio": divide(between**2, within**2)}


def _conclusions(out: pd.DataFrame) -> pd.Series:
    low, high, least, most = (out[name].to_numpy(float, na_value=np.nan) for name in ("low", "high", "least", "most"))
    up, down = (low > 0) & (least > 0), (high < 0) & (most < 0)
    words = np.select([up, down], ["rises", "falls"], "do not conclude")
    change = out["metric"].str.endswith(_CHANGE).to_numpy(bool)
    return pd.Series(np.where(change, words, "").astype(object), index=out.index)


def _ends(values: np.ndarray, code: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    least, most = np.full(cells, np.nan), np.full(cells, np.nan)
    np.fmin.at(least, code, values)
    np.fmax.at(most, code, values)
    return least, most


def _draws(table: pd.DataFrame, code: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest k of the runs, (cells,) each; where they differ the values do not compare."""
    k = table["k"].to_numpy(float, na_value=np.nan) if "k" in table else np.full(len(table), np.nan)
    known = ~np.isnan(k)
    return _ends(k[known], code[known], cells)


def _pooled(keys: pd.DataFrame, found: Moments, unit: pd.Series, mixed: np.ndarray) -> pd.DataFrame:
    ends = np.array([span_of(name) for name in keys["metric"]]).reshape(-1, 2)
    seen, spread = np.where(mixed, np.nan, 1.0), np.where(mixed | found.equal, np.nan, 1.0)
    return keys.assign(
        value=found.value * seen,
        low=np.minimum(np.maximum(found.low * spread, ends[:, 0]), found.value),
        high=np.maximum(np.minimum(found.high * spread, ends[:, 1]), found.value),
        n=found.n,
        unit=unit.to_numpy(),
    )


def _words(found: Moments, total: np.ndarray, mixed: np.ndarray, reason: str, g: int) -> str:
    n, runs = found.n[g], total[g]
    if mixed[g]:
        return "runs were measured at different k; measure them with one k="
    if n == 0:
        return str(reason)
    words = f"seeds: t, S={n}"
    if n == 1:
        words = "seeds: one run, so no interval"
    elif found.equal[g]:
        words = f"seeds: all {n} runs equal, so no interval"
    return words + (f"; {runs - n} of {runs} runs unknown" if n < runs else "")
