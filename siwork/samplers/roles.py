"""Several roles: agents that read each other's answers, and a teacher that writes for the student."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.policies.named import check_named, named_policy
from siwork.rollouts import next_sample, rescored, rollout
from siwork.samplers.judged import own, plain
from siwork.samplers.plain import Drawing
from siwork.schema import KnobError, knob
from siwork.slots import State, Tell

DEBATE, TEACHER = "debate", "teacher"


@dataclass(frozen=True)
class Roles(Drawing):
    """Rows that came about between two.

    kind=debate (Multiagent Finetuning): each first attempt of an agent is followed by another one that has read, in a note,
    the answer that the others gave most often, as a response of theirs states it; ties and response at random. The others are
    the first attempts of the population's other agents; a single agent is two: of its first attempts at a problem those at odd
    places read those at even places, and the other way round. Where nobody else has a readable answer there is no second attempt.

    kind=teacher: k completions by another policy, as rows of the student: log-probabilities and lengths are the student's,
    entropy is unknown, agent and hint are `teacher`. A population shares them: only its first agent asks.

    Source: "Multiagent Finetuning", section 2; "Weak-to-strong generalization" for labels by another model. Departs from them
    in: one response stands for the others, where the paper has them summarised; a teacher writes whole responses.
    """

    name = "roles"
    sentence = "Agents that read each other's answers, or a teacher that writes for the student."
    source = "Multiagent Finetuning: Self Improvement with Diverse Reasoning Chains"
    departs = "one response with the commonest answer stands for the others, without a summary"

    kind: str = knob(DEBATE, "Who meets whom.", choices=(DEBATE, TEACHER), shown=True)
    k: int = knob(4, "Completions of each problem by the teacher.", low=1, high=4096, unit="samples")
    by: str = knob("base", 'The teacher: base (the policy of round 0) or a policy such as hf("path/to/model").')
    temperature: float = knob(1.0, "Sampling temperature.", low=0.05, high=5.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_named(self.name, self.by)
        if self.by == "self":
            raise KnobError("roles: the teacher is another policy, got by=self; take base or a policy's call")

    def sample(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        """One row for each first attempt that has somebody to read, turn 1; or k rows of each problem by the teacher.

        Raises KnobError for a debate before which nobody spoke, and for a teacher that cannot be had.
        """
        return (self._debated if self.kind == DEBATE else self._taught)(state, problems, judged, rng, tell)

    def _debated(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        if judged is None:
            raise KnobError("roles(debate) needs first attempts before it; write cot + roles(debate)")
        speakers, notes = heard(judged, state, rng)
        return rollout(
            state,
            speakers,
            1,
            rng,
            tell,
            temperature=self.temperature,
            hint=DEBATE,
            asked=[
                state.task.with_text(prompt, state.task.stated(note))
                for prompt, note in zip(speakers["prompt"], notes, strict=True)
            ],
            turn=1,
            parent=speakers["sample"].tolist(),
            first=next_sample(judged),
        )

    def _taught(
        self, state: State, problems: pd.DataFrame, judged: pd.DataFrame | None, rng: np.random.Generator, tell: Tell
    ) -> pd.DataFrame:
        here = judged is not None and (judged["hint"] == TEACHER).any()
        asked = problems.iloc[:0] if here else problems
        policy = named_policy(self.by, state.task, state.policy, state.base)
        policy.register(problems)
        rows = rollout(
            state.having(policy=policy, agent=TEACHER),
            asked,
            self.k,
            rng,
            tell,
            temperature=self.temperature,
            hint=TEACHER,
            asked=asked["prompt"].tolist(),
            first=next_sample(judged),
        )
        return rescored(state, rows)


def heard(judged: pd.DataFrame, state: State, rng: np.random.Generator) -> tuple[pd.DataFrame, list[str]]:
    """The agent's first attempts that have somebody to read, and what they read."""
    rows = judged[plain(judged)]
    mine = own(rows, state)
    assert mine is not None
    half = mine.groupby("problem", sort=False).cumcount().to_numpy() % 2
    if state.agent.startswith(State.agent_prefix):
        other = (rows["agent"] != state.agent) & rows["agent"].str.startswith(State.agent_prefix)
        half, others = np.zeros(len(mine), int), {0: rows[other.fillna(False).to_numpy(bool)]}
    else:
        others = {0: mine[half == 1], 1: mine[half == 0]}
    says = {side: _commonest(table, rng) for side, table in others.items()}
    notes = [says[side].get(problem) for side, problem in zip(half.tolist(), mine["problem"], strict=True)]
    spoken = np.array([note is not None for note in notes], bool)
    return mine[spoken], [note for note in notes if note is not None]


def _commonest(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, str]:
    """By problem, one response with its commonest readable answer; ties and response at random."""
    rows = rows[rows["answer"].notna().to_numpy(bool)]
    rows = rows.iloc[rng.permutation(len(rows))]
    votes = rows.groupby(["problem", "answer"], sort=False)["response"].transform("size").to_numpy(int)
    best = rows.iloc[np.argsort(-votes, kind="stable")].drop_duplicates("problem")
    return dict(zip(best["problem"], best["response"], strict=True))
