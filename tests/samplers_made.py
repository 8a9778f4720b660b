"""States, judged rows and rounds for the tests of samplers and proposers."""

import numpy as np
import pandas as pd
import pyarrow as pa

import siwork
from siwork.recipes import Recipe
from siwork.slots import State, silent
from siwork.tasks import task_of


def started(policy="tabular", task="countdown(numbers=3)", n=12, knobs=None):
    """A state of round 0 and n train problems."""
    chosen = task_of(task)
    table = chosen.problems("train", n)
    base = siwork.policy(policy, chosen, **(knobs or {}))
    base.register(table)
    return State(chosen, base, base), table


def scored(rows, score, verifier="gold"):
    """Rows with these scores."""
    told = pd.array(np.asarray(score, float), dtype="double[pyarrow]")
    return rows.assign(score=told, verifier=pd.array([verifier] * len(rows), dtype="string[pyarrow]"))


def by_gold(state, rows):
    """Rows scored by the truth."""
    return scored(rows, state.task.check(rows).to_numpy(float))


def drawn(part, state, problems, judged=None, seed=0):
    """The rows that a sampler adds."""
    return part.sample(state, problems, judged, np.random.default_rng(seed), silent)


def valid(rows, r=0):
    """The rows checked against the schema, after what only the loop knows was added."""
    finished = rows if "weight" in rows else rows.assign(weight=0.0)
    finished = finished.assign(run="a", round=r, gold=pd.array([None] * len(rows), dtype="bool[pyarrow]"))
    checked = siwork.check(finished)
    samples = set(zip(rows["problem"], rows["sample"], strict=True))
    revised = rows[rows["parent"].notna()]
    assert set(zip(revised["problem"], revised["parent"], strict=True)) <= samples
    return checked


class Permuted:
    """A task whose truth is dealt out anew, so that what reads it sees something else."""

    def __init__(self, task):
        self.task = task

    def check(self, rows):
        truth = self.task.check(rows).to_numpy(bool)
        dealt = np.random.default_rng(7).permutation(truth) ^ True
        return pd.Series(dealt, index=rows.index).astype(pd.ArrowDtype(pa.bool_()))

    def __getattr__(self, name):
        return getattr(self.task, name)


def rounds(line, state, problems, n, folder=None):
    """All rows of n rounds and the last state; with a folder the state is saved and read by fresh policies in between."""
    recipe, found = Recipe.read(line), []
    for r in range(n):
        rows, state = recipe.play(state.having(round=r), problems, np.random.default_rng([3, r]))
        found.append(valid(rows, r))
        if folder is not None:
            state = again(state, problems, folder / str(r))
    return pd.concat(found, ignore_index=True), state


def again(state, problems, folder):
    """The state as another process finds it."""
    folder.mkdir()
    state.save(folder)
    base = siwork.policies.policy_of(siwork.schema.format_call(state.base.make), state.task)
    if base.name == "tiny":
        base = state.base.copy()
    base.register(problems)
    return State(state.task, base, base).load(folder)
