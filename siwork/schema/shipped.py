"""Where the data lie that ship with siwork."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_HOMES = (_PACKAGE / "data", _PACKAGE.parent / "data")  # in the package when it is installed, beside it in a checkout


def shipped(*names: str) -> Path | None:
    """A file or folder that ships, by its place in `data`; None when it does not.

    >>> shipped("base", "add.safetensors").name, shipped("base", "chess.safetensors")
    ('add.safetensors', None)
    """
    return next((place for home in _HOMES if (place := home.joinpath(*names)).exists()), None)
