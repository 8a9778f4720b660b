"""Selectors of variety: few rows of each problem, different ones, or every problem alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.selectors.groups import first_of, problems, totals
from siwork.slots import Component, Selection

_GRAM = 3  # characters


@dataclass(frozen=True)
class Balance(Component):
    """A cap on each problem, or equal weight, so that easy problems cannot crowd out hard ones.

    Source: "Counteracting Matthew Effect in Self-Improvement of LVLMs through Head-Tail Re-balancing" (its clip, and its pad: rows
    of problems that have few are repeated up to the others' number; here they weigh more, so that every problem with a kept row
    holds the same weight, and the whole weight stays as it was).
    """

    slot = "selector"
    name = "balance"
    sentence = "Keep at most so many rows of each problem, chosen at random, or give every problem the same weight."
    source = "Counteracting Matthew Effect in Self-Improvement of LVLMs through Head-Tail Re-balancing"
    departs = "pads by weight in place of repeated rows; without guided re-sampling"
    draws = True

    cap: int = knob(4, "Most rows kept of each problem (cap).", low=1, unit="samples")
    how: str = knob("cap", "Whether rows are capped or problems weigh alike.", choices=("cap", "equal"))

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Weight 0 for kept rows beyond the cap; or each problem's weights scaled to one total."""
        problem, kept = problems(rows), chosen.weight > 0
        if self.how == "equal":
            whole = totals(problem, chosen.weight)
            share = chosen.weight.sum() / max(len(np.unique(problem[kept])), 1)
            return chosen._replace(weight=chosen.weight * share / np.where(kept, whole, 1.0))
        few = first_of(kept, problem, rng.permutation(len(rows)), self.cap)
        return chosen._replace(weight=chosen.weight * few)


@dataclass(frozen=True)
class Divsel(Component):
    """Different rows of a problem: duplicates carry no weight.

    answer    one row for each different answer, an unreadable one counted by its text
    text      one row for each different text
    farthest  at most n rows, greedily: the first at random, then always the text whose nearest one among those taken is
              farthest, by Jaccard distance of the sets of character 3-grams; texts at distance 0 go

    Source: "DIVE: Diversified Iterative Self-Improvement", with greedy selection by embeddings. Departs from it in: exact
    canonical answers, texts or 3-grams are compared instead of embeddings, so a subset is diverse exactly when these differ.
    """

    slot = "selector"
    name = "divsel"
    sentence = "Keep one row for each different answer or text of a problem, or those that lie farthest apart."
    source = "DIVE: Diversified Iterative Self-Improvement"
    departs = "canonical answers, texts or character 3-grams are compared instead of embeddings"
    needs = ("answer", "response")
    draws = True

    n: int = knob(4096, "Most different rows kept of each problem.", low=1, unit="rows")
    by: str = knob("answer", "What has to differ.", choices=("answer", "text", "farthest"))

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """Weight 0 for rows that repeat, and for those beyond n of their problem; they make no pairs, either."""
        problem, kept = problems(rows), chosen.weight > 0
        said = rows["response"] if self.by != "answer" else rows["answer"].fillna(rows["response"])
        code = pd.factorize(said)[0]
        order = rng.permutation(len(rows))
        once = first_of(kept, problem * (code.max(initial=0) + 1) + code, order, 1)
        far = self.by == "farthest"
        taken = self._far(rows, problem, order[once[order]]) if far else first_of(once, problem, order, self.n)
        return chosen._replace(weight=chosen.weight * taken, repeats=kept & ~taken)

    def _far(self, rows: pd.DataFrame, problem: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Which rows (n,) are taken, of those in `order`, by problem."""
        taken, said = np.zeros(len(rows), bool), rows["response"].tolist()
        order = order[np.argsort(problem[order], kind="stable")]
        for group in np.split(order, np.flatnonzero(np.diff(problem[order])) + 1):
            taken[group[farthest([said[i] for i in group], self.n)]] = True
        return taken


def farthest(texts: list[str], n: int) -> list[int]:
    """Places of at most n texts, greedily: the first, then always the one farthest from those taken, until none is left apart.

    The distance of two texts is 1 − |A ∩ B| / |A ∪ B| of their sets of character 3-grams; a shorter text is one gram. Of equals the
    first is taken.

    >>> farthest(["abcd", "abcde", "xyz", "abcd"], 3)
    [0, 2, 1]
    """
    if not texts:
        return []
    grams = [{text[i : i + _GRAM] for i in range(max(len(text) - _GRAM + 1, 1))} for text in texts]
    taken = [0]
    near = np.array([_apart(grams[0], each) for each in grams])
    while len(taken) < n and near.max() > 0:
        taken.append(int(near.argmax()))
        near = np.minimum(near, [_apart(grams[taken[-1]], each) for each in grams])
    return taken


def _apart(one: set[str], other: set[str]) -> float:
    both = len(one & other)
    return 1.0 - both / (len(one) + len(other) - both)
