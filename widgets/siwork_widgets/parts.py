"""What the Lab is made of, loaded in the background: a second of imports that the first sight of the panel need not wait for."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from typing import Any

TABS = ("Overview", "Diversity", "Tail", "Verifier", "Collapse", "Samples", "Compare")
LAUNCHER, PLOTLYJS = "Launcher", "plotly.js"
_PLACES = {  # module of this package, and name in it
    "Overview": ("tabs.overview", "Overview"),
    PLOTLYJS: ("kit.figure", "Plotlyjs"),
    LAUNCHER: ("launch.launching", "Launcher"),
    "Samples": ("samples.samples", "Samples"),
    "Compare": ("compare.comparing", "Compare"),
    **{name: ("tabs.tabs", "QuestionTab") for name in ("Diversity", "Tail", "Verifier", "Collapse")},
}
_LOADER = ThreadPoolExecutor(1, "siwork load")  # one thread, so that what is asked for first is there first
_ASKED: dict[str, Future[Any]] = {}


def there(name: str) -> bool:
    """Whether a part can be made at once; it is loaded in the background from the first time it is asked for.

    >>> part("Samples").__name__, there("Samples")
    ('Samples', True)
    """
    return _loading(name).done()


def part(name: str) -> Any:
    """The class of a part; waits until it is loaded. Raises whatever its import raises."""
    return _loading(name).result()


def _loading(name: str) -> Future[Any]:
    if name not in _ASKED:
        _ASKED[name] = _LOADER.submit(_load, name)
    return _ASKED[name]


def _load(name: str) -> Any:
    module, what = _PLACES[name]
    found = getattr(import_module(f"siwork_widgets.{module}"), what)
    if name == PLOTLYJS:
        found.packed()
    return found
