"""Policies: distributions over responses that can be sampled, scored and moved. Only `tiny` imports torch."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from siwork.policies.base import Completions, Plan, Policy, Texts
from siwork.schema import Knobbed, KnobError, missing_extra, nearest, parse_call
from siwork.tasks import Task, task_of

POLICIES = {
    "tabular": "siwork.policies.tabular:Tabular",
    "tiny": "siwork.policies.tiny:Tiny",
    "hf": "siwork.policies.hf.knobs:Hf",
    "server": "siwork.policies.server.knobs:Server",
}


def policy(name: str, *given: Any, **knobs: Any) -> Policy:
    """The base policy of a kind.

    Parameters
    ----------
    name : `tabular` (exact, NumPy) or `tiny` (a small transformer, starts from the weights that ship for the task), followed
        by a Task or its call text; `hf` (a causal language model of transformers), followed by its folder or hub id; or
        `server` (a model behind an OpenAI-compatible server), followed by its address and the model's name
    knobs : of the policy

    Raises
    ------
    KnobError : an unknown policy, an unknown knob, a value out of range, or a model that cannot be had
    RunError : a server that cannot be reached
    MissingExtra : the policy needs a package that is not installed

    >>> policy("tabular", "countdown(numbers=3)").name
    'tabular'
    """
    kind = _kind(name)
    if kind.any_task:
        return kind.build(given, knobs).build_for(None)
    if not given:
        raise KnobError(f"policy({name!r}, …) needs a task, as policy({name!r}, 'countdown')")
    return kind.build(given[1:], knobs).build_for(task_of(given[0]))


def policy_of(text: str | Policy, task: Task) -> Policy:
    """A policy from its call text, e.g. `tabular(skill=1.0)`; a policy passes through. Raises as `policy`."""
    if not isinstance(text, str):
        return text
    call = parse_call(text)
    return _kind(call.name).build(call.args, call.named).build_for(task)


def restored(text: str, task: Task, folder: Path) -> Policy:
    """The policy of a call text with the parameters saved in a folder. Raises RunError when they are damaged."""
    call = parse_call(text)
    found: Policy = _kind(call.name).build(call.args, call.named).restore(task, folder)
    return found


def policy_kind(name: str) -> type[Knobbed]:
    """The knobs of a policy, loaded without torch. Raises KnobError for an unknown policy."""
    from siwork.policies.start import Tiny

    return Tiny if name == Tiny.name else _kind(name)


def _kind(name: str) -> Any:
    if name not in POLICIES:
        raise KnobError(f"no policy is called {name!r}; {nearest(name, POLICIES)}")
    room, _, kind = POLICIES[name].partition(":")
    try:
        return getattr(import_module(room), kind)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("torch", "safetensors", "transformers"):
            raise
        raise missing_extra(f"policy {name!r}", str(error.name), "lm") from None


__all__ = ["POLICIES", "Completions", "Plan", "Policy", "Texts", "policy", "policy_kind", "policy_of", "restored"]
