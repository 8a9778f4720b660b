"""Problems that the model writes itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.policies import Plan, Policy
from siwork.proposers.curric import solve_rates
from siwork.proposers.made import items_of, table_of
from siwork.schema import KnobError, knob
from siwork.slots import Component, Learned, State
from siwork.tasks import Task

_MADE = "made/"
_WORD = re.compile(r"[0-9]+|[^\W\d_]")
_PAGES, _LOOKED_AT = 256, 32  # pages drawn to teach by, and those among which a prompt finds its own
_BATCH = 64  # prompts in a teaching step
_LONGER = 15  # times that an unfinished prompt is continued


@dataclass(frozen=True)
class Selfgen(Component):
    """Problems of the round that a model wrote.

    A copy of the base policy is taught in `steps` steps to write the train prompts: as responses to an empty note `#>`, or
    with ground=doc to a page of the task, `#page>`, where each prompt is taught behind that one of 32 pages which holds the
    largest share of its numbers and letters. Then `n` prompts are sampled, with ground=doc each behind a fresh page, and
    read by the task: what is no problem, is held out, or was there before is dropped. Ids are `made/<round>/<number>`;
    nobody wrote a key.

    With mend=true a prompt without a solution is answered once by the policy of the round, and the problem that this answer
    does solve takes its place, as puzzles are made backwards. With learn=true the writer is also taught the problems that it
    made in earlier rounds, each by weight 4 p (1 − p), where p is the share of passing rows (score ≥ 1/2) when it was tried;
    a train prompt weighs 1. It is taught afresh each round.

    Source: "SPICE", section 3, whose challenger is rewarded by the variance of the answers to its problem. Departs from it in: the
    writer is taught by likelihood, apart from the solver, and the task's own reader keeps or drops a problem.
    """

    slot = "proposer"
    name = "selfgen"
    sentence = "Problems that the model writes itself, from nothing or from a page."
    source = "SPICE: Self-Play In Corpus Environments Improves Reasoning"
    departs = (
        "the writer is taught apart from the solver, by likelihood; the task's own reader keeps or drops a problem"
    )

    ground: str = knob("nothing", "What a problem is written from.", choices=("nothing", "doc"), shown=True)
    n: int = knob(64, "Prompts that are written each round.", low=1, high=100_000, unit="problems")
    steps: int = knob(
        100,
        "Steps in which the writer is taught each round; many more make it repeat the train problems.",
        low=1,
        high=100_000,
        unit="steps",
    )
    rate: float = knob(10.0, "Its learning rate as a share of the policy's own.", low=0.0, high=1000.0)
    temperature: float = knob(1.0, "Sampling temperature of the writer.", low=0.05, high=5.0)
    fill: bool = knob(False, "Whether train problems stand in for prompts that were dropped.")
    mend: bool = knob(
        False, "Whether a prompt without a solution becomes the problem that the policy's answer to it does solve."
    )
    learn: bool = knob(False, "Whether problems solved about half the time are taught to later writers.")

    @property
    def asks(self) -> tuple[str, ...]:
        """Anybody's prompts read as problems, pages, and what an answer does solve."""
        return ("item", *(("page",) if self.ground == "doc" else ()), *(("relabel",) if self.mend else ()))

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """To write any text, also one longer than a response."""
        return ("continued",)

    def propose(self, state: State, problems: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """At most n problems (PROBLEMS) that were not there before; with fill=true exactly as many as can be had.

        Raises KnobError for a policy that writes responses only, a task that cannot read prompts, and no problems to teach by.
        """
        self._check(state, problems)
        writer = state.base.copy()
        writer.train(self._lessons(state, problems, rng))
        pages = self._pages(state.task, self.n, rng)
        told = written_by(writer, [state.task.with_text("", page) for page in pages], self.temperature, rng)
        told = self._mended(state, told, rng) if self.mend else told
        there = set(problems["prompt"])
        items = items_of(state.task, [prompt for prompt in told if prompt is not None and prompt not in there])
        made = table_of(state.task, items, [f"{_MADE}{state.round}/{i}" for i in range(len(items))])
        if not self.fill:
            return made
        few = np.sort(rng.choice(len(problems), min(self.n - len(made), len(problems)), replace=False))
        return pd.concat([made, problems.iloc[few]], ignore_index=True)

    def _mended(self, state: State, told: list[str | None], rng: np.random.Generator) -> list[str | None]:
        """The prompts, those without a solution exchanged for what the policy's one answer to each does solve."""
        place = [i for i, text in enumerate(told) if text and state.task.item(text) is None]
        asked = [str(told[i]) for i in place]
        streams = rng.integers(0, 2**64, size=(len(place), 1), dtype=np.uint64)
        said = pa.array(state.policy.sample(asked, 1, streams=streams).response, pa.string()).to_pylist()
        mended = dict(zip(place, map(state.task.relabel, asked, said), strict=True))
        return [mended.get(i, text) for i, text in enumerate(told)]

    def _check(self, state: State, problems: pd.DataFrame) -> None:
        if not hasattr(state.base, "continued"):
            raise KnobError(
                f"selfgen needs a policy that writes any text, and {state.base.name!r} writes responses only; take tiny or hf"
            )
        if problems.empty:
            raise KnobError("selfgen is taught by the train problems, got none; give at least one")

    def _lessons(self, state: State, problems: pd.DataFrame, rng: np.random.Generator) -> Plan:
        prompts, weight = problems["prompt"].tolist(), np.ones(len(problems))
        if self.learn and self.name in state.learned:
            made = state.learned[self.name].rows
            p = made["rate"].to_numpy(float)
            prompts, weight = prompts + made["prompt"].tolist(), np.r_[weight, 4 * p * (1 - p)]
        pages = self._pages(state.task, _PAGES, rng)
        asked = [state.task.with_text("", page) for page in paired(prompts, pages, rng)]
        batches = [rng.choice(len(prompts), _BATCH, p=weight / weight.sum()) for _ in range(self.steps)]
        done = np.ones(len(prompts), bool)
        return Plan(
            asked, prompts, done, batches, lambda logp, index: np.full(len(index), 1 / len(index)), self.rate, True
        )

    def _pages(self, task: Task, n: int, rng: np.random.Generator) -> list[str]:
        return [task.page(rng) if self.ground == "doc" else "" for _ in range(n)]

    def remember(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> State:
        """The state with the solve rates of the problems that were made in this round (learn=true)."""
        if not self.learn:
            return state
        own = rows[rows["problem"].str.startswith(_MADE).to_numpy(bool)]
        prompt = own.drop_duplicates("problem").set_index("problem")["prompt"]
        rates = solve_rates(own)
        fresh = rates.assign(prompt=prompt.loc[rates["problem"].tolist()].array)[["prompt", "rate"]]
        fresh = fresh.astype({"prompt": "string[pyarrow]", "rate": "double[pyarrow]"})
        earlier = state.learned.get(self.name)
        kept = fresh if earlier is None else pd.concat([earlier.rows, fresh], ignore_index=True)
        kept = kept.drop_duplicates("prompt", keep="last").reset_index(drop=True)
        return state.having(learned={**state.learned, self.name: Learned(kept, {})})


def written_by(policy: Policy, asked: Sequence[str], temperature: float, rng: np.random.Generator) -> list[str | None]:
    """What a policy writes behind each of n prompts, continued where it is longer than a response; None where it finds no end."""
    streams = rng.integers(0, 2**64, size=(len(asked), 1, _LONGER + 1), dtype=np.uint64)
    out = policy.sample(asked, 1, temperature=temperature, streams=streams[..., 0])
    said, done = pa.array(out.response, pa.string()).to_pylist(), np.array(out.finished, bool)
    for turn in range(1, _LONGER + 1):
        place = np.flatnonzero(~done).tolist()
        if not place:
            break
        ask, begun = ([texts[i] for i in place] for texts in (asked, said))
        more = policy.continued(ask, begun, 1, temperature=temperature, streams=streams[place, :, turn])  # type: ignore[attr-defined]
        for i, text in zip(place, pa.array(more.response, pa.string()).to_pylist(), strict=True):
            said[i] = text
        done[place] = more.finished
    return [text if ended else None for text, ended in zip(said, done, strict=True)]


def paired(prompts: Sequence[str], pages: Sequence[str], rng: np.random.Generator) -> list[str]:
    """For each prompt the page, of some drawn at random, that holds the largest share of its numbers and letters."""
    words = [Counter(_WORD.findall(page)) for page in pages]
    found = []
    for prompt in prompts:
        own = Counter(_WORD.findall(prompt))
        some = rng.choice(len(pages), min(_LOOKED_AT, len(pages)), replace=False)
        found.append(pages[max(some.tolist(), key=lambda i: (own & words[i]).total())])
    return found
