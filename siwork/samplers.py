"""Samplers: how completions are drawn. `rollout` is the one place where a completion becomes a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.schema import KnobError, knob
from siwork.schema.tables import ROWS
from siwork.slots import Component, State, Tell

_TYPES = {c.name: c.type for c in ROWS}


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
    first: int = 0,
    stage: str = "sample",
) -> pd.DataFrame:
    """k completions of each problem as rows, without any judgement or truth.

    Parameters
    ----------
    problems : DataFrame (PROBLEMS); k : completions of each
    temperature, top_p : of the sampling; log-probabilities are recorded at temperature 1 all the same
    hint : kind of hint added to every prompt, or 'none'
    first : index of the first sample of each problem

    Returns
    -------
    DataFrame with the columns of the row table that sampling knows, Arrow types.
    """
    prompts = problems["prompt"].tolist()
    asked = prompts if hint == "none" else [state.task.hinted(prompt, hint) for prompt in prompts]
    streams = rng.integers(0, 2**64, size=(len(prompts), k), dtype=np.uint64)
    out = state.policy.sample(
        asked, k, temperature=temperature, top_p=top_p, streams=streams, tell=lambda share: tell(stage, share)
    )
    n = len(prompts) * k
    asked_by_row = pa.array(asked).take(pa.array(np.repeat(np.arange(len(asked)), k)))
    base = out.logp if state.policy is state.base else state.base.logp(asked_by_row, out.response, out.finished)
    told = {name: problems[name] for name in ("split", "problem", "task", "difficulty", "band", "prompt")}
    repeated = pd.DataFrame(told).iloc[np.repeat(np.arange(len(prompts)), k)].reset_index(drop=True)
    drawn = {
        "sample": np.tile(np.arange(first, first + k), len(prompts)),
        "hint": _same(hint, n),
        "turn": np.zeros(n, np.int64),
        "parent": pa.nulls(n, pa.int64()),
        "agent": _same("policy", n),
        "temperature": np.full(n, float(temperature)),
        "top_p": np.full(n, float(top_p)),
        "response": out.response,
        "n_tokens": pa.array(out.n_tokens, pa.int64(), mask=out.n_tokens < 0),
        "finished": out.finished,
        "logp": np.minimum(out.logp, 0.0),
        "entropy": np.maximum(out.entropy, 0.0),
        "base_logp": np.minimum(base, 0.0),
    }
    rows = repeated.assign(**{name: _arrow(values, _TYPES[name]) for name, values in drawn.items()})
    return rows.assign(answer=state.task.answers(rows))


def _same(value: str, n: int) -> pa.Array:
    return pa.repeat(value, n)


def _arrow(values: object, kind: pa.DataType) -> pd.arrays.ArrowExtensionArray:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind, from_pandas=True)
    return pd.arrays.ArrowExtensionArray(array.cast(kind))


@dataclass(frozen=True)
class Cot(Component):
    """k independent completions of each problem."""

    slot = "sampler"
    name = "cot"
    sentence = "Independent completions of each problem."
    source = "Self-consistency improves chain of thought reasoning in language models"

    k: int = knob(16, "Completions of each problem.", low=1, high=4096, unit="samples")
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)
    top_p: float = knob(1.0, "Nucleus mass.", low=0.01, high=1.0)

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """k fresh rows of each problem, numbered on from those already there."""
        return rollout(
            state, problems, self.k, rng, tell, temperature=self.temperature, top_p=self.top_p, first=_next(judged)
        )


@dataclass(frozen=True)
class Hint(Component):
    """Completions with a hint in the prompt; training later sees the prompt without it (rationalisation).

    Source: STaR, section 3.2. Departs from it in: k completions instead of one, at the temperature given.
    """

    slot = "sampler"
    name = "hint"
    sentence = "Completions with a hint in the prompt, for all problems or only for those that failed."
    source = "STaR: Bootstrapping reasoning with reasoning"
    departs = "several hinted completions at the given temperature instead of one greedy one"
    reads_gold = True

    kind: str = knob("answer", "What the hint gives away; a task says which kinds it has.", shown=True)
    on: str = knob("all", "Which problems get it.", choices=("all", "fail"))
    k: int = knob(4, "Completions of each problem that gets the hint.", low=1, high=4096, unit="samples")
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """k hinted rows of each problem; with on=fail only where no earlier row of the round passes (score ≥ 1/2).

        Raises KnobError when on=fail has no scored rows before it, or the task lacks this kind of hint.
        """
        if self.on == "fail":
            if judged is None or "score" not in judged:
                raise KnobError(
                    "hint(on=fail) needs a sampler before it and a verifier; write cot + hint(answer, on=fail) · gold"
                )
            passed = judged.loc[(judged["score"] >= 0.5).fillna(False).to_numpy(bool), "problem"]
            problems = problems[~problems["problem"].isin(passed)]
        return rollout(
            state, problems, self.k, rng, tell, temperature=self.temperature, hint=self.kind, first=_next(judged)
        )


def _next(judged: pd.DataFrame | None) -> int:
    return 0 if judged is None or judged.empty else int(judged["sample"].max()) + 1
