"""Small pieces that panels are made of: titles, buttons, fields."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from siwork.markup import element


def title(words: str) -> w.HTML:
    """A heading."""
    return w.HTML(element("h3", words))


def button(words: str, tooltip: str, action: Callable[[], None], *, style: str = "") -> w.Button:
    """A button with the class `sw-<words>` that does something when it is pressed."""
    made = w.Button(description=words, tooltip=tooltip, button_style=style)
    made.add_class(f"sw-{words.lower().replace(' ', '-')}")
    made.on_click(lambda _: action())
    return made


def field(words: str, value: str, tooltip: str) -> w.Text:
    """A line to type into, with the class `sw-<words>`."""
    made = w.Text(value=value, description=words, tooltip=tooltip, layout=w.Layout(width="auto"))
    made.continuous_update = False
    made.add_class(f"sw-{words.lower().replace(' ', '-')}")
    return made
