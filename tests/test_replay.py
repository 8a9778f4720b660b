"""Replay: the run's own selector gives the stored weights again; another one changes them and nothing else."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import siwork
from recipes_made import PLAYED
from siwork import replay
from siwork.loop import Sizes, resume, run
from siwork.recipes import COMPONENTS, Recipe
from siwork.schema import KnobError, RecipeError, SchemaError, Unfinished
from siwork.store import Run, Runs, Writer

SMALL = Sizes(train=20, heldout=6, beyond=4, samples=4)
TASK = "countdown(numbers=3)"
SET = ["weight", "pair", "side"]
OTHERS = [
    "seed(n=9) · cot(k=4, temperature=2.0) · vote · best(n=3) + pairs(n=2) · sft + pref",
    "cot(k=6) · noisy(0.3, 0.3) · weight(power=2.0) + balance(cap=2) · sft · mix(accumulate)",
]


def own(formula):
    """The selector slot of a recipe as a formula of its own."""
    return " + ".join(map(str, Recipe.read(formula).selector))


def played(folder, recipe, **more):
    return run(recipe, TASK, "tabular", **({"rounds": 2, "problems": SMALL, "seed": 3} | more), folder=folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    return {name: played(place / name, name) for name in ("vanilla", "balanced", "iterative-dpo", "unfiltered")}


def same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize("recipe", [*PLAYED, *OTHERS])
def test_the_own_selector_of_any_recipe_gives_the_stored_rows(tmp_path, recipe):
    made = played(tmp_path / "r", recipe)
    same(replay(made, own(recipe)), made.rows())
    same(replay(made.rows(), own(recipe), seed=3), made.rows())


def test_another_seed_breaks_ties_otherwise(runs):
    stored = runs["balanced"].rows()
    again = replay(runs["balanced"], own("balanced"), seed=4)
    assert not again["weight"].equals(stored["weight"])
    caps = again[again["weight"] > 0].groupby(["round", "problem"]).size()
    assert caps.max() <= 4


def test_a_threshold_of_seven_tenths(tmp_path):
    made = played(tmp_path / "lmsi", "lmsi")
    stored, again = made.rows(), replay(made, "correct(threshold=0.7)")
    train = stored["split"] == "train"
    assert again.loc[train, "weight"].tolist() == (stored.loc[train, "score"] >= 0.7).astype(float).tolist()
    assert 0 < again["weight"].sum() < stored["weight"].sum()
    same(again.drop(columns="weight"), stored.drop(columns="weight"))
    same(again[~train], stored[~train])
    told = siwork.measure(again, ["accepted_share"])
    assert set(told["round"]) == {0, 1}
    assert told["value"].notna().any()


def test_pairs_come_and_go(runs):
    with_pairs = replay(runs["vanilla"], "pairs(n=1)")
    counted = with_pairs.dropna(subset=["pair"]).groupby(["round", "pair"])
    assert (counted.size() == 2).all()
    assert counted["side"].agg(set).map(sorted).tolist() == [["chosen", "rejected"]] * counted.ngroups
    assert counted["problem"].nunique().eq(1).all()
    without = replay(runs["iterative-dpo"], "correct")
    assert without["pair"].isna().all()
    assert without["side"].isna().all()


def test_no_selector_keeps_every_train_row(runs):
    again = replay(runs["vanilla"], " ")
    assert again["weight"].tolist() == (again["split"] == "train").astype(float).tolist()


def test_what_a_stabiliser_adds_is_no_row(tmp_path):
    recipe = "seed · cot(k=4) · gold · correct + best(n=2) · sft · {}"
    for name in ("mix(real, share=0.5)", "mix(replay, share=0.5)", "mix(accumulate)", "reset"):
        made = played(tmp_path / name[4:7], recipe.format(name))
        assert (made.rows(split="train").groupby("round").size() == 80).all()
        same(replay(made, own(recipe.format(name))), made.rows())


def test_rounds_are_chosen_and_siblings_keep_their_own_seeds(runs, tmp_path):
    one = runs["balanced"]
    same(replay(one, own("balanced"), rounds=1), one.rows(rounds=1))
    table = replay(one.rows(), own("balanced"), rounds=[0, 2], seed=3)
    same(table.reset_index(drop=True), one.rows(rounds=[0, 2]))
    other = played(tmp_path / "other", "balanced", seed=8)
    both = Runs([one, other])
    same(replay(both, own("balanced")), both.rows())
    assert len(replay(both, "correct", rounds=1)) == len(both.rows(rounds=1))
    with pytest.raises(Unfinished, match="round 9"):
        replay(one, "correct", rounds=9)
    with pytest.raises(KnobError, match="the rows have no round 9; they have 0, 1, 2"):
        replay(one.rows(), "correct", rounds=9)


def test_a_fork_knows_the_seed_of_each_round(runs, tmp_path):
    made = resume(siwork.fork(runs["balanced"].folder, tmp_path / "f", 1, seed=11, rounds=3).folder)
    assert made.rounds()["seed"].tolist() == [3, 11, 11, 11]
    same(replay(made, own("balanced")), made.rows())


def test_closing_rounds_stay_even_with_train_rows(runs, tmp_path):
    source = runs["vanilla"]
    rows = source.rows(rounds=0).assign(run="closed")
    manifest = source.manifest | {"name": "closed", "rounds": 0}
    with Writer.create(tmp_path / "closed", manifest, source.problems()) as writer:
        writer.save_round(0, rows, {"policy": "x", "closing": True, "seconds": 1.0}, lambda place: None)
    made = Run(tmp_path / "closed")
    assert (made.rows(split="train")["weight"] == 0).any()
    same(replay(made, "weight(power=0.0)"), made.rows())


def test_an_empty_run_has_no_rows(tmp_path):
    made = siwork.loop.prepare("vanilla", TASK, "tabular", rounds=1, problems=SMALL, folder=tmp_path / "new")
    assert replay(made, "correct").empty


def test_tables_keep_their_index_and_other_types(runs):
    stored = runs["vanilla"].rows(rounds=[0, 1]).drop(columns=["pair", "side"])
    mine = stored.assign(note=object(), difficulty=stored["difficulty"].to_numpy(float)).set_index(
        pd.Index(np.arange(len(stored))[::-1] // 2)
    )
    again = replay(mine, "correct(threshold=1.0)")
    same(again[mine.columns], mine)
    assert again["pair"].isna().all()
    assert again["pair"].dtype == pd.ArrowDtype(pa.int64())
    assert mine.columns.tolist() == [*stored.columns, "note"]
    held = mine[mine["split"] == "heldout"]
    assert replay(held, "correct") is held


@settings(max_examples=30)
@given(st.data())
def test_any_table_gets_the_weights_of_its_rounds_alone(data):
    n = data.draw(st.integers(0, 30))
    column = lambda *values: [data.draw(st.sampled_from(values)) for _ in range(n)]  # noqa: E731
    rows = pd.DataFrame(
        {
            "run": pd.Series(column("a", "b"), dtype="str"),
            "round": pd.Series(column(0, 1), dtype=np.int64),
            "split": pd.Series(column("train", "heldout"), dtype="str"),
            "problem": pd.Series(column("p", "q"), dtype="str"),
            "answer": pd.Series(column("1", None), dtype="str"),
            "response": pd.Series(column("1", "x", ""), dtype="str"),
            "score": pd.Series(column(0.0, 0.4, 0.6, 1.0, np.nan), dtype=float),
            "weight": pd.Series(column(0.0, 0.5, 1.0), dtype=float),
        }
    )
    parts = [kind() for kind in COMPONENTS.values() if kind.slot == "selector"]
    chosen = data.draw(st.lists(st.sampled_from(parts), min_size=1, max_size=3, unique_by=lambda p: p.name))
    formula = " + ".join(map(str, chosen))
    again = replay(rows, formula, seed=5)
    same(again[rows.columns].drop(columns="weight"), rows.drop(columns="weight"))
    held = rows["split"] != "train"
    assert again.loc[held, "weight"].tolist() == rows.loc[held, "weight"].tolist()
    for _, part in rows[~held].groupby(["run", "round"]):
        alone = replay(part, formula, seed=5)
        same(alone[SET], again.loc[part.index, SET])
        assert (alone["weight"] >= 0).all()


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            "gold",
            RecipeError,
            "gold is of the verifier slot, where a selector is wanted; selectors: balance, best, correct",
        ),
        ("correct · sft", RecipeError, "sft is of the update slot, where a selector is wanted"),
        ("vanilla", RecipeError, "vanilla is a whole recipe, where a selector is wanted; selectors: balance"),
        ("corect", RecipeError, "no selector is called 'corect'; nearest: 'correct'"),
        ("correct · best", RecipeError, "the selector slot is written twice; join its components with +"),
        ("correct + correct", RecipeError, "stands twice"),
        ("correct(treshold=0.7)", KnobError, "correct has no knob 'treshold'; nearest: 'threshold'"),
        ("correct(threshold=7)", KnobError, "must be in 0 … 1, got 7"),
        ("correct(", RecipeError, "expected"),
        (0.7, RecipeError, "selectors are a formula such as 'correct(threshold=0.7)', got float"),
    ],
)
def test_a_wrong_selector_is_one_sentence(runs, text, kind, words):
    with pytest.raises(kind) as caught:
        replay(runs["vanilla"], text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(runs):
    rows = runs["vanilla"].rows(rounds=0)
    for column in ("run", "round", "split", "problem", "weight", "score"):
        with pytest.raises(SchemaError, match=f"rows lack column '{column}'"):
            replay(rows.drop(columns=column), "correct")
    for column in ("answer", "response"):
        with pytest.raises(SchemaError, match=f"rows lack column '{column}'"):
            replay(rows.drop(columns=column), "divsel", seed=0)
    assert len(replay(rows.drop(columns=["score", "answer"]), "balance", seed=0)) == len(rows)
    with pytest.raises(SchemaError, match=r"round 0 of 'unfiltered' has no scores for correct\(threshold=0.7\)"):
        replay(runs["unfiltered"], "balance + correct(threshold=0.7)")
    with pytest.raises(KnobError, match=r"balance leaves something to chance .* pass seed="):
        replay(rows, "correct + balance(cap=2)")
    for seed in (-1, 1.0, True):
        with pytest.raises(KnobError, match="seed must be a whole number ≥ 0"):
            replay(rows, "correct", seed=seed)
    for source in ("runs/first", [runs["vanilla"]], None):
        with pytest.raises(SchemaError, match=r"a row table or a run is needed, got .*; Run\(folder\) opens one"):
            replay(source, "correct")
