"""Verdicts of sibling runs taken together, and the words for them that the page and the command line share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from siwork.diagnosis import NAMES, STATES, Diagnosis, Verdict
from siwork.diagnosis.shown import MARKS as MARKS
from siwork.diagnosis.shown import TITLES as TITLES
from siwork.diagnosis.shown import deciding as deciding
from siwork.diagnosis.shown import is_change as is_change
from siwork.diagnosis.shown import rates as rates


class Together(NamedTuple):
    """One verdict on sibling runs."""

    name: str
    state: str  # the worst that more than half of the runs are in, or in a worse one
    each: list[Verdict]  # one a run, in the order of the runs

    @property
    def worst(self) -> str:
        """The worst state of any run."""
        return min((v.state for v in self.each), key=STATES.index)

    @property
    def shown(self) -> Verdict:
        """The verdict to show: the first in the shared state, or the first of the worst where only few runs are ill."""
        ill = ("alarm", "watch")
        wanted = self.worst if self.worst in ill and self.state not in ill else self.state
        return next(v for v in self.each if v.state == wanted)


def together(diagnosis: Diagnosis) -> list[Together]:
    """The verdicts of sibling runs by name, the worst first, then in the order of `siwork.diagnosis.NAMES`."""
    found = [Together(name, "", [v for v in diagnosis if v.name == name]) for name in NAMES]
    made = [one._replace(state=majority([v.state for v in one.each])) for one in found if one.each]
    return sorted(made, key=lambda one: (STATES.index(one.state), STATES.index(one.worst)))


def majority(states: Sequence[str]) -> str:
    """The worst state such that more than half of the runs are in it or a worse one.

    >>> majority(["alarm", "fine", "alarm"]), majority(["alarm", "watch", "fine"]), majority(["alarm", "fine"])
    ('alarm', 'watch', 'fine')
    """
    ranks = sorted(STATES.index(state) for state in states)
    return STATES[ranks[len(ranks) // 2]] if ranks else "unknown"


def counts(states: Sequence[str]) -> str:
    """How many runs say what.

    >>> counts(["alarm", "alarm", "fine"]), counts(["watch"] * 3), counts(["fine"])
    ('alarm in 2 of 3 seeds, fine in 1', 'watch in 3 of 3 seeds', '')
    """
    if len(states) < 2:
        return ""
    found = sorted(Counter(states).items(), key=lambda item: STATES.index(item[0]))
    first, *others = [f"{state} in {n}" for state, n in found]
    return ", ".join([f"{first} of {len(states)} seeds", *others])


def since(verdicts: Sequence[Verdict]) -> str:
    """Since which round the harm is there, over those runs that date it.

    >>> since([])
    ''
    """
    rounds = sorted({v.since for v in verdicts if v.since is not None})
    if not rounds:
        return ""
    if len(rounds) == 1:
        return f"since round {rounds[0]}"
    return f"since round {rounds[0]} to {rounds[-1]}, by seed"


def good(rounds: Sequence[int | None]) -> str:
    """The last good round of sibling runs in words.

    >>> good([3]), good([2, 2]), good([2, None]), good([None])
    ('3', '2 in all 2 seeds', '2, none by seed', 'none')
    """
    words = ["none" if r is None else str(r) for r in rounds]
    if len(words) == 1:
        return words[0]
    return f"{words[0]} in all {len(words)} seeds" if len(set(words)) == 1 else f"{', '.join(words)} by seed"
