"""What a hand does in a panel: turn to a tab, type into a knob, click a point."""

from __future__ import annotations

import re
from contextlib import suppress
from time import monotonic
from typing import Any

from playwright.sync_api import Error, expect

DRAWN = ".sw-plot[data-drawn]"
_LONG, _SHORT = 20, 1000  # s, ms
_PLAYED = 90_000  # ms; a small run, on a machine that may be busy
_MIDDLE = """point => { point.scrollIntoView({block: 'center'}); const box = point.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2]; }"""


def turn_to(page: Any, tab: str) -> None:
    """Choose a tab of the panel."""
    page.locator(".sw-tabs").first.get_by_role("tab", name=tab, exact=True).first.click()


def set_knob(page: Any, name: str, value: object, within: str = ".sw-launcher") -> None:
    """Type a value into a knob's field."""
    box = page.locator(f"{within} .sw-knob-{name} input:not([type=range])").last
    box.fill(str(value))
    box.press("Tab")


def finished(page: Any, name: str) -> None:
    """Wait until the bar of a run says that it is finished."""
    said = re.compile(rf"{re.escape(name)}\s+finished")
    expect(page.locator(".sw-bars .sw-run", has_text=said)).to_have_count(1, timeout=_PLAYED)


def hover(page: Any, point: Any) -> None:
    """Rest on a drawn point, which lies under plotly's own layer, until it says what it is; it may be drawn anew before."""
    end = monotonic() + _LONG
    while True:
        with suppress(Error):
            x, y = point.evaluate(_MIDDLE, timeout=_SHORT)
            page.mouse.move(x - 1, y)
            page.mouse.move(x, y)
            return page.locator(".hoverlayer .hovertext").first.wait_for(timeout=_SHORT)
        assert monotonic() < end, "no point says what it is"


def click_point(page: Any, point: Any, shown: Any) -> None:
    """Click a drawn point until what it opens is shown; a click is lost when the figure is drawn anew meanwhile."""
    end = monotonic() + _LONG
    while True:
        hover(page, point)
        page.mouse.down()
        page.mouse.up()
        with suppress(Error):
            return shown.wait_for(timeout=3 * _SHORT)
        assert monotonic() < end, "nothing opened"
