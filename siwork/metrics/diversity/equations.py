"""Diversity of the equations written in the responses to a problem."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.draws import whole
from siwork.schema import KnobError

# each branch stops at the next opening mark and gives nothing back (*+, ++), so time is linear in the text
EQUATION = re.compile(
    r"""
    <<([^<>]++)>>                                            # calculator marks
    | \$\$([^$]++)\$\$                                       # display mathematics
    | \$([^$\n]++)\$                                         # inline mathematics, on one line
    | (?<!\\)\\\[((?:[^\\]|\\[^\[\]])++)\\\]                 # display mathematics, LaTeX
    """,
    re.VERBOSE,
)


def distinct_equations(
    responses: Iterable[Any], problem: ArrayLike | None = None, pattern: str | re.Pattern[str] = EQUATION
) -> Any:
    """Share of the equations in the responses to a problem that differ: unique / all, white space aside.

    Parameters
    ----------
    responses : texts (N,); None and NaN hold no equation
    problem : int array (N,), 0..G−1; None takes all responses as one problem's
    pattern : regular expression; an equation is its last group that matched, or the whole match where it has no group.
        Write down which one a number was made with.

    Returns
    -------
    float, or array (G,), in (0, 1], higher is more diverse; NaN where no equation is found. Falls with the number of
    responses: compare at equal n. Two amounts of money on one line, "$5 and $6", read as an equation.

    Raises
    ------
    KnobError when lengths differ, problems are not whole, or the pattern cannot be read.

    Source: Zeng et al. 2024, B-STaR (arXiv:2412.17256), the diversity of its public code.
    Departs from it in: `$$…$$` is one equation, `$…$` stays on one line, white space does not count.

    >>> distinct_equations(["so $1+1=2$", "<<1 + 1=2>> and $2+2=4$"]).__round__(4)
    0.6667
    """
    try:
        pattern = re.compile(pattern)
    except re.error as error:
        raise KnobError(
            f"pattern must be a regular expression, got {pattern!r}: {error}; EQUATION is the default"
        ) from None
    found = [list(_equations(text, pattern)) for text in responses]
    owner = np.zeros(len(found), np.int64) if problem is None else whole("problem", problem)
    if owner.shape != (len(found),):
        raise KnobError(f"responses and problem must be of one length, got {len(found)} and {owner.shape}")
    groups = 1 if problem is None else int(owner.max(initial=-1)) + 1
    whose = np.repeat(owner, [len(each) for each in found])
    codes, names = pd.factorize(np.array([equation for each in found for equation in each], object))
    total = np.bincount(whose, minlength=groups)
    unique = np.bincount(pd.unique(whose * (len(names) + 1) + codes) // (len(names) + 1), minlength=groups)
    share = np.divide(unique, total, out=np.full(groups, np.nan), where=total > 0)
    return float(share[0]) if problem is None else share


def _equations(text: Any, pattern: re.Pattern[str]) -> Iterator[str]:
    if isinstance(text, str):
        for match in pattern.finditer(text):
            equation = "".join(match.group(match.lastindex or 0).split())
            if equation:
                yield equation
