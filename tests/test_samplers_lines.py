"""Rounds of every sampler and proposer: rows that hold, luck that comes back, and no look at the truth."""

import pandas as pd
import pytest

import siwork
from samplers_made import Permuted, rounds, started

LINES = [
    "seed · cot(k=4) + roles(debate) · vote · correct · sft(steps=3)",
    "seed · cot(k=2) + roles(teacher, k=2) · vote · correct · sft(steps=3)",
    "seed · cot(k=2) + memory(k=2, n=2) · vote · correct · sft(steps=3)",
    "seed · cot(k=3) + mutate(n=2) · vote(count=majority) · sft(steps=3)",
    "seed · explore(pool, k=3) · vote · correct · sft(steps=3)",
    "vary(paraphrase, both=true) · cot(k=2) + explore(pool, k=2, n=1) · vote(count=majority) · sft(steps=3)",
    "seed · explore(forget, k=4) · vote · pg(steps=3)",
    "vary(paraphrase, share=0.5) · cot(k=3) · vote · sft(steps=3) · reset",
    "vary(paraphrase, both=true) · cot(k=3) + refine(on=all) · vote · sft(steps=3) · reset",
    "vary(hindsight, n=2) · cot(k=3) · conf(kind=sequence) · sft(steps=3) · reset",
    "curric(start=0.5, n=4) · cot(k=3) · vote · sft(steps=3)",
    "curric(frontier, low=0.4) · cot(k=3) · vote · correct · sft(steps=3)",
    "seed · cot(k=3) + refine · conf(kind=sequence) · sft(steps=3)",
    "seed · cot(k=3) + refine(on=all, turns=2) · vote · sft(steps=3)",
]
WRITERS = [
    "selfgen(doc, n=12, steps=20, learn=true, fill=true) · cot(k=3) · vote · sft(steps=2)",
    "seed · cot(k=4) + roles(debate) · vote · correct · sft(steps=2)",
    "seed · cot(k=2) + memory(k=1) + mutate(n=1, on=all) · vote · correct · sft(steps=2)",
    "seed · search(k=3, beam=1) · vote · sft(steps=2)",
    "seed · explore(forget, k=4) · vote · pg(steps=2)",
    "seed · cot(k=3) + refine(keep=true) · vote · sft(steps=2)",
]
ROUNDS = {"tabular": 3, "tiny": 2}
ALL = [(line, "tabular") for line in LINES] + [(line, "tiny") for line in WRITERS]


def fresh(policy, task=None):
    state, problems = started(policy, "countdown(numbers=3)" if policy == "tabular" else "countdown", 8)
    return (state if task is None else state.having(task=task(state.task))), problems


@pytest.mark.parametrize(("line", "policy"), ALL)
def test_a_resumed_round_is_the_same_round(line, policy, tmp_path):
    whole, end = rounds(line, *fresh(policy), ROUNDS[policy])
    parts, other_end = rounds(line, *fresh(policy), ROUNDS[policy], tmp_path)
    pd.testing.assert_frame_equal(whole, parts)
    assert end.policy.fingerprint() == other_end.policy.fingerprint()


@pytest.mark.parametrize(("line", "policy"), ALL)
def test_no_truth_is_read(line, policy):
    rows, end = rounds(line, *fresh(policy), 2)
    dealt, other_end = rounds(line, *fresh(policy, Permuted), 2)
    pd.testing.assert_frame_equal(rows, dealt)
    assert end.policy.fingerprint() == other_end.policy.fingerprint()


@pytest.mark.parametrize("line", LINES)
def test_a_population_plays(line):
    state, problems = fresh("tabular")
    other = state.policy.copy()
    other.weights.skill += 1.0
    rows, after = rounds(line, state.having(members=(other,)), problems, 2)
    drawn = rows[rows["hint"].isin(["none", "attempt", "debate", "forget"])]
    assert drawn.groupby("agent").size().index.tolist() == ["agent-0", "agent-1"]
    assert len(after.agents) == 2


def test_only_attempts_made_anew_count_as_revisions(tmp_path):
    line = "seed · cot(k=4) + search(k=2, levels=2) + mutate(n=1) · exec(corrector=1.0) · correct · sft(steps=2)"
    sizes = siwork.Sizes(train=10, heldout=4, beyond=0, samples=4)
    made = siwork.run(line, "expr", "tiny", rounds=1, problems=sizes, folder=tmp_path / "r")
    assert {"search", "mutation", "repair"} <= set(made.rows()["hint"])
    gain = siwork.measure(made, metrics=["revision_gain"])
    assert gain["value"].isna().all()
    other = line.replace("mutate(n=1)", "refine(on=all)")
    revised = siwork.run(other, "expr", "tiny", rounds=1, problems=sizes, folder=tmp_path / "s")
    rows = revised.rows()
    first = rows[(rows["turn"] == 0) & (rows["round"] == 0)].set_index(["problem", "sample"])["gold"]
    after = rows[(rows["turn"] == 1) & (rows["round"] == 0)]
    before = [first[key] for key in zip(after["problem"], after["parent"], strict=True)]
    change = after["gold"].to_numpy(float) - [float(right) for right in before]
    table = siwork.measure(revised, metrics=["revision_gain"])
    assert table.loc[(table["split"] == "train") & (table["round"] == 0), "value"].iloc[0] == pytest.approx(
        change.mean()
    )
