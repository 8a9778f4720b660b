"""Markup that is escaped by construction: text becomes HTML only through `element` and `text`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

# control characters but tab and line end, and the marks that turn the direction of text around
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

SOFT = "opacity:.72"  # less important text, in whatever colour the page has
_SHEET = "line-height:1.4;overflow-wrap:break-word"
_CELL = "text-align:left;vertical-align:top;padding:2px 8px"


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Any text as HTML that shows it; characters that would hide or turn it are written as ⟨U+202E⟩.

    >>> text("<img src=x onerror=alert(1)>" + chr(0x202E))
    '&lt;img src=x onerror=alert(1)&gt;⟨U+202E⟩'
    """
    if isinstance(value, Html):
        return value
    return Html(escape(visible(str(value).replace("\r\n", "\n"))))


def visible(plain: str) -> str:
    """Text in which every character that would hide or turn it is written out.

    >>> visible("a" + chr(0x202E) + "b")
    'a⟨U+202E⟩b'
    """
    return HIDDEN.sub(lambda mark: f"⟨U+{ord(mark[0]):04X}⟩", plain)


def element(name: str, *inside: object, **attributes: object) -> Html:
    """An element; what is inside is escaped unless it is `Html`, an attribute that is None is left out.

    >>> element("td", "a < b", class_="value")
    '<td class="value">a &lt; b</td>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(*inside)}</{name}>")


def join(*parts: object, between: str = "") -> Html:
    """Several parts side by side, each escaped unless it is `Html`."""
    return Html(text(between).join(text(part) for part in parts))


def script_json(value: Any) -> Html:
    r"""JSON that can stand inside a script element: no `<` is left in it that could end the element.

    >>> script_json(["</script>"])
    '["\\u003c/script\\u003e"]'
    """
    written = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Html(written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def short(value: object, longest: int = 300) -> Html:
    """Text as `text` shows it, cut, with how many characters were left out; markup passes through.

    >>> short("abcdef", 4)
    'abcd … (2 more characters)'
    """
    if isinstance(value, Html):
        return value
    plain = str(value)
    left = len(plain) - longest
    return text(plain if left <= 0 else f"{plain[:longest]} … ({left:,} more characters)")


def label(name: object) -> Html:
    """A name in one line, cut at 60 characters."""
    return element("span", short(name, 60), style="white-space:nowrap")


def sheet(*inside: object) -> Html:
    """What a notebook shows of an object: no style sheet, the page's own colours, and $…$ stays text."""
    return element("div", *inside, class_="sw-sheet tex2jax_ignore mathjax_ignore", style=_SHEET)


def grid(head: Sequence[object], lines: Iterable[Sequence[object]]) -> Html:
    """A table; the cells of a line are cut texts or markup, an empty `head` leaves the heading out."""
    names = [element("th", short(name), scope="col", style=_CELL) for name in head]
    top = element("thead", element("tr", *names)) if names else ""
    body = [element("tr", *(element("td", short(cell), style=_CELL) for cell in line)) for line in lines]
    return element(
        "table", top, element("tbody", *body), style="border-collapse:collapse;font-size:inherit;margin:4px 0"
    )
