"""What may be asked of tasks: what is offered is what the README says, and what is not is refused in a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import siwork
from siwork.schema import KnobError
from siwork.tasks import TASKS, Synthetic, Task
from siwork.tasks.base import in_tokens, slipped

README = (Path(__file__).parent.parent / "README.md").read_text()
OWN = {name: kind() for name, kind in TASKS.items() if issubclass(kind, Synthetic)}
TABLE = siwork.task("table", path=pd.DataFrame({"prompt": ["a"], "answer": ["b"]}))


def test_the_readme_names_the_tasks_that_offer_each_ask() -> None:
    assert isinstance(TABLE, Task)
    for ask, named in re.findall(
        r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", README.split("task.offers", 1)[1], re.MULTILINE
    )[:9]:
        offering = {name for name, task in {**OWN, "table": TABLE}.items() if ask in task.offers}
        names = set(re.findall(r"`(\w+)`", named))
        assert offering == ({*OWN, "table"} - names if named.startswith("all but") else names), ask


def test_offers_hold_hints_steps_and_right_responses() -> None:
    assert TABLE.offers == {"write", "agreement"}
    assert {name for name, task in OWN.items() if "hint" in task.offers} == set(OWN) - {"grammar"}
    assert {name for name, task in OWN.items() if "executed" in task.offers} == {"expr"}
    assert all({"write", "mutate", "item"} <= task.offers for task in OWN.values())


def test_refusals_name_the_task_and_those_that_have_it() -> None:
    with pytest.raises(
        KnobError, match=r"task 'add' has no 'relabel'; tasks that have it: countdown, dsl, hidden, maze$"
    ):
        OWN["add"].relabel("1+1=", "2")
    with pytest.raises(
        KnobError, match="task 'table' has no 'item'; tasks that have it: add, countdown, dsl, expr, facts"
    ):
        TABLE.item("a")
    with pytest.raises(KnobError, match=r"task 'maze' has no 'opinion'; tasks that have it: hidden$"):
        OWN["maze"].opinion("", "")


def test_slips_by_hand() -> None:
    vocabulary = ("1", "2", "12", "+", "-", "a", "B")
    made = {slipped(vocabulary, "12+a", np.random.default_rng(seed)) for seed in range(200)}
    # a number for a number, a mark for a mark; the only small letter can but be lost; each token may be lost
    assert made == {"1+a", "2+a", "12-a", "12+", "+a", "12a"}
    assert slipped(vocabulary, "?", np.random.default_rng(0)) in vocabulary
    assert in_tokens(vocabulary, " 12 + x1") == "12+1"


def test_a_note_and_a_hint_stand_where_policies_look_for_them() -> None:
    task = OWN["countdown"]
    assert task.with_text("3 5=8:", "try +") == "3 5=8:#try +>"
    assert task.hinted("3 5=8:", "answer") == task.with_text("3 5=8:", "5+3")
