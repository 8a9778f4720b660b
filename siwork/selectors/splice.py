"""A selector that changes what is trained on: responses cut, joined, shortened, or replaced by repaired ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import KnobError, knob
from siwork.selectors.groups import first_of, problems, scores, totals
from siwork.slots import Component, Selection

_NEEDS = {"join": ("response", "score"), "shorten": ("response", "score"), "swap": ("hint", "parent", "sample")}


@dataclass(frozen=True)
class Splice(Component):
    """Text is trained on that the policy did not say as a whole. Pieces end with `mark`; an empty mark makes each character one.

    cut      a response in which `critic` found a wrong step keeps what stands before it, is trained without an end, and weighs 1
             where it had no weight, or 0 where nothing stands before it. The rejected side of a pair keeps the wrong step as its
             last ("Self-Explore")
    join     a right response stands behind the first `n` pieces of a wrong one to the same problem, drawn at random, with `sign`
             between them ("Self-Backtracking")
    shorten  of the right responses to a problem the shortest takes the weight of all ("Retro-Search")
    swap     a repaired response takes the place of the one that failed: that one's weight is 0

    Rows are right from `threshold` on. A score a/b of a critic says that a of b steps stand before the wrong one; there are b
    pieces, or b + 1 where the last is an answer, and a/b with 0 < a < b is a whole number of pieces for one of the two only.
    """

    slot = "selector"
    name = "splice"
    sentence = "Join wrong and right responses, cut them before the first wrong step, or keep the shortest."
    source = "Step Back to Leap Forward: Self-Backtracking for Boosting Reasoning of Language Models"
    departs = "the right response begins anew behind the wrong pieces, without a learned backtrack token"
    draws = True

    kind: str = knob("join", "What is done.", choices=("cut", "join", "shorten", "swap"), shown=True)
    mark: str = knob(";", "What ends a piece; empty for single characters.")
    by: str = knob(
        "critic", "Whose share of steps cuts: a critic beside others, or the score.", choices=("critic", "score")
    )
    n: int = knob(1, "Wrong pieces before the right response (join).", low=1, unit="pieces")
    sign: str = knob("", "Text between wrong pieces and the right response (join).")
    threshold: float = knob(0.5, "Least score that counts as right.", low=0.0, high=1.0)

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Columns that this kind reads."""
        return _NEEDS.get(self.kind, ("response", self._column))

    @property
    def writes(self) -> tuple[str, ...]:
        """What stands between wrong pieces and a right response."""
        return tuple(filter(None, (self.mark, self.sign))) if self.kind == "join" else ()

    @property
    def _column(self) -> str:
        return "score_critic" if self.by == "critic" else "score"

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection:
        """The selection with other texts or weights. Raises KnobError for kind=cut where no critic scored the rows."""
        if self.kind == "swap":
            return chosen._replace(weight=np.where(_repaired(rows), 0.0, chosen.weight))
        if self.kind == "cut":
            return self._cut(rows, chosen)
        right = (chosen.weight > 0) & (scores(rows) >= self.threshold)
        return (
            self._shortened(rows, chosen, right, rng)
            if self.kind == "shorten"
            else self._joined(rows, chosen, right, rng)
        )

    def _cut(self, rows: pd.DataFrame, chosen: Selection) -> Selection:
        if self._column not in rows:
            raise KnobError(
                f"splice(kind=cut) reads {self._column!r}, and the rows have none; write gold + critic, or by=score "
                "where critic stands alone"
            )
        share = rows[self._column].to_numpy(float, na_value=np.nan)
        taught, weight = _taught(rows, chosen), chosen.weight.copy()
        said = rows["response"].tolist()
        for i in np.flatnonzero(share < 1):
            parts = pieces(said[i], self.mark)
            held = steps_before(share[i], len(parts)) + (chosen.side[i] < 0)
            text = "".join(parts[:held])
            taught[i] = None if text in ("", said[i]) else text
            if chosen.side[i] >= 0:
                weight[i] = (weight[i] or 1.0) if text else 0.0
        return chosen._replace(weight=weight, taught=taught)

    def _joined(self, rows: pd.DataFrame, chosen: Selection, right: np.ndarray, rng: np.random.Generator) -> Selection:
        score, said, problem = scores(rows), rows["response"].tolist(), problems(rows)
        wrong = (score < self.threshold) & np.isfinite(score) & np.array([bool(text) for text in said], bool)
        taught, luck = _taught(rows, chosen), rng.random(len(rows))
        order = np.argsort(problem, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(problem[order])) + 1):
            failed = group[wrong[group]]
            for i in group[right[group]] if len(failed) else ():
                head = "".join(pieces(said[failed[int(luck[i] * len(failed))]], self.mark)[: self.n])
                taught[i] = head + ("" if head.endswith(self.mark) else self.mark) + self.sign + said[i]
        return chosen._replace(taught=taught)

    def _shortened(
        self, rows: pd.DataFrame, chosen: Selection, right: np.ndarray, rng: np.random.Generator
    ) -> Selection:
        length = np.array([len(text) for text in rows["response"].tolist()], int)
        problem = problems(rows)
        best = first_of(right, problem, np.lexsort((rng.random(len(rows)), length)), 1)
        whole = totals(problem, np.where(right, chosen.weight, 0.0))
        return chosen._replace(weight=np.where(best, whole, np.where(right, 0.0, chosen.weight)))


def pieces(text: str, mark: str) -> list[str]:
    """The text cut behind each mark; joined the pieces are the text.

    >>> pieces("3+4=7;7*2=14;14", ";")
    ['3+4=7;', '7*2=14;', '14']
    """
    if not mark:
        return list(text)
    *ended, last = text.split(mark)
    return [part + mark for part in ended] + [last] * bool(last)


def steps_before(share: float, n: int) -> int:
    """Pieces that stand before the first wrong step, of n pieces, the last of which may be an answer and no step.

    >>> steps_before(0.5, 2), steps_before(0.5, 3), steps_before(2 / 3, 3)
    (1, 1, 2)
    """
    for size in (n, n - 1):
        if abs(share * size - round(share * size)) < 1e-9 * max(n, 1):
            return round(share * size)
    return int(share * n)


def _repaired(rows: pd.DataFrame) -> np.ndarray:
    """Which rows (n,) were repaired: those that a row with the hint `repair` names as its parent."""
    new = rows[(rows["hint"] == "repair").to_numpy(bool)]
    done = set(zip(new["problem"].tolist(), new["parent"].tolist(), strict=True))
    return np.array(
        [pair in done for pair in zip(rows["problem"].tolist(), rows["sample"].tolist(), strict=True)], bool
    )


def _taught(rows: pd.DataFrame, chosen: Selection) -> list[str | None]:
    return list(chosen.taught) if chosen.taught is not None else [None] * len(rows)
