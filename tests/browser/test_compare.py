"""Two recipes side by side in the Lab: their difference, one more run from there, another selector, and the file."""

from __future__ import annotations

import re

import ipywidgets as w
import pytest
from playwright.sync_api import expect

from driving import DRAWN, finished, turn_to
from labserver import ask
from siwork import Run, Sizes, run
from siwork_widgets import Lab
from siwork_widgets.lab import TABS

LONG = 60_000  # ms; runs that are played, on a machine that may be busy
RECIPES = {"gold": "seed · cot · gold · correct · sft", "vote": "seed · cot · vote · correct · sft"}
SEEDS = (0, 1, 2)
SIZES = Sizes(train=30, heldout=25, beyond=0, samples=8)
DIFFERENCE = re.compile(r"[+−]?\d+\.\d+ \[[+−]\d+\.\d+, [+−]\d+\.\d+\]")
TOLD = "[...document.querySelectorAll('.sw-whatif .sw-table td')].map(cell => cell.textContent).join('|')"
INK = "getComputedStyle(document.querySelector('section:not([hidden]) .xtick text')).fill"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two recipes with three seeds each, played in a moment."""
    home = tmp_path_factory.mktemp("pairs")
    for name, recipe in RECIPES.items():
        for seed in SEEDS:
            about = {"rounds": 1, "problems": SIZES, "seed": seed, "folder": home / f"{name}-s{seed}"}
            run(recipe, "countdown(numbers=3)", "tabular", **about)
    return home


def compared(notebook, folder):
    """A Lab on these runs, turned to Compare, with its table there."""
    page = notebook(f"from siwork_widgets import Lab\nlab = Lab({str(folder)!r})\nlab")
    turn_to(page, "Compare")
    expect(page.locator(".sw-compare-table tbody tr").first).to_be_visible(timeout=LONG)
    return page


def test_what_if_follows_its_slider(notebook, folder):
    page = compared(notebook, folder)
    page.locator(".sw-compare-whatif .jupyter-widget-Collapse-header").click()
    expect(page.locator(".sw-whatif .sw-table tbody tr").first).to_be_visible(timeout=LONG)
    before = page.evaluate(TOLD)
    page.locator(".sw-whatif-balance input").check()
    expect(page.locator(".sw-whatif .sw-formula pre")).to_contain_text("balance")
    page.locator(".sw-whatif-balance-cap .noUi-handle").focus()
    page.keyboard.press("Home")
    expect(page.locator(".sw-whatif .sw-formula pre")).to_contain_text("balance(cap=1)")
    page.wait_for_function(f"before => {TOLD} !== before", arg=before)
    expect(page.locator(f".sw-whatif {DRAWN}")).to_be_visible()
    assert ask(page, "print(lab.tabs['Compare'].whatif.fault.text)").strip() == ""


def test_the_paired_difference_and_an_ablation_in_two_clicks(notebook, folder):
    page = compared(notebook, folder)
    expect(page.locator(".sw-compare-said pre")).to_contain_text("Paired by seed (0, 1, 2) and by problem")
    row = page.locator(".sw-compare-table tbody tr", has_text="pass@1").first
    expect(row).to_contain_text(DIFFERENCE)
    row.click()
    expect(page.locator(".sw-compare-how pre")).to_contain_text("pass@1: ")
    expect(page.locator(f".sw-compare-figure {DRAWN}")).to_be_visible()
    change = page.locator(".sw-compare-change select")
    words = change.locator("option").all_inner_texts()
    change.select_option(index=next(i for i, each in enumerate(words) if each.startswith("selector:")))
    page.locator("button.sw-compare-run").click()
    said = page.locator(".sw-compare-launched pre")
    expect(said).to_contain_text("Begun: ", timeout=LONG)
    names = re.search(r"Begun: (.+?);", said.text_content())[1].split(", ")
    assert [name[-3:] for name in names] == [f"-s{seed}" for seed in SEEDS]
    page.locator(".sw-above .jupyter-widget-Collapse-header").first.click()
    for name in names:
        finished(page, name)
        found = Run(folder / name)
        assert (found.rounds_done, f"-s{found.seed}") == (2, name[-3:])
    chosen = page.locator(".sw-compare-b select option:checked")
    expect(chosen).to_contain_text(names[0].removesuffix("-s0")[:20], timeout=LONG)
    expect(chosen).to_contain_text("3 seeds", timeout=LONG)
    expect(row).to_contain_text(DIFFERENCE)


@pytest.fixture(scope="module")
def file(folder, tmp_path_factory):
    """The Lab on these runs as a file."""
    path = Lab(folder).export(tmp_path_factory.mktemp("file") / "lab.html")
    w.Widget.close_all()
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_exported_lab_needs_nothing_else(file, open_file, scheme):
    page = open_file(file, color_scheme=scheme)
    tabs = page.get_by_role("tab")
    assert tabs.all_inner_texts() == list(TABS)
    for tab in tabs.all():
        tab.click()
        for figure in page.locator("section:not([hidden]) .sw-plot:visible").all():
            figure.scroll_into_view_if_needed()
            expect(figure).to_have_attribute("data-drawn", re.compile(r"\d"))
        assert page.locator("section:not([hidden]) .sw-plot:visible").count() or tab.inner_text() == "Samples"
        expect(page.locator("section:not([hidden]) td").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    light = [int(part) for part in re.findall(r"\d+", page.evaluate(INK))[:3]]
    assert (sum(light) > 3 * 128) == (scheme == "dark")
    compare = page.locator("section:not([hidden])")
    expect(compare.locator("pre", has_text="Paired by seed (0, 1, 2)")).to_be_visible()
    expect(compare.locator("tr", has_text="pass@1").first).to_contain_text(DIFFERENCE)
    expect(compare.locator("table", has_text="what if").locator("tbody tr").first).to_be_visible()
