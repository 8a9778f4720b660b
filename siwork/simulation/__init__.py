"""What-if worlds small enough to be recomputed while a slider moves."""

from siwork.simulation.gaussian import Gaussian, gaussian, gaussian_theory
from siwork.simulation.pooled import over, pooled, reliability_of
from siwork.simulation.presets import PRESETS, Preset
from siwork.simulation.regress import best_imitation, distillation_ratio, imitation_table, ratio_table
from siwork.simulation.table import simulate
from siwork.simulation.theory import theory
from siwork.simulation.world import World

__all__ = [
    "PRESETS",
    "Gaussian",
    "Preset",
    "World",
    "best_imitation",
    "distillation_ratio",
    "gaussian",
    "gaussian_theory",
    "imitation_table",
    "over",
    "pooled",
    "ratio_table",
    "reliability_of",
    "simulate",
    "theory",
]
