"""Verifiers and selection on arrays (k, problems): the rules of `siwork.verifiers` and `siwork.selectors`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from siwork.metrics.catalogue.calibration import THRESHOLD
from siwork.simulation.world import Ground, World

_SURE = 1e-6  # a graded score takes error rates below this, and above 1 minus it, for this
_TIE = 1e-9  # far below the steps between scores: earlier samples, which are in random order, win ties
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(48)


class Rates(NamedTuple):
    """Error rates of the true check on each problem trained on, (train,) each: those of `siwork.verifiers.Noisy`."""

    fp: np.ndarray
    fn: np.ndarray


class Chances(NamedTuple):
    """What is exactly true of a verdict on a right and on a wrong answer of each problem, (train,) each."""

    right: np.ndarray
    wrong: np.ndarray


class Evidence(NamedTuple):
    """What a graded score rests on: normal with deviation 1 around two means, read through a slope, (train,) each."""

    right: np.ndarray
    wrong: np.ndarray
    slope: np.ndarray  # of the score's log-odds


def rates_of(world: World, ground: Ground) -> Rates:
    """Error rates (train,) of a noisy or graded verifier."""
    scale = np.ones(ground.train) if world.link == "flat" else 2 * ground.difficulty[: ground.train]
    return Rates(np.minimum(world.fp * scale, 1.0), np.minimum(world.fn * scale, 1.0))


def evidence_of(world: World, rates: Rates) -> Evidence:
    """The normal model of a graded score: log-odds = calibration · (μ_right − μ_wrong) · evidence.

    Its verdict at a score of one half errs with exactly the rates. With equal rates and as many right answers as wrong
    ones, calibration 1 is calibrated; fp above fn makes the score lenient, which no slope mends (calibration in the large).
    """
    fp, fn = (np.clip(rate, _SURE, 1 - _SURE) for rate in rates)
    right, wrong = -ndtri(fn), ndtri(fp)
    return Evidence(right, wrong, world.calibration * (right - wrong))


def scores(
    world: World, rates: Rates, right: np.ndarray, place: np.ndarray, votes: np.ndarray, luck: np.ndarray
) -> np.ndarray | None:
    """Score of each sample (k, train) in [0, 1]; None without a verifier.

    Parameters
    ----------
    rates : of the verifier
    right : bool (k, train)
    place : int (k, train), which answer each sample is
    votes : int (M, train), samples of each answer
    luck : (k, train), uniform for noisy, normal for graded
    """
    if world.verifier == "none":
        return None
    if world.verifier == "vote":
        return np.asarray(np.take_along_axis(votes, place.astype(np.int64), axis=0) / len(place))
    if world.verifier == "noisy":
        return (right ^ (luck < np.where(right, rates.fn, rates.fp))).astype(float)
    found = evidence_of(world, rates)
    return np.asarray(expit(found.slope * np.where(right, found.right + luck, found.wrong - luck)))


def passing(world: World, rates: Rates, threshold: float = THRESHOLD) -> Chances:
    """The exact chance that a right and a wrong answer score at least the threshold; NaN without a verifier, and of votes."""
    if world.verifier in ("vote", "none"):
        return Chances(*np.full((2, world.train), np.nan))
    if world.verifier == "noisy":
        least = float(threshold <= 0)  # a score of 0 passes, too
        return Chances(np.maximum(1 - rates.fn, least), np.maximum(rates.fp, least))
    found = evidence_of(world, rates)
    edge = logit(threshold) / found.slope
    return Chances(ndtr(found.right - edge), ndtr(found.wrong - edge))


def mean_scores(world: World, rates: Rates) -> Chances:
    """The exact mean score of a right and of a wrong answer; NaN without a verifier, and of votes."""
    if world.verifier != "graded":
        return passing(world, rates)
    found, weight = evidence_of(world, rates), _WEIGHTS / _WEIGHTS.sum()
    return Chances(*(weight @ expit(found.slope * (mean + _NODES[:, None])) for mean in (found.right, found.wrong)))


def selected(
    world: World, score: np.ndarray | None, place: np.ndarray, luck: np.ndarray | None, answers: int
) -> np.ndarray:
    """Samples kept of each answer, int (answers, train); `luck` (answers, train) is read where both repeats and a cap drop."""
    kept = np.ones(place.shape, bool)
    if score is not None and world.selection == "correct":
        kept = score >= world.threshold
    elif score is not None and world.selection == "best":
        kept = _highest(score, world.best)
    if world.repeats == "drop":
        there = np.minimum(counted(place, answers, kept), 1)
        return there if luck is None else _capped(there, luck, world.cap)
    if world.cap < len(place):
        kept &= np.cumsum(kept, axis=0, dtype=np.int16) <= world.cap  # samples are in random order
    return counted(place, answers, kept)


def counted(place: np.ndarray, answers: int, kept: np.ndarray | None = None) -> np.ndarray:
    """Samples of each answer, uint8 (answers, problems), of the samples (k, problems) that are kept."""
    flat = place.astype(np.int64) * place.shape[1] + np.arange(place.shape[1])
    chosen = flat.ravel() if kept is None else flat[kept]
    return np.bincount(chosen, minlength=answers * place.shape[1]).reshape(answers, -1).astype(np.uint8)


def _highest(score: np.ndarray, n: int) -> np.ndarray:
    """The n highest scores of each problem."""
    k = len(score)
    if n >= k:
        return np.ones(score.shape, bool)
    key = score - _TIE * np.arange(k)[:, None]
    return np.asarray(key >= np.partition(key, k - n, axis=0)[k - n])


def _capped(there: np.ndarray, luck: np.ndarray, cap: int) -> np.ndarray:
    """At most `cap` of the answers that are there, chosen by luck."""
    if cap >= len(there):
        return there
    key = np.where(there > 0, luck, 2.0)
    return there * (key <= np.partition(key, cap - 1, axis=0)[cap - 1])
