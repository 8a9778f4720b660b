"""Formulas both ways, the catalogue, and what a formula may not say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.recipes import COMPONENTS, RECIPES, Recipe
from siwork.schema import KnobError, RecipeError, knobs_of
from siwork.slots import SLOTS


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_reads_back_from_its_formula(name):
    recipe = Recipe.read(name)
    assert Recipe.read(str(recipe)) == recipe
    assert RECIPES[name].source
    assert RECIPES[name].sentence.endswith(".")


def test_label_free_recipes_are_those_that_read_no_truth():
    assert {name for name in RECIPES if Recipe.read(name).label_free} == {
        "unfiltered",
        "srt",
        "lmsi",
        "rlsc",
        "self-rewarding",
    }


@pytest.mark.parametrize("part", COMPONENTS.values(), ids=lambda p: p.name)
def test_every_component_is_documented(part):
    assert part.slot in SLOTS
    assert part.sentence.endswith(".")
    assert part.source
    assert all(spot.metadata["knob"].sentence.endswith(".") for spot in knobs_of(part))


def test_both_marks_and_names_of_knobs_are_read():
    assert Recipe.read("seed | cot(k=8) | gold") == Recipe.read("seed · cot(8) · gold")
    assert str(Recipe.read("cot · noisy(0.2, fn=0.3, link=difficulty)")) == "cot · noisy(0.2, 0.3, link=difficulty)"


def parts_of(slot):
    pool = [p() for p in COMPONENTS.values() if p.slot == slot]
    return st.lists(st.sampled_from(pool), unique_by=lambda p: p.name, max_size=2).map(tuple)


@given(st.builds(Recipe, **{slot: parts_of(slot) for slot in SLOTS}))
def test_any_sound_composition_prints_and_reads_back(recipe):
    try:
        recipe._check()
    except RecipeError:
        return
    assert Recipe.read(str(recipe)) == recipe


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("strar", RecipeError, "no recipe or component is called 'strar'; nearest: 'star'"),
        ("seed · coot", RecipeError, "no component is called 'coot'; nearest: 'cot'"),
        ("seed · sft · cot", RecipeError, "cot is a sampler and stands too late; the order is proposer · sampler"),
        ("cot + cot", RecipeError, "component 'cot' stands twice in the sampler slot"),
        ("cot · cot", RecipeError, "the sampler slot is written twice; join its components with +"),
        ("cot + gold", RecipeError, "cot is a sampler and gold a verifier; put · between slots"),
        ("seed · sft", RecipeError, "a recipe needs a sampler"),
        ("cot · correct", RecipeError, "correct needs scores"),
        ("cot · gold · pref", RecipeError, "pref trains on pairs"),
        ("cot(kk=2)", KnobError, "cot has no knob 'kk'; nearest: 'k'"),
        ("cot(k=0)", KnobError, "knob 'k' must be in 1 … 4096, got 0; nearest: 1"),
        ("cot(k=many)", KnobError, "knob 'k' takes int, got 'many'"),
        ("cot · vote(count=most)", KnobError, "must be one of share, majority, got 'most'"),
    ],
)
def test_a_wrong_formula_is_one_sentence(text, kind, words):
    with pytest.raises(kind) as caught:
        Recipe.read(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
