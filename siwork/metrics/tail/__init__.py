"""Tail narrowing: where the training data come from, how unequally problems are served, which are gained and lost."""

from siwork.metrics.tail.bands import band_of, band_share, gini, lorenz, representation

__all__ = ["band_of", "band_share", "gini", "lorenz", "representation"]
