"""The planted cases: what each does to the distributions of a run. One function a case, start → plan."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit

from siwork.clinic.moves import dead, heated, joined, narrowed, raised, ramp, shares, solved, split, toward
from siwork.clinic.pool import pool
from siwork.clinic.start import Drawn, Plan, Start, Verifier

Maker = Callable[[Start, float, np.random.Generator], Plan]  # (start, effect, luck of the case)

_APART = 1.8123876  # √2 · Φ⁻¹(0.9): distance of two unit normal signals with AUROC 0.9
_GROWN = 0.6  # share of the rounds from the onset on after which a growing harm is whole
_HALFWAY = float(np.log(0.5) / np.log(0.4))  # a ramp bent so is half-way at 40 % of the run


# ── healthy ────────────────────────────────────────────────────────────────────────────────────────────────
def _healthy(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    return Plan(joined(start.healthy, start.by_right, start.by_wrong))


def _healthy_noisy(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    rounds, (problems, width) = start.size.rounds + 1, start.p.shape
    walk = np.cumsum(rng.normal(0, 0.15, (rounds, problems)), axis=0)
    odds = start.rising + rng.normal(0, 0.12, (rounds, 1)) + walk - walk[0]
    z = start.z + rng.normal(0, 0.15, (rounds, problems, width))
    p = joined(expit(odds), shares(z, start.right), shares(z, start.wrong))
    p = heated(p, 1 + rng.normal(0, 0.03, rounds))
    if start.seed % 2:
        return Plan(p, verifier="graded", score=_graded(start, np.zeros(rounds)))
    return Plan(p, verifier="noisy", score=_noisy)


def _healthy_fast(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    wanted = toward(np.full(start.size.rounds + 1, start.solving.mean()), 0.8, ramp(start.size.rounds, 1))
    return Plan(joined(raised(start.odds, wanted), start.by_right, start.by_wrong))


# ── what the model says ────────────────────────────────────────────────────────────────────────────────────
def _diversity_decay(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    lost = np.minimum(0.95 * effect * ramp(start.size.rounds, 1, _HALFWAY), 0.995)
    return Plan(joined(start.healthy, narrowed(start.z, start.right, 1 - lost), start.by_wrong), 1)


def _slow_collapse(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    dose = effect * ramp(start.size.rounds, 1)
    share = np.minimum(0.35 * dose, 0.95)
    path = start.healthy.mean(axis=1)
    wanted = np.maximum(toward(path, path[0] - 0.3, dose), 0.02) / (1 - share)
    solving = start.healthy * np.minimum(wanted / path, 1.0)[:, None]
    z = (1 + 3 * dose)[:, None, None] * start.z
    p = joined(solving, shares(z, start.right), shares(z, start.wrong))
    return Plan(p, 1, dress="repeated", share=share)


def _sudden_collapse(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    onset, problems = max(start.size.rounds // 2, 1), len(start.rows)
    struck = np.zeros(problems, bool)
    struck[rng.permutation(problems)[: round(min(0.85 * effect, 1.0) * problems)]] = True
    moved = 0.97 * struck * (np.arange(start.size.rounds + 1) >= onset)[:, None]
    bad = np.arange(start.p.shape[1]) == pool().plain[start.rows][:, None]
    p = joined(start.healthy, start.by_right, start.by_wrong)
    return Plan(p + moved[..., None] * (bad - p), onset, "vote", _vote)


def _template_collapse(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    share, onset = _growing(start, 0.9 * effect)
    return _healthy(start, effect, rng)._replace(onset=onset, dress="template", share=share)


def _length_collapse(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    share, onset = _growing(start, 0.85 * effect)
    dress = "runaway" if start.seed % 2 else "stub"
    return _healthy(start, effect, rng)._replace(onset=onset, dress=dress, share=share)


def _dead_groups(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    k = start.size.samples
    train, held = np.split(start.solving, [start.size.train])
    push = np.where(np.r_[split(train, rng.random()), split(held, rng.random())], 1.0, -1.0)
    at_rest = dead(start.healthy, k)
    wanted = np.minimum(toward(at_rest, 0.95, effect * ramp(start.size.rounds, 1, grown=_GROWN)), 0.995)
    force = solved(lambda x: dead(expit(start.rising + x[:, None] * push), k), wanted, 0.0, 30.0)
    solving = expit(start.rising + np.where(wanted > at_rest, force, 0.0)[:, None] * push)
    return Plan(joined(solving, start.by_right, start.by_wrong), 1)


# ── what is judged and kept ────────────────────────────────────────────────────────────────────────────────
def _tail_cut(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    grown, onset = _growing(start, 1.0)
    tail = (start.band <= 1) * grown[:, None] * effect
    p = joined(expit(start.rising - 0.5 * tail), start.by_right, start.by_wrong)
    return Plan(p, onset, kept=np.maximum(1 - 0.9 * tail, 0.0))


def _hackable_verifier(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    grown, onset = _growing(start, 1.0)
    dose = effect * grown
    marked = pool().marked[start.rows]
    p = joined(start.healthy, start.by_right, start.by_wrong)
    truth, rest = start.healthy.mean(axis=1), (p * (start.wrong & ~marked)).sum(axis=-1).mean(axis=1)
    kept_right = np.clip(toward(truth, truth[0] - 0.2, dose) / truth, 0.02, 1.0)
    kept_rest = np.clip(toward(rest, rest[0] - 0.25, dose) / rest, 0.02, 1.0)
    loss = np.where(start.right, 1 - kept_right[:, None, None], 1 - kept_rest[:, None, None])
    loss = p * np.where(marked, 0.0, loss)
    p = p - loss + loss.sum(axis=-1, keepdims=True) * shares(start.z, marked)
    return Plan(p, onset, "hackable", lambda drawn, rng: (drawn.gold | drawn.marked).astype(float))


def _drifting_calibration(start: Start, effect: float, rng: np.random.Generator) -> Plan:
    grown, onset = _growing(start, 1.0)
    return _healthy(start, effect, rng)._replace(onset=onset, verifier="graded", score=_graded(start, effect * grown))


def _growing(start: Start, most: float) -> tuple[np.ndarray, int]:
    """A share that grows from a third of the run up to `most` (T,), at most 1, and its onset."""
    onset = max(start.size.rounds // 3, 1)
    return np.minimum(most * ramp(start.size.rounds, onset, grown=_GROWN), 1.0), onset


# ── verifiers ──────────────────────────────────────────────────────────────────────────────────────────────
def _noisy(drawn: Drawn, rng: np.random.Generator) -> np.ndarray:
    flipped = rng.random(drawn.gold.shape) < np.where(drawn.gold, 0.12, 0.08)
    return (drawn.gold ^ flipped).astype(float)


def _graded(start: Start, dose: np.ndarray) -> Verifier:
    """P(right | signal) as it is in round 0; a dose (T,) adds up to 2 nats and sharpens by up to 30 %."""
    prior = logit(start.solving.mean())

    def score(drawn: Drawn, rng: np.random.Generator) -> np.ndarray:
        signal = rng.standard_normal(drawn.gold.shape) + _APART * drawn.gold
        belief = _APART * signal - _APART**2 / 2 + prior  # log-odds by Bayes
        return expit((1 + 0.3 * dose)[:, None, None] * belief + 2 * dose[:, None, None])

    return score


def _vote(drawn: Drawn, rng: np.random.Generator) -> np.ndarray:
    """Share of its problem's readable answers that are the same; 0 where none can be read."""
    groups, width = drawn.answer[..., 0].size, int(drawn.answer.max()) + 1
    read = drawn.answer >= 0
    ballot = np.arange(groups).reshape(*drawn.answer.shape[:-1], 1) * width + drawn.answer
    votes = np.bincount(ballot[read], minlength=groups * width)
    return np.where(read, votes[np.where(read, ballot, 0)], 0) / np.maximum(read.sum(axis=-1, keepdims=True), 1)


MAKERS: dict[str, Maker] = {
    "healthy": _healthy,
    "healthy-noisy": _healthy_noisy,
    "healthy-fast": _healthy_fast,
    "diversity-decay": _diversity_decay,
    "tail-cut": _tail_cut,
    "hackable-verifier": _hackable_verifier,
    "drifting-calibration": _drifting_calibration,
    "sudden-collapse": _sudden_collapse,
    "slow-collapse": _slow_collapse,
    "template-collapse": _template_collapse,
    "length-collapse": _length_collapse,
    "dead-groups": _dead_groups,
}
