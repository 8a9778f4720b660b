"""Tables: what rows of several rounds say together, one row a (run, split, …), every number with its interval."""

from siwork.metrics.tables.collapse import plateau, reversal_by_round
from siwork.metrics.tables.curves import crossing, gain_split, pass_curve
from siwork.metrics.tables.ledger import ledger, ledger_problems
from siwork.metrics.tables.novelty import novelty
from siwork.metrics.tables.proxy import parting, transport_by_round
from siwork.metrics.tables.recal import recalibration_drift
from siwork.metrics.tables.reliability import lorenz_table, reliability_table, vote_table
from siwork.metrics.tables.support import support_table

__all__ = [
    "crossing",
    "gain_split",
    "ledger",
    "ledger_problems",
    "lorenz_table",
    "novelty",
    "parting",
    "pass_curve",
    "plateau",
    "recalibration_drift",
    "reliability_table",
    "reversal_by_round",
    "support_table",
    "transport_by_round",
    "vote_table",
]
