"""Whether a recipe, a task and a policy go together: said in one sentence before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from siwork.policies import POLICIES, Policy
from siwork.policies.tokens import Tokens
from siwork.schema import KnobError, RecipeError
from siwork.slots import Component
from siwork.tasks import TASKS, Synthetic, Task

_OF_TASK = {
    "hint": "hints",
    "executed": "written steps that can be carried out",
    "write": "right responses that it writes",
    "paraphrase": "paraphrases",
    "relabel": "another problem that a response answers",
    "repair": "repaired responses",
    "mutate": "small changes of a response",
    "is_sound": "a check by rules",
    "pieces": "responses made of steps",
    "page": "pages to propose from",
    "item": "prompts that anybody may write",
    "opinion": "a biased judge",
    "agreement": "answers that two completions may share",
}
_OF_POLICY = {
    "continued": ("continues a response that was begun", ("tiny", "hf")),
    "hidden": ("shows its hidden states", ("tiny", "hf")),
    "reads": ("reads any text, not a task's own words alone", ("hf", "server")),
    "toward": ("can be moved toward another one", ("tiny", "tabular", "hf")),
    "parts": ("tells probabilities of parts of a response", ("tiny", "hf")),
    "notes": ("learns with a note in its prompt", ("tiny", "hf")),
}


def see_fit(slots: Mapping[str, Iterable[Any]], known: Mapping[str, type[Component]], task: Task, policy: Any) -> None:
    """Nothing, when every component gets what it asks of the task and of the policy.

    slots : the components of a recipe by slot; known : all components by name; policy : a Policy, or None for not yet known

    Raises RecipeError that names the part, what is lacking, and two tasks, policies or parts that would do.
    """
    for slot, parts in slots.items():
        for part in parts:
            others = [kind for kind in known.values() if kind.slot == slot and kind.name != part.name]
            _see_task(part, others, task)
            if policy is not None:
                _see_policy(part, others, task, policy)
                _see_words(part, task, policy)
            if hasattr(part, "see"):
                part.see(task)


def _see_task(part: Any, others: Iterable[type[Component]], task: Task) -> None:
    lacking = [ask for ask in part.asks if ask not in task.offers]
    if lacking:
        having = [name for name, kind in TASKS.items() if lacking[0] in getattr(kind, "offered", frozenset)()]
        raise RecipeError(
            f"{part} asks the task for {_OF_TASK[lacking[0]]}, and {task.name} has none; take "
            f"{_two(having, 'the task')}, or {_two(_free(others, lambda kind: set(kind.asks) <= task.offers), 'instead')}"
            f"{part.or_else}"
        )


def _see_policy(part: Any, others: Iterable[type[Component]], task: Task, policy: Policy) -> None:
    lacking = [ask for ask in part.asks_policy if not _can(policy, ask)]
    if lacking:
        what, having = _OF_POLICY[lacking[0]]
        free = _free(
            others, lambda kind: set(kind.asks) <= task.offers and all(_can(policy, a) for a in kind.asks_policy)
        )
        raise RecipeError(
            f"{part} needs a policy that {what}, and {policy.name} does not; take "
            f"{_two([name for name in having if name in POLICIES], 'the policy')}, or {_two(free, 'instead')}{part.or_else}"
        )


def _see_words(part: Any, task: Task, policy: Policy) -> None:
    tokens = getattr(policy, "tokens", None)
    lacking = [text for text in part.writes if isinstance(tokens, Tokens) and not _reads(tokens, text)]
    if lacking:
        having = [name for name, kind in TASKS.items() if _has_words(kind, lacking[0])]
        tasks = f"{_two(having, 'the task')}, or " if having else ""
        raise RecipeError(
            f"{part} writes {lacking[0]!r} into responses, and {policy.name} on {task.name} has no token for it; take "
            f"{tasks}the policy tabular or hf"
        )


def _reads(tokens: Tokens, text: str) -> bool:
    try:
        return len(tokens.encode(text)) > 0
    except KnobError:
        return False


def _has_words(kind: Any, text: str) -> bool:
    return issubclass(kind, Synthetic) and _reads(Tokens(kind().vocabulary), text)


def _can(policy: Policy, ask: str) -> bool:
    if ask in ("parts", "notes"):
        return not getattr(policy, "whole_only", False)
    return bool(getattr(policy.make, "any_task", False)) if ask == "reads" else hasattr(policy, ask)


def _free(others: Iterable[type[Component]], fits: Callable[[Component], bool]) -> list[str]:
    return [kind.name for kind in others if fits(kind())]


def _two(names: list[str], what: str) -> str:
    """Two of them in words.

    >>> _two(["expr", "countdown", "add"], "the task"), _two(["cot"], "instead"), _two([], "instead")
    ('the task expr or countdown', 'cot instead', 'leave it out')
    """
    if not names:
        return "leave it out"
    shown = " or ".join(names[:2])
    return f"{shown} {what}" if what == "instead" else f"{what} {shown}"
