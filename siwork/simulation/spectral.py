"""Ridge regression and its self-distillation with a fixed design, exactly: what each leaves of every singular direction.

Labels y = Xᵀθ* + noise, X (d, n) with singular values s and t = s². In the left singular basis of X ridge leaves the share
c = t / (t + λ) of each coordinate of least squares. A student trained with the same λ on (1 − ξ) y + ξ ŷ, where ŷ are the
teacher's predictions, leaves c (1 − ξ + ξ · teacher's share); after steps ξ_1 … ξ_r, by induction,

    f = 1 − (1 − c) (1 + ξ_r c + ξ_r ξ_{r−1} c² + … + ξ_r ⋯ ξ_1 c^r)  =  c − c (1 − c) p(c),   p any polynomial of degree < r.

As a matrix f is the preconditioner of Pareek, Du & Oh 2024 (arXiv:2407.04600) times ridge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from siwork.schema import KnobError, nearest

KINDS = ("prediction", "estimation")
_APART = 1e-9  # relative gap of singular values below which float64 no longer tells polynomials on them apart
_WORST = 1e12  # condition number up to which imitation weights keep a few digits
_DONE = 1e-13  # share of the least risk that is no longer worth a step


class Design(NamedTuple):
    """A regression as far as expected risks depend on it; `design` makes and checks one."""

    s: np.ndarray  # singular values of X (d,), > 0, in any order
    theta: np.ndarray  # coordinates of θ* in the left singular basis (d,)
    variance: float  # of the noise of one label

    @property
    def squares(self) -> np.ndarray:
        """t = s², (d,)."""
        return np.square(self.s)

    @property
    def signal(self) -> np.ndarray:
        """Squared length of each direction's part of the labels without noise: t θ*², (d,)."""
        return self.squares * np.square(self.theta)


def design(s: Sequence[float] | np.ndarray, theta: Sequence[float] | np.ndarray, variance: float) -> Design:
    """A design from numbers.

    Parameters
    ----------
    s : singular values (d,), > 0; directions in which X is 0 are left out
    theta : coordinates of θ* (d,)
    variance : of the noise of a label, ≥ 0

    Raises
    ------
    KnobError for other lengths, a singular value that is not above 0, a negative variance, or a number that is not finite.

    >>> design([2.0, 1.0], [1.0, 0.5], 1.0).signal.tolist()
    [4.0, 0.25]
    """
    left, right, noise = np.asarray(s, float), np.asarray(theta, float), float(variance)
    if left.ndim != 1 or not left.size or left.shape != right.shape:
        raise KnobError(
            f"s and theta must be as long as each other, got shapes {left.shape} and {right.shape}; cut one"
        )
    if not (np.isfinite(left).all() and np.isfinite(right).all() and np.isfinite(noise)):
        raise KnobError("s, theta and variance must be finite numbers, got others among them; look for NaN")
    if not (left > 0).all():
        raise KnobError(f"s must be > 0, got {left.min():g}; leave out directions in which X is 0")
    if noise < 0:
        raise KnobError(f"variance must be ≥ 0, got {noise:g}; nearest: 0")
    return Design(left, right, noise)


def ridge_shares(of: Design, ridge: float) -> np.ndarray:
    """Share of least squares that ridge leaves in each direction: c = t / (t + λ), (d,) in (0, 1).

    ridge : λ > 0

    Raises KnobError for a ridge that is not above 0.

    >>> ridge_shares(design([2.0, 1.0], [1.0, 1.0], 1.0), ridge=4.0).tolist()
    [0.5, 0.2]
    """
    if not 0 < ridge < np.inf:
        raise KnobError(f"ridge must be a finite number > 0, got {ridge!r}; without a ridge no step changes anything")
    return of.squares / (of.squares + ridge)


def distilled_shares(of: Design, ridge: float, xi: Sequence[float] | np.ndarray) -> np.ndarray:
    """Share that is left after as many steps of self-distillation as there are imitation weights, in closed form, (d,).

    Parameters
    ----------
    ridge : λ > 0, the same in every step
    xi : weight of the predecessor's predictions in the first step, the second, …, (r,), any real numbers; none is ridge

    Raises KnobError for a ridge that is not above 0.

    >>> distilled_shares(design([2.0, 1.0], [1.0, 1.0], 1.0), 4.0, [1.0, 1.0]).round(3).tolist()
    [0.125, 0.008]
    """
    c = ridge_shares(of, ridge)
    last_first = np.cumprod(np.asarray(xi, float)[::-1])
    power = c ** np.arange(1, len(last_first) + 1)[:, None]
    return np.asarray(1 - (1 - c) * (1 + last_first @ power))


def risk(of: Design, shares: np.ndarray, kind: str = "prediction") -> np.ndarray:
    """Expected risk of the estimator that leaves these shares: Σ w [(1 − f)² t θ*² + f² σ²].

    Parameters
    ----------
    shares : f, (…, d)
    kind : prediction, w = 1: E‖Xᵀ(θ̂ − θ*)‖², n times the excess risk on the design (Pareek et al. 2024); or estimation,
        w = 1/t: E‖θ̂ − θ*‖² (Das & Sanghavi 2023)

    Returns
    -------
    float array (…)

    Raises
    ------
    KnobError for another kind.

    >>> float(risk(design([2.0, 1.0], [1.0, 0.0], 0.5), np.array([0.5, 0.5])))
    1.25
    """
    f = np.asarray(shares, float)
    return np.asarray(((1 - f) ** 2 * of.signal + f**2 * of.variance) @ _weight(of, kind))


def _weight(of: Design, kind: str) -> np.ndarray:
    if kind not in KINDS:
        raise KnobError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}; {nearest(kind, KINDS)}")
    return np.ones(of.s.shape) if kind == "prediction" else 1 / of.squares


def best_shares(of: Design) -> np.ndarray:
    """The shares of least risk of either kind: f* = t θ*² / (t θ*² + σ²), (d,).

    Raises KnobError without noise, where least squares is exact.

    >>> best_shares(design([2.0, 1.0], [1.0, 0.0], 1.0)).tolist()
    [0.8, 0.0]
    """
    if not of.variance > 0:
        raise KnobError("without noise least squares is exact and nothing is left to gain; give a variance > 0")
    return of.signal / (of.signal + of.variance)


def best_xi(of: Design, ridge: float, kind: str = "prediction") -> float:
    """The imitation weight of least expected risk for one step with the teacher's own λ; it may be any real number.

    The student leaves f = c − ξ v with v = c (1 − c), so the risk is exactly a quadratic in ξ, least at

        ξ* = Σ w v (c σ² − (1 − c) t θ*²) / Σ w v² (t θ*² + σ²).

    It is never above 0 without noise, rises with σ², and tends to Σ w v c / Σ w v², which is above 1, so it exceeds 1 from
    `turning_variance` on. Its sign is that of −dR/dλ (v = −λ dc/dλ): a teacher of the best λ has nothing to gain from
    one step with its own λ, one of too small a λ gains by ξ > 0.
    Source: Das & Sanghavi 2023, arXiv:2301.13304; the sign, Dang et al. 2026, arXiv:2602.17565.

    Raises
    ------
    KnobError for a ridge that is not above 0, another kind, or labels that are all 0.

    >>> [round(best_xi(design([2.0, 1.0], [1.0, 1.0], noise), ridge=1.0), 3) for noise in (0.0, 1.0, 9.0)]
    [-1.534, 0.0, 2.113]
    """
    c, w = ridge_shares(of, ridge), _weight(of, kind)
    v = c * (1 - c)
    whole = (w * v**2) @ (of.signal + of.variance)
    if not whole > 0:
        raise KnobError("theta and variance must not both be 0: every student of labels 0 is the same")
    return float((w * v) @ (c * of.variance - (1 - c) * of.signal) / whole)


def turning_variance(of: Design, ridge: float, kind: str = "prediction") -> float:
    """The variance of the noise above which `best_xi` exceeds 1: Σ w v (1 − c²) t θ*² / Σ w v c²; 0 where θ* is 0.

    Raises KnobError for a ridge that is not above 0, or another kind.

    >>> even = design([1.0, 1.0], [1.0, 1.0], 0.0)
    >>> turning_variance(even, ridge=1.0), best_xi(even._replace(variance=3.0), ridge=1.0)
    (3.0, 1.0)
    """
    c, w = ridge_shares(of, ridge), _weight(of, kind)
    v = c * (1 - c)
    return float((w * v * (1 - c**2)) @ of.signal / ((w * v) @ c**2))


def reaching_xi(of: Design, ridge: float) -> np.ndarray:
    """Imitation weights (d,) with which d steps leave exactly `best_shares`, for distinct singular values.

    They solve a Vandermonde system in c and soon grow beyond any measure; risks that need no weights are those of
    `best_risks`.

    Raises
    ------
    KnobError for a ridge that is not above 0, without noise, where the system is too ill-conditioned for float64, or where
    a weight would have to be infinite.

    >>> of = design([2.0, 1.0], [1.0, 0.0], 1.0)
    >>> distilled_shares(of, 1.0, reaching_xi(of, 1.0)).round(9).tolist()
    [0.8, 0.0]
    """
    c = ridge_shares(of, ridge)
    power = c[:, None] ** np.arange(1, len(c) + 1)
    if not np.linalg.cond(power) < _WORST:
        raise KnobError(
            f"{len(c)} singular values this near to each other have no weights that float64 can hold; "
            "take fewer, spread them, or take best_risks, which needs none"
        )
    products = np.linalg.solve(power, (1 - best_shares(of)) / (1 - c) - 1)
    if not products[:-1].all():
        raise KnobError(
            "a product of weights is 0 before the last, so the next would be infinite; change ridge a little"
        )
    return np.asarray((products / np.r_[1.0, products[:-1]])[::-1])


def best_risks(of: Design, steps: Sequence[int]) -> np.ndarray:
    """Least expected prediction risk over all λ > 0 and all ξ, after each number of steps; 0 steps is ridge.

    For each λ the best shares are the projection of f* on c − c (1 − c) p(c), p of degree < r, weighted with t θ*² + σ²; its
    basis is built one vector after the other, each made orthogonal twice, so that near and many singular values do no
    harm. λ is searched on a grid that is refined three times, from far below every t to ∞ (a limit that no λ attains, and
    often the best). Directions of equal singular values share one share; as many steps as there are different singular
    values reach f*, as far as that allows.

    Parameters
    ----------
    steps : numbers ≥ 0

    Returns
    -------
    float array (len(steps),): E‖Xᵀ(θ̂ − θ*)‖², never rising with the steps. Within 1e-8 of 60-digit arithmetic, relative, for
    up to 8 directions that span 1e-3 … 0.8 of the largest and signals up to 1e6 σ²; above 1e10 σ² the grid ends too soon.

    Raises
    ------
    KnobError without noise, for a number of steps below 0, or singular values that are equal to 9 digits but not equal.

    >>> of = design([1.0, 0.9, 0.8], [10.0, 0.0, 0.0], 1.0)
    >>> best_risks(of, [0, 1, 2, 3]).round(3).tolist()
    [2.865, 2.024, 1.089, 0.99]
    """
    asked, of_each = np.asarray(steps), _told_apart(of)
    if not asked.size or asked.dtype.kind != "i" or asked.min() < 0:
        raise KnobError(f"steps must be whole numbers ≥ 0, got {steps!r}; 0 is ridge")
    most = int(min(asked.max(), len(of_each.t) - 1))
    found = np.minimum.accumulate(np.r_[_searched(of_each, most), of_each.floor])
    return np.asarray(found[np.minimum(asked, len(found) - 1)])


class _Apart(NamedTuple):
    """What is left to choose: one share for each different t, all directions of that t together."""

    t: np.ndarray
    signal: np.ndarray
    noise: np.ndarray  # σ² times the directions

    @property
    def least(self) -> np.ndarray:
        return self.signal / (self.signal + self.noise)

    @property
    def floor(self) -> float:
        return float(self.least @ self.noise)


def _told_apart(of: Design) -> _Apart:
    best_shares(of)  # raises without noise
    s, which, count = np.unique(of.s, return_inverse=True, return_counts=True)
    if (np.diff(s) < _APART * s[1:]).any():
        raise KnobError(
            "singular values must be equal or apart by 1e-9 of themselves, got nearer ones; make them equal"
        )
    return _Apart(np.square(s), np.bincount(which, of.signal), count * of.variance)


def _searched(of: _Apart, steps: int) -> np.ndarray:
    """Least risk after 0 … steps steps over 1/λ: 0, and a grid whose best places are looked at closer."""
    inverse = np.r_[0.0, np.geomspace(1e-5 / of.t.max(), 1e10 / of.t.min(), 181)]
    risks = _risks(of, inverse, steps)
    for _ in range(3):
        best = np.unique(risks.argmin(axis=0))
        low, high = inverse[np.maximum(best - 1, 0)], inverse[np.minimum(best + 1, len(inverse) - 1)]
        closer = np.unique(np.concatenate(np.linspace(low, high, 17)))
        risks = np.concatenate([risks, _risks(of, closer, steps)])
        inverse, order = np.unique(np.concatenate([inverse, closer]), return_index=True)
        risks = risks[order]
    return np.asarray(risks.min(axis=0))


def _risks(of: _Apart, inverse: np.ndarray, steps: int) -> np.ndarray:
    """Least risk for each 1/λ after 0 … steps steps, (places, steps + 1)."""
    scale, grown = np.sqrt(of.signal + of.noise), 1 + of.t * inverse[:, None]
    rest = scale * (of.least - (1 - 1 / grown))
    vector, place = scale * of.t / grown**2, _places(of.t, grown)
    basis, found = np.zeros((len(inverse), steps, len(of.t))), np.empty((len(inverse), steps + 1))
    found[:, 0] = of.floor + np.square(rest).sum(axis=1)
    for r in range(steps):
        found[:, r + 1 :] = found[:, [r]]
        if found[:, r].min() <= of.floor * (1 + _DONE):
            break
        vector = _orthogonal(vector, basis[:, :r])
        basis[:, r] = vector
        rest = rest - vector * np.einsum("ld,ld->l", vector, rest)[:, None]
        found[:, r + 1] = of.floor + np.square(rest).sum(axis=1)
        vector = vector * place
    return found


def _orthogonal(vector: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Unit vectors (places, d) without what lies in the bases (places, r, d); once is not enough in float64."""
    for _ in range(2):
        vector = vector - np.einsum("lrd,lr->ld", basis, np.einsum("lrd,ld->lr", basis, vector))
    return np.asarray(vector / np.linalg.norm(vector, axis=1, keepdims=True))


def _places(t: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """c up to an affine map onto about −1 … 1, whose differences are as exact as those of t at every λ, (places, d)."""
    off = (t - np.median(t)) / grown
    middle = (off.max(axis=1, keepdims=True) + off.min(axis=1, keepdims=True)) / 2
    width = np.ptp(off, axis=1)[:, None]
    return np.asarray((off - middle) / np.where(width > 0, width / 2, 1.0))
