"""Samplers: how completions are drawn.

`plain` holds independent completions, `refine` further attempts, `explore` a pool and a policy that forgets, `search` a tree of
beginnings, `memory` own notes, `mutate` small changes, `roles` a debate and a teacher; `judged` reads the rows before and keeps
those behind. Rows are made in `siwork.rollouts`.
"""

from siwork.samplers.explore import Explore
from siwork.samplers.memory import Memory
from siwork.samplers.mutate import Mutate
from siwork.samplers.plain import Cot, Hint
from siwork.samplers.refine import Refine
from siwork.samplers.roles import Roles
from siwork.samplers.search import Search

__all__ = [
    "Cot",
    "Explore",
    "Hint",
    "Memory",
    "Mutate",
    "Refine",
    "Roles",
    "Search",
]
