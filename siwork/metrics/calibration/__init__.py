"""Verifier against truth: is a score a probability, does it rank, what does it let through."""

from siwork.metrics.calibration.bins import binned, mass_edges, reliability
from siwork.metrics.calibration.errors import (
    Calibrated,
    ace,
    calibrated_p,
    ece,
    ece2_debiased,
    ece2_interval,
    ece_floor,
    mce,
    rmsce,
)
from siwork.metrics.calibration.proxy import proxy_gold_gap

__all__ = [
    "Calibrated",
    "ace",
    "binned",
    "calibrated_p",
    "ece",
    "ece2_debiased",
    "ece2_interval",
    "ece_floor",
    "mass_edges",
    "mce",
    "proxy_gold_gap",
    "reliability",
    "rmsce",
]
