"""Verifiers: rows → score (n,) in [0, 1], NaN where there is none.

`answers` holds those that compare answers, `rules` those that go by the task's rules, `judge` and `conf` ask a policy, `orm` is
trained on earlier rounds, `prm` values steps; `labels` maps scores by bought truth, `keys` gives rows their luck.
"""

from siwork.verifiers.answers import Gold, Noisy, Vote
from siwork.verifiers.conf import Conf
from siwork.verifiers.judge import Judge
from siwork.verifiers.orm import Orm
from siwork.verifiers.prm import Prm
from siwork.verifiers.rules import Critic, Exec

__all__ = ["Conf", "Critic", "Exec", "Gold", "Judge", "Noisy", "Orm", "Prm", "Vote"]
