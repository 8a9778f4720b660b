"""The kit's widgets in a real notebook: drawn once, clicked, walked by keyboard, reloaded, and nothing hostile runs."""

from __future__ import annotations

import pytest

from hostile import PAYLOADS, RAN
from labserver import READY, SAVE, ask, evaluate

EIGHT = """
import numpy as np, ipywidgets
from siwork_widgets.kit.figure import Figure, picture
def spec(shift):
    x = np.arange(5)
    points = [{"run": "a", "round": int(i), "split": "heldout", "metric": "pass@1"} for i in x]
    trace = {"type": "scatter", "mode": "lines+markers", "x": x, "y": x + shift, "customdata": points, "hoverinfo": "text",
             "hovertext": [f"round {i}" for i in x]}
    return picture({"data": [trace], "layout": {"height": 240}}, f"line {shift}")
said = ipywidgets.Label("").add_class("sw-said")
figures = [Figure(on_point=lambda point: setattr(said, "value", f"round {point['round']}")) for _ in range(8)]
for i, figure in enumerate(figures):
    figure.show(spec(i))
box = ipywidgets.VBox([*figures, said]).add_class("sw-panel")
box
"""
TEXTS = """
import sys; sys.path.insert(0, {here!r})
import ipywidgets
from hostile import PAYLOADS
from siwork_widgets.kit.text import Text
from siwork_widgets.kit.table import Table
texts = [Text(payload, label=name) for name, payload in PAYLOADS.items()]
table = Table(["name", "said"], label="payloads"); table.show([[name, payload] for name, payload in PAYLOADS.items()])
box = ipywidgets.VBox([*texts, table]).add_class("sw-panel")
box
"""
DRAWN = "document.querySelectorAll('.sw-plot .main-svg').length"
SHOWN = """n => [...document.querySelectorAll('.sw-plot')].filter(p => p.querySelector('.scatterlayer')).length === n"""


def test_figures_share_one_library_and_bring_clicks_back(notebook):
    page = notebook(EIGHT)
    page.wait_for_function(SHOWN, arg=8)
    plot = page.locator(".sw-plot").nth(2)
    plot.scroll_into_view_if_needed()
    point = plot.locator(".scatterlayer .points path").nth(3).bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    plot.locator(".hoverlayer .hovertext").wait_for()
    page.mouse.down()
    page.mouse.up()
    page.locator(".sw-said", has_text="round 3").wait_for()


def test_points_are_reached_by_keyboard(notebook):
    page = notebook(EIGHT)
    page.wait_for_function(SHOWN, arg=8)
    plot = page.locator(".sw-plot").first
    plot.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.locator(".sw-live", has_text="round 2").first.wait_for(state="attached")
    page.keyboard.press("Enter")
    page.locator(".sw-said", has_text="round 2").wait_for()


def test_d_d_on_a_figure_deletes_nothing(notebook):
    page = notebook(EIGHT)
    page.wait_for_function(SHOWN, arg=8)
    page.locator(".sw-plot").first.focus()
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") == 1


def test_a_reload_shows_the_present_state(notebook):
    page = notebook(EIGHT)
    page.wait_for_function(SHOWN, arg=8)
    ask(page, "figures[0].show(spec(100))")
    page.wait_for_function("() => document.querySelector('.sw-plot').data[0].y[0] === 100")
    evaluate(page, SAVE)
    page.reload()
    evaluate(page, READY)
    page.wait_for_function("() => document.querySelector('.sw-plot')?.data?.[0].y[0] === 100")


@pytest.mark.parametrize("dark", [False, True])
def test_the_ink_follows_the_theme(notebook, dark):
    page = notebook(EIGHT, dark=dark)
    page.wait_for_function(SHOWN, arg=8)
    ink = page.evaluate("getComputedStyle(document.querySelector('.sw-plot .xtick text')).fill")
    light = [int(part) for part in ink.removeprefix("rgb(").removesuffix(")").split(",")[:3]]
    assert (sum(light) > 3 * 128) == dark


def test_hostile_texts_are_shown_and_never_run(notebook):
    here = str(__import__("pathlib").Path(__file__).parent.parent)
    page = notebook(TEXTS.format(here=here))
    page.locator("pre.sw-text").nth(len(PAYLOADS) - 1).wait_for()
    panel = page.locator(".sw-panel")
    assert panel.locator("script, img, iframe, a, style, pre svg, td svg").count() == 0
    shown = panel.locator("pre.sw-text").all_text_contents()
    for name in (
        "script",
        "image",
        "svg",
        "frame",
        "style",
        "link",
        "closing",
        "attribute",
        "maths",
        "template",
        "turned",
    ):
        assert PAYLOADS[name] in shown, name
    panel.hover(position={"x": 50, "y": 50})
    assert page.evaluate(RAN) is None
