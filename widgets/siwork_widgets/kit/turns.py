"""One message at a time: JupyterLab hands those of widgets to several threads of a kernel (subshells), and no panel expects it.

A click may be handled in one thread while a tick, or another click, is handled in another. Nothing in ipywidgets keeps them
apart, so the one place through which every message of a widget comes takes turns, for all widgets of the kernel.
"""

from __future__ import annotations

from functools import wraps
from threading import RLock
from typing import Any

from ipywidgets import Widget

TURN = RLock()  # held while a message is handled, and by whatever a cell may call meanwhile


def take_turns() -> None:
    """Let every widget made from now on handle its messages in turn; a second call changes nothing."""
    original: Any = Widget._handle_msg
    if getattr(original, "in_turn", False):
        return

    @wraps(original)
    def handle(self: Widget, msg: Any) -> Any:
        with TURN:
            return original(self, msg)

    handle.in_turn = True  # type: ignore[attr-defined]
    Widget._handle_msg = handle
