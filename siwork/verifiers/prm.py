"""A process verifier: the value of what a response has written so far, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.schema import KnobError, knob
from siwork.slots import Component, Learned, State
from siwork.verifiers.keys import fold_of, keys_of
from siwork.verifiers.orm import FOLDS, fitted, foretold, text_features

_PENALTY = 1.0  # of ½ |w|²
_TEXT = pd.ArrowDtype(pa.string())
_KINDS = {"prompt": _TEXT, "begun": _TEXT, "right": pd.ArrowDtype(pa.bool_()), "times": pd.ArrowDtype(pa.int64())}


@dataclass(frozen=True)
class Prm(Component):
    """Step values: V(x, b) is the chance of a right outcome when a response to prompt x begins with b.

    The beginnings of a response end after each of its pieces but the last, so that its own outcome says nothing of them; a
    response of one piece has the empty beginning alone. The score is the least, mean or last of their values.

    samples  V is the share of right ones among the other rows to the problem that begin with b. A row is never its own witness; a
             beginning that no other row shares has no value and is passed over, and a row without any value is unscored
    rollouts V is the share of right ones among k continuations of b by the policy of the round ("Math-Shepherd"). Each different
             beginning of a prompt is continued once, so equal beginnings have equal values
    trained  V is a logistic regression on hashed character n-grams of prompt and beginning, fitted where `vfit` says so on the
             outcomes of the rows judged, and those of earlier rounds; problems are dealt into folds as for `orm`. Until right and
             wrong rows were seen, rows are unscored

    Source: Wang et al. 2024, "Math-Shepherd"; "ReST-MCTS*". Departs from both in: no language model is trained as verifier.
    """

    slot = "verifier"
    name = "prm"
    sentence = "Step values: how often what a response has written so far ends right, by samples, continuations or a classifier."
    source = "ReST-MCTS*: LLM Self-Training via Process Reward Guided Tree Search"
    departs = "values by counting or a linear classifier in place of a trained language model"
    reads_gold = True

    of: str = knob("samples", "Where values come from.", choices=("samples", "rollouts", "trained"), shown=True)
    fold: str = knob("min", "Score: the least, mean or last value of its beginnings.", choices=("min", "mean", "last"))
    k: int = knob(4, "Continuations of each beginning (rollouts).", low=1, high=1024, unit="samples")

    @property
    def asks(self) -> tuple[str, ...]:
        """Responses in pieces."""
        return ("pieces",)

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """Continuations, for rollouts."""
        return ("continued",) if self.of == "rollouts" else ()

    @property
    def learn(self) -> Callable[[State, pd.DataFrame, np.random.Generator], State]:
        """How it learns, (state, rows, rng) → state; only of=trained has it. Raises AttributeError for other kinds."""
        if self.of != "trained":
            raise AttributeError(f"prm(of={self.of}) learns nothing")
        return self._fit

    def score(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Folded values (n,) of each row's beginnings, NaN where none has a value.

        Raises KnobError for a task without pieces, and for rollouts by a policy that continues nothing.
        """
        if rows.empty:
            return np.zeros(0)
        table = beginnings(state.task, rows)
        return folded(table["row"].to_numpy(int), self._values(state, rows, table, rng), len(rows), self.fold)

    def _values(self, state: State, rows: pd.DataFrame, table: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Value (m,) of each beginning, NaN where it has none."""
        if self.of == "samples":
            return _by_samples(state, rows, table)
        return _by_rollouts(state, table, self.k, rng) if self.of == "rollouts" else self._by_model(state, table)

    def _by_model(self, state: State, table: pd.DataFrame) -> np.ndarray:
        known = state.learned.get(self.name)
        if known is None or np.isnan(known.arrays["weights"][FOLDS]).all():
            return np.full(len(table), np.nan)
        code, different = _different(table)
        return foretold(_features(different), different["prompt"].tolist(), known)[code]

    def _fit(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> State:
        table = beginnings(state.task, rows)
        right = state.task.check(rows).to_numpy(bool)[table["row"].to_numpy(int)]
        fresh = table[["prompt", "begun"]].assign(right=right, times=1)
        known = state.learned.get(self.name)
        both = fresh if known is None else pd.concat([known.rows, fresh.astype(_KINDS)], ignore_index=True)
        kept = both.groupby(["prompt", "begun", "right"], sort=False)["times"].sum().reset_index().astype(_KINDS)
        prompt, truth = kept["prompt"].tolist(), kept["right"].to_numpy(bool)
        times = kept["times"].to_numpy(float)
        weights = fitted(_features(kept), truth, fold_of(prompt, FOLDS), _PENALTY, times)
        return state.having(learned={**state.learned, self.name: Learned(kept, {"weights": weights})})


def beginnings(task: Any, rows: pd.DataFrame) -> pd.DataFrame:
    """One line for each beginning of each row, in order: its place `row`, `problem`, `prompt`, and the text `begun`."""
    said = rows["response"].tolist()
    heads = {text: _heads(task.pieces(text)) for text in dict.fromkeys(said)}
    place = np.repeat(np.arange(len(rows)), [len(heads[text]) for text in said])
    return pd.DataFrame(
        {
            "row": place,
            "problem": rows["problem"].to_numpy(object)[place],
            "prompt": rows["prompt"].to_numpy(object)[place],
            "begun": [head for text in said for head in heads[text]],
        }
    )


def folded(row: np.ndarray, value: np.ndarray, n: int, how: str) -> np.ndarray:
    """The least, mean or last value (n,) of each row, NaN where it has none.

    row : int (m,), which row each value is of, in order; value : float (m,), NaN for none; how : min, mean or last

    >>> folded(np.array([0, 0, 1, 2]), np.array([0.5, 0.25, np.nan, 1.0]), 3, "min")
    array([0.25,  nan, 1.  ])
    """
    known = np.isfinite(value)
    row, value = row[known], value[known]
    found = np.full(n, np.nan)
    if how == "last":
        found[row] = value  # of several the last one stays
    elif how == "min":
        np.fmin.at(found, row, value)
    else:
        count = np.bincount(row, minlength=n)
        found = np.where(count > 0, np.bincount(row, value, n) / np.maximum(count, 1), np.nan)
    return found


def _heads(parts: tuple[str, ...]) -> list[str]:
    return ["".join(parts[:i]) for i in range(1, len(parts))] or [""]


def _by_samples(state: State, rows: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Share of right rows (m,) among the others of the problem that have the beginning, too; NaN where there are none."""
    right = state.task.check(rows).to_numpy(float)[table["row"].to_numpy(int)]
    group = table.groupby(["problem", "begun"], sort=False).ngroup().to_numpy()
    others = np.bincount(group)[group] - 1.0
    won = np.bincount(group, right)[group] - right
    return np.where(others > 0, won / np.maximum(others, 1.0), np.nan)


def _by_rollouts(state: State, table: pd.DataFrame, k: int, rng: np.random.Generator) -> np.ndarray:
    """Share of right ones (m,) among k continuations of each different beginning."""
    go_on = getattr(state.policy, "continued", None)
    if go_on is None:
        raise KnobError(
            f"prm(of=rollouts) needs a policy that continues a beginning, and {state.policy.name} does not; take of=samples"
        )
    code, different = _different(table)
    prompt, begun = different["prompt"].tolist(), different["begun"].tolist()
    keys = keys_of([f"{one}\0{other}" for one, other in zip(prompt, begun, strict=True)], rng)
    out = go_on(prompt, begun, k, streams=keys[:, None] ^ keys_of([str(i) for i in range(k)], rng)[None, :])
    asked = pd.DataFrame({"prompt": np.repeat(np.array(prompt, object), k), "response": pd.Series(out.response)})
    asked = asked.astype(_TEXT)
    return state.task.check(asked).to_numpy(float).reshape(-1, k).mean(axis=1)[code]


def _different(table: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Number (m,) of each line among the different pairs of prompt and beginning, and those."""
    code = table.groupby(["prompt", "begun"], sort=False).ngroup().to_numpy()
    first = np.unique(code, return_index=True)[1]
    return code, table.iloc[first].reset_index(drop=True)


def _features(table: pd.DataFrame) -> Any:
    """What the classifier reads of prompts and beginnings, as `orm` reads prompts and responses."""
    n = len(table)
    unknown = {"answer": np.full(n, None, object), "n_tokens": np.zeros(n), "finished": np.zeros(n)}
    return text_features(pd.DataFrame({"prompt": table["prompt"], "response": table["begun"], **unknown}))
