"""Proposers: which problems a round works on."""

from siwork.proposers.fixed import Seed

__all__ = ["Seed"]
