"""Which policy a component means: that of the round, that of round 0, or another one, opened once."""

from __future__ import annotations

from collections import OrderedDict

from siwork.policies import POLICIES, Policy, policy_of
from siwork.schema import KnobError, RecipeError, nearest, parse_call
from siwork.tasks import Task

BY = 'Who is asked: self (the policy of the round), base (of round 0), or a policy such as hf("path/to/model").'
_OPEN: OrderedDict[tuple[str, str], Policy] = OrderedDict()
_MOST = 2  # policies kept open


def check_by(owner: str, by: str) -> None:
    """Raises KnobError when `by` names nobody that could be asked; nothing is opened yet."""
    if by in ("self", "base"):
        return
    try:
        name = parse_call(by).name
    except RecipeError as error:
        raise KnobError(f"{owner}: knob 'by' is self, base or a policy's call, got {by!r} ({error})") from None
    if name not in POLICIES:
        raise KnobError(
            f"{owner}: knob 'by' is self, base or a policy such as hf(\"path\"), got {by!r}; "
            f"{nearest(name, ['self', 'base', *POLICIES])}"
        )


def named_policy(by: str, policy: Policy, base: Policy, task: Task) -> Policy:
    """The policy that `by` names: `policy` for self, `base`, or one that is not of the run, opened once and never trained.

    Raises KnobError or MissingExtra when it cannot be had.
    """
    if by in ("self", "base"):
        return policy if by == "self" else base
    key = (by, str(task))
    if key not in _OPEN:
        _OPEN[key] = policy_of(by, task)
        while len(_OPEN) > _MOST:
            _OPEN.popitem(last=False)
    _OPEN.move_to_end(key)
    return _OPEN[key]
