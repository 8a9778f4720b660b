"""The completions that show a verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.diagnosis.verdict import Verdict
from siwork.schema import KnobError, SchemaError, check

_FLOAT = pd.ArrowDtype(pa.float64())
_OPENING = 24  # characters by which a template is known


def examples(verdict: Verdict, source: Any, n: int) -> pd.DataFrame:
    """At most n rows of the verdict's run, split and round, the plainest first; see `Verdict.rows`.

    Raises
    ------
    KnobError when n < 1; SchemaError when source is neither rows nor a run.
    """
    if n < 1:
        raise KnobError(f"n must be at least 1, got {n}; nearest: 1")
    rows = _rows(verdict, source)
    if rows.empty:
        return rows
    order = np.argsort(-_plainness(verdict, rows), kind="stable")
    each = 1 if verdict.name == "template_collapse" else 3  # templates show across problems
    return rows.iloc[_spread(rows["problem"].to_numpy()[order], order, n, each)].reset_index(drop=True)


def _rows(verdict: Verdict, source: Any) -> pd.DataFrame:
    """The rows that the verdict is about."""
    if callable(getattr(source, "rows", None)):
        wanted = None if verdict.round is None else [verdict.round]
        rows = source.rows(wanted)
    elif isinstance(source, pd.DataFrame):
        rows = check(source, needs=["run", "problem"])
    else:
        raise SchemaError(f"a row table or a run is needed, got {type(source).__name__}; Run(folder) opens a folder")
    here = rows["run"] == verdict.run
    if verdict.round is not None and "round" in rows:
        here &= rows["round"] == verdict.round
    if "split" in rows and (here & (rows["split"] == verdict.split)).any():
        here &= rows["split"] == verdict.split
    return rows[here.fillna(False)].reset_index(drop=True)


def _plainness(verdict: Verdict, rows: pd.DataFrame) -> np.ndarray:
    """How plainly each row shows the harm, (rows,), higher is plainer."""
    score, gold, band = (_number(rows, key) for key in ("score", "gold", "band"))
    many = _twins(rows, "answer" if "answer" in rows else "response")
    return {
        "reward_hacking": score - gold,
        "verifier_calibration": np.abs(score - gold),
        "tail_narrowing": -band + (1 - _number(rows, "weight").clip(0, 1)),
        "diversity_decay": many * np.where(gold > 0, 2.0, 1.0),
        "collapse": many - gold,
        "template_collapse": _openings(rows),
        "length_collapse": _length(rows) * _longer(verdict) + 1e6 * _cut_off(verdict, rows),
        "dead_groups": many,
        "saturation": 1 - gold,
    }.get(verdict.name, np.zeros(len(rows)))


def _longer(verdict: Verdict) -> float:
    """1 where the harm is length, −1 where it is the lack of it."""
    return (
        -1.0 if verdict.metric == "empty_rate" or (verdict.metric != "unfinished_rate" and verdict.value < 0) else 1.0
    )


def _cut_off(verdict: Verdict, rows: pd.DataFrame) -> np.ndarray:
    """Responses cut off, where this is what the verdict rests on, (rows,)."""
    asked = verdict.metric == "unfinished_rate" and "finished" in rows
    return 1 - _number(rows, "finished") if asked else np.zeros(len(rows))


def _length(rows: pd.DataFrame) -> np.ndarray:
    """Tokens of each response, or its characters where tokens are not known, (rows,)."""
    if "n_tokens" in rows or "response" not in rows:
        return _number(rows, "n_tokens")
    return rows["response"].fillna("").str.len().to_numpy(float)


def _openings(rows: pd.DataFrame) -> np.ndarray:
    """Problems among whose responses this one's first words are found, (rows,); its answers where there are no texts."""
    if "response" not in rows:
        return _twins(rows, "answer")
    opening = rows["response"].astype(object).fillna("").str[:_OPENING]
    return np.asarray(rows.groupby(opening, sort=False)["problem"].transform("nunique").to_numpy(float))


def _number(rows: pd.DataFrame, name: str) -> np.ndarray:
    if name not in rows:
        return np.zeros(len(rows))
    return rows[name].astype(_FLOAT).to_numpy(float, na_value=0.0)  # a truth value with nulls is no number to pandas


def _twins(rows: pd.DataFrame, name: str) -> np.ndarray:
    """Share of the problem's rows that say the same, (rows,)."""
    if name not in rows:
        return np.zeros(len(rows))
    keys = [rows["problem"], rows[name].astype(object).fillna("")]
    same = rows.groupby(keys, sort=False)["problem"].transform("size").to_numpy(float)
    return np.asarray(same / rows.groupby("problem", sort=False)["problem"].transform("size").to_numpy(float))


def _spread(problem: np.ndarray, order: np.ndarray, n: int, each: int) -> np.ndarray:
    """The first n places with at most so many of a problem, as far as there are other problems."""
    turn = pd.Series(problem).groupby(problem, sort=False).cumcount().to_numpy()
    first = np.argsort(turn // each, kind="stable")[:n]
    return order[np.sort(first)] if len(first) else order[:0]
