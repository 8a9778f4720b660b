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
