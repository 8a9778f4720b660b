"""Verifier against truth: is a score a probability, does it rank, what does it let through."""

from siwork.metrics.calibration.proxy import proxy_gold_gap

__all__ = ["proxy_gold_gap"]
