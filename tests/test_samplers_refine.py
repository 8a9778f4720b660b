"""Second attempts: who gets one, what stands in the prompt, and what training sees of it."""

import numpy as np
import pandas as pd
import pytest

from samplers_made import by_gold, drawn, scored, started, valid
from siwork.samplers import Cot, Refine
from siwork.samplers.refine import sound
from siwork.schema import KnobError
from siwork.updates import texts_of


@pytest.fixture(scope="module")
def first():
    state, problems = started()
    return state, problems, by_gold(state, drawn(Cot(k=4), state, problems))


def both(judged, rows):
    return pd.concat([judged, rows], ignore_index=True)


def test_attempts_that_failed_are_answered_again(first):
    state, problems, judged = first
    rows = drawn(Refine(k=2), state, problems, judged)
    failed = judged[judged["score"] < 0.5]
    assert len(rows) == 2 * len(failed) > 0
    wanted = np.repeat(failed[["problem", "sample"]].to_numpy(), 2, axis=0)
    assert (rows[["problem", "parent"]].to_numpy() == wanted).all()
    assert set(rows["turn"]) == {1}
    assert set(rows["hint"]) == {"attempt"}
    assert rows["prompt"].isin(problems["prompt"]).all()
    assert rows["sample"].min() == 4
    valid(scored(both(judged, rows), np.ones(len(judged) + len(rows))))


def test_all_attempts_are_answered_where_wanted(first):
    state, problems, judged = first
    assert len(drawn(Refine(on="all"), state, problems, judged)) == len(judged)


def test_each_turn_answers_the_one_before(first):
    state, problems, judged = first
    part = Refine(on="all", turns=2)
    assert part.passes == 2
    second = scored(drawn(part, state, problems, judged), np.zeros(len(judged)))
    third = drawn(part, state, problems, both(judged, second), seed=1)
    assert set(third["turn"]) == {2}
    assert third["parent"].tolist() == second["sample"].tolist()


def test_the_attempt_stands_in_the_prompt(first):
    state, problems, judged = first
    rows = drawn(Refine(on="all"), state, problems, judged)
    asked = [f"{p}#{r}>" for p, r in zip(judged["prompt"], judged["response"], strict=True)]
    logp = state.policy.logp(asked, rows["response"].tolist(), rows["finished"].to_numpy(bool))
    assert rows["logp"].to_numpy() == pytest.approx(logp)


def test_training_keeps_the_attempt_or_drops_it(first):
    state, problems, judged = first
    kept = drawn(Refine(on="all", keep=True), state, problems, judged)
    asked = [f"{p}#{r}>" for p, r in zip(judged["prompt"], judged["response"], strict=True)]
    assert texts_of(both(judged, kept))[0].to_pylist() == judged["prompt"].tolist() + asked
    dropped = drawn(Refine(on="all"), state, problems, judged)
    assert texts_of(dropped)[0].to_pylist() == judged["prompt"].tolist()


def test_a_transformer_is_trained_with_the_attempt_in_view():
    from siwork.recipes import Recipe

    state, problems = started("tiny", "countdown", 6)
    rows, after = Recipe.read("seed · cot(k=3) + refine(keep=true) · gold · sft(steps=2)").play(
        state, problems, np.random.default_rng(0)
    )
    assert rows["asked"].notna().sum() == (rows["turn"] == 1).sum() > 0
    assert after.policy.fingerprint() != state.policy.fingerprint()


def test_another_agents_attempts_are_left_to_it(first):
    state, problems, judged = first
    mixed = judged.assign(agent=pd.array(["agent-0", "agent-1"] * (len(judged) // 2), dtype="string[pyarrow]"))
    rows = drawn(Refine(on="all"), state.having(agent="agent-1"), problems, mixed)
    assert len(rows) == len(judged) // 2
    assert set(rows["parent"]) == {1, 3}


def test_the_sound_beginning_is_what_the_critic_lets_stand():
    pieces = ("1+2=3;", "3+3=7;", "7+1=8;", "8")
    assert [len(sound(pieces, s / 3)) for s in range(4)] == [0, 1, 2, 4]
    assert [len(sound(pieces[:3], s / 3)) for s in range(4)] == [0, 1, 2, 3]
    assert sound(pieces, np.nan) == ()


def test_only_the_sound_beginning_is_shown():
    state, problems = started(task="expr", n=4)
    judged = by_gold(state, drawn(Cot(k=2), state, problems))
    judged = judged.assign(score_critic=pd.array([0.5] * len(judged), dtype="double[pyarrow]"))
    rows = drawn(Refine(on="all", show="sound", keep=True), state, problems, judged)
    for asked, prompt, said in zip(rows["asked"], judged["prompt"], judged["response"], strict=True):
        pieces = state.task.pieces(said)
        assert asked == f"{prompt}#{''.join(pieces[: len(pieces) // 2])}>"
    assert Refine(show="sound").asks == ("pieces",)


def test_what_is_lacking_is_said(first):
    state, problems, judged = first
    with pytest.raises(KnobError, match="refine needs attempts before it; write cot"):
        drawn(Refine(), state, problems)
    unscored = scored(judged, np.full(len(judged), np.nan), "none")
    with pytest.raises(KnobError, match=r"refine\(on=fail\) needs scored rows"):
        drawn(Refine(), state, problems, unscored)
    with pytest.raises(KnobError, match=r"refine\(show=sound\) needs a critic"):
        drawn(Refine(on="all", show="sound"), state, problems, judged)


def test_where_nothing_failed_nothing_is_added(first):
    state, problems, judged = first
    rows = drawn(Refine(keep=True), state, problems, scored(judged, np.ones(len(judged))))
    assert rows.empty
    assert both(judged, rows)[judged.columns].dtypes.equals(judged.dtypes)
