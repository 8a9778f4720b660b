"""Panels for notebooks: launch small rounds and see what they do to the model.

`from siwork_widgets import Lab; Lab()`. The names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from siwork.schema import missing_extra

_HOME = {"Lab": "lab", "Simulator": "simulator.simulator", "WhatIf": "selection.whatif"}
_EXTRA = ("ipywidgets", "anywidget", "traitlets")

__all__ = ["Lab", "Simulator", "WhatIf"]

if TYPE_CHECKING:
    from siwork_widgets.lab import Lab
    from siwork_widgets.selection.whatif import WhatIf
    from siwork_widgets.simulator.simulator import Simulator


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'siwork_widgets' has no attribute {name!r}")
    try:
        return getattr(import_module(f"siwork_widgets.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        raise missing_extra(f"the panel {name}", error.name.partition(".")[0], "lab") from None


def __dir__() -> list[str]:
    return __all__
