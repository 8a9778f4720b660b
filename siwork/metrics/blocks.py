"""One metric over all groups of reduced rows: values, intervals, and the words that go with them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.catalogue import SHARE, PerProblem, metric_of
from siwork.metrics.cells import Cells
from siwork.metrics.intervals import Estimates, grouped_mean, grouped_ratio
from siwork.schema import BANDS
from siwork.schema.tables import REMEDY

BAND_SHARES = ("accepted_share", "problem_share")


class Block(NamedTuple):
    """One metric of some groups, arrays of one length."""

    name: str
    group: np.ndarray
    found: Estimates
    method: list[str]
    k: np.ndarray  # NaN where the metric has no draws
    band: np.ndarray  # NaN where the metric is not by band


def frame(cells: Cells, blocks: list[Block]) -> pd.DataFrame:
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


def _block(
    name: str,
    groups: np.ndarray,
    found: Estimates,
    method: list[str],
    k: np.ndarray | None = None,
    band: float = float("nan"),
) -> Block:
    """A block of some groups, from estimates and k of all of them."""
    picked = Estimates(*(column[groups] for column in found))
    ks = np.full(len(groups), np.nan) if k is None else k[groups].astype(float)
    return Block(name, groups, picked, method, ks, np.full(len(groups), band))


def _unknown(cells: Cells, name: str, groups: np.ndarray, reason: str, band: float = float("nan")) -> Block:
    none = np.full(cells.groups, np.nan)
    found = Estimates(none, none, none, np.zeros(cells.groups, np.int64), np.full(cells.groups, ""))
    return _block(name, groups, found, [reason] * len(groups), band=band)


def lack(cells: Cells, name: str) -> str:
    """Why a metric cannot be had at all, empty when it can."""
    missing = [column for column in metric_of(name).needs if column not in cells.columns]
    if not missing:
        return ""
    return f"rows lack column {missing[0]!r}" + (f"; {REMEDY[missing[0]]}" if missing[0] in REMEDY else "")


def blocks_of(cells: Cells, name: str, ks: np.ndarray, level: float) -> list[Block]:
    """A metric, or family of metrics, at k (groups,) with intervals of a level."""
    if name == "accept_rate":
        return [_accept_rate(cells, level)]
    if name in BAND_SHARES:
        return _band_shares(cells, name, level)
    if name != "pass@k":
        return [_mean(cells, name, ks, level, np.arange(cells.groups))]
    grids = [_grid(k) for k in ks.tolist()]
    every: list[int] = sorted(set[int]().union(*grids))
    within = [np.array([g for g, grid in enumerate(grids) if k in grid]) for k in every]
    return [_mean(cells, f"pass@{k}", ks, level, groups) for k, groups in zip(every, within, strict=True)]


def _grid(k: int) -> set[int]:
    """1, 2, 4, … below k, and k."""
    return {1 << i for i in range(k.bit_length()) if 1 << i < k} | {k}


def _mean(cells: Cells, name: str, ks: np.ndarray, level: float, groups: np.ndarray) -> Block:
    """A mean over problems."""
    reason, metric = lack(cells, name), metric_of(name)
    if reason or metric.values is None:
        return _unknown(cells, name, groups, reason)
    per = metric.values(cells, ks)
    found = grouped_mean(per.value, cells.group, cells.groups, level, per.span)
    short = np.zeros(cells.groups, np.int64) if per.short is None else cells.by_group(per.short)
    seen = np.where(short > 0, np.nan, 1.0)
    found = found._replace(value=found.value * seen, low=found.low * seen, high=found.high * seen)
    problems = cells.by_group(np.ones(cells.units, bool))
    method = [_words(per, found, int(short[g]), int(problems[g]), g) for g in groups]
    return _block(name, groups, found, method, per.k)


def _words(per: PerProblem, found: Estimates, short: int, problems: int, g: int) -> str:
    """Estimator and interval of one group, or the reason why its value is unknown."""
    k = "" if per.k is None else str(per.k[g])
    lacking, out = per.lacking.format(k=k), problems - found.n[g]
    if short:
        return f"{short} of {problems} problems have fewer than k={k} samples with known gold; ask for a smaller k"
    if not found.n[g]:
        return f"each of {problems} problems lacks {lacking}"
    words = f"{per.how.format(k=k)}, mean over problems; {found.kind[g]}"
    if out:
        words += f"; {out} of {problems} problems left out for lack of {lacking}"
    if per.lost is not None and per.lost[g]:
        words += f"; {per.lost[g]} rows with null left out"
    return words


def _train(cells: Cells) -> np.ndarray:
    return np.flatnonzero((cells.keys["split"] == "train").to_numpy(bool))


def _accept_rate(cells: Cells, level: float) -> Block:
    groups, reason = _train(cells), lack(cells, "accept_rate")
    if reason:
        return _unknown(cells, "accept_rate", groups, reason)
    weight = cells.columns["weight"]
    rows = cells.count(np.ones(len(weight), bool)).astype(float)
    found = grouped_ratio(cells.count(weight > 0).astype(float), rows, cells.group, cells.groups, level)
    return _block("accept_rate", groups, found, [f"rows with weight > 0 / rows; {found.kind[g]}" for g in groups])


def _band_shares(cells: Cells, name: str, level: float) -> list[Block]:
    """One block a band: its share of the weight, or of the problems."""
    groups, reason = _train(cells), lack(cells, name)
    if reason:
        return [_unknown(cells, name, groups, reason, float(band)) for band in BANDS]
    band = cells.columns["band"]
    banded = ~np.isnan(band)
    rows = cells.rows_by_group(banded), cells.rows_by_group(~banded)
    blocks = []
    for each in BANDS:
        if name == "problem_share":
            inside = np.where(cells.count(banded) > 0, cells.count(band == each) > 0, np.nan)
            found = grouped_mean(inside, cells.group, cells.groups, level, SHARE)
        else:
            weight = cells.columns["weight"]
            part, whole = cells.sum(weight, band == each), cells.sum(weight, banded)
            found = grouped_ratio(part, whole, cells.group, cells.groups, level)
        method = [_share_words(name, found, *rows, g) for g in groups]
        blocks.append(_block(name, groups, found, method, band=float(each)))
    return blocks


def _share_words(name: str, found: Estimates, banded: np.ndarray, unbanded: np.ndarray, g: int) -> str:
    if np.isnan(found.value[g]):
        return "no row has weight > 0" if banded[g] else "band is null in every row"
    how = "problems of the band / problems" if name == "problem_share" else "weight in the band / weight"
    note = f"; {unbanded[g]} rows without a band left out" if unbanded[g] else ""
    return f"{how}; {found.kind[g]}{note}"
