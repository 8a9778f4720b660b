"""Settings that all tests share."""

import pytest
from hypothesis import settings

from grown import played

collect_ignore = ["bench"]  # timings, run by `make bench`

# the machine may be busy, a slow example is no fault; the same examples everywhere: --hypothesis-profile=search draws new ones
settings.register_profile("siwork", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("siwork")


@pytest.fixture
def beside_the_first(monkeypatch):
    """Every new round is measured beside the first one only, however small the rounds are."""
    monkeypatch.setattr("siwork_widgets.watch.measured._WORTH", 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run, played once for the tests of a module."""
    return played(tmp_path_factory.mktemp("whole") / "star")


@pytest.fixture(scope="module")
def browser():
    """A Chromium for the tests of one module."""
    play = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    labserver = pytest.importorskip("labserver", reason="needs the packages of siwork[lab]")
    if not labserver.CHROMIUM.exists():
        pytest.skip("needs /usr/bin/chromium: apt-get install chromium")
    play.expect.set_options(timeout=20_000)
    with labserver.chromium() as found:
        yield found


@pytest.fixture
def open_file(browser):
    """A function that opens a file without a network; afterwards it may have loaded, said and thrown nothing."""
    contexts, faults = [], []

    def opened(path, *, width=1280, height=900, **context):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, offline=True, **context))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: faults.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
