"""What is exactly true of a world's distributions: the values that its samples estimate."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from siwork.metrics.limits import divide
from siwork.simulation.judges import Chances, Rates, evidence_of, mean_scores, passing
from siwork.simulation.play import Trace
from siwork.simulation.world import World

_GRID = np.linspace(-12.0, 12.0, 1201)  # of the evidence behind a graded score


def power(x: np.ndarray, n: int) -> np.ndarray:
    """x to a whole power n ≥ 0 by squaring, many times as quick as `**`."""
    if n < 2:
        return x if n else np.ones(x.shape)
    half = power(x, n // 2)
    square = half * half
    return square * x if n % 2 else square


def logarithm(p: np.ndarray) -> np.ndarray:
    """log p, 0 at p = 0, where it always stands beside a factor 0."""
    return np.log(np.where(p > 0, p, 1.0))


class Distribution:
    """Exact values (rounds, problems) of the distributions that samples of one split are drawn from.

    Parameters
    ----------
    drawn : (rounds, M, problems) probabilities
    log : the same in nats, 0 where a probability is
    right : the first so many answers are right
    """

    def __init__(self, drawn: np.ndarray, log: np.ndarray, right: int) -> None:
        self.drawn, self.log, self.right = drawn, log, drawn[:, :right]
        self.wrong = np.minimum(drawn[:, right:].sum(axis=1), 1.0)
        self.solved = 1.0 - self.wrong
        self.same = np.einsum("rmp,rmp->rp", drawn, drawn)

    def passing(self, k: int) -> np.ndarray:
        """pass@k."""
        return 1.0 - power(self.wrong, k)

    def distinct(self, k: int) -> np.ndarray:
        """Expected different right answers in k samples."""
        return np.asarray((1.0 - power(1.0 - self.right, k)).sum(axis=1))

    def entropy(self) -> np.ndarray:
        """Entropy of the answers, nats."""
        return -np.einsum("rmp,rmp->rp", self.drawn, self.log)

    def variety(self, k: int) -> np.ndarray:
        """Chance that two right samples differ, over the problems (rounds,) that k samples solve twice."""
        twice = 1.0 - power(self.wrong, k) - k * self.solved * power(self.wrong, k - 1)
        same = divide(np.einsum("rmp,rmp->rp", self.right, self.right), self.solved**2)
        return divide((twice * (1.0 - np.nan_to_num(same))).sum(axis=1), np.maximum(twice.sum(axis=1), 0.0))

    def found_again(self, draws: int) -> np.ndarray:
        """Chance that an answer of the first round is among so many draws."""
        return np.einsum("mp,rmp->rp", self.drawn[0], 1.0 - power(1.0 - self.drawn, draws))


class Verdicts:
    """Exact values of the verifier and the selection on training samples, (rounds, train); NaN where none is known.

    None is known where it depends on a problem's other samples without a short formula: votes, and caps.
    """

    def __init__(self, world: World, trace: Trace, seen: Distribution) -> None:
        self.world, self.trace, self.seen = world, trace, seen
        self.passes = passing(world, trace.rates)  # of accepting at one half
        self.selects = passing(world, trace.rates, world.threshold)
        if world.selection == "all":
            self.selects = Chances(*np.ones((2, world.train)))

    def mixed(self, chances: Chances) -> np.ndarray:
        """A chance given right and given wrong, over both."""
        return np.asarray(self.seen.solved * chances.right + self.seen.wrong * chances.wrong)

    def kept(self) -> np.ndarray:
        """Expected samples kept of a problem."""
        world, unknown = self.world, np.full(self.seen.solved.shape, np.nan)
        if world.repeats == "drop":
            return self._different() if world.cap >= world.answers and world.selection != "best" else unknown
        if world.selection == "correct":
            return world.k * self.mixed(self.selects) if world.cap >= world.k else unknown
        most = world.best if world.selection == "best" else world.k
        return np.full(unknown.shape, float(min(most, world.k, world.cap)))

    def _different(self) -> np.ndarray:
        """Expected different answers among those that pass."""
        right = self.trace.ground.right[:, : self.world.train]
        passes = np.where(right, self.selects.right, self.selects.wrong)
        return np.asarray((1.0 - power(1.0 - self.seen.drawn * passes, self.world.k)).sum(axis=1))

    def kept_right(self) -> np.ndarray:
        """Expected right samples kept of a problem, where all that pass are kept."""
        world = self.world
        plain = world.repeats == "keep" and world.cap >= world.k and world.selection != "best"
        return world.k * self.seen.solved * (self.selects.right if plain else np.nan)

    def touched(self) -> np.ndarray:
        """Chance that a problem gives training data."""
        if self.world.selection == "best":
            return np.ones(self.seen.solved.shape)
        return 1.0 - power(1.0 - self.mixed(self.selects), self.world.k)

    def score(self) -> np.ndarray:
        """Mean score of a problem's samples."""
        if self.world.verifier == "vote":
            return 1 / self.world.k + (1 - 1 / self.world.k) * self.seen.same
        return self.mixed(mean_scores(self.world, self.trace.rates))

    def ece(self) -> np.ndarray:
        """Calibration error (rounds,): in one bin a score for verdicts, without bins for a graded score of flat rates."""
        world, right = self.world, self.seen.solved.mean(axis=1)
        if world.verifier == "noisy":
            wrongly = self.seen.solved * (1 - self.passes.right) + self.seen.wrong * self.passes.wrong
            return np.asarray(wrongly.mean(axis=1))
        if world.verifier != "graded" or world.link != "flat":
            return np.full(right.shape, np.nan)
        found = evidence_of(world, self.trace.rates)
        score = expit(found.slope[0] * _GRID)
        one, other = (np.exp(-((_GRID - mean[0]) ** 2) / 2) / np.sqrt(2 * np.pi) for mean in (found.right, found.wrong))
        gap = np.abs(right[:, None] * one * (1 - score) - (1 - right[:, None]) * other * score)
        return np.asarray(gap.sum(axis=1) * (_GRID[1] - _GRID[0]))

    def lift(self) -> Chances | None:
        """By how much the best of k of a verdict is likelier than a sample, for right and wrong answers (rounds, train)."""
        world, rates, k = self.world, self.trace.rates, self.world.k
        if (world.verifier, world.selection, world.best) != ("noisy", "best", 1):
            return None
        return lifts(self.mixed(Chances(1 - rates.fn, rates.fp)), rates, k)


def lifts(accept: np.ndarray, rates: Rates, k: int) -> Chances:
    """Chance of an answer as the best of k of a verdict over its chance as a sample, right and wrong; `accept` is the share
    that the verdict accepts. A right answer gains most where few are accepted, at most k times."""
    none = power(1 - accept, k - 1)
    some = divide(1 - none * (1 - accept), accept)
    some = np.where(np.isnan(some), float(k), some)
    return Chances((1 - rates.fn) * some + rates.fn * none, rates.fp * some + (1 - rates.fp) * none)
