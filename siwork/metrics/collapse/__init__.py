"""Collapse: likelihood, support, repetition, length, and the laws of loops without information."""

from siwork.metrics.collapse.lengths import length_stats
from siwork.metrics.collapse.likelihood import (
    bits_per_byte,
    js_divergence,
    kl_divergence,
    kl_estimate,
    perplexity,
    total_variation,
)
from siwork.metrics.collapse.mauve import Mauve, mauve
from siwork.metrics.collapse.recursion import (
    Drift,
    GaussianLaw,
    drift,
    drift_samples,
    gaussian_recursion,
    gaussian_samples,
    known_sigma_mean_variance,
)
from siwork.metrics.collapse.repetition import diversity_simctg, rep_n, rep_w, repeated_lines
from siwork.metrics.collapse.reversal import Part, Reversal, reversal
from siwork.metrics.collapse.support import (
    Support,
    good_turing_tail_mass,
    support_loss,
    support_mass,
    tail_mass,
    unseen_mass,
)

__all__ = [
    "Drift",
    "GaussianLaw",
    "Mauve",
    "Part",
    "Reversal",
    "Support",
    "bits_per_byte",
    "diversity_simctg",
    "drift",
    "drift_samples",
    "gaussian_recursion",
    "gaussian_samples",
    "good_turing_tail_mass",
    "js_divergence",
    "kl_divergence",
    "kl_estimate",
    "known_sigma_mean_variance",
    "length_stats",
    "mauve",
    "perplexity",
    "rep_n",
    "rep_w",
    "repeated_lines",
    "reversal",
    "support_loss",
    "support_mass",
    "tail_mass",
    "total_variation",
    "unseen_mass",
]
