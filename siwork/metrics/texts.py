"""A fixed sample of the responses: the same problems and the same samples in every round, so that texts compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from siwork.metrics.cells import Cells
from siwork.metrics.diversity import features
from siwork.metrics.tokens import WORD, Tokens, words

PROBLEMS, SAMPLES = 512, 16  # most problems a group, most samples a problem


@dataclass(frozen=True)
class Sampled:
    """Responses of a fixed sample of plain rows, ordered by unit and sample."""

    cells: Cells
    rows: np.ndarray  # (texts,) places of the rows
    draws: np.ndarray  # (groups,) samples a problem
    short: np.ndarray  # (units,) bool: chosen, but with fewer samples
    _made: dict[int, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def text(self) -> list[str]:
        """The responses, (texts,)."""
        taken: list[str] = self.cells.texts["response"].take(self.rows).to_pylist()
        return taken

    @cached_property
    def unit(self) -> np.ndarray:
        """Unit of each text, (texts,)."""
        return self.cells.unit[self.rows]

    @cached_property
    def group(self) -> np.ndarray:
        """Group of each text, (texts,) rising."""
        return self.cells.group[self.unit]

    @cached_property
    def tokens(self) -> Tokens:
        """Words and marks of the responses."""
        return words(self.text, WORD)

    @cached_property
    def size(self) -> np.ndarray:
        """Bytes of each text with a line end, (texts,)."""
        return np.array([len(text.encode()) + 1 for text in self.text], np.int64)

    @cached_property
    def problem(self) -> tuple[np.ndarray, np.ndarray]:
        """Number 0..U−1 of the problem of each text (texts,), and the unit of each number (U,)."""
        code, units = pd.factorize(self.unit)
        return code, np.asarray(units)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the sampled problems (U,) as values of all units, NaN for the others."""
        out = np.full(self.cells.units, np.nan)
        out[self.problem[1]] = values
        return out

    @cached_property
    def nth(self) -> np.ndarray:
        """0, 1, 2 … among the texts of its problem, (texts,)."""
        return _place(self.unit)

    @cached_property
    def shuffle(self) -> np.ndarray:
        """A mixed order of the texts that depends on problem and sample only, (texts,) keys."""
        name = pd.util.hash_array(np.asarray(self.cells.names, dtype=object))[self.cells.problem[self.unit]]
        return np.asarray(pd.util.hash_array(name ^ self.nth.astype(np.uint64)))

    def features(self, embed: Any) -> np.ndarray:
        """Embeddings of the texts, (texts, d), made once."""
        if id(embed) not in self._made:
            self._made[id(embed)] = features(self.text, embed)
        return self._made[id(embed)]

    def cut(self, lengths: np.ndarray) -> Tokens:
        """The tokens of each text up to the length of its group, (groups,)."""
        tokens = self.tokens
        most = lengths[self.group]
        starts = tokens.ends - tokens.lengths
        nth = np.arange(len(tokens.ids)) - np.repeat(starts, tokens.lengths)
        keep = nth < np.repeat(most, tokens.lengths)
        return Tokens(tokens.ids[keep], np.cumsum(np.minimum(tokens.lengths, most)))

    def of_group(self, g: int) -> slice:
        """The texts of group g."""
        return slice(*np.searchsorted(self.group, [g, g + 1]))

    def usual_length(self, g: int) -> int:
        """25 % quantile of the tokens of the first sample of each problem of group g, at least 1; 0 without a text."""
        here = self.of_group(g)
        first = np.diff(self.unit[here], prepend=-1) > 0
        lengths = self.tokens.lengths[here][first]
        return max(1, int(np.quantile(lengths, 0.25))) if len(lengths) else 0

    def sizes(self, g: int) -> tuple[int, ...]:
        """Bytes of the first 1, 2, … samples of the problems of group g, joined by line ends."""
        here = self.of_group(g)
        place = _place(self.unit[here])
        size = self.size[here]
        return tuple(int(total) for total in np.cumsum(np.bincount(place, size))) if len(size) else ()


def _place(unit: np.ndarray) -> np.ndarray:
    """0, 1, 2 … within each run of equal units."""
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    return np.arange(len(unit)) - np.repeat(starts, np.diff(starts, append=len(unit)))


def sample_texts(cells: Cells, k: np.ndarray) -> Sampled:
    """Choose the texts: up to 512 problems a group by a hash of their names, and of each its first min(k, 16) samples.

    Parameters
    ----------
    cells : reduced rows with column response, and with columns sample and round where the rows have them; without
        sample the first are those that stand first in the table
    k : int array (groups,), samples a problem that every round has
    """
    draws = np.minimum(k, SAMPLES)
    size = cells.count(cells.plain)
    chosen = _chosen(cells, size > 0)
    short = chosen & (size < draws[cells.group])
    rows = np.flatnonzero(cells.plain & (chosen & ~short)[cells.unit])
    order = [cells.columns[name][rows] for name in ("round", "sample") if name in cells.columns]
    rows = rows[np.lexsort((*order, cells.unit[rows]))]
    unit = cells.unit[rows]
    return Sampled(cells, rows[_place(unit) < draws[cells.group[unit]]], draws, short)


def _chosen(cells: Cells, there: np.ndarray) -> np.ndarray:
    """The 512 problems of each group whose names have the least hash, (units,) bool."""
    name = pd.util.hash_array(np.asarray(cells.names, dtype=object))[cells.problem] if cells.units else np.zeros(0)
    units = np.flatnonzero(there)
    order = units[np.lexsort((name[units], cells.group[units]))]
    chosen = np.zeros(cells.units, bool)
    chosen[order[_place(cells.group[order]) < PROBLEMS]] = True
    return chosen
