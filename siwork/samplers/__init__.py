"""Samplers: how completions are drawn.

`rollouts` is the one place where a completion becomes a row; `plain` holds independent completions.
"""

from siwork.samplers.agents import Roles
from siwork.samplers.plain import Cot, Hint
from siwork.samplers.rollouts import next_sample, rollout, written

__all__ = ["Cot", "Hint", "Roles", "next_sample", "rollout", "written"]
