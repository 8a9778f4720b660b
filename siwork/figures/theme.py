"""Colours, numbers and the template that all figures share; readable on white and on dark."""

from __future__ import annotations

from html import escape
from textwrap import wrap
from typing import Any

from siwork.schema.numbers import interval as interval
from siwork.schema.numbers import number as number

# Okabe & Ito (2008), without black and yellow, which vanish on dark and on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "x")
INK = "#7a7a7a"  # contrast above 4 : 1 with white and with #121212
GRID = "rgba(128,128,128,0.22)"
_LONGEST = 400  # characters of a name or reason that are shown


def colour(index: int) -> str:
    """Colour of the series with that number; six colours, then they come again with another symbol."""
    return COLOURS[index % len(COLOURS)]


def symbol(index: int) -> str:
    """Marker of the series with that number, so that no series is told by colour alone."""
    return SYMBOLS[(index + index // len(COLOURS)) % len(SYMBOLS)]


def faded(hex_colour: str, opacity: float) -> str:
    """The colour at that opacity, 0 … 1.

    >>> faded("#0072B2", 0.2)
    'rgba(0,114,178,0.20)'
    """
    red, green, blue = (int(hex_colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:.2f})"


def plain(text: object, width: int = 0) -> str:
    """Text that plotly shows as it is, without links or tags, cut at 400 characters and wrapped at `width`.

    >>> plain("<b>star</b>")
    '&lt;b&gt;star&lt;/b&gt;'
    """
    line = " ".join(str(text).split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    # quote=False: plotly does not know &quot;
    return "<br>".join(escape(part, quote=False) for part in (wrap(line, width) if width else [line]))


def shortened(name: str, longest: int = 22) -> str:
    """A name cut so that it fits into a panel's title, as `plain` text.

    >>> shortened("a-very-long-name-of-some-run")
    'a-very-long-name-of-s…'
    """
    return plain(name if len(name) <= longest else name[: longest - 1] + "…")


def template() -> dict[str, Any]:
    """The look: nothing behind the figure, grey text and grid, whole rounds, no button that sends data away."""
    axis = {
        "gridcolor": GRID,
        "zerolinecolor": GRID,
        "linecolor": GRID,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": GRID,
        "title": {"standoff": 6, "font": {"size": 12}},
        "automargin": True,
    }
    return {
        "layout": {
            "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": INK},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(COLOURS),
            "xaxis": axis | {"showgrid": False, "zeroline": False},
            "yaxis": axis,
            "hoverlabel": {
                "bgcolor": "#262626",
                "bordercolor": "#8c8c8c",
                "font": {"color": "#f5f5f5"},
                "align": "left",
            },
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "top", "yref": "container"},
            "modebar": {
                "remove": ["sendChartToCloud", "lasso2d", "select2d"],
                "bgcolor": "rgba(0,0,0,0)",
                "color": INK,
            },
        }
    }
