"""Tail narrowing: where the training data come from, how unequally problems are served, which are gained and lost."""

from siwork.metrics.tail.bands import band_of, band_share, gini, lorenz, representation
from siwork.metrics.tail.concentration import (
    balance_score,
    coverage_by_band,
    effective_problems,
    gini_floor,
    head_tail_ratio,
    kl_from_uniform,
    log_head_tail,
    rarefied_coverage,
    top_share,
    weighted_head_tail,
)
from siwork.metrics.tail.cost import rank_tail, samples_per_success, zipf_exponent
from siwork.metrics.tail.turnover import Flips, Transitions, flips, transitions

__all__ = [
    "Flips",
    "Transitions",
    "balance_score",
    "band_of",
    "band_share",
    "coverage_by_band",
    "effective_problems",
    "flips",
    "gini",
    "gini_floor",
    "head_tail_ratio",
    "kl_from_uniform",
    "log_head_tail",
    "lorenz",
    "rank_tail",
    "rarefied_coverage",
    "representation",
    "samples_per_success",
    "top_share",
    "transitions",
    "weighted_head_tail",
    "zipf_exponent",
]
