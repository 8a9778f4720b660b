"""Runs that hold hostile texts wherever a run can hold text: all panels show them, none runs or follows them."""

from __future__ import annotations

import pandas as pd
import pytest
from playwright.sync_api import expect

from driving import DRAWN, hover, open_alone, turn_to
from hostile import PAYLOADS, RAN, tame
from labserver import ask
from made import made_run
from siwork.store import Run, Writer
from siwork_widgets import Lab
from siwork_widgets.kit.plain import seen

TABS = ("Diversity", "Tail", "Verifier", "Collapse", "Samples", "Compare", "Overview")
RECIPE = "seed · cot(k=2) · gold · correct · sft"
NAMES = {PAYLOADS["closing"] + PAYLOADS["maths"]: RECIPE, PAYLOADS["image"] + PAYLOADS["template"]: PAYLOADS["link"]}
FOLDER = "{} <img src=x onerror=window.__ran='folder'> $x$ <b>"
OPEN = "from siwork import Run\nfrom pathlib import Path\nruns = [Run(f) for f in sorted(Path('evil').iterdir())]\n"
LAB = OPEN + "from siwork_widgets import Lab\nlab = Lab(runs)\nlab"
LONG = 60_000  # ms
# what no panel is made of: elements that load or run, handlers written as attributes, what lies over the page, formulas
FOREIGN = """root => [...document.querySelectorAll(root + ', ' + root + ' *')].filter(e =>
  e.matches('script, img, iframe, style, object, embed, link, base, form, image, foreignObject, math, mjx-container, b b')
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
    return [
        hostile_run(home / FOLDER.format(i), name, recipe) for i, (name, recipe) in enumerate(NAMES.items())
    ]


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
    first_figure(page, "Overview")
    for tab in TABS[:4]:
        turn_to(page, tab)
        figure = first_figure(page, tab)
        if figure.locator(".points path").count():
            hover(page, figure.locator(".points path").last)
        check_tame(page)
    turn_to(page, "Overview")
    hover(page, first_figure(page, "Overview").locator(".points path").first)
    page.locator(".sw-above .jupyter-widget-Collapse-header").nth(1).click()
    check_tame(page)


def test_completions_are_read_and_compared_as_text(notebook, runs):
    page = notebook(LAB)
    turn_to(page, "Samples")
    rows = page.locator(".sw-samples tbody tr")
    expect(rows.nth(len(PAYLOADS) - 1)).to_be_visible(timeout=LONG)
    cells = page.locator(".sw-samples-list td, .sw-samples td").all_text_contents()
    for name, text in PAYLOADS.items():
        assert any(tame(text) in cell for cell in cells), name
    response = page.locator(".sw-samples-response pre")
    for name in ("image", "style", "link", "long", "terminal"):
        rows.filter(has_text=tame(PAYLOADS[name]).replace("\x1b", "").strip()[:8]).first.click()
        page.wait_for_function("([at, begins]) => document.querySelector(at)?.textContent.startsWith(begins)",
                               arg=[".sw-samples-response pre", PAYLOADS[name][:500]])
        expect(page.locator(".sw-samples-b pre")).to_contain_text(tame(PAYLOADS[name]))
    check_tame(page)
