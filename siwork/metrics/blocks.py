"""One metric over all groups of a study: values, intervals, and the words that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.catalogue import metric_of
from siwork.metrics.catalogue.kinds import Made, PerProblem, Ratio, Whole
from siwork.metrics.cells import Cells
from siwork.metrics.intervals import Estimates, grouped_mean, grouped_ratio
from siwork.metrics.study import Study
from siwork.schema import BANDS
from siwork.schema.tables import REMEDY


class Block(NamedTuple):
    """One metric of some groups, arrays of one length."""

    name: str
    group: np.ndarray
    found: Estimates
    method: list[str]
    k: np.ndarray  # NaN where the metric has no draws
    band: np.ndarray  # NaN where the metric is not by band


def frame(cells: Cells, blocks: Sequence[Block]) -> pd.DataFrame:
    """The blocks as one table with the keys of their groups; columns are plain numpy."""
    if not blocks:
        return cells.keys.iloc[:0]
    sizes = [len(block.group) for block in blocks]
    group = np.concatenate([block.group for block in blocks]).astype(np.int64)
    columns: dict[str, Any] = {
        "metric": np.repeat([block.name for block in blocks], sizes),
        "unit": np.repeat([metric_of(block.name).unit for block in blocks], sizes),
        "method": [text for block in blocks for text in block.method],
        "k": np.concatenate([block.k for block in blocks]),
    }
    for name in ("value", "low", "high", "n"):
        columns[name] = np.concatenate([getattr(block.found, name) for block in blocks])
    keys = cells.keys.iloc[group].reset_index(drop=True)
    band = np.concatenate([block.band for block in blocks])
    if "band" not in keys or not np.isnan(band).all():
        columns["band"] = band
    return pd.concat([keys, pd.DataFrame(columns)], axis=1)


def lack(cells: Cells, name: str) -> str:
    """Why a metric cannot be had at all, empty when it can."""
    missing = [column for column in metric_of(name).needs if not cells.has(column)]
    if not missing:
        return ""
    return f"rows lack column {missing[0]!r}" + (f"; {REMEDY[missing[0]]}" if missing[0] in REMEDY else "")


def blocks_of(study: Study, name: str) -> list[Block]:
    """A metric, or the family `pass@k`, with intervals."""
    if name != "pass@k":
        return _blocks(study, name, None)
    grids = [_grid(k) for k in study.k.tolist()]
    every: list[int] = sorted(set[int]().union(*grids))
    within = [np.array([g for g, grid in enumerate(grids) if k in grid]) for k in every]
    return [block for k, groups in zip(every, within, strict=True) for block in _blocks(study, f"pass@{k}", groups)]


def _grid(k: int) -> set[int]:
    """1, 2, 4, … below k, and k."""
    return {1 << i for i in range(k.bit_length()) if 1 << i < k} | {k}


def _blocks(study: Study, name: str, groups: np.ndarray | None) -> list[Block]:
    metric, reason = metric_of(name), lack(study.cells, name)
    if groups is None:
        groups = np.arange(study.cells.groups)
    if metric.train:
        groups = groups[(study.cells.keys["split"] == "train").to_numpy(bool)[groups]]
    bands = [float(band) for band in BANDS] if metric.banded else [float("nan")]
    if reason:
        return [_unknown(study, name, groups, reason, band) for band in bands]
    made = metric.make(study) if study.cells.groups else []
    several = made if isinstance(made, list) else [made]
    return [_block(study, name, groups, each, band) for each, band in zip(several, bands, strict=False)]


def _unknown(study: Study, name: str, groups: np.ndarray, reason: str, band: float) -> Block:
    none = np.full(len(groups), np.nan)
    found = Estimates(none, none, none, np.zeros(len(groups), np.int64), np.full(len(groups), ""))
    return Block(name, groups, found, [reason] * len(groups), none, np.full(len(groups), band))


def _block(study: Study, name: str, groups: np.ndarray, made: Made, band: float) -> Block:
    found, method, k = finished(study, made)
    picked = Estimates(*(column[groups] for column in found))
    ks = np.full(len(groups), np.nan) if k is None else k[groups].astype(float)
    return Block(name, groups, picked, [method[g] for g in groups], ks, np.full(len(groups), band))


def finished(study: Study, made: Made) -> tuple[Estimates, list[str], np.ndarray | None]:
    """Estimates of all groups, their methods in words, and k (groups,) where there is one."""
    if isinstance(made, Whole):
        return _whole(made)
    return _mean(study, made) if isinstance(made, PerProblem) else _ratio(study, made)


def _whole(made: Whole) -> tuple[Estimates, list[str], np.ndarray | None]:
    value, low, high = (np.array([each[i] for each in made.estimates], float) for i in range(3))
    n = np.array([each.n for each in made.estimates], np.int64)
    found = Estimates(value, low, high, n, np.full(len(n), ""))
    return found, [each.method for each in made.estimates], made.k


def _mean(study: Study, per: PerProblem) -> tuple[Estimates, list[str], np.ndarray | None]:
    cells = study.cells
    found = grouped_mean(per.value, cells.group, cells.groups, study.level, per.span)
    short = np.zeros(cells.groups, np.int64) if per.short is None else cells.by_group(per.short)
    seen = np.where(short > 0, np.nan, 1.0)
    found = found._replace(value=found.value * seen, low=found.low * seen, high=found.high * seen)
    problems = cells.by_group(np.ones(cells.units, bool) if per.among is None else per.among)
    method = [_mean_words(per, found, int(short[g]), int(problems[g]), g) for g in range(cells.groups)]
    return found, method, per.k


def _mean_words(per: PerProblem, found: Estimates, short: int, problems: int, g: int) -> str:
    """Estimator and interval of one group, or the reason why its value is unknown."""
    k = "" if per.k is None else str(per.k[g])
    lacking, out = per.lacking.format(k=k), problems - found.n[g]
    if short:
        return f"{short} of {problems} problems have fewer than k={k} samples with known gold; ask for a smaller k"
    if not found.n[g]:
        return f"each of {problems} problems lacks {lacking}" if problems else "there is no such problem"
    words = f"{per.how.format(k=k)}, mean over problems; {found.kind[g]}"
    if out:
        words += f"; {out} of {problems} problems left out for lack of {lacking}"
    return words + _lost(per.lost, g)


def _lost(lost: np.ndarray | None, g: int) -> str:
    return f"; {lost[g]} rows with null left out" if lost is not None and lost[g] else ""


def _ratio(study: Study, made: Ratio) -> tuple[Estimates, list[str], np.ndarray | None]:
    cells = study.cells
    found = grouped_ratio(made.part, made.whole, cells.group, cells.groups, study.level)
    kind = found.kind
    if made.shape is not None:
        value, a, b = (made.shape(each) for each in found[:3])
        found = Estimates(value, np.minimum(a, b), np.maximum(a, b), found.n, kind)
    method = [
        f"no row has {made.lacking}" + _lost(made.lost, g)
        if np.isnan(found.value[g])
        else f"{made.how}; {kind[g]}" + _lost(made.lost, g)
        for g in range(cells.groups)
    ]
    return found, method, None
