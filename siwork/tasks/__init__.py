"""Problem generators and tables of problems, with a check and a canonical answer."""

from typing import Any

from siwork.schema import Knobbed, KnobError, nearest, parse_call
from siwork.tasks.add import Add
from siwork.tasks.base import Item, Synthetic, Task, synthetic
from siwork.tasks.countdown import Countdown
from siwork.tasks.dsl import Dsl
from siwork.tasks.expr import Expr
from siwork.tasks.facts import Facts
from siwork.tasks.grammar import Grammar
from siwork.tasks.hidden import Hidden
from siwork.tasks.maze import Maze
from siwork.tasks.probing import probe
from siwork.tasks.table.knobs import Table

_KINDS: tuple[type[Knobbed], ...] = (Countdown, Expr, Add, Dsl, Maze, Grammar, Hidden, Facts, Table)
TASKS: dict[str, type[Knobbed]] = {kind.name: kind for kind in _KINDS}


def task(name: str, **knobs: Any) -> Task:
    """A task by name with its knobs.

    Raises KnobError for an unknown task, an unknown knob or a value out of range.

    >>> str(task("countdown", numbers=3))
    'countdown(numbers=3)'
    """
    return _made(_kind(name).build((), knobs))


def task_of(text: str | Task) -> Task:
    """A task from its call text, e.g. `countdown(numbers=3)`; a Task passes through. Raises as `task`."""
    if isinstance(text, Task):
        return text
    call = parse_call(text)
    return _made(_kind(call.name).build(call.args, call.named))


def _made(knobs: Any) -> Task:
    found: Task = knobs.task() if isinstance(knobs, Table) else knobs
    return found


def _kind(name: str) -> type[Knobbed]:
    if name not in TASKS:
        raise KnobError(f"no task is called {name!r}; {nearest(name, TASKS)}. `siwork tasks` lists them")
    return TASKS[name]


__all__ = ["TASKS", "Item", "Synthetic", "Task", "probe", "synthetic", "task", "task_of"]
