"""Whether the parts of a recipe go together, whatever the task: said in one sentence when a formula is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from siwork.schema import RecipeError

# what goes by the first verifier, whatever its knobs
_SCORED = {"correct", "best", "pairs", "pg", "neg", "adapt", "mutate"}
_CRITIC = "critic"


def see_together(slots: Mapping[str, tuple[Any, ...]], formula: str) -> None:
    """Nothing, when every component has what it needs of the others.

    slots : the components of a recipe by slot; formula : its text, for the sentence

    Raises RecipeError that names the part, what is lacking, and what would do.
    """
    if not slots["sampler"]:
        raise RecipeError(f"a recipe needs a sampler, got {formula!r}; write for example seed · cot(k=16) · sft")
    for see in (_see_attempts, _see_scores, _see_critic, _see_pairs, _see_weights, _see_mixed, _see_learning):
        see(slots, formula)


def _see_attempts(slots: Mapping[str, tuple[Any, ...]], formula: str) -> None:
    first = slots["sampler"][0]
    if _revises(first):
        raise RecipeError(
            f"{first} goes by earlier attempts, and stands first in {formula!r}; put cot or explore before it"
        )


def _revises(part: Any) -> bool:
    """Whether a sampler goes by rows that others drew."""
    return (
        part.name in ("refine", "mutate")
        or (part.name == "roles" and part.kind == "debate")
        or (part.name == "hint" and part.on == "fail")
    )


def _see_scores(slots: Mapping[str, tuple[Any, ...]], formula: str) -> None:
    scored = sorted({str(part) for parts in slots.values() for part in parts if _scored(part)})
    if scored and not slots["verifier"]:
        raise RecipeError(f"{', '.join(scored)} needs scores, and {formula!r} has no verifier; add gold or vote")


def _scored(part: Any) -> bool:
    """Whether a component goes by scores."""
    by, kind, on = (getattr(part, name, "") for name in ("by", "kind", "on"))
    if part.name in _SCORED:
        return kind != "extrapolate"
    return (
        (part.name == "weight" and by in ("score", "margin"))
        or (part.name == "splice" and kind in ("join", "shorten"))
        or (part.name == "anchor" and kind == "past")
        or (part.name == "gate" and not part.drift)
        or (part.name in ("hint", "refine") and on == "fail")
        or (part.name == "explore" and kind == "pool")
        or (part.name == "search" and part.levels > 1)
    )


def _see_critic(slots: Mapping[str, tuple[Any, ...]], formula: str) -> None:
    names = [part.name for part in slots["verifier"]]
    for part in slots["sampler"]:
        if part.name == "refine" and part.show == "sound" and _CRITIC not in names:
            raise RecipeError(
                f"{part} shows what stands before the first wrong step, and no verifier of {formula!r} names it; "
                "write gold + critic, or show=whole"
            )
    for part in slots["selector"]:
        if part.name == "splice" and part.kind == "cut" and _CRITIC not in _that_cut(part, names):
            place = "as the first" if part.by == "score" else "after the first"
            raise RecipeError(
                f"{part} cuts at the first wrong step, and {formula!r} has no verifier {place} that names it; "
                "write gold + critic · splice(cut), or critic · splice(cut, by=score)"
            )


def _that_cut(part: Any, names: list[str]) -> list[str]:
    """The verifiers whose column a cut may read: that of the first is the score, the others have their own."""
    return names[:1] if part.by == "score" else names[1:]


def _see_pairs(slots: Mapping[str, tuple[Any, ...]], formula: str) -> None:
    before: set[str] = set()
    for part in (part for slot in ("selector", "update", "stabiliser") for part in slots[slot]):
        if (instead := _paired(part)) and "pairs" not in before:
            raise RecipeError(f"{part} goes by pairs, and {formula!r} has none before it; {instead}")
        before.add(part.name)


def _paired(part: Any) -> str:
    """What would do in place of a component that goes by preference pairs; empty for others."""
    if part.name == "weight" and part.by == "margin":
        return "put pairs before it, or take by=score or by=entropy"
    if part.name == "anchor" and part.kind == "past":
        return "add the selector pairs, or take anchor(nll) or anchor(kl)"
    return "add the selector pairs, or take sft or pg" if part.name == "pref" else ""


def _see_weights(slots: Mapping[str, tuple[Any, ...]], formula: str) -> None:
    unread = [part for part in slots["update"] if part.name == "pref" and not part.weighted]
    read = [part for part in slots["update"] if part.name in ("sft", "pg") or getattr(part, "weighted", False)]
    by_margin = [part for part in slots["selector"] if part.name == "weight" and part.by == "margin"]
    if by_margin and unread and not read:
        raise RecipeError(
            f"{by_margin[0]} sets weights, and {unread[0]} in {formula!r} does not read them; "
            "take pref(weighted=true) or sft"
        )


def _see_mixed(slots: Mapping[str, tuple[Any, ...]], formula: str) -> None:
    trained = {part.name for part in slots["update"]}
    for part in slots["stabiliser"]:
        if trained and not trained & set(getattr(part, "trained_by", trained)):
            raise RecipeError(
                f"{part} adds texts without scores, and {' + '.join(sorted(trained))} in {formula!r} does not train on them; "
                f"add {' or '.join(part.trained_by)}, or take anchor(kl) or reset instead"
            )


def _see_learning(slots: Mapping[str, tuple[Any, ...]], formula: str) -> None:
    fitted = any(part.name == "vfit" for part in slots["update"])
    learns = [part.name for part in slots["verifier"] if hasattr(part, "learn")]
    if learns and not fitted:
        raise RecipeError(
            f"{learns[0]} learns where the update slot says so, and {formula!r} has no vfit; write sft + vfit"
        )
    if fitted and not learns:
        raise RecipeError(f"vfit fits verifiers that learn, and {formula!r} has none; add orm, or leave vfit out")
