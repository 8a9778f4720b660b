"""Controls say what their knobs declare, take what is valid, and lose nothing that is typed."""

import math
from dataclasses import dataclass

import ipywidgets as w
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.loop import Sizes
from siwork.policies import POLICIES, policy_kind
from siwork.recipes import COMPONENTS
from siwork.schema import Knobbed, KnobError, knob, knobs_of
from siwork.tasks import TASKS
from siwork_widgets.kit.controls import Knobs, control


@dataclass(frozen=True)
class Mill(Knobbed):
    """A component with one knob of each kind."""

    name = "mill"

    speed: float = knob(1.0, "Turns a second.", low=0.0, high=9.0, unit="1/s")
    heat: float = knob(1.0, "How hot.", low=0.01, high=100.0)
    grains: int = knob(16, "Grains at once.", low=1, high=4096, unit="grains")
    teeth: int = knob(5, "Teeth of the wheel.", low=2, high=40)
    seed: int = knob(0, "Which mill.", low=0, high=2**32 - 1)
    lift: float = knob(0.0, "Height, not bounded.")
    wind: str = knob("west", "Where it comes from.", choices=("west", "east"))
    note: str = knob("", "Whatever you like.")
    wet_stone: bool = knob(False, "Whether the stone is wet.")


FIELDS = {field.name: field for field in knobs_of(Mill)}
ALL = [*COMPONENTS.values(), *TASKS.values(), *map(policy_kind, POLICIES), Sizes, Mill]


def of(name, value=None):
    return control(FIELDS[name], value)


@pytest.mark.parametrize(
    ("name", "slider", "entry"),
    [
        ("speed", w.FloatSlider, w.Text),
        ("heat", w.FloatLogSlider, w.Text),
        ("grains", w.FloatLogSlider, w.Text),
        ("teeth", w.IntSlider, w.Text),
        ("seed", type(None), w.Text),
        ("lift", type(None), w.Text),
        ("wind", type(None), w.Dropdown),
        ("note", type(None), w.Text),
        ("wet_stone", type(None), w.Checkbox),
    ],
)
def test_the_declaration_decides_the_control(name, slider, entry):
    made = of(name)
    assert type(made.slider) is slider
    assert type(made.entry) is entry
    assert made.value == FIELDS[name].default
    assert {"sw-knob", f"sw-knob-{name}"} <= set(made._dom_classes)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_every_control_of_every_knob_is_named_and_explained(kind):
    made = Knobs(kind)
    assert made.make() == kind()
    for field in knobs_of(kind):
        each = made.controls[field.name]
        info = field.metadata["knob"]
        for inner in filter(None, (each.slider, each.entry)):
            assert inner.description.startswith(field.name.replace("_", " ")) or inner.tooltip.startswith(each.label)
        assert info.sentence in each.entry.tooltip
        assert info.range in each.help
        assert info.unit in each.label


def test_slider_and_field_follow_each_other():
    speed = of("speed")
    speed.slider.value = 2.5
    assert (speed.value, speed.entry.value) == (2.5, "2.5")
    speed.entry.value = "7"
    assert (speed.value, speed.slider.value) == (7.0, 7.0)
    speed.value = 0.123456
    assert (speed.entry.value, speed.slider.value) == ("0.123456", 0.123456)
    grains = of("grains")
    grains.slider.value = 100.4
    assert (grains.value, grains.entry.value) == (100, "100")
    grains.slider.value = grains.slider.base**grains.slider.max
    assert grains.value == 4096
    grains.slider.value = grains.slider.base**grains.slider.min
    assert grains.value == 1


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("speed", "12", "must be in 0 … 9, got 12.0; nearest: 9"),
        ("speed", "fast", "takes a number, 0 … 9, got 'fast'; its default is 1"),
        ("speed", "", "takes a number, 0 … 9, got ''; its default is 1"),
        ("speed", "nan", "must be a finite number, got nan"),
        ("lift", "inf", "must be a finite number, got inf"),
        ("teeth", "3.6", "takes a whole number, 2 … 40, got 3.6; nearest: 4"),
        ("teeth", "1e999", "takes a whole number, 2 … 40, got '1e999'; its default is 5"),
        ("teeth", "0", "must be in 2 … 40, got 0; nearest: 2"),
        ("seed", "99999999999999999999", "got 99999999999999999999; nearest: 4294967295"),
        ("note", "a\nb", "nearest: 'a b'"),
        ("speed", "<img src=x onerror=alert(1)>", "'<img src=x onerror=alert(1)>'"),
    ],
)
def test_what_cannot_be_stays_as_typed_and_is_explained(name, typed, said):
    made = of(name)
    before = made.value
    made.entry.value = typed
    assert made.value == before
    assert made.entry.value == typed
    assert said in made.fault
    shown = made.children[-1].value
    assert "sw-fault" in shown
    assert "<img" not in shown
    made.entry.value = str(before)
    assert made.fault == ""
    assert len(made.children) == 1


def test_a_whole_number_keeps_every_digit():
    seed = of("seed")
    for typed, value in (("4294967295", 4294967295), ("1e3", 1000), (" 7 ", 7), ("2.0", 2)):
        seed.entry.value = typed
        assert (seed.value, seed.fault) == (value, "")


def test_a_wrong_value_from_a_program_raises():
    with pytest.raises(KnobError, match="nearest: 9"):
        of("speed").value = 12.0
    with pytest.raises(KnobError, match="nearest: 'west'"):
        of("wind", "wesd")


def test_help_is_shown_on_demand():
    mill = Knobs(Mill)
    mill.explainer.value = True
    assert all(
        field.metadata["knob"].sentence in mill.controls[name].children[-1].value for name, field in FIELDS.items()
    )
    mill.explainer.value = False
    assert all(len(each.children) == 1 for each in mill.controls.values())


def test_knobs_make_the_object_and_tell_of_changes():
    told = []
    mill = Knobs(Mill, {"speed": 2.0}, on_change=lambda: told.append(mill.values["speed"]))
    assert told == []
    mill.controls["speed"].slider.value = 3
    assert told == [3.0]
    mill.set({"speed": 4, "wind": "east", "wet_stone": True})
    assert told == [3.0, 4.0]
    assert mill.make() == Mill(speed=4.0, wind="east", wet_stone=True)
    mill.controls["speed"].entry.value = "40"
    assert len(told) == 3
    with pytest.raises(KnobError, match=r"mill: 'speed' must be in 0 … 9, got 40\.0; nearest: 9"):
        mill.make()
    mill.set({"speed": 4.0})
    assert (mill.fault, mill.controls["speed"].entry.value) == ("", "4")
    with pytest.raises(KnobError, match="no knob 'sped'; nearest: 'speed'"):
        mill.set({"wind": "west", "sped": 3.0})
    assert mill.values["wind"] == "east"


@given(
    st.builds(
        Mill,
        speed=st.floats(0, 9),
        heat=st.floats(0.01, 100),
        grains=st.integers(1, 4096),
        teeth=st.integers(2, 40),
        seed=st.integers(0, 2**32 - 1),
        lift=st.floats(-1e9, 1e9),
        wind=st.sampled_from(["west", "east"]),
        note=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])),
        wet_stone=st.booleans(),
    )
)
def test_every_valid_object_goes_in_and_comes_out(mill):
    shown = _shared()
    shown.set({name: getattr(mill, name) for name in FIELDS})
    assert shown.make() == mill
    typed = Mill(**{name: shown.controls[name]._read(shown.controls[name].entry.value) for name in FIELDS})
    assert typed == mill


def _shared(made=[]):  # noqa: B006, one set of widgets for all examples
    made[:] = made or [Knobs(Mill)]
    return made[0]


@pytest.mark.parametrize(("name", "value"), [("grains", 64), ("heat", 0.37), ("speed", 0.123456)])
def test_the_step_next_to_a_value_that_was_set_is_no_move(name, value):
    made = of(name, value)
    log, low, step = isinstance(made.slider, w.FloatLogSlider), made.slider.min, made.slider.step
    drawn = low + step * round(((math.log10(value) if log else value) - low) / step)
    made.slider.value = 10**drawn if log else drawn  # what the page sends when it draws the slider
    assert made.value == value
    made.slider.value = 10 ** (drawn + step) if log else drawn + step
    assert made.value > value
