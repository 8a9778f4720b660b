"""Selectors: which rows are trained on, and how much. Rejected rows stay, with weight 0.

`rules` go by score, `weights` by degree, `variety` by problem and difference, `splice` changes the texts; `groups`
ranks within groups.
"""

from siwork.selectors.rules import Best, Correct, Pairs
from siwork.selectors.splice import Splice
from siwork.selectors.variety import Balance, Divsel
from siwork.selectors.weights import Weight

__all__ = ["Balance", "Best", "Correct", "Divsel", "Pairs", "Splice", "Weight"]
