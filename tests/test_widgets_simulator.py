"""The simulator: its numbers are the engine's, whatever the sliders say is a picture or one sentence."""

import ast
import dataclasses
import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile import PAYLOADS
from siwork.metrics import over_seeds
from siwork.recipes import Recipe
from siwork.schema import BANDS, KnobError, knobs_of
from siwork.simulation import PRESETS, World, simulate
from siwork.simulation.play import play
from siwork.simulation.typical import typical
from siwork_widgets.kit.packing import unpack
from siwork_widgets.kit.sketch import Curve, Sketch, fitted
from siwork_widgets.simulator import simulator as module
from siwork_widgets.simulator.pictures import QUESTIONS, View
from siwork_widgets.simulator.simulator import Simulator
from siwork_widgets.simulator.words import told
from siwork_widgets.simulator.worlds import Frame, behind, code, groups, idle, laws, recipe_code

SMALL = {"problems": 45, "rounds": 3, "k": 4}


@pytest.fixture
def panel():
    """A simulator of a world that takes no time."""
    shown = Simulator("ladder")
    shown.seeds.value = 1
    for name, value in SMALL.items():
        shown.knobs[name].value = value
    return shown


def words(panel, question):
    return html.unescape(panel.said[question].value)


def traces(panel, question):
    """What is drawn, as plotly checks it."""
    return go.Figure(unpack(panel.figures[question].shown["spec"])).data


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────
def test_one_seed_shows_the_table_of_that_seed(panel):
    table = simulate(panel.world, 0)
    mine = table[(table["metric"] == "pass@1") & (table["split"] == "heldout")]
    drawn = next(t for t in traces(panel, "Performance") if t.hovertext and "(pass@1)" in t.hovertext[0])
    assert np.allclose(drawn.y, mine["value"].to_numpy(float))
    assert f"n = {mine['n'].iloc[0]} problems" in drawn.hovertext[0]
    assert drawn.customdata[1] == {"round": 1, "metric": "pass@1", "split": "heldout"}


def test_several_seeds_are_pooled_as_over_seeds_pools_them():
    world = World(**SMALL)
    tables = [simulate(world, seed) for seed in range(3)]
    frame = Frame.of(world, tables)
    pooled = over_seeds(pd.concat([table.drop(columns="truth") for table in tables], ignore_index=True))
    for metric, split in (("pass@1", "heldout"), ("tail_coverage", "train"), ("kl_to_base", "heldout")):
        line = frame.line(metric, split)
        mine = pooled[(pooled["metric"] == metric) & (pooled["split"] == split)].sort_values("round")
        for name in ("value", "low", "high"):
            assert getattr(line, name) == pytest.approx(mine[name].to_numpy(float, na_value=np.nan), nan_ok=True)
        assert set(line.n) == {3}
        first, last = (
            [float(t[(t["metric"] == metric) & (t["split"] == split)]["value"].iloc[i]) for t in tables]
            for i in (0, -1)
        )
        assert frame.change(metric, split)[0] == pytest.approx(np.mean(np.subtract(last, first)))


def test_two_seeds_show_their_range():
    world = World(**SMALL)
    line = Frame.of(world, [simulate(world, 0), simulate(world, 1)]).line("pass@1", "heldout")
    values = [Frame.of(world, [simulate(world, s)]).line("pass@1", "heldout").value for s in (0, 1)]
    assert np.allclose(line.low, np.minimum(*values))
    assert np.allclose(line.high, np.maximum(*values))


def test_the_truth_is_drawn_beside_the_estimate(panel):
    table = simulate(panel.world, 0)
    mine = table[(table["metric"] == "pass@1") & (table["split"] == "heldout")]["truth"].to_numpy(float)
    assert any(
        t.line.dash == "dash" and np.allclose(t.y, mine)
        for t in traces(panel, "Performance")
        if t.type == "scatter" and len(t.y) == len(mine)
    )
    panel.truth.value = False
    assert not any(t.line.dash == "dash" for t in traces(panel, "Performance"))


def test_a_law_is_drawn_where_it_holds_and_its_failing_assumption_said_elsewhere(panel):
    assert "No law of drift here: sft is no refit" in panel.figures["Diversity"].shown["note"]
    panel.preset.value = "pure drift"
    dotted = [t for t in traces(panel, "Diversity") if t.type == "scatter" and t.line.dash == "dot"]
    assert len(dotted) == 1
    assert "law: drift" in dotted[0].hovertext[0]
    assert "No law" not in panel.figures["Diversity"].shown["note"]
    assert "problems trained on" in panel.figures["Performance"].shown["note"]
    panel.theory.value = False
    assert not [t for t in traces(panel, "Diversity") if t.type == "scatter" and t.line.dash == "dot"]
    panel.theory.value = True
    panel.preset.value = "best-of-n"
    assert [t for t in traces(panel, "Collapse") if t.type == "scatter" and t.line.dash == "dot"]


def test_sentences_claim_only_what_seeds_allow():
    world = PRESETS["vanilla"].world
    said = told(Frame.of(world, [simulate(world, seed) for seed in range(5)]))
    assert "rose from" in said["Performance"]
    assert "over 5 seeds" in said["Performance"]
    assert "reach is paid for accuracy" in said["Performance"]
    one = told(Frame.of(world, [simulate(world, 0)]))
    assert "rose" not in one["Performance"]
    assert "→" in one["Performance"]
    assert "[" in one["Performance"]


def test_nobody_scores():
    world = PRESETS["unfiltered"].world
    assert told(Frame.of(world, [simulate(world, 0)]))["Verifier"].startswith("Nobody scores")


def test_typical_problems_are_those_of_the_trace():
    world = World(**SMALL)
    table = typical(world, 0, 1, "train", band=2, most=99)
    trace = play(world, 0)
    own = np.flatnonzero(trace.ground.band[: world.train] == 2)
    assert sorted(int(name.split("/")[1]) for name in table["problem"]) == own.tolist()
    assert table["accepted"].sum() == trace.kept[1][:, own].sum()
    assert table["right"].sum() == trace.counts[1][: world.right, own].sum()
    assert (table["draws"] == world.k).all()
    assert table["difficulty"].is_monotonic_decreasing
    assert typical(world, 0, 3, "heldout")["accepted"].isna().all()
    for wrong in ({"r": 3, "split": "train"}, {"r": 0, "split": "beyond"}, {"r": 0, "band": 7}):
        with pytest.raises(KnobError):
            typical(world, 0, **wrong)


# ── the panel ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_opens(preset):
    shown = Simulator(preset)
    assert shown.fault.text == ""
    assert shown.world == PRESETS[preset].world
    assert shown.formula.text == shown.world.formula
    assert html.escape(PRESETS[preset].sentence) in shown.about.value
    for question in QUESTIONS:
        assert traces(shown, question)
        assert shown.figures[question].shown["label"] == words(shown, question)[3:-4]


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(KnobError, match="vanilla"):
        Simulator("vanila")


def test_a_slider_changes_everything_at_once(panel):
    before = {question: panel.figures[question].shown for question in QUESTIONS}
    panel.knobs["fp"].slider.value = 0.4
    assert panel.world.fp == 0.4
    assert "noisy(0.4, 0.1)" in panel.formula.text
    assert "World(problems=45, rounds=3, k=4, fp=0.4)" in panel.code.text
    assert "Changed from" in panel.about.value
    assert all(panel.figures[question].shown is not before[question] for question in QUESTIONS)


def test_seeds_come_in_one_by_one(panel, monkeypatch):
    monkeypatch.setattr(module, "_REST", 0.0)
    panel.seeds.value = 4
    seen = []
    while panel.clock.seconds:
        panel.clock.tick()
        assert panel.clock.error is None
        seen.append(panel.progress.text)
    assert len(seen) == 3
    assert "range of seeds" in seen[0]
    assert seen[-1] == "4 seeds: intervals over seeds"
    assert "over 4 seeds" in words(panel, "Performance")
    panel.seeds.value = 2
    assert panel.progress.text == "2 seeds: range of seeds"
    panel.knobs["fp"].value = 0.3
    assert panel.progress.text.startswith("1 of 2 seeds")


def test_while_a_slider_moves_no_further_seed_is_played(panel, monkeypatch):
    monkeypatch.setattr(module, "_REST", 1000.0)
    panel.seeds.value = 3
    panel.clock.tick()
    assert panel.progress.text.startswith("1 of 3")
    assert panel.clock.seconds > 0


def test_what_cannot_be_is_a_sentence_and_the_picture_stays(panel):
    shown, formula = panel.figures["Tail"].shown, panel.formula.text
    panel.knobs["verifier"].value = "none"
    assert "selection=correct needs scores" in panel.fault.text
    assert panel.fault.layout.display is None
    assert panel.figures["Tail"].shown is shown
    assert panel.formula.text == formula
    panel.knobs["selection"].value = "all"
    assert panel.fault.text == ""
    assert panel.fault.layout.display == "none"
    assert panel.world.verifier == "none"


def test_what_is_typed_and_cannot_be_is_a_sentence(panel):
    panel.knobs["fp"].entry.value = "<img src=x onerror=alert(1)>"
    assert "fp" in panel.fault.text or "number" in panel.fault.text
    panel.knobs["fp"].entry.value = "0.25"
    assert panel.fault.text == ""
    assert panel.world.fp == 0.25


def test_knobs_that_change_nothing_are_greyed_out(panel):
    assert panel.knobs["calibration"].slider.disabled
    assert not panel.knobs["fp"].slider.disabled
    panel.knobs["verifier"].value = "graded"
    assert not panel.knobs["calibration"].slider.disabled
    panel.knobs["update"].value = "refit"
    assert panel.knobs["strength"].slider.disabled


def test_a_click_shows_what_is_behind_the_point(panel):
    bars = [t for t in panel.figures["Tail"].shown["spec"]["data"] if t["type"] == "bar"]
    point = bars[1]["customdata"][2]
    panel.figures["Tail"]._heard(None, {"open": point}, [])
    assert point == {"round": 2, "metric": "accepted_share", "split": "train", "band": 1}
    assert {row[2] for row in panel.table.rows} == {"1"}
    assert "Seed 0, round 2, train" in panel.table.note
    assert panel.below["Tail"].children == (panel.table,)
    panel.knobs["rounds"].value = 1  # the round is no more
    assert "round must be in 0 … 0" in panel.table.note
    panel.figures["Performance"]._heard(None, {"open": {"round": 1, "metric": "pass@1", "split": "heldout"}}, [])
    assert panel.below["Tail"].children == ()
    assert {row[6] for row in panel.table.rows} == {"–"}


@pytest.mark.parametrize(
    "point", [{}, {"round": "1"}, {"round": 1, "split": 3}, {"round": 0, "split": "train", "band": "x"}]
)
def test_a_point_that_means_nothing_is_a_sentence(point):
    rows, note = behind(World(**SMALL), point)
    assert rows == []
    assert note


def test_the_recursion_follows_its_knobs(panel):
    panel.fits["n"].value, panel.fits["rounds"].value = 10, 5
    figure = go.Figure(unpack(panel.recursion.shown["spec"]))
    expected = next(t for t in figure.data if t.name == "expected")
    assert expected.y.tolist() == pytest.approx([0.9**t for t in range(6)])
    panel.fits["data"].value = "accumulate"
    assert "data=accumulate" in panel.recursion.shown["label"]


def test_the_page_holds_what_is_shown(panel, tmp_path):
    panel.look_behind({"round": 0, "split": "train", "band": 0}, "Tail")
    page = panel.export(tmp_path / "world.html").read_text()
    assert "siwork simulator: ladder" in page
    assert "cot(k=4)" in page
    assert "simulate(World(problems=45, rounds=3, k=4), seed=0)" in page
    assert "exact solve rate" in page
    assert page.count('data-widget="') >= 10
    for src in ('src="http', "<link", "import("):
        assert src not in page.split("</script>")[0][:5000]


def test_a_panel_is_named_for_tests_and_readers(panel):
    assert {"sw-panel", "sw-simulator"} <= set(panel._dom_classes)
    for name, each in panel.knobs.items():
        assert f"sw-knob-{name}" in each._dom_classes
    assert all(figure.shown["label"] for figure in panel.figures.values())


# ── pure parts ─────────────────────────────────────────────────────────────────────────────────────────
def test_every_knob_has_a_place():
    placed = [name for names in groups().values() for name in names]
    assert sorted(placed) == sorted(spot.name for spot in knobs_of(World))
    assert "Further" not in groups()


@pytest.mark.parametrize(
    ("verifier", "selection", "update"),
    [("noisy", "best", "sft"), ("vote", "correct", "sft"), ("none", "all", "refit")],
)
def test_idle_knobs_change_nothing(verifier, selection, update):
    world = World(**SMALL, verifier=verifier, selection=selection, update=update)
    first = simulate(world, 0).drop(columns="method")
    other = {"fp": 0.3, "fn": 0.3, "link": "difficulty", "calibration": 2.0, "threshold": 0.9, "best": 3}
    other |= {"strength": 50.0, "steps": 2, "sharing": 0.9}
    for name in idle(dataclasses.asdict(world)) & set(other):
        again = simulate(dataclasses.replace(world, **{name: other[name]}), 0).drop(columns="method")
        assert again.equals(first), name


def test_the_code_makes_the_same_world():
    world = World(fp=0.2, verifier="graded", rounds=4, repeats="drop")
    called = ast.parse(code(world), mode="eval").body.args[0]
    assert World(**{each.arg: ast.literal_eval(each.value) for each in called.keywords}) == world


def test_a_recipe_is_offered_where_one_corresponds():
    text = recipe_code(World(fp=0.2))
    assert str(Recipe.read(text.split('"')[1])) == text.split('"')[1]
    assert "No recipe corresponds" in recipe_code(World(verifier="graded"))
    assert "No recipe corresponds" in recipe_code(PRESETS["pure drift"].world)


def test_laws_are_those_of_theory():
    found = {law.law: law for law in laws(PRESETS["pure drift"].world)}
    assert len(found["drift"].value) == PRESETS["pure drift"].world.rounds
    assert found["accumulated drift"].why


def test_a_line_without_any_interval_is_a_line():
    sketch, none = Sketch(1), np.full(3, np.nan)
    sketch.line(0, Curve("a", np.arange(3.0), np.array([1.0, np.nan, 2.0]), none, none, ["", "", ""]))
    assert len(sketch.data) == 1
    assert fitted([], least=0.0) == pytest.approx([-0.05, 0.05])
    go.Figure(sketch.spec())


@pytest.mark.parametrize("text", [text for text in PAYLOADS.values() if len(text) < 1000])
def test_hostile_text_is_shown_as_text(text):
    sketch = Sketch(1)
    sketch.unknown(0, text)
    sketch.names(0, [Curve(text, np.arange(1.0), np.ones(1), np.ones(1), np.ones(1), [""])], 1.0)
    for note in sketch.spec()["layout"]["annotations"]:
        assert "<script" not in note["text"]
        assert "<img" not in note["text"]
        assert "<a " not in note["text"]


# ── any world ──────────────────────────────────────────────────────────────────────────────────────────
def value_of(spot):
    """Any value that the control of a knob can have, ends included."""
    info = spot.metadata["knob"]
    if info.choices:
        return st.sampled_from(info.choices)
    few = {"problems": 60, "rounds": 6, "k": 8, "base": 3}
    high = few.get(spot.name, info.high)
    kind = st.integers(int(info.low), int(high)) if isinstance(spot.default, int) else st.floats(info.low, high)
    return st.one_of(
        st.just(spot.default), st.sampled_from([type(spot.default)(info.low), type(spot.default)(high)]), kind
    )


@settings(max_examples=60)
@given(
    values=st.fixed_dictionaries({spot.name: value_of(spot) for spot in knobs_of(World)}),
    truth=st.booleans(),
    seeds=st.integers(1, 3),
)
def test_any_world_is_drawn_or_refused(values, truth, seeds):
    try:
        world = World(**values)
    except KnobError:
        return
    frame = Frame.of(world, [simulate(world, seed) for seed in range(seeds)])
    said = told(frame)
    for question, draw in QUESTIONS.items():
        spec = draw(frame, View(truth, laws(world))).spec()
        assert spec["data"], question
        assert said[question].endswith(".")
        assert "nan" not in said[question]
    assert behind(world, {"round": 0, "split": "train", "band": BANDS[-1]})[0]


@settings(max_examples=8)
@given(values=st.fixed_dictionaries({spot.name: value_of(spot) for spot in knobs_of(World)}))
def test_any_move_of_the_sliders_ends_in_a_picture_or_a_sentence(values):
    shown = Simulator("unfiltered")
    shown.seeds.value = 1
    for name in (*SMALL, *values):
        shown.knobs[name].value = SMALL.get(name, values[name])
    kept = {name: each.value for name, each in shown.knobs.items()}
    assert (shown.fault.text == "") == (shown.world == _made(kept))


def _made(values):
    try:
        return World(**values)
    except KnobError:
        return None
