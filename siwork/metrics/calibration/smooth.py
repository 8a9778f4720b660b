"""Calibration error without bins: residuals smoothed by a reflected Gaussian as wide as the error itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import dct

from siwork.metrics.calibration.samples import samples
from siwork.schema import KnobError

_NODES = 4096  # steps of the grid over [0, 1]; a power of two, since the transform has twice as many points
_FREQUENCY = np.pi * np.arange(_NODES + 1.0)


def smooth_ece(score: ArrayLike, gold: ArrayLike, bandwidth: float | None = None) -> float:
    """Smooth calibration error: the bandwidth σ at which ∫₀¹ |1/N Σ_i K_σ(t, s_i)(s_i − y_i)| dt equals σ.

    K is a Gaussian of standard deviation σ reflected at 0 and 1. No bins; continuous in the scores.

    Parameters
    ----------
    score : float array (N,) in [0, 1]; NaN (unscored) leaves
    gold : array (N,), 1 right, 0 wrong; NaN (unknown) leaves
    bandwidth : σ > 0: the integral at this width, which falls as σ grows; None is the fixed point

    Returns
    -------
    float in [0, 1], lower = better; 0 only without any residual. Biased up: a calibrated judge reads `smooth_ece_floor`.
    NaN when no sample has both.

    Raises
    ------
    KnobError for a score outside [0, 1], gold that is not 0 or 1, lengths that differ, or a bandwidth not above 0.

    Source: Błasiok & Nakkiran 2023 (arXiv:2309.12236). Departs from the package relplot in the ends: scores at exactly 0 or 1
    count in full. Scores are split between the two nearest of 4097 nodes, which moves the value by less than 2e-4.

    >>> round(smooth_ece([0.2, 0.2, 0.9, 0.9], [0, 1, 1, 1]), 4)
    0.2
    """
    if bandwidth is not None and not bandwidth > 0:
        raise KnobError(f"bandwidth must be above 0, got {bandwidth!r}; None finds it")
    found = samples(score, gold)
    if not len(found.score):
        return float("nan")
    wave = dct(_on_nodes(found.score, (found.score - found.gold) / len(found.score)), type=1)
    return _smoothed(wave, bandwidth) if bandwidth is not None else _fixed_point(wave)


def smooth_ece_floor(score: ArrayLike, gold: ArrayLike, draws: int = 40, seed: int = 0) -> float:
    """What `smooth_ece` reads for a perfectly calibrated judge with these scores and independent samples.

    The mean of `smooth_ece` over `draws` redraws of the truth from the scores (as normals of the same variance, one a node
    of the grid). Several samples a problem raise the floor: use one a problem, or read it as a lower bound.

    Takes and raises what `smooth_ece` does, and KnobError for draws < 1. Returns float in [0, 1]; NaN when no sample has both.

    >>> round(smooth_ece_floor([0.5] * 100, [0, 1] * 50), 2)
    0.04
    """
    if draws < 1:
        raise KnobError(f"draws must be ≥ 1, got {draws!r}; 40 settle two digits")
    found = samples(score, gold)
    if not len(found.score):
        return float("nan")
    # a score between two nodes puts one residual on both: place it on the nearer, whole
    node = np.rint(found.score * _NODES).astype(np.int64)
    spread = np.sqrt(np.bincount(node, found.score * (1 - found.score), _NODES + 1)) / len(found.score)
    noise = np.random.default_rng(seed).standard_normal((draws, _NODES + 1)) * spread
    noise[:, [0, -1]] = 2.0 * noise[:, [0, -1]]
    return float(np.mean([_fixed_point(wave) for wave in dct(noise, type=1)]))


def _on_nodes(score: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Mass split between the two nearest nodes; doubled at the ends, where a point is its own reflection."""
    place = score * _NODES
    left = np.minimum(place.astype(np.int64), _NODES - 1)
    right = mass * (place - left)
    nodes = np.bincount(left, mass - right, _NODES + 1)
    nodes[1:] += np.bincount(left, right, _NODES)
    nodes[[0, -1]] = 2.0 * nodes[[0, -1]]
    return nodes


def _smoothed(wave: np.ndarray, sigma: float) -> float:
    density = dct(wave * np.exp(-0.5 * (sigma * _FREQUENCY) ** 2), type=1) / 2.0
    size = np.abs(density) / _NODES
    return float(size.sum() - (size[0] + size[-1]) / 2)


def _fixed_point(wave: np.ndarray) -> float:
    from scipy.optimize import brentq  # slow to load, and rarely needed

    least = 1e-9
    if _smoothed(wave, least) <= least:
        return 0.0
    return float(brentq(lambda sigma: _smoothed(wave, sigma) - sigma, least, 1.0 + 1e-9, xtol=1e-10))
