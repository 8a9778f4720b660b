"""How hard problems are, measured by completions of the round-0 policy that no run uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siwork.schema import SPLITS, KnobError, check
from siwork.tasks.base import Task

if TYPE_CHECKING:
    from siwork.policies import Policy

_PROBE = 0x70726F62  # stands where a run has the number of its round, so no stream of chance is shared


def probe(
    task: Task,
    policy: Policy,
    samples: int = 8,
    seed: int = 0,
    *,
    problems: pd.DataFrame | None = None,
    file: str | Path | None = None,
) -> pd.DataFrame:
    """Difficulty of problems: 1 − solve rate of a policy, from samples that are used for nothing else.

    Measured before a run it fixes difficulties and bands before any outcome of the run: the same completions cannot
    both sort problems into bands and be counted in them.

    Parameters
    ----------
    task, policy : the task, and the policy of round 0 as an object
    samples : completions of each problem; the more, the fewer ties
    seed : of the samples
    problems : a table with a column prompt, as `task.problems(...)` gives; None takes every problem of a table
    file : Parquet file that is written; name it in the knob `probed` of the task

    Returns
    -------
    DataFrame with a row for each different prompt: prompt, difficulty (0 easy … 1 hard), right, samples

    Raises KnobError for samples < 1, a policy that is no object, or a file that cannot be written.

    >>> import siwork
    >>> task = siwork.task("countdown", numbers=3)
    >>> found = probe(task, siwork.policy("tabular", task), problems=task.problems("train", 3))
    >>> list(found), len(found)
    (['prompt', 'difficulty', 'right', 'samples'], 3)
    """
    if type(samples) is not int or samples < 1:
        raise KnobError(f"samples must be a whole number ≥ 1, got {samples!r}; nearest: 1")
    if isinstance(policy, str) or not hasattr(policy, "sample"):
        raise KnobError(f"probe needs a policy as an object, got {policy!r}; write siwork.policy(…)")
    asked = check(_all(task) if problems is None else problems, needs=["prompt"], table="problems")
    prompts = asked["prompt"].drop_duplicates().tolist()
    streams = np.random.default_rng([seed, _PROBE]).integers(0, 2**64, (len(prompts), samples), dtype=np.uint64)
    said = policy.sample(prompts, samples, streams=streams)
    rows = pd.DataFrame(
        {"prompt": np.repeat(np.array(prompts, object), samples), "response": list(map(str, said.response))}
    )
    right = task.check(rows).to_numpy(bool).reshape(len(prompts), samples).sum(axis=1)
    found = pd.DataFrame({"prompt": prompts, "difficulty": 1 - right / samples, "right": right, "samples": samples})
    if file is not None:
        _write(found, Path(file))
    return found


def _all(task: Task) -> pd.DataFrame:
    """Every problem of a table. A task that makes its own has no end of them."""
    rows = getattr(task, "rows", None)
    if rows is None:
        raise KnobError(f"{task} has no end of problems; name some with problems=task.problems('train', 100)")
    return pd.concat([task.problems(split, len(rows.of(split))) for split in SPLITS if split in task.splits])


def _write(found: pd.DataFrame, file: Path) -> None:
    try:
        found.to_parquet(file, index=False)
    except OSError as error:
        raise KnobError(f"{file} cannot be written ({error.strerror or error}); name another file") from None
