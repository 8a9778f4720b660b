"""Runs whose failure is known, because it was planted: to learn what failures look like, and to test what finds them."""

from siwork.clinic.cases import CASES, SIZES, Case
from siwork.clinic.rows import labelled
from siwork.clinic.start import Size

__all__ = ["CASES", "SIZES", "Case", "Size", "labelled"]
