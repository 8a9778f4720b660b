"""Uncertainty: intervals over problems, many tests at once, onset of change."""

from siwork.metrics.uncertainty.clusters import (
    Interval,
    bootstrap_weights,
    cluster_bootstrap,
    cluster_se,
    cluster_t,
    influence_se,
    paired_t,
    wilson,
)

__all__ = [
    "Interval",
    "bootstrap_weights",
    "cluster_bootstrap",
    "cluster_se",
    "cluster_t",
    "influence_se",
    "paired_t",
    "wilson",
]
