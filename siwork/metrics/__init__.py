"""Metrics: pure functions on arrays, one file a family, and `measure`: rows → metric table."""

from siwork.metrics import calibration, diversity, performance, tail, uncertainty
from siwork.metrics.changes import round_difference
from siwork.metrics.measure import measure
from siwork.metrics.seeds import over_seeds

__all__ = [
    "calibration",
    "diversity",
    "measure",
    "over_seeds",
    "performance",
    "round_difference",
    "tail",
    "uncertainty",
]
