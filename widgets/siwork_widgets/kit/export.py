"""A panel as one HTML file that opens without a kernel and without a network."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as w
from plotly.offline import get_plotlyjs

from siwork.markup import Html, element, join, script_json, text
from siwork.reporting import page
from siwork_widgets.kit.look import PANEL

_KIT = ("figure", "text", "table")
_SILENT = (w.Button, w.Output, w.Password, w.FileUpload, w.Play, w.FloatProgress, w.IntProgress)
_SLIDERS = (w.IntSlider, w.FloatSlider, w.FloatLogSlider, w.IntRangeSlider, w.FloatRangeSlider, w.SelectionSlider)
_HERE = Path(__file__).parent


def save(path: str | Path, title: str, tabs: Sequence[tuple[str, Sequence[w.Widget]]]) -> Path:
    """Write the widgets of each tab as they are now; figures can be looked into, nothing can be run.

    tabs : name of a tab and what is in it, from top to bottom

    Raises RunError when the file cannot be written.
    """
    return page.save(document(title, tabs), path)


def document(title: str, tabs: Sequence[tuple[str, Sequence[w.Widget]]]) -> str:
    """The file as text."""
    kept: list[dict[str, Any]] = []
    bodies = [join(*(_shown(widget, kept) for widget in widgets)) for _, widgets in tabs]
    scripts = [_plain(get_plotlyjs())] if any(one["kind"] == "figure" for one in kept) else []
    scripts.append(_kit())
    body = element(
        "body",
        element("h1", title),
        element("noscript", element("p", "The figures, texts and tables of this page need JavaScript.")),
        _tablist(title, [name for name, _ in tabs]),
        *(_panel(i, inside) for i, inside in enumerate(bodies)),
        element("script", script_json(kept), type="application/json", id="sw-widgets"),
        *(element("script", Html(script)) for script in scripts),
        class_="sw-panel sw-page",
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n{_head(title, scripts)}\n{body}\n</html>\n'


def _head(title: str, scripts: Sequence[str]) -> Html:
    """Only these scripts run, nothing is loaded, nothing is sent; images are those that plotly draws itself."""
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return join(
        Html('<head><meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{text(policy)}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", title),
        element("style", Html(PANEL)),
        Html("</head>"),
    )


def _kit() -> str:
    """The kit's modules, each in a block of its own, and the page's script."""
    parts = ['"use strict";', "const kit = {};"]
    for kind in _KIT:
        parts.append(f"{{\n{_read(f'{kind}.js').replace('export default', f'kit.{kind} =')}}}")
    return "\n".join([*parts, f"{{\n{_read('export.js')}}}\n"])


def _read(name: str) -> str:
    return _plain((_HERE / name).read_text(encoding="utf-8"))


def _plain(script: str) -> str:
    """With the line ends that a browser reads, or the script would not have its hash."""
    return script.replace("\r\n", "\n").replace("\r", "\n")


def _tablist(title: str, names: Sequence[str]) -> Html:
    buttons = [
        element("button", name, type="button", role="tab", id=f"tab-{i}", aria_controls=f"panel-{i}")
        for i, name in enumerate(names)
    ]
    return element("div", *buttons, role="tablist", aria_label=title)


def _panel(i: int, inside: Html) -> Html:
    return element("section", inside, role="tabpanel", id=f"panel-{i}", aria_labelledby=f"tab-{i}", tabindex="0")


def _shown(widget: w.Widget, kept: list[dict[str, Any]]) -> Html:
    """A widget as markup; those of the kit are a place that the script fills from `kept`."""
    layout = getattr(widget, "layout", None)
    if layout is not None and (layout.display == "none" or layout.visibility == "hidden"):
        return Html("")
    if isinstance(widget, w.Box):
        return _box(widget, kept)
    if isinstance(widget, w.HTML):
        return element("div", Html(widget.value))  # markup already: made with siwork.markup
    static = getattr(widget, "static", None)
    if static is None:
        return _control(widget)
    kept.append(static())
    return element("div", class_="sw-place", data_widget=len(kept) - 1)


def _box(box: w.Box, kept: list[dict[str, Any]]) -> Html:
    if isinstance(box, w.Stack):
        chosen = box.selected_index
        return Html("") if chosen is None else _shown(box.children[chosen], kept)
    inside = [_shown(child, kept) for child in box.children]
    if isinstance(box, w.Accordion):
        named = [(element("summary", title), each) for title, each in zip(box.titles, inside, strict=True)]
        return element("div", *(element("details", *pair, open="") for pair in named))
    if isinstance(box, w.Tab):
        named = [(element("h3", title), each) for title, each in zip(box.titles, inside, strict=True)]
        return element("div", *(join(*pair) for pair in named))
    return element("div", *inside, class_="sw-row" if isinstance(box, w.HBox) else None) if any(inside) else Html("")


def _control(widget: w.Widget) -> Html:
    """What a control is set to, as "label: value"; nothing for those that are only pressed or moved."""
    if isinstance(widget, w.Label):
        return element("p", widget.value) if widget.value else Html("")
    label = getattr(widget, "description", "")
    value = getattr(widget, "label", getattr(widget, "value", None))
    if isinstance(widget, (*_SILENT, *_SLIDERS)) or not label or value is None or value in ("", ()):
        return Html("")
    return element("p", f"{label}: {_said(value)}")


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
