"""Problems that the model writes: real ones, new ones, none held out, and played like all others."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

import siwork
from samplers_made import drawn, scored, started
from siwork.loop import Sizes, run
from siwork.proposers import Selfgen
from siwork.proposers.selfgen import paired, written_by
from siwork.samplers import Cot
from siwork.schema import KnobError
from siwork.tasks.base import is_held_out


@pytest.fixture(scope="module")
def first():
    return started("tiny", "countdown", 60)


@pytest.fixture(scope="module")
def made(first):
    return proposed(Selfgen(n=60, steps=50), *first)


def proposed(part, state, problems, seed=0):
    return part.propose(state, problems, np.random.default_rng(seed))


def test_the_model_writes_new_problems_of_the_task(first, made):
    state, problems = first
    assert len(made) > 8
    siwork.check(made, table="problems")
    assert made["problem"].tolist() == [f"made/0/{i}" for i in range(len(made))]
    assert not set(made["prompt"]) & set(problems["prompt"])
    assert made["prompt"].is_unique
    assert not any(map(is_held_out, made["prompt"]))
    items = [state.task.item(prompt) for prompt in made["prompt"]]
    assert made["difficulty"].tolist() == state.task.difficulty(np.array([item.hardness for item in items])).tolist()
    assert made["answer"].isna().all()


def test_the_policies_stay_as_they_were(first):
    state, problems = first
    before = state.base.fingerprint()
    proposed(Selfgen(n=4, steps=2), state, problems)
    assert state.base.fingerprint() == before


def test_train_problems_stand_in_where_wanted(first):
    state, problems = first
    found = proposed(Selfgen(n=10, steps=1, rate=0.0, fill=True), state, problems)  # untaught it writes no problem
    assert len(found) == 10
    assert found["problem"].str.startswith("train/").all()
    assert found["problem"].is_unique
    assert proposed(Selfgen(n=10, steps=1, rate=0.0), state, problems).empty


def test_a_page_is_paired_with_what_it_holds():
    pages = ["1 2 3", "4 5 6", "44 45"]
    assert paired(["4 6=24:", "1 3=3:"], pages, np.random.default_rng(0)) == ["4 5 6", "1 2 3"]


def test_a_page_grounds_what_is_written(first):
    state, problems = first
    rng = np.random.default_rng(1)
    writer = state.base.copy()
    writer.train(Selfgen("doc", steps=30)._lessons(state, problems, rng))
    pages = [state.task.page(rng) for _ in range(40)]
    told = written_by(writer, [f"#{page}>" for page in pages], 1.0, rng)
    words = [Counter((text or "").partition("=")[0].split()) for text in told]

    def share(sheets):
        found = [
            (own & Counter(page.split())).total() / max(own.total(), 1) for own, page in zip(words, sheets, strict=True)
        ]
        return np.mean(found)

    assert share(pages) > share(pages[1:] + pages[:1])


def test_long_prompts_are_written_to_their_end():
    state, problems = started("tiny", "add", 40)
    short = state.base.copy()
    short.max_new = 4
    short.train(Selfgen(steps=40)._lessons(state, problems, np.random.default_rng(0)))
    told = written_by(short, ["#>"] * 30, 1.0, np.random.default_rng(0))
    assert max(len(text or "") for text in told) > 4


def test_puzzles_without_a_solution_are_made_backwards():
    state, problems = started("tiny", "dsl", 20)
    good = problems["prompt"].tolist()
    odd = [prompt.rpartition(":")[0] + ":000000=" for prompt in good]
    assert not any(state.task.item(prompt) for prompt in odd)
    told = [None, good[0], *odd]
    found = Selfgen(mend=True)._mended(state, told, np.random.default_rng(0))
    assert found[:2] == [None, good[0]]
    mended = [(old, new) for old, new in zip(odd, found[2:], strict=True) if new is not None]
    assert len(mended) > 10
    for old, new in mended:
        assert state.task.item(new) is not None
        assert [pair.split(":")[0] for pair in new.split(";")] == [pair.split(":")[0] for pair in old.split(";")]
    assert Selfgen(mend=True).asks == ("item", "relabel")


def test_problems_that_are_solved_half_the_time_are_taught_again(first, made):
    state, problems = first
    part = Selfgen(learn=True, steps=30)
    rows = drawn(Cot(k=4), state, pd.concat([made.iloc[:3], problems.iloc[:1]]))
    judged = scored(rows, [1, 1, 0, 0] + [1] * 4 + [0] * 3 + [1] + [1, 0, 1, 0])
    known = part.remember(state, judged, None)
    assert known.learned["selfgen"].rows["prompt"].tolist() == made["prompt"].tolist()[:3]
    assert known.learned["selfgen"].rows["rate"].tolist() == [0.5, 1.0, 0.25]
    plan = part._lessons(known, problems.iloc[:2], np.random.default_rng(0))
    taught = Counter(plan.response[i] for batch in plan.batches for i in batch)
    weights = dict(zip([*problems["prompt"][:2], *made["prompt"][:3]], [1, 1, 1, 0, 0.75], strict=True))
    total = 64 * 30
    assert {prompt: round(taught[prompt] / total, 1) for prompt in weights} == {
        prompt: round(weight / 3.75, 1) for prompt, weight in weights.items()
    }
    assert Selfgen().remember(state, judged, None) is state


def test_a_run_plays_with_them_and_is_measured(tmp_path):
    sizes = Sizes(train=40, heldout=4, beyond=0, samples=2)
    line = "selfgen(n=24, steps=40, learn=true) + curric(start=1.0) · cot(k=2) · gold · correct · sft(steps=2)"
    played = run(line, "countdown", "tiny", rounds=2, problems=sizes, folder=tmp_path / "made")
    rows = siwork.check(played.rows())
    train = rows[rows["split"] == "train"]
    assert train["problem"].str.startswith("made/").all()
    assert set(train["round"]) == {0, 1}
    table = siwork.measure(played)
    assert set(table["split"]) >= {"train", "heldout"}
    assert siwork.report([played], tmp_path / "page.html").stat().st_size > 10_000


def test_a_policy_that_writes_responses_only_says_so():
    state, problems = started()
    with pytest.raises(
        KnobError, match="selfgen needs a policy that writes any text, and 'tabular' writes responses only"
    ):
        proposed(Selfgen(), state, problems)
    writer, table = started("tiny", "countdown", 4)
    with pytest.raises(KnobError, match="taught by the train problems, got none"):
        proposed(Selfgen(), writer, table.iloc[:0])
    assert (Selfgen().asks, Selfgen("doc").asks, Selfgen().asks_policy) == (("item",), ("item", "page"), ("continued",))
