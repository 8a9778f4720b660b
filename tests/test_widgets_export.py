"""A panel as a file: nothing in it runs but its own scripts, it loads nothing, and it can be used by keyboard."""

from __future__ import annotations

import re
from html import unescape

import ipywidgets as w
import numpy as np
import plotly.graph_objects as go
import pytest

from hostile import PAYLOADS, RAN
from siwork.markup import element
from siwork.schema import RunError
from siwork_widgets.kit.clock import Clock
from siwork_widgets.kit.export import document, save
from siwork_widgets.kit.figure import Figure, picture
from siwork_widgets.kit.table import Table
from siwork_widgets.kit.text import Text

POINTS = [{"run": "star", "round": i} for i in range(30)]


@pytest.fixture(autouse=True, scope="module")
def _close_all():
    yield
    w.Widget.close_all()


def drawn(label: str = "pass@1 by round", note: str = "A line.") -> Figure:
    said = [f"star · round {i}<br>0.5" for i in range(30)]
    look = {"mode": "lines+markers", "customdata": POINTS, "hovertext": said, "hoverinfo": "text"}
    figure = go.Figure(go.Scatter(x=np.arange(30), y=np.linspace(0, 1, 30), **look))
    figure.update_layout(height=260, template="none", paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)")
    shown = Figure(on_point=lambda _: None)
    shown.show(picture(figure, label, note))
    return shown


def table() -> Table:
    shown = Table(["name", "said"], label="payloads", on_pick=lambda _: None, on_sort=lambda *_: None)
    shown.show([[name, text] for name, text in PAYLOADS.items()])
    return shown


def panel() -> list[tuple[str, list[w.Widget]]]:
    evil = PAYLOADS["closing"]
    controls = w.VBox(
        [
            w.Dropdown(description="recipe", options=[(evil, 1)]),
            w.Checkbox(description="resume", value=True),
            w.IntSlider(description="unheard", value=3),
            w.Button(description="unpressed"),
            w.Label(evil),
            w.Text(description="empty"),
        ]
    )
    inner = w.Tab([w.HTML(element("p", evil)), w.HTML("second")], titles=(evil, "two"))
    hidden = w.HTML("never seen", layout={"display": "none"})
    folded = w.Accordion([Text("folded away", label="folded")], titles=("More",))
    none = Figure()
    none.show(None, why=evil)
    texts = [Text(text, label=name) for name, text in PAYLOADS.items()]
    card = w.HTML(element("article", element("span", "alarm", class_="state alarm"), class_="card alarm"))
    return [
        ("Overview", [Clock(lambda: None, seconds=0), card, controls, drawn(), none]),
        (evil, [w.HBox([drawn("a second picture", evil), inner]), hidden, folded]),
        ("Samples", [*texts, table()]),
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save(tmp_path_factory.mktemp("export") / "new" / "panel.html", PAYLOADS["closing"], panel())


@pytest.fixture
def opened(open_file, path):
    """A function that opens the page; afterwards nothing in it may have been run."""
    pages = []

    def open_page(**context):
        pages.append(page := open_file(path, width=1100, **context))
        page.wait_for_function("() => document.querySelector('.sw-plot[data-drawn]')")
        return page

    yield open_page
    assert [page.evaluate(RAN) for page in pages] == [None] * len(pages)


def test_plotly_is_in_the_file_once_and_only_where_it_is_needed(path):
    assert 4_000_000 < path.stat().st_size < 6_000_000
    assert path.read_text().count("plotly.js v") == 1
    assert len(document("no figures", [("Text", [Text("a")])])) < 100_000


def test_a_page_that_cannot_be_written_is_an_error_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="could not write"):
        save(tmp_path / "file" / "panel.html", "panel", [])


def test_scripts_are_allowed_by_their_hash_alone():
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', document("p", [("a", [drawn()])]))[1])
    allowed = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert len(re.findall("sha256-", allowed)) == 2
    assert "unsafe" not in allowed
    assert policy.startswith("default-src 'none'; ")


def test_controls_say_what_they_are_set_to_and_what_is_hidden_stays_out():
    page = document("p", panel())
    assert "<p>resume: yes</p>" in page
    assert "<p>recipe: &lt;/script&gt;" in page
    for word in ("unheard", "unpressed", "<p>empty", "never seen"):
        assert word not in page


def test_tabs_open_by_click_and_by_arrow_keys(opened):
    page = opened()
    tabs = page.get_by_role("tab")
    assert tabs.count() == 3
    shown = "[...document.querySelectorAll('[role=tabpanel]')].map(panel => !panel.hidden)"
    assert page.evaluate(shown) == [True, False, False]
    tabs.nth(2).click()
    assert page.evaluate(shown) == [False, False, True]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(shown) == [True, False, False]
    page.keyboard.press("End")
    assert page.evaluate(shown) == [False, False, True]
    assert page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"


def test_figures_are_drawn_when_their_tab_is_shown(opened):
    page = opened()
    page.get_by_role("tab").nth(1).click()
    page.wait_for_function("() => document.querySelectorAll('.sw-plot[data-drawn]').length === 2")
    second = page.locator(".sw-plot").nth(2)
    assert second.get_attribute("aria-label").startswith("a second picture Arrow keys go from point to point")
    assert second.locator(".scatterlayer .points path").count() == 30
    assert page.locator(".sw-why").nth(1).inner_text() == PAYLOADS["closing"]


def test_payloads_are_text_wherever_they_stand(opened):
    page = opened()
    for tab in page.get_by_role("tab").all():
        tab.click()
    body = page.locator("body")
    assert body.locator("img, iframe, a[href], h1 *, .sw-place script, .sw-place style").count() == 0
    assert page.locator("h1").text_content() == PAYLOADS["closing"]
    shown = page.locator("pre.sw-text").all_text_contents()
    for name in ("script", "image", "frame", "closing", "maths", "terminal", "turned"):
        assert PAYLOADS[name] in shown
    marks = page.locator("pre.sw-text", has_text="abc").locator(".sw-mark").first
    assert marks.evaluate("mark => getComputedStyle(mark, '::before').content") == '"⟨U+202E⟩"'


def test_nothing_is_wider_than_the_page(opened):
    page = opened()
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1100


def test_a_point_says_its_facts_and_where_the_completions_are(opened):
    page = opened()
    plot = page.locator(".sw-plot").first
    plot.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    words = "star · round 1, 0.5. The completions behind a point can be read in the notebook"
    page.get_by_role("status").filter(has_text=words).wait_for()
    box = plot.locator(".points path").nth(7).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    plot.locator(".hovertext", has_text="round 7").wait_for()
    page.mouse.down()
    page.mouse.up()
    page.get_by_role("status").filter(has_text="round 7").wait_for()


def test_rows_are_walked_and_nothing_offers_what_needs_a_kernel(opened):
    page = opened()
    page.get_by_role("tab").nth(2).click()
    grid = page.get_by_role("grid", name="payloads")
    grid.locator("tbody tr").first.focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.cells[0].textContent") == list(PAYLOADS)[-1]
    assert grid.locator("button").count() == 0


def test_the_ink_follows_light_and_dark(opened):
    page = opened(color_scheme="dark")
    ink = "getComputedStyle(document.querySelector('.xtick text')).fill"
    assert page.evaluate(ink) == page.evaluate("getComputedStyle(document.body).color") == "rgb(232, 232, 232)"
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"() => {ink} === 'rgb(27, 27, 27)'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_verdicts_look_as_they_do_in_the_report(opened):
    page = opened()
    look = "name => getComputedStyle(document.querySelector(name))"
    assert page.evaluate(f"({look})('.card').borderLeft") == "4px solid rgb(179, 38, 30)"
    assert page.evaluate(f"({look})('.card .state').color") == "rgb(179, 38, 30)"
