"""Support: types (tokens, n-grams, answers) that a round no longer gives, beside what chance alone would lose.

Counts are aligned: entry s of each array counts the same type. Two samples of one unchanged source never hold the same
types, so every count of lost types stands beside its expectation under no change.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtrc

from siwork.metrics.draws import none_drawn, whole
from siwork.schema import KnobError

_RARE = 1e-12  # a type likelier than this to survive chance cannot matter for the spread
