"""Runs that hold hostile texts wherever a run can hold text: all panels show them, none runs or follows them."""

from __future__ import annotations

import ipywidgets as w
import pandas as pd
import pytest
from playwright.sync_api import expect

from driving import DRAWN, hover, turn_to
from hostile import PAYLOADS, RAN, tame
from made import made_run
from siwork.store import Run, Writer
from siwork_widgets import Lab

QUESTIONS = ("Diversity", "Tail", "Verifier", "Collapse", "Overview")
RECIPE = "seed · cot(k=2) · gold · correct · sft"
NAMES = {PAYLOADS["closing"] + PAYLOADS["maths"]: RECIPE, PAYLOADS["image"] + PAYLOADS["template"]: PAYLOADS["link"]}
FOLDER = "{} <img src=x onerror=window.__ran='folder'> $x$ <b>"
OPEN = "from siwork import Run\nfrom pathlib import Path\nruns = [Run(f) for f in sorted(Path('evil').iterdir())]\n"
LAB = OPEN + "from siwork_widgets import Lab\nlab = Lab(runs)\nlab"
LONG = 60_000  # ms
BEGINS = "([at, text]) => document.querySelector(at)?.textContent.startsWith(text)"
# what no panel is made of: elements that load or run, handlers written as attributes, what lies over the page, formulas
FOREIGN = """root => [...document.querySelectorAll(`${root}, ${root} *`)].filter(e =>
  e.matches('script, img, iframe, style, object, embed, link, base, form, image, foreignObject, math, mjx-container')
  || e.matches('svg') && !e.matches('.main-svg, .modebar svg, .strip')
  || e.matches('a') && !e.matches('.modebar-btn')
  || e.style?.position === 'fixed'
  || [...e.attributes].some(a => a.name.startsWith('on') || /^\\s*javascript:/i.test(a.value))
).map(e => e.outerHTML.slice(0, 300))"""


def hostile_run(folder, name, recipe):
    """A run of three rounds, a problem a payload: prompt, response, answer and the problem's own name hold it."""
    like = made_run(folder.parent.parent / f"model of {folder.name[0]}").rows(0).to_dict("records")[0]
    problems = pd.DataFrame(
        [
            {"problem": f"{split} {text[:60]}", "split": split, "task": "add", "prompt": text, "band": 4 - i % 5}
            | {"difficulty": 0.1 + 0.2 * (i % 5), "answer": text[:1000], "n_solutions": 2}
            for split in ("train", "heldout")
            for i, text in enumerate(PAYLOADS.values())
        ]
    )
    about = {"recipe": recipe, "task": "add(digits=2)", "policy": "tabular", "seed": 0, "rounds": 2, "name": name}
    about["problems"] = "problems(train=18, heldout=18, beyond=0, samples=2)"
    with Writer.create(folder, about, problems) as writer:
        for r in range(3):
            rows = [
                like | said | {"run": name, "round": r, "sample": j, "response": said["prompt"]} | judged(said, j, r)
                for said in problems.drop(columns="n_solutions").to_dict("records")
                if said["split"] == "heldout" or r < 2
                for j in range(2)
            ]
            info = {"policy": "made", "closing": r == 2, "seconds": 1.5}
            writer.save_round(r, pd.DataFrame(rows), info, lambda place: None)
    return Run(folder)


def judged(said, j, r):
    """More of them right in later rounds."""
    right = j <= r % 2
    return {"gold": right, "score": float(right), "weight": float(right and said["split"] == "train")}


@pytest.fixture(scope="module")
def runs(lab):
    """Two runs called by payloads, one of them with a payload as its recipe."""
    home = lab[0] / "evil"
    home.mkdir()
    return [hostile_run(home / FOLDER.format(i), name, recipe) for i, (name, recipe) in enumerate(NAMES.items())]


def check_tame(page, root=".sw-panel"):
    """Nothing ran, and nothing of a payload became an element."""
    assert page.evaluate(FOREIGN, root) == []
    assert page.evaluate(RAN) is None


def first_figure(page, tab):
    """A figure of a tab, drawn."""
    found = page.locator(f".sw-{tab.lower()} {DRAWN}").first
    expect(found).to_be_visible(timeout=LONG)
    return found


def test_the_lab_shows_hostile_runs_as_text(notebook, runs):
    page = notebook(LAB)
    for tab in QUESTIONS:
        turn_to(page, tab)
        points = first_figure(page, tab).locator(".points path")
        if points.count():
            hover(page, points.last)
        check_tame(page)
    expect(page.locator(".sw-verdicts .sw-group").first).to_contain_text(tame(PAYLOADS["closing"]))
    turn_to(page, "Compare")
    expect(page.locator(".sw-compare-table tbody tr").first).to_be_visible(timeout=LONG)
    first_figure(page, "Compare")
    page.locator(".sw-compare-whatif .jupyter-widget-Collapse-header").click()
    expect(page.locator(".sw-compare-whatif tbody tr").first).to_be_visible(timeout=LONG)
    launcher, opener = page.locator(".sw-above .jupyter-widget-Collapse-header").all()
    launcher.click()
    expect(page.locator(".sw-bars .sw-run").first).to_contain_text(tame(PAYLOADS["closing"]))
    check_tame(page)
    opener.click()
    check_tame(page)


def test_completions_are_read_and_compared_as_text(notebook, runs):
    page = notebook(LAB)
    turn_to(page, "Samples")
    rows = page.locator(".sw-samples-table tbody tr")
    expect(rows.nth(len(PAYLOADS) - 1)).to_be_visible(timeout=LONG)
    cells = rows.locator("td").all_text_contents()
    for name, text in PAYLOADS.items():
        assert any(tame(text) in cell for cell in cells), name
    for name in ("image", "style", "link", "long", "turned", "terminal"):
        at = next(i for i, row in enumerate(rows.all_text_contents()) if tame(PAYLOADS[name]) in row)
        rows.nth(at).click()
        for place in ("response", "prompt", "a", "b"):
            page.wait_for_function(BEGINS, arg=[f".sw-samples-{place} pre", PAYLOADS[name][:200]])
        page.locator(".sw-samples-a pre").hover()
        check_tame(page)


def test_objects_and_single_panels_show_hostile_runs_as_text(notebook, runs):
    shown = ["run", "siwork.Runs(runs)", "siwork.measure(run)", "siwork.diagnose(siwork.measure(run))"]
    panels = "from siwork_widgets import Simulator, WhatIf\nsimulator = Simulator()\nasked = WhatIf(run)\n"
    page = notebook("import siwork\n" + OPEN + "run = runs[0]", *shown, panels + "asked", "simulator")
    expect(page.locator(".sw-whatif .sw-table tbody tr").first).to_be_visible(timeout=LONG)
    expect(page.locator(f".sw-simulator {DRAWN}").first).to_be_visible(timeout=LONG)
    outputs = page.locator(".jp-OutputArea-output").all_inner_texts()
    for said in outputs[: len(shown)]:
        assert tame(PAYLOADS["closing"]) in said
    check_tame(page, ".sw-panel")
    check_tame(page, ".jp-RenderedHTMLCommon")


def test_the_exported_lab_shows_hostile_runs_as_text(runs, open_file, tmp_path):
    lab = Lab(runs)
    page = open_file(lab.export(tmp_path / "lab.html"))
    w.Widget.close_all()
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.locator(f"section:not([hidden]) :is({DRAWN}, td)").filter(visible=True).first.wait_for()
        assert "&quot;" not in page.locator("body").inner_text()  # nothing is escaped twice
    assert tame(PAYLOADS["closing"]) in page.locator("h1").text_content()
    assert any(PAYLOADS["image"] in cell for cell in page.locator("td").all_text_contents())
    check_tame(page, ":is(h1, section, [role=tablist])")
