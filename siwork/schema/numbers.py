"""Numbers as a reader wants them: three digits, the interval beside the value."""

from __future__ import annotations

import math
from itertools import chain


def number(value: float, *beside: float, sign: bool = False) -> str:
    """A number with about three digits, as many decimals as the largest of those it stands beside.

    >>> number(0.5), number(5.9375), number(1234.5), number(0.0, 12.0), number(0.08, sign=True), number(math.nan)
    ('0.500', '5.94', '1,234', '0.0', '+0.080', 'unknown')
    >>> number(-0.0004), number(-0.0004, sign=True), number(-0.0006)
    ('0.000', '+0.000', '−0.001')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    largest = max(abs(v) for v in chain([value], beside) if math.isfinite(v))
    decimals = 3 if largest < 1.0005 else 2 if largest < 10 else 1 if largest < 100 else 0
    rounded = round(float(value), decimals) + 0.0  # −0 + 0 is 0; a numpy float would round in another way
    text = f"{rounded:{'+' if sign else ''},.{decimals}f}"
    return text.replace("-", "−")


def counted(n: int, what: str) -> str:
    """So many of a thing, whose plural ends in s.

    >>> counted(1, "round"), counted(0, "seed"), counted(5, "run")
    ('1 round', '0 seeds', '5 runs')
    """
    return f"{n:.0f} {what}{'' if n == 1 else 's'}"


def interval(value: float, low: float, high: float, *, sign: bool = False) -> str:
    """A number with its interval, the interval left out when it is unknown.

    >>> interval(0.512, 0.47, 0.553), interval(0.512, math.nan, math.nan)
    ('0.512 [0.470, 0.553]', '0.512')
    """
    centre = number(value, low, high, sign=sign)
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return centre
    return f"{centre} [{number(low, value, high, sign=sign)}, {number(high, value, low, sign=sign)}]"
