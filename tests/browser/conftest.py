"""The panels in a real JupyterLab, driven through a real Chromium; no request may leave this machine."""

from __future__ import annotations

import pytest

from labserver import READY, RUN, SHUTDOWN, evaluate, jupyterlab, write_notebook

# a widget whose view is gone when its state arrives: seen when a page is reloaded, harmless there
PASSED_OVER = ("[anywidget] Failed to initialize model",)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The home of a JupyterLab and the address of a notebook in it, for the tests of one module."""
    pytest.importorskip("jupyterlab", reason="needs the package jupyterlab")
    home = tmp_path_factory.mktemp("home")
    with jupyterlab(home) as url:
        yield home, url


@pytest.fixture
def faults():
    """What the page said that it should not have; must be empty at the end."""
    found: list[str] = []
    yield found
    assert [f for f in found if not f.startswith(PASSED_OVER)] == []


@pytest.fixture
def open_page(browser, faults):
    """A function that opens a watched page; further arguments are the browser context's."""
    contexts = []

    def opened(width=1280, height=1000, **context):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **context))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda d: d.accept() if d.type == "beforeunload" else (faults.append(d.message), d.dismiss()))
        page.on("request", lambda r: faults.append(r.url) if _outside(r.url) else None)
        return page

    yield opened
    for context in contexts:
        context.close()


def _outside(url: str) -> bool:
    return url.startswith(("http", "ws")) and "//127.0.0.1:" not in url


@pytest.fixture
def notebook(lab, open_page, request, tmp_path):
    """A function that opens a notebook of the given cells, runs them, and gives the page."""
    home, url = lab
    pages = []

    def show(*cells, dark=False, run=True, **context):
        name = f"{request.node.name.replace('[', '-').replace(']', '')}-{len(pages)}.ipynb"
        write_notebook(home / name, cells)
        page = open_page(**context)
        pages.append(page)
        page.goto(url % name)
        evaluate(page, READY)
        if dark:
            evaluate(page, DARK)
        if run:
            assert evaluate(page, RUN, 90) == []
        return page

    yield show
    for page in pages:
        page.screenshot(path=tmp_path / "end.png")
        evaluate(page, SHUTDOWN, 20)


DARK = """async () => { await jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'});
  while (document.body.dataset.jpThemeLight !== 'false') await new Promise(r => setTimeout(r, 20)); }"""
