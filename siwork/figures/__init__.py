"""Metric table → plotly figure. No statistics here: what is drawn was measured in `siwork.metrics`."""

from siwork.figures.ablation import fig_ablation
from siwork.figures.calibration import fig_calibration
from siwork.figures.claims import fig_claims
from siwork.figures.collapse import fig_collapse
from siwork.figures.curves import fig_curves
from siwork.figures.diversity import fig_diversity
from siwork.figures.surface import fig_surface
from siwork.figures.tail import fig_tail

__all__ = [
    "fig_ablation",
    "fig_calibration",
    "fig_claims",
    "fig_collapse",
    "fig_curves",
    "fig_diversity",
    "fig_surface",
    "fig_tail",
]
