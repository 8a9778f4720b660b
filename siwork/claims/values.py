"""What the parts of a claim read of runs: a value a seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from siwork.claims.claim import Claim, Part
from siwork.claims.own import OWN
from siwork.metrics import measure
from siwork.store import Run

Curve = Mapping[int, float]  # round: value
Curves = Mapping[tuple[str, int, str, str], Curve]  # arm, seed, split, metric


def curves_of(claim: Claim, runs: Mapping[str, Sequence[Run]]) -> Curves:
    """The curves over rounds of every metric that the rule reads, by arm, seed, split and metric.

    runs : of each arm, one a seed, finished. Raises RunError for a damaged run, SchemaError where a metric lacks a column.
    """
    found: dict[tuple[str, int, str, str], Curve] = {}
    for split, metrics in claim.metrics.items():
        for arm, of_arm in runs.items():
            wanted = [name for name in metrics if _read(claim.parts, arm, split, name)]
            for run in of_arm:
                found |= {(arm, run.seed, split, name): curve for name, curve in _curves(run, split, wanted)}
    return found


def _read(parts: Iterable[Part], arm: str, split: str, metric: str) -> bool:
    return any(
        arm in (part.arm, part.against) and split == part.split and metric in (part.metric, part.less) for part in parts
    )


def _curves(run: Run, split: str, metrics: Sequence[str]) -> Iterable[tuple[str, Curve]]:
    for name in metrics:
        if name in OWN:
            yield name, _plain(OWN[name](run, split))
    shared = [name for name in metrics if name not in OWN]
    if not shared:
        return
    table = measure(run.rows(split=split), shared, problems=run.problems())
    whole = table[table["band"].isna()]
    for name in shared:
        own = whole[(whole["metric"] == name).to_numpy(bool)].set_index("round")["value"]
        yield name, _plain(own)


def _plain(values: pd.Series) -> Curve:
    numbers = pd.Series(values.to_numpy(float, na_value=np.nan), values.index)
    return {int(str(r)): float(value) for r, value in numbers.sort_index().items()}


def value_of(part: Part, curves: Curves, seed: int) -> float:
    """The number of a part for one seed; NaN where something it needs is unknown.

    >>> curves = {("a", 0, "heldout", "pass@1"): {0: 0.5, 1: 0.6, 2: 0.8}, ("b", 0, "heldout", "pass@1"): {0: 0.5, 2: 0.4}}
    >>> value_of(Part("a", "pass@1", "above", 0.01, against="b"), curves, 0)
    0.4
    >>> round(value_of(Part("a", "pass@1", "above", 0.01, of="slope"), curves, 0), 9)
    0.15
    """
    own = _shaped(part, part.arm, curves, seed)
    if not part.against:
        return own
    other = _shaped(part, part.against, curves, seed)
    if part.relative:
        return (own - other) / other if other else np.nan
    return own - other


def _curve(part: Part, arm: str, curves: Curves, seed: int) -> Curve:
    own = curves.get((arm, seed, part.split, part.metric), {})
    if not part.less:
        return own
    less = curves.get((arm, seed, part.split, part.less), {})
    return {r: value - less.get(r, np.nan) for r, value in own.items()}


def _shaped(part: Part, arm: str, curves: Curves, seed: int) -> float:
    curve = {r: value for r, value in _curve(part, arm, curves, seed).items() if r >= part.since}
    rounds, values = np.array(list(curve), float), np.array(list(curve.values()), float)
    if not len(values):
        return np.nan
    if part.of in ("first", "last"):
        return float(values[0 if part.of == "first" else -1])
    if part.of == "mean":
        return float(values.mean())
    if part.of == "slope":
        return float(np.polyfit(rounds, values, 1)[0]) if len(values) > 1 and not np.isnan(values).any() else np.nan
    if part.of == "bend":
        middle = np.interp((rounds[0] + rounds[-1]) / 2, rounds, values)
        return float(values[-1] - 2 * middle + values[0])
    return float(values[-1] - values[0])
