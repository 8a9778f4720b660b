"""Another policy that a component names by its call text, opened once and never trained."""

from __future__ import annotations

from collections import OrderedDict

from siwork.policies import POLICIES, Policy, policy_of
from siwork.schema import KnobError, RecipeError, nearest, parse_call
from siwork.tasks import Task

OWN = ("self", "base")  # the policy of the round, and that of round 0
_OPEN: OrderedDict[tuple[str, str], Policy] = OrderedDict()
_MOST = 2  # policies kept open


def check_named(owner: str, by: str) -> None:
    """Raises KnobError when `by` names no policy that could be had; nothing is opened yet."""
    if by in OWN:
        return
    try:
        name = parse_call(by).name
    except RecipeError as error:
        raise KnobError(f"{owner}: knob 'by' is self, base or a policy's call, got {by!r} ({error})") from None
    if name not in POLICIES:
        raise KnobError(
            f"{owner}: knob 'by' is self, base or a policy such as hf(\"path\"), got {by!r}; "
            f"{nearest(name, [*OWN, *POLICIES])}"
        )


def named_policy(by: str, task: Task, own: Policy, base: Policy) -> Policy:
    """The policy that `by` names: `own` for self, `base`, or another one for the task.

    Raises KnobError or MissingExtra when it cannot be had.
    """
    if by in OWN:
        return own if by == "self" else base
    key = (by, str(task))
    if key not in _OPEN:
        _OPEN[key] = policy_of(by, task)
        while len(_OPEN) > _MOST:
            _OPEN.popitem(last=False)
    _OPEN.move_to_end(key)
    return _OPEN[key]
