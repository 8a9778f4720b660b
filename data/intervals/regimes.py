"""Regimes: populations of problems whose truth is known exactly, and an estimator that is asked for its interval.

To study another estimator write a function like `means` that yields regimes, and name it in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import betaln
from scipy.stats import binom

from siwork.metrics.intervals import UNBOUNDED, Estimates, grouped_change, grouped_mean, grouped_ratio
from siwork.metrics.performance import pass_at_k

RATES = (0.01, 0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98, 0.99)
SPREADS = (0.3, 1.4, 10.0, np.inf)  # s of Beta(m·s, (1−m)·s): from all-or-nothing problems to equal ones
PROBLEMS = (5, 10, 20, 50, 200, 1000)
SAMPLES = (1, 4, 16, 64)
SHARE = (0.0, 1.0)


class Regime(NamedTuple):
    """One population, one design, one estimator."""

    estimator: str
    name: str  # parameters in words
    problems: int
    truth: float
    make: Callable[[np.random.Generator, int], Estimates]  # (rng, runs) → the estimator in each of so many samples


def solve_rates(rng: np.random.Generator, m: float, s: float, shape: tuple[int, int]) -> np.ndarray:
    """Solve rates of problems."""
    return np.full(shape, m) if np.isinf(s) else rng.beta(m * s, (1 - m) * s, shape)


def pass_truth(m: float, s: float, k: int) -> float:
    """pass@k of the population: 1 − E(1−p)^k, exactly."""
    return 1 - float(
        (1 - m) ** k if np.isinf(s) else np.exp(betaln(m * s, (1 - m) * s + k) - betaln(m * s, (1 - m) * s))
    )


def by_run(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Values (runs, problems) as flat units with the run as their group."""
    runs, problems = values.shape
    return values.ravel(), np.repeat(np.arange(runs), problems), runs


def means() -> Iterator[Regime]:
    """pass@1 and pass@k; a rate m > 1/2 mirrors 1 − m at pass@1."""
    for m, s, n, g in product(RATES, SPREADS, SAMPLES, PROBLEMS):
        for k in sorted({1, 4, n}):
            units = n == k  # 0/1 units: only their rate matters
            if k > n or (k == 1 and m > 0.5) or (units and k == 1 and s != 1.4):
                continue
            truth = pass_truth(m, s, k)
            make = _coins(truth, g) if units else _pass(m, s, n, k, g)
            yield Regime(f"pass@{k}", f"m={m:g} s={s:g} n={n}", g, truth, make)


def _pass(m: float, s: float, n: int, k: int, g: int) -> Callable[[np.random.Generator, int], Estimates]:
    values = np.asarray(pass_at_k(np.full(n + 1, n), np.arange(n + 1), k))

    def make(rng: np.random.Generator, runs: int) -> Estimates:
        right = rng.binomial(n, solve_rates(rng, m, s, (runs, g)))
        return grouped_mean(*by_run(values[right]), span=SHARE)

    return make


def _coins(truth: float, g: int) -> Callable[[np.random.Generator, int], Estimates]:
    def make(rng: np.random.Generator, runs: int) -> Estimates:
        chance = (np.arange(runs) + rng.random(runs)) / runs  # stratified: no luck in how often each count comes
        seen, back = np.unique(binom.ppf(chance, g, truth), return_inverse=True)
        found = grouped_mean(*by_run((np.arange(g) < seen[:, None]).astype(float)), span=SHARE)
        return Estimates(*(column[back] for column in found))

    return make


def ratios() -> Iterator[Regime]:
    """Precision of a judge that accepts 90 % of the right and 20 % of the wrong samples: a random denominator."""
    for m, s, n, g in product((0.02, 0.1, 0.3, 0.5, 0.9), (0.3, 1.4, 10.0), (4, 16, 64), PROBLEMS):
        yield Regime("precision", f"m={m:g} s={s:g} n={n}", g, 0.9 * m / (0.9 * m + 0.2 * (1 - m)), _judged(m, s, n, g))


def _judged(m: float, s: float, n: int, g: int) -> Callable[[np.random.Generator, int], Estimates]:
    def make(rng: np.random.Generator, runs: int) -> Estimates:
        right = rng.binomial(n, solve_rates(rng, m, s, (runs, g)))
        part = rng.binomial(right, 0.9)
        whole, group, runs = by_run((part + rng.binomial(n - right, 0.2)).astype(float))
        return grouped_ratio(part.ravel().astype(float), whole, group, runs)

    return make


def open_ended() -> Iterator[Regime]:
    """Means and ratios without a finite span, from symmetric to long-tailed."""
    draws: dict[str, tuple[float, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]]] = {
        "normal": (0.0, lambda rng, shape: rng.normal(size=shape)),
        "exponential": (1.0, lambda rng, shape: rng.exponential(size=shape)),
        "lognormal 0.5": (float(np.exp(0.125)), lambda rng, shape: rng.lognormal(0, 0.5, shape)),
        "lognormal 1": (float(np.exp(0.5)), lambda rng, shape: rng.lognormal(0, 1.0, shape)),
    }
    for (name, (truth, draw)), g in product(draws.items(), PROBLEMS):
        yield Regime("mean, no span", name, g, truth, _plain(draw, g))
    for sigma, g in product((0.3, 1.0), PROBLEMS):
        yield Regime("nats per token", f"lengths lognormal {sigma:g}", g, 0.8, _tokens(sigma, g))


def _plain(draw: Callable[..., np.ndarray], g: int) -> Callable[[np.random.Generator, int], Estimates]:
    return lambda rng, runs: grouped_mean(*by_run(draw(rng, (runs, g))))


def _tokens(sigma: float, g: int) -> Callable[[np.random.Generator, int], Estimates]:
    def make(rng: np.random.Generator, runs: int) -> Estimates:
        whole, group, runs = by_run(np.ceil(rng.lognormal(4, sigma, (runs, g))))
        part = whole * rng.gamma(4, 0.2, len(whole))
        return grouped_ratio(part, whole, group, runs, span=UNBOUNDED)

    return make


def differences() -> Iterator[Regime]:
    """Paired change of the solve rate between two rounds.

    none, lift: every problem as before, or with a tenth of its failures repaired, sampled anew; few, lost, both: a share
    of the problems becomes always right, always wrong, or half of them each; greedy: solved is solved, so that only these
    change at all. Sampled rounds with changed problems start at 20 of them: see PROVENANCE.md.
    """
    greedy = [*product(("few", "lost", "both"), (0.02, 0.05, 0.1, 0.2))]
    for (how, f), m, g in product(greedy, (0.1, 0.5), PROBLEMS):
        yield Regime("change", f"greedy {how} {f:g} m={m:g}", g, _gain(how, f, m), _pairs(how, f, m, np.nan, 1, g))
    for how, f in (("none", 0.0), ("lift", 0.1), ("few", 0.1), ("few", 0.3), ("lost", 0.2), ("both", 0.3)):
        for (m, s), n, g in product(((0.1, 0.3), (0.5, 0.3), (0.1, 1.4), (0.5, 1.4), (0.5, 10.0)), SAMPLES, PROBLEMS):
            if how in ("none", "lift") or f * g >= 20:
                name = f"{how} {f:g} m={m:g} s={s:g} n={n}"
                yield Regime("change", name, g, _gain(how, f, m), _pairs(how, f, m, s, n, g))


def _gain(how: str, f: float, m: float) -> float:
    gained, lost = {"none": (0, 0), "lift": (f, 0), "few": (f, 0), "lost": (0, f), "both": (f / 2, f / 2)}[how]
    return gained * (1 - m) - lost * m


def _pairs(how: str, f: float, m: float, s: float, n: int, g: int) -> Callable[[np.random.Generator, int], Estimates]:
    def make(rng: np.random.Generator, runs: int) -> Estimates:
        first = rng.random((runs, g)) < m if np.isnan(s) else solve_rates(rng, m, s, (runs, g))
        changes, last = rng.random((runs, g)), first + f * (1 - first) if how == "lift" else first * 1.0
        last = np.where(changes < f * (how != "lift"), how == "few", last)
        last = np.where(changes < f / 2 * (how == "both"), 1.0, last)
        return grouped_change(*by_run((rng.binomial(n, last) - rng.binomial(n, first * 1.0)) / n))

    return make


FAMILIES = (means, ratios, open_ended, differences)


def regimes() -> list[Regime]:
    """All regimes."""
    return [regime for family in FAMILIES for regime in family()]
