"""Laws of loops without information: what refitting a model on its own samples does by itself, exactly.

n fresh samples a fit, T fits, the first on real data. "replace": each fit sees the last model's n samples only;
"accumulate": each fit sees all samples so far. A verifier adds information and breaks these laws: the distance from them
measures what it adds. Medians lie far below means (n=20, T=15: mean variance 0.46, median 0.21), so compare a run with
the law's distribution, `gaussian_samples` or `drift_samples`, not with its mean.

Sources: Shumailov et al. 2024 (Nature 631:755), Gerstgrasser et al. 2024 (arXiv:2404.01413), Ewens 2004; the forms with
"accumulate" follow from the law of total variance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln, xlog1py, xlogy, zeta

from siwork.metrics.draws import whole
from siwork.schema import KnobError, nearest

_TABLE = 2000  # samples a fit up to which the n × n table of counts is made


class GaussianLaw(NamedTuple):
    """Expectations after T fits of a Gaussian with mean and variance fitted; floats, or arrays of the shape of T."""

    var: np.ndarray  # E[σ²_T]
    sd: np.ndarray  # E[σ_T]
    log_var: np.ndarray  # E[log σ²_T]
    var_of_mean: np.ndarray  # Var(μ_T)


class Drift(NamedTuple):
    """Expectations after T fits of a categorical distribution."""

    heterozygosity: float  # E[1 − Σ p²]
    extinct_after_1: np.ndarray  # (S,) probability that a type is gone after the first fit
    extinct_by_T: np.ndarray  # (S,) after T fits
    support: float  # expected number of types left
    fixation: np.ndarray  # (S,) probability of being the only type left in the end


def gaussian_recursion(
    n: int, T: ArrayLike, sigma0: float = 1.0, variance: str = "ml", data: str = "replace"
) -> GaussianLaw:
    """Expected variance, spread and wander of a Gaussian refitted on its own samples.

    With the ML variance E[σ²] falls by (1 − 1/n) a fit; with the unbiased one it never moves, yet E[log σ²] falls without
    end and σ → 0 almost surely: the mean is carried by rare runs.

    Parameters
    ----------
    n : fresh samples a fit
    T : number of fits, whole ≥ 0 or inf, one number or an array
    sigma0 : standard deviation of the real data, > 0
    variance : "ml" divides by the samples, "unbiased" by the samples − 1
    data : "replace" or "accumulate"

    Returns
    -------
    GaussianLaw, each float or of the shape of T, in units of the data. NaN where n < 2, and for sd and log_var of
    "accumulate" after more than one fit, which have no closed form.

    Raises
    ------
    KnobError for an unknown variance or data, sigma0 ≤ 0, or n or T not whole or negative.

    Source: module docstring; E[σ²_T] of "accumulate" with ML tends to σ₀²·sin(π/√n)/(π/√n).

    >>> law = gaussian_recursion(20, 15)
    >>> round(float(law.var), 4), round(float(law.sd), 4), round(float(law.log_var), 4)
    (0.4633, 0.5588, -1.5727)
    """
    _check(sigma0, variance, data)
    size, fits = int(whole("n", n)), _fits(T)
    if size < 2:
        return GaussianLaw(*(np.full(fits.shape, np.nan)[()] for _ in GaussianLaw._fields))
    ml, half = variance == "ml", (size - 1) / 2
    root = _c4(size) * (np.sqrt(1 - 1 / size) if ml else 1.0)
    log_step = digamma(half) - np.log(size / 2 if ml else half)
    sd, log_var = np.power(root, fits), fits * log_step
    if data == "replace":
        var = np.power(1 - 1 / size, fits) if ml else np.ones(fits.shape)
        wander = 1.0 - var if ml else fits / size
    else:
        var, wander = _accumulated(size, fits, ml)
        sd, log_var = np.where(fits > 1, np.nan, sd), np.where(fits > 1, np.nan, log_var)
    scale = sigma0**2
    return GaussianLaw(
        (scale * var)[()], (sigma0 * sd)[()], (np.log(scale) + log_var)[()], np.asarray(scale * wander)[()]
    )


def _accumulated(n: int, fits: np.ndarray, ml: bool) -> tuple[np.ndarray, np.ndarray]:
    """E[σ²_T]/σ₀² and Var(μ_T)/σ₀² where fit t sees all n·t samples: Var(μ_T) = Σ_s E[σ²_{s−1}]/(n s²)."""
    finite = np.isfinite(fits)
    s = np.arange(1.0, fits[finite].max(initial=0.0) + 1)
    shrink = 1 - 1 / (n * s**2) if ml else 1 - np.where(s > 1, 1 / (s * (n * s - 1)), 0.0)
    var = np.r_[1.0, np.cumprod(shrink)]
    wander = np.r_[0.0, np.cumsum(var[:-1] / (n * s**2))]
    at = np.where(finite, fits, 0).astype(np.int64)
    end = _accumulated_limits(n, ml)
    return np.where(finite, var[at], end[0]), np.where(finite, wander[at], end[1])


def _accumulated_limits(n: int, ml: bool) -> tuple[float, float]:
    angle = np.pi / np.sqrt(n)
    if ml:
        return float(np.sin(angle) / angle), float(1 - np.sin(angle) / angle)
    # Π_{s≥2} (s − r₊)(s − r₋)/(s(s − 1/n)) with r± the roots of n s² − s − 1; the wander by its sum and an integral tail
    roots = (1 + np.array([1, -1]) * np.sqrt(1 + 4 * n)) / (2 * n)
    var = float(np.exp(gammaln(2 - 1 / n) - gammaln(2 - roots).sum()))
    far = 10_000
    s = np.arange(1.0, far + 1)
    kept = np.r_[1.0, np.cumprod(1 - np.where(s > 1, 1 / (s * (n * s - 1)), 0.0))]
    return var, float(np.sum(kept[:-1] / (n * s**2)) + var * zeta(2, far + 1) / n)


def known_sigma_mean_variance(n: int, T: ArrayLike, sigma: float = 1.0, data: str = "replace") -> np.ndarray:
    """Variance of the fitted mean of a Gaussian whose σ is known and kept.

    "replace": σ² T/n, without bound. "accumulate": (σ²/n) Σ_{s≤T} 1/s², at most (σ²/n)·π²/6.

    Parameters
    ----------
    n : fresh samples a fit, ≥ 1
    T : number of fits, whole ≥ 0 or inf, one number or an array
    sigma : the known standard deviation, ≥ 0
    data : "replace" or "accumulate"

    Returns
    -------
    float, or array of the shape of T, ≥ 0.

    Raises
    ------
    KnobError for an unknown data, a negative sigma, n < 1, or n or T not whole or negative.

    >>> round(float(known_sigma_mean_variance(10, 5, data="accumulate")), 4)
    0.1464
    """
    _one_of("data", data, ("replace", "accumulate"))
    if not (np.isfinite(sigma) and sigma >= 0):
        raise KnobError(f"sigma must be ≥ 0, got {sigma!r}")
    size, fits = int(whole("n", n, 1)), _fits(T)
    if data == "replace":
        return np.asarray(sigma**2 * fits / size)[()] if sigma else np.zeros(fits.shape)[()]
    rest = np.where(np.isfinite(fits), zeta(2, np.where(np.isfinite(fits), fits, 0) + 1), 0.0)
    return np.asarray(sigma**2 / size * (np.pi**2 / 6 - rest))[()]


def drift(p: ArrayLike, n: int, T: int, data: str = "replace") -> Drift:
    """What is left of a categorical distribution refitted on its own samples (Wright–Fisher drift).

    Heterozygosity 1 − Σp² falls by (1 − 1/n) a fit ("replace") or by (1 − 1/(n s²)) at fit s ("accumulate"). A type absent
    from a fit is gone for good; under "accumulate" only the first fit can lose it.

    Parameters
    ----------
    p : float array (S,), shares of the types in the real data, sum 1
    n : fresh samples a fit, ≥ 1
    T : number of fits, ≥ 0
    data : "replace" or "accumulate"

    Returns
    -------
    Drift. extinct_by_T and support are exact by the table of binomial transitions, whose size is n²: NaN for "replace"
    with n > 2000 and T > 1, where `drift_samples` serves.

    Raises
    ------
    KnobError when p is not a flat distribution, for an unknown data, n < 1 or T < 0, or values that are not whole.

    Source: Wright 1931; Ewens 2004.

    >>> law = drift([0.5, 0.3, 0.2], n=10, T=4)
    >>> round(law.heterozygosity, 4), law.extinct_by_T.round(4).tolist(), round(law.support, 4)
    (0.4068, [0.0762, 0.2522, 0.4168], 2.2548)
    """
    _one_of("data", data, ("replace", "accumulate"))
    shares, size, fits = _shares(p), int(whole("n", n, 1)), int(whole("T", T))
    steps = np.ones(fits) if data == "replace" else np.arange(1.0, fits + 1)
    h = float((1 - np.sum(shares**2)) * np.prod(1 - 1 / (size * steps**2)))
    first = np.exp(xlog1py(size, -shares))
    gone = _extinct(shares, size, fits if data == "replace" else min(fits, 1))
    fixed = shares.copy() if data == "replace" else shares**size
    return Drift(h, first, gone, float(np.sum(1 - gone)), fixed)


def _extinct(shares: np.ndarray, n: int, fits: int) -> np.ndarray:
    """Probability of count 0 after `fits` steps, backwards: f_{t+1}(x) = Σ_y Bin(y; n, x/n) f_t(y), f_0 = [y = 0]."""
    if fits < 2:
        return np.exp(xlog1py(n, -shares)) if fits else (shares == 0).astype(float)
    if n > _TABLE:
        return np.full(shares.shape, np.nan)
    table = _binomial(np.arange(n + 1) / n, n)
    gone = table[:, 0]
    for _ in range(fits - 2):
        gone = table @ gone
    return _binomial(shares, n) @ gone


def _binomial(p: np.ndarray, n: int) -> np.ndarray:
    """Binomial probabilities (len(p), n + 1)."""
    x = np.arange(n + 1.0)
    choose = gammaln(n + 1.0) - gammaln(x + 1) - gammaln(n - x + 1)
    return np.asarray(np.exp(choose + xlogy(x, p[:, None]) + xlog1py(n - x, -p[:, None])))


def drift_samples(p: ArrayLike, n: int, T: int, runs: int = 1000, seed: int = 0, data: str = "replace") -> np.ndarray:
    """Heterozygosity 1 − Σp² of simulated loops without information, the distribution to compare a run with.

    Takes p, n, T and data as `drift` does; runs ≥ 1 and their seed. Returns array (runs, T+1) in [0, 1), column t after t
    fits, column 0 that of p; its mean over runs is `drift(p, n, t).heterozygosity`. Raises KnobError as `drift` does.

    >>> drift_samples([0.5, 0.5], n=4, T=3, runs=2).shape
    (2, 4)
    """
    _one_of("data", data, ("replace", "accumulate"))
    shares, size, fits = _shares(p), int(whole("n", n, 1)), int(whole("T", T))
    number, rng = int(whole("runs", runs, 1)), np.random.default_rng(seed)
    now = np.tile(shares / shares.sum(), (number, 1))
    counts = np.zeros(now.shape, np.int64)
    out = np.empty((number, fits + 1))
    out[:, 0] = 1 - np.sum(now**2, axis=1)
    for fit in range(1, fits + 1):
        drawn = rng.multinomial(size, now)
        counts = counts + drawn if data == "accumulate" else drawn
        now = counts / counts.sum(axis=1, keepdims=True)
        out[:, fit] = 1 - np.sum(now**2, axis=1)
    return out


def gaussian_samples(
    n: int,
    T: int,
    runs: int = 1000,
    seed: int = 0,
    sigma0: float = 1.0,
    variance: str = "ml",
    data: str = "replace",
) -> np.ndarray:
    """Fitted variance of simulated Gaussian loops without information, the distribution to compare a run with.

    Drawn from the exact law of each fit: sums of squares grow by σ²(χ²_{n−1} + (1 − 1/t) χ²_1), the last part under
    "accumulate" only. Takes n ≥ 2, sigma0, variance and data as `gaussian_recursion` does; T ≥ 0, runs ≥ 1, and a seed.
    Returns array (runs, T+1), column t after t fits; its mean over runs is `gaussian_recursion(n, t).var`. Raises
    KnobError as `gaussian_recursion` does, and for n < 2.

    >>> last = gaussian_samples(20, 15, runs=4000)[:, -1]
    >>> round(float(np.median(last)), 1), round(float(np.mean(last)), 1)
    (0.2, 0.5)
    """
    _check(sigma0, variance, data)
    size, fits, number = int(whole("n", n, 2)), int(whole("T", T)), int(whole("runs", runs, 1))
    rng, less = np.random.default_rng(seed), 0 if variance == "ml" else 1
    out = np.full((number, fits + 1), float(sigma0) ** 2)
    squares = np.zeros(number)
    for fit in range(1, fits + 1):
        fresh = rng.chisquare(size - 1, number)
        if data == "accumulate":
            fresh += (1 - 1 / fit) * rng.chisquare(1, number)
        squares = fresh * out[:, fit - 1] + (squares if data == "accumulate" else 0.0)
        samples = size * fit if data == "accumulate" else size
        out[:, fit] = squares / (samples - less)
    return out


def _c4(n: int) -> float:
    """E[s]/σ of the unbiased variance of n samples, √(2/(n−1))·Γ(n/2)/Γ((n−1)/2); its series where Γ loses digits."""
    if n > 1000:
        return 1 - 1 / (4 * n) - 7 / (32 * n**2) - 19 / (128 * n**3)
    return float(np.sqrt(2 / (n - 1)) * np.exp(gammaln(n / 2) - gammaln((n - 1) / 2)))


def _fits(T: ArrayLike) -> np.ndarray:
    fits = np.asarray(T, float)
    whole("T", np.where(np.isposinf(fits), 0, fits))
    return fits


def _shares(p: ArrayLike) -> np.ndarray:
    shares = np.asarray(p, float)
    if shares.ndim != 1 or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise KnobError(
            f"p must be flat, ≥ 0 and sum to 1, got shape {shares.shape} and sum {shares.sum():g}; divide by it"
        )
    return shares


def _check(sigma0: float, variance: str, data: str) -> None:
    _one_of("variance", variance, ("ml", "unbiased"))
    _one_of("data", data, ("replace", "accumulate"))
    if not (np.isfinite(sigma0) and sigma0 > 0):
        raise KnobError(f"sigma0 must be > 0, got {sigma0!r}")


def _one_of(name: str, value: str, choices: tuple[str, str]) -> None:
    if value not in choices:
        raise KnobError(f"{name} must be {choices[0]} or {choices[1]}, got {value!r}; {nearest(value, choices)}")
