"""Stabilisers: what keeps a loop from running away.

`data` holds where training starts and what is mixed in, `anchor` what holds the policy.
"""

from siwork.stabilisers.anchor import Anchor
from siwork.stabilisers.data import Mix, Reset

__all__ = ["Anchor", "Mix", "Reset"]
