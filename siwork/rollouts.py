"""Where a completion becomes a row: drawn from a policy, or a text that somebody else wrote."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.policies import Policy
from siwork.schema import KnobError
from siwork.schema.tables import ROWS
from siwork.slots import State, Tell

_TYPES = {c.name: c.type for c in ROWS} | {"asked": pa.string()}
_OF_PROBLEM = ("split", "problem", "task", "difficulty", "band", "prompt")


def rollout(
    state: State,
    problems: pd.DataFrame,
    k: int,
    rng: np.random.Generator,
    tell: Tell,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    hint: str = "none",
    asked: Sequence[str] | None = None,
    begun: Sequence[str] | None = None,
    turn: int = 0,
    parent: Sequence[int] | None = None,
    first: int = 0,
    stage: str = "sample",
) -> pd.DataFrame:
    """k completions of each problem as rows, without any judgement or truth.

    Parameters
    ----------
    problems : DataFrame (PROBLEMS), n of them; one may stand there several times, as for several attempts to revise
    k : completions of each
    temperature, top_p : of the sampling; log-probabilities are recorded at temperature 1 all the same
    hint : kind of what was added to every prompt, or 'none'
    asked : n prompts as the policy is asked, where that is more than a hint of the task
    begun : n beginnings that the responses continue, for a policy that has `continued`; log-probability and length are of
        the whole response, the entropy is unknown
    turn, parent : 0 or the number of the revision, and the n samples that are revised
    first : index of the first sample of each problem

    Returns
    -------
    DataFrame with the columns of the row table that sampling knows, Arrow types.

    Raises KnobError for `begun` with a policy that cannot continue a beginning, and as the policy does.
    """
    prompts = problems["prompt"].tolist()
    if asked is None:
        asked = prompts if hint == "none" else [state.task.hinted(prompt, hint) for prompt in prompts]
    streams = rng.integers(0, 2**64, size=(len(prompts), k), dtype=np.uint64)
    draw = state.policy.sample if begun is None else partial(_continuing(state.policy), begun=list(begun))
    out = draw(asked, k=k, temperature=temperature, top_p=top_p, streams=streams, tell=lambda share: tell(stage, share))
    n = len(prompts) * k
    place = np.repeat(np.arange(len(prompts)), k)
    asked_by_row = pa.array(list(asked), pa.string()).take(pa.array(place))
    base = out.logp if state.policy is state.base else state.base.logp(asked_by_row, out.response, out.finished)
    drawn = {
        "hint": _same(hint, n),
        "turn": np.full(n, turn),
        "parent": pa.nulls(n, pa.int64()) if parent is None else np.repeat(np.asarray(parent, np.int64), k),
        "agent": _same(state.agent, n),
        "temperature": np.full(n, float(temperature)),
        "top_p": np.full(n, float(top_p)),
        "response": out.response,
        "n_tokens": pa.array(out.n_tokens, pa.int64(), mask=out.n_tokens < 0),
        "finished": out.finished,
        "logp": np.minimum(out.logp, 0.0),
        "entropy": np.maximum(out.entropy, 0.0),
        "base_logp": np.minimum(base, 0.0),
    }
    return _rows(state, problems.iloc[place], drawn, first)


def written(
    state: State,
    problems: pd.DataFrame,
    responses: Sequence[str],
    *,
    hint: str,
    agent: str | Sequence[str],
    turn: int = 0,
    parent: Sequence[int] | None = None,
    first: int = 0,
) -> pd.DataFrame:
    """Texts that the policy did not draw as rows: n finished responses to the n problems (PROBLEMS), with its log-probabilities.

    hint : kind of text, never 'none', so that no metric takes it for the policy's own word
    agent : who wrote it, or n names; the log-probability is that of an agent of the population where one of these wrote it
    Other parameters, and the result, as those of `rollout`. Entropy is unknown.
    """
    n, prompts = len(responses), problems["prompt"].tolist()
    said, done = list(responses), np.ones(n, bool)
    writers = [agent] * n if isinstance(agent, str) else list(agent)
    logp = _likelihood(state, writers, prompts, said)
    base = logp if state.policy is state.base and not state.members else state.base.logp(prompts, said, done)
    length = lengths(state.policy, said, done)
    told = {
        "hint": _same(hint, n),
        "turn": np.full(n, turn),
        "parent": pa.nulls(n, pa.int64()) if parent is None else np.asarray(parent, np.int64),
        "agent": writers,
        "temperature": pa.nulls(n, pa.float64()),
        "top_p": np.ones(n),
        "response": said,
        "n_tokens": pa.array(length, pa.int64(), mask=length < 0),
        "finished": done,
        "logp": np.minimum(logp, 0.0),
        "entropy": pa.nulls(n, pa.float64()),
        "base_logp": np.minimum(base, 0.0),
    }
    return _rows(state, problems, told, first)


def _likelihood(state: State, writers: Sequence[str], prompts: Sequence[str], said: Sequence[str]) -> np.ndarray:
    """log π (n,) of finished responses, each by the agent of its name, else by the policy."""
    found, names = np.zeros(len(said)), np.array(writers, object)
    for name in dict.fromkeys(writers):
        at = np.flatnonzero(names == name).tolist()
        policy = state.agents.get(name, state.policy)
        found[at] = policy.logp([prompts[i] for i in at], [said[i] for i in at], np.ones(len(at), bool))
    return found


def rescored(state: State, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a policy's twin or teacher with log-probabilities and lengths of the state's policy; entropy is unknown."""
    prompts, said, done = rows["prompt"].tolist(), rows["response"].tolist(), rows["finished"].to_numpy(bool)
    length = lengths(state.policy, said, done)
    told = {
        "n_tokens": pa.array(length, pa.int64(), mask=length < 0),
        "logp": np.minimum(state.policy.logp(prompts, said, done), 0.0),
        "entropy": pa.nulls(len(rows), pa.float64()),
    }
    return rows.assign(**{name: _arrow(values, _TYPES[name]) for name, values in told.items()})


def texts(values: Sequence[str]) -> pd.arrays.ArrowExtensionArray:
    """Texts as a column of a row table."""
    return _arrow(pa.array(list(values), pa.string()), pa.string())


def lengths(policy: Policy, responses: Sequence[str], finished: np.ndarray) -> np.ndarray:
    """Tokens of given responses (n,), the end token counted where finished; -1 where the policy cannot tell."""
    tell = getattr(policy, "lengths", None)
    return np.full(len(responses), -1) if tell is None else np.asarray(tell(responses, finished), np.int64)


def next_sample(judged: pd.DataFrame | None) -> int:
    """The first sample index that no row has."""
    return 0 if judged is None or judged.empty else int(judged["sample"].max()) + 1


def _continuing(policy: Any) -> Any:
    if not hasattr(policy, "continued"):
        raise KnobError(
            f"policy {policy.name!r} cannot continue a beginning; take tiny or hf, or a recipe without search"
        )
    return policy.continued


def _rows(state: State, problems: pd.DataFrame, told: dict[str, Any], first: int) -> pd.DataFrame:
    """The row table of n problems and what is told of each."""
    rows = problems[list(_OF_PROBLEM)].reset_index(drop=True)
    sample = first + rows.groupby("problem", sort=False).cumcount().to_numpy()
    columns = {"sample": sample, **told}
    rows = rows.assign(**{name: _arrow(values, _TYPES[name]) for name, values in columns.items()})
    return rows.assign(answer=state.task.answers(rows))


def _same(value: str, n: int) -> pa.Array:
    return pa.repeat(value, n)


def _arrow(values: object, kind: pa.DataType) -> pd.arrays.ArrowExtensionArray:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind, from_pandas=True)
    return pd.arrays.ArrowExtensionArray(array.cast(kind))
