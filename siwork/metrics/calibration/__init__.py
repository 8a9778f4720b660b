"""Verifier against truth: is a score a probability, does it rank, what does it let through."""

from siwork.metrics.calibration.agreement import (
    VoteShare,
    fleiss_kappa,
    kappa,
    krippendorff_alpha,
    marginals,
    raw_agreement,
    vote_reliability,
)
from siwork.metrics.calibration.bins import binned, mass_edges, reliability
from siwork.metrics.calibration.brier import Brier, brier, brier_decomposition, confident_errors, log_loss
from siwork.metrics.calibration.errors import (
    Calibrated,
    ace,
    calibrated_p,
    ece,
    ece2_debiased,
    ece_floor,
    mce,
    rmsce,
)
from siwork.metrics.calibration.judging import (
    Acceptance,
    Verdicts,
    acceptance,
    gv_gap,
    gv_gap_relative,
    no_accept,
    performance_gap_recovered,
    top_precision,
    verdicts,
)
from siwork.metrics.calibration.preference import self_preference
from siwork.metrics.calibration.proxy import (
    Hacking,
    best_of_n_kl,
    hacking_index,
    overoptimisation,
    peak_k,
    proxy_gold_gap,
)
from siwork.metrics.calibration.ranking import (
    auroc,
    auroc_influence,
    auroc_pairs,
    auroc_within,
    average_precision,
    precision_gain,
)
from siwork.metrics.calibration.revision import Baseline, SelfCorrection, independent_baseline, self_correction
from siwork.metrics.calibration.smooth import smooth_ece, smooth_ece_floor
from siwork.metrics.calibration.squared import SquaredError, ece2_interval
from siwork.metrics.calibration.transport import IsotonicMap, Transport, isotonic_map, transport
from siwork.recalibration import Recalibration, recalibration

__all__ = [
    "Acceptance",
    "Baseline",
    "Brier",
    "Calibrated",
    "Hacking",
    "IsotonicMap",
    "Recalibration",
    "SelfCorrection",
    "SquaredError",
    "Transport",
    "Verdicts",
    "VoteShare",
    "acceptance",
    "ace",
    "auroc",
    "auroc_influence",
    "auroc_pairs",
    "auroc_within",
    "average_precision",
    "best_of_n_kl",
    "binned",
    "brier",
    "brier_decomposition",
    "calibrated_p",
    "confident_errors",
    "ece",
    "ece2_debiased",
    "ece2_interval",
    "ece_floor",
    "fleiss_kappa",
    "gv_gap",
    "gv_gap_relative",
    "hacking_index",
    "independent_baseline",
    "isotonic_map",
    "kappa",
    "krippendorff_alpha",
    "log_loss",
    "marginals",
    "mass_edges",
    "mce",
    "no_accept",
    "overoptimisation",
    "peak_k",
    "performance_gap_recovered",
    "precision_gain",
    "proxy_gold_gap",
    "raw_agreement",
    "recalibration",
    "reliability",
    "rmsce",
    "self_correction",
    "self_preference",
    "smooth_ece",
    "smooth_ece_floor",
    "top_precision",
    "transport",
    "verdicts",
    "vote_reliability",
]
