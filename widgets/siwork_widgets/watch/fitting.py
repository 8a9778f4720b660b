"""Pictures laid out for a panel, which is narrower than the report's page: two panels beside each other, no idle room above."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from siwork_widgets.kit.figure import Picture

WIDTH = 780  # px inside a panel's margins, in JupyterLab at 1 280 px with its side bar open
_NARROW = 350  # px of a picture of one panel, which shares its row
_ACROSS, _APART = 2, 0.1  # panels in a row, share of the width between them
_LEFT = 70  # px: seven characters of a number, and the axis title
_BETWEEN = 110  # px between two rows: axis below, title above
_LINE, _SMALL, _ENTRY, _LETTER = 22, 16, 48, 7.0  # px of a legend's line, a title's line, a legend's mark, a letter


class _Panel(NamedTuple):
    """The two axes of a panel."""

    x: dict[str, Any]
    y: dict[str, Any]


def fitted(one: Picture) -> Picture:
    """The picture with at most two panels in a row, as high as its legend and titles need, its margins fixed; changed in place."""
    layout = one.spec["layout"]
    margin = layout["margin"]
    inside = layout["height"] - margin["t"] - margin["b"]
    panels = _panels(layout)
    if len(_columns(panels)) > _ACROSS and _alike(panels):
        inside = _rearrange(panels, inside)
    margin["l"] = _LEFT
    for axis in ("xaxis", "yaxis"):
        layout["template"]["layout"][axis]["automargin"] = False  # plotly draws everything twice to find its margins
    margin["t"] = 16 + _LINE * _legend_lines(one.spec) + _SMALL * _title_lines(layout)
    layout["height"] = inside + margin["t"] + margin["b"]
    return one


def across(one: Picture) -> int:
    """How many panels a picture has beside each other."""
    return len(_columns(_panels(one.spec["layout"])))


def _columns(panels: list[_Panel]) -> set[float]:
    """Where panels begin, from left to right."""
    return {round(panel.x["domain"][0], 3) for panel in panels}


def _panels(layout: dict[str, Any]) -> list[_Panel]:
    """The panels that are shown, in reading order."""
    numbers = sorted(int(key[5:] or 1) for key in layout if key.startswith("xaxis"))
    names = ["" if n == 1 else str(n) for n in numbers]
    found = [_Panel(layout[f"xaxis{name}"], layout[f"yaxis{name}"]) for name in names]
    return [panel for panel in found if panel.x.get("visible") is not False and "domain" in panel.x]


def _alike(panels: list[_Panel]) -> bool:
    """Whether all panels are equally high; where they are not, some belong together."""
    return len({round(panel.y["domain"][1] - panel.y["domain"][0], 3) for panel in panels}) == 1


def _rearrange(panels: list[_Panel], inside: float) -> float:
    """Place the panels anew; the height of all rows, px."""
    least, most = panels[0].y["domain"]
    each = (most - least) * inside
    rows = math.ceil(len(panels) / _ACROSS)
    whole = rows * each + (rows - 1) * _BETWEEN
    wide = (1 - _APART * (_ACROSS - 1)) / _ACROSS
    for i, panel in enumerate(panels):
        row, column = divmod(i, _ACROSS)
        left, top = column * (wide + _APART), 1 - row * (each + _BETWEEN) / whole
        panel.x["domain"] = [left, left + wide]
        panel.y["domain"] = [max(top - each / whole, 0.0), top]
    return whole


def _legend_lines(spec: dict[str, Any]) -> int:
    """Lines that the legend takes, by the lengths of its names."""
    if not spec["layout"].get("showlegend"):
        return 0
    wide = WIDTH if len(_columns(_panels(spec["layout"]))) > 1 else _NARROW
    names = [one["name"] for one in spec["data"] if one.get("name") and one.get("showlegend") is not False]
    if not names:
        return 0
    size = _ENTRY + _LETTER * max(map(len, names))  # all entries are as wide as the widest
    return math.ceil(len(names) / max(1, wide // size))


def _title_lines(layout: dict[str, Any]) -> int:
    """Lines of the highest title over a panel."""
    texts = [str(note.get("text")) for note in layout.get("annotations", ()) if note.get("yanchor") == "bottom"]
    return max((text.count("<br>") + 1 for text in texts), default=0)
