"""Support: types (tokens, n-grams, answers) that a round no longer gives, beside what chance alone would lose.

Counts are aligned: entry s of each array counts the same type. Two samples of one unchanged source never hold the same
types, so every count of lost types stands beside its expectation under no change.
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.draws import none_drawn, whole
from siwork.schema import KnobError

_NEVER = 1e-12  # types with less chance to be lost than this do not move the spread
_EXACT = 300  # samples of both rounds up to which p_lost counts every outcome


class Support(NamedTuple):
    """Types of two rounds, those lost and gained, and what no change would give."""

    types0: float
    typest: float
    lost: float
    gained: float
    expected_lost: float
    expected_gained: float
    excess_lost: float
    excess_gained: float
    p_lost: float


def _aligned(a: ArrayLike, b: ArrayLike, names: str) -> tuple[np.ndarray, np.ndarray]:
    first, second = whole(names.split(" and ")[0], a), whole(names.split(" and ")[1], b)
    if first.ndim != 1 or first.shape != second.shape:
        raise KnobError(
            f"{names} must be flat and of one length, got {first.shape} and {second.shape}; align the types"
        )
    return first, second


def support_loss(counts0: ArrayLike, countst: ArrayLike) -> Support:
    """Types of round 0 absent at round t, and new ones, beside their exact expectation when nothing changed.

    If nothing changed, all n0 + nt samples are exchangeable given the pooled counts C = c0 + ct, so a type is lost when
    all C fall to round 0: E[lost] = Σ C(N−C, nt)/C(N, nt), N = n0 + nt, over types with C > 0; gained alike with n0.

    Parameters
    ----------
    counts0, countst : int arrays (S,), samples of each type in round 0 and in round t, pooled over problems

    Returns
    -------
    Support(types0, typest, lost, gained, expected_lost, expected_gained, excess_lost, excess_gained, p_lost): counts of
    types; excess = seen − expected, > 0 for a loss beyond chance; p_lost in [0, 1], the chance of at least so many lost
    types when nothing changed. All but types0 and typest are NaN when a round is empty. Of two Zipf samples of 20 000
    tokens, each lacks a third or more of the other's types with no change at all: never give `lost` alone.

    p_lost is exact up to 300 samples in all; beyond, it has the exact mean and variance in the shape of a sum of
    independent types, within about 0.02 of exact. It takes *samples* as exchangeable: right for one answer a sample; for
    the tokens of texts it is too small, as they come in clumps: use the excess there.

    Raises
    ------
    KnobError for counts that are not whole or negative, or arrays that do not align.

    >>> found = support_loss([4, 1, 1, 0], [6, 0, 0, 0])
    >>> found.lost, round(found.expected_lost, 4), round(found.p_lost, 4)
    (2.0, 1.0, 0.2273)
    """
    c0, ct = _aligned(counts0, countst, "counts0 and countst")
    n0, nt = int(c0.sum()), int(ct.sum())
    types0, typest = float(np.count_nonzero(c0)), float(np.count_nonzero(ct))
    if not n0 or not nt:
        return Support(types0, typest, *[float("nan")] * 7)
    lost, gained = float(((c0 > 0) & (ct == 0)).sum()), float(((c0 == 0) & (ct > 0)).sum())
    size, types = np.unique((c0 + ct)[(c0 + ct) > 0], return_counts=True)
    expected_lost = float(types @ none_drawn(n0 + nt, size, nt))
    expected_gained = float(types @ none_drawn(n0 + nt, size, n0))
    p_lost = (_p_exact if n0 + nt <= _EXACT else _p_matched)(lost, size, types, n0 + nt, nt)
    return Support(
        types0,
        typest,
        lost,
        gained,
        expected_lost,
        expected_gained,
        lost - expected_lost,
        gained - expected_gained,
        p_lost,
    )


def _p_exact(lost: float, size: np.ndarray, types: np.ndarray, n: int, nt: int) -> float:
    """P(at least so many lost types); `types` types have `size` samples among n, of which nt are drawn for round t."""
    ways = np.zeros((nt + 1, int(types.sum()) + 1))  # by samples drawn so far, and by types lost so far
    ways[0, 0] = 1.0
    for each in np.repeat(size, types):
        added = np.zeros_like(ways)
        added[:, 1:] = ways[:, :-1]
        for k in range(1, min(each, nt) + 1):
            added[k:] += ways[: nt + 1 - k] * comb(int(each), k)
        ways = added
    return float(ways[nt, int(lost) :].sum() / ways[nt].sum())


def _p_matched(lost: float, size: np.ndarray, types: np.ndarray, n: int, nt: int) -> float:
    """The same for any n, from the exact mean and variance."""
    chance = none_drawn(n, np.arange(min(2 * int(size[-1]), n) + 1), nt)  # by number of samples
    some = chance[size] > _NEVER
    size, types, p = size[some], types[some].astype(float), chance[size[some]]
    mean, free = float(types @ p), float(types @ (p * (1.0 - p)))
    both = size[:, None] + size  # two types lost together: their samples count as one type's
    joint = np.where(both <= n, chance[np.minimum(both, len(chance) - 1)], 0.0) - p[:, None] * p
    variance = free + types @ joint @ types - types @ np.diag(joint)
    if not variance > 1e-9 * max(mean, 1.0):
        return float(lost <= mean + 0.5)  # the number lost is fixed by the counts
    at_least = _independent_tail(types, p, mean, free)
    place = mean + (lost - 0.5 - mean) * np.sqrt(free / variance) + 0.5
    return float(np.clip(np.interp(place, np.arange(len(at_least)), at_least, left=1.0), 0.0, 1.0))


def _independent_tail(types: np.ndarray, p: np.ndarray, mean: float, variance: float) -> np.ndarray:
    """P(X ≥ j), j = 0, 1, …, of a sum of independent Binomial(types, p), by the discrete Fourier transform."""
    first = max(0, int(mean - 12.0 * np.sqrt(variance)) - 12)
    span = int(mean + 14.0 * np.sqrt(variance)) + 64 - first  # all but 1e-14 of the mass
    turn = np.exp(-2j * np.pi * np.arange(span) / span)
    wave = np.ones(span, complex)
    for count, chance in zip(types, p, strict=True):
        wave *= (1.0 + chance * (turn - 1.0)) ** count
    mass = np.roll(np.fft.ifft(wave).real, -(first % span))  # residues modulo span; the window starts at `first`
    tail = np.cumsum(np.maximum(mass, 0.0)[::-1])[::-1]
    return np.r_[np.ones(first), tail / tail[0], 0.0]


def support_mass(counts0: ArrayLike, countst: ArrayLike) -> float:
    """Share of round t's samples whose type was seen in round 0, in [0, 1]; NaN when either round is empty.

    Its expectation under no change is 1 − `unseen_mass(counts0)`. Raises KnobError as `support_loss` does.

    >>> support_mass([3, 1, 0], [1, 0, 1])
    0.5
    """
    c0, ct = _aligned(counts0, countst, "counts0 and countst")
    return _share(c0 > 0, c0, ct)


def _share(kept: np.ndarray, pick: np.ndarray, counts: np.ndarray) -> float:
    total = counts.sum()
    return float(counts[kept].sum() / total) if total and pick.sum() else float("nan")


def tail_mass(counts_pick: ArrayLike, counts: ArrayLike, rare: int = 1) -> float:
    """Share of the samples in `counts` whose type is rare in `counts_pick`: seen there, but at most `rare` times.

    Parameters
    ----------
    counts_pick : int array (S,), the sample that names the rare types: one half of round 0
    counts : int array (S,), the sample whose mass is taken: the other half of round 0, then each later round
    rare : greatest count of a rare type, ≥ 1

    Returns
    -------
    float in [0, 1], its fall = the tail is lost; NaN when either sample is empty. Taken on the picking sample itself it
    is f1/n, and falls in any fresh sample with no change at all (0.065 → 0.052 in one case), to about
    `good_turing_tail_mass`: hence the halves.

    Raises
    ------
    KnobError for counts that are not whole or negative, arrays that do not align, or rare < 1.

    >>> tail_mass([5, 1, 1, 0], [6, 1, 0, 1])
    0.125
    """
    pick, c = _aligned(counts_pick, counts, "counts_pick and counts")
    most = int(whole("rare", rare, 1))
    return _share((pick > 0) & (pick <= most), pick, c)


def good_turing_tail_mass(counts: ArrayLike, rare: int = 1) -> float:
    """Mass that the types seen at most `rare` times are expected to have in a fresh sample: Σ_{r=1..rare} (r+1)·f_{r+1}/n.

    Parameters
    ----------
    counts : int array (S,), the sample that names the rare types; f_r types are seen r times in it, n its samples
    rare : greatest count of a rare type, ≥ 1

    Returns
    -------
    float in [0, 1]; NaN when there is no sample. An estimate, noisy where few types are seen rare + 1 times.

    Raises
    ------
    KnobError for counts that are not whole or negative, or rare < 1.

    Source: Good 1953.

    >>> good_turing_tail_mass([4, 2, 1, 1])
    0.25
    """
    c, most = whole("counts", counts), int(whole("rare", rare, 1))
    return _share((c > 1) & (c <= most + 1), c, c)


def unseen_mass(counts: ArrayLike) -> float:
    """Probability that the next sample is of a type not seen yet, f1/n (Good–Turing), in [0, 1]; NaN without a sample.

    counts : int array (S,), samples of each type. Raises KnobError for counts that are not whole or negative.

    Source: Good 1953.

    >>> unseen_mass([4, 2, 1, 1])
    0.25
    """
    c = whole("counts", counts)
    return _share(c == 1, c, c)
