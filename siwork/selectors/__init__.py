"""Selectors: which rows are trained on, and how much. Rejected rows stay, with weight 0."""

from siwork.selectors.rules import Balance, Best, Correct, Divsel, Pairs, Weight

__all__ = ["Balance", "Best", "Correct", "Divsel", "Pairs", "Weight"]
