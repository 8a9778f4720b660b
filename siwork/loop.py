"""The one loop: every round samples, verifies, selects and updates; truth comes last.

`run` prepares a folder and plays its rounds; `resume` plays what is missing. All rows of round r come from the policy
of round r; the closing round evaluates the last policy and trains nothing.
"""

from __future__ import annotations

import platform
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from siwork.policies import Policy, policy_of, restored
from siwork.policies.journals import kept_in
from siwork.recipes import Recipe, recipe_of
from siwork.rollouts import rollout
from siwork.schema import ROWS, Knobbed, KnobError, format_call, knob, parse_call
from siwork.slots import State, Tell
from siwork.store import Run, Writer
from siwork.store import fork as copy_run
from siwork.tasks import Task, task_of


@dataclass(frozen=True)
class Sizes(Knobbed):
    """How many problems of each split, and how many completions of each held-out problem."""

    name = "problems"

    train: int = knob(300, "Problems that the loop trains on.", low=1, unit="problems")
    heldout: int = knob(100, "Problems of the same kind that it never trains on.", low=1, unit="problems")
    beyond: int = knob(50, "Harder problems than those trained on, where the task has some.", low=0, unit="problems")
    samples: int = knob(32, "Completions of each held-out problem and round.", low=1, high=4096, unit="samples")

    def draw(self, task: Task, seed: int) -> pd.DataFrame:
        """The problems of all splits in one table; none beyond, where the task has none such."""
        beyond = self.beyond if not self.beyond or "beyond" in task.splits else 0
        sizes = {"train": self.train, "heldout": self.heldout, "beyond": beyond}
        return pd.concat([task.problems(split, n, seed) for split, n in sizes.items() if n], ignore_index=True)


class Stopped(Exception):
    """The run was asked to stop; the round in work is given up and will be played again on resume."""


def run(
    recipe: str | Recipe,
    task: str | Task,
    policy: str | Policy,
    *,
    rounds: int,
    problems: int | Sizes = 300,
    seed: int = 0,
    folder: str | Path,
    on_round: Callable[[Run, int], None] | None = None,
) -> Run:
    """Play rounds of a recipe and keep everything in a run folder.

    Parameters
    ----------
    recipe : name or formula, e.g. "vanilla" or "seed · cot(k=16) · gold · correct · sft"
    task, policy : name, call text such as "countdown(numbers=4)", or an object
    rounds : number of updates; rounds + 1 policies are measured
    problems : training problems (held-out ones in proportion), or Sizes
    seed : of everything random; round r draws from default_rng([seed, r])
    folder : a new folder, or that of the same run unfinished, which is then resumed
    on_round : called with (run, round) when a round is on disk

    Raises
    ------
    RecipeError, KnobError : a formula, name or value that cannot be, or parts that do not go together
    RunError (Locked, Foreign) : the folder is in use, is no run folder, or holds another run

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as runs:
    ...     sizes = Sizes(train=8, heldout=4, beyond=0, samples=4)
    ...     made = run("vanilla", "countdown(numbers=3)", "tabular", rounds=1, problems=sizes, folder=f"{runs}/first")
    ...     made.rounds_done, made.status().state
    (2, 'finished')
    """
    chosen = task_of(task).fixed()
    prepare(recipe, chosen, policy, rounds=rounds, problems=problems, seed=seed, folder=folder)
    return resume(folder, on_round=on_round, task=chosen)


def prepare(
    recipe: str | Recipe,
    task: str | Task,
    policy: str | Policy,
    *,
    rounds: int,
    problems: int | str | Sizes = 300,
    seed: int = 0,
    folder: str | Path,
) -> Run:
    """Write the folder of a new run: manifest, problems and base policy, no round yet. Raises as `run`."""
    for name, value in (("rounds", rounds), ("seed", seed)):
        if type(value) is not int or value < 0:
            raise KnobError(f"{name} must be a whole number ≥ 0, got {value!r}; nearest: 0")
    formula, chosen = recipe_of(recipe), task_of(task).fixed()
    sizes = sizes_of(problems)
    table = sizes.draw(chosen, seed)
    base = policy_of(policy, chosen)
    formula.see_fit(chosen, base)
    base.register(table)
    manifest = {
        "name": Path(folder).name,
        "recipe": str(formula),
        "task": str(chosen),
        "policy": format_call(base.make),
        "seed": seed,
        "rounds": rounds,
        "problems": format_call(sizes),
        "made_with": {"python": platform.python_version(), **_versions()},
    }
    with Writer.create(Path(folder), manifest, table, base.save):
        return Run(folder)


def sizes_of(problems: int | str | Sizes) -> Sizes:
    """Sizes from the number of training problems, or from a call text such as `problems(train=60)`.

    Sizes pass through. Raises RecipeError or KnobError for a text or a number that cannot be.
    """
    if isinstance(problems, str):
        call = parse_call(problems)
        return Sizes.build(call.args, call.named)
    if isinstance(problems, Sizes):
        return problems
    return Sizes(train=problems, heldout=max(20, problems // 3), beyond=max(10, problems // 6))


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("siwork", "numpy", "pandas", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def resume(
    folder: str | Path,
    *,
    rounds: int | None = None,
    on_round: Callable[[Run, int], None] | None = None,
    task: Task | None = None,
) -> Run:
    """Play the rounds that are missing; with `rounds`, more (or fewer) than at first.

    task : the run's own task, where its call text cannot be read back, as of a frame or with a function of yours as check

    Raises RunError (Locked, Foreign) for a folder that is in use or no run, RecipeError or KnobError when its
    manifest names parts this siwork does not know.
    """
    with Writer(Path(folder)) as writer:
        found = Run(folder)
        if rounds is not None:
            writer.extend(rounds)
        _drop_early_closing(writer, found)
        last = found.rounds_wanted
        play = _Play(writer, found, task)
        try:
            for r in range(writer.rounds_done, last + 1):
                with kept_in(writer.pending(r)):
                    play.round(r, closing=r == last)
                if on_round is not None:
                    on_round(found, r)
            writer.log("finished")
        except Stopped:
            writer.log("stopped")
        return found


def _drop_early_closing(writer: Writer, found: Run) -> None:
    """A closing round that is no longer the last one is played again, with training."""
    last = writer.rounds_done - 1
    if 0 <= last < found.rounds_wanted and found.round_info(last)["closing"]:
        writer.drop_round(last)


def fork(source: str | Path, target: str | Path, at: int, **changes: Any) -> Run:
    """A new run folder that shares the rounds before `at` with another run and goes its own way from there.

    changes : recipe (name or formula), rounds, seed. Play it on with `resume(target)`.

    Raises RunError as `siwork.store.fork`, RecipeError or KnobError for a recipe that cannot be.
    """
    if "recipe" in changes:
        changes["recipe"] = str(recipe_of(changes["recipe"]))
    return copy_run(source, target, at, changes)


def luck(seed: int, r: int) -> tuple[np.random.Generator, np.random.Generator]:
    """The generators of round r: of the loop, and of the held-out problems."""
    rng = np.random.default_rng([seed, r])  # never a running generator: a resumed round is the same round
    loop_rng, held_rng = rng.spawn(2)
    return loop_rng, held_rng


def _own_task(run: Run, given: Task | None) -> Task:
    """The task of a run: the one that was given, where it is that one, else the one of its call text."""
    if given is None:
        return task_of(run.task)
    fixed = given.fixed()
    if str(fixed) != run.task:
        raise KnobError(f"the task of {run.name} is {run.task}, got {fixed}; leave it out, or give that one")
    return fixed


class _Play:
    """The rounds of one open run folder."""

    def __init__(self, writer: Writer, run: Run, task: Task | None) -> None:
        self.writer, self.seed, self.name = writer, run.seed, run.name
        self.recipe = Recipe.read(run.recipe)
        task = _own_task(run, task)
        known = run.problems()
        base = restored(run.policy, task, run.base_path)
        self.state = State(task, base, base)
        if writer.rounds_done:
            self.state = self.state.load(run.state_path(writer.rounds_done - 1))
        self.train = known[known["split"] == "train"].reset_index(drop=True)
        self.held = known[known["split"] != "train"].reset_index(drop=True)
        self.samples = sizes_of(run.manifest["problems"]).samples

    def round(self, r: int, *, closing: bool) -> None:
        clock = _Clock(self.writer, r)
        loop_rng, held_rng = luck(self.seed, r)
        rows, after = self._evaluate(held_rng, clock.tell), self.state
        if not closing:
            played, after = self.recipe.play(self.state.having(round=r), self.train, loop_rng, clock.tell)
            rows = pd.concat([played, rows], ignore_index=True)
        rows = self._finish(rows, r)
        about = {"policy": self.state.policy.fingerprint(), "closing": closing, "seed": self.seed}
        info = {**about, **clock.close(), **_counts(rows), **({} if closing else self._told(after))}
        self.writer.save_round(r, rows, info, after.save)
        self.state = after

    def _told(self, after: State) -> dict[str, Any]:
        """What stabilisers did in the round."""
        told: dict[str, Any] = {"tuned": dict(after.tuned)} if after.tuned else {}
        for part in self.recipe.stabiliser:
            told |= part.told(after) if hasattr(part, "told") else {}
        return told

    def _evaluate(self, rng: np.random.Generator, tell: Tell) -> pd.DataFrame:
        """Held-out completions, judged by the recipe's verifier, never trained on."""
        tell("evaluate", 0.0)
        draw_rng, judge_rng = rng.spawn(2)
        rows = rollout(self.state, self.held, self.samples, draw_rng, tell, stage="evaluate")
        return self.recipe.judge_only(self.state, rows, judge_rng)

    def _finish(self, rows: pd.DataFrame, r: int) -> pd.DataFrame:
        task = self.state.task
        truth = {"gold": task.check(rows)} | ({"steps": task.steps(rows)} if task.has_steps else {})
        rows = rows.assign(run=self.name, round=r, **truth)  # truth last
        known = [column.name for column in ROWS if column.name in rows]
        return rows[known + [name for name in rows.columns if name not in known]]


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    train = rows["split"] == "train"
    accepted = train & (rows["weight"] > 0)
    return {"n_rows": len(rows), "n_train": int(train.sum()), "n_accepted": int(accepted.sum())}


class _Clock:
    """Tells the folder where a round is, times its stages, and ends it between two stages when asked to."""

    def __init__(self, writer: Writer, r: int) -> None:
        self.writer, self.r = writer, r
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.stage, self.since = "start", time.monotonic()

    def tell(self, stage: str, share: float) -> None:
        if share == 0.0:
            if self.writer.stop_wanted():
                raise Stopped
            self._turn(stage)
        self.writer.beat(stage, self.r, share)

    def _turn(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[self.stage] += now - self.since
        self.stage, self.since = stage, now

    def close(self) -> dict[str, Any]:
        """Wall seconds of the round, whole and by stage."""
        self._turn("save")
        by_stage = {name: round(value, 4) for name, value in self.seconds.items() if name != "start"}
        return {"seconds": round(sum(self.seconds.values()), 4), "stages": by_stage}
