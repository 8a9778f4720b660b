"""Proposers: which problems a round works on."""

from siwork.proposers.fixed import Seed
from siwork.proposers.making import Selfgen

__all__ = ["Seed", "Selfgen"]
