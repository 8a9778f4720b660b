"""Tree search over written steps: the best beginnings of judged rows are continued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pandas as pd

from siwork.rollouts import next_sample, rollout
from siwork.samplers.judged import own, plain, scores
from siwork.samplers.plain import Drawing
from siwork.schema import knob
from siwork.slots import State, Tell

HINT = "search"
_GROUP = ["problem", "prompt"]


@dataclass(frozen=True)
class Search(Drawing):
    """A beam over beginnings, valued by what became of them.

    The first level is k whole responses, or those of the samplers before it. At each further level a beginning, the first
    1, 2 … pieces of a judged row but never all of them, is worth the mean score of the problem's rows that pass through it;
    of those worth less than 1 the `beam` best, ties at random, are continued k times each.

    Source: "ReST-MCTS*", section 3. Departs from it in: a value is the mean outcome below a beginning, no trained value
    model and no upper confidence bound; a beam in place of a walk from the root.
    """

    name = "search"
    sentence = "Tree search over steps: the best beginnings of judged responses are continued."
    source = "ReST-MCTS*: LLM Self-Training via Process Reward Guided Tree Search"
    departs = "a beam by mean outcome, without a value model or a bound of confidence"

    k: int = knob(
        8, "Whole responses of each problem, and continuations of each beginning.", low=1, high=4096, unit="samples"
    )
    beam: int = knob(
        2, "Beginnings of each problem that are continued at a level.", low=1, high=1024, unit="beginnings"
    )
    levels: int = knob(3, "Levels, the whole responses counted.", low=1, high=64, unit="levels")
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)

    @property
    def passes(self) -> int:
        """One a level."""
        return self.levels

    @property
    def asks(self) -> tuple[str, ...]:
        """Pieces of responses."""
        return ("pieces",)

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """To continue a beginning."""
        return ("continued",)

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """k whole rows of each problem; where there are such, k rows of each beginning in the beam, hint `search`.

        They are no revisions, so their turn is 0; `parent` is the first row that has the beginning. Raises KnobError when nobody
        scored the rows, for a task without pieces and a policy that cannot continue.
        """
        first, rows = next_sample(judged), own(judged, state)
        rows = None if rows is None else rows[plain(rows) | (rows["hint"] == HINT).to_numpy(bool)]
        if rows is None or rows.empty:
            return rollout(state, problems, self.k, rng, tell, temperature=self.temperature, first=first)
        chosen = self._beam(beginnings(state, rows), rng)
        begun, row = chosen["begun"].tolist(), rows.iloc[chosen["row"].to_numpy(int)]
        return rollout(
            state,
            row,
            self.k,
            rng,
            tell,
            temperature=self.temperature,
            hint=HINT,
            asked=row["prompt"].tolist(),
            begun=begun,
            parent=row["sample"].tolist(),
            first=first,
        )

    def _beam(self, tree: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The beginnings that are continued, in the order of the tree."""
        luck = rng.random(len(tree))
        order = np.lexsort((luck, -tree["value"].to_numpy(float)))
        best = tree.iloc[order[(tree["value"].to_numpy(float) < 1)[order]]].groupby(_GROUP, sort=False).head(self.beam)
        return best.sort_index()


def beginnings(state: State, rows: pd.DataFrame) -> pd.DataFrame:
    """The beginnings of scored rows: columns problem, prompt, begun, value, and row, the place of the first that has it."""
    score = scores(rows, "search", "search · gold")
    told = zip(rows["problem"], rows["prompt"], rows["response"], score, strict=True)
    lines = [
        (problem, prompt, begun, value, place)
        for place, (problem, prompt, said, value) in enumerate(told)
        if not np.isnan(value)
        for begun in proper(state.task.pieces(said))
    ]
    table = pd.DataFrame(lines, columns=[*_GROUP, "begun", "value", "row"])
    groups = table.groupby([*_GROUP, "begun"], sort=False)
    tree: pd.DataFrame = groups.agg(value=("value", "mean"), row=("row", "first")).reset_index()
    return tree


def proper(pieces: Sequence[str]) -> Iterator[str]:
    """The first 1, 2 … pieces joined, but not all of them.

    >>> list(proper(("1+2=3;", "3+3=6;", "6")))
    ['1+2=3;', '1+2=3;3+3=6;']
    """
    return accumulate(pieces[:-1])
