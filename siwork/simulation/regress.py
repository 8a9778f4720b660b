"""Two theorems on self-distillation of linear regression, one number a seed: the gain of many steps, and ξ* under noise.

A seed draws a design; its expected risks are exact (`siwork.simulation.spectral`), so nothing but the design varies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from siwork.schema import Knobbed, KnobError, knob
from siwork.simulation.spectral import Design, best_risks, best_xi, design, distilled_shares, risk

XI = tuple(np.linspace(-2.0, 6.0, 33).tolist())


@dataclass(frozen=True)
class Separation(Knobbed):
    """Designs in which many steps of self-distillation are worth a factor of nearly d: θ* along the first direction only.

    Ridge keeps nearly the same share c of nearly equal directions, so its best risk is near S d σ² / (S + d σ²), and never
    above, where S is the signal; d steps keep the first direction alone, S σ² / (S + σ²). The ratio is at most
    d (S + σ²) / (S + d σ²), which tends to d. Source: Pareek, Du & Oh 2024, arXiv:2407.04600.
    """

    name: ClassVar[str] = "separation"

    d: int = knob(20, "Directions.", low=2, high=200)
    signal: float = knob(1e4, "Squared length of the labels without noise over the noise variance.", low=1e-3, high=1e8)
    spread: float = knob(
        0.1, "How far the least singular value lies below the largest, as a share of it.", low=1e-4, high=0.9
    )

    @property
    def limit(self) -> float:
        """The largest possible ratio of best risks, ridge over any number of steps: d (S + σ²) / (S + d σ²)."""
        return self.d * (self.signal + 1) / (self.signal + self.d)

    def draw(self, seed: int) -> Design:
        """Singular values 1 > s_2 > … > s_d = 1 − spread, evenly apart up to two fifths of a gap, and σ² = 1.

        Raises KnobError for a seed below 0.

        >>> Separation(d=3, spread=0.5).draw(0).s.round(3).tolist()
        [1.0, 0.723, 0.5]
        """
        rng = _rng(seed)
        at = np.arange(self.d, dtype=float)
        at[1:-1] += rng.uniform(-0.4, 0.4, self.d - 2)
        theta = np.zeros(self.d)
        theta[0] = np.sqrt(self.signal)
        return design(1 - self.spread * at / (self.d - 1), theta, 1.0)


@dataclass(frozen=True)
class Noised(Knobbed):
    """Designs with noisy labels: X (d, n) and θ* Gaussian, ‖θ*‖ = 1, λ tuned for another noise and then left.

    Noise is a share p of the labels' variance: σ² = p / (1 − p) · ‖Xᵀθ*‖² / n. A share of 0.3 or 0.5 stands for 30 or 50 % of
    labels corrupted as the part of the labels that tells nothing. λ = d σ² at the noise `tuned`, the best for estimating
    a θ* of any direction. Source: Das & Sanghavi 2023, arXiv:2301.13304, whose risk is E‖θ̂ − θ*‖².
    """

    name: ClassVar[str] = "noised"

    noise: float = knob(0.5, "Share of the labels' variance that is noise.", low=0.0, high=0.99)
    tuned: float = knob(0.1, "Share of noise for which λ is the best.", low=1e-4, high=0.99)
    n: int = knob(100, "Labels.", low=2, high=2000)
    d: int = knob(50, "Directions, at most as many as labels.", low=1, high=500)

    def __post_init__(self) -> None:
        """Raises KnobError for a knob out of range, or more directions than labels."""
        super().__post_init__()
        if self.d > self.n:
            raise KnobError(f"noised: knob 'd' must be at most n = {self.n}, got {self.d}; nearest: {self.n}")

    def draw(self, seed: int) -> Design:
        """The design of a seed: the same X and θ* at every noise. Raises KnobError for a seed below 0.

        >>> Noised(noise=0.0, n=4, d=2).draw(0).s.round(3).tolist()
        [1.804, 0.463]
        """
        rng = _rng(seed)
        s = np.linalg.svd(rng.normal(size=(self.d, self.n)), compute_uv=False)
        theta = rng.normal(size=self.d)
        clean = design(s, theta / np.linalg.norm(theta), 0.0)
        return clean._replace(variance=float(clean.signal.sum()) / self.n * _odds(self.noise))

    def ridge(self, seed: int) -> float:
        """λ of the teacher and of the student, the same at every noise. Raises KnobError for a seed below 0."""
        return self.d * replace(self, noise=self.tuned).draw(seed).variance


def _odds(share: float) -> float:
    return share / (1 - share)


def _rng(seed: int) -> np.random.Generator:
    if seed < 0:
        raise KnobError(f"seed must be ≥ 0, got {seed}; nearest: 0")
    return np.random.default_rng(seed)


def distillation_ratio(d: int, steps: int, seed: int, signal: float = 1e4, spread: float = 0.1) -> float:
    """Best expected risk of ridge over that of self-distillation in so many steps, each over all λ and ξ.

    Parameters
    ----------
    d : directions, 2 … 200
    steps : of self-distillation, ≥ 0; d of them reach every direction, further ones add nothing
    seed : ≥ 0, draws the singular values
    signal, spread : as of `Separation`

    Returns
    -------
    float in 1 … d, at most `Separation(d, signal, spread).limit`. One step gains little where singular values are near to
    each other; r steps gain about r² while r² is far below d and the signal strong, as a polynomial of degree r − 1 then
    singles out the first of d evenly spaced places.

    Raises
    ------
    KnobError for a number out of range.

    >>> [round(distillation_ratio(20, steps, seed=0), 1) for steps in (0, 1, 2, 3, 20)]
    [1.0, 1.2, 4.1, 7.7, 20.0]
    """
    ridge, many = best_risks(Separation(d=d, signal=signal, spread=spread).draw(seed), [0, steps])
    return float(ridge / many)


def best_imitation(noise: float, seed: int, tuned: float = 0.1) -> float:
    """The imitation weight ξ* of least expected E‖θ̂ − θ*‖², teacher and student with one λ that does not know the noise.

    Parameters
    ----------
    noise : share of the labels' variance that is noise, 0 … 0.99
    seed : ≥ 0, draws X and θ*
    tuned : share of noise for which λ is the best, 1e-4 … 0.99; near it ξ* is near 0

    Returns
    -------
    float : below 0 without noise, above 1 where noise is strong against what λ is tuned for; equation in
    `siwork.simulation.spectral.best_xi`.

    Raises
    ------
    KnobError for a number out of range.

    >>> [round(best_imitation(noise, seed=0), 1) for noise in (0.0, 0.3, 0.5)]
    [-1.4, 1.7, 2.7]
    """
    world = Noised(noise=noise, tuned=tuned)
    return best_xi(world.draw(seed), world.ridge(seed), "estimation")


def ratio_table(ds: Sequence[int], steps: Sequence[int], seeds: Sequence[int], signal: float = 1e4) -> pd.DataFrame:
    """`distillation_ratio` by directions, steps and seeds, beside the largest that is possible.

    Returns
    -------
    DataFrame, a row a (d, steps up to d, seed): d, steps, seed, ratio, limit. Numbers of steps above d are left out.

    Raises
    ------
    KnobError for a number out of range, or without directions, steps or seeds.

    >>> ratio_table([5, 10], [1, 10], [0])[["d", "steps", "ratio"]].round(1).values.tolist()
    [[5.0, 1.0, 1.2], [10.0, 1.0, 1.2], [10.0, 10.0, 10.0]]
    """
    _some(ds=ds, steps=steps, seeds=seeds)
    rows = []
    for world in (Separation(d=d, signal=signal) for d in ds):
        asked = [r for r in steps if r <= world.d]
        for seed in seeds:
            risks = best_risks(world.draw(seed), [0, *asked])
            about = {"d": world.d, "seed": seed, "limit": world.limit}
            rows += [{**about, "steps": r, "ratio": risks[0] / each} for r, each in zip(asked, risks[1:], strict=True)]
    return pd.DataFrame(rows, columns=["d", "steps", "seed", "ratio", "limit"])


def imitation_table(
    noises: Sequence[float], seeds: Sequence[int], xi: Sequence[float] = XI, tuned: float = 0.1
) -> pd.DataFrame:
    """Expected E‖θ̂ − θ*‖² of the student over that of its teacher, by noise, seed and imitation weight.

    Parameters
    ----------
    noises : shares of the labels' variance that are noise, 0 … 0.99
    seeds : each ≥ 0
    xi : imitation weights, any real numbers
    tuned : as of `best_imitation`

    Returns
    -------
    DataFrame, a row a (noise, seed, ξ): noise, seed, xi, ratio (1 at ξ = 0, below 1 the student is better), best (ξ*).

    Raises
    ------
    KnobError for a number out of range, or without noises, seeds or weights.

    >>> imitation_table([0.5], [0], xi=[0.0, 1.0, 2.0])["ratio"].round(2).tolist()
    [1.0, 0.77, 0.64]
    """
    _some(noises=noises, seeds=seeds, xi=xi)
    rows = []
    for world in (Noised(noise=noise, tuned=tuned) for noise in noises):
        for seed in seeds:
            of, ridge = world.draw(seed), world.ridge(seed)
            teacher, best = risk(of, distilled_shares(of, ridge, []), "estimation"), best_xi(of, ridge, "estimation")
            about = {"noise": world.noise, "seed": seed, "best": best}
            student = [risk(of, distilled_shares(of, ridge, [each]), "estimation") for each in xi]
            rows += [{**about, "xi": each, "ratio": float(r / teacher)} for each, r in zip(xi, student, strict=True)]
    return pd.DataFrame(rows, columns=["noise", "seed", "xi", "ratio", "best"])


def _some(**named: Sequence[float]) -> None:
    empty = [name for name, values in named.items() if not len(values)]
    if empty:
        raise KnobError(f"{empty[0]} must name at least one number, got none; give a list of them")


def trained(x: np.ndarray, y: np.ndarray, ridge: float, xi: Sequence[float]) -> np.ndarray:
    """Coefficients of ridge and then of a student after the other, trained on actual labels: no closed form.

    Parameters
    ----------
    x : (d, n)
    y : labels (n,), or (n, sets) for several sets of them
    ridge : λ > 0
    xi : weight of the predecessor's predictions in each step

    Returns
    -------
    float array (d,) or (d, sets)

    >>> trained(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0]), 4.0, [1.0]).round(3).tolist()
    [0.125, 0.04]
    """
    gram = x @ x.T + ridge * np.eye(len(x))
    theta = np.linalg.solve(gram, x @ y)
    for weight in xi:
        theta = np.linalg.solve(gram, x @ ((1 - weight) * y + weight * (x.T @ theta)))
    return np.asarray(theta)


def sampled_risk(
    of: Design, ridge: float, xi: Sequence[float], rng: np.random.Generator, draws: int = 1000, kind: str = "prediction"
) -> tuple[float, float]:
    """Risk measured on sampled labels: an X with those singular values in random bases, students trained one by one.

    Parameters
    ----------
    of : design
    ridge, xi : as of `trained`
    rng : of the bases and of the Gaussian noise
    draws : sets of labels, ≥ 2
    kind : prediction or estimation, as of `siwork.simulation.spectral.risk`

    Returns
    -------
    (mean, standard error)

    Raises
    ------
    KnobError for fewer than two draws.

    >>> of = design([2.0, 1.0], [1.0, 0.0], 0.5)
    >>> mean, error = sampled_risk(of, 1.0, [0.5], np.random.default_rng(0), draws=4000)
    >>> bool(abs(mean - risk(of, distilled_shares(of, 1.0, [0.5]))) < 3 * error)
    True
    """
    if draws < 2:
        raise KnobError(f"draws must be ≥ 2 for a standard error, got {draws}; nearest: 2")
    d = len(of.s)
    left, right = (np.linalg.qr(rng.normal(size=(rows, d)))[0] for rows in (d, d + 3))
    x, truth = (left * of.s) @ right.T, left @ of.theta
    y = (x.T @ truth)[:, None] + np.sqrt(of.variance) * rng.normal(size=(d + 3, draws))
    off = trained(x, y, ridge, xi) - truth[:, None]
    each = np.square(x.T @ off if kind == "prediction" else off).sum(axis=0)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(draws))
