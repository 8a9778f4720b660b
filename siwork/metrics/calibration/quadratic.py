"""Tail of a weighted sum of squares of normals, the null of a squared error over bins."""

from __future__ import annotations

import numpy as np

_NODES = np.arange(401.0)
_NOTHING = 1e-26  # a squared probability below this is rounding


def quadratic_tail(value: float, weight: np.ndarray, covariance: np.ndarray) -> float:
    """P(Σ_b w_b z_b² ≥ value) with z ~ N(0, C).

    The Laplace inversion `(1/2πi) ∫ exp(−s·value) Π (1 − 2λ s)^(−1/2) / s ds`, λ the eigenvalues of W^½ C W^½, on a parabola
    through the saddle point that opens to the right, where the integrand dies like a Gaussian; so small probabilities keep
    their relative accuracy (about 1e-10 against the χ² distribution).

    Parameters
    ----------
    value : the observed sum, ≥ 0
    weight : float array (B,), ≥ 0
    covariance : float array (B, B), positive semidefinite

    Returns
    -------
    float in [0, 1], 1 at value 0; NaN when nothing varies (all eigenvalues 0) and yet the value is above 0.

    >>> round(quadratic_tail(3.841459, np.ones(1), np.eye(1)), 6)
    0.05
    """
    root = np.sqrt(weight)
    scale = np.linalg.eigvalsh(root[:, None] * covariance * root)
    top = float(scale.max(initial=0.0))
    if value <= _NOTHING:
        return 1.0
    if top <= _NOTHING:
        return float("nan")
    scale, x = scale[scale > 1e-12 * top] / top, value / top
    c = _saddle(scale, x)
    bend = np.sqrt(np.sum(2 * scale**2 / (1 - 2 * scale * c) ** 2) + 1 / c**2)  # curvature of the exponent at c
    alpha = bend / 6.0
    v = _NODES * (np.arcsinh(np.sqrt(40.0 * bend / (alpha * x)) + 12.0) / _NODES[-1])
    u, du = np.sinh(v) / bend, np.cosh(v) / bend
    s = c + alpha * u**2 + 1j * u
    log = -0.5 * np.log(1 - 2 * np.outer(s, scale)).sum(axis=1) - s * x - np.log(s)
    height = (np.exp(log) * (2 * alpha * u + 1j)).imag * du
    return float(np.clip((height.sum() - height[0] / 2) * v[1] / np.pi, 0.0, 1.0))


def _saddle(scale: np.ndarray, x: float) -> float:
    """Where the exponent is least between its poles at 0 and 1/(2 max λ) = ½."""
    low, high = 0.0, 0.5
    for _ in range(60):
        middle = (low + high) / 2
        slope = np.sum(scale / np.maximum(1 - 2 * scale * middle, 1e-300)) - x - 1 / middle
        low, high = (middle, high) if slope < 0 else (low, middle)
    return (low + high) / 2
