"""Metric table → plotly figure. No statistics here: what is drawn was measured in `siwork.metrics`."""

from siwork.figures.calibration import fig_calibration
from siwork.figures.collapse import fig_collapse
from siwork.figures.curves import fig_curves
from siwork.figures.diversity import fig_diversity
from siwork.figures.tail import fig_tail

__all__ = ["fig_calibration", "fig_collapse", "fig_curves", "fig_diversity", "fig_tail"]
