"""Traces to prime a base model with: right or wrong in the end, with a step that is done anew or without.

Source: Gandhi et al. 2025, "Cognitive Behaviors that Enable Self-Improving Reasoners". Departs from it in: the traces are
written by rule instead of by a large model; they show one of its four behaviours, backtracking, once a trace; a trace with it
is the one without it and an attempt more, so it is longer.
"""

from __future__ import annotations

import numpy as np

from siwork.policies import Plan
from siwork.policies.pretrain import Examples
from siwork.policies.tiny import TinyPolicy
from siwork.schema import KnobError, nearest
from siwork.tasks import Task
from siwork.tasks.base import is_held_out
from siwork.tasks.expr import Expr
from siwork.tasks.steps import (
    LARGEST,
    does_anew,
    plan,
    random_order,
    results,
    slipped_results,
    slips,
    step_texts,
    written,
)

KINDS = ("right-plain", "right-anew", "wrong-plain", "wrong-anew")
BATCH = 64  # traces in a step


def traces_of(prompt: str, rng: np.random.Generator) -> dict[str, str] | None:
    """A trace of each kind for a prompt of `expr`, all with the same order of steps; None where one of them cannot be.

    Wrong ones carry a slip through to a wrong value. One step of those anew, the same in both, is done twice: first with a
    wrong result that nothing builds on. None, too, for a prompt of another task.

    >>> for kind, trace in (traces_of("((3+4)*2)-5=", np.random.default_rng(6)) or {}).items():
    ...     print(kind, trace)
    right-plain 3+4=7;7*2=14;14-5=9
    right-anew 3+4=7;7*2=9;7*2=14;14-5=9
    wrong-plain 3+4=7;7*2=13;13-5=8
    wrong-anew 3+4=7;7*2=5;7*2=13;13-5=8
    """
    steps = plan(prompt)
    truth, order = results(steps), random_order(steps, rng)
    slipped = [values for values in slipped_results(steps) if values[-1] != truth[-1]]
    wrong = [values for values in slipped if not does_anew(";".join(step_texts(steps, values)))]  # of two equal steps
    if not wrong:
        return None
    place = int(rng.integers(len(order)))
    found: dict[str, str] = {}
    for end, values in (("right", truth), ("wrong", wrong[rng.integers(len(wrong))])):
        told = [step_texts(steps, values)[i] for i in order]
        others = slips(steps[order[place]], values) - {values[order[place]]}
        attempts = sorted(value for value in others if abs(value) <= LARGEST)  # one less or one more is always there
        attempt = written(attempts[rng.integers(len(attempts))])
        again = [*told[:place], f"{told[place].partition('=')[0]}={attempt}", *told[place:]]
        found |= {f"{end}-plain": ";".join(told), f"{end}-anew": ";".join(again)}
    return found


def traces(task: Task, kind: str, n: int, seed: int) -> Examples:
    """n prompts of `expr` that are not held out, and a trace of one kind for each; the prompts are those of every kind.

    Raises KnobError for a kind that is none, n < 1, or another task.
    """
    if not isinstance(task, Expr):
        raise KnobError(f"traces are written for expr, whose last value alone is judged, got {task}; nearest: expr")
    if kind not in KINDS:
        raise KnobError(f"traces must be one of {', '.join(KINDS)}, got {kind!r}; {nearest(kind, KINDS)}")
    if n < 1:
        raise KnobError(f"at least one trace is needed, got {n}; nearest: 1")
    rng, found = np.random.default_rng([seed, 0x9817]), Examples([], [])
    while len(found.prompt) < n:
        prompt = task.draw(rng).prompt
        written_ = None if is_held_out(prompt) else traces_of(prompt, rng)
        if written_:
            found.prompt.append(prompt)
            found.response.append(written_[kind])
    return found


def primed(policy: TinyPolicy, task: Task, kind: str, steps: int, seed: int) -> TinyPolicy:
    """A copy of a policy after likelihood training on traces of one kind, 64 new ones a step, as the update `sft` trains.

    Raises KnobError as `traces`.
    """
    taught = traces(task, kind, steps * BATCH, seed)
    batches = list(np.arange(steps * BATCH).reshape(steps, BATCH))
    even = np.full(BATCH, 1 / BATCH)
    learner = policy.copy()
    learner.train(Plan(*taught, np.ones(len(taught.prompt), bool), batches, lambda logp, index: even, rate=1.0))
    learner.origin = policy.origin | {"primed": f"{steps} steps on {kind}"}
    return learner
