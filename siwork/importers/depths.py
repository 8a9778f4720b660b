"""How deep JSON is nested, found without reading it: what reads deep JSON may need memory by the square of its depth."""

from __future__ import annotations

import numpy as np

DEEPEST = 200  # levels; real logs have some dozens
_QUOTE = 2
_MARKS = np.zeros(256, np.int8)  # +1 goes a level down, −1 up
for _mark, _step in (*zip(b"[{", (1, 1), strict=True), *zip(b"]}", (-1, -1), strict=True), (ord('"'), _QUOTE)):
    _MARKS[_mark] = _step


class TooDeep(ValueError):
    """JSON that is nested deeper than any log."""


class Depth:
    """The greatest depth of a JSON text that comes in pieces.

    >>> depth = Depth()
    >>> for piece in (b'{"a[[": [1, "\\\\', b'"[[["', b", [2]]}"):
    ...     depth.add(piece)
    >>> depth.greatest
    3
    """

    def __init__(self) -> None:
        self.greatest = self._now = 0
        self._inside, self._cut = 0, b""  # whether within a text, and a backslash whose character is still to come

    def see(self, name: str) -> None:
        """Raises TooDeep when more than DEEPEST levels were there."""
        if self.greatest > DEEPEST:
            raise TooDeep(f"{name} is nested more than {DEEPEST} levels deep")

    def add(self, piece: bytes) -> None:
        """Add the next bytes."""
        piece = self._cut + piece
        odd = (len(piece) - len(piece.rstrip(b"\\"))) % 2
        self._cut, piece = piece[len(piece) - odd :], piece[: len(piece) - odd]
        bare = np.frombuffer(piece.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
        steps = _MARKS[bare]
        steps = steps[steps != 0].astype(np.int64)
        quotes = np.cumsum(steps == _QUOTE) + self._inside
        levels = np.cumsum(np.where((quotes % 2 == 1) | (steps == _QUOTE), 0, steps)) + self._now
        if len(steps):
            self.greatest = max(self.greatest, int(levels.max()))
            self._now, self._inside = int(levels[-1]), int(quotes[-1]) % 2
