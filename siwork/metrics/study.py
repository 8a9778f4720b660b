"""What a metric is given: reduced rows, and what makes rounds comparable: one k, one text length, one byte budget."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from siwork.metrics.calibration import mass_edges
from siwork.metrics.cells import Cells, Part
from siwork.metrics.texts import Sampled, sample_texts

BINS = 10


class Common(NamedTuple):
    """What all rounds of one (run, split) are measured with."""

    k: int = 1  # smallest number of plain samples a problem
    length: int = 0  # tokens a text is cut to: 25 % quantile of the first round; 0 when no text was read
    size: tuple[int, ...] = ()  # least bytes of the texts with 1, 2, … samples a problem
    edges: np.ndarray | None = None  # edges of score bins, by the first round; None: one bin a value

    def with_later(self, later: Common) -> Common:
        """The common ground of this and of a later round."""
        pairs = zip(self.size, later.size, strict=False)
        size = tuple(min(pair) for pair in pairs) or self.size or later.size
        return Common(min(self.k, later.k), self.length or later.length, size, self.edges)


Place = tuple[str, str]  # run, split


@dataclass(frozen=True)
class Study:
    """Reduced rows with the ground on which their groups compare."""

    cells: Cells
    common: tuple[Common, ...]  # one a group
    level: float = 0.95
    embed: Any = None  # what makes features of texts; None: hashed character n-grams

    @cached_property
    def k(self) -> np.ndarray:
        """Draws of each group, (groups,)."""
        return np.array([each.k for each in self.common], np.int64)

    @cached_property
    def texts(self) -> Sampled:
        """A fixed sample of the responses, the same problems and samples in every round."""
        return sample_texts(self.cells, self.k)

    def part(self, g: int) -> Part:
        """The rows of group g."""
        return self.cells.part(g)


def commons(cells: Cells, k: int | None) -> dict[Place, Common]:
    """The common ground of the groups of each (run, split), groups in order."""
    draws = cells.least_samples() if k is None else dict.fromkeys(cells.places(), k)
    found = {place: Common(draws.get(place, 1)) for place in cells.places()}
    if "response" in cells.texts:
        _with_texts(found, cells)
    if "score" in cells.columns:
        _with_edges(found, cells)
    return found


def _with_texts(found: dict[Place, Common], cells: Cells) -> None:
    own = np.array([found[place].k for place in cells.places()], np.int64)
    sampled = sample_texts(cells, own)
    for g, place in enumerate(cells.places()):
        here = found[place]
        found[place] = here.with_later(here._replace(length=sampled.usual_length(g), size=sampled.sizes(g)))


def _with_edges(found: dict[Place, Common], cells: Cells) -> None:
    for g, place in enumerate(cells.places()):
        score = cells.part(g).column("score")
        score = score[~np.isnan(score)]
        if found[place].edges is None and len(np.unique(score)) > BINS:
            found[place] = found[place]._replace(edges=mass_edges(score, BINS))
