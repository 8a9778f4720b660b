"""Changes since the first round of each (run, split), of which only the values of its problems are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.blocks import lack, made_of
from siwork.metrics.catalogue import CHANGE, metric_of
from siwork.metrics.catalogue.kinds import PerProblem, Ratio
from siwork.metrics.pairs import (
    NONE,
    Changes,
    Match,
    Pairable,
    Pairing,
    banded,
    changed,
    pairable,
    with_reasons,
)
from siwork.metrics.study import Place, Study


class First(NamedTuple):
    """What is kept of the first round of one (run, split)."""

    round: int
    names: pd.Index  # its problems
    made: dict[str, Any]  # by metric: the numbers of its problems, one a band; or, a text, why there are none


def changes_since(study: Study, names: Sequence[str], held: dict[Place, First]) -> pd.DataFrame:
    """Metric table of the changes of the study's rounds since the first round of their (run, split).

    Parameters
    ----------
    study : whole groups by run, round and split, which know their first round
    names : changes such as `pass@1_change`; `pass@k_change` is that of pass@K, K the group's own k
    held : first rounds seen so far; those that this study brings are added

    Raises
    ------
    KnobError for a change of what is neither a mean nor a ratio over problems.
    """
    if not study.cells.groups or not names:
        return study.cells.keys.iloc[:0]
    rounds = study.cells.keys["round"].to_numpy(np.int64)
    firsts = np.array([-1 if each.first is None else each.first[0] for each in study.common])
    bases = [name.removesuffix(CHANGE) for name in names]
    _hold(study, bases, held, np.flatnonzero(rounds == firsts).tolist())
    later = _Later(study, held, np.flatnonzero(rounds != firsts), study.cells.places())
    parts = [part for base in bases for part in _parts(later, base)]
    table = _table(study, parts)
    family = np.repeat([part.base == "pass@k" for part in parts], [len(part.group) for part in parts])
    return table[~(family & table["metric"].isin(names).to_numpy(bool))]


class _Part(NamedTuple):
    """The changes of one metric in some groups."""

    base: str
    group: np.ndarray
    found: Changes
    band: float  # NaN where the metric is not by band


def _table(study: Study, parts: Sequence[_Part]) -> pd.DataFrame:
    sizes = [len(part.group) for part in parts]
    group = np.concatenate([part.group for part in parts])
    names = [
        f"pass@{k}" if part.base == "pass@k" else part.base for part in parts for k in study.k[part.group].tolist()
    ]
    columns: dict[str, Any] = {
        "metric": [f"{name}{CHANGE}" for name in names],
        "unit": np.repeat([metric_of(part.base).unit for part in parts], sizes),
        "method": [words for part in parts for words in part.found.method],
        "band": np.repeat([part.band for part in parts], sizes),
    }
    for name in ("value", "low", "high", "n", "k", "se"):
        columns[name] = np.concatenate([getattr(part.found, name) for part in parts])
    keys = study.cells.keys[["run", "round", "split"]].iloc[group].reset_index(drop=True)
    return pd.concat([keys, pd.DataFrame(columns)], axis=1)


def _parts(later: _Later, base: str) -> list[_Part]:
    """The changes of one metric, a part a band."""
    study, metric = later.study, metric_of(base)
    groups = later.groups
    if metric.train:
        groups = groups[(study.cells.keys["split"] == "train").to_numpy(bool)[groups]]
    reasons = later.reasons(base, groups)
    known = groups[[not why for why in reasons]]
    made = banded(metric, made_of(study, base) if len(known) else None)
    parts = []
    for i, (band, each) in enumerate(made):
        found = later.changes(base, each, i, known) if len(known) else NONE
        parts.append(_Part(base, groups, with_reasons(reasons, found), band))
    return parts


def _hold(study: Study, bases: Sequence[str], held: dict[Place, First], groups: Sequence[int]) -> None:
    """Add the first rounds, which are these groups."""
    cells, places = study.cells, study.cells.places()
    for g in groups:
        units = cells.units_of(g)
        made = {base: _kept(study, base, units, g) for base in bases}
        held[places[g]] = First(int(cells.keys["round"].iloc[g]), cells.names.take(cells.problem[units]), made)


def _kept(study: Study, base: str, units: slice, g: int) -> list[Pairable] | str:
    """A metric of one group, one a band; or why there is none. Raises KnobError for what cannot be paired."""
    metric, reason = metric_of(base), lack(study.cells, base)
    if reason or (metric.train and study.cells.keys["split"].iloc[g] != "train"):
        return reason or "a metric of train rows"
    return [_of_group(pairable(base, made), units, g) for _, made in banded(metric, made_of(study, base))]


def _of_group(made: Pairable, units: slice, g: int) -> Pairable:
    """The numbers of one group; copies, so that the rest can go."""
    if isinstance(made, Ratio):
        return made._replace(part=made.part[units].copy(), whole=made.whole[units].copy(), lost=None)
    least, most = (np.full(1, end if np.ndim(end) == 0 else np.asarray(end)[g], float) for end in made.span)
    short, among = (None if each is None else each[units].copy() for each in (made.short, made.among))
    return PerProblem(made.value[units].copy(), made.how, (least, most), short=short, among=among)


def _joined(parts: Sequence[Any]) -> Pairable:
    """The numbers of several groups, one after the other."""
    names = ("part", "whole") if isinstance(parts[0], Ratio) else ("value", "short", "among")
    several = {name: [getattr(part, name) for part in parts] for name in names}
    joined: dict[str, Any] = {name: None if each[0] is None else np.concatenate(each) for name, each in several.items()}
    if isinstance(parts[0], PerProblem):
        joined["span"] = tuple(np.concatenate([part.span[end] for part in parts]) for end in (0, 1))
    made: Pairable = parts[0]._replace(**joined)
    return made


@dataclass(frozen=True)
class _Later:
    """The later groups of a study and the first rounds with which they compare."""

    study: Study
    held: dict[Place, First]
    groups: np.ndarray
    places: list[Place]  # of all groups
    _paired: dict[bytes, Pairing] = field(default_factory=dict)

    def reasons(self, base: str, groups: np.ndarray) -> list[str]:
        """Why a group has no change, empty where it has one."""
        lacking, made = lack(self.study.cells, base), [self.held[self.places[g]].made[base] for g in groups.tolist()]
        return [lacking or (each if isinstance(each, str) else "") for each in made]

    def changes(self, base: str, made: Any, band: int, groups: np.ndarray) -> Changes:
        """How a metric of these groups, as it was made, changed."""
        firsts = self.firsts(groups)
        if groups.tobytes() not in self._paired:
            self._paired[groups.tobytes()] = self._pairing(groups)
        earlier = _joined([first.made[base][band] for first in firsts.values()])
        return changed(self._paired[groups.tobytes()], earlier, made, base, self.study.level)

    def firsts(self, groups: np.ndarray) -> dict[Place, First]:
        """The first rounds of the places of these groups."""
        return {self.places[g]: self.held[self.places[g]] for g in groups.tolist()}

    def _pairing(self, groups: np.ndarray) -> Pairing:
        cells, firsts = self.study.cells, self.firsts(groups)
        there, start = {}, 0
        for nth, (place, first) in enumerate(firsts.items()):
            there[place] = (nth, slice(start, start + len(first.names)), first.names.get_indexer(cells.names))
            start += len(first.names)
        matches = []
        for g in groups.tolist():
            units, (nth, held, at) = cells.units_of(g), there[self.places[g]]
            words = f"round {firsts[self.places[g]].round}", f"round {cells.keys['round'].iloc[g]}"
            own = np.arange(units.start, units.stop)
            matches.append(Match.of(at[cells.problem[units]], own, held, (nth, g), words))
        return Pairing.of(matches)
