"""What a metric is given: reduced rows, and what makes rounds comparable: one k, one text length, one byte budget."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.again import FirstAnswers, Strand, first_answers, strands_of
from siwork.metrics.calibration import mass_edges
from siwork.metrics.cells import Cells, Part
from siwork.metrics.texts import Sampled, sample_texts

BINS = 10


class Common(NamedTuple):
    """What all rounds of one (run, split) are measured with."""

    k: int = 1  # smallest number of plain samples a problem
    length: int = 0  # tokens a text is cut to: 25 % quantile of the first round; 0 when no text was read
    size: tuple[int, ...] = ()  # least bytes of the texts with 1, 2, … samples a problem
    edges: np.ndarray | None = None  # edges of score bins, by the first round with many scores; None: one bin a value
    first: tuple[int, pd.Index] | None = None  # number and problems of the first round; None: rounds are not told apart
    answers: Mapping[Strand, FirstAnswers] = MappingProxyType({})  # of the first round, where a metric asks for them

    def with_later(self, later: Common) -> Common:
        """The common ground of this and of a later round."""
        pairs = zip(self.size, later.size, strict=False)
        size = tuple(min(pair) for pair in pairs) or self.size or later.size
        edges = later.edges if self.edges is None else self.edges
        first = later.first if self.first is None else self.first
        answers = {**later.answers, **self.answers}
        return Common(min(self.k, later.k), self.length or later.length, size, edges, first, answers)


Place = tuple[str, str]  # run, split


@dataclass(frozen=True)
class Study:
    """Reduced rows with the ground on which their groups compare."""

    cells: Cells
    common: tuple[Common, ...]  # one a group
    level: float = 0.95
    embed: Any = None  # what makes features of texts; None: hashed character n-grams
    made: dict[str, Any] = field(init=False, default_factory=dict, compare=False, repr=False)  # metrics, made once

    @cached_property
    def k(self) -> np.ndarray:
        """Draws of each group, (groups,)."""
        return np.array([each.k for each in self.common], np.int64)

    @cached_property
    def firsts(self) -> list[FirstAnswers | None]:
        """What was answered in the first round of each group, (groups,)."""
        return [each.answers.get(strand) for each, strand in zip(self.common, strands_of(self.cells), strict=True)]

    @cached_property
    def strangers(self) -> list[str]:
        """How the problems of each group's round differ from those of the first round, in words, (groups,)."""
        keys = self.cells.keys
        if "round" not in keys:
            return [""] * self.cells.groups
        first = {place: each.first for place, each in zip(self.cells.places(), self.common, strict=True)}
        words = {key: _other_problems(names, key[1], first[key[0], key[2]]) for key, names in _rounds(self.cells)}
        return [words[key] for key in zip(keys["run"], keys["round"], keys["split"], strict=True)]

    @cached_property
    def texts(self) -> Sampled:
        """A fixed sample of the responses, the same problems and samples in every round."""
        return _sampled(self.cells, self.k)

    def part(self, g: int) -> Part:
        """The rows of group g."""
        return self.cells.part(g)


def commons(cells: Cells, k: int | None, ground: Container[str] = ("response", "score")) -> dict[Place, Common]:
    """The common ground of the groups of each (run, split), groups in order; of texts, scores and answers as asked."""
    draws = cells.least_samples() if k is None else dict.fromkeys(cells.places(), k)
    found = {place: Common(draws.get(place, 1)) for place in cells.places()}
    if "response" in ground and "response" in cells.texts:
        _with_texts(found, cells)
    if "score" in ground and "score" in cells.columns:
        _with_edges(found, cells)
    for (run, r, split), names in _rounds(cells):
        if found[run, split].first is None:
            found[run, split] = found[run, split]._replace(first=(r, names))
    if "answer" in ground:
        _with_answers(found, cells)
    return found


def _rounds(cells: Cells) -> Iterator[tuple[tuple[str, int, str], pd.Index]]:
    """(run, round, split) with its problems, rounds rising; nothing where rounds are not told apart."""
    if "round" not in cells.keys:
        return
    code, places = pd.factorize(pd.MultiIndex.from_frame(cells.keys[["run", "round", "split"]]))
    units = code[cells.group]
    order = np.argsort(units, kind="stable")
    starts = np.searchsorted(units[order], np.arange(len(places) + 1))
    for i, place in enumerate(places):
        yield place, cells.names.take(np.unique(cells.problem[order[starts[i] : starts[i + 1]]]))


def _other_problems(names: pd.Index, r: int, first: tuple[int, pd.Index] | None) -> str:
    if first is None or first[0] == r or names.equals(first[1]):
        return ""
    shared = len(names.intersection(first[1]))
    new, gone = len(names) - shared, len(first[1]) - shared
    parts = [f"{new} problems not in round {first[0]}"] if new else []
    parts += [f"{gone} problems of round {first[0]} not here"] if gone else []
    return ", ".join(parts)


def _sampled(cells: Cells, k: np.ndarray) -> Sampled:
    """`sample_texts`, made once for the same k."""
    key = ("texts", k.tobytes())
    if key not in cells.made:
        cells.made[key] = sample_texts(cells, k)
    found: Sampled = cells.made[key]
    return found


def _with_texts(found: dict[Place, Common], cells: Cells) -> None:
    own = np.array([found[place].k for place in cells.places()], np.int64)
    sampled = _sampled(cells, own)
    for g, place in enumerate(cells.places()):
        here = found[place]
        found[place] = here.with_later(here._replace(length=sampled.usual_length(g), size=sampled.sizes(g)))


def _with_edges(found: dict[Place, Common], cells: Cells) -> None:
    for g, place in enumerate(cells.places()):
        score = cells.part(g).column("score")
        score = score[~np.isnan(score)]
        if found[place].edges is None and len(np.unique(score)) > BINS:
            found[place] = found[place]._replace(edges=mass_edges(score, BINS))


def _with_answers(found: dict[Place, Common], cells: Cells) -> None:
    place = dict(zip(strands_of(cells), cells.places(), strict=True))
    for strand, first in first_answers(cells).items():
        here = found[place[strand]]
        found[place[strand]] = here._replace(answers={**here.answers, strand: first})
