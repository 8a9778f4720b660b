"""Self-improvement reversal: pass@1 rises while the range of what the model can do shrinks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from siwork.metrics.intervals import checked_level
from siwork.metrics.uncertainty.clusters import paired_t
from siwork.metrics.uncertainty.counts import mcnemar
from siwork.metrics.uncertainty.families import holm
from siwork.schema import KnobError

Pair = tuple[ArrayLike, ArrayLike]  # per-problem values (G,) of round 0 and of the later round


class Part(NamedTuple):
    """Change of one part since round 0."""

    change: float  # mean over problems, later − earlier
    low: float  # its own interval, not widened for the family
    high: float
    n: int  # problems with a value in both rounds
    p: float  # two-sided, adjusted by Holm over the parts


class Reversal(NamedTuple):
    """State of the self-improvement reversal, with the parts it rests on."""

    state: str  # "none", "suspected", "shown" or "unknown"
    reason: str
    pass1: Part
    passk: Part
    diversity: Part
    beyond: Part | None  # None when not asked for


def reversal(
    pass1: Pair | None,
    passk: Pair | None,
    diversity: Pair | None,
    beyond: Pair | None = None,
    level: float = 0.95,
) -> Reversal:
    """Whether pass@1 rose and pass@k, within-problem diversity or the split beyond the training data fell since round 0.

    Each part is tested by the paired t of its own problems; p values are adjusted by Holm over the parts, so that the
    chance of any false claim is at most 1 − level. A claim holds where its adjusted p ≤ 1 − level and its change has the
    direction claimed.

    Parameters
    ----------
    pass1, passk, diversity : pairs (before, after) of float arrays (G,), per-problem values in round 0 and in the later
        round, higher = better; a NaN in either leaves its pair. None = not measured
    beyond : the same on problems beyond the training data; None leaves the part out of the family
    level : 1 − chance of any false claim, between 0 and 1

    Returns
    -------
    Reversal(state, reason, pass1, passk, diversity, beyond):
    "shown" : the rise of pass@1 holds and the fall of another part holds;
    "suspected" : the means point that way, but only one of the two claims holds;
    "none" : otherwise;
    "unknown" : a part has fewer than two pairs. Its numbers are NaN and do not count in Holm.
    Where all changes of a part are equal its p is the exact sign test, 1 where nothing changed.

    Raises
    ------
    KnobError when the two sides of a part differ in length, or for a level outside (0, 1).

    Source: Wu et al. 2024 (arXiv:2407.05013) for the claim; the tests, Holm and the states are siwork's own.

    >>> before = np.linspace(0.2, 0.6, 12)
    >>> wiggle = np.tile([0.01, -0.01], 6)
    >>> found = reversal((before, before + 0.1 + wiggle), (before, before - 0.1 + wiggle), (before, before))
    >>> found.state, found.reason
    ('shown', 'pass1 rose and passk fell')
    """
    given = {"pass1": pass1, "passk": passk, "diversity": diversity} | ({} if beyond is None else {"beyond": beyond})
    raw = {name: _part(name, pair, level) for name, pair in given.items()}
    adjusted = holm([part.p for part in raw.values()])
    parts = {name: part._replace(p=float(p)) for (name, part), p in zip(raw.items(), adjusted, strict=True)}
    state, reason = _state(parts, 1 - level)
    return Reversal(state, reason, parts["pass1"], parts["passk"], parts["diversity"], parts.get("beyond"))


def _part(name: str, pair: Pair | None, level: float) -> Part:
    checked_level(level)
    if pair is None:
        return Part(float("nan"), float("nan"), float("nan"), 0, float("nan"))
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise KnobError(f"{name} must be a pair (before, after) of per-problem values, got {type(pair).__name__}")
    before, after = (np.asarray(side, float) for side in pair)
    span = (-np.inf, np.inf) if name == "diversity" else (-1.0, 1.0)
    found = paired_t(before, after, level, span)
    return Part(*found, _p(after - before))


def _p(change: np.ndarray) -> float:
    """Two-sided p of the paired t test, of the sign test where all changes are equal; NaN with fewer than two."""
    d = change[~np.isnan(change)]
    if len(d) < 2:
        return float("nan")
    if np.ptp(d) <= 1e-12 * max(1.0, float(np.abs(d).max())):
        moved = len(d) if abs(d[0]) > 1e-12 else 0
        return float(mcnemar(moved, 0))
    t = d.mean() / (d.std(ddof=1) / np.sqrt(len(d)))
    return float(2 * stdtr(len(d) - 1, -abs(t)))


def _state(parts: dict[str, Part], alpha: float) -> tuple[str, str]:
    unknown = [name for name, part in parts.items() if np.isnan(part.p)]
    if unknown:
        return "unknown", f"fewer than two problems with both rounds for {' and '.join(unknown)}"
    first, rest = parts["pass1"], {name: part for name, part in parts.items() if name != "pass1"}
    fell = [name for name, part in rest.items() if part.change < 0]
    held = [name for name in fell if rest[name].p <= alpha]
    rose = first.change > 0 and first.p <= alpha
    if rose and held:
        return "shown", f"pass1 rose and {' and '.join(held)} fell"
    if rose and fell:
        return "suspected", f"pass1 rose; {' and '.join(fell)} fell too, but not beyond chance"
    if first.change > 0 and held:
        return "suspected", f"{' and '.join(held)} fell; pass1 rose too, but not beyond chance"
    if rose:
        return "none", "pass1 rose and no other part fell"
    return "none", "pass1 did not rise beyond chance" if first.change > 0 else "pass1 did not rise"
