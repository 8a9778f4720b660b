"""One self-contained HTML file: its head, its scripts, its figures; it loads nothing and sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from siwork.markup import Html, element, join, script_json, text
from siwork.schema import RunError
from siwork.store import atomic_write

# nothing may be loaded, nothing may be sent; images are those that plotly draws itself
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def document(title: str, *body: Html, figures: Sequence[dict[str, Any]] = ()) -> str:
    """The whole file; the library that draws is in it where there are figures to draw.

    figures : plotly figures as JSON, in the order of the places of class `plot` in the body
    """
    drawn = [
        element("script", script_json(list(figures)), type="application/json", id="figure-data"),
        element("script", Html(get_plotlyjs())),
        element("script", _file("page.js")),
    ]
    parts = [*body, *(drawn if figures else [])]
    return f'<!DOCTYPE html>\n<html lang="en">\n{_head(title)}\n{element("body", join(*parts, between=Html(chr(10))))}\n</html>\n'


def save(page: str, path: str | Path) -> Path:
    """Write a page; its folder is made where it is missing. Raises RunError when it cannot be written."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, page.encode())
    except OSError as error:
        raise RunError(
            f"could not write {path}: {error.strerror}; name a file in a folder that can be written"
        ) from error
    return path


def _head(title: str) -> Html:
    return join(
        Html('<head><meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", title),
        element("style", _file("page.css"), _file("cards.css")),
        Html("</head>"),
    )


def _file(name: str) -> Html:
    return Html(Path(__file__).with_name(name).read_text(encoding="utf-8"))
