"""Over seeds: what sibling runs say together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.metrics.catalogue import span_of
from siwork.metrics.intervals import Moments, moments
from siwork.schema import METRICS, KnobError, SchemaError, check, nearest

_VALUES = ("run", "value", "low", "high", "n", "unit", "method", "k", "least", "most")


def over_seeds(table: pd.DataFrame, level: float = 0.95, group: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Pool sibling runs: the mean over runs, with the interval over seeds.

    Rule: a claim about a *method* rests on seeds, never on the interval over problems of one run; when the interval of a
    difference holds 0, or the runs disagree in sign, do not conclude.

    Parameters
    ----------
    table : metric table of `measure` or `round_difference`, one row a run and whatever else it is measured by
    level : coverage, between 0 and 1
    group : run → name of its group; None pools all runs as 'all runs'

    Returns
    -------
    Metric table: run = the group's name, value = mean over the runs that have one, n = how many have; low and high =
    mean ± t_{n−1} · sd/√n (S=3: t = 4.30), clipped to what the metric can be; `least` and `most` = range over runs. No
    interval, with the reason in `method`, for one run or equal ones; null where runs were measured at different k.

    Raises
    ------
    SchemaError when a run occurs twice in one place or a column is missing; KnobError for a bad level or an unnamed run.

    >>> row = {"round": 0, "split": "heldout", "metric": "pass@1", "low": 0, "high": 1, "n": 9, "unit": "", "method": ""}
    >>> table = pd.DataFrame([row | {"run": f"s{i}", "value": x} for i, x in enumerate((0.4, 0.5, 0.6))])
    >>> over_seeds(table)[["value", "low", "high", "n", "least"]].round(3).values.tolist()
    [[0.5, 0.252, 0.748, 3, 0.4]]
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
    out = out.assign(method=np.array(method, dtype=object), least=_real(least * seen), most=_real(most * seen))
    if "k" in table:
        out["k"] = _real(low_k * seen).astype(pd.ArrowDtype(pa.int64()))
    return check(out[[*dict.fromkeys([*table.columns, "least", "most"])]], table="metrics")


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
