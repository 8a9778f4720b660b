"""The clock of a panel, in the browser: it calls one function on the kernel's main thread, and guards the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from siwork.schema import SiworkError
from siwork_widgets.kit.look import PANEL
from siwork_widgets.kit.plain import seen
from siwork_widgets.kit.turns import take_turns

take_turns()  # every panel has a clock


class Clock(anywidget.AnyWidget):
    """Calls `on_tick` every so many seconds, and never again before the last call has returned; 0 seconds stop it.

    It belongs into the panel whose root has the class `sw-panel`: it brings the panel's look, keeps JupyterLab's command
    keys away from whatever has the focus there, and names the panel and its sliders for who cannot see them.
    An error in `on_tick` does not stop it: `fault` says it, in the panel, until a call goes well; `error` is the error itself.

    >>> clock = Clock(lambda: None, seconds=0.5)
    >>> clock.seconds
    0.5
    """

    _esm = Path(__file__).with_name("clock.js")
    _css = PANEL
    seconds = t.Float(0.25, min=0).tag(sync=True)
    answered = t.Int(0).tag(sync=True)
    fault = t.Unicode("").tag(sync=True)
    label = t.Unicode("").tag(sync=True)

    def __init__(self, on_tick: Callable[[], None], *, seconds: float = 0.25, label: str = "siwork panel") -> None:
        super().__init__(seconds=seconds, label=label)
        self.error: Exception | None = None
        self._on_tick = on_tick
        self.on_msg(self._heard)

    def tick(self) -> None:
        """Call the function now, as a tick of the browser does."""
        self.error = None
        try:
            self._on_tick()
        except Exception as error:
            self.error = error
        finally:  # an interrupt, too, must not leave the browser waiting
            self.fault = "" if self.error is None else _sentence(self.error)
            self.answered += 1

    def _heard(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and "tick" in content:
            self.tick()


def _sentence(error: Exception) -> str:
    said = " ".join(str(error).split())
    return seen(said if isinstance(error, SiworkError) else f"{type(error).__name__}: {said}")
