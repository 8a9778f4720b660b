"""Which policy a verifier asks: that of the round, that of round 0, or another one, opened once."""

from __future__ import annotations

from siwork.policies import Policy
from siwork.policies.named import check_named as check_by
from siwork.policies.named import named_policy
from siwork.slots import State

__all__ = ["BY", "asked_policy", "check_by"]

BY = 'Who is asked: self (the policy of the round), base (of round 0), or a policy such as hf("path/to/model").'


def asked_policy(by: str, state: State) -> Policy:
    """The policy that `by` names; one that is not of the run is opened once and never trained.

    Raises KnobError or MissingExtra when it cannot be had.
    """
    return named_policy(by, state.task, state.policy, state.base)
