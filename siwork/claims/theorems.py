"""Claims that are theorems: their numbers are closed forms, a seed draws the problem they are computed for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from siwork.claims.claim import Claim
from siwork.schema import parse_call
from siwork.simulation.regress import best_imitation, distillation_ratio

THEOREMS: dict[str, Callable[..., float]] = {
    "distillation_ratio": distillation_ratio,
    "best_imitation": best_imitation,
}


def theorem_values(claim: Claim, seeds: Sequence[int]) -> dict[int, dict[int, float]]:
    """The number of each part, by its place and seed."""
    return {i: {seed: _value(part.metric, seed) for seed in seeds} for i, part in enumerate(claim.parts)}


def _value(metric: str, seed: int) -> float:
    call = parse_call(metric)
    return float(THEOREMS[call.name](*call.args, **call.named, seed=seed))
