"""Runs → sentences, and one self-contained HTML page."""

from siwork.reporting.build import report
from siwork.reporting.compare import Comparison, Group, compare
from siwork.reporting.words import in_words

__all__ = ["Comparison", "Group", "compare", "in_words", "report"]
