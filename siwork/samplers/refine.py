"""Second attempts: the policy reads its first one and writes again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.rollouts import next_sample, rollout, texts
from siwork.samplers.judged import own, scores
from siwork.samplers.plain import Drawing
from siwork.schema import KnobError, knob
from siwork.slots import State, Tell

HINT = "attempt"
_CRITIC = "critic"


@dataclass(frozen=True)
class Refine(Drawing):
    """A further attempt at each attempt, which stands in the prompt: `prompt#attempt>`.

    Turn t + 1 answers the rows of turn t that the agent wrote itself (on=fail: those with score < 1/2), `k` times each. With
    show=sound the note holds only the attempt's sound beginning: of its m pieces the first ⌊m · s⌋, where s is the critic's
    score, the share of steps before the first one that it calls wrong. keep=true keeps the note in training, so that
    correcting is learnt (SCoRe, RISE); keep=false trains on the bare prompt, so that answering is (critique in the loop).

    Source: SCoRe, section 5; RISE, section 4. Departs from them in: no word of instruction stands around the attempt, since
    the small policies know none; the update decides about rewards across turns.
    """

    name = "refine"
    sentence = "Further attempts with the earlier one in the prompt, for all rows or only for those that failed."
    source = "Training Language Models to Self-Correct via Reinforcement Learning"
    departs = "no instruction around the earlier attempt"

    on: str = knob("fail", "Which attempts are refined.", choices=("fail", "all"))
    k: int = knob(1, "Further attempts at each.", low=1, high=4096, unit="samples")
    show: str = knob("whole", "How much of the attempt is shown.", choices=("whole", "sound"))
    keep: bool = knob(False, "Whether training keeps the earlier attempt in the prompt.")
    turns: int = knob(1, "Attempts after the first, one after the other.", low=1, high=32, unit="turns")
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)

    @property
    def passes(self) -> int:
        """One a turn."""
        return self.turns

    @property
    def asks(self) -> tuple[str, ...]:
        """Pieces, where only the sound ones are shown."""
        return ("pieces",) if self.show == "sound" else ()

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """To learn with a note in the prompt, where that is kept."""
        return ("notes",) if self.keep else ()

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """k rows for each of the agent's latest attempts, hint `attempt`; `parent` is the attempt.

        Raises KnobError when there are no attempts yet, no scores with on=fail, or no critic with show=sound.
        """
        earlier = self._earlier(state, judged)
        asked = [
            state.task.with_text(*told) for told in zip(earlier["prompt"], self._shown(state, earlier), strict=True)
        ]
        rows = rollout(
            state,
            earlier,
            self.k,
            rng,
            tell,
            temperature=self.temperature,
            hint=HINT,
            asked=asked,
            turn=_latest(earlier) + 1,
            parent=earlier["sample"].tolist(),
            first=next_sample(judged),
        )
        return rows.assign(asked=texts([text for text in asked for _ in range(self.k)])) if self.keep else rows

    def _earlier(self, state: State, judged: pd.DataFrame | None) -> pd.DataFrame:
        rows = own(judged, state)
        if rows is None:
            raise KnobError("refine needs attempts before it; write cot + refine")
        rows = rows[(rows["turn"] == 0).to_numpy(bool) | (rows["hint"] == HINT).to_numpy(bool)]
        rows = rows[(rows["turn"] == _latest(rows)).to_numpy(bool)]
        if self.on == "fail":
            rows = rows[scores(rows, "refine(on=fail)", "cot + refine · gold, or on=all") < 0.5]
        return rows

    def _shown(self, state: State, rows: pd.DataFrame) -> list[str]:
        said = rows["response"].tolist()
        if self.show == "whole":
            return said
        pieces = [state.task.pieces(text) for text in said]
        return ["".join(sound(cut, s)) for cut, s in zip(pieces, _critic_scores(rows), strict=True)]


def sound(pieces: tuple[str, ...], score: float) -> tuple[str, ...]:
    """The pieces before the first wrong step, by a critic's score; none where it has no score.

    An answer behind the last step is a piece and no step, so m pieces hold m or m − 1 steps: ⌊m · s⌋ is right for both.

    >>> sound(("1+2=3;", "3+3=7;", "7"), 1 / 2)
    ('1+2=3;',)
    """
    return pieces[: 0 if np.isnan(score) else int(len(pieces) * score + 1e-9)]


def _critic_scores(rows: pd.DataFrame) -> np.ndarray:
    column = f"score_{_CRITIC}" if f"score_{_CRITIC}" in rows else "score"
    told = rows["verifier"].tolist() if "verifier" in rows else [""]
    if column == "score" and len(rows) and set(told) != {_CRITIC}:
        raise KnobError("refine(show=sound) needs a critic that names wrong steps; write cot + refine · gold + critic")
    return rows[column].to_numpy(float, na_value=np.nan) if len(rows) else np.zeros(0)


def _latest(rows: pd.DataFrame) -> int:
    return int(rows["turn"].max()) if len(rows) else 0
