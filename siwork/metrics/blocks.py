"""One metric over all groups of a study: values, intervals, and the words that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.catalogue import metric_of
from siwork.metrics.catalogue.kinds import Estimate, Made, PerProblem, Ratio, Whole, fewest_of
from siwork.metrics.cells import Cells
from siwork.metrics.intervals import UNBOUNDED, Estimates, grouped_mean, grouped_ratio
from siwork.metrics.study import Study
from siwork.schema import BANDS
from siwork.schema.tables import REMEDY

_EQUAL = 1e-12  # an interval this narrow, relative to its value, is none


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


def made_of(study: Study, name: str) -> Any:
    """A metric of a study, made once: PerProblem, Ratio or Whole, or a list of five, one a band."""
    if name not in study.made:
        study.made[name] = metric_of(name).make(study)
    return study.made[name]


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
    made = made_of(study, name) if study.cells.groups else []
    several = made if isinstance(made, list) else [made]
    return [_block(study, name, groups, each, band) for each, band in zip(several, bands, strict=False)]


def _unknown(study: Study, name: str, groups: np.ndarray, reason: str, band: float) -> Block:
    none = np.full(len(groups), np.nan)
    found = Estimates(none, none, none, np.zeros(len(groups), np.int64), np.full(len(groups), ""))
    return Block(name, groups, found, [reason] * len(groups), none, np.full(len(groups), band))


def _block(study: Study, name: str, groups: np.ndarray, made: Made, band: float) -> Block:
    with np.errstate(over="ignore", invalid="ignore"):  # squares of numbers above 1e154
        found, method, k = finished(study, made, metric_of(name).span)
    known, strangers = ~np.isnan(found.value), study.strangers
    method = [f"{m}; {strangers[g]}" if strangers[g] and known[g] else m for g, m in enumerate(method)]
    low, high = np.minimum(found.low, found.value), np.maximum(found.high, found.value)  # not by a last digit outside
    endless = np.isinf(low) | np.isinf(high)
    low, high = (np.where(endless, np.nan, end) for end in (low, high))
    method = [f"{m}; too wide for numbers, so no interval" if endless[g] else m for g, m in enumerate(method)]
    picked = Estimates(*(column[groups] for column in found._replace(low=low, high=high)))
    ks = np.full(len(groups), np.nan) if k is None else k[groups].astype(float)
    return Block(name, groups, picked, [method[g] for g in groups], ks, np.full(len(groups), band))


def finished(
    study: Study, made: Made, span: tuple[float, float] = UNBOUNDED
) -> tuple[Estimates, list[str], np.ndarray | None]:
    """Estimates of all groups, their methods in words, and k (groups,) where there is one."""
    if isinstance(made, Whole):
        return _whole(made, span)
    return _mean(study, made) if isinstance(made, PerProblem) else _ratio(study, made)


def _whole(made: Whole, span: tuple[float, float]) -> tuple[Estimates, list[str], np.ndarray | None]:
    told = [_told(each, span) for each in made.estimates]
    value, low, high = (np.array([each[i] for each in told], float) for i in range(3))
    n = np.array([each.n for each in told], np.int64)
    return Estimates(value, low, high, n, np.full(len(n), "")), [each.method for each in told], made.k


def _told(found: Estimate, span: tuple[float, float]) -> Estimate:
    """An estimate whose interval holds its value and stays within what the metric can be, with words for what is odd."""
    words = found.method
    if np.isnan(found.value):
        return found
    if not found.high - found.low > _EQUAL * max(1.0, abs(found.value)):  # NaN too
        why = "one problem" if found.n < 2 else "no problem differs from another"
        words += "" if "no interval" in words else f"; {why}, so no interval"
        return found._replace(low=np.nan, high=np.nan, method=words)
    low, high = min(max(found.low, span[0]), found.value), max(min(found.high, span[1]), found.value)
    return found._replace(low=low, high=high, method=words + ("; few_problems" if found.n < 10 else ""))


def _mean(study: Study, per: PerProblem) -> tuple[Estimates, list[str], np.ndarray | None]:
    cells = study.cells
    found = _enough(grouped_mean(per.value, cells.group, cells.groups, study.level, per.span), fewest_of(per))
    if per.barred is not None:
        found = _without(found, per.barred & np.isfinite(found.low), f"no interval: {per.why}")
    short = np.zeros(cells.groups, np.int64) if per.short is None else cells.by_group(per.short)
    seen = np.where(short > 0, np.nan, 1.0)
    found = found._replace(value=found.value * seen, low=found.low * seen, high=found.high * seen)
    problems = cells.by_group(np.ones(cells.units, bool) if per.among is None else per.among)
    method = [_mean_words(per, found, int(short[g]), int(problems[g]), g) for g in range(cells.groups)]
    return found, method, per.k


def _enough(found: Estimates, fewest: int) -> Estimates:
    """Without the intervals that rest on too few problems; Wilson's and bounds stay."""
    few = (found.n < fewest) & np.isfinite(found.low) & ~np.char.startswith(found.kind, "Wilson")
    return _without(found, few, f"no interval: fewer than {fewest} problems")


def _without(found: Estimates, where: np.ndarray, why: str) -> Estimates:
    low, high = (np.where(where, np.nan, end) for end in (found.low, found.high))
    return found._replace(low=low, high=high, kind=np.where(where, why, found.kind))


def _mean_words(per: PerProblem, found: Estimates, short: int, problems: int, g: int) -> str:
    """Estimator and interval of one group, or the reason why its value is unknown."""
    k = "" if per.k is None else str(per.k[g])
    lacking, out = per.lacking.format(k=k), problems - found.n[g]
    if short:
        return f"{short} of {problems} problems have fewer than k={k} {per.drawn}; ask for a smaller k"
    if not found.n[g]:
        return (
            f"each of {problems} problems lacks {lacking}" + _lost(per, g) if problems else "there is no such problem"
        )
    note = f", {per.notes[g]}" if per.notes else ""
    words = f"{per.how.format(k=k)}{note}, mean over problems; {found.kind[g]}"
    if out:
        words += f"; {out} of {problems} problems left out for lack of {lacking}"
    return words + _lost(per, g)


def _lost(made: PerProblem | Ratio, g: int) -> str:
    return f"; {made.lost[g]} {made.out}" if made.lost is not None and made.lost[g] else ""


def _ratio(study: Study, made: Ratio) -> tuple[Estimates, list[str], np.ndarray | None]:
    cells = study.cells
    found = _enough(_spanned(made, cells, study.level), fewest_of(made))
    kind = found.kind
    if made.shape is not None:
        with np.errstate(over="ignore"):
            value, *ends = (made.shape(each) for each in found[:3])
        bounded = np.isfinite(ends[0] + ends[1])
        low, high = (np.where(bounded, end(*ends), np.nan) for end in (np.minimum, np.maximum))
        unbounded = np.isfinite(found.low) & ~bounded
        kind = np.where(unbounded, "without an upper end, so no interval", kind)
        found = Estimates(value, low, high, found.n, kind)
    method = [_ratio_words(made, found, g) for g in range(cells.groups)]
    return found._replace(value=np.where(np.isfinite(found.value), found.value, np.nan)), method, None


def _spanned(made: Ratio, cells: Cells, level: float) -> Estimates:
    """The ratio with its interval, as a share of its span where that is finite."""
    least, most = made.span
    if np.isinf(most - least):
        found = grouped_ratio(made.part, made.whole, cells.group, cells.groups, level, UNBOUNDED)
        return found._replace(low=np.maximum(found.low, least), high=np.minimum(found.high, most))
    width = most - least
    part = (made.part - least * made.whole) / width
    found = grouped_ratio(part, made.whole, cells.group, cells.groups, level)
    return found._replace(**{end: least + width * getattr(found, end) for end in ("value", "low", "high")})


def _ratio_words(made: Ratio, found: Estimates, g: int) -> str:
    if np.isnan(found.value[g]):
        return f"no row has {made.lacking}" + _lost(made, g)
    if np.isinf(found.value[g]):
        return f"{made.how}: too large for a number"
    return f"{made.how}; {found.kind[g]}" + _lost(made, g)
