"""One round of a recipe: propose, sample, verify, select, update, with the stabilisers around.

Every slot draws from a generator of its own, so that exchanging one component leaves the luck of the others as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.rollouts import rollout
from siwork.slots import SLOTS, Selection, State, Tell, silent

Lots = Mapping[str, np.random.Generator]


class Slots(Protocol):
    """What a recipe is made of."""

    @property
    def proposer(self) -> tuple[Any, ...]: ...
    @property
    def sampler(self) -> tuple[Any, ...]: ...
    @property
    def verifier(self) -> tuple[Any, ...]: ...
    @property
    def selector(self) -> tuple[Any, ...]: ...
    @property
    def update(self) -> tuple[Any, ...]: ...
    @property
    def stabiliser(self) -> tuple[Any, ...]: ...


def lots_of(rng: np.random.Generator) -> dict[str, np.random.Generator]:
    """The generator of each slot, from that of a round's loop."""
    return dict(zip(SLOTS, rng.spawn(len(SLOTS)), strict=True))


class Play(NamedTuple):
    """One round: the recipe, the train problems, the luck of each slot, and who is told."""

    recipe: Slots
    problems: pd.DataFrame
    lots: Lots
    tell: Tell = silent

    def round(self, state: State) -> tuple[pd.DataFrame, State]:
        """Rows of the round, and the state of the next one."""
        state = self._begun(state)
        problems = self._proposed(state)
        rows = self._amended(state, self._sampled(state, problems))
        state = self._learned(state, rows)
        self.tell("select", 0.0)
        rows = select(self.recipe.selector, state.tuned, rows, self.lots["selector"])
        return rows, self._settled(state, self._fitted(self._remembered(state, rows), rows))

    # ── before the samples ─────────────────────────────────────────────────────────────────────────────
    def _begun(self, state: State) -> State:
        for part in self.recipe.stabiliser:
            if hasattr(part, "begin"):
                state = part.begin(state, self.problems, self.trial, self.lots["stabiliser"])
        return state

    def _proposed(self, state: State) -> pd.DataFrame:
        problems = self.problems
        for part in self.recipe.proposer:
            problems = part.propose(state, problems, self.lots["proposer"])
        return problems

    def trial(
        self, state: State, problems: pd.DataFrame, k: int, rng: np.random.Generator, temperature: float = 1.0
    ) -> pd.DataFrame:
        """k completions of each problem with scores, which are seen by a stabiliser and then forgotten."""
        rows = rollout(state, problems, k, rng, silent, temperature=temperature)
        return judge(self.recipe.verifier, state, rows, rng)

    # ── the samples ────────────────────────────────────────────────────────────────────────────────────
    def _sampled(self, state: State, problems: pd.DataFrame) -> pd.DataFrame:
        noise = self.lots["verifier"].bit_generator.state
        rows: pd.DataFrame | None = None
        for part in [sampler for sampler in self.recipe.sampler for _ in range(sampler.passes)]:
            self.tell("sample", 0.0)
            if rows is None or len(problems):
                rows = self._drawn(part, state, problems, rows)
            self.tell("verify", 0.0)
            self.lots["verifier"].bit_generator.state = noise  # earlier rows are judged again with the same luck
            rows = judge(self.recipe.verifier, state, rows, self.lots["verifier"])
        assert rows is not None
        return rows

    def _drawn(self, part: Any, state: State, problems: pd.DataFrame, rows: pd.DataFrame | None) -> pd.DataFrame:
        """The rows with those that each agent of the population adds."""
        part = tuned(part, state.tuned)
        for name, policy in state.agents.items():
            own = state.having(policy=policy, agent=name)
            new = part.sample(own, problems, rows, self.lots["sampler"], self.tell)
            rows = new if rows is None else pd.concat([rows, new], ignore_index=True)
        assert rows is not None
        return rows

    def _amended(self, state: State, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with those that proposers and verifiers make of them, all judged again."""
        noise = self.lots["verifier"].bit_generator.state
        for slot, parts in (("proposer", self.recipe.proposer), ("verifier", self.recipe.verifier)):
            for part in parts:
                further = part.amend(state, rows, self.lots[slot]) if hasattr(part, "amend") else None
                if further is not None and len(further):
                    self.lots["verifier"].bit_generator.state = noise
                    rows = pd.concat([rows, further], ignore_index=True)
                    rows = judge(self.recipe.verifier, state, rows, self.lots["verifier"])
        return rows

    # ── what is taken from them ────────────────────────────────────────────────────────────────────────
    def _learned(self, state: State, rows: pd.DataFrame) -> State:
        """The state with what verifiers take from judged rows, where the update fits them; these scores stay as they are."""
        if any(part.fits_verifiers(state) for part in self.recipe.update):
            for part in self.recipe.verifier:
                if hasattr(part, "learn"):
                    state = part.learn(state, rows, self.lots["verifier"])
        return state

    def _remembered(self, state: State, rows: pd.DataFrame) -> State:
        for slot, parts in (("proposer", self.recipe.proposer), ("sampler", self.recipe.sampler)):
            for part in parts:
                if hasattr(part, "remember"):
                    state = part.remember(state, rows, self.lots[slot])
        return state

    def _fitted(self, state: State, rows: pd.DataFrame) -> State:
        started, train = state, rows
        for part in self.recipe.stabiliser:
            state, train = part.before(state, train, self.lots["stabiliser"])
        state = _apart(state, started)
        for part in self.recipe.update:
            self.tell("update", 0.0)
            state = self._moved(part, started, state, train)
        for part in self.recipe.stabiliser:
            state = part.after(state, rows)
        return state

    def _moved(self, part: Any, started: State, state: State, train: pd.DataFrame) -> State:
        """The state after one update has trained every agent on its own rows."""
        for name, policy in state.agents.items():
            own = state.having(policy=policy, agent=name)
            seen = train if len(state.agents) == 1 else of_agent(train, name)
            plan = part.plan(own, seen, self.lots["update"])
            if plan is not None:
                for guard in self.recipe.stabiliser:
                    plan = guard.shape(plan, own) if hasattr(guard, "shape") else plan
                policy.train(plan, tell=lambda share: self.tell("update", share))
            if hasattr(part, "move"):
                part.move(started.agents[name], policy)
        return state

    def _settled(self, before: State, after: State) -> State:
        for part in self.recipe.stabiliser:
            if hasattr(part, "settle"):
                after = part.settle(before, after, self.problems, self.trial, self.lots["stabiliser"])
        return after


def of_agent(train: pd.DataFrame, name: str) -> pd.DataFrame:
    """The training rows of one agent of a population: its own, and those that no agent wrote."""
    other = (train["agent"] != name) & train["agent"].str.startswith(State.agent_prefix)
    return train[~other.fillna(False).to_numpy(bool)].reset_index(drop=True)


def _apart(state: State, started: State) -> State:
    """The state with copies of those policies that are still the ones that sampled."""
    before = {id(policy) for policy in started.agents.values()}
    return state.populated({n: p.copy() if id(p) in before else p for n, p in state.agents.items()})


def tuned(part: Any, knobs: Mapping[str, float]) -> Any:
    """A component with those of its knobs exchanged that a stabiliser has tuned."""
    told = {name: value for name, value in knobs.items() if hasattr(part, name)}
    return replace(part, **told) if told else part


def judge(verifiers: Sequence[Any], state: State, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The rows with the verifiers' scores, the first as `score`, further ones as `score_<name>`; `claimed_error` of critics."""
    if not verifiers:
        return rows.assign(verifier=_text("none", len(rows)), score=_real(np.full(len(rows), np.nan)))
    for place, part in enumerate(verifiers):
        column, luck = "score" if place == 0 else f"score_{part.name}", rng.bit_generator.state
        rows = rows.assign(**{column: _real(part.score(state, rows, rng))})
        if hasattr(part, "claims"):
            after, rng.bit_generator.state = rng.bit_generator.state, luck
            named = pa.array(part.claims(state, rows, rng), pa.float64(), from_pandas=True)
            rows, rng.bit_generator.state = rows.assign(claimed_error=_column(named.cast(pa.int64()))), after
    return rows.assign(verifier=_text(verifiers[0].name, len(rows)))


def select(
    selectors: Sequence[Any], knobs: Mapping[str, float], rows: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """The rows with `weight`, `pair` and `side` as the selectors set them, some knobs tuned; without any, everything is kept."""
    chosen = Selection.all(len(rows))
    for part in selectors:
        chosen = tuned(part, knobs).select(rows, chosen, rng)._replace(first=False)
    return selected(rows, chosen)


def selected(rows: pd.DataFrame, chosen: Selection) -> pd.DataFrame:
    """The rows with a selection written into them."""
    side = pa.array(["rejected", None, "chosen"]).take(pa.array(chosen.side + 1))
    pair = pa.array(chosen.pair, pa.int64(), mask=chosen.pair < 0)
    rows = rows.assign(weight=_real(chosen.weight), pair=_column(pair), side=_column(side))
    if chosen.taught is None:
        return rows
    return rows.assign(taught=_column(pa.array(chosen.taught, pa.string())))


def _text(value: str, n: int) -> pd.arrays.ArrowExtensionArray:
    return _column(pa.repeat(value, n))


def _real(values: np.ndarray) -> pd.arrays.ArrowExtensionArray:
    return _column(pa.array(values, pa.float64(), from_pandas=True))


def _column(array: pa.Array) -> pd.arrays.ArrowExtensionArray:
    return pd.arrays.ArrowExtensionArray(array)
