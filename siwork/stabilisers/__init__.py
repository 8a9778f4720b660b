"""Stabilisers: what keeps a loop from running away."""

from siwork.stabilisers.data import Mix, Reset

__all__ = ["Mix", "Reset"]
