"""Calibration error over bins: the plug-ins with their floor, and the squared error without bias.

The plug-ins (`ece`, `mce`, `ace`, `rmsce`) are biased up: a perfectly calibrated judge reads `ece_floor`, not 0. Claims
rest on `ece2_debiased` with `ece2_interval`, or on `calibrated_p`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from siwork.metrics.calibration.bins import Cells, Sums, bin_codes, bin_sums, cell_sums
from siwork.metrics.calibration.quadratic import quadratic_tail
from siwork.metrics.calibration.samples import samples
from siwork.schema import KnobError


def _sums(score: ArrayLike, gold: ArrayLike, bins: int, by: str, edges: ArrayLike | None) -> Sums:
    found = samples(score, gold)
    return bin_sums(found, bin_codes(found.score, bins, by, edges))


def ece(score: ArrayLike, gold: ArrayLike, bins: int = 10, by: str = "auto", edges: ArrayLike | None = None) -> float:
    """Expected calibration error Σ_b (n_b/N) |mean gold − mean score|; compare it with `ece_floor`, never with 0.

    Parameters
    ----------
    score : float array (N,) in [0, 1]; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    bins, by, edges : the bins, as in `binned`; rounds compare at the same bins and the same N

    Returns
    -------
    float in [0, 1], lower = better; NaN when no sample has both.

    Raises
    ------
    KnobError for a score outside [0, 1], gold that is not 0 or 1, lengths that differ, or bad bins.

    Source: Naeini et al. 2015; equal mass after Roelofs et al. 2022.

    >>> round(ece([0.2, 0.2, 0.9, 0.9], [0, 1, 1, 1]), 4)
    0.2
    """
    sums = _sums(score, gold, bins, by, edges)
    total = sums.size.sum()
    return float(np.abs(sums.gold - sums.score).sum() / total) if total else float("nan")


def mce(
    score: ArrayLike,
    gold: ArrayLike,
    bins: int = 10,
    by: str = "auto",
    edges: ArrayLike | None = None,
    min_count: int = 1,
) -> float:
    """Largest |mean gold − mean score| of a bin with at least `min_count` samples (a bin of one has a gap near 1).

    Takes and raises what `ece` does. Returns float in [0, 1], lower = better; NaN when no bin holds enough samples.

    >>> round(mce([0.2, 0.2, 0.9, 0.9], [0, 1, 1, 1]), 4)
    0.3
    """
    sums = _sums(score, gold, bins, by, edges)
    enough = sums.size >= min_count
    gap = np.abs(sums.gold - sums.score)[enough] / sums.size[enough]
    return float(gap.max()) if gap.size else float("nan")


def ace(score: ArrayLike, gold: ArrayLike, bins: int = 10, by: str = "mass", edges: ArrayLike | None = None) -> float:
    """Adaptive calibration error: unweighted mean over non-empty bins of equal mass of |mean gold − mean score|.

    Takes and raises what `ece` does. Returns float in [0, 1], lower = better; NaN when no sample has both. With
    `by="width"` it is the "ACE" of netcal, another number.

    Source: Nixon et al. 2019, for two classes.

    >>> round(ace([0.2, 0.2, 0.9, 0.9], [0, 1, 1, 1], bins=2), 4)
    0.2
    """
    sums = _sums(score, gold, bins, by, edges)
    return float(np.mean(np.abs(sums.gold - sums.score) / sums.size)) if len(sums.size) else float("nan")


def rmsce(score: ArrayLike, gold: ArrayLike, bins: int = 10, by: str = "auto", edges: ArrayLike | None = None) -> float:
    """Root mean square calibration error, sqrt(Σ_b (n_b/N) (mean gold − mean score)²), the plug-in.

    Takes and raises what `ece` does. Returns float in [0, 1], lower = better, biased up; NaN when no sample has both.

    >>> round(rmsce([0.2, 0.2, 0.9, 0.9], [0, 1, 1, 1]), 4)
    0.2236
    """
    sums = _sums(score, gold, bins, by, edges)
    total = sums.size.sum()
    return float(np.sqrt(((sums.gold - sums.score) ** 2 / sums.size).sum() / total)) if total else float("nan")


class _Gaps(NamedTuple):
    """Gap mean score − mean gold of each bin and the variance of it, arrays (B,), and the cells behind."""

    size: np.ndarray  # samples
    gap: np.ndarray
    variance: np.ndarray  # NaN where the bin has fewer than two problems (samples)
    null: np.ndarray  # variance of independent samples of a calibrated judge
    cells: Cells  # bin numbered 0..B−1


def _gaps(
    score: ArrayLike, gold: ArrayLike, problem: ArrayLike | None, bins: int, by: str, edges: ArrayLike | None
) -> _Gaps:
    found = samples(score, gold, problem)
    codes = bin_codes(found.score, bins, by, edges)
    sums, cells = bin_sums(found, codes), cell_sums(found, codes)
    cells = cells._replace(bin=np.searchsorted(sums.bin, cells.bin))
    gap, size = (sums.score - sums.gold) / sums.size, len(sums.bin)
    if problem is None:
        rate = sums.gold / sums.size
        variance = np.where(sums.size > 1, rate * (1 - rate) / np.maximum(sums.size - 1, 1), np.nan)
    else:
        rest = cells.score - cells.gold - gap[cells.bin] * cells.size
        held = np.bincount(cells.bin, minlength=size)
        factor = np.where(held > 1, held / np.maximum(held - 1, 1), np.nan)
        variance = factor * np.bincount(cells.bin, rest**2, size) / sums.size**2
    mean = sums.score / sums.size
    return _Gaps(sums.size, gap, variance, mean * (1 - mean) / sums.size, cells)


def ece_floor(
    score: ArrayLike,
    gold: ArrayLike,
    problem: ArrayLike | None = None,
    bins: int = 10,
    by: str = "auto",
    edges: ArrayLike | None = None,
) -> float:
    """What `ece` reads for a perfectly calibrated judge on samples like these.

    Without problems Σ_b (n_b/N) sqrt(2 s̄(1−s̄)/(π n_b)), s̄ the mean score of the bin: independent samples. With problems
    Σ_b (n_b/N) sqrt(2 v_b/π), v_b the variance of the gap over problems, as in `ece2_debiased`; bins with one problem add
    nothing.

    Takes and raises what `ece2_debiased` does. Returns float ≥ 0; NaN when no sample has both, or no bin two problems.

    >>> round(ece_floor([0.5, 0.5, 0.5, 0.5], [0, 1, 1, 0]), 4)
    0.1995
    """
    found = _gaps(score, gold, problem, bins, by, edges)
    variance = found.null if problem is None else found.variance
    used = ~np.isnan(variance)
    if not used.any():
        return float("nan")
    return float((found.size * np.sqrt(2 * np.where(used, variance, 0.0) / np.pi)).sum() / found.size.sum())


def ece2_debiased(
    score: ArrayLike,
    gold: ArrayLike,
    problem: ArrayLike | None = None,
    bins: int = 10,
    by: str = "auto",
    edges: ArrayLike | None = None,
) -> float:
    """Squared calibration error without the bias of the plug-in, Σ_b (n_b/N)(gap_b² − v_b).

    Parameters
    ----------
    score : float array (N,) in [0, 1]; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    problem : array (N,), labels of any kind: v_b = G_b/(G_b−1) Σ (Σ_{i in problem} r_i − gap_b)²/n_b², r = score − gold.
        None takes samples as independent, v_b = ō(1−ō)/(n_b−1), which leaves bias when one problem has many samples
    bins, by, edges : the bins, as in `binned`

    Returns
    -------
    float ≤ 1, lower = better, around 0 for a calibrated judge, so keep the sign; biased up, by about 0.001, at 10 to 20
    problems. Bins with one problem leave; `calibrated_p` gives the share of samples in the others. NaN when no bin has two.

    Raises
    ------
    KnobError for a score outside [0, 1], gold that is not 0 or 1, lengths that differ, or bad bins.

    Source: Kumar et al. 2019 (arXiv:1909.10155) for independent samples; v_b over problems is siwork's own.

    >>> round(ece2_debiased([0.5] * 4, [0, 1, 1, 0]), 4), round(ece2_debiased([0.5] * 4, [0, 0, 1, 1], [0, 0, 1, 1]), 4)
    (-0.0833, -0.25)
    """
    found = _gaps(score, gold, problem, bins, by, edges)
    used = ~np.isnan(found.variance)
    if not used.any():
        return float("nan")
    return float((found.size * (found.gap**2 - found.variance))[used].sum() / found.size.sum())


class Calibrated(NamedTuple):
    """Test of "the judge is calibrated"."""

    p: float  # probability of gaps at least this large if it is
    statistic: float  # plug-in squared error Σ (n_b/N) gap_b² over the bins used
    share: float  # samples in bins with two problems or more, which are those used
    bins: int  # bins used


def calibrated_p(
    score: ArrayLike,
    gold: ArrayLike,
    problem: ArrayLike | None = None,
    bins: int = 10,
    by: str = "auto",
    edges: ArrayLike | None = None,
) -> Calibrated:
    """Test of "calibrated": the plug-in squared error against Σ (n_b/N) z_b², z ~ N(0, C), C the covariance over problems.

    Parameters
    ----------
    score, gold, problem, bins, by, edges : as in `ece2_debiased`; without problems each sample is its own

    Returns
    -------
    Calibrated(p, statistic, share, bins); p in [0, 1], small = not calibrated; 1 without any gap. p is NaN when no bin has two
    problems, or nothing varies though there is a gap (every score 0 or 1 and every problem alike).

    Raises
    ------
    KnobError as `ece2_debiased`.

    Departs from the plain covariance in one place: a bin's variance is at least half that of independent samples of a
    calibrated judge, s̄(1−s̄)/n_b, because a bin whose few samples all came out alike shows no variance of its own. Size in
    simulations 3–7 % at 5 %, 30 to 200 problems with 1 to 16 samples.

    >>> calibrated_p([0.9] * 40, [0, 1] * 20).p < 0.001
    True
    """
    found = _gaps(score, gold, problem, bins, by, edges)
    used = ~np.isnan(found.variance)
    total = found.size.sum()
    if not used.any():
        return Calibrated(float("nan"), float("nan"), 0.0 if total else float("nan"), 0)
    share = found.size[used] / total
    statistic = float((share * found.gap[used] ** 2).sum())
    covariance = gap_covariance(found.cells, found.gap, found.size)[np.ix_(used, used)]
    lack = np.maximum(found.null[used] / 2 - np.diag(covariance), 0.0)
    p = quadratic_tail(statistic, share, covariance + np.diag(lack))
    return Calibrated(p, statistic, float(share.sum()), int(used.sum()))


def gap_covariance(cells: Cells, gap: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Covariance (B, B) of the gaps over problems, each with the small-sample factor of its bin; 0 for one problem.

    Raises KnobError when a cell names a bin that is not there.
    """
    if len(cells.bin) and cells.bin.max() >= len(gap):
        raise KnobError(f"cells name bin {cells.bin.max()}, but there are {len(gap)} gaps; number bins 0..B−1")
    held = np.bincount(cells.bin, minlength=len(gap))
    factor = np.sqrt(held / np.maximum(held - 1, 1))
    rest = cells.score - cells.gold - gap[cells.bin] * cells.size
    part = rest * (factor / count)[cells.bin]
    rows = int(cells.problem.max(initial=-1)) + 1
    spread = csr_array((part, (cells.problem, cells.bin)), shape=(rows, len(gap)))
    return np.asarray((spread.T @ spread).todense())
