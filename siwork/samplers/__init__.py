"""Samplers: how completions are drawn.

`rollouts` is the one place where a completion becomes a row; `plain` holds independent completions, `refine` further attempts,
`explore` a pool and a policy that forgets; `judged` reads the rows before and keeps those behind.
"""

from siwork.samplers.explore import Explore
from siwork.samplers.plain import Cot, Hint
from siwork.samplers.refine import Refine
from siwork.samplers.rollouts import next_sample, rollout, written

__all__ = ["Cot", "Explore", "Hint", "Refine", "next_sample", "rollout", "written"]
