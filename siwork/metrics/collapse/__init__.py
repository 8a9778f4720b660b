"""Collapse: likelihood, support, repetition, length, and the laws of loops without information."""

from siwork.metrics.collapse.recursion import (
    Drift,
    GaussianLaw,
    drift,
    drift_samples,
    gaussian_recursion,
    gaussian_samples,
    known_sigma_mean_variance,
)
from siwork.metrics.collapse.reversal import Part, Reversal, reversal

__all__ = [
    "Drift",
    "GaussianLaw",
    "Part",
    "Reversal",
    "drift",
    "drift_samples",
    "gaussian_recursion",
    "gaussian_samples",
    "known_sigma_mean_variance",
    "reversal",
]
