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
from siwork.metrics.uncertainty.counts import clopper_pearson, mcnemar
from siwork.metrics.uncertainty.families import Bands, benjamini_hochberg, holm, max_t
from siwork.metrics.uncertainty.jackknife import jackknife_groups, jackknife_interval
from siwork.metrics.uncertainty.onset import (
    Cusum,
    Slope,
    change_point,
    cusum,
    cusum_alarm_rate,
    onset_set,
    spend,
    trend,
    trend_weighted,
)
from siwork.metrics.uncertainty.power import VarianceParts, detectable, power, variance_parts

__all__ = [
    "Bands",
    "Cusum",
    "Interval",
    "Slope",
    "VarianceParts",
    "benjamini_hochberg",
    "bootstrap_weights",
    "change_point",
    "clopper_pearson",
    "cluster_bootstrap",
    "cluster_se",
    "cluster_t",
    "cusum",
    "cusum_alarm_rate",
    "detectable",
    "holm",
    "influence_se",
    "jackknife_groups",
    "jackknife_interval",
    "max_t",
    "mcnemar",
    "onset_set",
    "paired_t",
    "power",
    "spend",
    "trend",
    "trend_weighted",
    "variance_parts",
    "wilson",
]
