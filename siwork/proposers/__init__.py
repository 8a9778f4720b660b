"""Proposers: which problems a round works on."""

from siwork.proposers.curric import Curric
from siwork.proposers.fixed import Seed
from siwork.proposers.selfgen import Selfgen
from siwork.proposers.vary import Vary

__all__ = ["Curric", "Seed", "Selfgen", "Vary"]
