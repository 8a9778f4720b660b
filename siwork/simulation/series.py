"""What samples say of the policy, as series over rounds: the value of each problem, and what is exactly true of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from siwork.metrics.catalogue.kinds import FEW
from siwork.metrics.draws import none_drawn, surprise_drawn
from siwork.metrics.limits import divide
from siwork.simulation.play import Trace
from siwork.simulation.truths import Distribution, logarithm
from siwork.simulation.world import World

ENOUGH = 5  # problems that the interval of a share needs
ANY = "a sample"  # which no problem lacks
_PAIRS = 100  # problems that the interval of `gini_simpson` needs


class Mean(NamedTuple):
    """A mean over problems, as `siwork.metrics.catalogue.kinds.PerProblem`."""

    name: str
    x: np.ndarray  # (rounds, problems), or (1, problems) where all rounds are alike; NaN leaves the mean
    how: str
    truth: np.ndarray  # (rounds,), NaN where none is known
    most: float = 1.0  # greatest possible value; the least is 0, and −∞ where this is ∞
    fewest: int = ENOUGH  # problems that an interval needs
    k: int | None = None
    band: int | None = None
    lacking: str = ANY  # what each problem lacks where there is no value


class Share(NamedTuple):
    """A ratio of sums over problems, as `siwork.metrics.catalogue.kinds.Ratio`."""

    name: str
    part: np.ndarray  # (rounds, problems)
    whole: np.ndarray
    how: str
    truth: np.ndarray
    lacking: str  # what no row is or has where there is no value
    band: int | None = None


def grid(k: int) -> list[int]:
    """1, 2, 4, … below k, and k: the draws of `pass@k`."""
    return [1 << i for i in range(k.bit_length()) if 1 << i < k] + [k]


def split_of(world: World, trace: Trace, split: str) -> tuple[np.ndarray, Distribution]:
    """Counts (rounds, M, problems) and exact distributions of the training or the held-out samples."""
    train = split == "train"
    rounds, problems = (slice(world.rounds), slice(world.train)) if train else (slice(None), slice(world.train, None))
    drawn = trace.drawn[rounds, :, problems]
    as_is = world.update == "sft" and not (train and world.temperature != 1.0)
    log = trace.logp[rounds, :, problems] if as_is else logarithm(drawn)
    return trace.counts[rounds, :, problems], Distribution(drawn, log, world.right)


def sampled(world: World, trace: Trace, count: np.ndarray, exact: Distribution, split: str) -> Iterator[Mean]:
    """Solving, diversity, and distance from the base policy, of the samples of a split."""
    solved = count[:, : world.right].sum(axis=1, dtype=np.int64)
    for k in grid(world.k):
        how = "share of right samples" if k == 1 else f"exact mean over draws of k={k} samples"
        yield Mean(f"pass@{k}", _pass_table(world.k, k).take(solved), how, exact.passing(k).mean(axis=1), k=k)
    yield from _right_answers(world, count, solved, exact)
    yield from _all_answers(world, count, exact)
    here, plain = slice(world.train, None), 1.0
    if split == "train":
        here, plain = slice(world.train), 1.0 if world.temperature == 1.0 else np.nan
    ratio = exact.log - trace.logp[0, :, here]
    x = np.einsum("rmp,rmp->rp", count, ratio) * (plain / world.k)
    truth = np.einsum("rmp,rmp->rp", exact.drawn, ratio).mean(axis=1) * plain
    lacking = "samples drawn at temperature 1 (others are biased)"
    yield Mean("kl_to_base", x, "k1: mean of logp − base_logp, unbiased", truth, np.inf, FEW, lacking=lacking)


def _right_answers(world: World, count: np.ndarray, solved: np.ndarray, exact: Distribution) -> Iterator[Mean]:
    k, right = world.k, count[:, : world.right]
    found = np.count_nonzero(right, axis=1).astype(float)
    how, most = f"exact mean over draws of k={k} samples", float(min(world.right, k))
    yield Mean("distinct_correct", found, how, exact.distinct(k).mean(axis=1), most, FEW, k)
    variety = 1.0 - divide(_squares(right) - solved, solved * (solved - 1.0))
    yield Mean(
        "right_variety",
        variety,
        "right samples, unbiased at any n",
        exact.variety(k),
        1.0,
        FEW,
        lacking="two right samples",
    )


def _all_answers(world: World, count: np.ndarray, exact: Distribution) -> Iterator[Mean]:
    k, half, draws = world.k, max((world.k + 1) // 2, 2), max(world.k // 2, 1)
    entropy = _surprise_table(k, half).take(count).sum(axis=1) - 1 / (2 * half)
    how, most = f"Miller–Madow, exact mean over draws of {half} answers", float(np.log(half) + (half - 1) / (2 * half))
    yield Mean("answer_entropy", entropy, how, exact.entropy().mean(axis=1), most, FEW, half)
    gini = 1.0 - (_squares(count) - k) / (k * (k - 1.0))
    yield Mean("gini_simpson", gini, "unbiased at any n", (1.0 - exact.same).mean(axis=1), 1.0, _PAIRS)
    first, (again, own) = count[0] / k, _again_tables(k, draws)
    found = np.einsum("mp,rmp->rp", first, again.take(count))
    found[0] = (first * own.take(count[0])).sum(axis=0)
    how = f"answers of the first round among {draws} draws, one left out there, exact mean over draws"
    truth = exact.found_again(draws).mean(axis=1)
    yield Mean("support_kept", np.minimum(found, 1.0), how, truth, k=draws)


def _squares(count: np.ndarray) -> np.ndarray:
    small = count.astype(np.float32)  # whole numbers below 2²⁴ are exact
    return np.einsum("rmp,rmp->rp", small, small).astype(float)


@lru_cache(maxsize=256)
def _pass_table(n: int, k: int) -> np.ndarray:
    """pass@k by right samples 0 … n."""
    return 1.0 - none_drawn(n, np.arange(n + 1), k)


@lru_cache(maxsize=64)
def _surprise_table(n: int, k: int) -> np.ndarray:
    """What an answer with 0 … n of n samples adds to the mean of the Miller–Madow entropy of k draws, but for −1/(2k)."""
    x = np.arange(n + 1)
    return surprise_drawn(np.full(n + 1, n), x, np.full(n + 1, k)) + (1.0 - none_drawn(n, x, k)) / (2 * k)


@lru_cache(maxsize=64)
def _again_tables(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Chance that an answer with 0 … n of n samples is among k draws, and that it is once one of its own is left out."""
    others = np.r_[0.0, 1.0 - none_drawn(n - 1, np.arange(n), k)]
    return 1.0 - none_drawn(n, np.arange(n + 1), k), others
