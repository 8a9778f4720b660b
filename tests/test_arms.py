"""Arms of an experiment differ in what they should differ in, and in nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.arms import ablations, alternatives, behind_noise, by_seed, exchanged, file_name, noise_grid
from siwork.loop import Sizes
from siwork.recipes import COMPONENTS, RECIPES, Recipe
from siwork.schema import KnobError, RecipeError, RunError, SiworkError
from siwork.slots import SLOTS
from siwork.store import Run

SMALL = Sizes(train=8, heldout=6, beyond=0, samples=4)
SETTING = {"task": "countdown(numbers=3)", "policy": "tabular", "rounds": 1, "problems": SMALL}
PARTS = st.sampled_from(
    ["correct", "best(n=4)", "none", 'judge(by="hf(a, \\"b,)\\")")', "mix(real, share=0.2) + reset"]
)


@given(st.lists(PARTS, min_size=1, max_size=5))
def test_a_line_of_alternatives_is_split_where_it_was_joined(parts):
    assert alternatives(", ".join(parts)) == parts


@pytest.mark.parametrize("text", ["", "a,,b", "a,", " , a"])
def test_an_empty_alternative_is_refused(text):
    with pytest.raises(KnobError, match="write none to leave the slot out"):
        alternatives(text)


@pytest.mark.parametrize("name", RECIPES)
def test_exchanged_recipes_differ_in_the_slot_alone_and_read_back(name):
    recipe = Recipe.read(name)
    for slot in SLOTS:
        kinds = [kind.name for kind in COMPONENTS.values() if kind.slot == slot]
        for other in kinds:
            try:
                arms = exchanged(name, slot, [other])
            except SiworkError:
                continue  # as it has that already, or the parts do not go together
            assert arms[0].recipe == recipe
            assert [part.name for part in arms[1].recipe.slots[slot]] == [other]
            assert {s: p for s, p in arms[1].recipe.slots.items() if s != slot} == {
                s: p for s, p in recipe.slots.items() if s != slot
            }
            assert Recipe.read(str(arms[1].recipe)) == arms[1].recipe


def test_what_the_recipe_has_already_is_not_played_twice():
    arms = exchanged("vanilla", "selector", ["correct", "best(n=4)", "best(4)", "correct + balance", "none"])
    assert [arm.name for arm in arms] == ["correct", "best(n=4)", "correct + balance", "none"]
    assert str(arms[3].recipe) == "seed · cot · gold · sft"


def test_an_empty_slot_is_named_none():
    assert [arm.name for arm in exchanged("vanilla", "stabiliser", ["reset"])] == ["none", "reset"]


@pytest.mark.parametrize(
    ("slot", "others", "kind", "words"),
    [
        ("selectr", ["best"], KnobError, "nearest: 'selector'"),
        ("selector", ["gold"], RecipeError, "gold is of the verifier slot, where a selector is wanted"),
        ("selector", ["vanilla"], RecipeError, "vanilla is a whole recipe"),
        ("selector", ["bast"], RecipeError, "no selector is called 'bast'; nearest: 'best'"),
        ("selector", ["best(n=0)"], KnobError, "must be in ≥ 1"),
        ("selector", ["best(m=1)"], KnobError, "best has no knob 'm'"),
        ("selector", ["best · sft"], RecipeError, "join components with \\+, not ·"),
        ("selector", ["best("], RecipeError, "expected"),
        ("selector", ["best + best"], RecipeError, "stands twice"),
        ("verifier", ["none"], RecipeError, "with none: correct needs scores"),
        ("sampler", ["none"], RecipeError, "a recipe needs a sampler"),
        ("update", ["pref"], RecipeError, "pref goes by pairs"),
        ("selector", ["correct"], KnobError, "must differ from what the recipe has, got correct"),
        ("selector", [], KnobError, "got none at all"),
    ],
)
def test_a_wrong_exchange_is_one_sentence_and_writes_nothing(tmp_path, slot, others, kind, words):
    with pytest.raises(kind, match=words) as caught:
        ablations("vanilla", slot, others, folder=tmp_path / "runs", **SETTING)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_arms_have_all_in_common_but_the_recipe(tmp_path):
    found = ablations("vanilla", "selector", ["best(n=4)"], seeds=[3, 5], folder=tmp_path, **SETTING)
    assert list(found) == ["correct", "best(n=4)"]
    base = "vanilla-countdown"
    assert [place.name for place in found["correct"]] == [f"{base}-s3", f"{base}-s5"]
    assert [place.name for place in found["best(n=4)"]] == [f"{base}-selector-best-n-4-s{s}" for s in (3, 5)]
    for ours, theirs in zip(*found.values(), strict=True):
        one, two = Run(ours), Run(theirs)
        assert one.problems().equals(two.problems())
        kept = ("task", "policy", "seed", "rounds", "problems")
        assert {key: one.manifest[key] for key in kept} == {key: two.manifest[key] for key in kept}
        assert (one.recipe, two.recipe) == ("seed · cot · gold · correct · sft", "seed · cot · gold · best(n=4) · sft")
    assert [Run(place).seed for place in by_seed(found)] == [3, 3, 5, 5]


def test_seeds_have_problems_of_their_own(tmp_path):
    found = ablations("vanilla", "selector", ["best"], seeds=[0, 1], folder=tmp_path, **SETTING)["correct"]
    first, second = (set(Run(place).problems()["prompt"]) for place in found)
    assert first != second


def test_what_is_there_is_kept_and_what_is_another_run_is_refused(tmp_path):
    first = ablations("vanilla", "selector", ["best"], seeds=[0], folder=tmp_path, **SETTING)
    made = (first["best"][0] / "run.json").stat().st_mtime_ns
    again = ablations("vanilla", "selector", ["best", "none"], seeds=[0], folder=tmp_path, **SETTING)
    assert again["best"] == first["best"]
    assert (first["best"][0] / "run.json").stat().st_mtime_ns == made
    with pytest.raises(RunError, match="holds another run: rounds"):
        ablations("vanilla", "selector", ["best"], seeds=[0], folder=tmp_path, **SETTING | {"rounds": 2})


def test_an_arm_needs_a_seed(tmp_path):
    with pytest.raises(KnobError, match="at least one seed"):
        ablations("vanilla", "selector", ["best"], seeds=[], folder=tmp_path, **SETTING)


def test_a_grid_has_a_recipe_for_every_pair_of_rates(tmp_path):
    found = noise_grid([0, 0.4], seeds=[0], link="difficulty", folder=tmp_path, **SETTING)
    assert list(found) == [(0.0, 0.0), (0.0, 0.4), (0.4, 0.0), (0.4, 0.4)]
    assert Run(found[0.0, 0.4][0]).recipe == "seed · cot · noisy(0.0, 0.4, link=difficulty) · correct · sft"
    assert found[0.4, 0.0][0].name == "ladder-countdown-difficulty-fp0.4-fn0-s0"


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["flat", "difficulty"]))
def test_only_the_rates_are_exchanged(fp, fn, link):
    own = "seed · cot(k=3) · noisy(0.1, 0.1) + vote · correct · sft · reset"
    recipe = behind_noise(own, fp, fn, link)
    first = recipe.verifier[0]
    assert (first.fp, first.fn, first.link) == (fp, fn, link)
    assert behind_noise(recipe, 0.1, 0.1) == Recipe.read(own)


@pytest.mark.parametrize(
    ("rates", "more", "words"),
    [
        ([], {}, "got none"),
        ([0, 1.5], {}, "must be in 0 … 1, got 1.5"),
        ([0], {"link": "flt"}, "nearest: 'flat'"),
        ([0], {"recipe": "vanilla"}, "whose first verifier is noisy, got gold"),
        ([0], {"recipe": "unfiltered"}, "whose first verifier is noisy, got no verifier"),
    ],
)
def test_a_wrong_grid_is_one_sentence_and_writes_nothing(tmp_path, rates, more, words):
    with pytest.raises((KnobError, RecipeError), match=words):
        noise_grid(rates, folder=tmp_path / "runs", **SETTING | more)
    assert not (tmp_path / "runs").exists()


@given(st.text(max_size=90), st.text(max_size=90))
def test_names_of_files_are_plain_and_those_of_unlike_texts_differ(one, two):
    name = file_name(one)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert len(name) <= 60
    assert file_name(one) == name
    marks = "(),=+ _-"
    if one.translate({ord(c): "-" for c in marks}).replace("-", "") != two.translate(
        {ord(c): "-" for c in marks}
    ).replace("-", ""):
        assert file_name(two) != name
