"""Metric table → plotly figure. No statistics here: what is drawn was measured in `siwork.metrics`."""

from siwork.figures.curves import fig_curves

__all__ = ["fig_curves"]
