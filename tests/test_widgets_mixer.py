"""The mixer makes every recipe there can be, and says what is wrong with those that cannot."""

from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.cli.catalogue import card_of
from siwork.measured import in_short
from siwork.recipes import COMPONENTS, RECIPES, Recipe
from siwork.schema import KnobError, RecipeError, SiworkError, format_call, knobs_of
from siwork.slots import SLOTS
from siwork_widgets.launch.mixer import Mixer

made = Mixer()


@pytest.fixture
def mixer():
    made._on_change = None
    made.set("vanilla")
    return made


def knob_of(mixer, slot, part, name):
    return mixer.slots[slot].parts[part].knobs.controls[name]


def add(mixer, slot, name):
    mixer.slots[slot].choice.value = name
    mixer.slots[slot].add.click()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_of_the_catalogue_goes_in_and_comes_out(mixer, name):
    mixer.set(name)
    assert mixer.recipe == Recipe.read(name)
    assert mixer.formula == str(Recipe.read(name))
    assert {slot: tuple(each.make()) for slot, each in mixer.slots.items()} == mixer.recipe.slots
    assert mixer.catalogue.value == name
    shown = unescape(mixer._facts.value)
    for told in (RECIPES[name].source, RECIPES[name].expects, RECIPES[name].departs, RECIPES[name].task):
        assert told in shown
    assert f"Changed here: {in_short(card_of(name))}." in shown
    assert ("label-free" in mixer._facts.value) == mixer.recipe.label_free


def values(field):
    info = field.metadata["knob"]
    if info.choices:
        return st.sampled_from(info.choices)
    if isinstance(field.default, bool):
        return st.booleans()
    if isinstance(field.default, int):
        return st.integers(int(info.low or 0), int(min(info.high or 10**9, 10**9)))
    if isinstance(field.default, float):
        return st.floats(info.low, info.high)
    return st.text(st.characters(codec="utf-8", exclude_characters='"\n'), max_size=12)


MEANT = {  # texts that mean something to their component
    "by": st.sampled_from(["self", "base", "tiny", "hf(model, lora=8)"]),
    "template": st.sampled_from(["", "{response}|{other}?", "{prompt} {other}\n{response}\\ yes?"]),
    "yes": st.sampled_from([" yes", "y", "A \\"]),
    "no": st.sampled_from([" no", "n", "B"]),
}


def component(kind):
    drawn = {spot.name: MEANT.get(spot.name, values(spot)) | st.just(spot.default) for spot in knobs_of(kind)}
    return st.fixed_dictionaries(drawn).map(lambda given: made_of(kind, given)).filter(lambda part: part is not None)


def made_of(kind, given):
    """The component, or None where its knobs do not go together."""
    try:
        return kind(**given)
    except KnobError:
        return None


@st.composite
def formulas(draw):
    slots = []
    for slot in SLOTS:
        kinds = [kind for kind in COMPONENTS.values() if kind.slot == slot]
        chosen = draw(st.lists(st.sampled_from(kinds), unique=True, max_size=3))
        if chosen:
            slots.append(" + ".join(format_call(draw(component(kind))) for kind in chosen))
    return " · ".join(slots)


def read(formula):
    try:
        return Recipe.read(formula), ""
    except SiworkError as error:
        return None, str(error)


@settings(max_examples=150, deadline=None)
@given(formulas())
def test_a_formula_goes_in_and_comes_out_or_is_refused_as_the_recipe_is(formula):
    recipe, fault = read(formula)
    made.set(formula)
    assert (made.formula, made.fault) == (formula, fault)
    if fault:
        return
    assert str(made.recipe) == formula
    assert made.recipe == recipe
    made._mixed()  # from the controls
    assert made.formula == formula


def test_every_control_changes_the_formula(mixer):
    told = []
    mixer._on_change = lambda: told.append(mixer.formula)
    knob_of(mixer, "sampler", "cot", "k").entry.value = "32"
    knob_of(mixer, "selector", "correct", "threshold").slider.value = 0.7
    assert told == ["seed · cot(k=32) · gold · correct · sft", "seed · cot(k=32) · gold · correct(threshold=0.7) · sft"]
    assert mixer.catalogue.value == ""
    add(mixer, "selector", "balance")
    add(mixer, "stabiliser", "mix")
    assert mixer.formula == "seed · cot(k=32) · gold · correct(threshold=0.7) + balance · sft · mix(real)"
    mixer.slots["selector"].parts["correct"].remove.click()
    assert mixer.formula == "seed · cot(k=32) · gold · balance · sft · mix(real)"
    assert mixer.fault == ""
    assert len(told) == 5


def test_choosing_a_recipe_fills_the_slots(mixer):
    told = []
    mixer._on_change = lambda: told.append(mixer.formula)
    mixer.catalogue.value = "star"
    assert list(mixer.slots["sampler"].parts) == ["cot", "hint"]
    assert mixer.formula == RECIPES["star"].formula
    assert told == [mixer.formula]


@pytest.mark.parametrize(
    ("typed", "kind", "said"),
    [
        ("vanila", RecipeError, "nearest: 'vanilla'"),
        ("seed · cott · sft", RecipeError, "nearest: 'cot'"),
        ("seed · cot(temp=2) · sft", KnobError, "nearest: 'temperature'"),
        ("seed · cot(temperature=9) · sft", KnobError, "nearest: 5"),
        ("seed · cot · pg", RecipeError, "no verifier; add gold or vote"),
        ("sft · cot", RecipeError, "the order is proposer · sampler"),
        ("", RecipeError, "got nothing"),
        ("seed · <img src=x onerror=alert(1)>", RecipeError, "<img src"),
    ],
)
def test_what_cannot_be_read_stays_as_typed_and_is_explained(mixer, typed, kind, said):
    mixer.line.value = typed
    assert mixer.formula == mixer.line.value == typed
    assert said in mixer.fault
    assert "<img" not in mixer._said.value
    with pytest.raises(kind) as caught:
        mixer.recipe  # noqa: B018
    assert str(caught.value) == mixer.fault
    assert list(mixer.slots["sampler"].parts) == ["cot"]
    mixer.line.value = " rlvr "
    assert (mixer.formula, mixer.fault, mixer._said.value) == ("seed · cot · gold · pg", "", "")


def test_parts_that_do_not_go_together_are_explained_until_they_do(mixer):
    mixer.slots["verifier"].parts["gold"].remove.click()
    assert mixer.formula == "seed · cot · correct · sft"
    assert "has no verifier; add gold or vote" in mixer.fault
    add(mixer, "verifier", "vote")
    assert mixer.fault == ""
    assert mixer.recipe.label_free
    mixer.slots["sampler"].parts["cot"].remove.click()
    assert "needs a sampler" in mixer.fault


def test_a_value_that_cannot_be_is_a_fault_of_the_recipe(mixer):
    k = knob_of(mixer, "sampler", "cot", "k")
    k.entry.value = "0"
    assert "nearest: 1" in mixer.fault
    with pytest.raises(KnobError, match="nearest: 1"):
        mixer.recipe  # noqa: B018
    k.entry.value = "1"
    assert (mixer.fault, mixer.formula) == ("", "seed · cot(k=1) · gold · correct · sft")


def test_a_component_put_back_begins_with_its_defaults(mixer):
    k = knob_of(mixer, "sampler", "cot", "k")
    k.entry.value = "many"
    mixer.slots["sampler"].parts["cot"].remove.click()
    add(mixer, "sampler", "cot")
    assert (mixer.formula, mixer.fault, k.entry.value) == (RECIPES["vanilla"].formula, "", "16")


def test_each_slot_offers_what_it_does_not_hold(mixer):
    for name, slot in mixer.slots.items():
        known = {kind.name for kind in COMPONENTS.values() if kind.slot == name}
        assert {value for _, value in slot.choice.options if value} == known - set(slot.parts)
    assert mixer.slots["proposer"].add.disabled
    add(mixer, "proposer", "")
    assert list(mixer.slots["proposer"].parts) == ["seed"]
