"""Several who answer: agents that debate, and a teacher beside the policy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.policies.named import check_by, named_policy
from siwork.samplers.plain import Drawing
from siwork.samplers.rollouts import next_sample, rollout, written
from siwork.schema import KnobError, knob
from siwork.slots import State, Tell


@dataclass(frozen=True)
class Roles(Drawing):
    """A second turn in which every agent has seen what the others say most often, or completions of a teacher.

    kind=debate: for each first attempt, the note in the prompt is what a response of others with their commonest answer states: of
    the other agents where there is a population, else of the other half of the samples (odd to even, even to odd). Ties
    go to the answer that was given first; where nobody else gave a readable answer there is no second turn. kind=teacher: `k`
    completions of each problem by another policy, never trained here; log-probabilities are those of the policy that learns, and a
    population shares them.

    Source: "Multiagent Finetuning". Departs from it in: agents see the others' commonest answer in place of a summary of all, and
    revised answers train generators as first ones do.
    """

    name = "roles"
    sentence = "Agents that answer again after they saw the others' commonest answer, or a teacher's completions."
    source = "Multiagent Finetuning: Self Improvement with Diverse Reasoning Chains"
    departs = "agents see the others' commonest answer in place of a summary of all"

    kind: str = knob("debate", "Who answers.", choices=("debate", "teacher"), shown=True)
    k: int = knob(
        1, "Second turns of each first attempt, or completions of the teacher.", low=1, high=4096, unit="samples"
    )
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)
    by: str = knob("base", "The teacher: base (of round 0), or a policy such as tiny(start=…).")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_by(self.name, self.by)
        if self.by == "self":
            raise KnobError("roles: the teacher is another policy, got by=self; take base or a policy's call")

    @property
    def asks(self) -> tuple[str, ...]:
        """Answers that two completions may share, where the commonest is told."""
        return ("agreement",) if self.kind == "debate" else ()

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """Second turns of this agent, or the teacher's rows. Raises KnobError for a debate without a first turn."""
        if self.kind == "teacher":
            return self._teach(state, problems, judged, rng)
        if judged is None:
            raise KnobError("roles(debate) is a second turn; write cot + roles(debate)")
        first = judged[((judged["turn"] == 0) & (judged["hint"] == "none")).to_numpy(bool)].reset_index(drop=True)
        parents, notes = _heard(first, state.agent)
        told = zip(parents["prompt"], notes, strict=True)
        asked = [state.task.with_text(prompt, state.task.stated(note)) for prompt, note in told]
        return rollout(
            state,
            parents,
            self.k,
            rng,
            tell,
            temperature=self.temperature,
            hint="debate",
            asked=asked,
            turn=1,
            parent=parents["sample"].tolist(),
            first=next_sample(judged),
        )

    def _teach(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator
    ) -> pd.DataFrame:
        if judged is not None and (judged["agent"] == "teacher").any():
            problems = problems.iloc[:0]  # of a population only the first agent asks
        teacher = named_policy(self.by, state.policy, state.base, state.task)
        teacher.register(problems)
        streams = rng.integers(0, 2**64, (len(problems), self.k), dtype=np.uint64)
        out = teacher.sample(problems["prompt"].tolist(), self.k, temperature=self.temperature, streams=streams)
        ended = np.flatnonzero(out.finished)  # a response that was cut off teaches nothing
        said = pa.array(out.response, pa.string()).take(pa.array(ended)).to_pylist()
        asked = problems.iloc[ended // self.k]
        return written(state, asked, said, hint="teacher", agent="teacher", first=next_sample(judged))


def _heard(first: pd.DataFrame, agent: str) -> tuple[pd.DataFrame, list[str]]:
    """The agent's first attempts for which others gave an answer, and the response of others that each is shown."""
    several = first["agent"].nunique() > 1
    side = first["agent"] if several else (first["sample"].to_numpy(np.int64) % 2).astype(str)
    told = list(zip(first["problem"], side, first["answer"], first["response"], strict=True))
    by_problem: dict[str, list[tuple[str, str, str]]] = {}
    for problem, who, answer, response in told:
        if not pd.isna(answer):
            by_problem.setdefault(problem, []).append((who, answer, response))
    own = [i for i, name in enumerate(first["agent"]) if name == agent]
    commonest = {(told[i][0], told[i][1]): _commonest(by_problem.get(told[i][0], []), told[i][1]) for i in own}
    notes = [commonest[told[i][0], told[i][1]] for i in own]
    there = [i for i, note in zip(own, notes, strict=True) if note is not None]
    return first.iloc[there], [note for note in notes if note is not None]


def _commonest(said: list[tuple[str, str, str]], who: str) -> str | None:
    """A response with the answer that others gave most often, the first such; None when they gave none."""
    others = [(answer, response) for name, answer, response in said if name != who]
    if not others:
        return None
    best = Counter(answer for answer, _ in others).most_common(1)[0][0]
    return next(response for answer, response in others if answer == best)
