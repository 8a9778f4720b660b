"""The Lab as a page of its own, without a notebook around it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from driving import DRAWN, click_point, turn_to
from labserver import voila, write_notebook
from made import made_run

LAB = "from siwork_widgets import Lab\nLab('runs')"
LONG = 60_000  # ms


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where Voila serves a notebook whose folder holds two runs."""
    pytest.importorskip("voila", reason="needs the package voila")
    home = tmp_path_factory.mktemp("voila")
    for seed in range(2):
        made_run(home / "runs" / f"star-s{seed}", seed=seed)
    write_notebook(home / "lab.ipynb", [LAB])
    with voila(home, home / "lab.ipynb") as url:
        yield url


def test_the_lab_is_drawn_clicked_and_turned(address, open_page):
    page = open_page()
    page.goto(address)
    figure = page.locator(f".sw-overview {DRAWN}").first
    expect(figure).to_be_visible(timeout=LONG)
    expect(page.locator(".sw-verdicts .sw-group")).to_have_count(1)
    behind = page.locator(".sw-samples-point")
    click_point(page, figure.locator(".points path").nth(1), behind)
    expect(behind).to_contain_text("round 1")
    page.locator(".sw-samples-table tbody tr").first.click()
    expect(page.locator(".sw-samples-response pre").first).to_contain_text("say")
    for tab in ("Diversity", "Collapse"):
        turn_to(page, tab)
        expect(page.locator(f".sw-{tab.lower()} {DRAWN}").first).to_be_visible(timeout=LONG)
    wide = "(() => { const p = document.querySelector('.sw-panel'); return p.scrollWidth - p.clientWidth; })()"
    assert page.evaluate(wide) <= 0
