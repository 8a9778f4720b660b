"""Stabilisers: what keeps a loop from running away.

`data` holds where training starts and what is mixed in, `anchor` what holds the policy, `gate` what refuses a round, `pop` several
policies in one run, `adapt` what is tuned from round to round.
"""

from siwork.stabilisers.adapt import Adapt
from siwork.stabilisers.anchor import Anchor
from siwork.stabilisers.data import Mix, Reset
from siwork.stabilisers.gate import Gate
from siwork.stabilisers.pop import Pop

__all__ = ["Adapt", "Anchor", "Gate", "Mix", "Pop", "Reset"]
