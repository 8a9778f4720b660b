"""The drawing widget: a plotly figure whose library reaches the page once, however many figures there are."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import plotly.graph_objects as go
import traitlets as t
from ipywidgets import widget_serialization
from plotly.offline import get_plotlyjs

from siwork_widgets.kit.packing import jsonable, pack
from siwork_widgets.kit.plain import seen

_LONGEST = 4000  # characters of a label, a note or a reason
_OPENS = "Arrow keys go from point to point, Enter opens what is behind one."
_SAYS = "Arrow keys go from point to point, Enter says what is known of one."


class Picture(NamedTuple):
    """A figure ready to be sent.

    spec : `{"data": [...], "layout": {...}}`; arrays as `{"dtype": "f8", "shape": [n], "bytes": memoryview}`
    label : one sentence, read out instead of the picture
    note : how to read it, shown below it; plain text
    """

    spec: dict[str, Any]
    label: str
    note: str = ""


def picture(figure: go.Figure | dict[str, Any], label: str, note: str = "") -> Picture:
    """A figure packed for `Figure.show`; it touches no widget, so any thread may call it.

    A reader's zoom survives the next picture as long as the titles of the axes stay.

    >>> picture(go.Figure(go.Bar(y=[1, 2])), "two bars").spec["data"][0]["y"]
    [1, 2]
    """
    spec = pack(figure)
    spec["layout"].setdefault("uirevision", _axes(spec["layout"]))
    return Picture(spec, label, note)


class Figure(anywidget.AnyWidget):
    """One figure; click a point, or reach it with the arrow keys and press Enter, and `on_point` gets its customdata.

    >>> figure = Figure()
    >>> figure.show(None, why="no round is measured yet")
    >>> figure.static()["state"]["shown"]["why"]
    'no round is measured yet'
    """

    _esm = Path(__file__).with_name("figure.js")
    plotlyjs = t.Instance(anywidget.AnyWidget).tag(sync=True, **widget_serialization)
    shown = t.Dict().tag(sync=True)
    hint = t.Unicode("").tag(sync=True)  # what the keyboard does

    def __init__(self, *, on_point: Callable[[dict[str, Any]], None] | None = None) -> None:
        super().__init__(plotlyjs=Plotlyjs.shared(), hint=_OPENS if on_point is not None else "")
        self._on_point = on_point
        self.on_msg(self._heard)

    def show(self, picture: Picture | None, *, why: str = "") -> None:
        """Draw that picture; without one, say why there is none."""
        if picture is None:
            self.shown = {"why": seen(why, _LONGEST)}
        else:
            label, note = seen(picture.label, _LONGEST), seen(picture.note, _LONGEST)
            self.shown = {"spec": picture.spec, "label": label, "note": note}

    def static(self) -> dict[str, Any]:
        """What the static page needs to draw the same."""
        return {"kind": "figure", "state": {"shown": jsonable(self.shown), "hint": _SAYS if self.hint else ""}}

    def _heard(self, _: Any, content: Any, __: Any) -> None:
        point = content.get("open") if isinstance(content, dict) else None
        if self._on_point is not None and isinstance(point, dict):
            self._on_point(point)


class Plotlyjs(anywidget.AnyWidget):
    """Holds plotly.js, packed, for all figures of a kernel; it is never shown."""

    _esm = Figure._esm  # it unpacks the library before there is a figure
    _one: Plotlyjs | None = None
    source = t.Bytes().tag(sync=True)

    @classmethod
    def shared(cls) -> Plotlyjs:
        """The one instance, made when the first figure asks for it."""
        if cls._one is None or cls._one.comm is None:
            cls._one = cls(source=cls.packed())
        return cls._one

    @staticmethod
    @lru_cache(maxsize=1)
    def packed() -> bytes:
        """plotly.js as it is sent; packing takes a tenth of a second, once, and any thread may ask for it."""
        return gzip.compress(get_plotlyjs().encode(), 4, mtime=0)  # 6: twice the time, 4 % less


def _axes(layout: dict[str, Any]) -> str:
    """The titles of all axes."""
    axes = {key: axis for key, axis in layout.items() if key[1:5] == "axis" and isinstance(axis, dict)}
    return "\n".join(f"{key} {(axis.get('title') or {}).get('text', '')}" for key, axis in sorted(axes.items()))
