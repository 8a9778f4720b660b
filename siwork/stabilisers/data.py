"""Where training starts, and what is mixed into its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import KnobError, knob
from siwork.slots import Component, State

_KEPT = ["prompt", "asked", "response", "taught", "finished", "n_tokens", "weight", "pair", "side"]


@dataclass(frozen=True)
class Reset(Component):
    """Train from the base policy in every round, on this round's rows."""

    slot = "stabiliser"
    name = "reset"
    sentence = "Train from the base policy in every round."
    source = "STaR: Bootstrapping reasoning with reasoning"

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]:
        """The base policy takes the place of the present one, or of all agents, before the update."""
        return state.populated({name: state.base.copy() for name in state.agents}), train

    def after(self, state: State, rows: pd.DataFrame) -> State:
        """Nothing more."""
        return state


@dataclass(frozen=True)
class Mix(Component):
    """Real or older accepted data in the training rows.

    Source: "A tale of tails" and "Is Model Collapse Inevitable?" (replace against accumulate). kind=real adds right
    responses written by the task for the training problems, so that they are `share` of the weight; kind=replay adds
    accepted rows and whole preference pairs of earlier rounds, drawn with replacement, in the same way; kind=accumulate keeps all
    of all rounds. Where a round accepts nothing, real and replay add as many rows as are `share` of the round's. What is mixed in
    has no score, so only `sft` and, with older data, `pref` train on it.
    """

    slot = "stabiliser"
    name = "mix"
    sentence = "Mix real or older accepted data into the training rows."
    source = "A tale of tails: Model collapse as a change of scaling laws"

    kind: str = knob("real", "What is mixed in.", choices=("real", "replay", "accumulate"), shown=True)
    share: float = knob(0.2, "Share of the training weight that is mixed in (real, replay).", low=0.0, high=0.99)

    @property
    def reads_gold(self) -> bool:
        """Whether real data are mixed in, which the answer key writes."""
        return self.kind == "real"

    @property
    def asks(self) -> tuple[str, ...]:
        """Right responses, where real data are mixed in."""
        return ("write",) if self.kind == "real" else ()

    @property
    def trained_by(self) -> tuple[str, ...]:
        """Updates that train on what is mixed in; one of them is enough."""
        return ("sft",) if self.kind == "real" else ("sft", "pref")

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]:
        """The training rows with the further ones below them.

        Raises KnobError when real data are wanted and there is no training prompt to write them for.
        """
        further = self._further(state, train, rng)
        if further is None or further.empty:
            return state, train
        return state, pd.concat([train, further], ignore_index=True)

    def after(self, state: State, rows: pd.DataFrame) -> State:
        """Older accepted rows and pairs are remembered where they are needed."""
        if self.kind == "real":
            return state
        kept = rows.loc[_used(rows), [name for name in _KEPT if name in rows]]
        memory = kept if state.memory is None else pd.concat([state.memory, _after(state.memory, kept)])
        return state.having(memory=memory.reset_index(drop=True))

    def _further(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        kept = train[_used(train)]
        if self.kind == "real":
            n = self._number(len(kept), len(train))
            return self._scaled(self._written(state, train, n, rng), kept)
        if state.memory is None or state.memory.empty:
            return None
        if self.kind == "accumulate":
            return _after(train, state.memory)
        n = self._number(len(_units(kept)), len(train))
        return self._scaled(_after(train, _drawn(state.memory, n, rng)), kept)

    def _number(self, kept: int, whole: int) -> int:
        """How many rows or pairs are added, at least one."""
        return max(1, round(kept * self.share / (1 - self.share) if kept else whole * self.share))

    def _written(self, state: State, train: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
        prompts = train["prompt"].dropna().unique()
        if not len(prompts):
            raise KnobError("mix(real) needs training problems to write answers for, got none; give at least one")
        asked = [str(prompts[i]) for i in rng.integers(0, len(prompts), n)]
        written = [state.task.write(prompt, rng) for prompt in asked]
        real = pd.DataFrame({"prompt": asked, "response": written, "finished": True, "weight": 1.0})
        return real.astype({name: train[name].dtype for name in real.columns})

    def _scaled(self, further: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
        """Weights such that the further rows hold `share` of the whole weight."""
        total = kept["weight"].to_numpy(float).sum() or float(len(further))
        own = further["weight"].to_numpy(float).sum() or 1.0
        return further.assign(weight=further["weight"] * (total * self.share / (1 - self.share) / own))


def _used(rows: pd.DataFrame) -> np.ndarray:
    """Which rows (n,) an update may train on: those with weight, and both sides of pairs."""
    paired = rows["pair"].notna().to_numpy(bool) if "pair" in rows else np.zeros(len(rows), bool)
    return (rows["weight"].to_numpy(float) > 0) | paired


def _units(rows: pd.DataFrame) -> list[np.ndarray]:
    """Places of the rows that go together: both sides of a pair, or one row."""
    alone = -1.0 - np.arange(len(rows))
    pair = rows["pair"].to_numpy(float, na_value=np.nan) if "pair" in rows else alone
    code = pd.factorize(np.where(np.isnan(pair), alone, pair))[0]
    return np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1]) if len(rows) else []


def _drawn(rows: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """n rows or pairs, drawn with replacement; a pair that is drawn twice is two pairs."""
    units = _units(rows)
    drawn = [units[i] for i in rng.integers(0, len(units), n)]
    again = rows.iloc[np.concatenate(drawn)].reset_index(drop=True)
    if "pair" not in again:
        return again
    number = pd.Series(np.repeat(np.arange(n), [len(unit) for unit in drawn]), dtype=again["pair"].dtype)
    return again.assign(pair=number.where(again["pair"].notna()))


def _after(first: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with pairs numbered on behind those of `first`."""
    if "pair" not in first or "pair" not in rows or not first["pair"].notna().any():
        return rows
    return rows.assign(pair=rows["pair"] + int(first["pair"].max()) + 1)
