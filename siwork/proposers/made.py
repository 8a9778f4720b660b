"""Problems that no split holds: prompts that somebody wrote, read by the task, and made known to the policies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from siwork.slots import Learned, State
from siwork.tasks import Task
from siwork.tasks.base import Item, band, is_held_out, problem_table

_KNOWN = ["prompt", "difficulty"]


def items_of(task: Task, prompts: Iterable[str]) -> list[Item]:
    """The different prompts that are problems of the task and none of the held-out ones, read, in their order."""
    read = (task.item(prompt) for prompt in dict.fromkeys(prompts) if not is_held_out(prompt))
    return [item for item in read if item is not None]


def table_of(task: Task, items: Sequence[Item], names: Sequence[str]) -> pd.DataFrame:
    """Train problems (PROBLEMS) with those ids, of the task's own difficulty and without a key."""
    hardness = np.array([item.hardness for item in items], float)
    difficulty = task.difficulty(hardness) if len(items) else hardness  # type: ignore[attr-defined]
    columns = {
        "problem": list(names),
        "split": ["train"] * len(items),
        "task": [task.name] * len(items),
        "prompt": [item.prompt for item in items],
        "difficulty": difficulty,
        "band": band(difficulty),
        "answer": [None] * len(items),
        "n_solutions": [None] * len(items),
    }
    return problem_table(columns)


def make_known(state: State, name: str, problems: pd.DataFrame) -> None:
    """Tell every policy of these problems, and of those of earlier rounds that the component `name` remembers."""
    earlier = state.learned.get(name)
    for table in ([] if earlier is None else [earlier.rows]) + [problems]:
        told = table.loc[table["difficulty"].notna().to_numpy(bool), _KNOWN]
        if len(told):
            for policy in (state.base, *state.agents.values()):
                policy.register(told)


def remembered(state: State, name: str, rows: pd.DataFrame) -> State:
    """The state with the prompts and difficulties of these rows kept under `name`, in their order.

    A resumed run makes them known again before new ones, so that sums over a policy's table run as they would have.
    """
    earlier = state.learned.get(name)
    fresh = rows[_KNOWN]
    kept = fresh if earlier is None else pd.concat([earlier.rows, fresh], ignore_index=True)
    kept = kept.drop_duplicates("prompt", keep="first").reset_index(drop=True)
    return state.having(learned={**state.learned, name: Learned(kept, {})})
