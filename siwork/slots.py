"""The six slots of a recipe: what a component of each slot takes and gives.

A component is a frozen dataclass of knobs. Its name belongs to one slot only, so a slot may be left out of a formula.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save_file

from siwork.policies import Plan, Policy
from siwork.schema import Knobbed, RunError, format_call
from siwork.tasks import Task

SLOTS = ("proposer", "sampler", "verifier", "selector", "update", "stabiliser")

_MEMORY = "memory.parquet"
_LEARNED = "learned-{}.{}"  # what a component learned, and parquet or safetensors
_MEMBER = "member-{}"
_TUNED = "tuned.json"

Tell = Callable[[str, float], None]  # (stage, share done 0 … 1); may raise to end the round between two stages


def silent(stage: str, share: float) -> None:
    """A `Tell` for nobody."""


class Learned(NamedTuple):
    """What a component took from the rounds behind it."""

    rows: pd.DataFrame  # what it was fitted on
    arrays: Mapping[str, np.ndarray]  # what was fitted


@dataclass(frozen=True)
class State:
    """What one round hands to the next."""

    agent_prefix: ClassVar[str] = "agent-"

    task: Task
    policy: Policy  # of the present round; of a population the first, which is measured
    base: Policy  # of round 0
    memory: pd.DataFrame | None = None  # older accepted rows, when a stabiliser keeps them
    learned: Mapping[str, Learned] = field(default_factory=dict)  # by component, when one learns from round to round
    members: tuple[Policy, ...] = ()  # the further policies of a population
    tuned: Mapping[str, float] = field(default_factory=dict)  # knobs that a stabiliser sets, by name
    agent: str = "policy"  # who samples or is trained just now
    round: int = 0

    @property
    def agents(self) -> dict[str, Policy]:
        """All policies that play, by the name in their rows: `policy`, or `agent-0`, `agent-1` … of a population."""
        if not self.members:
            return {self.agent: self.policy}
        return {f"{self.agent_prefix}{i}": policy for i, policy in enumerate((self.policy, *self.members))}

    def populated(self, agents: Mapping[str, Policy]) -> State:
        """The same state with all its agents exchanged, in their order."""
        policy, *members = agents.values()
        return self.having(policy=policy, members=tuple(members))

    def having(self, **changes: object) -> State:
        """The same state with some parts exchanged."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        """Write policies, memory, tuned knobs and what was learned into an existing folder; nothing is pickled."""
        self.policy.save(folder)
        for i, member in enumerate(self.members, 1):
            place = folder / _MEMBER.format(i)
            place.mkdir()
            member.save(place)
        if self.tuned:
            (folder / _TUNED).write_text(json.dumps(dict(self.tuned)), "utf-8")
        if self.memory is not None:
            self.memory.to_parquet(folder / _MEMORY, index=False)
        for name, (rows, arrays) in self.learned.items():
            rows.to_parquet(folder / _LEARNED.format(name, "parquet"), index=False)
            save_file({key: np.ascontiguousarray(x) for key, x in arrays.items()}, _tensors(folder, name))

    def load(self, folder: Path) -> State:
        """This state with all that `save` wrote into a folder. Raises RunError when it is damaged."""
        memory = folder / _MEMORY
        members = sorted(folder.glob(_MEMBER.format("*")), key=lambda place: int(place.name.rpartition("-")[2]))
        return self.having(
            policy=self.policy.load(folder),
            memory=_read_rows(memory) if memory.exists() else None,
            learned=_read_learned(folder),
            members=tuple(self.policy.load(place) for place in members),
            tuned=_read_tuned(folder / _TUNED),
        )


def _read_tuned(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    try:
        return {str(name): float(value) for name, value in json.loads(path.read_text("utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(_unread(path, error)) from None


def _tensors(folder: Path, name: str) -> Path:
    return folder / _LEARNED.format(name, "safetensors")


def _read_rows(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, dtype_backend="pyarrow")
    except (OSError, pa.ArrowException) as error:
        raise RunError(_unread(path, error)) from None


def _read_learned(folder: Path) -> dict[str, Learned]:
    before, after = _LEARNED.format("*", "parquet").split("*")
    names = sorted(path.name[len(before) : -len(after)] for path in folder.glob(f"{before}*{after}"))
    return {
        name: Learned(_read_rows(folder / _LEARNED.format(name, "parquet")), _arrays(folder, name)) for name in names
    }


def _arrays(folder: Path, name: str) -> dict[str, np.ndarray]:
    path = _tensors(folder, name)
    try:
        return read_tensors(path.read_bytes())
    except (OSError, SafetensorError, ValueError) as error:
        raise RunError(_unread(path, error)) from None


def _unread(path: Path, error: Exception) -> str:
    return f"{path} cannot be read ({str(error).splitlines()[0]}); fork the run before that round"


class Selection(NamedTuple):
    """What a selector says of n rows."""

    weight: np.ndarray  # (n,) ≥ 0
    pair: np.ndarray  # (n,) number of the preference pair, -1 for none
    side: np.ndarray  # (n,) +1 chosen, -1 rejected, 0 none
    # n texts that are trained on instead of the responses, None for the response itself; one that the response begins with is
    # trained without an end, every other as a whole
    taught: Sequence[str | None] | None = None
    repeats: np.ndarray | None = None  # (n,) whether a row went because others say the same, None for none
    first: bool = True  # whether no selector has chosen yet

    @classmethod
    def all(cls, n: int) -> Selection:
        """Everything kept alike, no pairs."""
        return cls(np.ones(n), np.full(n, -1), np.zeros(n, np.int64))


class Component(Knobbed):
    """Base of all components."""

    slot: ClassVar[str]
    sentence: ClassVar[str]
    source: ClassVar[str]
    departs: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()  # row columns that a selector reads beside the problem
    draws: ClassVar[bool] = False  # whether a selector leaves something to chance
    or_else: ClassVar[str] = ""  # another way out where task or policy lack what it asks for

    @property
    def reads_gold(self) -> bool:
        """Whether the component looks at the truth or the answer key; with some, that hangs on their knobs."""
        return False

    @property
    def asks(self) -> tuple[str, ...]:
        """What it asks of the task beside problems and a check, by the names in `Task.offers`."""
        return ()

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """What it asks of the policy beside the protocol: the names of methods or marks that some policies have."""
        return ()

    @property
    def writes(self) -> tuple[str, ...]:
        """Texts that it puts into responses, which the policy has to read."""
        return ()

    def __str__(self) -> str:
        return format_call(self)


Trial = Callable[..., pd.DataFrame]  # (state, problems, k, rng, temperature=1.0) → rows with scores, which nobody keeps


class Proposer(Protocol):
    """Problems of the round (a table of PROBLEMS), from those of the train split.

    Two further methods are called where a proposer has them: `amend(state, rows, rng)` gives further rows made of judged ones
    (None for none), and `remember(state, rows, rng) -> State` keeps what a later round needs of the selected rows.
    """

    def propose(self, state: State, problems: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame: ...


class Sampler(Protocol):
    """Further rows of the round; `judged` holds those of the samplers before it, with scores.

    `passes` is how often it is called, each time with all rows so far judged. `remember` as a proposer's.
    """

    passes: int

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame: ...


class Verifier(Protocol):
    """Scores (n,) in [0, 1], NaN where there is none.

    One that learns has a second method, `learn(state, rows, rng) -> State`: where the update slot says `vfit` it is called
    with the round's rows when they are judged, so what it takes from them first shows in the next round. `amend` as a
    proposer's. One that names errors has `claims(state, rows, rng)`: the place (n,) of the first step that it calls wrong, by the
    same luck as its score, NaN for none.
    """

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray: ...


class Selector(Protocol):
    """A narrower (or re-weighted) selection of the rows."""

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection: ...


class Update(Protocol):
    """The plan of the training steps; None when there is nothing to train on.

    `fits_verifiers(state)` says whether verifiers that learn do so in this round. `move(before, policy)`, where there is one,
    changes the trained policy as a whole afterwards, knowing what it was before the round.
    """

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None: ...

    def fits_verifiers(self, state: State) -> bool: ...


class Stabiliser(Protocol):
    """A change of the state or of the training rows before the update, and of the state after it.

    Further methods are called where there are such: `begin(state, problems, trial, rng) -> State` at the start of a round;
    `shape(plan, state) -> Plan` for every plan, with the policy that it trains; `settle(before, after, problems, trial, rng)
    -> State` at its end, with the states before and after the update; `told(state) -> dict` is what `round.json` says of it.
    """

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]: ...

    def after(self, state: State, rows: pd.DataFrame) -> State: ...
