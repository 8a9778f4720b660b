"""The loop of a world: sample, score, select, update, and the same again."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from siwork.metrics.catalogue.calibration import THRESHOLD
from siwork.simulation.judges import Rates, counted, rates_of, scores, selected
from siwork.simulation.learners import Learner, Refit, Softmax, said
from siwork.simulation.luck import JUDGE, PICK, SAMPLE, chances, errors, place_of
from siwork.simulation.world import Ground, World, ground_of


class Trace(NamedTuple):
    """All that happened, R updates: the exact distributions and the counts that samples gave. Not to be written to."""

    ground: Ground
    rates: Rates
    logp: np.ndarray  # (R + 1, M, P) nats, of the policy at temperature 1
    drawn: np.ndarray  # (R + 1, M, P) probabilities that samples are drawn with: training samples at their temperature
    counts: np.ndarray  # (R + 1, M, P) uint8, samples of each answer; the last round has none that are trained on
    passed: np.ndarray  # (R, M, train) uint8, those that score at least one half; none without a verifier
    kept: np.ndarray  # (R, M, train) uint8, those that the update used
    mean: np.ndarray  # (R, train) mean score of each problem, NaN without a verifier
    score: np.ndarray | None  # (R, k, train) of graded scores and votes
    place: np.ndarray | None  # (R, k, train) int8, which answer, where there is `score`


class _Luck(NamedTuple):
    """The numbers of a whole world, (rounds, draws, problems)."""

    sample: np.ndarray
    judge: np.ndarray | None
    pick: np.ndarray | None


def _luck(world: World, seed: int) -> _Luck:
    train, rounds = world.train, world.rounds
    judge = pick = None
    if world.verifier == "noisy":
        judge = chances(JUDGE, seed, rounds, world.k, train)
    elif world.verifier == "graded":
        judge = errors(seed, rounds, world.k, train)
    if world.repeats == "drop" and world.cap < world.answers:
        pick = chances(PICK, seed, rounds, world.answers, train)
    return _Luck(chances(SAMPLE, seed, rounds + 1, world.k, world.problems), judge, pick)


@lru_cache(maxsize=4)
def play(world: World, seed: int) -> Trace:
    """A whole loop of one seed; the last few are kept."""
    ground, luck = ground_of(world), _luck(world, seed)
    learner, trace = _learner(world, ground), _empty(world, ground)
    memory, n = np.zeros((world.answers, world.train)), world.train
    for r in range(world.rounds + 1):
        trace.drawn[r], trace.logp[r] = learner.says()
        if world.temperature != 1.0:
            trace.drawn[r, :, :n] = said(trace.logp[r, :, :n] / world.temperature).p
        place = place_of(trace.drawn[r], luck.sample[r])
        if r == world.rounds:
            trace.counts[r, :, n:] = counted(place[:, n:], world.answers)
            break
        trace.counts[r] = counted(place, world.answers)
        memory = _judged(world, trace, r, place[:, :n], luck) + (memory if world.data == "accumulate" else 0.0)
        learner.fit(_with_real(memory, ground, world.real_share))
    return trace


def _learner(world: World, ground: Ground) -> Learner:
    if world.update == "refit":
        return Refit(ground)
    return Softmax(ground, world.sharing, world.strength / world.steps, world.steps, world.start)


def _empty(world: World, ground: Ground) -> Trace:
    R, M, k, n, every = world.rounds, world.answers, world.k, world.train, world.problems
    graded = world.verifier in ("graded", "vote")
    return Trace(
        ground,
        rates_of(world, ground),
        np.empty((R + 1, M, every)),
        np.empty((R + 1, M, every)),
        np.zeros((R + 1, M, every), np.uint8),
        np.zeros((R, M, n), np.uint8),
        np.zeros((R, M, n), np.uint8),
        np.full((R, n), np.nan),
        np.empty((R, k, n)) if graded else None,
        np.empty((R, k, n), np.int8) if graded else None,
    )


def _judged(world: World, trace: Trace, r: int, place: np.ndarray, luck: _Luck) -> np.ndarray:
    """Score and select the training samples of round r, and write down what came of it; what is kept, (M, train)."""
    right = place < world.right
    judge = place if luck.judge is None else luck.judge[r]
    votes = trace.counts[r, :, : world.train]
    score = scores(world, trace.rates, right, place, votes, judge)
    kept = selected(world, score, place, None if luck.pick is None else luck.pick[r], world.answers)
    trace.kept[r] = kept
    if score is not None:
        trace.passed[r] = kept if _keeps_what_passes(world) else counted(place, world.answers, score >= THRESHOLD)
        trace.mean[r] = score.mean(axis=0)
    if trace.score is not None and trace.place is not None:
        trace.score[r], trace.place[r] = score, place
    return kept.astype(float)


def _keeps_what_passes(world: World) -> bool:
    """Whether all that a verdict accepts is kept, and nothing else."""
    plain = world.selection == "correct" and world.repeats == "keep" and world.cap >= world.k
    return plain and world.verifier == "noisy" and world.threshold > 0


def _with_real(weight: np.ndarray, ground: Ground, share: float) -> np.ndarray:
    """The weights with real data that hold that share of the whole: every right answer of every problem, as often.

    Source: `siwork.stabilisers.Mix` with kind=real, without the luck of which answers are written.
    """
    if not share:
        return weight
    real = ground.right[:, : ground.train]
    total = weight.sum() or 1.0
    return np.asarray(weight + real * (total * share / (1 - share) / real.sum()))
