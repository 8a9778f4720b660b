"""Self-correction: what a second attempt keeps, mends and breaks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siwork.metrics.calibration.samples import truths
from siwork.metrics.draws import counted
from siwork.schema import KnobError


class SelfCorrection(NamedTuple):
    """acc2 = acc1 · confidence_level + (1 − acc1) · critique_score; delta = delta_i_to_c − delta_c_to_i."""

    acc1: float  # share of first attempts that are right
    acc2: float  # share of second attempts that are right, higher = better
    confidence_level: float  # second right where the first was right, higher = better
    critique_score: float  # second right where the first was wrong, higher = better
    rss: float  # (acc2 − acc1²)/(2 acc1 (1 − acc1)), any real; in [0, 1] when nobody does worse than keep or mend by chance
    delta: float  # acc2 − acc1, higher = better
    delta_i_to_c: float  # wrong then right, share of all pairs
    delta_c_to_i: float  # right then wrong, share of all pairs


def self_correction(correct1: ArrayLike, correct2: ArrayLike) -> SelfCorrection:
    """Paired attempts, before and after the model was asked to look again.

    Parameters
    ----------
    correct1, correct2 : arrays of one shape, (G, m) problems by attempts or flat, 1 right, 0 wrong; a pair with a NaN leaves

    Returns
    -------
    SelfCorrection, eight floats pooled over pairs (equal attempts a problem); confidence_level NaN without a right first
    attempt, critique_score without a wrong one, rss without either; all NaN without pairs. A second *independent* attempt
    has both above 0 for nothing: compare with `independent_baseline`.

    Raises
    ------
    KnobError for shapes that differ, or values that are not 0 or 1.

    Source: Yang et al. 2024 (arXiv:2412.19513) for confidence level, critique score and rss; the deltas Kumar et al. 2024
    (arXiv:2409.12917).

    >>> found = self_correction([1, 1, 0, 0], [1, 0, 1, 0])
    >>> found.confidence_level, found.critique_score, found.delta
    (0.5, 0.5, 0.0)
    """
    a, b = np.asarray(correct1, float), np.asarray(correct2, float)
    if a.shape != b.shape:
        raise KnobError(f"correct1 and correct2 must be of one shape, got {a.shape} and {b.shape}; pair the attempts")
    known = ~(np.isnan(a) | np.isnan(b))
    first, second = truths(a[known]), truths(b[known])
    total, right = len(first), float(first.sum())
    if not total:
        return SelfCorrection(*[float("nan")] * 8)
    kept = float((first * second).sum())
    mended = float(second.sum()) - kept
    acc1, acc2 = right / total, (kept + mended) / total
    return SelfCorrection(
        acc1,
        acc2,
        kept / right if right else float("nan"),
        mended / (total - right) if right < total else float("nan"),
        (acc2 - acc1**2) / (2 * acc1 * (1 - acc1)) if 0 < right < total else float("nan"),
        acc2 - acc1,
        mended / total,
        (right - kept) / total,
    )


class Baseline(NamedTuple):
    """What a second, independent sample would show."""

    confidence_level: float
    critique_score: float


def independent_baseline(n: ArrayLike, c: ArrayLike) -> Baseline:
    """Confidence level and critique score of a second sample that has never seen the first.

    Over ordered pairs of different samples of a problem: Σ c(c−1)/(n−1) / Σ c and Σ (n−c)c/(n−1) / Σ (n−c).

    Parameters
    ----------
    n, c : int arrays (G,), samples and right samples of each problem, c ≤ n; problems with n < 2 leave

    Returns
    -------
    Baseline, two floats in [0, 1], unbiased sums; NaN without a right (wrong) sample.

    Raises
    ------
    KnobError for counts that are not whole, negative, or c > n.

    >>> independent_baseline([4, 4], [2, 4])
    Baseline(confidence_level=0.7777777777777778, critique_score=0.6666666666666666)
    """
    size, right = (np.atleast_1d(x).astype(float) for x in counted(n, c))
    pairs = size >= 2
    size, right = size[pairs], right[pairs]
    wrong = size - right
    kept, mended = (right * (right - 1) / (size - 1)).sum(), (wrong * right / (size - 1)).sum()
    return Baseline(
        float(kept / right.sum()) if right.sum() else float("nan"),
        float(mended / wrong.sum()) if wrong.sum() else float("nan"),
    )
