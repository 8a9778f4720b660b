"""Closed forms of what a world does, where it meets their assumptions; elsewhere the first assumption that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.calibration import best_of_n_kl
from siwork.metrics.collapse import drift
from siwork.simulation.judges import rates_of
from siwork.simulation.learners import said
from siwork.simulation.world import World, ground_of

Check = tuple[Callable[[World], bool], str]  # whether it holds, and the reason where it does not

_UNTOUCHED: tuple[Check, ...] = (
    (
        lambda w: w.update == "refit",
        "sft is no refit: a gradient step does not reach the shares of the samples; take update=refit",
    ),
    (lambda w: w.selection == "all", "selection adds information, which these laws do not have; take selection=all"),
    (lambda w: w.repeats == "keep", "dropping repeated answers adds information; take repeats=keep"),
    (lambda w: w.cap >= w.k, "a cap throws samples of a fit away; take cap ≥ k"),
    (lambda w: w.temperature == 1, "samples at another temperature are not the model's own; take temperature=1"),
    (lambda w: w.real_share == 0, "real data add information, which these laws do not have; take real_share=0"),
)
_BEST: tuple[Check, ...] = (
    (lambda w: w.selection == "best" and w.best == 1, "it is of the single best of k; take selection=best, best=1"),
)
_REPLACE: Check = (lambda w: w.data == "replace", "each fit sees all samples so far; take data=replace")
_ACCUMULATE: Check = (lambda w: w.data == "accumulate", "each fit sees the last samples only; take data=accumulate")


class Law(NamedTuple):
    """One closed form."""

    name: str
    metric: str
    source: str
    needs: tuple[Check, ...]
    values: Callable[[World], np.ndarray]  # of rounds 0, 1, …; as many as the law speaks of


def theory(world: World) -> pd.DataFrame:
    """What is known beforehand of the training samples of a world.

    Returns
    -------
    DataFrame, a row a (law, round): law, metric, split, round, value, why, source. Where the world does not meet the
    assumptions of a law, one row with null in round and value and the reason in `why`.

    drift : E[1 − Σp²] falls by 1 − 1/k a round, where each fit sees its own k samples of a problem only
    accumulated drift : it falls by 1 − 1/(k s²) at fit s, and so never below a bound, where each fit sees all samples
    martingale : without information the expected solve rate stays
    best-of-n bound : KL of the best of k samples from one is at most log k − (k−1)/k
    accept/reject : of the same for a verdict, mean over problems, in round 0; exact without errors, else a bound, since the
        verdict is known beside the answer

    >>> table = theory(World(update="refit", selection="all", problems=30, rounds=3))
    >>> table[table["law"] == "drift"]["value"].round(3).tolist(), table[table["law"] == "accumulated drift"]["value"].tolist()
    ([0.832, 0.78, 0.731], [nan])
    """
    return pd.DataFrame([row for law in LAWS for row in _rows(law, world)])


def _rows(law: Law, world: World) -> Iterator[dict[str, object]]:
    about = {"law": law.name, "metric": law.metric, "split": "train"}
    why = next((reason for holds, reason in law.needs if not holds(world)), "")
    if why:
        yield {**about, "round": None, "value": np.nan, "why": why, "source": law.source}
        return
    for r, value in enumerate(law.values(world).tolist()):
        yield {**about, "round": r, "value": value, "why": "", "source": law.source}


def _start(world: World) -> np.ndarray:
    """Base probabilities of the training problems, (M, train)."""
    ground = ground_of(world)
    return said(ground.logits[:, : ground.train].copy()).p


def _drift(world: World) -> np.ndarray:
    """Factor of heterozygosity after 0 … R − 1 fits, times what it is at first."""
    first = float(np.mean(1 - np.square(_start(world)).sum(axis=0)))
    return np.array([2 * first * drift([0.5, 0.5], world.k, t, world.data).heterozygosity for t in range(world.rounds)])


def _solved(world: World) -> np.ndarray:
    return np.full(world.rounds, _start(world)[: world.right].sum(axis=0).mean())


def _bound(world: World) -> np.ndarray:
    return np.full(world.rounds, float(best_of_n_kl(world.k)))


def _verdict(world: World) -> np.ndarray:
    p, rates = said(ground_of(world).logits[:, : world.train] / world.temperature).p, rates_of(world, ground_of(world))
    solved = np.clip(p[: world.right].sum(axis=0), 0.0, 1.0)
    accept = np.clip(solved * (1 - rates.fn) + (1 - solved) * rates.fp, 0.0, 1.0)
    return np.array([best_of_n_kl(world.k, accept).mean()])


_WRIGHT, _FULL = "Wright 1931; Ewens 2004", "Gerstgrasser et al. 2024, arXiv:2404.01413, by the law of total variance"
LAWS = (
    Law("drift", "gini_simpson", _WRIGHT, (*_UNTOUCHED, _REPLACE), _drift),
    Law("accumulated drift", "gini_simpson", _FULL, (*_UNTOUCHED, _ACCUMULATE), _drift),
    Law("martingale", "pass@1", _WRIGHT, _UNTOUCHED, _solved),
    Law("best-of-n bound", "kl_selected", "Beirami et al. 2024, arXiv:2401.01879", _BEST, _bound),
    Law(
        "accept/reject",
        "kl_selected",
        "two scores, in the log-likelihood form of the bound",
        (*_BEST, (lambda w: w.verifier == "noisy", "it is of a verdict, accepted or not; take verifier=noisy")),
        _verdict,
    ),
)
