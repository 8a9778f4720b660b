"""The simulator as somebody plays with it: sliders, presets, switches, worlds that cannot be, seeds, points, a file."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from driving import DRAWN, click_point
from labserver import ask
from siwork.simulation import PRESETS

ONE = "from siwork_widgets import Simulator\nsimulator = Simulator()\nsimulator.seeds.value = 1\nsimulator"
PLOT = ".sw-sim-performance .sw-plot"
DATA = f"JSON.stringify(document.querySelector('{PLOT}').data.map(trace => Array.from(trace.y ?? [])))"
CHANGED = f"before => {DATA} !== before"
DASHED = f"document.querySelector('{PLOT}').data.filter(trace => trace.line?.dash === 'dash').length"
HEARD = """() => { window.heard = []; const place = document.querySelector('.sw-sim-progress pre');
  new MutationObserver(() => heard.push(parseInt(place.textContent))).observe(place, {childList: true, subtree: true}); }"""


def drawn(page):
    """Wait for the first figure; what it shows."""
    page.locator(f".sw-sim-performance {DRAWN}").wait_for()
    return page.evaluate(DATA)


def test_figures_follow_a_slider_that_is_moved_by_keyboard_and_by_mouse(notebook):
    page = notebook(ONE)
    before = drawn(page)
    handle = page.locator(".sw-knob-temperature .noUi-handle")
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(CHANGED, arg=before)
    before = page.evaluate(DATA)
    handle = page.locator(".sw-knob-skill .noUi-handle")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 15, middle)
    page.mouse.move(box["x"] + 25, middle)
    page.wait_for_function(CHANGED, arg=before)  # while the button is still held
    page.mouse.up()
    expect(page.locator(".sw-code pre")).to_contain_text(re.compile(r"temperature=.*skill=[\d.]+"))
    assert float(ask(page, "print(simulator.world.skill)")) > 0


def test_presets_truth_and_worlds_that_cannot_be(notebook):
    page = notebook(ONE)
    before = drawn(page)
    for name in ("lmsi", "pure drift"):
        page.locator(".sw-sim-preset select").select_option(label=name)
        expect(page.locator(".sw-formula pre")).to_have_text(PRESETS[name].world.formula)
        expect(page.locator(".sw-sim-about")).to_contain_text(PRESETS[name].source)
        page.wait_for_function(CHANGED, arg=before)
        before = page.evaluate(DATA)
    many = page.evaluate(DASHED)
    assert many >= 2
    box = page.locator(".sw-sim-truth input")
    box.uncheck()
    page.wait_for_function(f"() => {DASHED} === 0")
    box.check()
    page.wait_for_function(f"many => {DASHED} === many", arg=many)
    page.locator(".sw-sim-preset select").select_option(label="vanilla")
    page.wait_for_function(CHANGED, arg=before)
    before = page.evaluate(DATA)
    fault = page.locator(".sw-simulator .sw-fault pre")
    expect(fault).to_be_hidden()
    page.locator(".sw-knob-verifier select").select_option(label="none")
    expect(fault).to_contain_text("nearest: selection=all")
    assert page.evaluate(DATA) == before
    page.locator(".sw-knob-selection select").select_option(label="all")
    expect(fault).to_be_hidden()
    page.wait_for_function(CHANGED, arg=before)


def test_seeds_come_one_by_one_and_a_point_opens_its_problems(notebook, lab, open_file):
    page = notebook(ONE)
    drawn(page)
    progress = page.locator(".sw-sim-progress pre")
    expect(progress).to_have_text("1 seed: intervals over problems")
    page.evaluate(HEARD)
    page.locator(".sw-sim-seeds .noUi-handle").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(progress).to_have_text("4 seeds: intervals over seeds")
    heard = page.evaluate("heard")
    assert sorted(heard) == heard
    assert {2, 3, 4} <= set(heard)
    behind = page.locator(".sw-behind")
    click_point(page, page.locator(".sw-sim-performance .points path").nth(3), behind.locator("tbody tr").first)
    expect(behind).to_contain_text(re.compile(r"Seed 0, round \d+, heldout"))
    assert ask(page, "simulator.export('simulator.html')") == ""
    alone = open_file(lab[0] / "simulator.html")
    for figure in alone.locator(".sw-plot").all():
        figure.scroll_into_view_if_needed()
        expect(figure).to_have_attribute("data-drawn", re.compile(r"\d"))
    assert alone.locator(".sw-plot").count() == 6
    expect(alone.locator("pre", has_text=PRESETS["vanilla"].world.formula).first).to_be_visible()
    expect(alone.locator("td").first).to_be_visible()
