"""The six slots of a recipe: what a component of each slot takes and gives.

A component is a frozen dataclass of knobs. Its name belongs to one slot only, so a slot may be left out of a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
_LEARNED = "learned-{}.{}"  # what a verifier learned, and parquet or safetensors

Tell = Callable[[str, float], None]  # (stage, share done 0 … 1); may raise to end the round between two stages


def silent(stage: str, share: float) -> None:
    """A `Tell` for nobody."""


class Learned(NamedTuple):
    """What a verifier took from the rounds behind it."""

    rows: pd.DataFrame  # what it was fitted on
    arrays: Mapping[str, np.ndarray]  # what was fitted


@dataclass(frozen=True)
class State:
    """What one round hands to the next."""

    task: Task
    policy: Policy  # of the present round
    base: Policy  # of round 0
    memory: pd.DataFrame | None = None  # older accepted rows, when a stabiliser keeps them
    learned: Mapping[str, Learned] = field(default_factory=dict)  # by verifier, when one learns from round to round

    def having(self, **changes: object) -> State:
        """The same state with some parts exchanged."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        """Write the policy, the memory and what verifiers learned into an existing folder; nothing is pickled."""
        self.policy.save(folder)
        if self.memory is not None:
            self.memory.to_parquet(folder / _MEMORY, index=False)
        for name, (rows, arrays) in self.learned.items():
            rows.to_parquet(folder / _LEARNED.format(name, "parquet"), index=False)
            save_file({key: np.ascontiguousarray(x) for key, x in arrays.items()}, _tensors(folder, name))

    def load(self, folder: Path) -> State:
        """This state with policy, memory and what verifiers learned in `folder`. Raises RunError when they are damaged."""
        memory = folder / _MEMORY
        return self.having(
            policy=self.policy.load(folder),
            memory=_read_rows(memory) if memory.exists() else None,
            learned=_read_learned(folder),
        )


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


class Component(Knobbed):
    """Base of all components."""

    slot: ClassVar[str]
    sentence: ClassVar[str]
    source: ClassVar[str]
    departs: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()  # row columns that a selector reads beside the problem
    draws: ClassVar[bool] = False  # whether a selector leaves something to chance

    @property
    def reads_gold(self) -> bool:
        """Whether the component looks at the truth or the answer key; with some, that hangs on their knobs."""
        return False

    def __str__(self) -> str:
        return format_call(self)


class Proposer(Protocol):
    """Problems of the round."""

    def propose(self, problems: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame: ...


class Sampler(Protocol):
    """Further rows of the round; `judged` holds those of the samplers before it, with scores."""

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame: ...


class Verifier(Protocol):
    """Scores (n,) in [0, 1], NaN where there is none.

    One that learns has a second method, `learn(state, rows, rng) -> State`: the recipe calls it with the round's rows when
    they are judged, so what it takes from them first shows in the next round.
    """

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray: ...


class Selector(Protocol):
    """A narrower (or re-weighted) selection of the rows."""

    def select(self, rows: pd.DataFrame, chosen: Selection, rng: np.random.Generator) -> Selection: ...


class Update(Protocol):
    """The plan of the training steps; None when there is nothing to train on."""

    def plan(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> Plan | None: ...


class Stabiliser(Protocol):
    """A change of the state or of the training rows before the update, and of the state after it."""

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]: ...

    def after(self, state: State, rows: pd.DataFrame) -> State: ...
