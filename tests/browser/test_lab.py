"""The Lab as somebody uses it: launch, watch, click, read, stop, fork, resume, reload, restart, attach."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from driving import click_point, finished, set_knob, turn_to
from labserver import READY, RESTART, RUN, SAVE, ask, evaluate
from siwork import Run

LAB = "from siwork_widgets import Lab\nlab = Lab()\nlab"
TABS = ("Overview", "Diversity", "Tail", "Verifier", "Collapse", "Samples", "Compare")
GOING = re.compile(r"round \d+ of 1000 ·")
LONG = 90_000  # ms; rounds of a real run, on a machine that may be busy


def launch(page, name, rounds=2, seeds=1, samples=8):
    """A small tabular run from the mixer."""
    page.locator(".sw-launcher").wait_for()
    page.locator(".sw-policy select").select_option(label=policy_label(page))
    for knob, value in {"train": 40, "heldout": 20, "beyond": 0, "samples": samples}.items():
        set_knob(page, knob, value)
    set_knob(page, "rounds", rounds)
    set_knob(page, "seeds", seeds)
    page.locator(".sw-name input").first.fill(name)
    page.locator(".sw-name input").first.press("Tab")
    page.locator("button.sw-launch").click()


def policy_label(page):
    """The words of the quick policy in its list."""
    options = page.locator(".sw-policy select option").all_inner_texts()
    return next(words for words in options if words.startswith("tabular"))


def points(page, tab):
    """The points that a tab's figures show."""
    return page.locator(f".sw-{tab.lower()} .scatterlayer .points path")


def test_launch_watch_click_read(notebook, lab):
    page = notebook(LAB)
    launch(page, "first")
    expect(page.locator(".sw-launcher .sw-said")).to_contain_text("Preparing first-s0", timeout=5_000)
    expect(points(page, "Overview").first).to_be_visible(timeout=LONG)
    finished(page, "first-s0")
    page.locator(".sw-overview .sw-plot").first.scroll_into_view_if_needed()  # out of sight it is not drawn anew
    page.wait_for_function(
        "() => document.querySelector('.sw-overview .sw-plot')?.data?.some(t => t.x?.length >= 3 && t.customdata)",
        timeout=LONG,
    )
    behind = page.locator(".sw-samples-point")
    click_point(page, points(page, "Overview").nth(1), behind)
    expect(behind).to_contain_text("first · round")
    row = page.locator(".sw-samples tbody tr").first
    row.click()
    run = Run(lab[0] / "runs" / "first-s0")
    said = page.locator(".sw-samples-response pre, .sw-samples-picked pre").first
    expect(said).not_to_be_empty()
    assert run.rounds_done == 3
    known = set(run.rows(columns=["response"])["response"])
    assert any(text.strip() in known for text in page.locator(".sw-samples pre").all_text_contents())


def test_a_name_that_is_being_typed_stays_when_the_kernel_changes_its_field(notebook):
    page = notebook(LAB)
    page.locator(".sw-launcher").wait_for()
    box = page.locator(".sw-name input").first
    box.press_sequentially("mi")
    ask(page, "lab.launcher.name.description = 'Called'")
    expect(page.locator(".sw-name").first).to_contain_text("Called", timeout=LONG)
    box.press_sequentially("ne")
    expect(box).to_have_value("mine")


def test_every_tab_shows_its_figures(notebook):
    page = notebook(LAB)
    launch(page, "tabs", seeds=2)
    finished(page, "tabs-s0")
    finished(page, "tabs-s1")
    for tab in ("Overview", "Diversity", "Tail", "Verifier", "Collapse"):
        turn_to(page, tab)
        expect(page.locator(f".sw-{tab.lower()} .sw-plot .main-svg").first).to_be_visible(timeout=LONG)
    turn_to(page, "Samples")
    expect(page.locator(".sw-samples tbody tr").first).to_be_visible()
    turn_to(page, "Compare")
    expect(page.locator(".sw-compare").first).to_be_visible()
    wide = page.evaluate(
        "(() => { const p = document.querySelector('.sw-panel'); return p.scrollWidth - p.clientWidth; })()"
    )
    assert wide <= 0


def test_stop_resume_fork_reload_and_restart(notebook, lab):
    page = notebook(LAB)
    launch(page, "long", rounds=1000, samples=64)
    bar = page.locator(".sw-bars .sw-run", has_text="long-s0")
    expect(bar).to_contain_text(re.compile("round [2-9]"), timeout=LONG)
    page.locator("button.sw-stop").click()
    expect(page.locator(".sw-launcher .sw-said")).to_contain_text("stop")
    expect(bar).to_contain_text("stopped", timeout=LONG)
    run = Run(lab[0] / "runs" / "long-s0")
    done = run.rounds_done
    page.locator(".sw-source select").select_option(label="long-s0")
    page.locator(".sw-at select").select_option(label="1")
    set_knob(page, "rounds_in_all", 3, within=".sw-forking")
    page.locator(".sw-fork-name input").fill("branch")
    page.locator(".sw-fork-name input").press("Tab")
    page.locator("button.sw-fork").click()
    finished(page, "branch")
    assert Run(lab[0] / "runs" / "branch").rounds_done == 4
    page.locator("button.sw-resume").click()
    expect(bar).to_contain_text(GOING, timeout=LONG)
    evaluate(page, SAVE)
    page.reload()
    evaluate(page, READY)
    expect(page.locator(".sw-bars .sw-run", has_text="long-s0")).to_be_visible(timeout=LONG)
    evaluate(page, RESTART)
    assert Run(lab[0] / "runs" / "long-s0").status().state == "running"
    page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource("
        "\"from siwork_widgets import Lab\\nlab = Lab('runs/long-s0')\\nlab\")"
    )
    assert evaluate(page, RUN, 90) == []
    expect(page.locator(".sw-overview .sw-plot .main-svg").first).to_be_visible(timeout=LONG)
    page.locator(".sw-above h3, .sw-above .lm-Collapse-header, .sw-above .jupyter-widget-Collapse-header").first.click()
    expect(page.locator(".sw-bars .sw-run", has_text="long-s0")).to_contain_text(GOING, timeout=LONG)
    page.locator("button.sw-stop").click()
    expect(page.locator(".sw-bars .sw-run", has_text="long-s0")).to_contain_text("stopped", timeout=LONG)
    assert Run(lab[0] / "runs" / "long-s0").rounds_done >= done


def test_d_d_on_a_button_deletes_nothing(notebook):
    page = notebook(LAB)
    button = page.locator("button.sw-stop")
    button.wait_for()
    button.focus()
    for key in "ddb":
        page.keyboard.press(key)
    assert page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") == 1


def test_a_knob_typed_wrongly_is_explained(notebook):
    page = notebook(LAB)
    page.locator(".sw-launcher").wait_for()
    set_knob(page, "train", "many")
    expect(page.locator(".sw-launcher .sw-knob-train .sw-fault")).to_contain_text("many")
    expect(page.locator("button.sw-launch")).to_be_disabled()
    set_knob(page, "train", 40)
    expect(page.locator("button.sw-launch")).to_be_enabled()
    formula = page.locator(".sw-formula input")
    formula.fill("seed · cot · golf · sft")
    formula.press("Enter")
    expect(page.locator(".sw-mixer")).to_contain_text("gold")
    expect(page.locator("button.sw-launch")).to_be_disabled()


@pytest.mark.parametrize("harm", ["vanished", "damaged"])
def test_a_run_that_is_harmed_while_it_is_watched(notebook, lab, harm):
    page = notebook(LAB)
    launch(page, f"harm-{harm}")
    finished(page, f"harm-{harm}-s0")
    expect(points(page, "Overview").first).to_be_visible(timeout=LONG)
    folder = lab[0] / "runs" / f"harm-{harm}-s0"
    if harm == "vanished":
        folder.rename(folder.with_name("elsewhere"))
    else:
        (folder / "run.json").write_text("{broken")
    expect(page.locator(".sw-lab-fault")).to_contain_text(f"harm-{harm}-s0", timeout=LONG)
    expect(points(page, "Overview").first).to_be_visible()
    turn_to(page, "Diversity")
    expect(page.locator(".sw-diversity .sw-plot .main-svg").first).to_be_visible()
    assert ask(page, "print(lab.clock.error)").strip() == "None"
