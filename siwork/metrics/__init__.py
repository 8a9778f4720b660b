"""Metrics: pure functions on arrays, and tables from rows: `measure`, differences, the ledger, curves, verifier tables."""

from siwork.metrics import calibration, collapse, diversity, performance, tail, uncertainty
from siwork.metrics.behind import rows_behind
from siwork.metrics.changes import round_difference, run_difference
from siwork.metrics.measure import measure
from siwork.metrics.metric_table import MetricTable
from siwork.metrics.seeds import over_seeds
from siwork.metrics.tables import (
    crossing,
    gain_split,
    ledger,
    ledger_problems,
    lorenz_table,
    novelty,
    parting,
    pass_curve,
    plateau,
    recalibration_drift,
    reliability_table,
    reversal_by_round,
    support_table,
    transport_by_round,
    vote_table,
)

__all__ = [
    "MetricTable",
    "calibration",
    "collapse",
    "crossing",
    "diversity",
    "gain_split",
    "ledger",
    "ledger_problems",
    "lorenz_table",
    "measure",
    "novelty",
    "over_seeds",
    "parting",
    "pass_curve",
    "performance",
    "plateau",
    "recalibration_drift",
    "reliability_table",
    "reversal_by_round",
    "round_difference",
    "rows_behind",
    "run_difference",
    "support_table",
    "tail",
    "transport_by_round",
    "uncertainty",
    "vote_table",
]
