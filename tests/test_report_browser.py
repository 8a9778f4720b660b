"""The page in a real browser: it draws, loads nothing, complains of nothing, and runs no outside text."""

from __future__ import annotations

import re

import pytest

from made import made_run
from siwork.reporting import report

EVIL = "<img src=x onerror=\"document.body.dataset.hacked='yes'\"></script><script>alert(1)</script>{answer}"
DRAWN = "document.body.dataset.drawn"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    vote = "seed · cot(k=4) · vote · correct · sft"
    star = [made_run(home / f"star-s{seed}", seed=seed, response=EVIL) for seed in range(3)]
    name = "</script><img src=x onerror=alert(3)>"
    other = made_run(home / "other", gain=0, recipe=vote, name=name, response="x" * 5000)
    return report([*star, other], home / "report.html")


@pytest.fixture
def opened(open_file, path):
    """A function that opens the page and waits until it is drawn."""

    def open_page(**context):
        page = open_file(path, **context)
        page.wait_for_function(f"() => {DRAWN}")
        return page

    return open_page


def test_every_figure_is_drawn_and_nothing_is_wider_than_the_page(opened):
    page = opened()
    plots = page.locator(".plot")
    assert plots.count() == 10
    assert page.evaluate(DRAWN) == "10"
    assert page.locator(".plot .main-svg").count() >= 10
    assert page.locator(".plot .scatterlayer path.js-line").count() > 10
    assert page.locator(".plot .barlayer .point").count() >= 5
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_a_narrow_screen_needs_no_sideways_scrolling_either(opened):
    page = opened(width=360)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_completions_and_names_stay_text(opened):
    page = opened()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.locator("img").count() == 0
    assert page.evaluate("document.body.dataset.hacked") is None
    assert EVIL.format(answer="a") in page.locator(".samples pre").all_inner_texts()
    assert any(
        "</script><img src=x onerror=alert(3)>" in words for words in page.locator("section h3").all_inner_texts()
    )


def test_the_ink_follows_light_and_dark(opened):
    page = opened(color_scheme="dark")
    ink = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(20, 20, 20)"
    assert page.evaluate(ink) == page.evaluate("getComputedStyle(document.body).color") == "rgb(232, 232, 232)"
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"() => {ink} === 'rgb(27, 27, 27)'")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"


def test_a_point_shows_its_number_interval_and_n(opened):
    page = opened()
    plot = page.locator(".plot").first
    plot.scroll_into_view_if_needed()
    box = plot.locator(".points path").nth(2).bounding_box()  # the last round of star
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hover = plot.locator(".hovertext")
    hover.wait_for()
    words = " ".join(hover.locator("tspan.line").all_text_contents())
    assert "star · round 2" in words
    assert "0.550 [0.426, 0.674]" in words
    assert "n = 3 seeds" in words


def test_a_figure_can_be_saved_and_none_can_be_sent(opened):
    page = opened()
    plot = page.locator(".plot").first
    plot.hover()
    titles = [button.get_attribute("data-title") for button in plot.locator(".modebar-btn").all()]
    assert not any(re.search("share|cloud|edit", title, re.IGNORECASE) for title in titles)
    with page.expect_download() as saved:
        plot.locator(".modebar-btn").first.click()
    assert saved.value.path().read_text(encoding="utf-8").startswith("<svg")


def test_the_keyboard_reaches_links_figures_and_tables(opened):
    page = opened()
    reached = set()
    for _ in range(200):  # the buttons of ten figures among them
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
    assert {"A", "SUMMARY", "scroll", "command"} <= reached
    assert any(name.startswith("plot") for name in reached)


def test_without_scripts_the_words_and_numbers_are_there(browser, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "pass@1 rose from 0.200 to 0.550" in page.locator("#findings").locator("..").inner_text()
    assert page.locator("noscript p").inner_text().startswith("The figures need JavaScript")
    context.close()
