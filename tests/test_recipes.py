"""Formulas both ways, the catalogue, and what a formula may not say."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from siwork.recipes import COMPONENTS, RECIPES, Recipe
from siwork.recipes.fits import _OF_POLICY, _OF_TASK
from siwork.schema import KnobError, RecipeError, knobs_of
from siwork.slots import SLOTS
from siwork.tasks import TASKS


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_reads_back_from_its_formula(name):
    recipe = Recipe.read(name)
    assert Recipe.read(str(recipe)) == recipe
    assert RECIPES[name].source
    assert RECIPES[name].sentence.endswith(".")


LABEL_FREE = """
    unfiltered srt lmsi self-verified length-curriculum osft self-rewarding restrain rlsc rlsf multiagent scpo iwsi corrected-loop
    neon co-reward rlccf shared-judge sharpening self-made codeit knowrl tt-si
"""


def test_label_free_recipes_are_those_that_read_no_truth():
    assert {name for name in RECIPES if Recipe.read(name).label_free} == set(LABEL_FREE.split())


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
        ("cot · gold · pref", RecipeError, "pref goes by pairs"),
        ("cot · gold · weight(by=margin) · sft", RecipeError, "weight(by=margin) goes by pairs"),
        ("cot · gold · weight(by=margin) + pairs · sft", RecipeError, "put pairs before it, or take by=score"),
        ("cot · gold · pairs + weight(by=margin) · pref", RecipeError, "take pref(weighted=true) or sft"),
        ("cot · gold · sft · anchor(past)", RecipeError, "anchor(past) goes by pairs"),
        ("cot · gold · splice(cut) · sft", RecipeError, "splice(cut) cuts at the first wrong step, and"),
        ("cot · critic · splice(cut) · sft", RecipeError, "has no verifier after the first that names it"),
        (
            "cot · gold + critic · splice(cut, by=score) · sft",
            RecipeError,
            "has no verifier as the first that names it",
        ),
        ("cot + refine(show=sound) · gold · sft", RecipeError, "write gold + critic, or show=whole"),
        (
            "roles(debate) + cot · vote · sft",
            RecipeError,
            "roles(debate) goes by earlier attempts, and stands first in",
        ),
        ("refine · gold · sft", RecipeError, "refine goes by earlier attempts, and stands first in"),
        ("mutate · gold · sft", RecipeError, "put cot or explore before it"),
        ("hint(on=fail) + cot · gold · sft", RecipeError, "hint(answer, on=fail) goes by earlier attempts"),
        ("cot + hint(on=fail) · sft", RecipeError, "hint(answer, on=fail) needs scores"),
        ("cot + refine · sft", RecipeError, "refine needs scores"),
        ("cot + mutate · sft", RecipeError, "mutate needs scores"),
        ("search · sft", RecipeError, "search needs scores"),
        ("explore(pool) · sft", RecipeError, "explore(pool) needs scores"),
        ("cot · sft · gate", RecipeError, "gate needs scores"),
        ("cot · gold · sft + vfit", RecipeError, "vfit fits verifiers that learn"),
        ("cot · orm · correct · sft", RecipeError, "orm learns where the update slot says so"),
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


@pytest.mark.parametrize(
    ("formula", "task", "policy", "words"),
    [
        (
            "cot + hint(answer) · gold · sft",
            "grammar",
            "tabular",
            "hint(answer) asks the task for hints, and grammar has none",
        ),
        ("cot + hint(anser) · gold · sft", "countdown", "tabular", "no hint 'anser'; nearest: 'answer'"),
        (
            "cot · vote · correct · sft",
            "grammar",
            "tabular",
            "vote asks the task for answers that two completions may share",
        ),
        (
            "cot · orm(on=policy) · sft + vfit",
            "countdown",
            "tabular",
            "needs a policy that shows its hidden states, and tabular",
        ),
        ("cot · judge · correct · sft", "countdown", "tiny", "needs a policy that reads any text"),
        ("cot · gold · splice(join) · sft", "countdown", "tiny", "splice(join) writes ';' into responses, and tiny on"),
        (
            "cot · gold · splice(join, sign=x) · sft",
            "expr",
            "tiny",
            "'x' into responses, and tiny on expr has no token",
        ),
        ("cot · gold · splice(cut) · sft", "expr", "tabular", "cuts at the first wrong step"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_runs(tmp_path, formula, task, policy, words):
    with pytest.raises((RecipeError, KnobError)) as caught:
        siwork.run(formula, task, policy, rounds=1, problems=8, folder=tmp_path / "run")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_sentence_names_two_that_would_do():
    with pytest.raises(RecipeError) as caught:
        Recipe.read("cot + hint · gold · sft").see_fit(siwork.task("grammar"))
    named = re.search(r"take the task (\w+) or (\w+), or (\w+)", str(caught.value))
    for task in named.groups()[:2]:
        Recipe.read("cot + hint · gold · sft").see_fit(siwork.task(task))
    Recipe.read(f"{named.group(3)} · gold · sft").see_fit(siwork.task("grammar"))


def test_a_joint_is_refused_where_no_token_is_one_and_what_is_advised_would_do():
    recipe, countdown = Recipe.read("cot · gold · splice(join) · sft"), siwork.task("countdown")
    with pytest.raises(RecipeError) as caught:
        recipe.see_fit(countdown, siwork.policy("tiny", countdown))
    named = re.search(r"take the task (\w+) or (\w+), or the policy (\w+) or", str(caught.value))
    for name in named.groups()[:2]:
        task = siwork.task(name)
        recipe.see_fit(task, siwork.policy("tiny", task))
    recipe.see_fit(countdown, siwork.policy(named.group(3), countdown))
    bare = Recipe.read('cot · gold · splice(join, mark="") · sft')
    bare.see_fit(countdown, siwork.policy("tiny", countdown))


@pytest.mark.parametrize(
    "formula",
    [
        "cot · gold · pairs + weight(by=margin) · sft",
        "cot · gold · pairs + weight(by=margin) · pref(weighted=true)",
        "cot · gold · pairs + weight(by=margin) · pref + sft",
        "cot · gold · pairs + weight(by=margin) · nofit",
        "cot · gold · weight(by=score) · sft",
        "cot · gold · weight(by=entropy) · sft",
        "cot · gold · pairs · pref · anchor(past)",
        "cot · gold · sft · anchor(nll)",
        "cot · gold + critic · splice(cut) · sft",
        "cot · critic · splice(cut, by=score) · sft",
        "cot + refine(show=sound) · gold + critic · sft",
        "cot + refine(on=all) · sft",
        "explore + roles(debate) · vote · sft",
        "search(levels=1) · sft",
        "cot + hint(on=fail) · gold · sft",
        "hint · gold · sft",
    ],
)
def test_what_a_refusal_advises_is_a_recipe(formula):
    assert Recipe.read(str(Recipe.read(formula))) == Recipe.read(formula)


def variants(kind):
    """A component with each of its choices, as far as they may stand alone."""
    yield kind()
    for spot in knobs_of(kind):
        for choice in spot.metadata["knob"].choices:
            with suppress(KnobError):
                yield kind(**{spot.name: choice})


@pytest.mark.parametrize("kind", COMPONENTS.values(), ids=lambda kind: kind.name)
def test_whatever_a_component_asks_can_be_said_and_had(kind):
    offered = set.union(*(set(getattr(task, "offered", frozenset)()) for task in TASKS.values()))
    for part in variants(kind):
        assert set(part.asks) <= offered & set(_OF_TASK), part
        assert set(part.asks_policy) <= set(_OF_POLICY), part
