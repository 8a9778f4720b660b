"""Play the arms of a claim under the same problems and seeds, and judge it by its rule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from siwork.against import drawn
from siwork.arms import Drawn
from siwork.claims.claim import Arm, Base, Claim
from siwork.claims.deciding import judged, together
from siwork.claims.theorems import theorem_values
from siwork.claims.values import curves_of, value_of
from siwork.loop import prepare
from siwork.policies.start import Tiny
from siwork.reporting.ablation import last_round
from siwork.schema import KnobError, format_call
from siwork.store import Run
from siwork.tasks import Synthetic, Task, synthetic, task_of

if TYPE_CHECKING:
    from siwork.policies.tiny import TinyPolicy


@dataclass(frozen=True)
class Judgement:
    """What came of a claim.

    parts : as of `siwork.claims.deciding.judged`; verdict : of the whole; samples : completions that a run of each arm drew to
    train on, mean over seeds, empty for a theorem; seconds : wall time of this call, little where runs were there before
    """

    claim: Claim
    parts: pd.DataFrame
    verdict: str
    seeds: tuple[int, ...]
    samples: dict[str, float]
    seconds: float


class Played(NamedTuple):
    """The runs of a claim, by arm in the order of the seeds."""

    claim: Claim
    folders: dict[str, list[Path]]
    began: float

    @property
    def in_order(self) -> list[Path]:
        """The folders in the order in which they are best played: every arm of one seed, then of the next."""
        return [folder for of_seed in zip(*self.folders.values(), strict=True) for folder in of_seed]


def lay_out(claim: Claim, seeds: Sequence[int], folder: str | Path) -> Played:
    """Prepare the run folders of a claim's arms; what is there already is kept, and played on.

    seeds : at least two, of problems, base models and luck; folder : where `<claim>/<arm>-s<seed>` go

    Raises KnobError for fewer than two seeds; RunError where a folder holds another run; and as `siwork.run`.
    """
    if len(set(seeds)) < 2:
        raise KnobError(f"a claim is judged over seeds, got {len(set(seeds))}; five are usual, two the least")
    began, home = time.monotonic(), Path(folder) / claim.name
    if not claim.arms:
        return Played(claim, {}, began)
    shared: dict[tuple[int, str], Drawn] = {}  # arms of the same size and task draw their problems once
    places: dict[str, list[Path]] = {name: [] for name in claim.arms}
    for seed in seeds:
        for name, arm in claim.arms.items():
            train = arm.train or claim.sizes.train
            sizes = shared.setdefault((train, arm.task), Drawn.of(replace(claim.sizes, train=train)))
            places[name].append(_prepared(claim, arm, sizes, seed, home / f"{name}-s{seed}"))
    return Played(claim, places, began)


def judge(played: Played, seeds: Sequence[int], level: float = 0.95) -> Judgement:
    """Judge a claim whose runs are finished. Raises Unfinished, RunError for runs that are not, or cannot be read."""
    claim = played.claim
    if not claim.arms:
        values = theorem_values(claim, seeds)
        samples: dict[str, float] = {}
    else:
        runs = {name: [Run(folder) for folder in folders] for name, folders in played.folders.items()}
        last_round([run for of_arm in runs.values() for run in of_arm])
        curves = curves_of(claim, runs)
        values = {i: {s: value_of(part, curves, s) for s in seeds} for i, part in enumerate(claim.parts)}
        samples = {name: _samples(of_arm) for name, of_arm in runs.items()}
    parts = judged(claim, values, level)
    verdict = together(parts["verdict"].tolist(), parts["either"].tolist())
    return Judgement(claim, parts, verdict, tuple(seeds), samples, time.monotonic() - played.began)


def _prepared(claim: Claim, arm: Arm, sizes: Drawn, seed: int, place: Path) -> Path:
    task = task_of(arm.task or claim.task).fixed()
    policy = _trained(arm.base, task, seed, place) if arm.base else "tiny"
    prepare(arm.recipe, task, policy, rounds=claim.rounds, problems=sizes, seed=seed, folder=place)
    return place


def _trained(base: Base, task: Task, seed: int, place: Path) -> str:
    """The call of a policy whose weights were trained for the arm, once."""
    file = place.parent / "bases" / f"{place.name}.safetensors"
    if not file.exists():
        taught = synthetic(task_of(base.task) if base.task else task, "pretrain")
        policy = _pretrained(replace(base, traces="", primed=0), taught, seed)
        if base.traces:
            from siwork.claims.priming import primed

            policy = primed(policy, taught, base.traces, base.primed, seed)
        file.parent.mkdir(parents=True, exist_ok=True)
        policy.write(file)
    return format_call(Tiny(weights=str(file.resolve())))


@lru_cache(maxsize=1)  # arms of a seed that differ in their priming alone share it
def _pretrained(base: Base, task: Synthetic, seed: int) -> TinyPolicy:
    from siwork.policies.network import Shape
    from siwork.policies.pretrain import pretrain

    if not base.steps:
        return Tiny().build_for(task)
    shape = Shape(base.width, base.layers, base.heads, base.hidden)
    policy, _ = pretrain(task, shape, steps=base.steps, seed=seed, pool=base.pool)
    return policy


def _samples(runs: Sequence[Run]) -> float:
    """Completions that a run drew to train on, all rounds, mean over seeds."""
    return float(np.mean([sum(drawn(run, r) for r in range(run.rounds_done)) for run in runs]))
