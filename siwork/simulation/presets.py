"""Worlds with a name: the catalogue's methods as far as a world can play them, and what the theory speaks of."""

from __future__ import annotations

from typing import Any, NamedTuple

from siwork.recipes import RECIPES
from siwork.simulation.world import World


class Preset(NamedTuple):
    """A world with a name."""

    world: World
    formula: str  # of the catalogue where it is there, else of the world itself
    sentence: str
    source: str
    departs: str = ""  # where the world is not what the formula says


_STEPS = "each gradient step is on all that is kept, where the recipe takes batches"
_REAL = f"{_STEPS}; the real answers are every right one as often, where the recipe draws some"


def _of_catalogue(name: str, world: World, departs: str) -> Preset:
    entry = RECIPES[name]
    return Preset(world, entry.formula, entry.sentence, entry.source, departs)


def _own(world: World, sentence: str, source: str, departs: str = "") -> Preset:
    return Preset(world, world.formula, sentence, source, departs)


_GOLD: dict[str, Any] = {"fp": 0.0, "fn": 0.0}
_NOBODY: dict[str, Any] = {"verifier": "none", "selection": "all"}

PRESETS: dict[str, Preset] = {
    "vanilla": _of_catalogue("vanilla", World(**_GOLD), _STEPS),
    "restart": _of_catalogue("restart", World(**_GOLD, start="base"), _STEPS),
    "unfiltered": _of_catalogue("unfiltered", World(**_NOBODY), _STEPS),
    "lmsi": _of_catalogue("lmsi", World(verifier="vote", k=32), _STEPS),
    "ladder": _of_catalogue("ladder", World(), _STEPS),
    "real-mix": _of_catalogue("real-mix", World(**_NOBODY, real_share=0.2), _REAL),
    "vanilla-mix": _of_catalogue("vanilla-mix", World(**_GOLD, real_share=0.3), _REAL),
    "balanced": _of_catalogue(
        "balanced",
        World(**_GOLD, repeats="drop", cap=4),
        f"{_STEPS}; a problem has few right answers, so the cap rarely binds",
    ),
    "pure drift": _own(
        World(**_NOBODY, update="refit", rounds=20),
        "Each problem's answers become the shares of its own last samples: diversity is lost by chance alone.",
        "Shumailov et al. 2024, Nature 631:755; Wright 1931",
    ),
    "accumulate": _own(
        World(**_NOBODY, update="refit", data="accumulate", rounds=20),
        "The same, with the samples of all rounds kept: the loss stays bounded.",
        "Is Model Collapse Inevitable? Gerstgrasser et al. 2024, arXiv:2404.01413",
    ),
    "hackable verifier": _own(
        World(fp=0.9, fn=0.4),
        "A verifier that lets more of the wrong answers through than of the right ones: its score rises while the truth falls.",
        "Scaling Laws for Reward Model Overoptimization, Gao et al. 2023, arXiv:2210.10760",
        "the verifier errs by chance, not for answers that fool it",
    ),
    "best-of-n": _own(
        World(**_GOLD, selection="best"),
        "Train on the best of k samples of each problem.",
        "Theoretical guarantees on the best-of-n alignment policy, Beirami et al. 2024, arXiv:2401.01879",
    ),
}
