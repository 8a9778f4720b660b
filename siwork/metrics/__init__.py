"""Metrics: pure functions on arrays, one file a family, and `measure`: rows → metric table."""

from siwork.metrics import calibration, collapse, diversity, performance, tail, uncertainty
from siwork.metrics.changes import round_difference, run_difference
from siwork.metrics.measure import measure
from siwork.metrics.seeds import over_seeds

__all__ = [
    "calibration",
    "collapse",
    "diversity",
    "measure",
    "over_seeds",
    "performance",
    "round_difference",
    "run_difference",
    "tail",
    "uncertainty",
]
