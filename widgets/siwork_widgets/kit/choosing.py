"""Drop-downs and lists whose choices change while a reader uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets as w

Option = tuple[str, Any]  # what is shown, what it stands for


def chooser(label: str, options: Sequence[Option], kind: str, width: str = "auto") -> w.Dropdown:
    """A drop-down with its label before it and the class `sw-<kind>`."""
    made = w.Dropdown(
        description=label, options=options, style={"description_width": "initial"}, layout={"width": width}
    )
    made.add_class(f"sw-{kind}")
    return made


def several(label: str, kind: str, width: str = "320px") -> w.SelectMultiple:
    """A list of which several may be chosen, with its label before it and the class `sw-<kind>`."""
    layout, style = w.Layout(width=width), {"description_width": "initial"}
    made = w.SelectMultiple(description=label, rows=6, layout=layout, style=style)
    made.add_class(f"sw-{kind}")
    return made


def offer(chosen: w.Dropdown, options: Sequence[Option]) -> None:
    """Other choices; what is chosen stays chosen where it is still offered, else it is the first one."""
    if list(chosen.options) == list(options):
        return
    kept = chosen.value
    chosen.options = options
    chosen.value = kept if kept in [value for _, value in options] else options[0][1] if options else None


class Choices(w.HBox):
    """Controls in a row that wraps; `on_change` is called when the reader, not the program, changes one of them."""

    def __init__(self, controls: Sequence[Any], on_change: Callable[[], None]) -> None:
        super().__init__(controls, layout={"flex_flow": "row wrap", "align_items": "center"})
        self._on_change, self._quiet = on_change, False
        for control in controls:
            control.observe(self._changed, "value")

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Inside, changes of the controls call nobody."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _changed(self, _: Any) -> None:
        if not self._quiet:
            self._on_change()
