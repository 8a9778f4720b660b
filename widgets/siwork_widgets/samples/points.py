"""A clicked point in words: what the completions behind it are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from siwork.figures.marks import BAND_WORDS
from siwork.schema.numbers import number

_TOLD = ("metric", "run", "round", "split", "band", "low", "high")


def in_words(point: Mapping[str, Any]) -> str:
    """What a point says of itself.

    >>> in_words({"metric": "pass@1", "run": "star", "round": 2, "split": "heldout", "band": 0})
    'pass@1 · star · round 2 · heldout · hardest fifth'
    >>> in_words({"run": "star", "round": 2, "low": 0.2, "high": 0.4, "kind": "lost"})
    'star · round 2 · 0.200 to 0.400 · kind: lost'
    """
    parts = [str(point[name]) for name in ("metric", "run") if name in point]
    parts += [f"round {point['round']}"] if "round" in point else []
    parts += [str(point["split"])] if "split" in point else []
    parts += [_band(point["band"])] if point.get("band") is not None else []
    if "low" in point and "high" in point:
        parts.append(f"{_end(point['low'])} to {_end(point['high'])}")
    return " · ".join([*parts, *(f"{name}: {value}" for name, value in point.items() if name not in _TOLD)])


def _band(band: Any) -> str:
    known = isinstance(band, int) and 0 <= band < len(BAND_WORDS)
    return BAND_WORDS[band] if known else f"band {band}"


def _end(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else str(value)
